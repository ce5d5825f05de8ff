"""The cases of attention."""

import numpy as np

from tests.cases import Case, normal, strided

# L = 5 queries, S = 7 keys, N = 3 sequences, E = 6 features in 2 heads.
Q, K, V = normal(5, 3, 6), normal(7, 3, 6), normal(7, 3, 6)
Q1, K1, V1 = normal(5, 6), normal(7, 6), normal(7, 6)
QB, KB, VB = normal(3, 5, 6), normal(3, 7, 6), normal(3, 7, 6)


def seen(*shape):
    """A random mask of which every query sees at least the first key."""

    def drawn(rng):
        mask = rng.random(shape) < 0.4
        mask[..., 0] = False
        return mask

    return drawn


def causal(size):
    return lambda rng: np.triu(np.full((size, size), -np.inf), 1)


M = "MultiheadAttention"
CASES = [
    Case(M, (6, 2), inputs=(Q, K, V)),
    Case(M, (6, 2, 0.0, False), inputs=(Q, K, V), note="no bias"),
    Case(M, (6, 2), inputs=(Q1, K1, V1), note="unbatched"),
    Case(M, (6, 2), {"batch_first": True}, (QB, KB, VB)),
    Case(M, (6, 2), {"batch_first": True}, (Q1, K1, V1), note="unbatched"),
    Case(M, (6, 1), inputs=(Q, K, V)),
    Case(M, (6, 2), {"kdim": 4, "vdim": 5}, (Q, normal(7, 3, 4), normal(7, 3, 5))),
    Case(M, (6, 2), {"kdim": 4, "bias": False, "add_bias_kv": True}, (Q, normal(7, 3, 4), V)),
    Case(M, (6, 2), {"add_bias_kv": True}, (Q, K, V), {"attn_mask": seen(5, 7), "key_padding_mask": seen(3, 7)}),
    Case(M, (6, 2), {"add_zero_attn": True}, (Q, K, V)),
    Case(M, (6, 2), {"add_zero_attn": True, "add_bias_kv": True}, (Q, K, V), {"attn_mask": normal(6, 5, 7)}),
    Case(M, (6, 2), {"add_zero_attn": True}, (Q, K, V), {"attn_mask": seen(5, 7), "need_weights": False}),
    Case(M, (6, 2), inputs=(Q, K, V), options={"need_weights": False}),
    Case(M, (6, 2), inputs=(Q, K, V), options={"average_attn_weights": False}),
    Case(M, (6, 2), inputs=(Q1, K1, V1), options={"average_attn_weights": False}, note="unbatched"),
    Case(M, (6, 2), inputs=(Q, K, V), options={"key_padding_mask": seen(3, 7)}, note="padding"),
    Case(M, (6, 2), inputs=(Q, K, V), options={"key_padding_mask": normal(3, 7)}, note="float padding"),
    Case(M, (6, 2), inputs=(Q, K, V), options={"key_padding_mask": seen(3, 7), "need_weights": False}, note="padding"),
    Case(M, (6, 2), inputs=(Q, K, V), options={"attn_mask": seen(5, 7)}, note="bool"),
    Case(M, (6, 2), inputs=(Q, K, V), options={"attn_mask": seen(6, 5, 7), "need_weights": False}, note="bool 3-D"),
    Case(M, (6, 2), inputs=(Q, K, V), options={"attn_mask": normal(5, 7)}, note="float"),
    Case(M, (6, 2), inputs=(Q, K, V), options={"attn_mask": normal(6, 5, 7), "need_weights": False}, note="float 3-D"),
    Case(
        M,
        (6, 2),
        inputs=(Q, K, V),
        options={"key_padding_mask": normal(3, 7), "attn_mask": normal(5, 7)},
        note="both masks",
    ),
    Case(
        M,
        (6, 2),
        inputs=(Q1, K1, V1),
        options={"key_padding_mask": normal(7), "attn_mask": normal(2, 5, 7)},
        note="unbatched",
    ),
    Case(M, (6, 2), inputs=(Q, Q, Q), options={"attn_mask": causal(5), "is_causal": True}, note="causal"),
    Case(
        M,
        (6, 2),
        inputs=(Q, Q, Q),
        options={"need_weights": False, "attn_mask": causal(5), "is_causal": True},
        note="causal hint",
    ),
    Case(M, (6, 2), {"dropout": 0.3}, (Q, K, V)),
    Case(M, (6, 2), {"dropout": 0.3}, (Q, K, V), {"need_weights": False}),
    Case(M, (6, 2), {"dropout": 0.3, "add_zero_attn": True}, (Q1, K1, V1), note="unbatched"),
    Case(M, (6, 2), {"dropout": 1.0}, (Q, K, V)),
    Case(M, (6, 2), {"dropout": 0.3}, (Q, K, V), training=False),
    Case(M, (6, 2), inputs=(strided(Q), strided(K), strided(V)), note="strided"),
    Case(M, (6, 2), inputs=(normal(5, 0, 6), normal(7, 0, 6), normal(7, 0, 6)), note="empty batch"),
]
