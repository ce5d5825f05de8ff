"""The curves of a lesson's trainings, for TensorBoard: means over the seeds; and pictures over what is varied."""

from __future__ import annotations

import numpy as np

from torchref.compare.record import pictures
from torchref.compare.record.recorder import Recorder
from torchref.compare.record.tags import AGREEMENT, FIGURES, THIS_RUN
from torchref.compare.teach.findings import Figures
from torchref.compare.teach.lesson import Lesson
from torchref.compare.teach.trained import Trained

__all__ = ["record", "record_figures"]


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
    losses = [(step, n, t) for step, n, t in first.curves.get("loss/step", []) if t is not None]
    if losses:
        steps, of_numpy, of_torch = np.array(losses).T
        title = f"{first.variant}, one seed: NumPy on torch"
        picture = pictures.agreement(steps, of_numpy, of_torch, title, "loss of each step")
        recorder.image("numpy", AGREEMENT, picture, int(steps[-1]))


def record_figures(recorder: Recorder, lesson: Lesson, figures: Figures) -> None:
    """The figures that have a card, over the variants; and those over a setting."""
    for tag in lesson.cards:
        name = tag.removeprefix(FIGURES)
        points = [(variant, of[name]) for variant, of in figures.items() if name in of]
        if tag.startswith(FIGURES) and points:
            picture = pictures.by_setting(f"{name}, in each variant", "variant", name, {"": points}, joined=False)
            recorder.image(THIS_RUN, tag, picture, 0)
    for over in lesson.across(figures) if lesson.across is not None else ():
        title = over.tag.rpartition("/")[2]
        picture = pictures.by_setting(title, over.setting, over.figure, over.curves)
        recorder.image(THIS_RUN, over.tag, picture, 0)
