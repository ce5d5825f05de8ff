"""A checkpoint notes how far a record has come. A run continues from there, or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torchref.compare.errors import UserError
from torchref.compare.faults import writing
from torchref.compare.record.metrics import line_hashes, read_bytes

__all__ = ["NOTHING", "Kept", "check_record", "take_back"]

# How far a record has come, as a checkpoint notes it (JSON): "step", the largest that was recorded; "count" and "chain"
# of the lines of metrics.jsonl; "events", the bytes and the SHA-256 of each event file.
Kept = Mapping[str, Any]
NOTHING: Kept = {"step": -1, "count": 0, "chain": "", "events": {}}


def check_record(folder: Path, kept: Kept, finished: bool = False) -> None:
    """UserError unless a record still holds what it held when `kept` was noted; if `finished`, that and no more."""
    for path, size in _sizes(folder, kept).items():
        if finished and path.stat().st_size != size:
            raise UserError(f"{path} is damaged: it was written to after the run")


def take_back(folder: Path, kept: Kept) -> str:
    """Cut a record back to what it held when a checkpoint noted `kept`. UserError where it holds less.

    Returns a sentence where its last line was cut short, as by a kill or a full disk; else an empty text.
    """
    sizes = _sizes(folder, kept)
    metrics = folder / "metrics.jsonl"
    torn = metrics.exists() and not read_bytes(metrics).endswith(b"\n") and metrics.stat().st_size > 0
    for path in [folder / "metrics.jsonl", *folder.glob("*/events.out.tfevents.*")]:
        if path.exists():
            with writing(path):
                os.truncate(path, sizes.get(path, 0))
    if not torn:
        return ""
    return (
        f"the last line of {metrics} was cut short: it was taken back to step {max(kept['step'], 0)}, and written anew"
    )


def _sizes(folder: Path, kept: Kept) -> dict[Path, int]:
    """How many bytes of each file were there when `kept` was noted. UserError where they are no longer the same."""
    metrics = folder / "metrics.jsonl"
    sizes = {}
    if kept["count"]:
        lines = read_bytes(metrics).split(b"\n")[:-1][: kept["count"]]
        chain = list(line_hashes(metrics, lines))
        if len(lines) < kept["count"]:
            raise UserError(f"{metrics} has lost lines: it holds {len(lines)} of the {kept['count']} it had")
        if chain[-1] != kept["chain"]:
            raise UserError(f"{metrics} is the record of another run")
        sizes[metrics] = sum(len(line) + 1 for line in lines)
    for name, (size, digest) in kept["events"].items():
        data = read_bytes(folder / name)[:size]
        if len(data) < size:
            raise UserError(f"{folder / name} has lost events: it holds {len(data)} of the {size} bytes it had")
        if hashlib.sha256(data).hexdigest() != digest:
            raise UserError(f"{folder / name} is damaged: it was changed after the run")
        sizes[folder / name] = size
    return sizes
