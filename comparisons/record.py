"""What a run leaves behind: TensorBoard's event files, and `metrics.jsonl` with every scalar in full precision.

The only file that writes for TensorBoard. It writes the record format itself (`EventFile`, a dozen lines):
TensorBoard's own writer computes its checksum byte by byte in Python, which costs more than all the rest, and torch's
imports torch.
All scalars of one step and engine make one event and one JSON line; 50 of them cost about 100 microseconds.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import struct
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from comparisons.errors import UserError
from comparisons.faults import message, reason, writing

ENGINES = ("numpy", "torch", "difference")
FLOOR = -20.0  # log10 of a difference of zero, so that equal curves have a point to draw
_FLUSH_SECONDS = 5.0
_BINS = 30

# How far a record has come, as a checkpoint notes it (JSON): "step", the largest that was recorded; "count" and "chain"
# of the lines of metrics.jsonl; "events", the bytes and the SHA-256 of each event file.
Kept = Mapping[str, Any]
NOTHING: Kept = {"step": -1, "count": 0, "chain": "", "events": {}}

Metrics = dict[str, dict[str, list[tuple[int, float]]]]  # engine -> tag -> [(step, value), ...]


def log10_difference(difference: float) -> float:
    """log10 of the size of a difference, floored at -20: TensorBoard's tables print small values as 0."""
    difference = abs(difference)
    return max(math.log10(difference), FLOOR) if difference > 0 else (difference if math.isnan(difference) else FLOOR)


class Recorder:
    """Writes one variant's folder `runs/<comparison>/<variant>/`: a run of events per engine, and `metrics.jsonl`.

    The engines are "numpy", "torch" and "difference": runs with the same tags, which TensorBoard draws over each other.
    A folder that holds a record already is continued only from what a checkpoint noted of it (`kept`: what `flush`
    returned, or NOTHING): all that was recorded later is taken back, and a record that has less is an error.
    """

    def __init__(self, folder: Path, kept: Kept | None = None, engines: Sequence[str] = ENGINES) -> None:
        self.folder = Path(folder)
        self.notes: list[str] = []  # what could not be recorded as asked, and why
        self._embeddings: dict[str, list[str]] = {}  # by engine, what its projector shows
        metrics = self.folder / "metrics.jsonl"
        if kept is not None:
            take_back(self.folder, kept)
        elif metrics.exists():
            raise UserError(f"{metrics} is already there: resume the run, remove it, or choose another folder")
        kept = NOTHING if kept is None else kept
        self._latest, self._earlier = kept["step"], dict(kept["events"])
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._metrics = _MetricsFile(metrics, kept["count"], kept["chain"])
            self._events = {engine: EventFile(self.folder / engine, self._latest + 1) for engine in engines}
        except OSError as error:
            raise UserError(f"cannot record in {self.folder}: {error.strerror}") from None
        self._pending: dict[str, tuple[int, dict[str, float]]] = {}
        self._flushed = time.monotonic()

    def scalar(self, engine: str, tag: str, value: float, step: int) -> None:
        """Record one number. All numbers of one engine and step are written together, when the next step begins."""
        self.scalars(engine, {tag: value}, step)

    def scalars(self, engine: str, values: Mapping[str, float], step: int) -> None:
        """Record the numbers of one step, {tag: value}."""
        pending = self._pending.get(engine)
        if pending is not None and pending[0] == step:
            pending[1].update(values)
            return
        if pending is not None:
            self._write(engine)
        self._events[engine]  # an unknown engine is an error here, not at the next step
        self._pending[engine] = step, dict(values)

    def histogram(self, engine: str, tag: str, array: Any, step: int) -> bool:
        """Record the distribution of the finite entries; False, with a note, where there is none or some are not."""
        entries = np.asarray(array).ravel()
        finite = entries[np.isfinite(entries)]
        complete = finite.size == entries.size and finite.size > 0
        if not complete:
            found = (
                "is empty" if entries.size == 0 else f"has {entries.size - finite.size} of {entries.size} not finite"
            )
            self._note(engine, f"{engine}: histogram {tag!r} at step {step} {found}", step)
        if finite.size:
            self._events[engine].write(step, Summary.Value(tag=tag, histo=_histogram(finite.astype(np.float64))))
        return complete

    def image(self, engine: str, tag: str, array: Any, step: int) -> None:
        """Record an image (H, W), (H, W, 1) or (H, W, 3): uint8, or floating point from 0 to 1."""
        pixels = np.asarray(array)
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or pixels.size == 0:
            raise ValueError(f"image {tag!r} must have shape (H, W), (H, W, 1) or (H, W, 3), not {np.shape(array)}")
        if pixels.dtype != np.uint8:
            pixels = np.rint(255 * np.clip(np.nan_to_num(pixels), 0, 1)).astype(np.uint8)
        height, width, channels = pixels.shape
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=_png(pixels))
        self._events[engine].write(step, Summary.Value(tag=tag, image=image))

    def text(self, engine: str, tag: str, markdown: str, step: int) -> None:
        """Record a text, which TensorBoard shows as Markdown."""
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype="DT_STRING", string_val=[markdown.encode()], tensor_shape=shape)
        self._events[engine].write(step, Summary.Value(tag=tag, metadata=metadata, tensor=tensor))

    def embedding(self, engine: str, name: str, points: Any, labels: Sequence[Any], images: Any = None) -> None:
        """Record points (N, D) for TensorBoard's projector, each with a label, and an image of `images`.

        `images` has shape (N, H, W) or (N, H, W, 3), from 0 to 1.
        Several names give the projector several embeddings to choose from; the projector reads them from files.
        """
        points, folder = np.asarray(points, np.float64), self.folder / engine
        if points.ndim != 2 or len(labels) != len(points) or (images is not None and len(images) != len(points)):
            raise ValueError(f"embedding {name!r} must have shape (N, D) and N labels, not {points.shape}")
        file = "".join(c if c.isalnum() else "-" for c in name)
        with writing(folder):
            points_as_text = "".join("\t".join(f"{v:.6g}" for v in row) + "\n" for row in points)
            (folder / f"{file}.tsv").write_text(points_as_text, "utf-8")
            (folder / f"{file}-labels.tsv").write_text("".join(f"{label}\n" for label in labels), "utf-8")
            lines = [f'tensor_name: "{name}"', f'tensor_path: "{file}.tsv"', f'metadata_path: "{file}-labels.tsv"']
            if images is not None:
                pictures = np.asarray(images) if np.ndim(images) == 4 else np.asarray(images)[..., None]
                _, height, width, channels = pictures.shape
                side = math.ceil(len(points) ** 0.5)  # the projector wants them in a square, row by row
                sheet = np.zeros((side * side, height, width, channels))
                sheet[: len(points)] = pictures
                pixels = sheet.reshape(side, side, height, width, channels).swapaxes(1, 2)
                pixels = pixels.reshape(side * height, side * width, channels)
                (folder / f"{file}.png").write_bytes(_png(np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)))
                size = f"single_image_dim: [{width}, {height}]"
                lines.append(f'sprite {{ image_path: "{file}.png" {size} }}')
            self._embeddings.setdefault(engine, []).append("embeddings { " + " ".join(lines) + " }\n")
            (folder / "projector_config.pbtxt").write_text("".join(self._embeddings[engine]), "utf-8")

    def hparams(self, engine: str, hparams: Mapping[str, Any], metrics: Mapping[str, float], step: int = 0) -> None:
        """Record a session's hyperparameters, and its `metrics` as scalars at `step`.

        Only a session's start and its end, into the engine's own run: torch's add_hparams makes a child run as well.
        """
        start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
        for name, value in hparams.items():
            if isinstance(value, bool):
                start.hparams[name].bool_value = value
            elif isinstance(value, (int, float)):
                start.hparams[name].number_value = value
            else:
                start.hparams[name].string_value = str(value)
        end = plugin_data_pb2.SessionEndInfo(status="STATUS_SUCCESS", end_time_secs=time.time())
        for tag, info in (
            ("_hparams_/session_start_info", plugin_data_pb2.HParamsPluginData(session_start_info=start)),
            ("_hparams_/session_end_info", plugin_data_pb2.HParamsPluginData(session_end_info=end)),
        ):
            plugin_data = SummaryMetadata.PluginData(plugin_name="hparams", content=info.SerializeToString())
            value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin_data))
            self._events[engine].write(0, value)
        if metrics:
            self.scalars(engine, metrics, step)

    def flush(self) -> Kept:
        """Put everything on the disk: from here on neither a kill nor a power cut loses any of it.

        Returns how far the record has come, for a checkpoint. Call it between steps.
        """
        for engine in list(self._pending):
            self._write(engine)
        for file in (self._metrics, *self._events.values()):
            file.sync()
        self._flushed = time.monotonic()
        return self.kept()

    def kept(self) -> Kept:
        """How far the record has come."""
        events = {f"{engine}/{file.path.name}": [file.size, file.digest()] for engine, file in self._events.items()}
        return {
            "step": self._latest,
            "count": self._metrics.count,
            "chain": self._metrics.chain,
            "events": self._earlier | events,
        }

    def close(self, finished: bool = True) -> None:
        """Flush and close the files; `finished` adds the closing line, without which a record counts as cut short."""
        with nullcontext() if finished else suppress(UserError):  # what ended the run is told, and nothing else
            for engine in list(self._pending):
                self._write(engine)
            if finished:
                self._metrics.end()
            self.flush()
        for file in (self._metrics, *self._events.values()):
            with suppress(OSError):
                file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, exception: type[BaseException] | None, *_: object) -> None:
        if exception is not None and not issubclass(exception, Exception):
            self._pending.clear()  # Ctrl-C may have come in the middle of a line: write none after it
        self.close(finished=exception is None)

    def _write(self, engine: str) -> None:
        step, values = self._pending.pop(engine)
        numbers = {tag: float(value) for tag, value in values.items()}
        self._metrics.check_there()
        self._metrics.write(step, engine, numbers)
        self._events[engine].write_scalars(step, numbers)
        self._latest = max(self._latest, step)
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:  # so that TensorBoard can follow the training
            for file in (self._metrics, *self._events.values()):
                file.flush()
            self._flushed = time.monotonic()

    def _note(self, engine: str, note: str, step: int) -> None:
        self.notes.append(note)
        self.text(engine, "notes", note, step)


def declare_hparams(folder: Path, hparams: Mapping[str, Sequence[Any]], metrics: Sequence[str]) -> None:
    """Write into `folder`, which holds several runs, which columns their table of hyperparameters has.

    `hparams`: each one's values; without this TensorBoard shows every scalar of every run as a metric.
    """
    infos = []
    for name, values in hparams.items():
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        info = api_pb2.HParamInfo(name=name, type="DATA_TYPE_FLOAT64" if numbers else "DATA_TYPE_STRING")
        info.domain_discrete.extend(values if numbers else [str(value) for value in values])
        infos.append(info)
    names = [api_pb2.MetricName(tag=tag) for tag in metrics]
    experiment = api_pb2.Experiment(hparam_infos=infos, metric_infos=[api_pb2.MetricInfo(name=name) for name in names])
    content = plugin_data_pb2.HParamsPluginData(experiment=experiment).SerializeToString()
    plugin_data = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    events = EventFile(folder)
    events.write(0, Summary.Value(tag="_hparams_/experiment", metadata=SummaryMetadata(plugin_data=plugin_data)))
    events.close()


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


class _File:
    """A file of a record, written to its end. UserError where that cannot be done."""

    def __init__(self, path: Path, mode: str) -> None:
        self.path = path
        self._file: BinaryIO = open(path, mode)  # type: ignore[assignment]  # noqa: SIM115

    def append(self, data: bytes) -> None:
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
        self._file.close()


class EventFile(_File):
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

    def write_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write one step's scalars as one event, rounded to float32 (all that TensorBoard keeps)."""
        event = Event(wall_time=time.time(), step=step)
        add = event.summary.value.add
        for tag, value in values.items():
            add(tag=tag, simple_value=value)
        self._write(event)

    def digest(self) -> str:
        """The SHA-256 of what was written."""
        return self._hash.hexdigest()

    def _write(self, event: Event) -> None:
        data = event.SerializeToString()
        record = _header(len(data)) + data + _checksum(data)
        self.append(record)
        self.size += len(record)
        self._hash.update(record)


class _MetricsFile(_File):
    """`metrics.jsonl`: a line per step and engine, with a running count and a hash that covers all lines before it."""

    def __init__(self, path: Path, count: int, chain: str) -> None:
        super().__init__(path, "ab")
        self.count, self.chain = count, chain

    def write(self, step: int, engine: str, values: Mapping[str, float]) -> None:
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
        self.chain = _link(self.chain, text)
        self.append(f'{text[:-1]}, "chain": "{self.chain}"}}\n'.encode())
        self.count += 1


def check_record(folder: Path, kept: Kept, finished: bool = False) -> None:
    """UserError unless a record still holds what it held when `kept` was noted; if `finished`, that and no more."""
    for path, size in _sizes(folder, kept).items():
        if finished and path.stat().st_size != size:
            raise UserError(f"{path} is damaged: it was written to after the run")


def take_back(folder: Path, kept: Kept) -> None:
    """Cut a record back to what it held when a checkpoint noted `kept`. UserError where it holds less."""
    sizes = _sizes(folder, kept)
    for path in [folder / "metrics.jsonl", *folder.glob("*/events.out.tfevents.*")]:
        if path.exists():
            with writing(path):
                os.truncate(path, sizes.get(path, 0))


def _sizes(folder: Path, kept: Kept) -> dict[Path, int]:
    """How many bytes of each file were there when `kept` was noted. UserError where they are no longer the same."""
    metrics = folder / "metrics.jsonl"
    sizes = {}
    if kept["count"]:
        lines = _read(metrics).split(b"\n")[:-1][: kept["count"]]
        chain = list(_chain(metrics, lines))
        if len(lines) < kept["count"]:
            raise UserError(f"{metrics} has lost lines: it holds {len(lines)} of the {kept['count']} it had")
        if chain[-1] != kept["chain"]:
            raise UserError(f"{metrics} is the record of another run")
        sizes[metrics] = sum(len(line) + 1 for line in lines)
    for name, (size, digest) in kept["events"].items():
        data = _read(folder / name)[:size]
        if len(data) < size:
            raise UserError(f"{folder / name} has lost events: it holds {len(data)} of the {size} bytes it had")
        if hashlib.sha256(data).hexdigest() != digest:
            raise UserError(f"{folder / name} is damaged: it was changed after the run")
        sizes[folder / name] = size
    return sizes


def _link(chain: str, text: str) -> str:
    """The hash of a line and, through the hash of the line before it, of all lines before."""
    return hashlib.sha256((chain + text).encode()).hexdigest()[:16]


def _read_records(path: Path) -> tuple[list[tuple[int, str, dict[str, float]]], bool, bool]:
    """The records of metrics.jsonl, whether the closing line is there, and whether the last line is torn.

    Any other damage is a UserError that names the line: a kill can only tear the last one.
    """
    *lines, rest = _read(path).split(b"\n")
    records: list[tuple[int, str, dict[str, float]]] = []
    closed = False
    for number, (line, _) in enumerate(zip(lines, _chain(path, lines), strict=True), start=1):
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


def _chain(path: Path, lines: Sequence[bytes]) -> Iterator[str]:
    """The hash of each line. UserError where it is not the one that the line says it has."""
    chain = ""
    for number, line in enumerate(lines, start=1):
        body, separator, hash_part = line.decode("utf-8", "replace").rpartition(', "chain": "')
        chain = _link(chain, body + "}")
        if not separator or hash_part != f'{chain}"}}':
            raise UserError(f"{path}: line {number} is damaged: it, or a line before it, was changed after the run")
        yield chain


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from None


def _histogram(entries: np.ndarray) -> HistogramProto:
    """Equal bins from the smallest to the largest entry; one bin where they are too close, or too far apart, for more.

    By hand, as np.histogram takes twice as long and refuses entries that lie close together.
    """
    smallest, largest = float(entries.min()), float(entries.max())
    width = (largest - smallest) / _BINS
    if smallest + width == smallest or not math.isfinite(width):
        counts, limits = np.array([entries.size]), np.array([largest])
    else:
        bins = np.minimum((entries - smallest) / width, _BINS - 1).astype(np.intp)
        counts, limits = np.bincount(bins, minlength=_BINS), smallest + width * np.arange(1, _BINS + 1)
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


def _png(pixels: np.ndarray) -> bytes:
    """uint8 (H, W, 1 or 3) as a PNG file."""
    height, width, channels = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">2I5B", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)  # filter 0 in each row
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows.tobytes()))
        + chunk(b"IEND", b"")
    )


def _checksum_tables(block: int) -> np.ndarray:
    """tables[k, b]: what the byte b contributes to a CRC-32C when k bytes follow it. (block, 256)"""
    first: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = (first >> 1) ^ (np.uint32(0x82F63B78) * (first & 1))
    tables = np.empty((block, 256), dtype=np.uint32)
    tables[0] = first
    for k in range(1, block):
        tables[k] = (tables[k - 1] >> 8) ^ first[tables[k - 1] & 255]
    return tables


_BLOCK = 1024
_TABLES = _checksum_tables(_BLOCK)[::-1].ravel()  # row i of 256: the byte at place i of a full block
_ROWS = 256 * np.arange(_BLOCK)


def _checksum(data: bytes) -> bytes:
    """TensorFlow's masked CRC-32C. A CRC is linear: all bytes' contributions, looked up at once, are xor-ed."""
    crc = 0xFFFFFFFF
    for start in range(0, len(data), _BLOCK):
        block = np.frombuffer(data, np.uint8, min(_BLOCK, len(data) - start), start).copy()
        block[:4] ^= np.frombuffer(crc.to_bytes(4, "little"), np.uint8)[: block.size]
        crc = int(np.bitwise_xor.reduce(_TABLES.take(_ROWS[-block.size :] + block))) ^ (crc >> 8 * block.size)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@functools.cache
def _header(length: int) -> bytes:
    """A record's length and the length's checksum: the same few lengths come again and again."""
    packed = struct.pack("<Q", length)
    return packed + _checksum(packed)
