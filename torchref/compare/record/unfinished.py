"""A run that has no result yet: a process trains it, or it was broken off. Its page "about this run" says which.

While a process trains a run it holds the file FOLDER/running locked, which has the page as it reads once the run is
broken off. Whatever ends the process lets go of the lock; only a result removes the file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from torchref.compare.errors import UserError
from torchref.compare.faults import writing
from torchref.compare.record.kept import NOTHING
from torchref.compare.record.recorder import Recorder
from torchref.compare.record.tags import ABOUT, THIS_RUN

__all__ = [
    "RUNNING",
    "refuse_if_trained",
    "running_lines",
    "say_broken_off",
    "training",
    "wait_until_free",
    "write_page",
]

RUNNING = "running"
ATTEMPTS = 300  # a tenth of a second apart


def running_lines(remedy: str) -> tuple[str, str]:
    """Two lines of a page without a result: while the run is trained, and, with the remedy, once it is broken off."""
    begun = time.strftime("%Y-%m-%d %H:%M")
    return (
        f"**Running since {begun}.** The result stands here when it ends.",
        f"**Broken off: begun {begun}, and no result.** {remedy}.",
    )


@contextmanager
def training(folder: Path, page: str, broken_off: str) -> Iterator[None]:
    """Within this context `folder` is the run that this process trains, and `page` what it is.

    `broken_off` is the page of a run that ended without a result.

    UserError where another process trains it: two would write into one record.
    """
    path = folder / RUNNING
    with writing(path):
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 (an error in the training is none in writing this)
    with file:
        if not is_mine(file):
            raise UserError(trained_elsewhere(folder))
        with writing(path):
            file.truncate(0)
            file.write(broken_off)
            file.flush()
        write_page(folder, page)
        yield
        path.unlink(missing_ok=True)


def refuse_if_trained(folder: Path) -> None:
    """UserError where another process trains the run in `folder`: its record is still being written."""
    with suppress(FileNotFoundError), open(folder / RUNNING, encoding="utf-8") as file:
        if not is_mine(file):
            raise UserError(trained_elsewhere(folder))


def trained_elsewhere(folder: Path) -> str:
    """What to do about it."""
    return f"out: another process trains the run in {folder}: wait for it, or end it"


def wait_until_free(folder: Path) -> None:
    """Wait, so long as one may, for another process that trains the run in `folder` to end."""
    for _ in range(ATTEMPTS):
        with suppress(FileNotFoundError), open(folder / RUNNING, "r+", encoding="utf-8") as file:
            if not is_mine(file):
                time.sleep(0.1)
                continue
        return


def say_broken_off(folder: Path) -> None:
    """In `folder`, and the runs in it, say of each that no process trains, and that has no result, that it is so."""
    for path in folder.glob(f"**/{RUNNING}"):
        with suppress(OSError, UserError), open(path, encoding="utf-8") as file:  # what may only be read stays as it is
            if is_mine(file):
                write_page(path.parent, file.read())


def is_mine(file: TextIO) -> bool:
    """Lock an open file; False where another process has."""
    try:
        import fcntl  # POSIX alone has it; elsewhere nothing is known of other processes
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_page(folder: Path, page: str) -> None:
    """Write FOLDER/about, a run of its own in TensorBoard: this page in place of the one before, if there is one."""
    place = folder / ABOUT
    with Recorder(place, kept=NOTHING if place.exists() else None, engines=(THIS_RUN,)) as recorder:
        recorder.text(THIS_RUN, "about this run", page, 0)
