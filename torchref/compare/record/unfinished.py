"""A run that has no result yet: a process trains it, or it was broken off. Its page "about this run" says which.

While a process trains a run it holds the file FOLDER/running, which has the page's text, locked. Whatever ends the
process lets go of the lock; only a result removes the file.
"""

from __future__ import annotations

import re
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

__all__ = ["RUNNING", "say_broken_off", "since_now", "training", "wait_until_free", "write_page"]

RUNNING = "running"
ATTEMPTS = 300  # a tenth of a second apart
SINCE = re.compile(r"\*\*Running since (.*?)\.\*\* .*")


def since_now() -> str:
    """The line of the page that says that the run has no result."""
    return f"**Running since {time.strftime('%Y-%m-%d %H:%M')}.** The result stands here when it ends."


@contextmanager
def training(folder: Path, page: str) -> Iterator[None]:
    """Within this context `folder` is the run that this process trains, and `page` what it is.

    UserError where another process trains it: two would write into one record.
    """
    path = folder / RUNNING
    with writing(path):
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 (an error in the training is none in writing this)
    with file:
        if not is_mine(file):
            raise UserError(f"out: another process trains the run in {folder}: wait for it, or end it")
        with writing(path):
            file.truncate(0)
            file.write(page)
            file.flush()
        write_page(folder, page)
        yield
        path.unlink(missing_ok=True)


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
                resumed = "`torchref compare` with `--resume` continues it where it was"
                write_page(path.parent, SINCE.sub(rf"**Broken off: begun \1, and no result.** {resumed}.", file.read()))


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
