"""Train a lesson's variants in lockstep over its seeds, judge the figures, record the curves: `teach(lesson)`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tomli_w
import torch

from torchref.compare.configuration import read_config
from torchref.compare.errors import UserError
from torchref.compare.faults import reason
from torchref.compare.files import write_whole
from torchref.compare.lockstep.outcome import Diverged, NotFinite
from torchref.compare.origin import digest_files
from torchref.compare.record.kept import NOTHING
from torchref.compare.record.recorder import Recorder
from torchref.compare.record.tags import ABOUT, AGREEMENT, THIS_RUN
from torchref.compare.record.unfinished import refuse_if_trained, running_lines, training
from torchref.compare.teach.about import page
from torchref.compare.teach.curves import agreement, figures_drawn, record
from torchref.compare.teach.findings import FAILS, Figures, verdict
from torchref.compare.teach.lesson import Lesson
from torchref.compare.teach.taught import Taught
from torchref.compare.teach.trained import Trained, epochs
from torchref.compare.train.report import environment
from torchref.nn.module import Array

__all__ = ["QUICK_SEEDS", "kept", "teach"]

QUICK_SEEDS = 3
BOTH_ENGINES = 4  # variants, at most, of which torch's curves are shown as well: eight runs
# Criteria were chosen, and mended, after a look at trainings with smaller seeds: those take no part in a verdict.
FRESH_SEEDS = 200
VERSIONS = ("python", "numpy", "torch", "torchref")  # what a lesson's results depend on, beside its files
CONTROL_SEEDS = 1000  # in the A/A control each variant has seeds of its own, so far apart

OnProgress = Callable[[str, int, int], None]  # what is trained, trainings done, trainings in all


@dataclass
class Trainings:
    """A lesson's trainings so far, and their figures; `mismatch` says why they were broken off."""

    trained: dict[str, list[Trained]] = field(default_factory=dict)  # by variant
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # variant -> figure -> one per seed
    mismatch: str = ""

    @property
    def arrays(self) -> Figures:
        """The figures of all seeds, an array for each variant and name."""
        return {name: {k: np.array(values) for k, values in each.items()} for name, each in self.figures.items()}


def teach(
    lesson: Lesson,
    *,
    out: Path | str | None = "runs",
    quick: bool = False,
    control: bool = False,
    seeds: int | None = None,
    on_progress: OnProgress | None = None,
) -> Taught:
    """Train the lesson's variants over its seeds, every gradient of every step asserted; judge, and record in `out`.

    `control` switches the effect off: every variant becomes the lesson's `control`. Nothing is recorded if `out` is
    None.
    """
    started = time.perf_counter()
    folder = None if out is None else open_folder(Path(out) / lesson.name, lesson)
    seeds = seeds or (QUICK_SEEDS if quick else lesson.seeds)
    with one_thread(), nullcontext() if folder is None else unfinished(folder, lesson):
        trainings = train_all(lesson, seeds, quick, control, on_progress)
        taught = judged(lesson, trainings, seeds, quick)
        taught.pictures = drawn(lesson, trainings)
        if folder is not None:
            record_all(folder, lesson, trainings, taught)
        taught.seconds = time.perf_counter() - started
        if folder is not None:
            write_whole(folder / "lesson.json", taught.to_json())
    return taught


def unfinished(folder: Path, lesson: Lesson) -> AbstractContextManager[None]:
    """Within this context the lesson's page says that it has no verdict yet."""
    lines = running_lines(f"`torchref compare {lesson.name}` measures it from the start")
    running, broken_off = (page(lesson, f"{lesson.headline}\n\n{line}", {}) for line in lines)
    return training(folder, running, broken_off)


def train_all(lesson: Lesson, seeds: int, quick: bool, control: bool, on_progress: OnProgress | None) -> Trainings:
    """Every variant with every seed; up to the first gradient that differs, or canary that is missed."""
    trainings = Trainings()
    for index, name in enumerate(lesson.variants):
        comparison = lesson.variants[lesson.control if control else name]
        data = comparison.data().astype(np.dtype(comparison.dtype))
        for seed in range(seeds):
            if on_progress is not None:
                done, total = index * seeds + seed, len(lesson.variants) * seeds
                on_progress(f"{lesson.name}: {name}, seed {seed}", done, total)
            first = comparison.seed + (0 if quick else FRESH_SEEDS) + CONTROL_SEEDS * index * control
            trained = Trained(name, replace(comparison, seed=first + seed), data, control, lesson.watch)
            trained.limit = lesson.quick if quick else np.inf
            trainings.trained.setdefault(name, []).append(trained)
            mismatch = train_one(lesson, trained)
            if mismatch:
                trainings.mismatch = f"{name}, seed {seed}: {mismatch}"
                return trainings
            for figure, value in lesson.measure(trained).items():
                trainings.figures.setdefault(name, {}).setdefault(figure, []).append(float(value))
    return trainings


def train_one(lesson: Lesson, trained: Trained) -> str:
    """Train; returns why its gradients count for nothing, or "" where they were equal and every canary was noticed."""
    try:
        (lesson.train or epochs)(trained)
    except (Diverged, NotFinite) as found:
        return str(found)
    canary = trained.lockstep.canary
    missed = [tensor for tensor, caught in canary.items() if not caught]
    if missed or not canary:
        return f"a planted error was not noticed in {', '.join(missed) or 'any'}"
    return ""


def judged(lesson: Lesson, trainings: Trainings, seeds: int, quick: bool) -> Taught:
    """The findings; none where a gradient differed."""
    findings = [] if trainings.mismatch else lesson.judge(trainings.arrays)
    every = [trained.lockstep for variant in trainings.trained.values() for trained in variant]
    return Taught(
        name=lesson.name,
        claim=lesson.headline,
        verdict=verdict(findings, seeds, lesson.seeds) if findings else FAILS,
        findings=findings,
        figures=trainings.figures,
        seeds=seeds,
        steps=sum(lockstep.steps for lockstep in every),
        gradients=sum(lockstep.steps * len(lockstep.numpy_twin.parameters) for lockstep in every),
        largest_difference=max(lockstep.judge.largest or 0.0 for lockstep in every),
        seconds=0.0,
        quick=quick,
        mismatch=trainings.mismatch,
        environment=environment(),
    )


def drawn(lesson: Lesson, trainings: Trainings) -> dict[str, Array]:
    """NumPy's loss on torch's, of the first training; and the figures, unless a gradient differed."""
    first = agreement(next(iter(trainings.trained.values()))[0])
    figures = {} if trainings.mismatch else figures_drawn(lesson, trainings.arrays)
    return ({} if first is None else {AGREEMENT: first}) | figures


def record_all(folder: Path, lesson: Lesson, trainings: Trainings, taught: Taught) -> None:
    """A run for each setting, with curves and pictures; and the lesson's page, with the figures over the settings."""
    # Where there are many settings torch's curves, which are equal, would only double them.
    engines = ("numpy", "torch") if len(lesson.variants) <= BOTH_ENGINES else ("numpy",)
    for name, variant in trainings.trained.items():
        with Recorder(folder / name, engines=engines, descriptions=lesson.tags) as recorder:
            record(recorder, variant, engines)
            if lesson.show is not None and not trainings.mismatch:
                lesson.show(recorder, variant[0])
    with Recorder(folder / ABOUT, kept=NOTHING, engines=(THIS_RUN,), descriptions=lesson.tags) as recorder:
        twins = {name: variant[0].lockstep.numpy_twin for name, variant in trainings.trained.items()}
        recorder.text(THIS_RUN, "about this run", page(lesson, taught.markdown(), twins), 0)
        for tag, picture in taught.pictures.items():
            if tag != AGREEMENT:  # which stands in each variant's run
                recorder.image(THIS_RUN, tag, picture, 0)


def open_folder(folder: Path, lesson: Lesson) -> Path:
    """The lesson's folder, empty but for config.toml. A lesson gives the same again, so what it left is replaced."""
    try:
        if folder.exists():
            if not (folder / "config.toml").exists():
                raise UserError(
                    f"out: {folder} is already there, and no lesson made it: name another folder with --out"
                )
            refuse_if_trained(folder)
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        config = {
            "comparison": lesson.name,
            "claim": lesson.headline,
            "page": lesson.page,
            "cards": list(lesson.cards),
            "colors": lesson.colors,
            "runs": lesson.runs,
            "variants": {name: {} for name in lesson.variants},
            "origin": {"files": files_of(lesson)},
        }
        write_whole(folder / "config.toml", tomli_w.dumps(config))
    except OSError as error:
        raise UserError(f"out: cannot write to {folder}: {reason(error)}") from None
    return folder


def kept(lesson: Lesson, out: Path, quick: bool, seeds: int) -> Taught | None:
    """What this lesson has left in `out`: trained from the same files, by the same versions, in this way."""
    folder = out / lesson.name
    try:
        files = read_config(folder / "config.toml")["origin"]["files"]
        found = Taught.from_json((folder / "lesson.json").read_text(encoding="utf-8"))
        made, now = ([facts[name] for name in VERSIONS] for facts in (found.environment, environment()))
    except (OSError, UserError, ValueError, LookupError, TypeError, AttributeError):
        return None
    same = files == files_of(lesson) and made == now and (found.quick, found.seeds) == (quick, seeds)
    return found if same and found.passed else None


def files_of(lesson: Lesson) -> dict[str, str]:
    """A digest of each file that the lesson's networks, data and losses come from."""
    return {name: d for comparison in lesson.variants.values() for name, d in digest_files(comparison).items()}


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: a second one costs these small networks time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
