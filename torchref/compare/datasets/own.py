"""Load a user's own data. The path's name and content say what it holds."""

from __future__ import annotations

import contextlib
import mmap
from pathlib import Path

import numpy as np

from torchref.compare.data import Data, Rows, split
from torchref.compare.datasets import cifar
from torchref.compare.datasets.arrays import read_npz
from torchref.compare.datasets.bundled import encode, text_windows
from torchref.compare.datasets.cells import BOMS, Tell
from torchref.compare.datasets.idx import read_idx
from torchref.compare.datasets.table import Choices, read_csv
from torchref.compare.errors import UserError
from torchref.compare.faults import reason
from torchref.nn.module import Array

__all__ = ["load"]

WINDOW = 64  # symbols
LARGE_TEXT = 2**26  # bytes: longer texts are mapped and read as bytes
FORMS = "a .npz, .csv or .txt file, or a folder with MNIST's IDX files or CIFAR-10's batches"


def load(path: Path, choices: Choices | None = None, window: int = WINDOW, tell: Tell = lambda line: None) -> Data:
    """The data in a file or folder. `choices` are a CSV file's, `window` is the length of a text's windows.

    A folder holds IDX files (train-images..., train-labels..., t10k-..., each plain or packed, or in a folder of its
    name; as torchvision keeps them, below raw) or CIFAR-10's batches (data_batch_1.bin or data_batch_1, ...,
    test_batch). A single IDX file of images finds its labels beside it. `tell` gets a line for each guess about
    a CSV file.
    """
    if not path.exists():
        raise UserError(f"data: there is no {path}")
    suffixes = path.suffixes
    table = path.suffix in (".csv", ".tsv") or path.name.endswith((".csv.gz", ".tsv.gz"))
    if choices not in (None, Choices()) and not table:
        raise UserError(f"data: label, target, missing, text and drop are a CSV file's, and {path} is none")
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".npz":
        return read_npz(path)
    if table:
        return read_csv(path, choices, tell)
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
    """A text as windows of characters (see `text_windows`): one in UTF-8, or in UTF-16 or UTF-32 with its mark.

    Any other, and a very long one, is read as windows of bytes.

    Bytes are memory-mapped: 256 symbols, windows one after the other.
    """
    try:
        if path.stat().st_size <= LARGE_TEXT:
            data = path.read_bytes()
            encoding = next((name for bom, name in BOMS if data.startswith(bom)), "utf-8")
            with contextlib.suppress(UnicodeDecodeError):
                return text_windows(encode(data.decode(encoding))[0], window)
        return _byte_windows(path, window)
    except OSError as error:
        raise UserError(f"data: cannot read {path}: {reason(error)}") from None


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
    raw = [folder for folder in (path, path / "raw", *sorted(path.glob("*/raw"))) if _images(folder, "train-images")]
    if raw:
        if len(raw) > 1 and raw[0] != path:
            raise UserError(f"data: {path} holds images in {raw[0]} and in {raw[1]}: name one of them")
        images = _images(raw[0], "train-images")[0]
        held_out = _images(raw[0], "t10k-images") or _images(raw[0], "test-images")
        if not held_out:
            return split(*_images_and_labels(images, _beside(images)), 0.2)
        test = held_out[0]
        return Data(*_images_and_labels(images, _beside(images)), *_images_and_labels(test, _beside(test)))
    names = sorted(entry.name for entry in path.iterdir())
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


def _images(folder: Path, begin: str) -> list[Path]:
    """The files of images in a folder; a file may lie in a folder of its own name, as archives are unpacked."""
    return [_inside(path) for path in sorted(folder.glob(f"{begin}*"))]


def _inside(path: Path) -> Path:
    """The file itself, or the one in a folder of its name."""
    if not path.is_dir():
        return path
    files = [entry for entry in sorted(path.iterdir()) if entry.is_file() and not entry.name.startswith(".")]
    if len(files) != 1:
        raise UserError(f"data: {path} is a folder of {len(files)} files, where one file of images or labels is wanted")
    return files[0]


def _beside(images: Path) -> Path:
    """The file of labels that belongs to a file of images; it may lie beside the images' own folder."""
    plain = _labels_name(images.name)
    for name in (plain, plain + ".gz"):
        if images.with_name(name).exists():
            return _inside(images.with_name(name))
    if "images" in images.parent.name:
        for path in sorted(images.parent.parent.glob(f"{_labels_name(images.parent.name)}*")):
            return _inside(path)
    raise UserError(f"data: {images} has no labels beside it: there is no {plain}, plain or .gz")


def _labels_name(images: str) -> str:
    return images.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")


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
