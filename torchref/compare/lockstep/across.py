"""A step on several processes beside the same step on one: where is the mean over the ranks the whole batch's gradient?

Rank r has n_r of the N examples, and the gradient g_r of its own loss. Where a loss is a mean over examples,

    g = sum_r n_r / N g_r

is the whole batch's gradient. DistributedDataParallel steps with sum_r g_r / W, the mean over ranks, which is the same
for equal shares alone. Batch norm, a loss that divides by something else, and random draws are further reasons.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import torchref
from torchref.compare.errors import UserError
from torchref.compare.lockstep.bounds import results
from torchref.compare.lockstep.judge import Judge
from torchref.compare.lockstep.ranks import Ranks, shares_of
from torchref.compare.lockstep.twins import NumpyTwin, TorchTwin, joinable, joined, outputs_of
from torchref.compare.lockstep.whole_batch import JoinedTape, Unjoined, distance
from torchref.nn.module import Array
from torchref.nn.random import Tape, set_rng

__all__ = ["Across", "AcrossRanks", "TrainedStep", "another_training", "batch_norms", "check_world"]

SAME = {"float64": 1e-9, "float32": 1e-4}  # what lies further apart, relative to the whole, computes something else
MEAN = "mean-gradient"  # the kind of tensor under which a mean over the ranks is judged

Gradients = Mapping[str, Array | None]


@dataclass
class Across:
    """What was measured so far. Distances are relative to the whole batch's gradient, the largest of any step."""

    world: int
    steps: int = 0
    unequal: int = 0  # steps in which the shares differ
    shares: str = ""  # of the last such step
    ddp: float = 0.0  # the largest difference between the mean by hand and DDP's
    mean: float = 0.0  # of the mean over ranks
    uneven: float = 0.0  # of the mean over ranks from the mean weighted by examples
    uneven_step: int = 0
    weighted: float = 0.0  # of the mean weighted by examples
    joined: bool = True  # whether the ranks' draws could be joined to a draw of the whole batch
    loss: float | None = None  # first step: the weighted mean of the losses from the loss of all outputs
    synced: float | None = None  # first step, with batch norm: the weighted mean with SyncBatchNorm in its place
    drawn: float | None = None  # first step, with draws: the whole batch's gradient for another draw

    def sentence(self, batch_norms: list[str], dtype: str) -> str:
        """Where the usual recipe was not the whole batch, with figures; empty where it was."""
        if not self.joined:
            return "the ranks were not compared with the whole batch: what the network draws cannot be joined"
        same, said = SAME[dtype], []
        weighted = f"weighted by the examples, the gradient is up to {self.weighted:.1e} away from the whole batch's"
        if self.uneven > same:
            said.append(
                f"in {self.unequal:,} of {self.steps:,} steps the shares differ (last: {self.shares}). DDP averages "
                f"ranks, not examples, which moves its gradient by up to {self.uneven:.1e} of its size (step "
                f"{self.uneven_step})"
            )
        divides = self.loss is not None and self.loss > same
        if batch_norms and self.weighted > same:
            synced = (
                "" if self.synced is None else f"; with SyncBatchNorm by hand, in the first step, {self.synced:.1e}"
            )
            names = ", ".join(batch_norms)
            said.append(f"batch norm ({names}) takes each share's own mean and variance: {weighted}{synced}")
        if divides:
            said.append(
                "the loss divides by something else than the number of examples: the ranks' weighted mean of it "
                f"is {self.loss:.1e} away from the whole batch's, and {weighted}"
            )
        if self.weighted > same and not batch_norms and not divides:
            said.append(f"the network looks at the other examples of its share: {weighted}")
        if self.drawn is not None:
            said.append(
                "each process draws masks of its own: joined they are a draw of the whole batch, but not the one that "
                f"one process makes; another draw is {self.drawn:.1e} away in the first step"
            )
        return "; ".join(said)


class AcrossRanks:
    """Reduces this rank's gradients by hand, and measures how far the ranks are from the whole batch."""

    def __init__(self, ranks: Ranks, twin: NumpyTwin) -> None:
        self.ranks = ranks
        self.shapes = {name: parameter.shape for name, parameter in twin.parameters.items()}
        self.found = Across(ranks.world)

    def weighted(self, gradients: Gradients, weight: float) -> dict[str, Array | None]:
        """sum_r w_r g_r, w_r being this rank's `weight`. A rank that has no gradient of a parameter adds nothing."""
        names = list(gradients)
        there = self.ranks.all_reduce(np.array([gradients[name] is not None for name in names], np.int64))
        used = [name for name, count in zip(names, there, strict=True) if count]
        dtype = next((g.dtype for g in gradients.values() if g is not None), np.dtype(np.float64))
        own = {name: np.zeros(self.shapes[name], dtype) for name in used}
        own |= {name: g * dtype.type(weight) for name, g in gradients.items() if g is not None}
        return dict.fromkeys(names) | dict(zip(used, self.ranks.sums([own[name] for name in used]), strict=True))

    def mean(self, gradients: Gradients) -> dict[str, Array | None]:
        """sum_r g_r / W: the mean over the ranks, by hand."""
        return self.weighted(gradients, 1 / self.ranks.world)

    def judge(self, judge: Judge, gradients: Gradients, ddp: Gradients, screen: Mapping[str, float]) -> None:
        """The mean by hand against DDP's. Mismatch where they differ by more than the ranks' rounding explains.

        Each g_r may be off by its bound, in both engines, and the sum of W terms rounds W times.
        """
        ours = self.mean(gradients)
        bounds = self.ranks.all_reduce(np.array([screen.get(f"gradient {name}", 0.0) for name in ours]))
        limits = {}
        for bound, (name, gradient) in zip(bounds, ours.items(), strict=True):
            if gradient is not None:
                size = float(np.abs(gradient).max(initial=0.0))
                rounding = self.ranks.world * float(np.finfo(gradient.dtype).eps) * size
                limits[f"{MEAN} {name}"] = 2 * float(bound) / self.ranks.world + rounding
        self.found.ddp = max(self.found.ddp, judge.compare(MEAN, ours, ddp, limits))

    def measure(self, referee: NumpyTwin, step: TrainedStep) -> None:
        """Add a step's distances from the whole batch. `referee` holds the step's weights in float64."""
        found, ranks, examples = self.found, self.ranks, len(step.x)
        part = ranks.share(examples)
        weight = (part.stop - part.start) / examples
        weighted = self.weighted(step.own, weight)
        draws = [draw for each in ranks.gathered(step.tape.draws) for draw in each] if step.draws else []
        first = found.steps == 0
        outputs = ranks.gathered((step.output, float(step.loss), weight)) if first else []
        synced = self.weighted_synced(referee, step, part, weight) if first and batch_norms(referee) else None
        found.steps += 1
        shares = shares_of(examples, ranks.world)
        if len(set(shares)) > 1:
            found.unequal += 1
            found.shares = f"{', '.join(map(str, shares))} of {examples} examples"
        if ranks.rank > 0 or not found.joined:
            return
        tape = JoinedTape(draws, ranks.world) if draws and len(draws) % ranks.world == 0 else Tape(draws)
        try:
            whole = results(referee, step.x, step.target, tape, lambda value: value)
        except Unjoined:
            found.joined = False
            return
        uneven = apart(step.ddp, {f"gradient {name}": g for name, g in weighted.items() if g is not None})
        if uneven > found.uneven:
            found.uneven, found.uneven_step = uneven, found.steps - 1
        found.mean = max(found.mean, apart(step.ddp, whole))
        found.weighted = max(found.weighted, apart(weighted, whole))
        if first:
            found.loss = loss_apart(referee, outputs, step.target)
            found.synced = None if synced is None else apart(synced, whole)
            found.drawn = another_draw(referee, step, whole) if draws else None

    def weighted_synced(
        self, referee: NumpyTwin, step: TrainedStep, part: slice, weight: float
    ) -> dict[str, Array | None]:
        """The gradients of the share with SyncBatchNorm in the place of batch norm, summed over the ranks.

        The statistics are those of all ranks, and so is the loss, sum_r n_r / N L_r: its gradient is weighted before it
        goes back through them.
        """
        twin = copy.deepcopy(referee)
        model = torchref.nn.SyncBatchNorm.convert_sync_batchnorm(twin.model, self.ranks)
        if step.tape.draws:
            set_rng(model, Tape(step.tape.draws))
        twin.model.zero_grad()
        output, backward = model(step.x[part])
        _, loss_backward = twin.loss(output, step.target[part])
        doutputs = tuple(None if d is None else weight * d for d in outputs_of(loss_backward()))[
            : len(outputs_of(output))
        ]
        backward(doutputs if isinstance(output, tuple) else doutputs[0])
        return self.weighted({name: parameter.grad for name, parameter in model.named_parameters()}, 1.0)


@dataclass(frozen=True)
class TrainedStep:
    """What a step of this rank was made of: the whole batch, and this rank's draws, output, loss and gradients."""

    x: Array  # in float64, if it is floating
    target: Array
    tape: Tape
    draws: bool  # whether the network may draw at random
    output: Any
    loss: Array
    own: Gradients  # NumPy's
    ddp: Gradients  # torch's mean over the ranks


def batch_norms(twin: NumpyTwin) -> list[str]:
    """The batch norms that are in training mode, by name."""
    return [n for n, m in twin.model.named_modules() if m.training and type(m).__name__.startswith("BatchNorm")]


def apart(gradients: Gradients, whole: Mapping[str, Array]) -> float:
    """|gradients - whole| / |whole| over all parameters; a gradient that is absent is zero."""
    theirs = {name: whole[f"gradient {name}"] for name in gradients if f"gradient {name}" in whole}
    ours = {name: np.zeros_like(theirs[name]) if g is None else g for name, g in gradients.items() if name in theirs}
    return distance(ours, theirs, theirs)


def loss_apart(referee: NumpyTwin, outputs: list[tuple[Any, float, float]], target: Array) -> float | None:
    """How far the ranks' losses, weighted by the examples, are from the loss of all ranks' outputs together."""
    if not joinable(outputs[0][0], round(outputs[0][2] * len(target))):
        return None
    together = joined([output for output, _, _ in outputs], np.concatenate)
    whole = referee.loss_of(together, target)
    return abs(sum(weight * loss for _, loss, weight in outputs) - whole) / max(abs(whole), np.finfo(float).tiny)


def another_draw(referee: NumpyTwin, step: TrainedStep, whole: Mapping[str, Array]) -> float:
    """How far the whole batch's gradient is from itself with other random draws."""
    set_rng(referee.model, np.random.default_rng(0))
    again = results(referee, step.x, step.target, Tape([]), lambda value: value)
    names = [name for name in whole if name.startswith("gradient ")]
    return distance(again, dict(whole), names)


def check_world(twin: TorchTwin, across: Mapping[str, Any] | None, begun_on: int, world: int) -> None:
    """UserError where a training that `begun_on` ranks have begun would be another on `world`.

    `across` is what was measured of it; None where nothing was.
    """
    if begun_on == world:
        return
    if twin.buffers:
        raise another_training(begun_on, world, "batch norm takes the statistics of a process's share")
    if across is None:
        return
    if across["drawn"] is not None or not across["joined"]:
        raise another_training(begun_on, world, "the network draws at random, each process for itself")
    if across["mean"] > SAME[str(next(iter(twin.parameters.values())).dtype).removeprefix("torch.")]:
        why = f"DDP's gradient is {across['mean']:.1e} of its size away from the whole batch's"
        raise another_training(begun_on, world, why)


def another_training(begun_on: int, world: int, why: str) -> UserError:
    """The error for a run that cannot go on with another number of processes."""
    processes = f"{begun_on} process" if begun_on == 1 else f"{begun_on} processes"
    return UserError(f"resume: the run has {processes}, and would be another training on {world}: {why}")
