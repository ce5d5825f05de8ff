"""A file of a record, written at its end. UserError where a write fails."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from torchref.compare.errors import UserError
from torchref.compare.faults import writing

__all__ = ["RecordFile"]


class RecordFile:
    """A file of a record, written to its end. UserError where that cannot be done."""

    def __init__(self, path: Path, mode: str) -> None:
        self.path = path
        self._file: BinaryIO = open(path, mode)  # type: ignore[assignment]  # noqa: SIM115

    def append(self, data: bytes) -> None:
        """Write at the end of the file."""
        with writing(self.path):
            self._file.write(data)

    def flush(self) -> None:
        """Hand everything to the operating system: a kill loses none of it."""
        self.check_there()
        with writing(self.path):
            self._file.flush()

    def sync(self) -> None:
        """Put everything on the disk: a power cut loses none of it."""
        self.flush()
        with writing(self.path):
            os.fsync(self._file.fileno())

    def check_there(self) -> None:
        """UserError if the file is no longer there: what is written then goes nowhere, and nothing says so."""
        there = False
        with suppress(OSError):
            there = os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno()))
        if not there:
            raise UserError(f"{self.path} was removed, or replaced, while the run was writing it")

    def close(self) -> None:
        """Close the file; nothing is appended after it."""
        self._file.close()
