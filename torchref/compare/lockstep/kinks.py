"""Kinks: where a ReLU, a maximum or an |x| decides differently in the two twins, because rounding decides.

At x = 1e-17 one engine may compute 1e-17 and the other -1e-17: both are right, yet the one passes the gradient on and
the other does not. Such a pair of steps is judged by torch's decision: the value at the kink, and nothing else, is
replaced by torch's, and the step is compared once more. A value is at a kink only if the layer's own derivative jumps
between the twins' values, and only if these lie within the rounding bound of that very value; whatever else differs
still differs afterwards.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from torchref.check.tolerance.rounding import MARGIN, rounding_spread
from torchref.compare.lockstep.bounds import in_float64
from torchref.compare.lockstep.observe import Seen, observe_numpy, observe_torch
from torchref.compare.lockstep.twins import NumpyTwin, TorchTwin
from torchref.nn.container import Sequential
from torchref.nn.module import Array, Module, is_floating
from torchref.nn.random import Tape

__all__ = ["Kinks", "adopt", "decisions", "find_kinks"]

# Layers and losses whose derivative jumps. Smooth ones (tanh, softmax, norms, ...) never have their values replaced.
KINKED = {
    "ReLU", "ReLU6", "LeakyReLU", "PReLU", "RReLU", "Threshold", "Hardtanh", "Hardsigmoid", "Hardswish", "Hardshrink",
    "Softshrink", "ELU", "SELU", "MaxPool1d", "MaxPool2d", "MaxPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "L1Loss", "HingeEmbeddingLoss", "MultiMarginLoss", "MultiLabelMarginLoss",
}  # fmt: skip
JUMP = 1e-3  # of the largest derivative: rounding moves it by some 1e-6 at most
SAMPLES = 4
LOSS = "loss"  # stands for the criterion among the layers' names


@dataclass(frozen=True)
class Kink:
    """Entries of a layer's input (or output) that take torch's values."""

    at: Array  # where
    value: Array  # torch's, of the whole tensor
    decisions: int
    turns: int  # how often the layer runs in a step


Kinks = dict[tuple[str, str], Kink]  # by "input" or "output", and the layer with its turn


def find_kinks(
    numpy_twin: NumpyTwin,
    torch_twin: TorchTwin,
    referee: NumpyTwin,
    batch: tuple[Array, Array],
    tape: Tape,
    rewind: Callable[[], None],
) -> Kinks:
    """Where the twins decide differently in this step, within rounding. The twins are left as they were.

    `referee` holds the step's weights in float64, `rewind` puts torch's generator back to where the step began.
    """
    theirs = _torch_values(torch_twin, batch, rewind)
    ours = _numpy_values(numpy_twin, batch, tape)
    wide = in_float64(batch)
    dtype = next(iter(numpy_twin.parameters.values())).dtype

    def values(wrap: Any) -> dict[Any, Array]:
        return {key: v for key, v in _numpy_values(referee, wide, tape, wrap).items() if is_floating(v)}

    exact, spread = rounding_spread(values, dtype, SAMPLES)
    modules = dict(referee.model.named_modules())
    kinks: Kinks = {}
    for key, truth in exact.items():
        their = theirs.get(key)
        if their is None or their.shape != truth.shape or ours[key].shape != truth.shape:
            continue
        our, their = (a.astype(np.float64) for a in (ours[key], their))
        limit = MARGIN * spread[key]
        sides = (our, truth) if dtype == np.float32 else (our,)  # what is to agree with torch's
        near = np.abs(their - truth) <= limit
        differs = np.zeros(truth.shape, bool)
        for side in sides:
            near &= np.abs(side - truth) <= limit
            differs |= side != their
        near &= differs
        if not near.any():
            continue
        place, turn = key
        name = turn.split(" (")[0]
        module = referee.criterion if name == LOSS else modules[name]
        at = np.zeros(truth.shape, bool)
        for side in sides:
            if place == "input" and type(module).__name__ in KINKED:
                at |= near & _jumps(module, side, np.where(near, their, side), wide[1:] if name == LOSS else ())
            elif place == "output" and _feeds_a_function(modules, name):
                at |= near & ((side > 0) != (their > 0))
        if at.any():
            pairs = 2 if "MaxPool" in type(module).__name__ else 1  # a maximum leaves one entry for another
            turns = sum(k[0] == place and k[1].split(" (")[0] == name for k in exact)
            kinks[key] = Kink(at, their, max(1, int(at.sum()) // pairs), turns)
    return kinks


def decisions(kinks: Kinks) -> int:
    """How many decisions these kinks hold."""
    return sum(kink.decisions for kink in kinks.values())


@contextmanager
def adopt(twin: NumpyTwin, kinks: Kinks) -> Iterator[None]:
    """Within this context the values at the kinks are torch's."""
    layers = {LOSS: twin.criterion} | dict(twin.model.named_modules())
    chosen = {turn.split(" (")[0] for _, turn in kinks}
    kept = {name: layers[name].forward for name in chosen}
    for name in chosen:
        layers[name].forward = _adopting(name, kept[name], kinks)
    try:
        yield
    finally:
        for name, forward in kept.items():
            layers[name].forward = forward


def _adopting(name: str, forward: Any, kinks: Kinks) -> Any:
    calls = 0
    turns = max(k.turns for (_, turn), k in kinks.items() if turn.split(" (")[0] == name)

    def adopting_forward(x: Array, *more: Any, **options: Any) -> Any:
        nonlocal calls
        calls = calls % turns + 1  # the criterion runs the step several times
        turn = name if calls == 1 else f"{name} ({calls})"
        output, backward = forward(_replaced(x, kinks.get(("input", turn))), *more, **options)
        if isinstance(output, np.ndarray):
            output = _replaced(output, kinks.get(("output", turn)))
        return output, backward

    return adopting_forward


def _replaced(value: Array, kink: Kink | None) -> Array:
    return value if kink is None else np.where(kink.at, kink.value.astype(value.dtype), value)


def _jumps(module: Module, a: Array, b: Array, more: tuple[Array, ...]) -> Array:
    """Where the derivative of `module` at a differs from that at b by more than rounding could move it."""
    derivatives = []
    for x in (a, b):
        layer = copy.deepcopy(module)
        if hasattr(layer, "rng"):
            layer.rng = np.random.default_rng(0)
        y, backward = layer(x, *more)
        first = y[0] if isinstance(y, tuple) else y
        dx = backward(np.ones_like(first)) if not isinstance(y, tuple) else backward((np.ones_like(first), None))
        derivatives.append(dx[0] if isinstance(dx, tuple) else dx)
    apart = np.abs(derivatives[0] - derivatives[1])
    jumps: Array = apart > JUMP * max(float(np.abs(d).max(initial=0.0)) for d in derivatives)
    return jumps


def _feeds_a_function(modules: Mapping[str, Module], name: str) -> bool:
    """Whether a layer's output goes into code of its parent's own, where a ReLU may be called that is no module."""
    parent = name.rpartition(".")[0]
    return name not in (LOSS, "") and not isinstance(modules[parent], Sequential)


def _numpy_values(
    twin: NumpyTwin, batch: tuple[Array, ...], tape: Tape, wrap: Any = lambda value: value
) -> dict[tuple[str, str], Array]:
    """The input and output of each layer and of the loss. The twin is left as it was."""
    kept = {name: (p.data, p.grad) for name, p in twin.parameters.items()}
    buffers, seconds = twin.named_buffers(), twin.seconds
    for parameter in twin.parameters.values():
        parameter.data = wrap(parameter.data)
    try:
        with observe_numpy(twin.model) as model, observe_numpy(twin.criterion) as criterion:
            twin.gradients(wrap(batch[0]), wrap(batch[1]), tape)
        return _values(model, criterion)
    finally:
        for name, parameter in twin.parameters.items():
            parameter.data, parameter.grad = kept[name]
        for name, module, attribute, _ in twin.buffers:
            setattr(module, attribute, buffers[name])
        twin.seconds = seconds


def _torch_values(
    twin: TorchTwin, batch: tuple[Array, Array], rewind: Callable[[], None]
) -> dict[tuple[str, str], Array]:
    """The same of the torch twin, whose step is run once more from the same generator state."""
    buffers = {name: value.clone() for name, value in twin.buffers.items()}
    gradients = {name: p.grad for name, p in twin.parameters.items()}
    seconds = twin.seconds
    rewind()
    with ExitStack() as stack:
        model = stack.enter_context(observe_torch(twin.model))
        criterion = stack.enter_context(observe_torch(twin.criterion))
        twin.gradients(*batch)
    with torch.no_grad():
        for name, value in buffers.items():
            twin.buffers[name].copy_(value)
    for name, gradient in gradients.items():
        twin.parameters[name].grad = gradient
    twin.seconds = seconds
    return _values(model, criterion)


def _values(model: Seen, criterion: Seen) -> dict[tuple[str, str], Array]:
    values = {("input", name): value for name, value in model.inputs.items()}
    values |= {("output", name): value for name, value in model.outputs.items()}
    for value in criterion.inputs.values():
        values["input", LOSS] = value
    return values
