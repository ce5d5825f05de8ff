"""The textbook's formulas, proven on symbols: each backward is the derivative of its forward, on every branch."""

import numpy as np
import pytest

from tests.certify.proof import prove
from torchref.check.ops.activations import ACTIVATIONS
from torchref.check.textbook import activations, attention, norms, products, recurrences, rows

RNG = np.random.default_rng(5)
NORMAL = RNG.standard_normal
EPS = 0.25


def batch(function, **statistics):
    """A batch norm of x, weight and bias; its first output alone."""
    mean, var = statistics.get("mean"), statistics.get("var")

    def norm(x, weight, bias):
        outputs, backward = function(x, mean, var, weight, bias, mean is None, 0.1, EPS)
        return outputs[0], backward

    return norm


def recurrence(function, gates, steps, states=1, **options):
    """A recurrence of one unit without biases, its first output, and arrays for it."""
    zero = np.zeros(())

    def run(*arrays):
        outputs, backward = function(*arrays, zero, zero, **options)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        rest = [np.zeros(y.shape) for y in outputs[1:]]
        return outputs[0], lambda dy: backward(dy, *rest)[:-2]

    x = NORMAL((steps, 1, 1)) if steps else NORMAL((1, 1))
    return run, x, *(NORMAL((1, 1)) for _ in range(states)), NORMAL((gates, 1)), NORMAL((gates, 1))


def self_attention(x):
    (y, _), backward = attention.scaled_dot_product_attention(x, None, None, None, True, None)
    return y, lambda dy: backward(dy)[:1]


def attend(q, k, v):
    mask = np.array([[True, True, False], [True, False, True]])
    (y, _), backward = attention.scaled_dot_product_attention(q, k, v, mask, False, 0.5)
    return y, backward


def attend_with_heads(x, w_in, w_out, b_out):
    absent = [None] * 3 + [np.zeros(())] * 3
    outputs, backward = attention.multi_head_attention(x, None, None, w_in, None, *absent, w_out, b_out, None, 1, True)
    return outputs[0], lambda dy: tuple(backward(dy)[i] for i in (0, 3, 11, 12))


GIVEN = {"mean": NORMAL(2), "var": RNG.uniform(0.5, 2, 2)}
CLAIMS = {
    "layer_norm": (lambda x, w, b: norms.layer_norm(x, (3,), w, b, EPS), NORMAL((1, 3)), NORMAL(3), NORMAL(3)),
    "batch_norm": (batch(norms.batch_norm), NORMAL((3, 1)), NORMAL(1), NORMAL(1)),
    "batch_norm, evaluation": (batch(norms.batch_norm, **GIVEN), NORMAL((2, 2)), NORMAL(2), NORMAL(2)),
    "batch_norm2d": (batch(norms.batch_norm2d), NORMAL((2, 1, 1, 2)), NORMAL(1), NORMAL(1)),
    "group_norm": (lambda x, w, b: norms.group_norm(x, 2, w, b, EPS), NORMAL((1, 4, 1, 1)), NORMAL(4), NORMAL(4)),
    "instance_norm": (lambda x, w, b: norms.instance_norm(x, w, b, EPS), NORMAL((1, 2, 1, 2)), NORMAL(2), NORMAL(2)),
    "rms_norm": (lambda x, w: norms.rms_norm(x, (2,), w, EPS), NORMAL((2, 2)), NORMAL(2)),
    "local_response_norm": (lambda x: norms.local_response_norm(x, 2, 0.5, 0.75, 1.0), NORMAL((1, 3, 1, 1))),
    "attention": (attend, NORMAL((2, 1)), NORMAL((3, 1)), NORMAL((3, 1))),
    "attention of one x": (self_attention, NORMAL((2, 1))),
    "multi_head_attention": (attend_with_heads, NORMAL((2, 1, 1)), NORMAL((3, 1)), NORMAL((1, 1)), NORMAL(1)),
    "rnn": recurrence(recurrences.rnn, 1, 2, nonlinearity="tanh"),
    "rnn, relu": recurrence(recurrences.rnn, 1, 3, nonlinearity="relu"),
    "rnn_cell": recurrence(recurrences.rnn_cell, 1, 0, nonlinearity="tanh"),
    "lstm": recurrence(recurrences.lstm, 4, 1, 2),
    "lstm_cell": recurrence(recurrences.lstm_cell, 4, 0, 2),
    "gru": recurrence(recurrences.gru, 3, 1, reset_before=False),
    "gru, Cho": recurrence(recurrences.gru, 3, 1, reset_before=True),
    "gru_cell": recurrence(recurrences.gru_cell, 3, 0, reset_before=False),
    "gru_cell, Cho": recurrence(recurrences.gru_cell, 3, 0, reset_before=True),
}

CLAIMS |= {
    **{f.__name__: (lambda x, f=f: f(x, -1), NORMAL((2, 3))) for f in (rows.softmax, rows.softmin, rows.log_softmax)},
    **{
        f"normalize, p = {p}, eps = {eps}": (lambda x, p=p, eps=eps: rows.normalize(x, p, 1, eps), NORMAL((1, 3)))
        for p, eps in ((2, EPS), (3, EPS), (2, 9.0))
    },
    "cosine_similarity": (lambda a, b: rows.cosine_similarity(a, b, 1, 1e-8), NORMAL((1, 2)), NORMAL((1, 2))),
}

ROW, MATRIX = NORMAL((1, 2)), NORMAL((3, 2))
INDEX, TABLE = np.array([[3, 1, 3], [0, 2, 1]]), NORMAL((4, 1))


def looked_up(function, option):
    """A function of the table alone."""

    def of_table(weight):
        return function(INDEX, weight, option)

    return of_table


CLAIMS |= {
    "linear": (products.linear, NORMAL((2, 2)), MATRIX, NORMAL(3)),
    "linear, three axes": (products.linear, NORMAL((2, 2, 2)), MATRIX, NORMAL(3)),
    "bilinear": (products.bilinear, ROW, NORMAL((1, 3)), NORMAL((2, 2, 3)), NORMAL(2)),
    "prelu": (products.prelu, NORMAL((2, 3)), NORMAL(3)),
    "prelu, one slope": (products.prelu, NORMAL((2, 3)), NORMAL(1)),
    "glu": (lambda x: products.glu(x, 1), NORMAL((1, 4))),
    "embedding": (looked_up(products.embedding, None), TABLE),
    **{f"embedding_bag, {m}": (looked_up(products.embedding_bag, m), TABLE) for m in ("sum", "mean", "max")},
}
ENTRIES = np.array([-4.3, -0.7, 0.2, 0.9, 3.4, 6.7])  # on every branch of every activation
OPTIONS = {
    "leaky_relu": (0.25,),
    "rrelu": (0.125, 0.25),
    "elu": (0.75,),
    "celu": (0.75,),
    "gelu": ("none",),
    "softplus": (1.5, 1.0),
    "hardtanh": (-0.5, 0.5),
    "hardshrink": (0.5,),
    "softshrink": (0.5,),
    "threshold": (0.5, 1.75),
}


def given(function, options):
    """A function of x alone."""
    return lambda x: function(x, *options)


CLAIMS |= {op.name: (given(op.formula.textbook, OPTIONS.get(op.name, ())), ENTRIES) for op in ACTIVATIONS}
CLAIMS["gelu, tanh"] = given(activations.gelu, ("tanh",)), ENTRIES[:2]


@pytest.mark.parametrize("name", CLAIMS)
def test_proven(name):
    """Catches a formula that numbers cannot tell from the right one."""
    assert prove(*CLAIMS[name]) > 0
