"""Whose fault is an exception? A user's mistake becomes one line; a fault of torchref's keeps its traceback.

This is the one place that decides it, for the command and for the processes of a sweep. A user's are: a `UserError`;
whatever comes out of a file that is neither torchref's nor Python's nor an installed package's; a full disk and every
other answer of the operating system; memory that does not suffice.
"""

from __future__ import annotations

import os
import signal
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torchref.compare.errors import UserError
from torchref.compare.remedies import remedy

__all__ = [
    "definition",
    "explained",
    "how_it_ended",
    "is_users",
    "message",
    "reason",
    "report_fault",
    "user_line",
    "writing",
]

_TORCHREF = Path(__file__).resolve().parents[1]
_OURS = [_TORCHREF, _TORCHREF.with_name("comparisons")]
_PYTHONS = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
INSTALL = "pip install 'torchref-light[command]' for `torchref check`, 'torchref-light[torch]' for all of torchref"
_PACKAGES = {"site-packages", "dist-packages"}  # what an installed package lies in


def explained(error: BaseException) -> str | None:
    """A user's mistake in one line, with the file, the line and the cause; None for a fault of torchref's."""
    place = user_line(error)
    if isinstance(error, UserError):
        said = str(error)
        line = said if place is None or place.partition(",")[0] in said else f"{place}: {said}"
    elif place is not None:
        line = f"{place}: {type(error).__name__}: {message(error)}{remedy(error)}"
    elif isinstance(error, OSError):
        line = f"{error.filename or 'the output, or an open file'}: {reason(error)}"
    elif isinstance(error, ModuleNotFoundError) and (package := missing_package(error)):
        line = f"{package} is not installed: {INSTALL}"
    elif isinstance(error, MemoryError):
        line = f"the memory does not suffice: {message(error)}"
    elif isinstance(error, UnicodeEncodeError):
        line = f"a name or a text cannot be written: {message(error)}"
    else:
        return None
    return " ".join(line.splitlines())


def missing_package(error: ModuleNotFoundError) -> str:
    """The package that torchref would need, and that is not there; "" where it is a module of torchref's own."""
    package = (error.name or "").partition(".")[0]
    return "" if package in ("torchref", "comparisons") else package


def user_line(error: BaseException) -> str | None:
    """FILE, line N: the innermost line of a user's own file that the exception went through; None if there is none."""
    if isinstance(error, SyntaxError) and error.filename and is_users(error.filename):
        return f"{shown(error.filename)}, line {error.lineno}" if error.lineno else shown(error.filename)
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        if is_users(frame.f_code.co_filename):
            return f"{shown(frame.f_code.co_filename)}, line {number}"
    return None


def definition(function: Callable[..., Any]) -> str:
    """FILE, line N of a function's definition in a user's file; its name elsewhere."""
    code = getattr(function, "__code__", None)
    if code is not None and is_users(code.co_filename):
        return f"{shown(code.co_filename)}, line {code.co_firstlineno}"
    return getattr(function, "__qualname__", repr(function))


def is_users(filename: str) -> bool:
    """Whether a file is none of torchref's, of Python's, or of an installed package."""
    path = Path(filename).resolve()
    if path.suffix != ".py" or not path.is_file() or _PACKAGES & set(path.parts):
        return False
    return not any(path.is_relative_to(other) for other in (*_OURS, *_PYTHONS))


def shown(filename: str) -> str:
    """A path as a user would type it: from the present folder where that is shorter."""
    try:
        from_here = os.path.relpath(filename)
    except ValueError:  # another drive
        return filename
    return min(from_here, filename, key=len)


def message(error: BaseException) -> str:
    """The first line of what an exception says."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return next((line.strip() for line in said.splitlines() if line.strip()), "no more is known")


def reason(error: OSError) -> str:
    """What the operating system says: "No space left on device"."""
    return error.strerror or message(error)


def how_it_ended(status: int) -> str:
    """What became of a process, by its exit status: a signal's number is negative, as `subprocess` has it."""
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """UserError, with the file's name, where the operating system does not write what is written in this context.

    A write that fails late, on a full disk, knows its file no more.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {error.filename or path}: {reason(error)}") from error


def report_fault(error: BaseException) -> None:
    """Print a fault of torchref's own, with its traceback."""
    traceback.print_exception(error, file=sys.stderr)
    print("torchref: this is a fault of torchref's own: please report it, with the lines above", file=sys.stderr)
