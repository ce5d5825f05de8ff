"""What was handed in: a folder, a file or a zip archive for each student.

A submission is never run where it lies. Each task gets a copy of its own, so that code that writes beside its file
changes no other student's.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torchref.classroom.assignment import Assignment
from torchref.compare.errors import UserError

__all__ = ["LARGEST", "Submission", "TooLarge", "copy", "digest", "find", "pick"]

LARGEST = 200 << 20  # bytes of a submission
LONGEST_NAME = 240  # bytes of a student's name: files are called by it
SUFFIXES = (".py", ".zip")  # of a submission that is one file
ASIDE = ("__pycache__", "__MACOSX", "site-packages", "node_modules")  # beside what is hidden


class TooLarge(Exception):
    """A submission that is not copied; the message says why."""


@dataclass(frozen=True)
class Submission:
    """One student's."""

    student: str
    path: Path  # a folder, a zip archive, or the one file that the assignment asks for


def find(assignment: Assignment, place: Path) -> tuple[list[Submission], list[str]]:
    """The submissions in a folder, in the order of the students' names, and what else lies there.

    A folder that has one of the assignment's files in it is one submission; so is a file. Errors: UserError.
    """
    if not place.exists():
        raise UserError(f"grade: there is no folder {place}")
    if place.is_file():
        return [_one(assignment, place)], []
    if any((place / file).is_file() for file in assignment.files):
        return [Submission(_student(place.resolve().name) or "submission", place)], []
    found: dict[str, Submission] = {}
    others = []
    for path in sorted(path for path in place.iterdir() if not _aside(path.name)):
        if not path.is_dir() and path.suffix.lower() not in SUFFIXES:
            others.append(_shown(path.name))
            continue
        one = Submission(_student(path.name), path) if path.is_dir() else _one(assignment, path)
        if one.student in found:
            raise UserError(f"grade: two submissions of {one.student}: {found[one.student].path} and {path}")
        found[one.student] = one
    if not found:
        raise UserError(f"grade: {place} has no submissions: a folder, a .zip or a .py for each student")
    return list(found.values()), others


def _one(assignment: Assignment, path: Path) -> Submission:
    """A zip archive, or a file that is the whole submission: the assignment then asks for one file."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"grade: {path} is no submission: expected a folder, a .zip or a .py")
    if not _zipped(path) and len(assignment.files) > 1 and path.name not in assignment.files:
        asked = ", ".join(assignment.files)
        raise UserError(f"grade: {path} cannot be a whole submission: the assignment asks for {asked}")
    return Submission(_student(path.stem), path)


def _student(name: str) -> str:
    """A student's name. Errors: UserError for one that no file can be called by."""
    shown = _shown(name)
    if len(shown.encode()) > LONGEST_NAME:
        raise UserError(f"grade: a student's name has more than {LONGEST_NAME} bytes: {shown}")
    return shown


def _shown(name: str) -> str:
    """A file's name that can be written, and printed on one line: it may be no text, or hold a control character."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(f"#x{ord(c):02X}" if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)


def _zipped(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def _aside(name: str) -> bool:
    return name.startswith(".") or name in ASIDE


def copy(submission: Submission, assignment: Assignment, target: Path) -> None:
    """Copy the submission into an empty folder. Errors: TooLarge; OSError or zipfile.BadZipFile."""
    path = submission.path
    if path.is_dir():
        if (size := sum(file.lstat().st_size for file in _files(path))) > LARGEST:
            raise TooLarge(f"the submission has {size >> 20} MiB; at most {LARGEST >> 20} are read")
        try:
            shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True, ignore=lambda _, n: set(filter(_aside, n)))
        except shutil.Error as error:
            raise OSError(error.args[0][0][2]) from None  # the first of its reasons
    elif _zipped(path):
        with zipfile.ZipFile(path) as archive:
            if (size := sum(entry.file_size for entry in archive.infolist())) > LARGEST:
                raise TooLarge(f"the archive holds {size >> 20} MiB; at most {LARGEST >> 20} are read")
            archive.extractall(target)  # it leaves out `..` and drives, and makes no links
    else:
        name = path.name if path.name in assignment.files else assignment.files[0]
        shutil.copyfile(path, target / name)


def pick(folder: Path, name: str) -> tuple[Path | None, str]:
    """The file of this name in a copied submission, at its top or anywhere below; or the reason why there is none."""
    found = [p for p in (folder / name,) if p.exists()] or [p for p in _files(folder) if p.name == name]
    if not found:
        alike = next((p.name for p in _files(folder) if p.name.lower() == name.lower()), "")
        return None, f"{name} was not handed in" + (f"; is {alike} meant?" if alike else "")
    if len(found) > 1:
        return None, f"there are {len(found)} files called {name}, and none of them at the top"
    if found[0].is_symlink() or not found[0].resolve().is_relative_to(folder.resolve()):
        return None, f"{name} is a link, not a file"
    if not found[0].is_file():
        return None, f"{name} is no file"
    return found[0], ""


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder and of those in it, hidden ones left out, in the order of their names."""
    for here, inside, files in os.walk(folder):
        inside[:] = sorted(name for name in inside if not _aside(name))
        yield from (Path(here, name) for name in sorted(files) if not _aside(name))


def digest(folder: Path) -> str:
    """What the Python files of a copied submission say, as one number."""
    total = hashlib.sha256()
    for file in _files(folder):
        if file.suffix == ".py" and not file.is_symlink() and file.is_file():
            data = file.read_bytes()
            total.update(f"{file.relative_to(folder)!s}\0{len(data)}\0".encode("utf-8", "backslashreplace") + data)
    return total.hexdigest()
