"""The curves of a lesson's trainings, for TensorBoard: means over the seeds, and figures over what is varied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from torchref.compare.record.recorder import Recorder, log10_difference
from torchref.compare.teach.lesson import Across
from torchref.compare.teach.trained import Trained
from torchref.nn.module import Array

__all__ = ["record", "record_across"]


def record(recorder: Recorder, trainings: list[Trained]) -> None:
    """The curves of one variant, the mean over its seeds; the weights at the end; the differences of the twins."""
    first = trainings[0]
    points: dict[int, dict[str, tuple[float, float | None]]] = {}
    for tag in first.curves:
        by_seed = [trained.curves.get(tag, []) for trained in trainings]
        for same in zip(*by_seed, strict=False):  # as far as all seeds came
            if len({step for step, _, _ in same}) == 1:
                ours = float(np.mean([n for _, n, _ in same]))
                theirs = [t for _, _, t in same if t is not None]
                points.setdefault(same[0][0], {})[tag] = ours, float(np.mean(theirs)) if theirs else None
    for step in sorted(points):
        both = {tag: (n, t) for tag, (n, t) in points[step].items() if t is not None}
        recorder.scalars("numpy", {tag: n for tag, (n, _) in points[step].items()}, step)
        recorder.scalars("torch", {tag: t for tag, (_, t) in both.items()}, step)
        apart = {f"difference/{tag} (log10)": log10_difference(n - t) for tag, (n, t) in both.items()}
        recorder.scalars("difference", apart, step)
    last = max(points, default=0)
    for kind in first.differences:
        largest = max(trained.differences.get(kind, 0.0) for trained in trainings)
        recorder.scalar("difference", f"largest/{kind.partition('/')[2]} (log10)", log10_difference(largest), last)
    for engine, twin in (("numpy", first.lockstep.numpy_twin), ("torch", first.lockstep.torch_twin)):
        for name, weight in twin.named_weights().items():
            recorder.histogram(engine, f"weights/{name}", weight, last)


def record_across(folder: Path, curves: Across) -> None:
    """Curves whose steps are not steps but what is varied, each in a folder of its own: mean, least and greatest seed.

    With the spread beside it the mean is seen whole: TensorBoard fits its axis to all but the outermost points.
    """
    summaries: dict[str, Callable[[Array], Any]] = {"numpy": np.mean, "least": np.min, "greatest": np.max}
    for run, tags in curves.items():
        with Recorder(folder / run, engines=tuple(summaries)) as recorder:
            for step in sorted({step for points in tags.values() for step, _ in points}):
                here = {tag: values for tag, points in tags.items() for at, values in points if at == step}
                for engine, of in summaries.items():
                    recorder.scalars(engine, {tag: float(of(values)) for tag, values in here.items()}, step)
