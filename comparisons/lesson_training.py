"""Train a lesson's variants in lockstep over its seeds, judge the figures, record the curves: `teach(lesson)`."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch

from comparisons.comparison import Comparison
from comparisons.data import Data, batches
from comparisons.errors import UserError
from comparisons.faults import writing
from comparisons.lesson import Across, Figures, Finding, Lesson, verdict
from comparisons.lockstep import Diverged, Lockstep, Step
from comparisons.record import Recorder, log10_difference
from comparisons.report import environment, plain
from comparisons.training import evaluate
from torchref.nn.module import Array

EVALUATED = 500  # examples, at most, that the end of an epoch looks at
QUICK_SEEDS = 3
# Criteria were chosen, and mended, after a look at trainings with smaller seeds: those take no part in a verdict.
FRESH_SEEDS = 200
CONTROL_SEEDS = 1000  # in the A/A control each variant has seeds of its own, so far apart


class Trained:
    """One variant's training with one seed: what `measure` and `show` look at."""

    def __init__(self, lesson: Lesson, variant: str, comparison: Comparison, data: Data, off: bool) -> None:
        self.lesson, self.variant, self.comparison = lesson, variant, comparison
        self.data: Any = data  # its arrays are whole in memory
        self.off = off  # the effect is switched off
        options = next(iter(comparison.variants.values()))
        self.lockstep = Lockstep(comparison, options, torch.device("cpu"))
        self.order = np.random.default_rng(comparison.seed)
        self.rng = np.random.default_rng([comparison.seed, 1])  # for what a lesson draws itself
        self.curves: dict[str, list[tuple[int, float, float | None]]] = {}  # tag -> [(step, numpy, torch), ...]
        self.differences: dict[str, float] = {}  # by kind of tensor, the largest
        self.kept: dict[str, Any] = {}  # what a lesson's `watch` keeps for its `measure`
        self.stop = False  # a lesson's `watch` may end the training
        self.limit = np.inf  # steps, at most

    @property
    def model(self) -> Any:
        """The NumPy network."""
        return self.lockstep.numpy_twin.model

    @property
    def torch_model(self) -> torch.nn.Module:
        """The torch network."""
        return self.lockstep.torch_twin.model

    @property
    def weights(self) -> int:
        """How many numbers the network learns."""
        return sum(parameter.data.size for parameter in self.model.parameters())

    def step(self, x: Array, target: Array, observe: bool = False) -> Step:
        """One step of all twins, every tensor compared."""
        step = self.lockstep.step(x, target, observe)
        self.note("loss/step", step.numpy_loss, step.torch_loss)
        for kind, apart in step.largest_difference.items():
            self.differences[kind] = max(apart, self.differences.get(kind, 0.0))
        if self.lesson.watch is not None:
            self.lesson.watch(self, step)
        self.stop = self.stop or self.lockstep.steps >= self.limit
        return step

    def note(self, tag: str, ours: float, theirs: float | None = None) -> None:
        """Add a point to a curve, at the present step; None where only NumPy's network was measured."""
        self.curves.setdefault(tag, []).append((self.lockstep.steps, ours, theirs))

    def curve(self, tag: str) -> Array:
        """The NumPy twin's values of a curve."""
        return np.array([ours for _, ours, _ in self.curves[tag]])

    def last(self, tag: str) -> float:
        """The NumPy twin's last value of a curve."""
        return self.curves[tag][-1][1]

    def evaluate(self) -> None:
        """Note both twins' losses, and accuracies where there are labels, in evaluation mode."""
        twins = self.lockstep.numpy_twin, self.lockstep.torch_twin
        for part in ("train", "validation"):
            x, target = (getattr(self.data, f"{part}_{kind}")[:EVALUATED] for kind in ("inputs", "targets"))
            (loss, accuracy), (torch_loss, torch_accuracy) = (evaluate(twin, x, target) for twin in twins)
            name = "training" if part == "train" else part
            self.note(f"loss/{name}", loss, torch_loss)
            if accuracy is not None:
                self.note(f"accuracy/{name}", accuracy, torch_accuracy)


def epochs(trained: Trained) -> None:
    """Go through the data `epochs` times, in a fresh order each time; evaluate after each."""
    comparison, data = trained.comparison, trained.data
    for _ in range(comparison.epochs):
        for indices in batches(len(data.train_inputs), comparison.batch_size, trained.order):
            trained.step(data.train_inputs[indices], data.train_targets[indices])
            if trained.stop:
                break
        trained.lockstep.end_epoch()
        trained.evaluate()
        if trained.stop:
            break


def steps(trained: Trained, count: int) -> None:
    """Go through the data, in a fresh order each time, for `count` steps."""
    data = trained.data
    trained.limit = min(trained.limit, count)
    while not trained.stop:
        for indices in batches(len(data.train_inputs), trained.comparison.batch_size, trained.order):
            trained.step(data.train_inputs[indices], data.train_targets[indices])
            if trained.stop:
                break


def follow(trained: Trained, tag: str, figure: Callable[[Any], float]) -> None:
    """In a lesson's `watch`: a figure of both twins, every 20 steps."""
    if trained.lockstep.steps == 1 or trained.lockstep.steps % 20 == 0:
        trained.note(tag, figure(trained.lockstep.numpy_twin), figure(trained.lockstep.torch_twin))


@dataclass
class Taught:
    """What a lesson found."""

    name: str
    claim: str
    verdict: str
    findings: list[Finding]
    figures: dict[str, dict[str, list[float]]]  # variant -> figure -> one number per seed
    seeds: int
    steps: int
    gradients: int  # tensors of gradients asserted
    largest_difference: float  # of a gradient, NumPy - torch
    seconds: float
    quick: bool = False
    mismatch: str = ""  # the first tensor that differs by more than rounding explains, or a canary that was missed
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every gradient was equal; a claim that does not hold is a result, not a failure."""
        return not self.mismatch

    def text(self) -> str:
        """The verdict and what it rests on, for the terminal."""
        lines = [f"{self.name}: {self.claim}", ""]
        for finding in self.findings:
            mark = "yes" if finding.confirmed else "no "
            role = {"claim": "", "limit": "but: ", "instead": "instead: ", "beside": "beside: "}[finding.role]
            lines += [f"  {mark}  {role}{finding.text}", f"         {finding.figures}"]
        equality = (
            f"MISMATCH: {self.mismatch}"
            if self.mismatch
            else f"{self.gradients:,} gradients in {self.steps:,} steps equal to torch's"
            f" (largest difference {self.largest_difference:.1e})"
        )
        lines += ["", f"verdict: {self.verdict} ({self.seeds} seeds, {self.seconds:.1f} s{', quick' * self.quick})"]
        return "\n".join([*lines, equality])

    def markdown(self) -> str:
        """The same for TensorBoard and for reports."""
        rows = [f"| {f.role} | {f.text} | {'yes' if f.confirmed else 'no'} | {f.figures} |" for f in self.findings]
        head = f"**{self.verdict}**: {self.claim}"
        return "\n".join([head, "", "| role | finding | confirmed | figures |", "|---|---|---|---|", *rows])

    def to_json(self) -> str:
        """Everything, as JSON (nan and inf as strings)."""
        fields = {**asdict(self), "passed": self.passed}
        return json.dumps(plain(fields), indent=2, allow_nan=False) + "\n"


def teach(
    lesson: Lesson,
    *,
    out: Path | str | None = "runs",
    quick: bool = False,
    control: bool = False,
    seeds: int | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Taught:
    """Train the lesson's variants over its seeds, every gradient of every step asserted; judge, and record in `out`.

    `control` switches the effect off: every variant becomes the lesson's `control`. Nothing is recorded if `out` is
    None.
    """
    started = time.perf_counter()
    folder = None if out is None else open_folder(Path(out) / lesson.name, lesson)
    seeds = seeds or (QUICK_SEEDS if quick else lesson.seeds)
    trainings: dict[str, list[Trained]] = {}
    figures: dict[str, dict[str, list[float]]] = {}
    mismatch = ""
    with one_thread():
        for index, name in enumerate(lesson.variants):
            comparison = lesson.variants[lesson.control if control else name]
            data = comparison.data().astype(np.dtype(comparison.dtype))
            for seed in range(seeds):
                if on_progress is not None:
                    on_progress(
                        f"{lesson.name}: {name}, seed {seed}", index * seeds + seed, len(lesson.variants) * seeds
                    )
                first = 0 if quick else FRESH_SEEDS
                own = replace(comparison, seed=comparison.seed + first + seed + CONTROL_SEEDS * index * control)
                trained = Trained(lesson, name, own, data, control)
                trained.limit = lesson.quick if quick else np.inf
                try:
                    (lesson.train or epochs)(trained)
                except Diverged as found:
                    mismatch = f"{name}, seed {seed}: {found}"
                    break
                finally:
                    trainings.setdefault(name, []).append(trained)
                canary = trained.lockstep.canary
                missed = [tensor for tensor, caught in canary.items() if not caught]
                if missed or not canary:
                    mismatch = f"{name}, seed {seed}: a planted error was not noticed in {', '.join(missed) or 'any'}"
                    break
                for figure, value in lesson.measure(trained).items():
                    figures.setdefault(name, {}).setdefault(figure, []).append(float(value))
            if mismatch:
                break
        findings = [] if mismatch else lesson.judge(as_arrays(figures))
        every = [trained for variant in trainings.values() for trained in variant]
        taught = Taught(
            name=lesson.name,
            claim=lesson.headline,
            verdict=verdict(findings),
            findings=findings,
            figures=figures,
            seeds=seeds,
            steps=sum(trained.lockstep.steps for trained in every),
            gradients=sum(trained.lockstep.steps * len(trained.lockstep.numpy_twin.parameters) for trained in every),
            largest_difference=max(trained.lockstep.judge.largest for trained in every),
            seconds=time.perf_counter() - started,
            quick=quick,
            mismatch=mismatch,
            environment=environment(),
        )
        if folder is not None:
            for number, (name, variant) in enumerate(trainings.items()):
                with Recorder(folder / name) as recorder:
                    record(recorder, variant)
                    for figure, values in figures.get(name, {}).items():
                        for seed, value in enumerate(values):
                            recorder.scalar("numpy", f"figures/{figure}", value, seed)
                    if number == 0:
                        recorder.text("difference", "verdict", taught.markdown(), 0)
                    if lesson.show is not None and not mismatch:
                        lesson.show(recorder, variant[0])
            if lesson.across is not None and not mismatch:
                record_across(folder, lesson.across(as_arrays(figures)))
            taught.seconds = time.perf_counter() - started
            with writing(folder):
                (folder / "lesson.json").write_text(taught.to_json(), encoding="utf-8")
    return taught


def as_arrays(figures: dict[str, dict[str, list[float]]]) -> Figures:
    return {name: {figure: np.array(values) for figure, values in each.items()} for name, each in figures.items()}


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


def open_folder(folder: Path, lesson: Lesson) -> Path:
    """The lesson's folder, empty but for config.toml. A lesson gives the same again, so what it left is replaced."""
    try:
        if folder.exists():
            if not (folder / "config.toml").exists():
                raise UserError(
                    f"out: {folder} is already there, and no lesson made it: name another folder with --out"
                )
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        config = {
            "comparison": lesson.name,
            "claim": lesson.headline,
            "page": lesson.page,
            "cards": list(lesson.cards),
            "colors": lesson.colors,
            "variants": {name: {} for name in lesson.variants},
        }
        with writing(folder):
            (folder / "config.toml").write_text(tomli_w.dumps(config), encoding="utf-8")
    except OSError as error:
        raise UserError(f"out: cannot write to {folder}: {error.strerror}") from None
    return folder


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: a second one costs these small networks time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def gradients_of(model: Any, criterion: Any, x: Array, target: Array) -> dict[str, Array]:
    """The gradients of a NumPy network in training mode, by name; its own are put back."""
    before = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    output, backward = model(x)
    _, loss_backward = criterion(output, target)
    doutput = loss_backward()
    backward(doutput[0] if isinstance(doutput, tuple) else doutput)
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    for name, parameter in model.named_parameters():
        parameter.grad = before[name]
    return found
