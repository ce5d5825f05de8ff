"""Attention: each query reads a weighted mean of the values, the weights from how well it matches the keys."""

from __future__ import annotations

import math

import numpy as np

from torchref.nn.any_array import takes_any_array
from torchref.nn.attention_in_blocks import attend_in_blocks
from torchref.nn.dropout import dropout
from torchref.nn.errors import check_arrays, check_floating
from torchref.nn.module import Array, Backward
from torchref.nn.random import Source

LARGE_BYTES = 1 << 21  # of one head's weights: beyond a level-2 cache


def attend(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    *,
    scale: float,
    dropout_p: float,
    rng: Source | None,
    draw_shape: tuple[int, ...] | None = None,
    empty_rows_are_zero: bool = True,
    is_causal: bool = False,
    pairs: bool = True,
) -> tuple[tuple[Array, Array | None], Backward]:
    """y = p value with p = softmax(scale query key^T + mask) along the keys, after dropout. Returns (y, p).

    Shapes: query (..., L, d), key (..., S, d), value (..., S, e), mask (..., L, S) or broadcast to it, p (..., L, S),
    y (..., L, e). The draw of the dropout has `draw_shape` (None: p's shape). `is_causal`, without a mask: query i sees
    the keys j <= i. Without `pairs` nobody asks for p or dL/dmask; where p is large, `attend_in_blocks` then does it,
    and both are None.

    Backward. With the scores s = scale query key^T + mask, for each query i
        dL/dvalue_j = sum_i p_ij dy_i                     ->  dvalue = p^T dy
        dL/dp_ij    = dy_i . value_j (+ dp_ij from p)     ->  dp     = dy value^T
        softmax:  ds_ij = p_ij (dp_ij - sum_k p_ik dp_ik)
        dL/dquery_i = scale sum_j ds_ij key_j             ->  dquery = scale ds key
        dL/dkey_j   = scale sum_i ds_ij query_i           ->  dkey   = scale ds^T query
        dL/dmask    = ds
    With dropout, the p of y and dvalue is the dropped one, that of the softmax is not, and dp first goes through
    dropout's backward. The softmax's sum needs no pass over all pairs: its part from dy is dy_i . y_i.
    `backward(dy, dp)`, either may be None, returns dquery, dkey, dvalue, ds. A row whose every score is -inf has p = 0
    (or nan without `empty_rows_are_zero`). Vaswani et al. 2017.
    """
    if not pairs and dropout_p == 0 and empty_rows_are_zero and is_large(query, key):
        return without_pairs(query, key, value, mask, scale, is_causal)
    p = (query * scale) @ key.swapaxes(-1, -2)  # (..., L, S): the scores, then in place their softmax
    if is_causal:
        mask = causal_mask(query, p.shape[-2:])
    if mask is not None:
        p += mask
    with np.errstate(invalid="ignore"):  # -inf - -inf and 0 / 0, in a row without any key
        largest = p.max(axis=-1, keepdims=True, initial=-np.inf)
        if empty_rows_are_zero:
            largest[largest.real == -np.inf] = 0
        p -= largest
        np.exp(p, out=p)
        total = p.sum(axis=-1, keepdims=True)
        if empty_rows_are_zero:
            total[total == 0] = 1
        p /= total
    flat, dropout_backward = dropout(p.reshape(draw_shape or p.shape), p=dropout_p, rng=rng)
    dropped = flat.reshape(p.shape)
    y = dropped @ value  # (..., L, e)

    def backward(dy: Array | None, ddropped: Array | None = None) -> tuple[Array, Array, Array, Array]:
        dy = np.zeros_like(y) if dy is None else dy
        dvalue = dropped.swapaxes(-1, -2) @ dy  # (..., S, e)
        ds = dy @ value.swapaxes(-1, -2)  # (..., L, S): dp, then in place ds
        mean = (dy * y).sum(axis=-1, keepdims=True)  # (..., L, 1)
        if ddropped is not None:
            ds += ddropped
            mean += (ddropped * dropped).sum(axis=-1, keepdims=True)
        if dropped is not p:
            ds = dropout_backward(ds.reshape(flat.shape)).reshape(p.shape)
        ds -= mean
        ds *= p
        dquery = ds @ key  # (..., L, d)
        dquery *= scale
        dkey = ds.swapaxes(-1, -2) @ query  # (..., S, d)
        dkey *= scale
        return dquery, dkey, dvalue, ds

    return (y, dropped), backward


def is_large(query: Array, key: Array) -> bool:
    """Whether one head's p is so large that it is better computed twice than kept."""
    return query.dtype.kind == "f" and query.itemsize * query.shape[-2] * key.shape[-2] >= LARGE_BYTES


def without_pairs(
    query: Array, key: Array, value: Array, mask: Array | None, scale: float, is_causal: bool
) -> tuple[tuple[Array, None], Backward]:
    """`attend_in_blocks` as `attend` returns it."""
    y, blocks_backward = attend_in_blocks(query, key, value, mask, scale=scale, is_causal=is_causal)

    def backward(dy: Array | None, _dp: None = None) -> tuple[Array, Array, Array, None]:
        return *blocks_backward(np.zeros_like(y) if dy is None else dy), None

    return (y, None), backward


@takes_any_array
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
    rng: Source | None = None,
) -> tuple[Array, Backward]:
    """y = softmax(scale query key^T + mask) value; the formula, its derivation and the shapes stand in `attend`.

    `attn_mask` is boolean (True: this key is seen) or is added to the scores; it broadcasts to (..., L, S).
    `is_causal`: query i sees the keys j <= i. `scale` is 1 / sqrt(d) if None. `enable_gqa`: each head (dimension -3) of
    key and value serves several heads of the query, and its gradient is the sum over these. A query that sees no key
    gets 0.

    `backward(dy)` returns dquery, dkey, dvalue, dattn_mask (None unless it is floating point).
    Errors: RuntimeError for arrays of fewer than 2 dimensions, dtypes or shapes that do not fit, a mask and is_causal
    at once, `dropout_p` out of range. Equals `torch.nn.functional.scaled_dot_product_attention`. Vaswani et al. 2017.
    """
    function = "scaled_dot_product_attention"
    check_query_key_value(function, query, key, value, attn_mask, is_causal, dropout_p)
    keys, values = key, value
    if enable_gqa:
        shared = group_size(function, query, key), group_size(function, query, value)
        keys, values = np.repeat(key, shared[0], axis=-3), np.repeat(value, shared[1], axis=-3)
    if not fit_together(query, keys, values, attn_mask):
        raise RuntimeError(
            f"{function}(): query {query.shape}, key {key.shape}, value {value.shape} and attn_mask "
            f"{None if attn_mask is None else attn_mask.shape} do not broadcast to one batch of scores"
        )
    mask = hidden(query, ~attn_mask) if attn_mask is not None and not is_added(attn_mask) else attn_mask
    (y, _), attend_backward = attend(
        query,
        keys,
        values,
        mask,
        scale=1 / math.sqrt(query.shape[-1]) if scale is None else scale,
        dropout_p=dropout_p,
        rng=rng,
        is_causal=is_causal,
        pairs=is_added(attn_mask),
    )

    def backward(dy: Array) -> tuple[Array, Array, Array, Array | None]:
        dquery, dkeys, dvalues, ds = attend_backward(dy)
        dattn_mask = sum_to(ds, attn_mask.shape) if attn_mask is not None and is_added(attn_mask) else None
        if enable_gqa:
            dkeys, dvalues = sum_groups(dkeys, shared[0]), sum_groups(dvalues, shared[1])
        return sum_to(dquery, query.shape), sum_to(dkeys, key.shape), sum_to(dvalues, value.shape), dattn_mask

    return y, backward


def check_query_key_value(
    function: str,
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None,
    is_causal: bool,
    dropout_p: float,
) -> None:
    """The dimensions, dtypes and features, with torch's exception types."""
    check_floating(function, query=query, key=key, value=value)
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            f"{function}(): query, key and value must have at least 2 dimensions, but have shapes "
            f"{query.shape}, {key.shape} and {value.shape}"
        )
    check_arrays(function, optional={"attn_mask": attn_mask})
    if is_causal and attn_mask is not None:
        raise RuntimeError(f"{function}(): attn_mask must be None with is_causal=True, but has shape {attn_mask.shape}")
    if attn_mask is not None and attn_mask.dtype not in (bool, query.dtype):
        raise RuntimeError(
            f"{function}(): attn_mask must be bool or of query's dtype {query.dtype}, but is {attn_mask.dtype}"
        )
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            f"{function}(): query {query.shape} and key {key.shape} must have equally many features, key and value "
            f"{value.shape} equally many rows"
        )
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"{function}(): dropout probability has to be between 0 and 1, but got {dropout_p=}")


def fit_together(query: Array, key: Array, value: Array, attn_mask: Array | None) -> bool:
    """Whether there is one shape of scores, (..., L, S), to which everything broadcasts."""
    try:
        batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
        scores = (*batch, query.shape[-2], key.shape[-2])
        return attn_mask is None or np.broadcast_shapes(attn_mask.shape, scores) == scores
    except ValueError:
        return False


def is_added(mask: Array | None) -> bool:
    """Whether a mask is added to the scores, and has a gradient; a boolean one hides."""
    return mask is not None and mask.dtype != bool


def hidden(like: Array, where: Array) -> Array:
    """0, and -inf where `where` is True: added to scores, it leaves a weight of exactly 0 there."""
    mask = np.zeros_like(like, shape=where.shape, order="C")
    mask[where] = -np.inf
    return mask


def causal_mask(like: Array, shape: tuple[int, ...]) -> Array:
    """(L, S), -inf where the key j comes after the query i: j > i."""
    return hidden(like, np.arange(shape[1]) > np.arange(shape[0])[:, None])


def group_size(function: str, query: Array, shared: Array) -> int:
    """How many heads of the query share one head of the key or value."""
    heads = query.shape[-3] if query.ndim > 2 else 0, shared.shape[-3] if shared.ndim > 2 else 0
    if not all(heads) or heads[0] % heads[1]:
        raise RuntimeError(
            f"{function}(): with enable_gqa the number of heads in key and value must divide that of the query, "
            f"but query is {query.shape} and the other {shared.shape}"
        )
    return heads[0] // heads[1]


def sum_groups(dshared: Array, size: int) -> Array:
    """The gradient of heads that were repeated `size` times each: the sum over their copies."""
    *leading, heads, rows, features = dshared.shape
    return dshared.reshape(*leading, heads // size, size, rows, features).sum(axis=-3)


def sum_to(gradient: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of an array of `shape` that was broadcast: the sum over its copies."""
    extra = gradient.ndim - len(shape)
    axes = tuple(i for i, n in enumerate(gradient.shape) if i < extra or (n != 1 and shape[i - extra] == 1))
    return gradient.sum(axis=axes, keepdims=True).reshape(shape) if axes else gradient
