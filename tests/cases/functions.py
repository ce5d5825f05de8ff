"""Functions and methods that no module of the other cases calls, each in a module of its own (tests/called.py)."""

import numpy as np

from tests.cases import Case, choice, integers, normal, strided, uniform
from tests.cases.attention import causal, seen
from tests.cases.loss import probabilities
from torchref.nn.packed import PackedSequence

INF = float("inf")

Q, K, V = normal(2, 5, 3), normal(2, 7, 3), normal(2, 7, 11)
attention = "functional.scaled_dot_product_attention"
CASES = [
    Case(attention, inputs=(Q, K, V, None)),
    Case(attention, inputs=(normal(5, 3), normal(7, 3), normal(7, 11), None), note="without a batch"),
    Case(attention, inputs=(Q, K, V, seen(5, 7)), note="boolean mask"),
    Case(attention, inputs=(Q, K, V, normal(2, 5, 7)), note="mask added"),
    Case(attention, inputs=(Q, K, V, normal(1, 7)), note="mask that broadcasts"),
    Case(attention, inputs=(Q, normal(2, 5, 3), normal(2, 5, 11), causal(5)), note="causal mask"),
    Case(attention, (), {"is_causal": True}, (Q, K, V, None)),
    Case(attention, (), {"scale": 0.3}, (Q, K, V, None)),
    Case(attention, (), {"dropout_p": 0.3}, (Q, K, V, None)),
    Case(attention, (), {"enable_gqa": True}, (normal(3, 6, 5, 2), normal(3, 2, 7, 2), normal(3, 3, 7, 11), None)),
    Case(attention, inputs=(normal(5, 3), normal(2, 7, 3), normal(2, 7, 11), None), note="broadcast"),
    Case(attention, inputs=(normal(512, 2), normal(512, 2), normal(512, 3), None), note="in blocks of queries"),
    Case(attention, inputs=(normal(5, 3), normal(2, 7, 3), normal(7, 11), None), note="one key for all values"),
    Case(attention, inputs=(strided(Q), strided(K), strided(V), None), note="strided"),
]

# of torch's own signature: E = 6 features in 2 heads; without the options, what MultiheadAttention calls
forward = "functional.multi_head_attention_forward"
QUERY, KEY = normal(5, 3, 6), normal(7, 3, 6)
PACKED_WEIGHTS = (normal(18, 6), normal(18))
OUT = (normal(6, 6), normal(6))
SEPARATE = (True, normal(6, 6), normal(6, 4), normal(6, 3))
STATIC = (normal(6, 9, 3), normal(6, 9, 3))
NONE = (False, None, None, None)
REST = (True, None, True, None, *NONE, None, None)  # the arguments with defaults, up to the last array
CASES += [
    Case(forward, inputs=(QUERY, KEY, KEY, 6, 2, *PACKED_WEIGHTS, None, None, False, 0.0, *OUT, *REST)),
    Case(
        forward,
        inputs=(QUERY, KEY, KEY, 6, 2, *PACKED_WEIGHTS, normal(1, 1, 6), normal(1, 1, 6), True, 0.0, *OUT, *REST),
        note="rows added",
    ),
    Case(
        forward,
        inputs=(QUERY, KEY, KEY, 6, 2, normal(18, 6), None, None, None, False, 0.3, normal(6, 6), None, *REST),
        note="no biases, dropout",
    ),
    Case(
        forward,
        inputs=(
            *(QUERY, normal(7, 3, 4), normal(7, 3, 3), 6, 2, None, normal(18), None, None, False, 0.0, *OUT),
            *(True, normal(3, 7), False, normal(6, 5, 7), *SEPARATE, None, None),
        ),
        note="separate weights, masks",
    ),
    Case(
        forward,
        inputs=(
            *(QUERY, KEY, KEY, 6, 2, *PACKED_WEIGHTS, None, None, True, 0.3, *OUT),
            *(False, seen(3, 9), True, None, *NONE, *STATIC, False, False),
        ),
        note="static key and value",
    ),
    Case(
        forward,
        inputs=(
            *(QUERY, KEY, KEY, 6, 2, *PACKED_WEIGHTS, None, None, False, 0.0, *OUT),
            *(True, None, False, None, *NONE, normal(6, 7, 3), None),
        ),
        note="static key",
    ),
    Case(
        forward,
        inputs=(
            *(QUERY, QUERY, QUERY, 6, 2, *PACKED_WEIGHTS, None, None, False, 0.0, *OUT),
            *(True, None, False, causal(5), *NONE, None, None, True, True),
        ),
        note="causal hint",
    ),
    Case(
        forward,
        inputs=(normal(5, 6), normal(7, 6), normal(7, 6), 6, 2, *PACKED_WEIGHTS, None, None, False, 0.0, *OUT, *REST),
        note="unbatched",
    ),
]

# norms: every p, zeros and ties; norms below eps
normalize = "functional.normalize"
CASES += [
    *(Case(normalize, (), {"p": p, "eps": 0.01}, (normal(7, 3),), smooth=p == 2.0) for p in (0.5, 1.0, 2.0, 3.0, INF)),
    Case(normalize, (), {"dim": 0}, (normal(7, 3),)),
    Case(normalize, (), {"dim": -1, "eps": 100.0}, (normal(7, 3),), note="all below eps"),
    Case(normalize, (), {"dim": (0, 2)}, (normal(2, 7, 3),)),
    Case(normalize, (), {"dim": 0}, (normal(5),), note="unbatched"),
    *(
        Case(normalize, (), {"p": p, "eps": 0.7}, (choice([0.0, 0.5, -0.5, 1.0], 31, 3),), witness=False, note="ties")
        for p in (1.0, 2.0, INF)
    ),
    *(
        Case(normalize, (), {"p": p, "eps": 1.0}, (choice([0.0, 1.0, -1.0], 31, 3),), witness=False, note="norm = eps")
        for p in (1.0, 2.0)
    ),
    Case(normalize, inputs=(normal(0, 3),), note="empty"),
    Case(normalize, inputs=(strided(normal(7, 3)),), note="strided"),
]

CASES += [
    Case("functional.one_hot", inputs=(integers(5, 7, 3),)),
    Case("functional.one_hot", (), {"num_classes": 11}, (integers(5, 7),)),
    Case("functional.gumbel_softmax", inputs=(normal(7, 3),)),
    Case("functional.gumbel_softmax", (), {"tau": 0.7, "dim": 0}, (normal(7, 3),)),
    Case("functional.gumbel_softmax", (), {"tau": 1.3, "hard": True}, (normal(7, 3),), witness=False),
    Case("functional.gumbel_softmax", (), {"dim": 1}, (normal(2, 7, 3),)),
    Case("AdaptiveLogSoftmaxWithLoss.log_prob", (5, 11, [3, 7], 2.0), inputs=(normal(7, 5),)),
    Case("AdaptiveLogSoftmaxWithLoss.log_prob", (5, 13, [2], 1.0, True), inputs=(normal(7, 5),)),
]

# an option that the modules have not
CASES += [
    Case(
        f"functional.{loss}",
        (),
        {"reduction": reduction},
        (normal(7, 3), normal(7, 3)),
        {"weight": uniform(7, 3, low=0.5, high=2.0)},
        smooth=loss == "mse_loss",
    )
    for loss in ("mse_loss", "l1_loss", "huber_loss")
    for reduction in ("mean", "sum", "none")
]

multilabel, linear_cross_entropy = "functional.multilabel_soft_margin_loss", "functional.linear_cross_entropy"
CASES += [
    case
    for r in ("mean", "sum", "none")
    for case in (
        Case(multilabel, (), {"reduction": r}, (normal(7, 3), uniform(7, 3)), {"weight": normal(3)}, smooth=False),
        Case(
            multilabel,
            (),
            {"reduction": r},
            (normal(7, 3), uniform(7, 3)),
            {"weight": normal(7, 1)},
            smooth=False,
            note="a row",
        ),
        Case(
            "functional.cross_entropy", (), {"reduction": r}, (normal(7, 5), probabilities(7, 5)), {"weight": normal(5)}
        ),
        Case(
            "functional.cross_entropy",
            (),
            {"reduction": r, "label_smoothing": 0.3},
            (normal(7, 5, 2), probabilities(7, 5, 2)),
            {"weight": normal(5)},
        ),
    )
]
CASES += [
    Case(multilabel, (), {}, (normal(7, 3), uniform(7, 3)), {"weight": integers(5, 3)}, smooth=False, note="integers"),
    Case("functional.cross_entropy", inputs=(normal(7, 5), probabilities(7, 5)), note="probabilities"),
    Case(
        linear_cross_entropy,
        inputs=(normal(7, 3), normal(5, 3), probabilities(7, 5)),
        options={"linear_bias": normal(5), "weight": normal(5)},
        note="probabilities",
    ),
    Case(
        "functional.gaussian_nll_loss",
        (),
        {"full": True},
        (normal(7, 3), normal(1, 3), uniform(7, 3, low=0.5, high=2.0)),
        note="one target for all rows",
    ),
    Case(
        "functional.gaussian_nll_loss",
        (),
        {"reduction": "none"},
        (normal(7, 3), normal(7, 1), uniform(7, 1, low=0.5, high=2.0)),
        note="one target a row",
    ),
    Case(
        "functional.gaussian_nll_loss", (), {"reduction": "sum"}, (normal(7, 3), normal(7, 3), 0.7), note="var a float"
    ),
]

# integers beside floating-point numbers have no gradient
BITS, SIGNS = integers(2, 7, 3), choice([-1, 1], 7, 3)
CASES += [
    Case(f"functional.{loss}", (), {"reduction": "none"}, (normal(7, 3), target), smooth=False, note="integer target")
    for loss, target in [
        ("mse_loss", BITS),
        ("l1_loss", BITS),
        ("smooth_l1_loss", BITS),
        ("soft_margin_loss", SIGNS),
        ("multilabel_soft_margin_loss", BITS),
        ("hinge_embedding_loss", SIGNS),
        ("poisson_nll_loss", integers(5, 7, 3)),
    ]
]
CASES += [
    Case(
        "functional.margin_ranking_loss",
        (),
        {"reduction": "none"},
        (normal(7, 3), normal(7, 3), SIGNS),
        smooth=False,
        note="integer target",
    ),
    Case("functional.margin_ranking_loss", inputs=(BITS, normal(7, 3), SIGNS), smooth=False, note="integer input1"),
    Case("functional.triplet_margin_loss", inputs=(normal(7, 3), BITS, normal(7, 3)), smooth=False, note="integers"),
    Case("functional.pairwise_distance", inputs=(normal(7, 3), BITS), note="integers"),
    Case("functional.cosine_similarity", inputs=(BITS, normal(7, 3)), note="integers"),
    Case(
        "functional.gaussian_nll_loss", inputs=(normal(7, 3), BITS, uniform(7, 3, low=0.5, high=2.0)), note="integers"
    ),
]

# sequences of 2, 5 and 3 times; packed, longest first
LENGTHS, SORTED = [2, 5, 3], np.array([1, 2, 0])
SIZES = np.array([3, 3, 2, 1, 1])
PACKED = PackedSequence(normal(10, 7), SIZES, SORTED, np.argsort(SORTED))
IN_ORDER = PackedSequence(normal(10, 7), SIZES)
SEQUENCES = [normal(n, 7) for n in LENGTHS]
CASES += [
    Case("utils.rnn.pack_padded_sequence", (), {"lengths": LENGTHS, "enforce_sorted": False}, (normal(5, 3, 7),)),
    Case("utils.rnn.pack_padded_sequence", (), {"lengths": [5, 3, 2]}, (normal(5, 3),), note="no features"),
    Case(
        "utils.rnn.pack_padded_sequence",
        (),
        {"lengths": LENGTHS, "enforce_sorted": False, "batch_first": True},
        (normal(3, 11, 7),),
    ),
    Case("utils.rnn.pad_packed_sequence", inputs=(PACKED,), note="sorted"),
    Case("utils.rnn.pad_packed_sequence", (), {"batch_first": True, "total_length": 11}, (IN_ORDER,)),
    Case("utils.rnn.pad_packed_sequence", (), {"batch_first": True, "padding_value": 0.7}, (PACKED,), note="sorted"),
    Case("utils.rnn.pad_sequence", inputs=(SEQUENCES,)),
    Case("utils.rnn.pad_sequence", (), {"batch_first": True, "padding_value": 0.7}, (SEQUENCES,)),
    Case("utils.rnn.pad_sequence", (), {"padding_side": "left"}, (SEQUENCES,)),
    Case("utils.rnn.pack_sequence", (), {"enforce_sorted": False}, (SEQUENCES,)),
    Case("utils.rnn.pack_sequence", inputs=([normal(n, 7) for n in (5, 3, 2)],)),
    Case("utils.rnn.unpad_sequence", (), {"lengths": np.array(LENGTHS)}, (normal(11, 3, 7),)),
    Case("utils.rnn.unpad_sequence", (), {"lengths": np.array(LENGTHS), "batch_first": True}, (normal(3, 5, 7),)),
    Case("utils.rnn.unpack_sequence", inputs=(PACKED,), note="sorted"),
    Case("utils.rnn.unpack_sequence", inputs=(IN_ORDER,)),
]
for module in ("RNN", "LSTM", "GRU"):
    hx = (normal(1, 3, 2), normal(1, 3, 2)) if module == "LSTM" else normal(1, 3, 2)
    CASES += [
        Case(module, (7, 2), inputs=(PACKED,), note="packed, sorted"),
        Case(module, (7, 2), inputs=(PACKED, hx), note="packed, sorted, state"),
        Case(module, (7, 2, 2), {"bidirectional": True}, (IN_ORDER,), note="packed"),
        Case(module, (7, 2), {"bidirectional": True}, (PACKED,), note="packed, sorted"),
    ]


# the weight of a layer as a function of others
def linear(nn):
    return nn.Linear(5, 3)


def convolution(nn):
    return nn.Conv1d(5, 3, 2)


def transposed(nn):
    return nn.ConvTranspose1d(5, 3, 2)


# spectral_norm in evaluation: in training every forward moves its vectors (tests/nn/utils/test_parametrizations.py)
def normed(nn):
    return nn.utils.parametrizations.weight_norm(nn.Linear(5, 3))


weight_norm, spectral_norm = "utils.parametrizations.weight_norm", "utils.parametrizations.spectral_norm"
CASES += [
    Case(weight_norm, (linear,), inputs=(normal(7, 5),)),
    Case(weight_norm, (linear,), {"dim": 1}, (normal(7, 5),)),
    Case(weight_norm, (linear,), {"dim": None}, (normal(7, 5),)),
    Case(weight_norm, (linear, "bias"), inputs=(normal(7, 5),)),
    Case(weight_norm, (convolution,), inputs=(normal(2, 5, 7),), note="convolution"),
    Case(spectral_norm, (linear,), inputs=(normal(7, 5),), training=False),
    Case(spectral_norm, (normed,), inputs=(normal(7, 5),), training=False, note="of weight_norm"),
    Case(spectral_norm, (linear,), {"dim": 1}, (normal(7, 5),), training=False),
    Case(spectral_norm, (linear, "bias"), inputs=(normal(7, 5),)),
    Case(spectral_norm, (transposed,), inputs=(normal(2, 5, 7),), training=False, note="transposed"),
]
# the older form, computed before every forward, with what is trained in the layer itself
CASES += [
    Case("utils.weight_norm", (linear,), inputs=(normal(7, 5),)),
    Case("utils.weight_norm", (linear,), {"dim": 1}, (normal(7, 5),)),
    Case("utils.weight_norm", (linear,), {"dim": None}, (normal(7, 5),)),
    Case("utils.weight_norm", (linear, "bias"), inputs=(normal(7, 5),)),
    Case("utils.weight_norm", (convolution,), inputs=(normal(2, 5, 7),), note="convolution"),
    Case("utils.spectral_norm", (linear,), inputs=(normal(7, 5),), training=False),
    Case("utils.spectral_norm", (linear,), {"dim": 1}, (normal(7, 5),), training=False),
    Case("utils.spectral_norm", (linear, "bias"), inputs=(normal(7, 5),), training=False),
    Case("utils.spectral_norm", (transposed,), inputs=(normal(2, 5, 7),), training=False, note="transposed"),
]
