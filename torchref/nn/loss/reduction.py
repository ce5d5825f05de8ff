"""What all losses share: the reduction of many losses to one, its gradient, and the module's base class."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.nn.errors import check_floating
from torchref.nn.module import Array, Backward, Module
from torchref.nn.promotion import promoted

EPSILON = float(np.float32(1e-12))  # keeps denominators from 0; torch writes it as a float32, also for float64


def reduce_losses(losses: Array, reduction: str, divisor: Any = None) -> tuple[Array, Backward]:
    """The losses themselves ('none'), their sum ('sum'), or their sum / divisor ('mean').

    Shapes: losses any; loss the same for 'none', else (). `divisor` is the number of losses unless it is given: a
    weighted mean divides by the sum of the weights.

    Backward. loss = sum_n losses_n / divisor, so dL/dlosses_n = dloss / divisor for every n: one number, which NumPy
    spreads over what it is multiplied with. For a scalar loss dloss is 1 if it is not given (the loss is L itself);
    for 'none' it is required: RuntimeError.
    """
    if reduction == "none":
        loss = losses
    else:
        with np.errstate(invalid="ignore", divide="ignore"):  # the mean of nothing is 0 / 0 = nan, as in torch
            factor = (
                1 if reduction == "sum" else 1 / np.asarray(losses.size if divisor is None else divisor, losses.dtype)
            )
            loss = np.asanyarray(losses.sum() * factor)

    def backward(dloss: Array | None = None) -> Array:
        if reduction == "none":
            if dloss is None:
                raise RuntimeError("backward: the loss has no reduction, so its gradient dloss must be given")
            return dloss
        return np.asanyarray(np.ones_like(loss) if dloss is None else dloss) * factor

    return loss, backward


def check_reduction(function: str, reduction: str, old_name: bool = True) -> str:
    """`reduction`; 'mean' for its `old_name`, 'elementwise_mean', with torch's warning. ValueError for any other."""
    if reduction == "elementwise_mean" and old_name:
        message = f"{function}(): reduction='elementwise_mean' is deprecated; please use reduction='mean' instead"
        warnings.warn(message, stacklevel=4)
        return "mean"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{function}(): {reduction!r} is not a valid value for reduction ('none', 'mean' or 'sum')")
    return reduction


def promote_pair(
    function: str, x: Array, target: Array, weight: Array | None = None, *, booleans: bool = False
) -> tuple[Array, Array]:
    """Input and target of one shape and one floating dtype (see `promoted`); a weight has both, too.

    torch broadcasts shapes that differ, mostly with a warning that the result is likely to be wrong. Here that is a
    ValueError; shapes that cannot be broadcast are a RuntimeError, as in torch.
    """
    x, target = promoted(function, booleans=booleans, input=x, target=target)
    check_floating(function, input=x, optional={"weight": weight})
    if target.shape != x.shape:
        error = ValueError if broadcast(x.shape, target.shape) else RuntimeError
        raise error(f"{function}(): target has shape {target.shape}, but input {x.shape}; they must be the same")
    if weight is not None and weight.shape != x.shape:
        raise ValueError(f"{function}(): weight has shape {weight.shape}, but input {x.shape}; they must be the same")
    return x, target


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape that `shapes` broadcast to; None if they do not."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def check_same_shape(function: str, x: Array, target: Array) -> None:
    """Input and target are floating point, of one shape: ValueError otherwise."""
    check_floating(function, input=x, target=target)
    if target.shape != x.shape:
        raise ValueError(f"{function}(): target has shape {target.shape}, but input {x.shape}; they must be the same")


def with_constant_weight(loss_function: Callable[..., Any]) -> Callable[..., tuple[Array, Backward]]:
    """`loss_function` of input and target alone: the gradient that it has for a weight is dropped."""

    def function(x: Array, target: Array, **options: Any) -> tuple[Array, Backward]:
        loss, loss_backward = loss_function(x, target, **options)

        def backward(dloss: Array | None = None) -> tuple[Array, Array | None]:
            return loss_backward(dloss)[:2]

        return loss, backward

    return function


class Loss(Module):
    """The base of the loss modules: keeps `reduction`, which the deprecated `size_average` and `reduce` override.

    reduce=False means 'none'; otherwise size_average=False means 'sum', and True 'mean'.
    """

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        if size_average is not None or reduce is not None:
            reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
            message = f"{type(self).__name__}: size_average and reduce are deprecated; please use {reduction=} instead"
            warnings.warn(message, stacklevel=3)
        self.reduction = reduction


class WeightedLoss(Loss):
    """A loss with an array of weights: a constant, kept as a buffer."""

    weight: Array | None

    def __init__(
        self,
        weight: Array | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
