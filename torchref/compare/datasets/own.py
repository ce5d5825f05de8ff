"""A user's own data: what a path holds is told from its name and its content."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np

from torchref.compare.data import Data, Rows, split
from torchref.compare.datasets import cifar
from torchref.compare.datasets.arrays import read_npz
from torchref.compare.datasets.bundled import encode, text_windows
from torchref.compare.datasets.idx import read_idx
from torchref.compare.datasets.table import read_csv
from torchref.compare.errors import UserError
from torchref.nn.module import Array

__all__ = ["load"]

WINDOW = 64  # symbols
LARGE_TEXT = 2**26  # bytes: longer texts are mapped and read as bytes
FORMS = "a .npz, .csv or .txt file, or a folder with MNIST's IDX files or CIFAR-10's batches"


def load(path: Path, label: str | None = None, window: int = WINDOW) -> Data:
    """The data in a file or folder. `label` names a CSV file's column, `window` is the length of a text's windows.

    A folder holds IDX files (train-images..., train-labels..., t10k-..., each plain or .gz) or CIFAR-10's batches
    (data_batch_1.bin or data_batch_1, ..., test_batch). A single IDX file of images finds its labels beside it.
    """
    if not path.exists():
        raise UserError(f"data: there is no {path}")
    suffixes = path.suffixes
    if label is not None and path.suffix != ".csv":
        raise UserError(f"data: a label column is a CSV file's, and {path} is none")
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".npz":
        return read_npz(path)
    if path.suffix == ".csv":
        return read_csv(path, label)
    if path.suffix in (".txt", ".text", ".md"):
        return read_text(path, window)
    if path.suffix == ".bin":
        pixels, labels = cifar.read_binary(path)
        return split(Rows(pixels, cifar.SHAPE), labels, 0.2)
    if "images" in path.name and ("ubyte" in path.name or suffixes):
        return split(*_images_and_labels(path, _beside(path)), 0.2)
    if "_batch" in path.name:
        pixels, labels = cifar.read_pickle(path)
        return split(Rows(pixels, cifar.SHAPE), labels, 0.2)
    raise UserError(f"data: {path} is none of what can be read: {FORMS}")


def read_text(path: Path, window: int = WINDOW) -> Data:
    """A text as windows of characters (see `text_windows`); one that is no UTF-8, or very long, as windows of bytes.

    Bytes are memory-mapped: 256 symbols, windows one after the other.
    """
    try:
        if path.stat().st_size <= LARGE_TEXT:
            try:
                return text_windows(encode(path.read_text(encoding="utf-8"))[0], window)
            except UnicodeDecodeError:
                pass
        return _byte_windows(path, window)
    except OSError as error:
        raise UserError(f"data: cannot read {path}: {error.strerror}") from None


def _byte_windows(path: Path, window: int) -> Data:
    size = path.stat().st_size
    windows = (size - 1) // window
    if windows < 2:
        raise UserError(f"data: {path} has {size} bytes; two windows of {window} need {2 * window + 1}")
    with path.open("rb") as file:
        symbols = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    inputs = Rows(symbols[: windows * window].reshape(windows, window), symbols=True)
    targets = Rows(symbols[1 : windows * window + 1].reshape(windows, window), symbols=True)
    train, rest = np.split(np.arange(windows), [windows - max(1, windows // 10)])
    return Data(inputs.take(train), targets.take(train), inputs.take(rest), targets.take(rest))


def _folder(path: Path) -> Data:
    names = sorted(entry.name for entry in path.iterdir())
    images = [name for name in names if name.startswith("train-images")]
    if images:
        held_out = [name for name in names if name.startswith(("t10k-images", "test-images"))]
        if not held_out:
            return split(*_images_and_labels(path / images[0], _beside(path / images[0])), 0.2)
        train = _images_and_labels(path / images[0], _beside(path / images[0]))
        return Data(*train, *_images_and_labels(path / held_out[0], _beside(path / held_out[0])))
    batches = [name for name in names if name.startswith("data_batch_")]
    if batches:
        binary = [name for name in batches if name.endswith(".bin")]
        train = _cifar([path / name for name in binary or batches])
        test = path / ("test_batch.bin" if binary else "test_batch")
        return Data(*train, *_cifar([test])) if test.exists() else split(*train, 0.2)
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    raise UserError(f"data: {path} holds {shown or 'nothing'}; wanted: {FORMS}")


def _cifar(paths: list[Path]) -> tuple[Rows, Array]:
    read = [cifar.read_binary(path) if path.suffix == ".bin" else cifar.read_pickle(path) for path in paths]
    return Rows([pixels for pixels, _ in read], cifar.SHAPE), np.concatenate([labels for _, labels in read])


def _beside(images: Path) -> Path:
    """The labels' file of a file of images."""
    plain = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    for name in (plain, plain + ".gz"):
        if images.with_name(name).exists():
            return images.with_name(name)
    raise UserError(f"data: {images} has no labels beside it: there is no {plain}, plain or .gz")


def _images_and_labels(images_path: Path, labels_path: Path) -> tuple[Rows, Array]:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim < 2:
        raise UserError(f"data: {images_path} has {images.ndim} dimension; images have at least 2")
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        raise UserError(f"data: {labels_path} holds {labels.dtype} of shape {labels.shape}, not a label an image")
    if len(images) != len(labels):
        raise UserError(f"data: {images_path} has {len(images)} images, but {labels_path} {len(labels)} labels")
    shape = images.shape[1:] if images.ndim > 3 else (1, *images.shape[1:])
    return Rows(images, shape), labels.astype(np.int64)
