"""Write the page: its own files, torchref's core as a zip, the exercises, what draws, and Pyodide's runtime.

The folder works from any static server. One thing may be missing in it: NumPy for WebAssembly, which neither PyPI nor
npm has. A visitor's browser loads it from Pyodide's CDN then, and checks its SHA-256, which Pyodide's lock file knows.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torchref
from torchref.check.ops.catalogue import CATALOGUE
from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.classroom.exercises.catalogue import EXERCISES
from torchref.page import inline
from torchref.page.circuits import circuits

__all__ = ["build", "core", "fetched"]

PYODIDE = "314.0.7"  # of npm, with NumPy 2.4
CDN = "https://cdn.jsdelivr.net/pyodide/v{}/full/"
STATIC = Path(__file__).with_name("static")
PACKAGE = Path(torchref.__file__).parent
CORE = ("__init__.py", "circuit.py", "load.py", "nearest.py", "browser/__init__.py", "browser/answer.py")
ROOMS = ("check", "models", "nn", "optim", "page", "tensor")
WASM = "pyodide.asm.wasm"
SIZE_OF_NUMPY = 3_100_000  # bytes, about, where it comes from the CDN
SEED = 0  # of the exercises' variants


@contextmanager
def fetched() -> Iterator[Path]:
    """A folder with Pyodide's runtime, from npm, while it is needed. Errors: FileNotFoundError, CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"pyodide@{PYODIDE}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("pyodide-*.tgz")
        shutil.unpack_archive(archive, folder, filter="data")
        yield Path(folder, "package")


def build(folder: Path, pyodide: Path, numpy: Path | None = None) -> int:
    """Write the page into `folder`; returns the bytes that a first visit loads.

    `pyodide` is a folder with its runtime, `numpy` a wheel for it, which is put into the folder, too.
    Errors: OSError for a file that is not there, ValueError for another NumPy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in STATIC.iterdir():
        shutil.copy(path, folder)
    (folder / "drawing").mkdir(exist_ok=True)
    for path in drawing():
        shutil.copy(path, folder / "drawing")
    _write(folder / "circuits.json", circuits())
    _write(folder / "exercises.json", exercises())
    _write(folder / "operations.json", [op.name for op in CATALOGUE] + list(OPTIMIZERS))
    _pack(folder / "torchref.zip")
    loaded = {"torchref.zip": (folder / "torchref.zip").stat().st_size} | _runtime(folder / "pyodide", pyodide, numpy)
    _write(folder / "sizes.json", loaded)
    return sum(loaded.values())


def _write(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1), encoding="utf-8")


def exercises() -> list[dict[str, Any]]:
    """The exercises that ship, each with the variants of one seed."""
    return [
        {
            "name": each.name,
            "title": each.title,
            "operations": [each.operation, *each.drawn(SEED)],
            "hints": each.hints,
            "code": each.skeleton,
        }
        for each in EXERCISES
    ]


def core() -> Iterator[Path]:
    """The files of torchref that the check needs: what imports with NumPy alone."""
    yield from (PACKAGE / name for name in CORE)
    for room in ROOMS:
        yield from sorted((PACKAGE / room).rglob("*.py"))


def _pack(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in core():
            archive.writestr(zipfile.ZipInfo(f"torchref/{file.relative_to(PACKAGE)}"), file.read_bytes(), 8, 9)


def drawing() -> list[Path]:
    """The modules that draw circuits and arrays, each with what it imports, and their style."""
    found, waiting = [inline.STATIC / "style.css"], ["embed.js"]
    while waiting:
        path = inline.STATIC / waiting.pop()
        if path not in found:
            found.append(path)
            waiting += inline.RELATIVE.findall(path.read_text(encoding="utf-8"))
    return found


def _runtime(folder: Path, pyodide: Path, numpy: Path | None) -> dict[str, int]:
    """Pyodide's files and a lock file that knows NumPy alone; {file: bytes}. The largest one is compressed here, since
    many a static server compresses nothing."""
    folder.mkdir(exist_ok=True)
    lock = json.loads((pyodide / "pyodide-lock.json").read_text(encoding="utf-8"))
    entry = lock["packages"]["numpy"]
    names = ["pyodide.mjs", "python_stdlib.zip", *(p.name for p in pyodide.glob("pyodide.asm.*js"))]
    for name in names:
        shutil.copy(pyodide / name, folder)
    (folder / f"{WASM}.gz").write_bytes(gzip.compress((pyodide / WASM).read_bytes(), 9, mtime=0))
    wheel = Path(entry["file_name"]).name
    if numpy is None:
        version = json.loads((pyodide / "package.json").read_text(encoding="utf-8"))["version"]
        entry["file_name"] = CDN.format(version) + wheel
    else:
        if hashlib.sha256(numpy.read_bytes()).hexdigest() != entry["sha256"]:
            raise ValueError(f"{numpy} is not the wheel for this Pyodide, {wheel}")
        shutil.copy(numpy, folder / wheel)
        entry["file_name"] = wheel
    _write(folder / "pyodide-lock.json", {**lock, "packages": {"numpy": entry}})
    sizes = {name: (folder / name).stat().st_size for name in [*names, f"{WASM}.gz"]}
    return {**sizes, wheel: SIZE_OF_NUMPY if numpy is None else numpy.stat().st_size}
