"""The folder in which one task is judged. It is gone afterwards, whatever the code has made in it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["workplace"]


@contextmanager
def workplace() -> Iterator[Path]:
    """An empty folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="torchref-"))
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # another process still writes in it, or has taken it away
            _flatten(folder)
        with contextlib.suppress(RecursionError):
            shutil.rmtree(folder, ignore_errors=True)


def _flatten(folder: Path) -> None:
    """Bring every folder in it to its top: code can make a tree that is too deep for `shutil.rmtree`, and for a path.

    Errors: OSError.
    """
    os.chmod(folder, 0o700)
    waiting = [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    while waiting:
        here = waiting.pop()
        os.chmod(here, 0o700)
        for entry in [e for e in os.scandir(here) if e.is_dir(follow_symlinks=False)]:
            there = os.path.join(folder, os.urandom(16).hex())
            os.rename(entry.path, there)
            waiting.append(there)
