"""The bounds of a step's tensors, by the rounding criterion, at a cost that a training can afford."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from torchref.check.tolerance.rounding import MARGIN, UNIT_ROUNDOFF, rounding_spread
from torchref.compare.lockstep.twins import NumpyTwin, named_outputs
from torchref.nn.module import Array
from torchref.nn.random import Tape

__all__ = ["Bounds", "in_float64", "results"]

ILL_CONDITIONED = 1e-3  # a float32 result that rounding moves by so large a share of it proves nothing
SAMPLES = 4  # fewer than for one judgement alone: most of S is its average over the tensor


class Bounds:
    """Find for each tensor of a step the largest difference that rounding explains.

    The criterion (`torchref.check.tolerance.rounding`) runs the step nine times; doing so at every step would cost many
    times the training. So it is run now and then (`refresh`), and in between a tensor is screened by the largest bound
    among its entries when it was last run. A tensor that the screen does not let pass is judged anew, entry by entry,
    by the criterion run on that very step: the screen decides nothing against a tensor, and a stale one costs time,
    never a verdict.
    """

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.screen: dict[str, float] = {}
        self.ill_conditioned: set[str] = set()
        self.zero: dict[str, Array] = {}  # by parameter: the entries whose gradient was never more than rounding

    def refresh(self, twin: NumpyTwin, x: Array, target: Array, tape: Tape) -> dict[str, Array]:
        """Run the criterion on this step, with the weights that `twin` (in float64) holds: a bound for every entry."""
        exact, spread = rounding_spread(lambda wrap: results(twin, x, target, tape, wrap), self.dtype, SAMPLES)
        limits = {}
        for name, s in spread.items():
            limits[name] = MARGIN * s
            # The rms is an estimate from few samples: half of the last screen keeps a lucky one from a second run.
            self.screen[name] = max(float(limits[name].max(initial=0.0)), self.screen.get(name, 0.0) / 2)
            kind, _, parameter = name.partition(" ")
            if kind == "gradient":
                self.zero[parameter] = (np.abs(exact[name]) <= limits[name]) & self.zero.get(parameter, True)
            largest = float(np.abs(exact[name]).max(initial=0.0))
            if self.dtype == np.float32 and float(s.max(initial=0.0)) > ILL_CONDITIONED * largest:
                self.ill_conditioned.add(name)
        return limits

    def of_update(self, weights: Mapping[str, Array], gradients: Mapping[str, Array | None], rate: float) -> None:
        """Bounds for what the optimizers make of equal gradients.

        A weight is rounded a few times in a step: 8 u |w|. What is added to it carries the rounding of the running
        averages, an average over 1 / (1 - beta2) = 1,000 steps at most: 2^10 u of the step's size, for which the
        learning rate (steps that are normalised) or rate times gradient (steps that are not) is an upper estimate.
        """
        u = UNIT_ROUNDOFF[self.dtype.name]
        for name, weight in weights.items():
            gradient = gradients[name]
            size = 1.0 if gradient is None else max(1.0, float(np.abs(gradient).max(initial=0.0)))
            self.screen[f"update {name}"] = u * (8 * float(np.abs(weight).max(initial=0.0)) + 2**10 * rate * size)


def in_float64(batch: tuple[Array, Array]) -> tuple[Array, Array]:
    """Inputs and targets as the float64 referee takes them; what is not floating, and float64 itself, as it is."""
    x, target = (a.astype(np.float64) if a.dtype == np.float32 else a for a in batch)
    return x, target


def results(twin: NumpyTwin, x: Array, target: Array, tape: Tape, wrap: Any) -> dict[str, Array]:
    """What the step computes, by name: output, loss, gradients, buffers; the twin is left as it was."""
    weights, buffers = twin.named_weights(), twin.named_buffers()
    for name, parameter in twin.parameters.items():
        parameter.data = wrap(weights[name])
    try:
        output, loss = twin.gradients(wrap(x), wrap(target), tape)
        named = {f"output {name}": part for name, part in named_outputs(output).items()} | {"loss ": loss}
        named |= {f"gradient {name}": g for name, g in twin.named_gradients().items() if g is not None}
        return named | {f"buffer {name}": buffer for name, buffer in twin.named_buffers().items()}
    finally:
        for name, parameter in twin.parameters.items():
            parameter.data = weights[name]
        for name, module, attribute, _ in twin.buffers:
            setattr(module, attribute, buffers[name])
