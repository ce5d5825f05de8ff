"""Write TensorBoard's event files, and `metrics.jsonl` with every scalar in full precision.

All scalars of one step and engine make one event and one JSON line; 50 of them cost about 100 microseconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import (
    DATA_CLASS_BLOB_SEQUENCE,
    DATA_CLASS_SCALAR,
    DATA_CLASS_TENSOR,
    Summary,
    SummaryMetadata,
)
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from torchref.compare.errors import UserError
from torchref.compare.faults import reason, writing
from torchref.compare.record.events import EventFile, histogram, png
from torchref.compare.record.kept import NOTHING, Kept, take_back
from torchref.compare.record.metrics import ENGINES, MetricsFile
from torchref.compare.record.tags import describe

__all__ = ["Recorder", "declare_hparams", "log10_difference"]

FLOOR = -20.0  # log10 of a difference of zero, so that equal curves have a point to draw
FLUSH_SECONDS = 5.0
DATA_CLASSES = {
    "scalars": DATA_CLASS_SCALAR,
    "histograms": DATA_CLASS_TENSOR,
    "text": DATA_CLASS_TENSOR,
    "images": DATA_CLASS_BLOB_SEQUENCE,
}


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

    def __init__(
        self,
        folder: Path,
        kept: Kept | None = None,
        engines: Sequence[str] = ENGINES,
        descriptions: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._descriptions = descriptions or {}  # of tags that the table in tags.py does not know
        self._described: set[tuple[str, str]] = set()  # engine, tag
        self.notes: list[str] = []  # what could not be recorded as asked, and why
        self.repaired = ""  # what of the record that is continued had to be taken back because it was damaged
        self._embeddings: dict[str, list[str]] = {}  # by engine, what its projector shows
        metrics = self.folder / "metrics.jsonl"
        if kept is not None:
            self.repaired = take_back(self.folder, kept)
        elif metrics.exists():
            raise UserError(f"{metrics} is already there: resume the run, remove it, or choose another folder")
        kept = NOTHING if kept is None else kept
        self._latest, self._earlier = kept["step"], dict(kept["events"])
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._metrics = MetricsFile(metrics, kept["count"], kept["chain"])
            self._events = {engine: EventFile(self.folder / engine, self._latest + 1) for engine in engines}
        except OSError as error:
            raise UserError(f"cannot record in {self.folder}: {reason(error)}") from None
        self._pending: dict[str, tuple[int, dict[str, float], set[str]]] = {}  # step, values, those without a card
        self._flushed = time.monotonic()

    def scalar(self, engine: str, tag: str, value: float, step: int) -> None:
        """Record one number. All numbers of one engine and step are written together, when the next step begins."""
        self.scalars(engine, {tag: value}, step)

    def scalars(self, engine: str, values: Mapping[str, float], step: int, cards: bool = True) -> None:
        """Record the numbers of one step, {tag: value}; without `cards` in metrics.jsonl alone."""
        pending = self._pending.get(engine)
        if pending is not None and pending[0] != step:
            self._write(engine)
        self._events[engine]  # an unknown engine is an error here, not at the next step
        _, numbers, hidden = self._pending.setdefault(engine, (step, {}, set()))
        numbers.update(values)
        if not cards:
            hidden.update(values)

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
            histo = histogram(finite.astype(np.float64))
            self._write_value(engine, step, Summary.Value(tag=tag, histo=histo), "histograms")
        return bool(complete)

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
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png(pixels))
        self._write_value(engine, step, Summary.Value(tag=tag, image=image), "images")

    def text(self, engine: str, tag: str, markdown: str, step: int) -> None:
        """Record a text, which TensorBoard shows as Markdown."""
        metadata = _metadata("text", describe(tag, self._descriptions))
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype="DT_STRING", string_val=[markdown.encode()], tensor_shape=shape)
        self._events[engine].write(step, Summary.Value(tag=tag, metadata=metadata, tensor=tensor))

    def tensor(self, engine: str, tag: str, tensor: TensorProto, step: int, plugin: str) -> None:
        """Record a tensor, entry by entry, for a plugin of TensorBoard."""
        plugin_data = SummaryMetadata.PluginData(plugin_name=plugin)
        metadata = SummaryMetadata(plugin_data=plugin_data, data_class="DATA_CLASS_TENSOR")
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
                (folder / f"{file}.png").write_bytes(png(np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)))
                size = f"single_image_dim: [{width}, {height}]"
                lines.append(f'sprite {{ image_path: "{file}.png" {size} }}')
            self._embeddings.setdefault(engine, []).append("embeddings { " + " ".join(lines) + " }\n")
            (folder / "projector_config.pbtxt").write_text("".join(self._embeddings[engine]), "utf-8")

    def hparams(self, engine: str, hparams: Mapping[str, Any]) -> None:
        """Record a session's hyperparameters; its metrics are the last points of its curves.

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
        with nullcontext() if finished else suppress(UserError):  # the user sees what ended the run, and nothing else
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
        step, values, hidden = self._pending.pop(engine)
        numbers = {tag: float(value) for tag, value in values.items()}
        self._metrics.check_there()
        self._metrics.write(step, engine, numbers)
        shown = {tag: value for tag, value in numbers.items() if tag not in hidden}
        new = {tag: text for tag in shown if (text := self._description(engine, tag))}
        metadata = {tag: _metadata("scalars", text) for tag, text in new.items()}
        if shown:
            self._events[engine].write_scalars(step, shown, metadata)
        self._latest = max(self._latest, step)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:  # so that TensorBoard can follow the training
            for file in (self._metrics, *self._events.values()):
                file.flush()
            self._flushed = time.monotonic()

    def _write_value(self, engine: str, step: int, value: Summary.Value, plugin: str) -> None:
        if text := self._description(engine, value.tag):
            value.metadata.CopyFrom(_metadata(plugin, text))
        self._events[engine].write(step, value)

    def _description(self, engine: str, tag: str) -> str:
        """What a tag shows, the first time that an engine records it: TensorBoard keeps that one."""
        if (engine, tag) in self._described:
            return ""
        self._described.add((engine, tag))
        return describe(tag, self._descriptions)

    def _note(self, engine: str, note: str, step: int) -> None:
        self.notes.append(note)
        self.text(engine, "notes", note, step)


def _metadata(plugin: str, description: str) -> SummaryMetadata:
    """What stands beside a tag's first value. Without the class of its data TensorBoard drops the description."""
    return SummaryMetadata(
        summary_description=description,
        data_class=DATA_CLASSES[plugin],
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugin),
    )


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
