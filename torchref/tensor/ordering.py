"""Sorting and what comes of it: sort, msort, topk, kthvalue. Entries change places, and the gradient changes back."""

from __future__ import annotations

import numpy as np

from torchref.nn.errors import check_integers, normalize_dim
from torchref.nn.module import Array, Backward
from torchref.nn.promotion import check_numeric
from torchref.tensor.calling import elementwise, values_of

__all__ = ["kthvalue", "msort", "sort", "topk"]


def order_of(x: Array, axis: int, descending: bool) -> Array:
    """The indices that sort x along the axis, equal entries in their order; nan counts as the largest."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    back = np.argsort(np.flip(x, axis), axis=axis, kind="stable")  # of x read backwards, for ties to keep their order
    return x.shape[axis] - 1 - np.flip(back, axis)


def taken(x: Array, index: Array, axis: int) -> tuple[tuple[Array, Array], Backward]:
    """(values, indices): values_k = x_(indices_k) along the axis, no index twice.

    Backward. Each value is one entry of x:  dx_(indices_k) = dvalues_k, and 0 for entries that were not taken.
    """

    def backward(doutput: tuple[Array, None] | Array) -> Array:
        dvalues = values_of(doutput)
        dx = np.zeros_like(x)
        np.put_along_axis(dx, index, dvalues, axis)
        return dx

    return (np.take_along_axis(x, index, axis), index), backward


def of_a_number(x: Array) -> tuple[tuple[Array, Array], Backward]:
    """`taken` of an array without dimensions: itself, at index 0."""

    def backward(doutput: tuple[Array, None] | Array) -> Array:
        return values_of(doutput)

    return (x, np.zeros((), np.int64)), backward


@elementwise
def sort(
    x: Array,
    dim: int = -1,
    descending: bool = False,
    *,
    stable: bool = False,  # noqa: ARG001 (torch's argument)
) -> tuple[tuple[Array, Array], Backward]:
    """(values, indices): x in rising order along `dim`, and where each value stood: values_k = x_(indices_k).

    nan counts as the largest. Equal entries keep their order, whatever `stable` says.

    Backward, the inverse permutation:  dx_(indices_k) = dvalues_k. `backward` takes (dvalues, None), or dvalues.

    Errors: IndexError for a dimension out of range. Equals `torch.sort`.
    """
    axis = normalize_dim("sort", dim, x.ndim)
    return taken(x, order_of(x, axis, bool(descending)), axis) if x.ndim else of_a_number(x)


@elementwise
def msort(x: Array) -> tuple[Array, Backward]:
    """y = x in rising order along its first dimension. Backward: as `sort`. Equals `torch.msort`."""
    (values, _), sort_backward = taken(x, order_of(x, 0, False), 0) if x.ndim else of_a_number(x)

    def backward(dy: Array) -> Array:
        return sort_backward(dy)

    return values, backward


@elementwise
def topk(
    x: Array,
    k: int,
    dim: int | None = None,
    largest: bool = True,
    sorted: bool = True,  # noqa: ARG001 (torch's argument)
) -> tuple[tuple[Array, Array], Backward]:
    """(values, indices): the k largest (or smallest) entries along `dim` (the last), and where they stand.

    They come sorted, whatever `sorted` says. Of equal entries the first ones are taken; torch leaves open which.

    Backward:  dx_(indices_k) = dvalues_k, 0 elsewhere. `backward` takes (dvalues, None), or dvalues.

    Errors: RuntimeError for a k that x does not have. Equals `torch.topk`.
    """
    check_integers("topk", k=k)
    axis = normalize_dim("topk", -1 if dim is None else dim, x.ndim)
    if not 0 <= k <= (x.shape[axis] if x.ndim else 1):
        raise RuntimeError(f"topk(): k={k} is out of range for dimension {dim} of {x.shape}")
    if x.ndim == 0:
        return of_a_number(x)
    index = order_of(x, axis, bool(largest)).take(np.arange(k), axis=axis)
    return taken(x, index, axis)


@elementwise
def kthvalue(x: Array, k: int, dim: int | None = None, keepdim: bool = False) -> tuple[tuple[Array, Array], Backward]:
    """(values, indices): the k-th smallest entry along `dim` (the last), k counted from 1, and where it stands.

    Backward:  dx_(index) = dvalue, 0 elsewhere. `backward` takes (dvalues, None), or dvalues.

    Errors: RuntimeError for a k that x does not have. Equals `torch.kthvalue` (whose index, of equal entries, may be
    another).
    """
    check_numeric("kthvalue", x)
    check_integers("kthvalue", k=k)
    axis = normalize_dim("kthvalue", -1 if dim is None else dim, x.ndim)
    if not 1 <= k <= (x.shape[axis] if x.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k={k} is out of range for dimension {axis} of {x.shape}")
    if x.ndim == 0:
        return of_a_number(x)
    (values, index), taken_backward = taken(x, order_of(x, axis, False).take([k - 1], axis=axis), axis)

    def backward(doutput: tuple[Array, None] | Array) -> Array:
        dvalues = values_of(doutput)
        return taken_backward(dvalues.reshape(values.shape))

    return ((values, index) if keepdim else (values.squeeze(axis), index.squeeze(axis))), backward
