"""Comparisons of torch alone: the NumPy twin is the replay of torch's run, and the referee finds where they part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from torchref.compare.errors import UserError
from torchref.compare.lockstep.judge import Divergence, Mismatch
from torchref.compare.lockstep.twins import TorchTwin, joined, outputs_of, parts
from torchref.nearest import nearest
from torchref.nn.module import Array
from torchref.referee import Report, judge
from torchref.twin.weights import to_tensor

__all__ = ["divergence_by", "judged", "sabotage_torch"]


def judged(twin: TorchTwin, batch: tuple[Array, Array], rewind: Callable[[], None]) -> Report:
    """What the referee finds of the torch twin's gradients on this batch, with the draws that it made.

    `rewind` puts torch's generator back to where the step began; afterwards it is where it was.
    """
    inputs, target = (to_tensor(array, twin.device) for array in batch)

    def closure() -> Any:
        output = joined([twin.model(inputs[part]) for part in parts(len(inputs), twin.accumulate)], torch.cat)
        return twin.criterion(*outputs_of(output), target)

    generator = torch.get_rng_state()
    rewind()
    try:
        return judge(twin.model, closure)
    finally:
        torch.set_rng_state(generator)


def divergence_by(report: Report, mismatch: Mismatch, step: int) -> Divergence:
    """The first tensor that parts, with the operation at which the referee finds the cause."""
    first = report.first
    return Divergence(
        step=step,
        layer=(first.module if first is not None else "") or "(the network itself)",
        tensor=mismatch.tensor,
        index=mismatch.index,
        numpy=mismatch.numpy,
        torch=mismatch.torch,
        bound=mismatch.bound,
        equal_before=["output", "loss"] if mismatch.tensor.startswith(("gradient", "buffer", "update")) else [],
        cause="" if first is None else first.line(),
    )


class Sabotaged(torch.autograd.Function):
    """y = x; its backward returns `factor` times what it should."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, factor: float) -> torch.Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *doutputs: Any) -> Any:
        return ctx.factor * doutputs[0], None


def sabotage_torch(model: torch.nn.Module, layer: str, factor: float = 1.01) -> None:
    """Plant a fault in torch's network: every gradient that `layer` is given is `factor` times what it should be.

    Where that needs no gradient, its output is disturbed instead.
    """
    names = [name for name, _ in model.named_modules() if name]
    if layer not in names:
        raise UserError(f"sabotage: there is no layer {layer!r}; {nearest(layer, names)}")

    def disturbed(output: Any) -> Any:
        if isinstance(output, tuple | list):
            return type(output)(map(disturbed, output))
        if not isinstance(output, torch.Tensor) or not output.is_floating_point():
            return output
        return Sabotaged.apply(output, factor) if output.requires_grad else output * factor  # type: ignore[no-untyped-call]

    model.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: disturbed(output))
