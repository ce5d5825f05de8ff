"""Attention a block of queries at a time: the matrix of all pairs is never there (Dao et al. 2022, FlashAttention)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from torchref.nn.module import Array, Backward

SCORE_BYTES = 1 << 19  # of a block's scores: they and their gradients, twice that, fill a level-2 cache


def attend_in_blocks(
    query: Array, key: Array, value: Array, mask: Array | None, *, scale: float, is_causal: bool
) -> tuple[Array, Backward]:
    """y = softmax(scale query key^T + mask) value, as `attend` without dropout; the weights p are not kept.

    Shapes: query (..., L, d), key (..., S, d), value (..., S, e), mask (..., L, S) or broadcast to it, y (..., L, e).
    The L x S weights of a long sequence are its largest array by far, and each pass over them goes to memory. A row of
    them depends on one query alone. So a block of queries at a time: its scores, their softmax, its rows of y. Kept is
    one number a query, the logarithm of the softmax's denominator:
        s_ij = scale query_i . key_j + mask_ij,   lse_i = log sum_j exp(s_ij),   y_i = sum_j exp(s_ij - lse_i) value_j
    With `is_causal` a block computes the keys up to its last query, and no others: half of all.

    Backward: a block's weights are computed once more, p_ij = exp(s_ij - lse_i), one product for an array less. The
    rest is `attend`'s, block by block; what a key gets is a sum over the blocks:
        ds_ij = p_ij (dy_i . value_j - dy_i . y_i)
        dvalue_j = sum_i p_ij dy_i,   dquery_i = scale sum_j ds_ij key_j,   dkey_j = scale sum_i ds_ij query_i
    `backward(dy)` returns dquery, dkey, dvalue, each with all of the batch's dimensions. A row whose every score is
    -inf has p = 0.
    """
    batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    q, k, v = (np.broadcast_to(array, (*batch, *array.shape[-2:])) for array in (query, key, value))
    L, S = q.shape[-2], k.shape[-2]
    masks = None if mask is None else np.broadcast_to(mask, (*batch, L, S))

    def scores() -> Iterator[tuple[tuple[int, ...], slice, slice, Array]]:
        """Of each block of queries: where it lies, which keys it sees, and its scores."""
        rows = min(L, max(1, SCORE_BYTES // max(1, S * q.itemsize)))
        later = np.arange(rows)[:, None] < np.arange(rows)  # of a block's own keys: those behind the query
        for index, start in itertools.product(np.ndindex(batch), range(0, L, max(1, rows))):
            block = slice(start, min(start + rows, L))
            keys = slice(0, min(block.stop, S) if is_causal else S)
            s = (q[index][block] * scale) @ k[index][keys].T  # (rows, keys)
            if masks is not None:
                s += masks[index][block]
            if is_causal:
                own = s[:, start:]
                own[later[: len(s), : own.shape[1]]] = -np.inf
            yield index, block, keys, s

    y = np.empty_like(query, shape=(*batch, L, v.shape[-1]), order="C")
    lse = np.empty_like(query, shape=(*batch, L, 1), order="C")
    with np.errstate(invalid="ignore"):  # inf - inf, where a score overflows
        for index, block, keys, s in scores():
            largest = s.max(axis=1, keepdims=True, initial=-np.inf)
            largest[largest == -np.inf] = 0
            s -= largest
            np.exp(s, out=s)
            total = s @ np.ones_like(s, shape=(s.shape[1], 1), order="C")  # the sum, in BLAS
            total[total == 0] = 1
            np.divide(s @ v[index][keys], total, out=y[index][block])
            lse[index][block] = largest + np.log(total)

    def backward(dy: Array) -> tuple[Array, Array, Array]:
        dquery = np.empty_like(query, shape=q.shape, order="C")
        dkey, dvalue = (np.zeros_like(array, shape=array.shape, order="C") for array in (k, v))
        with np.errstate(invalid="ignore"):
            for index, block, keys, s in scores():
                s -= lse[index][block]
                p = np.exp(s, out=s)
                dy_block = dy[index][block]
                dvalue[index][keys] += p.T @ dy_block
                ds = dy_block @ v[index][keys].T  # dp, then in place ds
                ds -= np.vecdot(dy_block, y[index][block])[:, None]
                ds *= p
                np.multiply(ds @ k[index][keys], scale, out=dquery[index][block])
                dkey[index][keys] += ds.T @ (q[index][block] * scale)
        return dquery, dkey, dvalue

    return y, backward
