"""`metrics.jsonl`: every scalar of a run in full precision, a line for each step and engine."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from torchref.compare.errors import UserError
from torchref.compare.faults import message, reason
from torchref.compare.record.file import RecordFile

__all__ = ["ENGINES", "Metrics", "MetricsFile", "line_hash", "line_hashes", "read_bytes", "read_metrics"]

ENGINES = ("numpy", "torch", "difference")

Metrics = dict[str, dict[str, list[tuple[int, float]]]]  # engine -> tag -> [(step, value), ...]


class MetricsFile(RecordFile):
    """`metrics.jsonl`: a line per step and engine, with a running count and a hash that covers all lines before it."""

    def __init__(self, path: Path, count: int, chain: str) -> None:
        super().__init__(path, "ab")
        self.count, self.chain = count, chain

    def write(self, step: int, engine: str, values: Mapping[str, float]) -> None:
        """Append a line: the figures of one engine at one step."""
        body = {"count": self.count, "step": step, "engine": engine, "values": values}
        try:
            text = json.dumps(body, allow_nan=False)
        except ValueError:  # JSON knows no nan and no inf: they are written as strings
            body["values"] = {tag: value if math.isfinite(value) else repr(value) for tag, value in values.items()}
            text = json.dumps(body)
        self._write_line(text)

    def end(self) -> None:
        """The closing line."""
        self._write_line(json.dumps({"count": self.count, "end": True}))

    def _write_line(self, text: str) -> None:
        self.chain = line_hash(self.chain, text)
        self.append(f'{text[:-1]}, "chain": "{self.chain}"}}\n'.encode())
        self.count += 1


def read_metrics(folder: Path, finished: bool = True) -> Metrics:
    """The float64 scalars of one variant's folder, engine -> tag -> [(step, value), ...].

    UserError where `metrics.jsonl` is missing, torn, edited or shortened; with `finished=False` the closing line (which
    a run that goes on, or was killed, has not yet) may be missing.
    """
    path = Path(folder) / "metrics.jsonl"
    records, closed, torn = _read_records(path)
    if torn:
        raise UserError(f"{path}: the last line is torn, the run was cut short; continue it with --resume")
    if finished and not closed:
        raise UserError(f"{path}: the closing line is missing, the run was cut short; continue it with --resume")
    metrics: Metrics = {engine: {} for engine in ENGINES}
    for step, engine, values in records:
        for tag, value in values.items():
            metrics.setdefault(engine, {}).setdefault(tag, []).append((step, value))
    return metrics


def _read_records(path: Path) -> tuple[list[tuple[int, str, dict[str, float]]], bool, bool]:
    """The records of metrics.jsonl, whether the closing line is there, and whether the last line is torn.

    Any other damage is a UserError that names the line: a kill can only tear the last one.
    """
    *lines, rest = read_bytes(path).split(b"\n")
    records: list[tuple[int, str, dict[str, float]]] = []
    closed = False
    for number, (line, _) in enumerate(zip(lines, line_hashes(path, lines), strict=True), start=1):
        if closed:
            raise UserError(f"{path}: line {number} is damaged: it comes after the closing line")
        try:
            record = json.loads(line)
            if record.get("end"):
                closed = True
            else:
                values = {str(tag): float(value) for tag, value in record["values"].items()}
                records.append((int(record["step"]), str(record["engine"]), values))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise UserError(f"{path}: line {number} is no record: {type(error).__name__}: {message(error)}") from None
    return records, closed, bool(rest)


def line_hashes(path: Path, lines: Sequence[bytes]) -> Iterator[str]:
    """The hash of each line. UserError where it is not the one that the line says it has."""
    chain = ""
    for number, line in enumerate(lines, start=1):
        body, separator, hash_part = line.decode("utf-8", "replace").rpartition(', "chain": "')
        chain = line_hash(chain, body + "}")
        if not separator or hash_part != f'{chain}"}}':
            raise UserError(f"{path}: line {number} is damaged: it, or a line before it, was changed after the run")
        yield chain


def line_hash(chain: str, text: str) -> str:
    """The hash of a line and, through the hash of the line before it, of all lines before."""
    return hashlib.sha256((chain + text).encode()).hexdigest()[:16]


def read_bytes(path: Path) -> bytes:
    """A whole file. UserError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from None
