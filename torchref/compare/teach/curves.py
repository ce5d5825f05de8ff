"""The curves of a lesson's trainings, for TensorBoard: means over the seeds; and pictures over what is varied."""

from __future__ import annotations

import numpy as np

from torchref.compare.record import pictures
from torchref.compare.record.recorder import Recorder
from torchref.compare.record.tags import AGREEMENT, FIGURES
from torchref.compare.teach.findings import Figures
from torchref.compare.teach.lesson import Lesson
from torchref.compare.teach.trained import Trained
from torchref.nn.module import Array

__all__ = ["agreement", "figures_drawn", "record"]


def record(recorder: Recorder, trainings: list[Trained], engines: tuple[str, ...]) -> None:
    """The curves of one variant, the mean over its seeds; and NumPy on torch, of the first seed."""
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
        recorder.scalars("numpy", {tag: n for tag, (n, _) in points[step].items()}, step)
        if "torch" in engines:
            both = {tag: t for tag, (_, t) in points[step].items() if t is not None}
            recorder.scalars("torch", both, step)
    picture = agreement(first)
    if picture is not None:
        recorder.image("numpy", AGREEMENT, picture, first.lockstep.steps)


def agreement(trained: Trained) -> Array | None:
    """NumPy's curve on torch's: the loss of each step, as a picture; None where a lesson notes none."""
    losses = [(step, n, t) for step, n, t in trained.curves.get("loss/step", []) if t is not None]
    if not losses:
        return None
    steps, of_numpy, of_torch = np.array(losses).T
    title = f"{trained.variant}, one seed: NumPy on torch"
    return pictures.agreement(steps, of_numpy, of_torch, title, "loss of each step")


def figures_drawn(lesson: Lesson, figures: Figures) -> dict[str, Array]:
    """{tag: picture} of the figures that have a card, over the variants; and of those over a setting."""
    drawn = {}
    for tag in lesson.cards:
        name = tag.removeprefix(FIGURES)
        points = [(variant, of[name]) for variant, of in figures.items() if name in of]
        if tag.startswith(FIGURES) and points:
            drawn[tag] = pictures.by_setting(f"{name}, in each variant", "variant", name, {"": points}, joined=False)
    for over in lesson.across(figures) if lesson.across is not None else ():
        title = over.tag.rpartition("/")[2]
        drawn[over.tag] = pictures.by_setting(title, over.setting, over.figure, over.curves)
    return drawn
