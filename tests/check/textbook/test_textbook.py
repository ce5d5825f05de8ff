"""The textbook's formulas, proven on symbols: each backward is the derivative of its forward, on every branch."""

import numpy as np
import pytest

from tests.certify.proof import prove
from torchref.check.ops import activations as records
from torchref.check.ops.catalogue import CATALOGUE
from torchref.check.ops.log_cosh_loss import log_cosh_loss
from torchref.check.textbook import (
    activations,
    attention,
    distances,
    dropout,
    grids,
    labels,
    losses,
    norms,
    products,
    recurrences,
    rows,
    sequences,
    shapes,
    windows,
)

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
    "layer_norm2d": (lambda x, w, b: norms.layer_norm2d(x, w, b, EPS), NORMAL((1, 3, 1, 2)), NORMAL(3), NORMAL(3)),
    "batch_norm": (batch(norms.batch_norm), NORMAL((3, 1)), NORMAL(1), NORMAL(1)),
    "batch_norm, evaluation": (batch(norms.batch_norm, **GIVEN), NORMAL((2, 2)), NORMAL(2), NORMAL(2)),
    "batch_norm2d": (batch(norms.batch_norm2d), NORMAL((2, 1, 1, 2)), NORMAL(1), NORMAL(1)),
    "group_norm": (lambda x, w, b: norms.group_norm(x, 2, w, b, EPS), NORMAL((1, 4, 1, 1)), NORMAL(4), NORMAL(4)),
    "instance_norm": (lambda x, w, b: norms.instance_norm(x, w, b, EPS), NORMAL((1, 2, 1, 2)), NORMAL(2), NORMAL(2)),
    "rms_norm": (lambda x, w: norms.rms_norm(x, (2,), w, EPS), NORMAL((2, 2)), NORMAL(2)),
    "local_response_norm": (lambda x: norms.local_response_norm(x, 2, 0.5, 0.75, 1.0), NORMAL((1, 3, 1, 1))),
    "scaled_dot_product_attention": (attend, NORMAL((2, 1)), NORMAL((3, 1)), NORMAL((3, 1))),
    "scaled_dot_product_attention, of one x": (self_attention, NORMAL((2, 1))),
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


CLAIMS |= {op.name: (given(op.formula.textbook, OPTIONS.get(op.name, ())), ENTRIES) for op in records.OPERATIONS}
CLAIMS["gelu, tanh"] = given(activations.gelu, ("tanh",)), ENTRIES[:2]


def pair(function, *options):
    """A loss of x and t, its gradient in x alone or in both."""

    def loss(x, t):
        y, backward = function(x, t, *options)
        return y, lambda dloss: (*backward(dloss), None)[:2]

    return loss


REDUCTIONS = ("mean", "sum", "none")


def loss_claims():
    """Each loss under each reduction, with samples on every side of its edges."""
    x, t, signs = NORMAL((2, 2)), NORMAL((2, 2)), np.array([[1.0, -1.0], [-1.0, 1.0]])
    p, labelled = RNG.uniform(0.1, 0.9, (2, 2)), np.array([[1.0, 0.0], [0.0, 1.0]])
    classes, ignored = np.array([0, 2, 1]), np.array([0, 2, 1])
    logits, weight = NORMAL((3, 3)), np.array([0.5, 1.25, 2.0])
    differ = np.array([[0.1, -0.2], [3.0, -3.0]])
    logistic = losses.binary_cross_entropy_with_logits
    poisson = losses.poisson_nll_loss
    gaussian = losses.gaussian_nll_loss
    margins = losses.multi_margin_loss
    soft = labels.multilabel_soft_margin_loss
    lists = np.array([[0, 2, -1], [1, -1, 2], [-1, 0, 1]])
    ranking, cosine = losses.margin_ranking_loss, distances.cosine_embedding_loss
    triplet = distances.triplet_margin_loss
    distance = distances.pairwise_distance
    for r in REDUCTIONS:
        yield f"mse_loss, {r}", (pair(losses.mse_loss, r), x, t)
        yield f"l1_loss, {r}", (pair(losses.l1_loss, r), x, t)
        yield f"smooth_l1_loss, {r}", (pair(losses.smooth_l1_loss, 0.75, r), t + differ, t)
        yield f"huber_loss, {r}", (pair(losses.huber_loss, 0.75, r), t + differ, t)
        yield f"binary_cross_entropy, {r}", (lambda x, r=r: losses.binary_cross_entropy(x, labelled, r), p)
        for w in (None, np.array([1.5, 2.5])):
            yield f"{logistic.__name__}, {w}, {r}", (lambda x, f=logistic, w=w, r=r: f(x, labelled, w, r), x)
        yield f"kl_div, {r}", (lambda x, r=r: losses.kl_div(x, p, False, r), x)
        yield f"hinge_embedding_loss, {r}", (lambda x, r=r: losses.hinge_embedding_loss(x, signs, 0.5, r), differ)
        yield f"soft_margin_loss, {r}", (lambda x, r=r: losses.soft_margin_loss(x, signs, r), x)
        for log_input in (True, False):
            yield f"poisson_nll_loss, {log_input}, {r}", (lambda x, f=poisson, i=log_input, r=r: f(x, p, i, EPS, r), p)
        yield (
            f"gaussian_nll_loss, {r}",
            (
                lambda x, v, f=gaussian, r=r: (
                    f(x, t, v, True, 0.01, r)[0],
                    lambda dy: f(x, t, v, True, 0.01, r)[1](dy)[:2],
                ),
                x,
                p,
            ),
        )
        yield f"nll_loss, {r}", (lambda x, r=r: losses.nll_loss(x, classes, weight, 1, r), logits)
        for w, ignore, smoothing in ((None, -100, 0), (weight, 1, 0), (weight, -100, 0.75)):  # 0.75 / 3 is exact
            options = (w, ignore, r, smoothing)
            yield f"cross_entropy, {options}", (lambda x, o=options: losses.cross_entropy(x, ignored, *o), logits)
        for power in (1, 2):
            yield f"multi_margin_loss, {power}, {r}", (lambda x, p=power, r=r: margins(x, classes, p, 0.75, r), logits)
        yield f"multilabel_soft_margin_loss, {r}", (lambda x, r=r: soft(x, labelled, np.array([0.5, 2.0]), r), x)
        yield f"multilabel_margin_loss, {r}", (lambda x, r=r: labels.multilabel_margin_loss(x, lists, r), logits)
        for s in (signs[0], -signs[0]):
            yield f"margin_ranking_loss, {s}, {r}", (lambda a, b, s=s, r=r: ranking(a, b, s, 0.25, r), x[0], t[0])
            yield f"cosine_embedding_loss, {s}, {r}", (lambda a, b, s=s, r=r: cosine(a, b, s, -0.5, r), x, t)
        yield f"triplet_margin_loss, {r}", (lambda a, p, n, r=r: triplet(a, p, n, 1.5, EPS, r), x, t, x - t)
    yield "kl_div, batchmean, log_target", (lambda x: losses.kl_div(x, t, True, "batchmean"), x)
    for keepdim in (False, True):
        yield f"pairwise_distance, {keepdim}", (lambda a, b, k=keepdim: distance(a, b, EPS, k), x, t)


CLAIMS |= dict(loss_claims())
CLAIMS |= {f"log_cosh_loss, {r}": (pair(log_cosh_loss, r), NORMAL((2, 2)), NORMAL((2, 2))) for r in REDUCTIONS}
IMAGE, MASK = NORMAL((1, 2, 3, 4)), np.array([[1.0, 0.0], [0.0, 1.0]])
CHANNELS = MASK[:, :, None, None] * np.ones((2, 2, 1, 2))
CLAIMS |= {
    "dropout": (lambda x: dropout.dropout(x, 0.25, True, MASK), NORMAL((2, 2))),
    "dropout, evaluation": (lambda x: dropout.dropout(x, 0.25, False, MASK), NORMAL((2, 2))),
    "dropout2d": (lambda x: dropout.dropout2d(x, 0.25, True, CHANNELS), NORMAL((2, 2, 1, 2))),
    "alpha_dropout": (lambda x: dropout.alpha_dropout(x, 0.25, True, MASK), NORMAL((2, 2))),
    "interpolate": (lambda x: shapes.interpolate(x, None, 2, "nearest", None), IMAGE),
    **{
        f"interpolate, {mode}, {size}": (lambda x, m=mode, s=size: shapes.interpolate(x, s, 1.5, m, None), IMAGE)
        for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")
        for size in (None, (2, 5))
    },
    "pixel_shuffle": (lambda x: shapes.pixel_shuffle(x, 2), NORMAL((1, 4, 2, 1))),
    "pixel_unshuffle": (lambda x: shapes.pixel_unshuffle(x, 2), NORMAL((1, 1, 2, 4))),
    "channel_shuffle": (lambda x: shapes.channel_shuffle(x, 3), NORMAL((1, 6, 1, 2))),
    "flatten": (lambda x: shapes.flatten(x, 1, 2), IMAGE),
    "unfold": (lambda x: shapes.unfold(x, 2, 1, 1, 2), IMAGE),
    "fold": (lambda x: shapes.fold(x, (3, 4), 2, 1, 1, 1), NORMAL((1, 4, 20))),
    **{
        f"pad, {mode}": (lambda x, m=mode: shapes.pad(x, (2, 1, 1, 2), m, 0.5), IMAGE)
        for mode in ("constant", "reflect", "replicate", "circular")
    },
}


# Windows that overlap, that leave gaps, and that reach into the padding; the axes differ in all of it.
SPACES = {1: (4,), 2: (3, 4), 3: (2, 3, 2)}
CONV = {  # by the number of axes: sizes of the weight, stride, padding, dilation, groups
    1: ((2, 1, 2), 2, 1, 1, 2),
    2: ((2, 1, 2, 2), (2, 1), (0, 1), (1, 2), 1),
    3: ((1, 1, 2, 1, 2), 1, (1, 0, 0), 1, 1),
}


def window_claims():
    """Each convolution with a bias and every pooling, on one, two and three axes."""
    for nd, space in SPACES.items():
        shape, stride, padding, dilation, groups = CONV[nd]
        conv, back = (stride, padding, dilation, groups), (stride, padding, 0, groups, dilation)
        weight, pooled = NORMAL(shape), NORMAL((1, 1, *space))
        x = NORMAL((1, shape[1] * groups, *space))
        yield f"conv{nd}d", (lambda x, w, b, o=conv: windows.conv(x, w, b, *o), x, weight, NORMAL(len(weight)))
        x, bias = NORMAL((1, len(weight), *(2 for _ in space))), NORMAL(shape[1] * groups)
        yield f"conv_transpose{nd}d", (lambda x, w, b, o=back: windows.conv_transpose(x, w, b, *o), x, weight, bias)
        yield f"lp_pool{nd}d", (lambda x: windows.lp_pool(x, 4, 2, 1), pooled)
        yield f"lp_pool{nd}d, odd", (lambda x: windows.lp_pool(x, 3, 2, 1), np.abs(pooled))
        for kind in ("max", "avg"):
            pool, adaptive = getattr(windows, f"{kind}_pool"), getattr(windows, f"adaptive_{kind}_pool")
            yield f"{kind}_pool{nd}d", (lambda x, f=pool: f(x, 2, 1, 0), pooled)
            yield f"{kind}_pool{nd}d, padded", (lambda x, f=pool: f(x, 2, None, 1), pooled)
            yield f"adaptive_{kind}_pool{nd}d", (lambda x, f=adaptive: f(x, 2), pooled)


CLAIMS |= dict(window_claims())
SMALL = NORMAL((1, 1, 2, 3))
THETA, GRID = NORMAL((2, 2, 3)), RNG.uniform(-1.2, 1.2, (1, 1, 3, 2))
PADDINGS = {"bilinear": ("zeros", "border", "reflection"), "nearest": ("zeros",), "bicubic": ("zeros", "border")}
CLAIMS |= {
    f"affine_grid, {align}": (lambda t, a=align: grids.affine_grid(t, (2, 1, 2, 3), a), THETA)
    for align in (False, True)
}
CLAIMS |= {
    f"grid_sample, {m}, {padding}": (lambda x, g, m=m, p=padding: grids.grid_sample(x, g, m, p, False), SMALL, GRID)
    for m, paddings in PADDINGS.items()
    for padding in paddings
}
SPOKEN = {  # frames, classes, labels: one label, two that differ, and two of a kind with a blank between them
    "one": (2, 2, [1]),
    "two": (2, 3, [2, 1]),
    "twice": (3, 2, [1, 1]),
}
CLAIMS |= {
    f"ctc_loss, {name}, {r}": (
        lambda x, t=t, r=r: sequences.ctc_loss(x, np.array([t]), None, None, 0, r, False),
        NORMAL((frames, 1, classes)),
    )
    for name, (frames, classes, t) in SPOKEN.items()
    for r in REDUCTIONS
}
NOT_PROVEN: dict[str, str] = {}  # an operation: why its formula is compared with numbers alone


def test_what_is_not_proven_is_said():
    """Catches an operation of the catalogue that is neither proven nor listed with a reason; and a reason too many."""
    claimed = {name.partition(",")[0] for name in CLAIMS}
    assert {op.name for op in CATALOGUE} - claimed == set(NOT_PROVEN)
    assert claimed <= {op.name for op in CATALOGUE}


@pytest.mark.parametrize("name", CLAIMS)
def test_proven(name):
    """Catches a formula that numbers cannot tell from the right one."""
    assert prove(*CLAIMS[name]) > 0
