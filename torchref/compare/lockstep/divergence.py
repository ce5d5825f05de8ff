"""Where do two twins part first? And a way to plant a fault, to see that it is found."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from torchref.compare.errors import UserError
from torchref.compare.lockstep.judge import Divergence, Judge, Mismatch
from torchref.compare.lockstep.observe import observe_numpy, observe_torch
from torchref.compare.lockstep.twins import NumpyTwin, TorchTwin
from torchref.compare.lockstep.watched import Watched
from torchref.nearest import nearest
from torchref.nn.module import Array, Module

__all__ = ["FLOW", "first_divergence", "sabotage"]

FLOW = 2**13  # u of its largest entry: what a tensor between layers may differ by, the rounding of ten thousand terms


def first_divergence(
    mismatch: Mismatch,
    step: int,
    numpy_twin: NumpyTwin,
    torch_twin: TorchTwin,
    batch: tuple[Array, Array],
    rewind: Callable[[], None],
    limits: Mapping[str, Any],
) -> tuple[Divergence, Watched | None]:
    """Run the step again with every layer watched, and name the first tensor that differs and the layer that made it.

    Returns the step, too, where it could be run again.

    In forward order each layer's output, then the loss; in backward order each layer's output gradient, the gradients
    of its parameters, and its input gradient. `rewind` puts torch's generator back to where the step began. What
    flows between layers has no bound of its own: `screen` allows it a share of its largest entry.
    """
    judge = Judge()
    u = float(np.finfo(next(iter(numpy_twin.parameters.values())).dtype).eps) / 2
    equal: list[str] = []

    def divergence(layer: str, found: Mismatch) -> Divergence:
        return Divergence(
            step=step,
            layer=layer or "(the network itself)",
            tensor=found.tensor,
            index=found.index,
            numpy=found.numpy,
            torch=found.torch,
            bound=found.bound,
            equal_before=equal,
        )

    def compare(kind: str, our: Mapping[str, Any], their: Mapping[str, Any]) -> None:
        label = f"{kind} {next(iter(our))}"
        largest = max((float(np.abs(a).max(initial=0.0)) for a in our.values() if a is not None), default=0.0)
        screen = {label: FLOW * u * largest}
        judge.compare(kind, our, their, {label: limits.get(label, screen[label])})

    if mismatch.tensor.startswith("update "):  # the weights have moved on: the step cannot be run again
        equal += ["output", "loss", *(f"gradient {name}" for name in numpy_twin.parameters)]
        return divergence(mismatch.tensor.removeprefix("update ").rpartition(".")[0], mismatch), None
    rewind()
    layer, watched = "", None
    try:
        watched = _again(numpy_twin, torch_twin, batch)
        for layer, kind, our, their in _in_order(watched):  # noqa: B007 (read below)
            compare(kind, our, their)
            equal.append(f"{kind} {next(iter(our))}".strip())
    except Mismatch as found:
        return divergence(layer, found), watched
    except RuntimeError:  # torch refuses to watch the backward of layers that work in place
        pass
    name = mismatch.tensor.partition(" ")[2].partition(" ")[0]  # "gradient 0.weight (one of the twins has none)"
    return divergence(name.rpartition(".")[0], mismatch), watched


Named: TypeAlias = Mapping[str, Any]


def _again(numpy_twin: NumpyTwin, torch_twin: TorchTwin, batch: tuple[Array, Array]) -> Watched:
    """The step, run again with every layer watched."""
    with observe_torch(torch_twin.model, gradients=True) as theirs, warnings.catch_warnings():
        # The first layer's input needs no gradient; torch warns that a hook will see none.
        warnings.filterwarnings("ignore", message="Full backward hook is firing", category=UserWarning)
        _, their_loss, tape = torch_twin.gradients(*batch)
    with observe_numpy(numpy_twin.model) as ours:
        output, our_loss = numpy_twin.gradients(*batch, tape)
    return Watched(
        *batch,
        output,
        numpy_twin.named_weights(),
        ours,
        theirs,
        float(our_loss),
        float(their_loss),
        numpy_twin.named_gradients(),
        torch_twin.named_gradients(),
    )


def _in_order(step: Watched) -> Iterator[tuple[str, str, Named, Named]]:
    """(layer, kind of tensor, NumPy's by name, torch's) in the order of the step."""
    ours, theirs = step.numpy_seen, step.torch_seen
    for layer, output in ours.outputs.items():
        yield layer, "output of", {layer: output}, theirs.outputs
    yield "loss", "loss", {"": np.asarray(step.numpy_loss)}, {"": np.asarray(step.torch_loss)}
    for layer in ours.output_gradients:  # in the order in which the backward ran
        for kind, our, their in (
            ("gradient of the output of", ours.output_gradients, theirs.output_gradients),
            ("gradient", step.numpy_gradients, step.torch_gradients),
            ("gradient of the input of", ours.input_gradients, theirs.input_gradients),
        ):
            for name in our:
                if (name == layer or name.rpartition(".")[0] == layer.split(" (")[0]) and name in their:
                    yield layer, kind, {name: our[name]}, their


def sabotage(model: Module, layer: str, factor: float = 1.01) -> None:
    """Plant a fault: every gradient that `layer`'s backward computes is `factor` times what it should be.

    Where nothing in front of a layer without parameters needs its gradient, its output is disturbed instead.
    """
    names = [name for name, _ in model.named_modules() if name]
    if layer not in names:
        raise UserError(f"sabotage: there is no layer {layer!r}; {nearest(layer, names)}")
    module = model.get_submodule(layer)
    forward = module.forward
    parameters = list(module.parameters())
    gradients_matter = bool(parameters) or module.needs_input_grad

    def scaled(gradient: Any) -> Any:
        if isinstance(gradient, tuple):
            return tuple(scaled(part) for part in gradient)
        return None if gradient is None else gradient * gradient.dtype.type(factor)

    def disturbed_forward(*inputs: Any, **options: Any) -> Any:
        output, layer_backward = forward(*inputs, **options)
        if not gradients_matter:
            return scaled(output), layer_backward

        def backward(*doutput: Any) -> Any:
            before = [parameter.grad for parameter in parameters]
            for parameter in parameters:
                parameter.grad = None
            dinput = layer_backward(*doutput)
            for parameter, old in zip(parameters, before, strict=True):
                fresh = scaled(parameter.grad)
                parameter.grad = old if fresh is None else fresh if old is None else old + fresh
            return scaled(dinput)

        return output, backward

    module.forward = disturbed_forward  # type: ignore[method-assign]
