"""Transformer: layers of attention and a small network, each around a residual connection, for sequences."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import init
from torchref.nn.attention import causal_mask
from torchref.nn.container import ModuleList
from torchref.nn.dropout import Dropout
from torchref.nn.errors import check_arrays, check_device, check_sizes
from torchref.nn.functional import gelu, relu
from torchref.nn.gelu import GELU
from torchref.nn.linear import Linear
from torchref.nn.module import Array, Backward, Module, is_floating
from torchref.nn.multi_head_attention import MultiheadAttention
from torchref.nn.normalization import LayerNorm
from torchref.nn.rectifier import ReLU

Activation = str | Callable[[Array], tuple[Array, Backward]]

# --- the parts ----------------------------------------------------------------------------------------------------


def residual(x: Array, block: Callable[..., Any], norm: Module, norm_first: bool) -> tuple[Array, Backward]:
    """`norm_first`: y = x + block(norm(x)), else y = norm(x + block(x)).

    Backward, by the chain rule: x reaches y straight and through the block, so its gradient is the sum of two.
        norm_first:  dx = dy + dnorm(dblock(dy))
        else:        ds = dnorm(dy)  (of the sum),  dx = ds + dblock(ds)
    `backward(dy)` returns dx and what the block's backward gives beyond its first gradient. He et al. 2015.
    """
    if norm_first:
        a, norm_backward = norm(x)
        b, block_backward = block(a)
        y = x + b
    else:
        b, block_backward = block(x)
        y, norm_backward = norm(x + b)

    def backward(dy: Array) -> tuple[Any, ...]:
        if norm_first:
            da, *others = block_backward(dy)
            return dy + norm_backward(da), *others
        dsum = norm_backward(dy)
        dx, *others = block_backward(dsum)
        return dsum + dx, *others

    return y, backward


def self_attention(
    attention: MultiheadAttention,
    dropout: Module,
    x: Array,
    mask: Array | None,
    key_padding_mask: Array | None,
    is_causal: bool,
) -> tuple[Array, Backward]:
    """y = dropout(attention(x, x, x)). `backward(dy)` returns dx, the sum over x's three roles, dmask, dpadding."""
    (a, _), attention_backward = attention(
        x, x, x, key_padding_mask, need_weights=False, attn_mask=mask, is_causal=is_causal
    )
    y, dropout_backward = dropout(a)

    def backward(dy: Array) -> tuple[Array, Array | None, Array | None]:
        dquery, dkey, dvalue, *dmasks = attention_backward((dropout_backward(dy), None))
        dkey_padding_mask, dmask = placed(dmasks, (key_padding_mask, mask))
        return dquery + dkey + dvalue, dmask, dkey_padding_mask

    return y, backward


def cross_attention(
    attention: MultiheadAttention,
    dropout: Module,
    x: Array,
    memory: Array,
    mask: Array | None,
    key_padding_mask: Array | None,
    is_causal: bool,
) -> tuple[Array, Backward]:
    """y = dropout(attention(x, memory, memory)). `backward(dy)` returns dx, dmemory, dmask, dpadding."""
    (a, _), attention_backward = attention(
        x, memory, memory, key_padding_mask, need_weights=False, attn_mask=mask, is_causal=is_causal
    )
    y, dropout_backward = dropout(a)

    def backward(dy: Array) -> tuple[Array, Array, Array | None, Array | None]:
        dquery, dkey, dvalue, *dmasks = attention_backward((dropout_backward(dy), None))
        dkey_padding_mask, dmask = placed(dmasks, (key_padding_mask, mask))
        return dquery, dkey + dvalue, dmask, dkey_padding_mask

    return y, backward


def feed_forward(
    linear1: Module,
    activation: Callable[[Array], tuple[Array, Backward]],
    dropout: Module,
    linear2: Module,
    last_dropout: Module,
    x: Array,
) -> tuple[Array, Backward]:
    """y = last_dropout(linear2(dropout(activation(linear1(x))))). `backward(dy)` returns (dx,)."""
    backwards = []
    y = x
    for step in (linear1, activation, dropout, linear2, last_dropout):
        y, step_backward = step(y)
        backwards.append(step_backward)

    def backward(dy: Array) -> tuple[Array]:
        for step_backward in reversed(backwards):
            dy = step_backward(dy)
        return (dy,)

    return y, backward


def placed(gradients: Any, inputs: Iterable[Any]) -> list[Array | None]:
    """For each input its gradient, where `gradients` has those of the floating-point inputs alone, in call order."""
    found = iter(gradients if isinstance(gradients, tuple | list) else (gradients,))
    return [next(found) if is_floating(x) else None for x in inputs]


def in_call_order(gradients: Iterable[Any], inputs: Iterable[Any]) -> Any:
    """The inverse of `placed`, as every backward returns it: the array itself if there is one, else a tuple."""
    kept = tuple(gradient for gradient, x in zip(gradients, inputs, strict=True) if is_floating(x))
    return kept[0] if len(kept) == 1 else kept


def plus(a: Array | None, b: Array | None) -> Array | None:
    """The sum of two gradients of one array, of which either may be absent."""
    return b if a is None else a if b is None else a + b


def activation_function(activation: Activation) -> Callable[[Array], tuple[Array, Backward]]:
    """The function of this name. RuntimeError for another name than "relu" and "gelu"."""
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation!r}")
    return relu if activation == "relu" else gelu


def generate_square_subsequent_mask(sz: int, device: None = None, dtype: DTypeLike | None = None) -> Array:
    """(sz, sz), 0 and above the diagonal -inf: added to the scores, it lets each position see those up to its own."""
    check_device(device)
    return causal_mask(np.empty(0, dtype or np.float32), (sz, sz))


def is_causal_mask(mask: Array | None, is_causal: bool | None, x: Array, layers: ModuleList) -> bool:
    """`is_causal`, or if it is None whether `mask` is x's causal one, which attention then builds for itself."""
    if is_causal is not None or mask is None or len(layers) == 0 or x.ndim not in (2, 3):
        return bool(is_causal)
    length = x.shape[1 if x.ndim == 3 and layers[0].self_attn.batch_first else 0]
    if mask.shape != (length, length) or mask.dtype.kind not in "bfc":
        return False
    causal = causal_mask(mask.astype(np.float32) if mask.dtype == bool else mask, mask.shape)
    return np.array_equal(mask, causal != 0 if mask.dtype == bool else causal)


# --- the layers ---------------------------------------------------------------------------------------------------


class TransformerEncoderLayer(Module):
    """Self-attention, then a network of two Linears at each position, each in a `residual`.

    `activation` is "relu", "gelu" or a function or module from an array to its output and backward. With `bias=False`
    neither Linears nor norms have one. `is_causal` says that src_mask is the causal mask. Masks are as in attention.
    `backward(dy)` returns dsrc and the gradients of the masks that are floating point. Equals
    `torch.nn.TransformerEncoderLayer`. Vaswani et al. 2017; norm_first: Xiong et al. 2020.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_device(device)
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = activation_function(activation)
        kinds = ((relu, ReLU), (gelu, GELU))
        self.activation_relu_or_gelu = 0
        for kind, (function, module) in enumerate(kinds, start=1):
            if self.activation is function or isinstance(self.activation, module):
                self.activation_relu_or_gelu = kind

    def forward(
        self,
        src: Array,
        src_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool = False,
    ) -> tuple[Array, Backward]:
        def attention(x: Array) -> tuple[Array, Backward]:
            return self_attention(self.self_attn, self.dropout1, x, src_mask, src_key_padding_mask, is_causal)

        def network(x: Array) -> tuple[Array, Backward]:
            return feed_forward(self.linear1, self.activation, self.dropout, self.linear2, self.dropout2, x)

        h, attention_backward = residual(src, attention, self.norm1, self.norm_first)
        y, network_backward = residual(h, network, self.norm2, self.norm_first)

        def backward(dy: Array) -> Any:
            (dh,) = network_backward(dy)
            gradients = attention_backward(dh)  # dsrc and those of the masks
            return in_call_order(gradients, (src, src_mask, src_key_padding_mask))

        return y, backward


class TransformerDecoderLayer(Module):
    """Self-attention, attention to `memory` (the encoder's output), then the network, each in a `residual`.

    Arguments as in `TransformerEncoderLayer`. `backward(dy)` returns dtgt, dmemory and the gradients of the masks that
    are floating point. Equals `torch.nn.TransformerDecoderLayer`. Vaswani et al. 2017.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_device(device)
        attention = {"dropout": dropout, "batch_first": batch_first, "bias": bias, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, **attention)  # type: ignore[arg-type]
        self.multihead_attn = MultiheadAttention(d_model, nhead, **attention)  # type: ignore[arg-type]
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = activation_function(activation)

    def forward(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> tuple[Array, Backward]:
        def attention(x: Array) -> tuple[Array, Backward]:
            return self_attention(self.self_attn, self.dropout1, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def recall(x: Array) -> tuple[Array, Backward]:
            return cross_attention(
                self.multihead_attn,
                self.dropout2,
                x,
                memory,
                memory_mask,
                memory_key_padding_mask,
                memory_is_causal,
            )

        def network(x: Array) -> tuple[Array, Backward]:
            return feed_forward(self.linear1, self.activation, self.dropout, self.linear2, self.dropout3, x)

        h1, attention_backward = residual(tgt, attention, self.norm1, self.norm_first)
        h2, recall_backward = residual(h1, recall, self.norm2, self.norm_first)
        y, network_backward = residual(h2, network, self.norm3, self.norm_first)

        def backward(dy: Array) -> Any:
            (dh2,) = network_backward(dy)
            dh1, dmemory, dmemory_mask, dmemory_padding = recall_backward(dh2)
            dtgt, dtgt_mask, dtgt_padding = attention_backward(dh1)
            return in_call_order(
                (dtgt, dmemory, dtgt_mask, dmemory_mask, dtgt_padding, dmemory_padding),
                (tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask),
            )

        return y, backward


class TransformerEncoder(Module):
    """`num_layers` copies of a layer one after the other, then `norm`. Equals `torch.nn.TransformerEncoder`.

    `is_causal=None` finds out by itself whether `mask` is the causal one. `enable_nested_tensor` and `mask_check` are
    accepted and change nothing: they choose a faster way in torch, which also sets the output at padding to 0.
    Backward, the chain rule: the layers in reverse; a mask serves all of them, so its gradient is their sum.
    """

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        check_sizes("TransformerEncoder", num_layers=num_layers)
        self.layers = ModuleList(copy.deepcopy(encoder_layer) for _ in range(num_layers))
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: Array,
        mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool | None = None,
    ) -> tuple[Array, Backward]:
        inputs = (src, mask, src_key_padding_mask)
        causal = is_causal_mask(mask, is_causal, src, self.layers)
        y, backwards = src, []
        for layer in self.layers:
            y, layer_backward = layer(y, mask, src_key_padding_mask, causal)
            backwards.append(layer_backward)
        if self.norm is not None:
            y, norm_backward = self.norm(y)

        def backward(dy: Array) -> Any:
            dx: Array | None = dy if self.norm is None else norm_backward(dy)
            dmask = dpadding = None
            for layer_backward in reversed(backwards):
                dx, dmask_k, dpadding_k = placed(layer_backward(dx), inputs)
                dmask, dpadding = plus(dmask, dmask_k), plus(dpadding, dpadding_k)
            return in_call_order((dx, dmask, dpadding), inputs)

        return y, backward


class TransformerDecoder(Module):
    """`num_layers` copies of a layer one after the other, then `norm`. Equals `torch.nn.TransformerDecoder`.

    `tgt_is_causal=None` finds out by itself whether `tgt_mask` is the causal one.
    Backward, the chain rule: the layers in reverse; memory and masks serve all of them, so their gradients are sums.
    """

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None) -> None:
        check_sizes("TransformerDecoder", num_layers=num_layers)
        self.layers = ModuleList(copy.deepcopy(decoder_layer) for _ in range(num_layers))
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> tuple[Array, Backward]:
        shared = (memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        causal = is_causal_mask(tgt_mask, tgt_is_causal, tgt, self.layers)
        y, backwards = tgt, []
        for layer in self.layers:
            y, layer_backward = layer(y, *shared, causal, memory_is_causal)
            backwards.append(layer_backward)
        if self.norm is not None:
            y, norm_backward = self.norm(y)

        def backward(dy: Array) -> Any:
            dx: Array | None = dy if self.norm is None else norm_backward(dy)
            dshared: list[Array | None] = [None] * len(shared)
            for layer_backward in reversed(backwards):
                dx, *gradients = placed(layer_backward(dx), (tgt, *shared))
                dshared = [plus(a, b) for a, b in zip(dshared, gradients, strict=True)]
            return in_call_order((dx, *dshared), (tgt, *shared))

        return y, backward


class Transformer(Module):
    """An encoder reads `src` into memory, a decoder turns `tgt` and the memory into the output.

    `custom_encoder` and `custom_decoder` take the place of the built ones. Weights of two or more dimensions are drawn
    by `xavier_uniform_`. `backward(dy)` returns dsrc, dtgt and the gradients of the masks that are floating point.
    Errors: RuntimeError if src and tgt differ in batch, or their features are not d_model.
    Equals `torch.nn.Transformer`. Vaswani et al. 2017.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = relu,
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_device(device)
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            encoder_layer = TransformerEncoderLayer(*layer, dtype=dtype)
            encoder_norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
            self.encoder = TransformerEncoder(encoder_layer, num_encoder_layers, encoder_norm)
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            decoder_layer = TransformerDecoderLayer(*layer, dtype=dtype)
            decoder_norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
            self.decoder = TransformerDecoder(decoder_layer, num_decoder_layers, decoder_norm)
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    generate_square_subsequent_mask = staticmethod(generate_square_subsequent_mask)

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter.data)

    def forward(
        self,
        src: Array,
        tgt: Array,
        src_mask: Array | None = None,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> tuple[Array, Backward]:
        check_arrays("Transformer", src=src, tgt=tgt)
        batch_dim = 0 if self.batch_first else 1
        if src.ndim == 3 and tgt.ndim > 1 and src.shape[batch_dim] != tgt.shape[batch_dim]:
            raise RuntimeError(f"Transformer: the batches of src {src.shape} and tgt {tgt.shape} must be equal")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                f"Transformer: src {src.shape} and tgt {tgt.shape} must have d_model = {self.d_model} features"
            )
        padding_masks = (src_key_padding_mask, tgt_key_padding_mask, memory_key_padding_mask)
        encoder_inputs = (src, src_mask, src_key_padding_mask)
        memory, encoder_backward = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        decoder_inputs = (tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        y, decoder_backward = self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

        def backward(dy: Array) -> Any:
            dtgt, dmemory, dtgt_mask, dmemory_mask, dtgt_padding, dmemory_padding = placed(
                decoder_backward(dy), decoder_inputs
            )
            dsrc, dsrc_mask, dsrc_padding = placed(encoder_backward(dmemory), encoder_inputs)
            return in_call_order(
                (dsrc, dtgt, dsrc_mask, dtgt_mask, dmemory_mask, dsrc_padding, dtgt_padding, dmemory_padding),
                (src, tgt, src_mask, tgt_mask, memory_mask, *padding_masks),
            )

        return y, backward
