"""Cross-entropy of the logits of a linear layer: the head of a language model, as one loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_arrays, check_floating
from torchref.nn.linear import Linear, linear
from torchref.nn.loss.classification import cross_entropy
from torchref.nn.loss.reduction import WeightedLoss, check_reduction
from torchref.nn.module import Array, Backward, bind


@dataclass(frozen=True, slots=True)
class LinearCrossEntropyOptions:
    """How torch cuts the batch into chunks to save memory. It changes no result, so here only its fields are checked.

    Equals `torch.nn.LinearCrossEntropyOptions`.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in ("auto", "accurate", "balanced", "compact"):
            raise ValueError(f"LinearCrossEntropyOptions: invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, separator, factor = self.chunking_method.partition(":")
            if name != "aspect_ratio" or (separator and not (factor.isdigit() and int(factor) > 0)):
                raise ValueError(f"LinearCrossEntropyOptions: invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"LinearCrossEntropyOptions: batch_chunk_size must be positive or None, got {size!r}")
        if self.acc_dtype is not None and np.dtype(self.acc_dtype) not in (np.float16, np.float32, np.float64):
            raise ValueError(f"LinearCrossEntropyOptions: acc_dtype must be a floating dtype, got {self.acc_dtype!r}")


@takes_any_array
def linear_cross_entropy(
    x: Array,
    linear_weight: Array,
    target: Array,
    linear_bias: Array | None = None,
    *,
    weight: Array | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,  # noqa: ARG001 (torch's argument)
) -> tuple[Array, Backward]:
    """`cross_entropy` of the logits x linear_weight^T + linear_bias.

    Shapes: x (N, in) or (in); linear_weight (K, in), or (K, d1, ..., in) for logits (N, K, d1, ...); linear_bias the
    same without `in`; target and weight as `cross_entropy` takes them with those logits; the loss likewise. `options`
    cut torch's batch into chunks and change no result (but with every target ignored, when its gradient is nan).

    Backward. The chain of both: dlogits, dtarget = cross_entropy_backward(dloss), and the rest as `linear` has it.
    `backward()` returns dx, dlinear_weight, dtarget (None for integers), dlinear_bias (None without one) and, for
    probabilities with a weight, dweight.

    Errors: RuntimeError for shapes that do not fit, or an ignore_index with probabilities; else as `cross_entropy`.
    Equals `torch.nn.functional.linear_cross_entropy`.
    """
    check_floating("linear_cross_entropy", input=x, linear_weight=linear_weight, optional={"linear_bias": linear_bias})
    check_arrays("linear_cross_entropy", target=target)
    reduction = check_reduction("linear_cross_entropy", reduction)
    if x.ndim not in (1, 2) or linear_weight.ndim < 2 or x.shape[-1] != linear_weight.shape[-1]:
        raise RuntimeError(
            "linear_cross_entropy(): expected input (N, in) or (in) and linear_weight (K, ..., in), but got "
            f"{x.shape} and {linear_weight.shape}"
        )
    if linear_bias is not None and linear_bias.shape != linear_weight.shape[:-1]:
        raise RuntimeError(
            f"linear_cross_entropy(): linear_bias has shape {linear_bias.shape}, expected {linear_weight.shape[:-1]}"
        )
    if x.ndim == 1 and linear_weight.ndim > 2:
        raise RuntimeError(
            f"linear_cross_entropy(): linear_weight {linear_weight.shape} needs an input (N, in), but got {x.shape}"
        )
    logits_shape = x.shape[:-1] + linear_weight.shape[:-1]
    if target.shape == logits_shape and ignore_index is not None:
        raise RuntimeError(f"linear_cross_entropy(): ignore_index={ignore_index} is not supported for probabilities")

    rows = math.prod(linear_weight.shape[:-1])  # K d1 ...
    flat_bias = None if linear_bias is None else linear_bias.reshape(rows)
    logits, linear_backward = linear(x, linear_weight.reshape(rows, linear_weight.shape[-1]), flat_bias)
    loss, cross_entropy_backward = cross_entropy(
        logits.reshape(logits_shape),
        target,
        weight=weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )

    def backward(dloss: Array | None = None) -> tuple[Array | None, ...]:
        dlogits, dtarget, *dweights = cross_entropy_backward(dloss)
        dx, dlinear_weight, dbias = linear_backward(dlogits.reshape(logits.shape))
        dbias = None if linear_bias is None else dbias.reshape(linear_bias.shape)
        return dx, dlinear_weight.reshape(linear_weight.shape), dtarget, dbias, *dweights

    return loss, backward


class LinearCrossEntropyLoss(WeightedLoss):
    """`linear_cross_entropy` with a `Linear` of its own. Equals `torch.nn.LinearCrossEntropyLoss`."""

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
        reduction: str = "mean",
        weight: Array | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        if weight is not None and weight.shape != (num_classes,):
            raise RuntimeError(f"LinearCrossEntropyLoss: expected weight of shape {(num_classes,)}, got {weight.shape}")
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"LinearCrossEntropyLoss: expected label_smoothing in [0, 1], got {label_smoothing}")
        super().__init__(weight, reduction=reduction)
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.linear = Linear(in_features, math.prod(out_features, start=num_classes), bias, device, dtype)
        self.options = options

    def forward(self, input: Array, target: Array) -> tuple[Array, Backward]:
        # The Linear's parameters are flat: (K d1 ..., in) and (K d1 ...).
        def function(
            x: Array, flat_weight: Array, target: Array, flat_bias: Array | None, *, class_weight: Array | None
        ) -> tuple[Array, Backward]:
            logits_shape = (self.num_classes, *self.out_features)
            loss, loss_backward = linear_cross_entropy(
                x,
                flat_weight.reshape(*logits_shape, flat_weight.shape[1]),
                target,
                None if flat_bias is None else flat_bias.reshape(logits_shape),
                weight=class_weight,
                reduction=self.reduction,
                ignore_index=self.ignore_index,
                label_smoothing=self.label_smoothing,
                options=self.options,
            )

            def backward(dloss: Array | None = None) -> tuple[Array, Array, Array | None, Array | None]:
                dx, dweight, dtarget, dbias = loss_backward(dloss)[:4]
                dbias = None if flat_bias is None else dbias.reshape(flat_bias.shape)
                return dx, dweight.reshape(flat_weight.shape), dtarget, dbias

            return loss, backward

        return bind(function, input, self.linear.weight, target, self.linear.bias, class_weight=self.weight)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, reduction={self.reduction}, "
            f"ignore_index={self.ignore_index}, label_smoothing={self.label_smoothing}, options={self.options}"
        )
