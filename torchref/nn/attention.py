"""Attention: each query reads a weighted mean of the values, the weights from how well it matches the keys."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import init
from torchref.nn.dropout import check_probability, dropout
from torchref.nn.errors import check_arrays, check_device, check_floating, check_integers
from torchref.nn.linear import Linear, linear
from torchref.nn.module import Array, Backward, Module, Parameter, bind
from torchref.nn.random import Source


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
) -> tuple[tuple[Array, Array], Backward]:
    """y = p value with p = softmax(scale query key^T + mask) along the keys, after dropout. Returns (y, p).

    Shapes: query (..., L, d), key (..., S, d), value (..., S, e), mask (..., L, S) or broadcast to it, p (..., L, S),
    y (..., L, e). The draw of the dropout has `draw_shape` (None: p's shape).

    Backward. With the scores s = scale query key^T + mask, for each query i
        dL/dvalue_j = sum_i p_ij dy_i                     ->  dvalue = p^T dy
        dL/dp_ij    = dy_i . value_j (+ dp_ij from p)     ->  dp     = dy value^T
        softmax:  ds_ij = p_ij (dp_ij - sum_k p_ik dp_ik)
        dL/dquery_i = scale sum_j ds_ij key_j             ->  dquery = scale ds key
        dL/dkey_j   = scale sum_i ds_ij query_i           ->  dkey   = scale ds^T query
        dL/dmask    = ds
    The softmax's sum needs no pass over all pairs: sum_k p_ik (dy_i . value_k) = dy_i . y_i, dropped or not.
    `backward(dy, dp)`, either may be None, returns dquery, dkey, dvalue, ds. A row whose every score is -inf has p = 0
    (or nan without `empty_rows_are_zero`). Vaswani et al. 2017.
    """
    p = (query * scale) @ key.swapaxes(-1, -2)  # (..., L, S): the scores, then in place their softmax
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
    check_floating(function, query=query, key=key, value=value)
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            f"{function}(): query, key and value must have at least 2 dimensions, but have shapes "
            f"{query.shape}, {key.shape} and {value.shape}"
        )
    check_arrays(function, optional={"attn_mask": attn_mask})
    if is_causal and attn_mask is not None:
        raise RuntimeError(f"{function}(): attn_mask must be None with is_causal=True, but has shape {attn_mask.shape}")
    if attn_mask is not None and attn_mask.dtype != bool and attn_mask.dtype != query.dtype:
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
    keys, values = key, value
    if enable_gqa:
        shared = group_size(function, query, key), group_size(function, query, value)
        keys, values = np.repeat(key, shared[0], axis=-3), np.repeat(value, shared[1], axis=-3)
    try:
        batch = np.broadcast_shapes(query.shape[:-2], keys.shape[:-2], values.shape[:-2])
        scores = (*batch, query.shape[-2], key.shape[-2])
        fits = attn_mask is None or np.broadcast_shapes(attn_mask.shape, scores) == scores
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"{function}(): query {query.shape}, key {key.shape}, value {value.shape} and attn_mask "
            f"{None if attn_mask is None else attn_mask.shape} do not broadcast to one batch of scores"
        )
    mask: Array | None
    if is_causal:
        mask = causal_mask(query, scores[-2:])
    elif attn_mask is not None and attn_mask.dtype == bool:
        mask = hidden(query, ~attn_mask)
    else:
        mask = attn_mask
    (y, _), attend_backward = attend(
        query,
        keys,
        values,
        mask,
        scale=1 / math.sqrt(query.shape[-1]) if scale is None else scale,
        dropout_p=dropout_p,
        rng=rng,
    )

    def backward(dy: Array) -> tuple[Array, Array, Array, Array | None]:
        dquery, dkeys, dvalues, ds = attend_backward(dy)
        dattn_mask = sum_to(ds, attn_mask.shape) if attn_mask is not None and attn_mask.dtype != bool else None
        if enable_gqa:
            dkeys, dvalues = sum_groups(dkeys, shared[0]), sum_groups(dvalues, shared[1])
        return sum_to(dquery, query.shape), sum_to(dkeys, key.shape), sum_to(dvalues, value.shape), dattn_mask

    return y, backward


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


def multi_head_attention(
    query: Array,
    key: Array,
    value: Array,
    key_padding_mask: Array | None,
    attn_mask: Array | None,
    in_proj_weight: Array | None,
    q_proj_weight: Array | None,
    k_proj_weight: Array | None,
    v_proj_weight: Array | None,
    in_proj_bias: Array | None,
    bias_k: Array | None,
    bias_v: Array | None,
    out_proj_weight: Array,
    out_proj_bias: Array | None,
    *,
    num_heads: int,
    add_zero_attn: bool = False,
    dropout_p: float = 0.0,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    batch_first: bool = False,
    rng: Source | None = None,
) -> tuple[tuple[Array, Array | None], Backward]:
    """Project to `num_heads` smaller queries, keys and values, let each head attend, join them, project again.

        q = query W_q^T + b_q   k = key W_k^T + b_k   v = value W_v^T + b_v     (E features, E / num_heads a head)
        head = softmax(q_head k_head^T / sqrt(E / num_heads) + masks) v_head
        y = heads W_o^T + b_o

    Shapes: query (L, N, E), key (S, N, kdim), value (S, N, vdim), y (L, N, E); with `batch_first` N comes first;
    unbatched without N. W_q, W_k, W_v are the rows of in_proj_weight (3 E, E), or the three *_proj_weight; b_q, b_k,
    b_v those of in_proj_bias (3 E). `bias_k`, `bias_v` (1, 1, E) are one more key and value for every sequence;
    `add_zero_attn` adds a pair of zeros. A mask is boolean (True: this key is hidden) or is added to the scores:
    key_padding_mask (N, S), attn_mask (L, S) or (N num_heads, L, S). Weights (N, L, S), the mean over the heads, or
    (N, num_heads, L, S); None without `need_weights`.

    Backward, the chain rule through `linear`, `attend` and `linear`; what was put together is taken apart: the bias_k
    that every sequence has got is summed over them. `backward((dy, dweights))`, either may be None, returns a gradient
    for each of the arrays; those of query, key and value are three, also where the three are one array.
    Errors: AssertionError and RuntimeError, where torch raises them. Equals
    `torch.nn.functional.multi_head_attention_forward`. Vaswani et al. 2017.
    """
    function = "multi_head_attention"
    embed_dim = len(out_proj_weight)
    check_attention(function, query, key, value, key_padding_mask, attn_mask, num_heads)
    batched = query.ndim == 3

    def batch_major(x: Array) -> Array:  # (N, L, E), whatever the layout
        return x[None] if not batched else x if batch_first else x.swapaxes(0, 1)

    def layout(x: Array) -> Array:  # the inverse
        return x[0] if not batched else x if batch_first else x.swapaxes(0, 1)

    packed = in_proj_weight is not None
    if in_proj_weight is not None:
        w_q, w_k, w_v = np.split(in_proj_weight, 3)
    else:
        w_q, w_k, w_v = q_proj_weight, k_proj_weight, v_proj_weight  # type: ignore[assignment]
    b_q, b_k, b_v = (None, None, None) if in_proj_bias is None else np.split(in_proj_bias, 3)
    check_projections(function, batch_major(query), batch_major(key), batch_major(value), w_q, w_k, w_v, packed)
    q, q_backward = linear(batch_major(query), w_q, b_q)  # (N, L, E)
    k, k_backward = linear(batch_major(key), w_k, b_k)  # (N, S, E)
    v, v_backward = linear(batch_major(value), w_v, b_v)
    batch, targets, sources = len(q), q.shape[1], k.shape[1]
    mask = merged_masks(
        function, q, key_padding_mask, attn_mask, batch, num_heads, targets, sources, is_causal, need_weights
    )
    added = int(bias_k is not None) + int(add_zero_attn)
    if added:
        k, v = with_added_row(k, bias_k, add_zero_attn), with_added_row(v, bias_v, add_zero_attn)
        mask = None if mask is None else np.pad(mask, [(0, 0)] * 3 + [(0, added)])  # the added keys are seen by all

    def split_heads(x: Array) -> Array:  # (N, heads, L, E / heads)
        return x.reshape(batch, x.shape[1], num_heads, embed_dim // num_heads).swapaxes(1, 2)

    def join_heads(x: Array) -> Array:  # the inverse
        return x.swapaxes(1, 2).reshape(batch, x.shape[2], embed_dim)

    (heads, weights), attend_backward = attend(
        split_heads(q),
        split_heads(k),
        split_heads(v),
        mask,
        scale=1 / math.sqrt(embed_dim // num_heads),
        dropout_p=dropout_p,
        rng=rng,
        # torch draws for a 3-dimensional array where it returns the weights, and its softmax there has no exception
        draw_shape=(batch * num_heads, targets, sources + added) if need_weights else None,
        empty_rows_are_zero=not need_weights,
    )
    y, out_backward = linear(join_heads(heads), out_proj_weight, out_proj_bias)
    shown = None
    if need_weights:
        shown = weights.mean(axis=1) if average_attn_weights else weights
        shown = shown if batched else shown[0]

    def backward(doutput: tuple[Array | None, Array | None]) -> tuple[Array | None, ...]:
        dy, dshown = doutput
        dy = np.zeros_like(y) if dy is None else batch_major(dy)
        dheads, dout_proj_weight, dout_proj_bias = out_backward(dy)
        dweights = None
        if dshown is not None:
            dweights = dshown if batched else dshown[None]
            if average_attn_weights:
                dweights = np.broadcast_to(dweights[:, None] / num_heads, weights.shape)
        dq, dk, dv, ds = attend_backward(split_heads(dheads), dweights)
        dk, dv = join_heads(dk), join_heads(dv)
        dbias_k = None if bias_k is None else dk[:, sources : sources + 1].sum(axis=0, keepdims=True)
        dbias_v = None if bias_v is None else dv[:, sources : sources + 1].sum(axis=0, keepdims=True)
        dquery, dw_q, db_q = q_backward(join_heads(dq))
        dkey, dw_k, db_k = k_backward(dk[:, :sources])
        dvalue, dw_v, db_v = v_backward(dv[:, :sources])
        flagged = is_causal and key_padding_mask is None and not need_weights  # the flag has stood in for the mask
        added_mask = None if flagged else attn_mask
        dkey_padding_mask, dattn_mask = split_mask_gradient(ds[..., :sources], key_padding_mask, added_mask)
        return (
            layout(dquery),
            layout(dkey),
            layout(dvalue),
            dkey_padding_mask,
            dattn_mask,
            np.concatenate([dw_q, dw_k, dw_v]) if packed else None,
            None if packed else dw_q,
            None if packed else dw_k,
            None if packed else dw_v,
            None if in_proj_bias is None else np.concatenate([db_q, db_k, db_v]),
            dbias_k,
            dbias_v,
            dout_proj_weight,
            dout_proj_bias,
        )

    return (layout(y), shown), backward


def with_added_row(x: Array, bias: Array | None, zero: bool) -> Array:
    """x (N, S, E) with the row `bias` and a row of zeros behind every sequence."""
    rows = [x]
    if bias is not None:
        rows.append(np.broadcast_to(bias, (len(x), 1, x.shape[2])))
    if zero:
        rows.append(np.zeros_like(x, shape=(len(x), 1, x.shape[2]), order="C"))
    return np.concatenate(rows, axis=1)


def merged_masks(
    function: str,
    q: Array,
    key_padding_mask: Array | None,
    attn_mask: Array | None,
    batch: int,
    num_heads: int,
    targets: int,
    sources: int,
    is_causal: bool,
    need_weights: bool,
) -> Array | None:
    """What is added to the scores (N, num_heads, L, S): both masks, each broadcast where it does not vary."""

    def additive(mask: Array) -> Array:
        return hidden(q, mask) if mask.dtype == bool else mask

    if is_causal and attn_mask is None:
        raise RuntimeError(f"{function}(): Need attn_mask if specifying the is_causal hint (is_causal={is_causal})")
    if is_causal and key_padding_mask is None and not need_weights:
        return causal_mask(q, (targets, sources))[None, None]
    merged = None
    if attn_mask is not None:
        expected = (targets, sources) if attn_mask.ndim == 2 else (batch * num_heads, targets, sources)
        if attn_mask.shape != expected:
            raise RuntimeError(
                f"{function}(): The shape of the {attn_mask.ndim}D attn_mask is {attn_mask.shape}, "
                f"but should be {expected}"
            )
        merged = additive(attn_mask)
        merged = merged[None, None] if merged.ndim == 2 else merged.reshape(batch, num_heads, targets, sources)
    if key_padding_mask is not None:
        padding = key_padding_mask if key_padding_mask.ndim == 2 else key_padding_mask[None]
        if padding.shape != (batch, sources):
            raise AssertionError(
                f"{function}(): expected key_padding_mask of shape {(batch, sources)}, but got {padding.shape}"
            )
        padding = additive(padding)[:, None, None]
        merged = padding if merged is None else merged + padding
    return merged


def split_mask_gradient(
    ds: Array, key_padding_mask: Array | None, attn_mask: Array | None
) -> tuple[Array | None, Array | None]:
    """From ds (N, num_heads, L, S) the gradients of both masks: sums over where each does not vary."""
    dkey_padding_mask = dattn_mask = None
    if key_padding_mask is not None and key_padding_mask.dtype != bool:
        dkey_padding_mask = ds.sum(axis=(1, 2)).reshape(key_padding_mask.shape)
    if attn_mask is not None and attn_mask.dtype != bool:
        dattn_mask = (ds.sum(axis=(0, 1)) if attn_mask.ndim == 2 else ds).reshape(attn_mask.shape)
    return dkey_padding_mask, dattn_mask


def check_attention(
    function: str,
    query: Array,
    key: Array,
    value: Array,
    key_padding_mask: Array | None,
    attn_mask: Array | None,
    num_heads: int,
) -> None:
    """The dimensions and dtypes, with torch's exception types."""
    check_floating(function, query=query, key=key, value=value)
    if query.ndim not in (2, 3):
        raise AssertionError(f"{function}(): query should be unbatched 2D or batched 3D, but has shape {query.shape}")
    for name, x in (("key", key), ("value", value)):
        if x.ndim != query.ndim:
            raise AssertionError(f"{function}(): with query {query.shape} {name} must be {query.ndim}-D: {x.shape}")
    for name, mask, dimensions in (
        ("key_padding_mask", key_padding_mask, (query.ndim - 1,)),
        ("attn_mask", attn_mask, (2, 3)),
    ):
        if mask is None:
            continue
        if mask.dtype.kind not in "bfc":
            raise AssertionError(f"{function}(): only bool and floating types of {name} are supported: {mask.dtype}")
        if mask.ndim not in dimensions:
            raise AssertionError(
                f"{function}(): with query {query.shape} {name} must have {' or '.join(map(str, dimensions))} "
                f"dimensions, but has shape {mask.shape}"
            )
        if mask.dtype != bool and mask.dtype != query.dtype:
            raise RuntimeError(f"{function}(): {name} has dtype {mask.dtype}, but query {query.dtype}")
    if attn_mask is not None and query.ndim == 2 and attn_mask.ndim == 3:
        expected = (num_heads, len(query), len(key))
        if attn_mask.shape != expected:
            raise AssertionError(f"{function}(): attn_mask must have shape {expected}, but has {attn_mask.shape}")


def check_projections(
    function: str, query: Array, key: Array, value: Array, w_q: Array, w_k: Array, w_v: Array, packed: bool
) -> None:
    """That the features fit the weights, and that key and value fit together; the arrays are (N, L, features)."""
    if packed and key.shape != value.shape:
        raise AssertionError(f"{function}(): key has shape {key.shape}, but value {value.shape}")
    for name, x, weight in (("query", query, w_q), ("key", key, w_k), ("value", value, w_v)):
        if x.shape[2] != weight.shape[1]:
            error = AssertionError if name == "query" or not packed else RuntimeError  # as torch
            raise error(f"{function}(): {name} should have {weight.shape[1]} features, but has {x.shape[2]}")
    if key.shape[:2] != value.shape[:2]:
        raise AssertionError(f"{function}(): key has (N, S) {key.shape[:2]}, but value {value.shape[:2]}")
    if len(query) != len(key):
        raise RuntimeError(f"{function}(): query has a batch of {len(query)}, but key one of {len(key)}")


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear under the name by which torch shows the projection behind the heads."""


class MultiheadAttention(Module):
    """`multi_head_attention` as a module: returns y and the weights (None without `need_weights`).

    Weights are drawn by `xavier_uniform_`, biases are 0. `rng` is the source of the dropout of the weights.
    Errors: ValueError for sizes below 1, AssertionError if num_heads does not divide embed_dim.
    Equals `torch.nn.MultiheadAttention`.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_device(device)
        check_integers("MultiheadAttention", embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"MultiheadAttention: embed_dim and num_heads must be greater than 0, got {embed_dim=}, {num_heads=}"
            )
        if embed_dim % num_heads:
            raise AssertionError(
                f"MultiheadAttention: embed_dim must be divisible by num_heads, got {embed_dim=}, {num_heads=}"
            )
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.rng: Source | None = None

        def parameter(*shape: int) -> Parameter:
            return Parameter(np.empty(shape, dtype or np.float32))

        packed = self._qkv_same_embed_dim
        self.in_proj_weight = parameter(3 * embed_dim, embed_dim) if packed else None
        self.q_proj_weight = None if packed else parameter(embed_dim, embed_dim)
        self.k_proj_weight = None if packed else parameter(embed_dim, self.kdim)
        self.v_proj_weight = None if packed else parameter(embed_dim, self.vdim)
        self.in_proj_bias = parameter(3 * embed_dim) if bias else None
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, dtype=dtype)
        self.bias_k = parameter(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = parameter(1, 1, embed_dim) if add_bias_kv else None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight.data)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias.data)
        for row in (self.bias_k, self.bias_v):
            if row is not None:
                init.normal_(row.data, std=1 / math.sqrt(self.embed_dim))  # what xavier_normal_ is for this shape

    def forward(
        self,
        query: Array,
        key: Array,
        value: Array,
        key_padding_mask: Array | None = None,
        need_weights: bool = True,
        attn_mask: Array | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[tuple[Array, Array | None], Backward]:
        check_probability("MultiheadAttention", self.dropout)
        return bind(
            multi_head_attention,
            query,
            key,
            value,
            key_padding_mask,
            attn_mask,
            self.in_proj_weight,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.out_proj.weight,
            self.out_proj.bias,
            num_heads=self.num_heads,
            add_zero_attn=self.add_zero_attn,
            dropout_p=self.dropout if self.training else 0.0,
            need_weights=need_weights,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            batch_first=self.batch_first,
            rng=self.rng,
        )
