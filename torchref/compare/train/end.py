"""Pictures of a trained network: its gradients by depth, what it gets wrong, its first weights, its decisions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from torchref.compare.data import Data
from torchref.compare.lockstep.twins import NumpyTwin, outputs_of
from torchref.compare.record import pictures
from torchref.compare.record.metrics import Metrics
from torchref.compare.record.recorder import Recorder
from torchref.nn.module import Array

__all__ = ["agreement", "gradient_norms", "record_end", "record_wrong"]

MOMENTS = 5  # lines in the picture of the gradients
LOOKED_AT = 1_000  # held-out examples, at most, among which wrong answers are looked for
SHOWN = 8
NORM = re.compile(r"(.*)/gradient of (?!.* of ).*/norm")  # of a place's own parameters, not of its norm's


def gradient_norms(metrics: Metrics) -> dict[str, list[tuple[int, float]]]:
    """{place: [(step, norm of its weight's gradient), ...]}, in the network's order, as they were recorded."""
    found: dict[str, list[tuple[int, float]]] = {}
    for tag, points in metrics["numpy"].items():
        match = NORM.fullmatch(tag)
        if match:
            found.setdefault(match[1], points)
    return dict(sorted(found.items(), key=lambda item: _depth(item[0])))


def _depth(place: str) -> tuple[int, int]:
    """Where a place stands: embeddings, hidden places by their numbers, the output."""
    kind, _, number = place.partition(" ")
    return ("embedding", "hidden", "output").index(kind), int(number or 0)


def agreement(metrics: Metrics, variant: str, variants: int) -> Array:
    """NumPy's curve on torch's: the loss of each step of one of so many variants, as a picture."""
    ours, theirs = (dict(metrics[engine].get("loss/step", [])) for engine in ("numpy", "torch"))
    steps = sorted(ours.keys() & theirs.keys())
    of_numpy, of_torch = (np.array([curve[step] for step in steps]) for curve in (ours, theirs))
    title = f"{variant}{f' (one of {variants} variants)' if variants > 1 else ''}: NumPy on torch"
    return pictures.agreement(np.array(steps), of_numpy, of_torch, title, "loss of each step")


def record_end(
    recorder: Recorder, twin: NumpyTwin, data: Data, norms: Mapping[str, list[tuple[int, float]]], n: int
) -> None:
    """The pictures that fit the data and the network; both twins are equal, so they are NumPy's."""
    steps = [step for step, _ in next(iter(norms.values()), [])]
    if len(norms) > 1 and all(math.isfinite(norm) for points in norms.values() for _, norm in points):
        moments = sorted({round(i) for i in np.linspace(0, len(steps) - 1, MOMENTS)})
        by_step = {steps[i]: np.array([points[i][1] for points in norms.values()]) for i in moments}
        title = f"{recorder.folder.name}: NumPy's gradients, back from the right"
        picture = pictures.gradients_by_depth([*norms], by_step, title)
        recorder.image("numpy", "all layers/gradient by depth", picture, n)
    shape = data.validation_inputs.shape[1:]
    image = pictures.side(shape)
    if image is not None:
        record_images(recorder, twin, data, image, n)
    labels = data.train_targets[:LOOKED_AT]
    if shape == (2,) and labels.ndim == 1 and labels.dtype == np.int64:
        x = data.train_inputs[:LOOKED_AT]
        title = f"{recorder.folder.name}: what the NumPy twin answers"
        picture = pictures.decisions(lambda points: first_output(twin, points), x, labels, title)
        recorder.image("numpy", "examples/decisions", picture, n)


def record_images(recorder: Recorder, twin: NumpyTwin, data: Data, image: tuple[int, ...], n: int) -> None:
    """Where the data are images: those that are named wrong, and the first layer's weights."""
    weight = next(iter(twin.named_weights().values()), np.zeros(0))
    maps = first_maps(weight, image)
    if maps is not None:
        what = "filters of the first layer" if weight.ndim == 4 else "weights into the first layer"
        title = f"{recorder.folder.name}: NumPy's {what}"
        recorder.image("numpy", "first layer/weights as images", pictures.weights(maps, title), n)
    x, labels = data.validation_inputs[:LOOKED_AT], data.validation_targets[:LOOKED_AT]
    if labels.ndim != 1 or labels.dtype != np.int64:
        return
    logits = first_output(twin, x)
    if logits.ndim == 2 and logits.shape[1] > 1:
        record_wrong(recorder, logits, x.reshape(len(x), *image) if x.ndim == 2 else x, labels, n)


def record_wrong(recorder: Recorder, logits: Array, images: Array, labels: Array, n: int) -> None:
    """The images that are named wrong, the surest first."""
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    answers, surest = chances.argmax(axis=1), chances.max(axis=1)
    wrong = np.flatnonzero(answers != labels)
    count = len(wrong)
    wrong = wrong[np.argsort(-surest[wrong], kind="stable")][:SHOWN]
    if count:
        title = f"{recorder.folder.name}: NumPy's surest errors, {len(wrong)} of {count}"
        picture = pictures.wrong(images[wrong], labels[wrong], answers[wrong], surest[wrong], title)
        recorder.image("numpy", "examples/named wrong", picture, n)


def first_output(twin: NumpyTwin, x: Array) -> Array:
    """What the network answers; of several outputs the first."""
    output: Array = outputs_of(twin.predict(x))[0]
    return output


def first_maps(weight: Array, image: tuple[int, ...]) -> Array | None:
    """The first layer's weights as images, (neurons, H, W): filters, or a weight a pixel; None for another layer."""
    if weight.ndim == 4 and min(weight.shape[2:]) > 1:
        filters: Array = weight.mean(axis=1)  # over the channels
        return filters
    if weight.ndim == 2 and weight.shape[1] == math.prod(image):
        return weight.reshape(len(weight), *image)
    return None
