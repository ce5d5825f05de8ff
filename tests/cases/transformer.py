"""The cases of transformers."""

import numpy as np

from tests.cases import Case, normal, strided
from tests.cases.attention import causal, seen

# L = 5 positions, S = 7 in memory, N = 3 sequences, 6 features in 2 heads, 11 hidden ones; no dropout unless named.
X, MEMORY, XB = normal(5, 3, 6), normal(7, 3, 6), normal(3, 5, 6)
LAYER = (6, 2, 11, 0.0)
KINK = {"smooth": False}  # the default activation is a ReLU


def encoder_layer(**kwargs):
    return lambda nn: nn.TransformerEncoderLayer(*LAYER, **{"activation": "gelu", **kwargs})


def decoder_layer(**kwargs):
    return lambda nn: nn.TransformerDecoderLayer(*LAYER, **{"activation": "gelu", **kwargs})


def layer_norm(nn):
    return nn.LayerNorm(6)


GELU = {"activation": "gelu"}
E, D = "TransformerEncoderLayer", "TransformerDecoderLayer"
CASES = [
    Case(E, LAYER, inputs=(X,), **KINK),
    Case(E, LAYER, {"activation": "relu"}, (X,), **KINK),
    Case(E, LAYER, GELU, (X,)),
    Case(E, LAYER, {"activation": lambda nn: nn.functional.gelu}, (X,), note="function"),
    Case(E, LAYER, {"activation": lambda nn: nn.Tanh()}, (X,), note="module"),
    Case(E, LAYER, {**GELU, "norm_first": True}, (X,)),
    Case(E, LAYER, {**GELU, "bias": False, "layer_norm_eps": 1e-2}, (X,)),
    Case(E, LAYER, {**GELU, "bias": False, "norm_first": True, "batch_first": True}, (XB,)),
    Case(E, LAYER, GELU, (normal(5, 6),), note="unbatched"),
    Case(E, LAYER, GELU, (strided(X),), note="strided"),
    Case(E, LAYER, GELU, (X,), {"src_mask": seen(5, 5), "src_key_padding_mask": seen(3, 5)}, note="bool"),
    Case(E, LAYER, GELU, (X,), {"src_mask": normal(6, 5, 5), "src_key_padding_mask": normal(3, 5)}, note="float"),
    Case(E, LAYER, GELU, (X,), {"src_key_padding_mask": normal(3, 5)}, note="float padding"),
    Case(E, LAYER, GELU, (X,), {"src_mask": causal(5), "is_causal": True}),
    Case(E, (6, 2, 11), GELU, (X,), note="default dropout"),
    Case(E, (6, 2, 11, 0.3), {**GELU, "norm_first": True}, (X,)),
    Case(E, (6, 2, 11, 0.3), {**GELU, "batch_first": True}, (XB,), training=False),
    Case(D, LAYER, inputs=(X, MEMORY), **KINK),
    Case(D, LAYER, GELU, (X, MEMORY)),
    Case(D, LAYER, {**GELU, "norm_first": True}, (X, MEMORY)),
    Case(D, LAYER, {**GELU, "bias": False, "batch_first": True, "layer_norm_eps": 1e-2}, (XB, normal(3, 7, 6))),
    Case(D, LAYER, GELU, (normal(5, 6), normal(7, 6)), note="unbatched"),
    Case(
        D,
        LAYER,
        GELU,
        (X, MEMORY),
        {
            "tgt_mask": normal(5, 5),
            "memory_mask": normal(5, 7),
            "tgt_key_padding_mask": normal(3, 5),
            "memory_key_padding_mask": normal(3, 7),
        },
        note="float",
    ),
    Case(
        D,
        LAYER,
        GELU,
        (X, MEMORY),
        {"tgt_mask": causal(5), "memory_key_padding_mask": seen(3, 7), "tgt_is_causal": True},
    ),
    Case(D, LAYER, GELU, (X, X), {"memory_mask": causal(5), "memory_is_causal": True}),
    Case(D, (6, 2, 11, 0.3), {"activation": lambda nn: nn.GELU()}, (X, MEMORY), note="module"),
    Case(D, (6, 2, 11, 0.3), GELU, (X, MEMORY), training=False),
    Case("TransformerEncoder", (encoder_layer(), 2), {"enable_nested_tensor": False}, (X,)),
    Case("TransformerEncoder", (encoder_layer(norm_first=True), 2, layer_norm, False, False), inputs=(X,)),
    # The mask is found to be causal and attention builds its own, so that the given one has no gradient.
    Case("TransformerEncoder", (encoder_layer(), 2, layer_norm), {}, (X,), {"mask": causal(5)}, constants=(1,)),
    Case(
        "TransformerEncoder",
        (encoder_layer(), 2),
        inputs=(X,),
        options={"mask": normal(5, 5), "src_key_padding_mask": normal(3, 5)},
        note="float",
    ),
    Case(
        "TransformerEncoder",
        (encoder_layer(), 2),
        inputs=(X,),
        options={"mask": lambda rng: np.triu(np.ones((5, 5), bool), 1), "is_causal": None},
        note="bool",
    ),
    Case("TransformerDecoder", (decoder_layer(), 2), inputs=(X, MEMORY)),
    Case(
        "TransformerDecoder", (decoder_layer(), 2, layer_norm), {}, (X, MEMORY), {"tgt_mask": causal(5)}, constants=(2,)
    ),
    Case(
        "TransformerDecoder",
        (decoder_layer(), 2),
        inputs=(X, MEMORY),
        options={"tgt_mask": normal(5, 5), "memory_mask": normal(5, 7), "memory_key_padding_mask": normal(3, 7)},
        note="float",
    ),
    Case("Transformer", (6, 2, 1, 2, 11, 0.0), GELU, (MEMORY, X)),
    Case("Transformer", (6, 2, 1, 1, 11, 0.3), {**GELU, "norm_first": True, "bias": False}, (MEMORY, X)),
    Case("Transformer", (6, 2, 1, 1, 11, 0.0), {**GELU, "batch_first": True}, (normal(3, 7, 6), XB)),
    Case("Transformer", (6, 2, 1, 1, 11, 0.0), GELU, (normal(7, 6), normal(5, 6)), note="unbatched"),
    Case(
        "Transformer",
        (6, 2, 1, 1, 11, 0.0),
        GELU,
        (MEMORY, X),
        {
            "src_mask": normal(7, 7),
            "tgt_mask": normal(5, 5),
            "memory_mask": normal(5, 7),
            "src_key_padding_mask": normal(3, 7),
            "tgt_key_padding_mask": normal(3, 5),
            "memory_key_padding_mask": normal(3, 7),
        },
        note="float",
    ),
    Case(
        "Transformer",
        (6, 2),
        {
            "custom_encoder": lambda nn: nn.TransformerEncoder(encoder_layer()(nn), 1),
            "custom_decoder": lambda nn: nn.TransformerDecoder(decoder_layer()(nn), 1),
        },
        (MEMORY, X),
        {"tgt_mask": causal(5), "tgt_is_causal": True},
    ),
]
