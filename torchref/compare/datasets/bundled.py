"""Real data that needs no download: scikit-learn's bundled sets, its two photographs, and Python's own help texts."""

from __future__ import annotations

import numpy as np

from torchref.compare.data import Data, split
from torchref.compare.errors import UserError
from torchref.nn.module import Array

__all__ = [
    "breast_cancer",
    "diabetes",
    "digit_images",
    "digits",
    "digits_as_symbols",
    "encode",
    "help_text",
    "help_text_windows",
    "photo_patches",
    "standardized",
    "text_windows",
    "wine",
]


def digits(validation: float = 0.3, images: bool = False) -> Data:
    """1,797 handwritten digits (Alpaydin & Kaynak 1998): 64 pixels from 0 to 1 -> label 0..9.

    `images`: as (1, 8, 8), for convolutions.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    pixels = pixels / 16
    return split(pixels.reshape(-1, 1, 8, 8) if images else pixels, labels.astype("int64"), validation)


def digit_images(validation: float = 0.3, images: bool = False) -> Data:
    """The digits without their labels: the target is the image itself, for autoencoders."""
    labelled = digits(validation, images)
    return Data(labelled.train_inputs, labelled.train_inputs, labelled.validation_inputs, labelled.validation_inputs)


def digits_as_symbols(validation: float = 0.3) -> Data:
    """The digits as sequences, row by row, each pixel one of 17 symbols: (N, 64) of integers -> label 0..9."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return split(pixels.astype("int64"), labels.astype("int64"), validation)


def breast_cancer(validation: float = 0.3) -> Data:
    """569 tumours (Street, Wolberg & Mangasarian 1993): 30 standardised measurements -> 0 malignant, 1 benign."""
    from sklearn.datasets import load_breast_cancer

    inputs, labels = load_breast_cancer(return_X_y=True)
    return standardized(split(inputs, labels.astype("int64"), validation))


def wine(validation: float = 0.3) -> Data:
    """178 wines of three growers (Aeberhard et al. 1994): 13 standardised measurements -> grower 0..2."""
    from sklearn.datasets import load_wine

    inputs, labels = load_wine(return_X_y=True)
    return standardized(split(inputs, labels.astype("int64"), validation))


def diabetes(validation: float = 0.3) -> Data:
    """442 patients (Efron et al. 2004): 10 measurements -> progression in a year (N, 1); all standardised."""
    from sklearn.datasets import load_diabetes

    inputs, progression = load_diabetes(return_X_y=True)
    parts = standardized(split(inputs, progression[:, None], validation))
    mean, spread = parts.train_targets[:].mean(), parts.train_targets[:].std()
    scaled = [(targets[:] - mean) / spread for targets in (parts.train_targets, parts.validation_targets)]
    return Data(parts.train_inputs, scaled[0], parts.validation_inputs, scaled[1])


def standardized(data: Data) -> Data:
    """Each feature with mean 0 and spread 1 over the training part; the held-out part is scaled alike."""
    train, held_out = data.train_inputs[:], data.validation_inputs[:]
    mean, spread = train.mean(axis=0), train.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    return Data((train - mean) / spread, data.train_targets, (held_out - mean) / spread, data.validation_targets)


def photo_patches(size: int = 8, count: int = 2_000, color: bool = False, seed: int = 0) -> Data:
    """Patches of two photographs, a temple and a flower: (N, 1 or 3, size, size) from 0 to 1, target = the patch.

    Training patches come from the left two thirds of the photographs, held-out ones from the right third.
    """
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(seed)
    photos = [photo / 255 for photo in load_sample_images().images]  # (H, W, 3)
    if not color:
        photos = [photo.mean(axis=2, keepdims=True) for photo in photos]
    if not 1 <= size <= 200:
        raise UserError(f"photo_patches: size must be from 1 to 200 pixels, not {size}")

    def cut(left: float, right: float, number: int) -> Array:
        patches = []
        for i in range(number):
            photo = photos[i % len(photos)]
            height, width, _ = photo.shape
            row = rng.integers(0, height - size + 1)
            column = rng.integers(round(left * width), round(right * width) - size + 1)
            patches.append(photo[row : row + size, column : column + size].transpose(2, 0, 1))
        return np.stack(patches)

    train = cut(0, 2 / 3, count)
    held_out = cut(2 / 3, 1, max(1, count // 4))
    return Data(train, train, held_out, held_out)


def help_text() -> str:
    """Python's help texts on its own language (pydoc_data.topics, English, about 450,000 characters, by version)."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def help_text_windows(length: int = 64, characters: int | None = None) -> Data:
    """`help_text` as windows of characters, each target the next one; `characters` takes the beginning alone."""
    return text_windows(encode(help_text()[:characters])[0], length)


def encode(text: str) -> tuple[Array, str]:
    """The text as symbols 0..V-1 (int64), and the V characters that they stand for, in order."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    known, symbols = np.unique(codes, return_inverse=True)
    return symbols.astype(np.int64), "".join(map(chr, known))


def text_windows(symbols: Array, length: int, validation: float = 0.1) -> Data:
    """Windows of `length` symbols that follow one another, and as targets the same moved on by one: both (N, length).

    The end of the text is held out, so that no held-out window has been trained on.
    """
    windows = (len(symbols) - 1) // length
    if windows < 2:
        raise UserError(f"data: the text has {len(symbols)} symbols; two windows of {length} need {2 * length + 1}")
    inputs = symbols[: windows * length].reshape(windows, length)
    targets = symbols[1 : windows * length + 1].reshape(windows, length)
    train = windows - max(1, round(windows * validation))
    return Data(inputs[:train], targets[:train], inputs[train:], targets[train:])
