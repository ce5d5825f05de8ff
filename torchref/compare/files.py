"""Write a file whole or not at all, even if the program is killed. Check that a folder can be written."""

from __future__ import annotations

import os
from pathlib import Path

from torchref.compare.errors import UserError
from torchref.compare.faults import writing

__all__ = ["check_folder", "write_whole"]


def write_whole(path: Path, content: str | bytes) -> None:
    """Write under another name first, then rename: the file is whole or not there. UserError where that fails."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(path.name + ".tmp")
    with writing(path):
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


def check_folder(folder: Path, resume: bool) -> None:
    """Before any work: is the run's folder free, and can it be written?"""
    if (folder / "config.toml").exists() and not resume:
        raise UserError(f"out: {folder} is already there: continue it with --resume, or name another folder with --out")
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir():
        raise UserError(f"out: {folder} cannot be made: {existing} is not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(f"out: {folder} cannot be written: no permission for {existing}")
