"""Multi-head attention: several attentions side by side, each on its own projection of the features."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import init
from torchref.nn.any_array import takes_any_array
from torchref.nn.attention import attend, causal_mask, hidden, is_added
from torchref.nn.dropout import check_probability
from torchref.nn.errors import check_device, check_floating, check_integers
from torchref.nn.linear import Linear, linear
from torchref.nn.module import Array, Backward, Module, Parameter, bind
from torchref.nn.random import Source


@takes_any_array
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
    static_k: Array | None,
    static_v: Array | None,
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
    `add_zero_attn` adds a pair of zeros. `static_k`, `static_v` (N num_heads, S, E / num_heads) stand in for k and v,
    and key and value then get a gradient of 0. A mask is boolean (True: this key is hidden) or is added to the scores:
    key_padding_mask (N, S), attn_mask (L, S) or (N num_heads, L, S). Weights (N, L, S), the mean over the heads, or
    (N, num_heads, L, S); None without `need_weights`.

    Backward, the chain rule through `linear`, `attend` and `linear`; what was put together is taken apart: the bias_k
    that every sequence has got is summed over them. `backward((dy, dweights))`, either may be None, returns a gradient
    for each of the arrays; those of query, key and value are three, also where the three are one array.
    Errors: AssertionError and RuntimeError, where torch raises them. Equals
    `torch.nn.functional.multi_head_attention_forward`. Vaswani et al. 2017.
    """
    function = "multi_head_attention"
    check_weights(function, in_proj_weight, in_proj_bias, bias_k, bias_v, out_proj_weight, num_heads)
    embed_dim = len(out_proj_weight)
    check_attention(function, query, key, value, key_padding_mask, attn_mask, num_heads)
    batched = query.ndim == 3

    def batch_major(x: Array) -> Array:  # (N, L, E), whatever the layout
        return x[None] if not batched else x if batch_first else x.swapaxes(0, 1)

    def layout(x: Array) -> Array:  # the inverse
        return x[0] if not batched else x if batch_first else x.swapaxes(0, 1)

    packed = in_proj_weight is not None
    separate = q_proj_weight, k_proj_weight, v_proj_weight
    w_q, w_k, w_v = separate if in_proj_weight is None else np.split(in_proj_weight, 3)
    inputs = batch_major(query), batch_major(key), batch_major(value)
    check_projections(function, *inputs, w_q, w_k, w_v, packed)  # type: ignore[arg-type]
    check_static(function, len(inputs[0]), num_heads, embed_dim, static_k, static_v, bias_k, bias_v)
    (q, k, v), project_backward = project(inputs, (w_q, w_k, w_v), in_proj_bias)  # type: ignore[arg-type]
    # (N, heads, S', E / heads)
    k_heads, k_heads_backward = rows_of_heads(k, static_k, bias_k, add_zero_attn, num_heads)
    v_heads, v_heads_backward = rows_of_heads(v, static_v, bias_v, add_zero_attn, num_heads)
    batch, targets, added = len(q), q.shape[1], int(bias_k is not None) + int(add_zero_attn)
    sources = k_heads.shape[2] - added
    mask = merged_masks(
        function, q, key_padding_mask, attn_mask, batch, num_heads, targets, sources, is_causal, need_weights
    )
    if mask is not None:
        mask = np.pad(mask, [(0, 0)] * 3 + [(0, added)])  # the added keys are seen by all

    (heads, weights), attend_backward = attend(
        split_heads(q, num_heads),
        k_heads,
        v_heads,
        mask,
        scale=1 / math.sqrt(embed_dim // num_heads),
        dropout_p=dropout_p,
        rng=rng,
        # torch draws for a 3-dimensional array where it returns the weights, and its softmax there has no exception
        draw_shape=(batch * num_heads, targets, sources + added) if need_weights else None,
        empty_rows_are_zero=not need_weights,
        pairs=need_weights or is_added(attn_mask) or is_added(key_padding_mask),
    )
    y, out_backward = linear(join_heads(heads), out_proj_weight, out_proj_bias)
    shown = None
    if weights is not None and need_weights:
        shown, shown_backward = shown_weights(weights, average_attn_weights, batched)

    def backward(doutput: tuple[Array | None, Array | None]) -> tuple[Array | None, ...]:
        dy, dshown = doutput
        dy = np.zeros_like(y) if dy is None else batch_major(dy)
        dheads, dout_proj_weight, dout_proj_bias = out_backward(dy)
        dweights = None if dshown is None else shown_backward(dshown)
        dq_heads, dk_heads, dv_heads, ds = attend_backward(split_heads(dheads, num_heads), dweights)
        dk, dstatic_k, dbias_k = k_heads_backward(dk_heads)
        dv, dstatic_v, dbias_v = v_heads_backward(dv_heads)
        dinputs, dw, din_proj_bias = project_backward(join_heads(dq_heads), dk, dv)
        # the flag has stood in for the mask, where it could
        added_mask = None if is_causal and key_padding_mask is None and not need_weights else attn_mask
        dmask = None if ds is None else ds[..., :sources]
        dkey_padding_mask, dattn_mask = split_mask_gradient(dmask, key_padding_mask, added_mask)
        return (
            *map(layout, dinputs),
            dkey_padding_mask,
            dattn_mask,
            *((np.concatenate(dw), None, None, None) if packed else (None, *dw)),
            din_proj_bias,
            dbias_k,
            dbias_v,
            dout_proj_weight,
            dout_proj_bias,
            dstatic_k,
            dstatic_v,
        )

    return (layout(y), shown), backward


@takes_any_array
def multi_head_attention_forward(
    query: Array,
    key: Array,
    value: Array,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Array | None,
    in_proj_bias: Array | None,
    bias_k: Array | None,
    bias_v: Array | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Array,
    out_proj_bias: Array | None,
    training: bool = True,
    key_padding_mask: Array | None = None,
    need_weights: bool = True,
    attn_mask: Array | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Array | None = None,
    k_proj_weight: Array | None = None,
    v_proj_weight: Array | None = None,
    static_k: Array | None = None,
    static_v: Array | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    rng: Source | None = None,
) -> tuple[tuple[Array, Array | None], Backward]:
    """`multi_head_attention` as torch's function takes it: its formula, shapes and derivation stand there.

    `use_separate_proj_weight` says which weights count: q_proj_weight, k_proj_weight and v_proj_weight, or
    in_proj_weight; the gradient of the others is None. `dropout_p` counts only with `training`.

    `backward((dy, dweights))` returns the gradients of query, key, value, in_proj_weight, in_proj_bias, bias_k, bias_v,
    out_proj_weight, out_proj_bias, key_padding_mask, attn_mask, q_proj_weight, k_proj_weight, v_proj_weight, static_k
    and static_v: the arrays in the order of the arguments.
    Errors: AssertionError for an `embed_dim_to_check` that is not query's, for weights that are not there, for bias_k
    without bias_v or with static_k. Equals `torch.nn.functional.multi_head_attention_forward`.
    """
    function = "multi_head_attention_forward"
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    check_given(function, query, embed_dim_to_check, num_heads, use_separate_proj_weight, in_proj_weight, separate)
    if (bias_k is None) != (bias_v is None):
        raise AssertionError(f"{function}(): bias_k and bias_v must be given together")
    output, attention_backward = multi_head_attention(
        query,
        key,
        value,
        key_padding_mask,
        attn_mask,
        None if use_separate_proj_weight else in_proj_weight,
        *(separate if use_separate_proj_weight else (None, None, None)),
        in_proj_bias,
        bias_k,
        bias_v,
        out_proj_weight,
        out_proj_bias,
        static_k,
        static_v,
        num_heads=num_heads,
        add_zero_attn=add_zero_attn,
        dropout_p=dropout_p if training else 0.0,
        need_weights=need_weights,
        average_attn_weights=average_attn_weights,
        is_causal=is_causal,
        rng=rng,
    )

    def backward(doutput: tuple[Array | None, Array | None]) -> tuple[Array | None, ...]:
        dquery, dkey, dvalue, dpadding, dmask, dw, dw_q, dw_k, dw_v, db, *rest = attention_backward(doutput)
        dbias_k, dbias_v, dout_weight, dout_bias, dstatic_k, dstatic_v = rest
        projections = dquery, dkey, dvalue, dw, db, dbias_k, dbias_v, dout_weight, dout_bias
        return *projections, dpadding, dmask, dw_q, dw_k, dw_v, dstatic_k, dstatic_v

    return output, backward


def project(
    inputs: tuple[Array, ...], weights: tuple[Array, ...], in_proj_bias: Array | None
) -> tuple[tuple[Array, ...], Backward]:
    """q, k and v: each input (N, L, features) times its weight (E, features), with its third of the bias (3 E).

    `backward(dq, dk, dv)` returns the gradients of the three inputs, of the three weights, and of the bias.
    """
    biases = (None, None, None) if in_proj_bias is None else np.split(in_proj_bias, 3)
    pairs = [linear(x, weight, bias) for x, weight, bias in zip(inputs, weights, biases, strict=True)]
    outputs = tuple(output for output, _ in pairs)  # (N, L, E)

    def backward(*doutputs: Array) -> tuple[list[Array], list[Array], Array | None]:
        gradients = [linear_backward(d) for (_, linear_backward), d in zip(pairs, doutputs, strict=True)]
        dinputs, dweights, dbiases = ([g[i] for g in gradients] for i in range(3))
        return dinputs, dweights, None if in_proj_bias is None else np.concatenate(dbiases)

    return outputs, backward


def shown_weights(weights: Array, average: bool, batched: bool) -> tuple[Array, Backward]:
    """The weights (N, heads, L, S) as they are returned: `average` takes the mean over the heads, unbatched drops N."""
    mean = weights.mean(axis=1) if average else weights
    shown = mean if batched else mean[0]

    def backward(dshown: Array) -> Array:
        dmean = dshown if batched else dshown[None]
        return np.broadcast_to(dmean[:, None] / weights.shape[1], weights.shape) if average else dmean

    return shown, backward


def split_heads(x: Array, num_heads: int) -> Array:
    """(N, L, E) -> (N, heads, L, E / heads)."""
    return x.reshape(*x.shape[:2], num_heads, x.shape[2] // num_heads).swapaxes(1, 2)


def join_heads(x: Array) -> Array:
    """The inverse of `split_heads`."""
    return x.swapaxes(1, 2).reshape(len(x), x.shape[2], x.shape[1] * x.shape[3])


def rows_of_heads(
    x: Array, static: Array | None, bias: Array | None, zero: bool, num_heads: int
) -> tuple[Array, Backward]:
    """What the heads see as keys (or values): x (N, S, E) or `static` in its place, then `bias`, then a row of zeros.

    Shapes: static (N heads, S', E / heads), bias (1, 1, E), the result (N, heads, rows, E / heads).
    `backward` returns dx, dstatic and dbias: each row's gradient is its own, and the bias is in every sequence.
    """
    first = split_heads(x, num_heads)
    if static is not None:
        first = static.reshape(len(x), num_heads, *static.shape[1:])
    parts, rows = [first], first.shape[2]
    if bias is not None:
        parts.append(np.broadcast_to(split_heads(bias, num_heads), (*first.shape[:2], 1, first.shape[3])))
    if zero:
        parts.append(np.zeros_like(first, shape=(*first.shape[:2], 1, first.shape[3]), order="C"))
    y = first if len(parts) == 1 else np.concatenate(parts, axis=2)

    def backward(dy: Array) -> tuple[Array, Array | None, Array | None]:
        dfirst = dy[:, :, :rows]
        dx = join_heads(dfirst) if static is None else np.zeros_like(x, order="C")
        dstatic = None if static is None else dfirst.reshape(static.shape)
        dbias = None if bias is None else join_heads(dy[:, :, rows : rows + 1]).sum(axis=0, keepdims=True)
        return dx, dstatic, dbias

    return y, backward


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

    if key_padding_mask is not None and attn_mask is not None and key_padding_mask.dtype != attn_mask.dtype:
        warnings.warn(
            f"{function}: key_padding_mask is {key_padding_mask.dtype} and attn_mask {attn_mask.dtype}: to mix them is "
            "deprecated, use the same type for both",
            stacklevel=5,
        )
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
    ds: Array | None, key_padding_mask: Array | None, attn_mask: Array | None
) -> tuple[Array | None, Array | None]:
    """From ds (N, num_heads, L, S) the gradients of both masks: sums over where each does not vary."""
    dkey_padding_mask = dattn_mask = None
    if ds is None:  # both hide
        return None, None
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
    check_mask(function, query, "key_padding_mask", key_padding_mask, (query.ndim - 1,))
    check_mask(function, query, "attn_mask", attn_mask, (2, 3))
    if attn_mask is not None and query.ndim == 2 and attn_mask.ndim == 3:
        expected = (num_heads, len(query), len(key))
        if attn_mask.shape != expected:
            raise AssertionError(f"{function}(): attn_mask must have shape {expected}, but has {attn_mask.shape}")


def check_mask(function: str, query: Array, name: str, mask: Array | None, dimensions: tuple[int, ...]) -> None:
    """The dtype of a mask, and how many dimensions it may have."""
    if mask is None:
        return
    if mask.dtype.kind not in "bfc":
        raise AssertionError(f"{function}(): only bool and floating types of {name} are supported: {mask.dtype}")
    if mask.ndim not in dimensions:
        raise AssertionError(
            f"{function}(): with query {query.shape} {name} must have {' or '.join(map(str, dimensions))} "
            f"dimensions, but has shape {mask.shape}"
        )
    if mask.dtype not in (bool, query.dtype):
        raise RuntimeError(f"{function}(): {name} has dtype {mask.dtype}, but query {query.dtype}")


def check_weights(
    function: str,
    in_proj_weight: Array | None,
    in_proj_bias: Array | None,
    bias_k: Array | None,
    bias_v: Array | None,
    out_proj_weight: Array | None,
    num_heads: int,
) -> None:
    """What must hold before a weight can be split, or heads made of its rows."""
    if num_heads < 1:
        raise RuntimeError(f"{function}(): num_heads must be positive, but is {num_heads}")
    if out_proj_weight is None:
        raise TypeError(f"{function}(): out_proj_weight must be an array, not None")
    if out_proj_weight.ndim != 2:
        raise RuntimeError(f"{function}(): out_proj_weight must be 2-D, but has shape {out_proj_weight.shape}")
    for name, packed in (("in_proj_weight", in_proj_weight), ("in_proj_bias", in_proj_bias)):
        if packed is not None and (packed.ndim == 0 or len(packed) % 3):
            raise RuntimeError(f"{function}(): {name} must have three parts of equal length, not shape {packed.shape}")
    wanted = (1, 1, len(out_proj_weight))
    for name, bias in (("bias_k", bias_k), ("bias_v", bias_v)):
        if bias is not None and bias.shape != wanted:
            raise RuntimeError(f"{function}(): {name} must have shape {wanted}, but has {bias.shape}")


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


def check_static(
    function: str,
    batch: int,
    num_heads: int,
    embed_dim: int,
    static_k: Array | None,
    static_v: Array | None,
    bias_k: Array | None,
    bias_v: Array | None,
) -> None:
    """That what stands in for the projected key and value has the heads' shape, and no bias is to be added to it."""
    for name, static, bias in (("static_k", static_k, bias_k), ("static_v", static_v, bias_v)):
        if static is None:
            continue
        if bias is not None:
            raise AssertionError(f"{function}(): a bias cannot be added to {name}")
        wanted = batch * num_heads, embed_dim // num_heads
        if static.ndim != 3 or static.shape[::2] != wanted:
            raise AssertionError(
                f"{function}(): {name} must have shape ({wanted[0]}, S, {wanted[1]}), but has {static.shape}"
            )


def check_given(
    function: str,
    query: Array,
    embed_dim: int,
    num_heads: int,
    use_separate_proj_weight: bool,
    in_proj_weight: Array | None,
    separate: tuple[Array | None, ...],
) -> None:
    """embed_dim_to_check must be that of the query, and the weights that the options ask for must be there."""
    check_floating(function, query=query)
    if query.ndim in (2, 3) and query.shape[-1] != embed_dim:
        raise AssertionError(f"{function}(): embed_dim_to_check is {embed_dim}, but query has shape {query.shape}")
    if embed_dim % num_heads:
        raise AssertionError(f"{function}(): num_heads={num_heads} does not divide {embed_dim} features")
    if use_separate_proj_weight and any(weight is None for weight in separate):
        raise AssertionError(f"{function}(): use_separate_proj_weight needs q_, k_ and v_proj_weight")
    if not use_separate_proj_weight and in_proj_weight is None:
        raise AssertionError(f"{function}(): in_proj_weight must be given unless use_separate_proj_weight is True")


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear under the name by which torch shows the projection behind the heads."""


class MultiheadAttention(Module):
    """`multi_head_attention` as a module: returns y and the weights (None without `need_weights`).

    The weights in front of the heads are drawn by `xavier_uniform_`, out_proj's as in `Linear`, bias_k and bias_v from
    a normal distribution; the other biases are 0. `rng` is the source of the dropout of the weights.
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
            None,
            None,
            num_heads=self.num_heads,
            add_zero_attn=self.add_zero_attn,
            dropout_p=self.dropout if self.training else 0.0,
            need_weights=need_weights,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            batch_first=self.batch_first,
            rng=self.rng,
        )
