"""One variant's training, from its first step, or where it left off, to its report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from torchref.compare.comparison import Comparison
from torchref.compare.configuration import as_config
from torchref.compare.data import Data, batches
from torchref.compare.errors import UserError
from torchref.compare.lockstep.drift import explain_drift
from torchref.compare.lockstep.judge import Divergence
from torchref.compare.lockstep.outcome import Diverged, NotFinite, Step
from torchref.compare.lockstep.parallel import ParallelLockstep
from torchref.compare.lockstep.state import rebuilt
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.record.backprop.chosen import chosen_steps
from torchref.compare.record.backprop.record import record_backprop
from torchref.compare.record.effects import record_effects
from torchref.compare.record.kept import NOTHING, Kept
from torchref.compare.record.metrics import read_metrics
from torchref.compare.record.recorder import Recorder, log10_difference
from torchref.compare.record.tags import AGREEMENT
from torchref.compare.train import checkpoint
from torchref.compare.train.end import agreement, gradient_norms, record_end
from torchref.compare.train.evaluate import evaluate, note
from torchref.compare.train.report import VariantReport
from torchref.compare.train.resume import anew, is_finished, left_off, whose
from torchref.compare.train.shares import check_equal_shares
from torchref.nn.module import Array

__all__ = ["VariantTraining"]

T = TypeVar("T")
Checkpoint: TypeAlias = tuple[int, dict[str, Array], dict[str, Any]]  # its step, arrays and state

CHECKPOINT_SECONDS = 5.0  # the most work that a kill can cost
DRIFT_STEPS = 300  # float64 twins that run free mostly agree for so many steps ...
DRIFT_BOUND = 1e-9  # ... to this relative distance of the weights: more is explained
WATCH = 32  # steps, at least, between two at which the layers are watched
BATCH = 10  # steps whose losses and largest differences are recorded together
MOMENTS = 3  # parts of a training: at the beginning of each distributions and pictures are recorded
CARDS = {"difference/gradient (log10)", "difference/update (log10)", "free running/weights (log10)"}  # and the losses
EVALUATED = 2_000  # training examples, at most, that the end of an epoch looks at


class VariantTraining:
    """One variant from its first step to its report."""

    def __init__(
        self,
        comparison: Comparison,
        variant: str,
        data: Data,
        folder: Path,
        lockstep: Lockstep,
        variants: int = 1,
    ) -> None:
        """`variants`: how many the run trains, this one among them."""
        self.comparison, self.variant, self.data, self.folder = comparison, variant, data, folder
        self.lockstep, self.ranks = lockstep, lockstep.ranks
        self.variants = variants
        self.order = np.random.default_rng(comparison.seed)
        self.epoch = 0
        self.batch = 0  # batches of this epoch that are done
        self.drift_300: float | None = None
        self.largest_loss_drift = 0.0
        self.losses: list[tuple[int, float, float]] = []  # step, NumPy's, torch's: not recorded yet
        self.watched = 0  # the step at which the layers were last watched
        self.differences: dict[str, float] = {}  # the largest of each kind since they were last recorded
        self.lockstep_seconds = 0.0
        self.final: dict[str, float | None] = {}
        self.validated = len(data.validation_inputs)  # validation examples that are evaluated
        per_epoch = len(list(batches(len(data.train_inputs), comparison.batch_size, np.random.default_rng(0))))
        self.steps = per_epoch * comparison.epochs
        self.chosen = chosen_steps(self.steps)  # whose tensors are recorded

    def train(self, resume: bool, on_progress: Callable[[int, int], None]) -> VariantReport:
        """Train from the start, or from the last checkpoint, to the end. Returns the report."""
        begun = self.begun(resume)
        if begun is None:
            recorder = Recorder(self.folder, kept=NOTHING if resume else None)
        else:
            step, arrays, state = begun
            finished = self.go_on(step, arrays, state)
            if finished is not None:
                return finished
            recorder = Recorder(self.folder, kept=state["record"])
        checkpoints = self.folder / "checkpoint"
        divergence = not_finite = None
        with recorder, np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # torch does not warn, either
            try:
                self.run_epochs(recorder, checkpoints, on_progress)
            except Diverged as found:
                divergence = found.divergence
                self.record_losses(recorder)
                if found.watched is not None:
                    record_backprop(recorder, found.watched, self.lockstep, self.lockstep.steps + 1, divergence)
            except NotFinite as found:
                not_finite = found.step
                self.record_losses(recorder)
            kept = recorder.flush()
            report = self.report(divergence, not_finite, recorder.repaired)
            self.record_summary(recorder, report)
        if divergence is None and not_finite is None:
            self.save(checkpoints, kept, report=asdict(report), finished=recorder.kept())
        return report

    def run_epochs(self, recorder: Recorder, checkpoints: Path, on_progress: Callable[[int, int], None]) -> None:
        """The epochs that are left, with their records and checkpoints."""
        comparison, data, lockstep = self.comparison, self.data, self.lockstep
        saved = time.monotonic()
        while self.epoch < comparison.epochs:
            order_state = self.order.bit_generator.state
            epoch_batches = list(batches(len(data.train_inputs), comparison.batch_size, self.order))
            for indices in epoch_batches[self.batch :]:
                started = time.perf_counter()
                own = lockstep.seconds()
                watch = self.batch == 0 and (lockstep.steps == 0 or lockstep.steps - self.watched >= WATCH)
                observe = watch or lockstep.steps + 1 in self.chosen
                step = lockstep.step(data.train_inputs[indices], data.train_targets[indices], observe)
                self.record_step(recorder, step, watch)
                if not (np.isfinite(step.numpy_loss) or np.isfinite(step.torch_loss)):
                    raise NotFinite(lockstep.steps - 1)
                self.lockstep_seconds += time.perf_counter() - started - (lockstep.seconds() - own)
                self.batch += 1
                on_progress(lockstep.steps, self.steps)
                if self.batch < len(epoch_batches) and self.is_due(saved):
                    self.record_losses(recorder)
                    self.checkpoint(checkpoints, recorder, order_state)
                    saved = time.monotonic()
            self.epoch, self.batch = self.epoch + 1, 0
            lockstep.end_epoch()
            self.record_epoch(recorder)
            self.final = self.of_first(self.final)
            losses = (self.final["training_loss_numpy"], self.final["training_loss_torch"])
            if not any(loss is not None and np.isfinite(loss) for loss in losses):
                raise NotFinite(lockstep.steps)
            if self.is_due(saved):
                self.checkpoint(checkpoints, recorder)
                saved = time.monotonic()

    # --- what is recorded -------------------------------------------------------------------------------------------

    def record_step(self, recorder: Recorder, step: Step, watch: bool) -> None:
        """Keep a step's figures for the report, and write them; with `watch` the layers' effects, too."""
        n = self.lockstep.steps
        self.losses.append((n, step.numpy_loss, step.torch_loss))
        if n == DRIFT_STEPS:
            self.drift_300 = self.lockstep.drift()
        self.largest_loss_drift = max(
            self.largest_loss_drift, abs(step.free_loss - step.torch_loss) / max(abs(step.torch_loss), 1e-12)
        )
        latest = step.largest_difference | {"free running/loss": abs(step.free_loss - step.torch_loss)}
        self.differences = {kind: max(d, self.differences.get(kind, 0.0)) for kind, d in latest.items()}
        if n % BATCH == 0 or n == 1:
            self.record_losses(recorder)
            values = {f"{kind} (log10)": log10_difference(d) for kind, d in self.differences.items()}
            for tag, value in values.items():
                recorder.scalars("difference", {tag: value}, n, cards=self.has_card(tag))
            self.differences = {}
        if step.watched is not None and n in self.chosen:
            record_backprop(recorder, step.watched, self.lockstep, n)
        if watch:
            self.watched = n
            rates = [group["lr"] for group in self.lockstep.torch_twin.optimizer.param_groups]
            record_effects(recorder, step, self.lockstep, rates, n, self.is_moment(), self.records_all)

    def record_losses(self, recorder: Recorder) -> None:
        """The losses of the last steps: written together they cost a fifth of what they cost between two steps."""
        for n, ours, theirs in self.losses:
            recorder.scalar("numpy", "loss/step", ours, n)
            recorder.scalar("torch", "loss/step", theirs, n)
        self.losses = []

    def record_epoch(self, recorder: Recorder) -> None:
        """Losses and accuracies of both twins in evaluation mode, and how far the free twin has drifted."""
        self.record_losses(recorder)
        n = self.lockstep.steps
        data = self.data
        parts = {
            "training": (data.train_inputs[:EVALUATED], data.train_targets[:EVALUATED]),
            "validation": (data.validation_inputs, data.validation_targets),
        }
        for part, (x, target) in parts.items():
            for engine, twin in (("numpy", self.lockstep.numpy_twin), ("torch", self.lockstep.torch_twin)):
                loss, accuracy, count = evaluate(twin, x, target)
                values = {f"loss/{part}": loss} | ({} if accuracy is None else {f"accuracy/{part}": accuracy})
                recorder.scalars(engine, values, n)
                self.final[f"{part}_loss_{engine}"], self.final[f"{part}_accuracy_{engine}"] = loss, accuracy
            if part == "validation":
                self.validated = count
            apart = abs(self.final[f"{part}_loss_numpy"] - self.final[f"{part}_loss_torch"])  # type: ignore[operator]
            tag = f"difference/{part} loss (log10)"
            recorder.scalars("difference", {tag: log10_difference(apart)}, n, cards=self.has_card(tag))
        recorder.scalar("difference", "free running/weights (log10)", log10_difference(self.lockstep.drift()), n)

    @property
    def records_all(self) -> bool:
        """Whether every figure of every layer has its card."""
        return self.comparison.record == "all"

    def has_card(self, tag: str) -> bool:
        """Whether TensorBoard shows this figure; metrics.jsonl holds it in any case."""
        return self.records_all or tag in CARDS

    def is_moment(self) -> bool:
        """Whether pictures are recorded, at the beginning of every third of the training: one costs a small step."""
        return self.epoch % max(1, self.comparison.epochs // MOMENTS) == 0

    def record_summary(self, recorder: Recorder, report: VariantReport) -> None:
        """Write the settings, and the pictures of the trained network."""
        options = {f"model.{key}": value for key, value in self.comparison.variants[self.variant].items()}
        groups = self.lockstep.torch_twin.optimizer.param_groups
        rates = {float(group.get("initial_lr", group["lr"])) for group in groups}  # a schedule changes the other
        if len(rates) == 1:
            options["optimizer.lr"] = rates.pop()
        options |= {f"optimizer.{key}": value for key, value in self.comparison.optimizer_options.items()}
        config = {k: v for k, v in as_config(self.comparison).items() if isinstance(v, int | float | str)}
        for engine in ("numpy", "torch"):
            recorder.hparams(engine, config | {"variant": self.variant, "engine": engine} | options)
        metrics, n = read_metrics(self.folder, finished=False), self.lockstep.steps
        settings = self.folder.parent.name  # of a sweep's run: "linear,lr=0.1,seed=0"
        name = settings if settings.startswith(f"{self.variant},") else self.variant
        recorder.image("numpy", AGREEMENT, agreement(metrics, name, self.variants), n)
        if report.divergence is None and report.not_finite_step is None:
            record_end(recorder, self.lockstep.numpy_twin, self.data, gradient_norms(metrics), n)

    def report(
        self, divergence: Divergence | None = None, not_finite: int | None = None, repaired: str = ""
    ) -> VariantReport:
        """The report on this training so far."""
        lockstep = self.lockstep
        judge, canary, kinks = lockstep.judged()
        steps = max(lockstep.steps, 1)
        ranks = lockstep.across.found if isinstance(lockstep, ParallelLockstep) else None
        measured = ranks if ranks is not None and ranks.steps else None
        apart, modules = lockstep.apart, lockstep.numpy_twin.model.named_modules()
        batch_norms = [name for name, m in modules if m.training and "BatchNorm" in type(m).__name__]
        return VariantReport(
            name=self.variant,
            steps=lockstep.steps,
            tensors=judge.tensors,
            **self.final,
            largest_difference=judge.largest,
            largest_share=judge.largest_share,
            largest_tensor=judge.largest_tensor,
            largest_step=judge.largest_step,
            numpy_seconds=lockstep.numpy_twin.seconds / steps,
            torch_seconds=lockstep.torch_twin.seconds / steps,
            lockstep_seconds=self.lockstep_seconds / steps,
            canary_caught=bool(canary) and all(canary.values()),
            canary_step=0 if canary else None,
            kinks=kinks,
            drift_weights=lockstep.drift(),
            drift_losses=self.largest_loss_drift,
            drift_note=self.drift_note(),
            parts_loss=None if apart is None else apart.loss,
            parts_gradient=None if apart is None else apart.gradient,
            parts_note="" if apart is None else apart.sentence(batch_norms),
            processes=None if ranks is None else ranks.world,
            ranks_ddp=None if measured is None else measured.ddp,
            ranks_mean=measured.mean if measured is not None and measured.joined else None,
            ranks_weighted=measured.weighted if measured is not None and measured.joined else None,
            ranks_note="" if measured is None else measured.sentence(batch_norms, self.comparison.dtype),
            validation_note=note(self.validated, len(self.data.validation_inputs)),
            record_note=repaired,
            not_finite_step=not_finite,
            divergence=divergence,
        )

    def drift_note(self) -> str:
        """Why the weights that run free have parted, where they have; in float32 they do."""
        drift = self.drift_300 if self.drift_300 is not None else self.lockstep.drift()
        if self.comparison.dtype != "float64" or not DRIFT_BOUND < drift < np.inf:
            return ""
        return explain_drift(self.lockstep)

    # --- interruption -----------------------------------------------------------------------------------------------

    def of_first(self, value: T) -> T:
        """The value of rank 0, where there are several."""
        return value if self.ranks is None else self.ranks.of_first(value)

    def is_due(self, saved: float) -> bool:
        """Whether it is time for a checkpoint, by the clock of any rank."""
        due = time.monotonic() - saved > CHECKPOINT_SECONDS
        return due if self.ranks is None else self.ranks.any(due)

    def begun(self, resume: bool) -> Checkpoint | None:
        """The checkpoint to go on from; rank 0 reads it for all."""
        if not resume:
            return None
        if self.ranks is None:
            return left_off(self.folder, self.comparison, self.variant)
        first = self.ranks.rank == 0
        found = self.ranks.agreed(lambda: left_off(self.folder, self.comparison, self.variant) if first else None)
        return self.ranks.of_first(found)

    def go_on(self, step: int, arrays: dict[str, Array], state: dict[str, Any]) -> VariantReport | None:
        """Continue from a checkpoint; the report where it is the last one. UserError where it does not fit."""

        def restored() -> VariantReport | None:
            try:
                if is_finished(state, self.comparison):
                    return rebuilt(VariantReport, state["report"])
                self.restore(arrays, state)
                per_epoch = self.steps // self.comparison.epochs
                if not self.lockstep.steps == self.epoch * per_epoch + self.batch == step:
                    raise ValueError(f"its step is {step}, and its epoch and batch are another's")
            except UserError:
                raise
            except Exception as error:  # whatever it says, it is whole: another torchref, or somebody, has written it
                cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
                remedy = anew(self.folder, self.variant)
                raise UserError(f"resume: the checkpoint does not fit this comparison ({cause}); {remedy}") from error
            return None

        return restored() if self.ranks is None else self.ranks.agreed(restored)

    def checkpoint(self, checkpoints: Path, recorder: Recorder, order_state: Any = None) -> None:
        """Write a checkpoint in the middle of the training."""
        self.save(checkpoints, recorder.flush(), order_state)

    def save(
        self,
        checkpoints: Path,
        kept: Kept,
        order_state: Any = None,
        report: dict[str, Any] | None = None,
        finished: Kept | None = None,
    ) -> None:
        """Write a checkpoint, beside a record that has come as far as `kept`; with its report a variant is finished."""
        arrays: dict[str, Array] = {}
        state = {
            "of": whose(self.comparison, self.variant),
            "record": kept,
            "lockstep": self.lockstep.state(arrays),
            "order": order_state or self.order.bit_generator.state,
            "epoch": self.epoch,
            "batch": self.batch,
            "drift": [self.drift_300, self.largest_loss_drift],
            "watched": self.watched,
            "differences": self.differences,
            "final": self.final,
            "validated": self.validated,
            "seconds": self.lockstep_seconds,
            "report": report,
            "finished": finished,
        }
        checkpoint.save(checkpoints, self.lockstep.steps, arrays, state)

    def restore(self, arrays: dict[str, Array], state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.lockstep.restore(state["lockstep"], arrays)
        if isinstance(self.lockstep, ParallelLockstep) and self.lockstep.begun_on is not None:
            check_equal_shares(self.comparison, self.data, self.lockstep.begun_on, self.lockstep.ranks.world)
        self.order.bit_generator.state = state["order"]
        self.epoch, self.batch = int(state["epoch"]), int(state["batch"])
        drift_300, largest = state["drift"]
        self.drift_300, self.largest_loss_drift = None if drift_300 is None else float(drift_300), float(largest)
        self.watched = int(state["watched"])
        self.differences = {str(kind): float(apart) for kind, apart in state["differences"].items()}
        self.final = {str(k): None if value is None else float(value) for k, value in state["final"].items()}
        self.validated = int(state["validated"])
        self.lockstep_seconds = float(state["seconds"])
