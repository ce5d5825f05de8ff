"""TensorBoard's event files: records, histograms and images as it reads them.

TensorBoard's own writer computes its checksum byte by byte in Python, which costs more than all the rest (google-crc32c
takes 0.2 microseconds for a record of 1 kB), and torch's imports torch. So the record format is written here.
"""

from __future__ import annotations

import functools
import hashlib
import io
import math
import struct
import time
from collections.abc import Mapping
from pathlib import Path

import google_crc32c
import numpy as np
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata

from torchref.compare.record.file import RecordFile

__all__ = ["EventFile", "checksum", "histogram", "png"]

BINS = 30
FAST = 3  # of a PNG's levels: the usual 6 takes twice as long for a tenth of the size


class EventFile(RecordFile):
    """One TensorBoard event file. A record is: length, checksum of the length, the event, checksum of the event.

    `start`: the first step that it holds. Readers drop what the files before it hold at this step or later; they do so
    only if the run's first file has said where it starts.
    """

    def __init__(self, folder: Path, start: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("events.out.tfevents.*")))  # a resumed run's is read after the others
        super().__init__(folder / f"events.out.tfevents.{number:010d}.torchref", "xb")
        self.size, self._hash = 0, hashlib.sha256()
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        session = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=time.time(), step=start, session_log=session))
        self._file.flush()

    def write(self, step: int, value: Summary.Value) -> None:
        """Write one value of any kind."""
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=[value])))

    def write_scalars(self, step: int, values: Mapping[str, float], metadata: Mapping[str, SummaryMetadata]) -> None:
        """Write one step's scalars as one event, rounded to float32 (all that TensorBoard keeps)."""
        event = Event(wall_time=time.time(), step=step)
        add = event.summary.value.add
        for tag, value in values.items():
            add(tag=tag, simple_value=value, metadata=metadata.get(tag))
        self._write(event)

    def digest(self) -> str:
        """The SHA-256 of what was written."""
        return self._hash.hexdigest()

    def _write(self, event: Event) -> None:
        data = event.SerializeToString()
        record = _header(len(data)) + data + checksum(data)
        self.append(record)
        self.size += len(record)
        self._hash.update(record)


def histogram(entries: np.ndarray) -> HistogramProto:
    """Equal bins from the smallest to the largest entry; one bin where they are too close, or too far apart, for more.

    By hand, as np.histogram takes twice as long and refuses entries that lie close together.
    """
    smallest, largest = float(entries.min()), float(entries.max())
    width = (largest - smallest) / BINS
    if smallest + width == smallest or not math.isfinite(width):
        counts, limits = np.array([entries.size]), np.array([largest])
    else:
        bins = np.minimum((entries - smallest) / width, BINS - 1).astype(np.intp)
        counts, limits = np.bincount(bins, minlength=BINS), smallest + width * np.arange(1, BINS + 1)
        limits[-1] = largest
    with np.errstate(over="ignore"):  # what overflows is inf, as it should be
        total, squares = float(entries.sum()), float(entries @ entries)
    return HistogramProto(
        min=smallest,
        max=largest,
        num=entries.size,
        sum=total,
        sum_squares=squares,
        bucket_limit=limits.tolist(),
        bucket=counts.tolist(),
    )


def png(pixels: np.ndarray) -> bytes:
    """uint8 (H, W, 1 or 3) as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(
        file, "PNG", compress_level=3
    )  # the highest takes twice as long, for a tenth of the size
    return file.getvalue()


def checksum(data: bytes) -> bytes:
    """TensorFlow's masked CRC-32C."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@functools.cache
def _header(length: int) -> bytes:
    """A record's length and the length's checksum: the same few lengths come again and again."""
    packed = struct.pack("<Q", length)
    return packed + checksum(packed)
