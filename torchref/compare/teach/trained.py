"""One variant of a lesson, trained with one seed: its curves, and the ways to go through its data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from torchref.compare.comparison import Comparison
from torchref.compare.data import Data, batches
from torchref.compare.lockstep.outcome import Step
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.train.evaluate import evaluate
from torchref.nn.module import Array

__all__ = ["Trained", "epochs", "follow", "gradients_of", "steps"]

EVALUATED = 500  # examples, at most, that the end of an epoch looks at


class Trained:
    """One variant's training with one seed: what `measure` and `show` look at."""

    def __init__(
        self,
        variant: str,
        comparison: Comparison,
        data: Data,
        off: bool = False,
        watch: Callable[[Trained, Step], None] | None = None,
    ) -> None:
        self.variant, self.comparison, self.watch = variant, comparison, watch
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
        network: torch.nn.Module = self.lockstep.torch_twin.model
        return network

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
        if self.watch is not None:
            self.watch(self, step)
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
            (loss, accuracy, _), (torch_loss, torch_accuracy, _) = (evaluate(twin, x, target) for twin in twins)
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
