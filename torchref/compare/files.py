"""Files that are there whole or not at all, whenever the program is killed."""

from __future__ import annotations

import os
from pathlib import Path

from torchref.compare.faults import writing

__all__ = ["write_whole"]


def write_whole(path: Path, content: str | bytes) -> None:
    """Write under another name first; when all of it is on the disk it gets its own. UserError where that fails."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(path.name + ".tmp")
    with writing(path):
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
