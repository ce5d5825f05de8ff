"""One training step in both engines, every tensor of it compared; and the twin that runs free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from torchref.compare.comparison import Comparison
from torchref.compare.lockstep.across import check_world
from torchref.compare.lockstep.bounds import Bounds, in_float64
from torchref.compare.lockstep.divergence import first_divergence, sabotage
from torchref.compare.lockstep.judge import Divergence, Judge, Mismatch
from torchref.compare.lockstep.kinks import Kinks, adopt, decisions, find_kinks
from torchref.compare.lockstep.observe import observe_numpy, observe_torch
from torchref.compare.lockstep.outcome import Diverged, Ended, Judged, NotFinite, Step
from torchref.compare.lockstep.ranks import Ranks
from torchref.compare.lockstep.replayed import divergence_by, judged, sabotage_torch
from torchref.compare.lockstep.state import pack, rebuilt, unpack
from torchref.compare.lockstep.twins import NumpyTwin, TorchTwin, check_same_names, named_outputs, put_back
from torchref.compare.lockstep.watched import Watched
from torchref.compare.lockstep.whole_batch import Apart, apart_from_whole
from torchref.nn.module import Array
from torchref.nn.random import Tape

__all__ = ["Lockstep"]

REFRESH = 256  # steps between two runs of the rounding criterion ...
EARLY = (4, 32)  # ... and at the beginning, while gradients change fast
CANARY = {"float64": 1e-6, "float32": 1e-2}  # the relative disturbance that must be noticed


class Lockstep:
    """A torch twin, a NumPy twin that is put back on torch's weights after each step, and one that runs free.

    In a step all see the same batch and the same random draws. The first two hold the same weights, so their outputs,
    losses, gradients and buffers must agree to rounding (see `Bounds`); then both optimizers are given torch's
    gradients, and their updates must agree. The free twin uses its own gradients throughout: its drift shows what
    rounding does over a whole training. In float32 rounding is a large part of a small gradient, so there a float64
    twin is the referee: torch's results and NumPy's must each lie within float32's bound of it.
    """

    ranks: Ranks | None = None  # the processes of the run, where there are several

    def __init__(
        self, comparison: Comparison, options: Mapping[str, Any], device: torch.device, fault: str | None = None
    ) -> None:
        dtype = np.dtype(comparison.dtype)
        self.dtype = dtype
        self.torch_twin = TorchTwin(comparison, options, dtype, device)
        self.numpy_twin = NumpyTwin(comparison, options, dtype)
        self.free_twin = NumpyTwin(comparison, options, dtype)
        self.referee = NumpyTwin(comparison, options, np.dtype(np.float64))
        check_same_names(self.numpy_twin, self.torch_twin, comparison)
        for twin in (self.numpy_twin, self.free_twin, self.referee):
            put_back(twin, self.torch_twin)
        self.replayed = comparison.model is None
        if fault is not None and self.replayed:  # the replay has no layers that compute
            sabotage_torch(self.torch_twin.model, fault)
        elif fault is not None:
            sabotage(self.numpy_twin.model, fault)
        self.schedule_each_step = comparison.schedule_each_step
        self.judge = Judge()
        self.bounds = Bounds(dtype)
        self.fresh: dict[str, Any] = {}  # the bounds of every entry when the criterion last ran
        self.steps = 0
        self.canary: dict[str, bool] = {}  # by tensor: was the disturbed gradient noticed?
        self.apart: Apart | None = None  # with `accumulate`: the first step beside that of the whole batch
        self.kinks = 0  # decisions that rounding took differently in the twins, and that were judged as torch took them

    def step(self, x: Array, target: Array, observe: bool = False) -> Step:
        """Train every twin on one batch. Diverged where NumPy and torch differ, NotFinite where both overflow."""
        numpy_twin, torch_twin = self.numpy_twin, self.torch_twin
        generator = torch.get_rng_state() if torch_twin.draws else None
        numpy_seen = torch_seen = watched = None
        weights = {name: weight.copy() for name, weight in numpy_twin.named_weights().items()} if observe else {}
        with ExitStack() as stack:
            if observe:
                numpy_seen = stack.enter_context(observe_numpy(numpy_twin.model))
                torch_seen = stack.enter_context(observe_torch(torch_twin.model))
            torch_output, torch_loss, tape = torch_twin.train_on(x, target)
            numpy_output, numpy_loss = numpy_twin.gradients(x, target, tape)
        numpy_gradients, torch_gradients = numpy_twin.named_gradients(), torch_twin.own_gradients()
        tensors = (
            ("output", named_outputs(numpy_output), named_outputs(torch_output)),
            ("loss", {"": numpy_loss}, {"": torch_loss}),
            ("gradient", numpy_gradients, torch_gradients),
            ("buffer", numpy_twin.named_buffers(), torch_twin.named_buffers()),
        )
        self.judge.step = self.steps
        counted = replace(self.judge)

        def rewind() -> None:
            if generator is not None:
                torch.set_rng_state(generator)

        ended: Ended | None = None
        difference: dict[str, float] = {}
        try:
            difference = self._compare(tensors, (x, target), tape, rewind)
            difference = {f"difference/{kind}": apart for kind, apart in difference.items()}
        except Mismatch as mismatch:
            ended = self._ended_by(mismatch, (x, target), rewind, counted)
        self._agree(ended)
        try:
            self._reduce(tape, numpy_output, numpy_loss)
            difference["difference/update"] = self._update(torch_twin.named_gradients())
        except Mismatch as mismatch:
            raise self._ended_by(mismatch, (x, target), rewind, counted) from None
        if numpy_seen is not None and torch_seen is not None:
            watched = Watched(
                x,
                target,
                numpy_output,
                weights,
                numpy_seen,
                torch_seen,
                float(numpy_loss),
                float(torch_loss),
                numpy_gradients,
                torch_gradients,
                numpy_twin.named_weights(),
                {name: weight.copy() for name, weight in torch_twin.named_weights().items()},
            )

        put_back(numpy_twin, torch_twin)
        if self.dtype == np.float32:
            put_back(self.referee, torch_twin)
        _, free_loss = self.free_twin.gradients(x, target, tape)
        losses = self._reduce_free(np.array([numpy_loss, torch_loss, free_loss], np.float64))
        self.free_twin.step()
        self.steps += 1
        if self.schedule_each_step:
            self._schedule()
        return Step(
            float(losses[0]),
            float(losses[1]),
            float(losses[2]),
            numpy_output,
            torch_output,
            difference,
            tape,
            numpy_seen,
            torch_seen,
            numpy_gradients,
            torch_gradients,
            watched,
        )

    # What several processes do otherwise (`parallel.py`): here there is one.

    def _agree(self, ended: Ended | None) -> None:
        """Raise what has ended the training."""
        if ended is not None:
            raise ended from None

    def _reduce(self, tape: Tape, output: Any, loss: Array) -> None:
        """Nothing: the gradients are those of the whole batch. Else a Mismatch where their mean is not DDP's."""

    def _reduce_free(self, losses: Array) -> Array:
        """The losses of the three twins, for the record; the free twin's gradients are ready for its step."""
        return losses

    def _gathered(self, own: dict[str, Any]) -> list[dict[str, Any]]:
        """What each process alone has."""
        return [own]

    def judged(self) -> Judged:
        """What was compared so far."""
        return Judged(self.judge, self.canary, self.kinks)

    def _own_of(self, tree: Any) -> Any:
        """This process's part of a state. UserError where a number of processes is another training."""
        first = tree["ranks"][0]
        check_world(self.torch_twin, first.get("across"), len(tree["ranks"]), 1)
        return first

    def _ended_by(
        self, mismatch: Mismatch, batch: tuple[Array, Array], rewind: Callable[[], None], counted: Judge
    ) -> Ended:
        """Where the twins part, for the error to raise."""
        if self.replayed:
            return self._ending(
                divergence_by(judged(self.torch_twin, batch, rewind), mismatch, self.steps), None, counted
            )
        twins = self.numpy_twin, self.torch_twin
        return self._ending(*first_divergence(mismatch, self.steps, *twins, batch, rewind, self.fresh), counted)

    def _ending(self, found: Divergence, watched: Watched | None, counted: Judge) -> Ended:
        """The error to raise. Where both twins overflow, the judge becomes `counted` again, as it was before."""
        if self._overflows() and not (np.isfinite(found.numpy) or np.isfinite(found.torch)):
            self.judge = counted
            return NotFinite(self.steps)
        self.judge.enter(found.tensor.partition(" ")[0], found.tensor, found.difference, found.share)
        return Diverged(found, watched)

    def _compare(
        self, tensors: Any, batch: tuple[Array, Array], tape: Tape, rewind: Callable[[], None]
    ) -> dict[str, float]:
        """Every tensor against its bound: the screen first, and where that does not suffice the criterion itself."""
        x, target = in_float64(batch)
        if self.steps == 0 and self.referee.accumulate > 1:
            self.apart = apart_from_whole(self.referee, x, target, tape)
        truth: dict[str, Any] = {}
        if self.dtype == np.float32:  # the referee: what float64 gives for the same weights, batch and draws
            output, loss = self.referee.gradients(x, target, tape)
            truth = {"output": named_outputs(output), "loss": {"": loss}, "gradient": self.referee.named_gradients()}
            truth["buffer"] = self.referee.named_buffers()
        screened = self.steps % REFRESH != 0 and self.steps not in EARLY
        counted = replace(self.judge)
        if screened:
            try:
                return self._judge(tensors, self.bounds.screen, truth)
            except Mismatch:
                self.judge = replace(counted)
        if self.dtype == np.float64:  # nothing else needs the referee here
            put_back(self.referee, self.torch_twin)
        limits = self.fresh = self.bounds.refresh(self.referee, x, target, tape)
        self._bound_updates(self.torch_twin.named_gradients())
        try:
            difference = self._judge(tensors, limits, truth)
        except Mismatch as mismatch:
            kinks = find_kinks(self.numpy_twin, self.torch_twin, self.referee, batch, tape, rewind)
            if self._acquitted(mismatch, batch, rewind):
                self.judge = counted
                self.kinks += 1
                return {}
            if not kinks:
                raise
            self.judge = counted
            tensors, limits, truth = self._decided(kinks, tensors, batch, tape, truth)
            difference = self._judge(tensors, limits, truth)
            self.kinks += decisions(kinks)
        if not self.canary:
            self._release_canary(tensors, limits, truth)
        return difference

    def _acquitted(self, mismatch: Mismatch, batch: tuple[Array, Array], rewind: Callable[[], None]) -> bool:
        """Whether only a kink makes the replay's gradient another one: from torch's own values all of it is equal."""
        if not self.replayed or not mismatch.tensor.startswith("gradient"):
            return False
        return judged(self.torch_twin, batch, rewind).passed

    def _decided(self, kinks: Kinks, tensors: Any, batch: tuple[Array, Array], tape: Tape, truth: Any) -> Any:
        """The step's tensors, bounds and truth with torch's decisions at the kinks; buffers stay the first run's."""
        x, target = in_float64(batch)
        twin, buffers = self.numpy_twin, self.numpy_twin.named_buffers()
        with adopt(twin, kinks):
            output, loss = twin.gradients(*batch, tape)
        for name, module, attribute, _ in twin.buffers:
            setattr(module, attribute, buffers[name])
        ours = {
            "output": named_outputs(output),
            "loss": {"": loss},
            "gradient": twin.named_gradients(),
            "buffer": buffers,
        }
        tensors = tuple((kind, ours[kind], theirs) for kind, _, theirs in tensors)
        if truth:
            with adopt(self.referee, kinks):
                output, loss = self.referee.gradients(x, target, tape)
            gradients = dict(self.referee.named_gradients())
            truth = {**truth, "output": named_outputs(output), "loss": {"": loss}, "gradient": gradients}
        with adopt(self.referee, kinks):
            limits = self.fresh = self.bounds.refresh(self.referee, x, target, tape)
        return tensors, limits, truth

    def _judge(self, tensors: Any, limits: Mapping[str, Any], truth: Mapping[str, Any]) -> dict[str, float]:
        """The largest difference of each kind of tensor. Raises Mismatch."""
        return {kind: self.judge.compare(kind, ours, theirs, limits, truth.get(kind)) for kind, ours, theirs in tensors}

    def _update(self, torch_gradients: Mapping[str, Array | None]) -> float:
        """Both optimizers take a step from equal weights with torch's gradients; compares where they arrive."""
        for name, gradient in torch_gradients.items():
            self.numpy_twin.parameters[name].grad = gradient
        self.torch_twin.step()
        self.numpy_twin.step()
        ours, theirs = self.numpy_twin.named_weights(), self.torch_twin.named_weights()
        counted = replace(self.judge)
        try:
            return self.judge.compare("update", ours, theirs, self.bounds.screen)
        except Mismatch:  # the weights or the learning rate may have grown since the bounds were made
            self.judge = counted
            self._bound_updates(torch_gradients)
            return self.judge.compare("update", ours, theirs, self.bounds.screen)

    def _bound_updates(self, torch_gradients: Mapping[str, Array | None]) -> None:
        rate = max(group["lr"] for group in self.torch_twin.optimizer.param_groups)
        self.bounds.of_update(self.numpy_twin.named_weights(), torch_gradients, rate)

    def _release_canary(self, tensors: Any, limits: Mapping[str, Any], truth: Mapping[str, Any]) -> None:
        """Disturb each gradient in turn by a small factor: a judge that does not notice is worth nothing.

        A gradient that is zero but for rounding cannot show a relative disturbance; it is not counted.
        """
        _, ours, theirs = tensors[2]
        canary = CANARY[self.dtype.name]
        for name, gradient in ours.items():
            if gradient is None or not gradient.size:
                continue
            if canary * np.abs(gradient).max() <= 2 * np.max(limits[f"gradient {name}"]):
                continue
            disturbed = {name: gradient * gradient.dtype.type(1 + canary)}
            try:
                Judge().compare("gradient", disturbed, theirs, limits, truth.get("gradient"))
                self.canary[name] = False
            except Mismatch:
                self.canary[name] = True

    def _overflows(self) -> bool:
        """Whether the weights are so large that products of four overflow: then inf or nan is a matter of the order."""
        limit = float(np.finfo(self.dtype).max) ** 0.25
        return not all((np.abs(weight) <= limit).all() for weight in self.torch_twin.named_weights().values())

    def seconds(self) -> float:
        """The seconds of all three twins' training steps, without comparing and recording."""
        return self.torch_twin.seconds + self.numpy_twin.seconds + self.free_twin.seconds

    def drift(self) -> float:
        """|w_free - w_torch| / |w_torch| over all weights: how far rounding has driven the free twin."""
        free, theirs = self.free_twin.named_weights(), self.torch_twin.named_weights()
        apart = sum(float(np.sum((free[n].astype(np.float64) - w) ** 2)) for n, w in theirs.items())
        size = sum(float(np.sum(w.astype(np.float64) ** 2)) for w in theirs.values())
        return float(np.sqrt(apart / size)) if 0 < size < np.inf else apart * 0  # too large to be squared: nan

    def state(self, arrays: dict[str, Array]) -> Any:
        """Everything that the next step depends on, arrays apart."""
        own = {
            "torch generator": torch.get_rng_state(),
            "cuda generators": torch.cuda.get_rng_state_all() if self.torch_twin.device.type == "cuda" else [],
            "judge": vars(self.judge),
            "bounds": [self.bounds.screen, sorted(self.bounds.ill_conditioned), self.bounds.zero],
            "canary": self.canary,
            "kinks": self.kinks,
        }
        tree = {
            "optimizer": type(self.torch_twin.optimizer).__name__,
            "torch": {
                "model": dict(self.torch_twin.model.state_dict()),
                "optimizer": self.torch_twin.optimizer.state_dict(),
            },
            "numpy": self.numpy_twin.optimizer.state_dict(),
            "free": {"model": self.free_twin.model.state_dict(), "optimizer": self.free_twin.optimizer.state_dict()},
            "schedulers": [t.scheduler.state_dict() for t in self._scheduled()],
            "steps": self.steps,
            "ranks": self._gathered(own),
            "apart": None if self.apart is None else vars(self.apart),
            "seconds": [self.torch_twin.seconds, self.numpy_twin.seconds, self.free_twin.seconds],
        }
        return pack(tree, arrays, "lockstep")

    def restore(self, packed: Any, arrays: dict[str, Array]) -> None:
        """Continue where `state` was taken, to the same bits."""
        tree = unpack(packed, arrays)
        optimizer = type(self.torch_twin.optimizer).__name__
        if tree["optimizer"] != optimizer:  # the state of one may be loaded into another, whose step then fails
            raise ValueError(f"its optimizer is {tree['optimizer']}, this one {optimizer}")
        self.torch_twin.model.load_state_dict(tree["torch"]["model"])
        self.torch_twin.optimizer.load_state_dict(tree["torch"]["optimizer"])
        self.free_twin.model.load_state_dict(tree["free"]["model"])
        self.free_twin.optimizer.load_state_dict(tree["free"]["optimizer"])
        self.numpy_twin.optimizer.load_state_dict(tree["numpy"])
        for twin, state in zip(self._scheduled(), tree["schedulers"], strict=True):
            twin.scheduler.load_state_dict(state)
        for twin in (self.numpy_twin, self.referee):
            put_back(twin, self.torch_twin)
        self.steps = int(tree["steps"])
        self.apart = None if tree["apart"] is None else rebuilt(Apart, tree["apart"])
        own = self._own_of(tree)
        if own is not None:
            self._restore_own(own)
        self.torch_twin.seconds, self.numpy_twin.seconds, self.free_twin.seconds = map(float, tree["seconds"])

    def _restore_own(self, own: Any) -> None:
        """What this process alone has: its generators, and what it has judged."""
        torch.set_rng_state(own["torch generator"])
        if own["cuda generators"]:
            torch.cuda.set_rng_state_all(own["cuda generators"])
        self.canary, self.kinks, self.judge = dict(own["canary"]), int(own["kinks"]), rebuilt(Judge, own["judge"])
        self.bounds.screen, ill_conditioned, self.bounds.zero = own["bounds"]
        self.bounds.ill_conditioned = set(ill_conditioned)

    def _scheduled(self) -> list[Any]:
        return [t for t in (self.torch_twin, self.numpy_twin, self.free_twin) if t.scheduler is not None]

    def end_epoch(self) -> None:
        """Step the learning-rate schedulers, unless each step has done so."""
        if not self.schedule_each_step:
            self._schedule()

    def _schedule(self) -> None:
        for twin in self._scheduled():
            twin.scheduler.step()
