"""A user's Python file, run as a module of the project that it stands in."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

__all__ = ["load_file", "project_on_path"]


def load_file(path: Path) -> ModuleType:
    """Run the file as a module; while it runs it can import what its project can import.

    A file in a package becomes a module of this package, with its relative imports. ImportError if it is no Python
    file. What the file itself raises comes out as it is.
    """
    path = path.resolve()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported: it is no Python file")
    with project_on_path(path):
        package = package_of(path)
        return in_package(path, package) if package else alone(path)


@contextlib.contextmanager
def project_on_path(path: Path) -> Iterator[None]:
    """Within this context the modules of the file's project can be imported, from its folder and from its root.

    A name of the standard library stays the standard library's, whatever a file of the project is called.
    """
    added = [folder for folder in project_folders(path.resolve()) if folder not in sys.path]
    standard = StandardLibraryFirst(added)
    sys.path[:0] = added
    sys.meta_path.insert(0, standard)
    try:
        yield
    finally:
        sys.meta_path.remove(standard)
        for folder in added:
            with contextlib.suppress(ValueError):  # the file has edited the path itself
                sys.path.remove(folder)


class StandardLibraryFirst:
    """Finds modules of the standard library elsewhere than in a user's folders."""

    def __init__(self, folders: list[str]) -> None:
        self.folders = folders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del target  # of a module that is loaded again
        if path is not None or name not in sys.stdlib_module_names:
            return None
        return PathFinder.find_spec(name, [p for p in sys.path if p not in self.folders])


def project_folders(path: Path) -> list[str]:
    """The file's folder, the folder of its outermost package, the project's root, and where the user stands."""
    folders = [path.parent, path.parents[len(package_of(path))]]
    marks = ("pyproject.toml", "setup.py", "setup.cfg")
    folders += [p for p in path.parents if any((p / mark).is_file() for mark in marks)][:1]
    return list(dict.fromkeys(str(p) for p in (*folders, Path.cwd())))


def package_of(path: Path) -> list[str]:
    """The names of the packages that the file stands in, the outermost first."""
    names: list[str] = []
    for folder in path.parents:
        if not (folder / "__init__.py").is_file():
            break
        names.insert(0, folder.name)
    return names


def in_package(path: Path, package: list[str]) -> ModuleType:
    """The file as a module of its package; as a file of its own where another package has that name."""
    outermost = sys.modules.get(package[0])
    root = str(path.parents[len(package) - 1])
    if package[0] in sys.stdlib_module_names or (outermost and root not in getattr(outermost, "__path__", ())):
        return alone(path)
    for depth in range(1, len(package) + 1):
        with_stand_in(".".join(package[:depth]), path.parents[len(package) - depth])
    return importlib.import_module(".".join([*package, path.stem]) if path.stem != "__init__" else ".".join(package))


def with_stand_in(package: str, folder: Path) -> None:
    """Import a package; where its own __init__.py fails, an empty one stands in: the file may need nothing of it."""
    try:
        importlib.import_module(package)
    except Exception:  # noqa: BLE001  (whatever the user's __init__.py raises)
        stand_in = ModuleType(package)
        stand_in.__path__ = [str(folder)]
        sys.modules[package] = stand_in


def alone(path: Path) -> ModuleType:
    """The file as a module of its own name, or of a like one where another module has it."""
    there = sys.modules.get(path.stem)
    taken = path.stem in sys.stdlib_module_names or (there and getattr(there, "__file__", None) != str(path))
    spec = importlib.util.spec_from_file_location(f"{path.stem}_file" if taken else path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module
