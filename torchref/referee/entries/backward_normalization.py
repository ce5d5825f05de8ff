"""Entries of the normalizations' backwards, which a double backward runs forward: one derivation, for a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import entry


def projected(g: Array, x_hat: Array) -> Array:
    """P g = g - mean(g) - x_hat mean(g x_hat) along each row: a symmetric matrix times g."""
    result: Array = g - row_mean(g) - x_hat * row_mean(g * x_hat)
    return result


def row_mean(x: Array) -> Array:
    mean: Array = x.mean(1, keepdims=True)
    return mean


def standardize_backward(g: Array, x: Array, eps: float) -> tuple[Array, Array, Callable[[Array, Array], Any]]:
    """dx = P g / std, the backward of x_hat = (x - mean) / std, along each row: x and g (M, D). Returns dx, x_hat, and
    a backward of both.

    Backward. v is the gradient of dx. With a = mean(v x_hat), b = mean(g x_hat), A = mean(v g) - mean(v) mean(g) - a b:
        L' = sum_i v_i dx_i = D A / std
    which is symmetric in v and g, so that dg = P v / std. x acts through x_hat, and through std by x_hat_i / D:
        dL'/dx_hat_i = -(v_i b + g_i a) / std,   dL'/dstd = -D A / std^2
        dx'_i = P (dL'/dx_hat)_i / std - A x_hat_i / std^2
    What comes back to x_hat itself from elsewhere, w, joins dL'/dx_hat.
    """
    centered = x - row_mean(x)  # (M, D)
    std = np.sqrt(row_mean(centered * centered) + eps)  # (M, 1)
    x_hat = centered / std

    def backward(v: Array, w: Array) -> tuple[Array, Array]:
        a, b = row_mean(v * x_hat), row_mean(g * x_hat)
        mean_product = row_mean(v * g) - row_mean(v) * row_mean(g) - a * b  # A
        dx_hat = w - (v * b + g * a) / std
        return projected(v, x_hat) / std, projected(dx_hat, x_hat) / std - mean_product * x_hat / (std * std)

    return projected(g, x_hat) / std, x_hat, backward


def asked(values: Sequence[Any], mask: Sequence[bool]) -> tuple[Any, ...]:
    return tuple(value for value, wanted in zip(values, mask, strict=True) if wanted)


def upstream(doutputs: Any, mask: Sequence[bool], shapes: Sequence[tuple[int, ...]]) -> Iterator[Array]:
    """The gradients of all three outputs, zeros for one that was not asked for or has none."""
    given = iter(doutputs if isinstance(doutputs, tuple) else (doutputs,))
    for wanted, shape in zip(mask, shapes, strict=True):
        gradient = next(given, None) if wanted else None
        yield np.zeros(shape) if gradient is None else gradient


@entry("native_layer_norm_backward")
def layer_norm_backward(
    dy: Array,
    x: Array,
    normalized_shape: Sequence[int],
    mean: Array,
    rstd: Array,
    weight: Array | None,
    bias: Array | None,
    output_mask: Sequence[bool],
    *,
    eps: float | None = None,
) -> tuple[tuple[Array, ...], Backward]:
    """dx = P (dy weight) / std,  dweight_d = sum_m dy_md x_hat_md,  dbias_d = sum_m dy_md: x (M, D), the rows.

    Backward. v, u and t are the gradients of dx, dweight and dbias, and Pv / std is what `standardize_backward` gives:
        ddy = weight (P v / std) + u x_hat + t,   dweight' = sum_m dy (P v / std),   to x_hat comes w = u dy
    mean and rstd are functions of x here, as they are in torch.
    """
    width = int(np.prod(normalized_shape))
    rows, g = x.reshape(-1, width), dy.reshape(-1, width)
    scale = np.ones(width) if weight is None else weight.ravel()
    dx, x_hat, dx_backward = standardize_backward(g * scale, rows, eps_of(rows, rstd))
    results = (dx.reshape(x.shape), (g * x_hat).sum(0).reshape(normalized_shape), g.sum(0).reshape(normalized_shape))

    def backward(doutputs: Any) -> list[Array | None]:
        v, u, t = upstream(doutputs, output_mask, [x.shape, (width,), (width,)])
        u, t = u.reshape(width), t.reshape(width)
        dg, of_x = dx_backward(v.reshape(rows.shape), u * g)
        ddy = dg * scale + u * x_hat + t
        gradients: list[Array | None] = [ddy.reshape(x.shape), of_x.reshape(x.shape), None, None]
        return gradients if weight is None else [*gradients, (g * dg).sum(0).reshape(weight.shape)]

    return asked(results, output_mask), backward


def eps_of(rows: Array, rstd: Array) -> float:
    """What the forward added to the variance: rstd = 1 / sqrt(var + eps) tells it, where the rows vary the least."""
    var = rows.var(1)
    i = int(np.argmin(var))
    return max(float(1 / rstd.ravel()[i] ** 2 - var[i]), 0.0)


@entry("native_batch_norm_backward", "cudnn_batch_norm_backward")
def batch_norm_backward(
    dy: Array,
    x: Array,
    weight: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    save_mean: Array | None,
    save_invstd: Array | None,
    train: bool,
    eps: float,
    output_mask: Sequence[bool],
) -> tuple[tuple[Array, ...], Backward]:
    """As `layer_norm_backward`, a row being a channel of the whole batch, with one number of weight and bias a row.

    Outside training the statistics are constants:  dx = dy weight / std,  dweight = sum dy x_hat,  dbias = sum dy, and
        ddy = (v weight) / std + u x_hat + t,   dx' = u dy / std,   dweight' = sum v dy / std
    """
    laid = x.swapaxes(0, 1)  # (C, N, *)
    rows, g = laid.reshape(len(laid), -1), dy.swapaxes(0, 1).reshape(len(laid), -1)
    scale = np.ones((len(laid), 1)) if weight is None else weight[:, None]
    others = [None] * sum(s is not None for s in (running_mean, running_var, save_mean, save_invstd))

    def back(flat: Array) -> Array:
        return flat.reshape(laid.shape).swapaxes(0, 1)

    if train:
        dx, x_hat, dx_backward = standardize_backward(g * scale, rows, eps)
    else:
        assert running_mean is not None
        assert running_var is not None
        std = np.sqrt(running_var + eps)[:, None]
        x_hat = (rows - running_mean[:, None]) / std
        dx = g * scale / std

        def dx_backward(v: Array, w: Array) -> tuple[Array, Array]:
            return v / std, w / std

    def backward(doutputs: Any) -> list[Array | None]:
        v, u, t = upstream(doutputs, output_mask, [x.shape, (len(laid),), (len(laid),)])
        v, u, t = v.swapaxes(0, 1).reshape(rows.shape), u[:, None], t[:, None]
        dg, of_x = dx_backward(v, u * g)
        gradients: list[Array | None] = [back(dg * scale + u * x_hat + t), back(of_x)]
        return [*gradients, *([] if weight is None else [(g * dg).sum(1)]), *others]

    return asked((back(dx), (g * x_hat).sum(1), g.sum(1)), output_mask), backward
