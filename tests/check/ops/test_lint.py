"""What lint says is true: the mistake that it names is invisible on such a probe, and visible on our own."""

import numpy as np
import pytest

from torchref.check import lint
from torchref.check.ops.find import find
from torchref.check.ops.probe import gradients_only, make_probe


def set_to(name, value):
    def change(p):
        p.values[name] = value(p.values[name]) if callable(value) else value

    return change


def upstream_of_ones(p):
    p.upstream["output"] = np.ones_like(p.upstream["output"])


def square_and_symmetric(p):
    p.values["weight"] = np.array([[0.7, -1.3, 0.4], [-1.3, 2.1, 0.9], [0.4, 0.9, -0.8]])
    p.values["input"], p.values["bias"] = p.values["input"][:, :3], p.values["bias"][:3]
    p.upstream["output"] = p.upstream["output"][:, :3]


def no_gamma_no_beta(p):
    p.values["weight"], p.values["bias"] = np.ones_like(p.values["weight"]), np.zeros_like(p.values["bias"])


def one_row(p):
    for name in ("input1", "input2", "target"):
        p.values[name] = p.values[name][:1]


def every_row_once(p):
    p.values["input"] = np.arange(len(p.values["weight"]))[:, None]
    p.upstream["output"] = p.upstream["output"].reshape(-1, 1, p.values["weight"].shape[1])[:11]


def tiny_eps(p):
    p.values["eps"] = 1e-9
    p.values["input"] = distinct(p.values["input"])


def one_step(p):
    p.values["input"] = p.values["input"][:1]
    p.upstream["output"] = p.upstream["output"][:1]


def distinct(x):
    """The ranks of the entries, which are neither tied nor zero, as floats."""
    return (np.argsort(np.argsort(x.ravel())) - x.size // 2 + 0.5).reshape(x.shape)


TWICE = "da = y * (dy - dot); dx = y * (da - (da * y).sum(dim, keepdims=True))"
CLAIMS = [
    ("batch_norm", upstream_of_ones, "dx = (dx_hat - mean_path) / std", "upstream of ones"),
    ("softmax", upstream_of_ones, TWICE, "upstream of ones"),
    ("linear", square_and_symmetric, "dx = dy @ weight.T", "square weight"),
    ("dropout", set_to("p", 0.5), "dx = dy * mask / p", "p = 0.5"),
    ("embedding", every_row_once, "dweight[x] = dy", "unique indices"),
    ("layer_norm", set_to("weight", np.ones_like), "dx_hat = dy", "gamma"),
    ("layer_norm", no_gamma_no_beta, "dweight = (dy * y).sum(rest)", "beta"),
    ("layer_norm", tiny_eps, "dx = (dx_hat - mean_path - variance_path) / (np.sqrt(var) + eps)", "eps = 1e-09"),
    ("relu", set_to("input", distinct), "dx = dy * (x >= 0)", "no exact zeros"),
    ("relu", set_to("input", lambda x: np.abs(x) + 0.1), "dx = dy * np.sign(x)", "one sign"),
    ("max_pool2d", set_to("input", distinct), "first = cells == cells.max(2)[..., None]", "no ties"),
    (
        "leaky_relu",
        set_to("negative_slope", 1.0),
        "dx = dy * np.where(x > 0, 1, negative_slope ** 2)",
        "slope of 0 or 1",
    ),
    ("elu", set_to("alpha", 1.0), "dx = dy * np.where(x > 0, 1, np.exp(np.minimum(x, 0)))", "alpha = 1"),
    ("smooth_l1_loss", set_to("beta", 1.0), "slope = np.where(inside, difference, np.sign(difference))", "beta = 1"),
    ("margin_ranking_loss", one_row, "loss = rows.sum()", "batch of 1"),
    ("rnn", one_step, "dbias_ih = dz[0].sum(0)", "one time step"),
    (
        "conv2d",
        set_to("weight", lambda w: w + w[:, :, ::-1, ::-1]),
        "dx_padded[window] += np.tensordot(dy[place], np.flip(w, (2, 3)), 1)",
        "symmetric kernel",
    ),
    (
        "conv2d(stride=1)",
        lambda p: None,
        "dx_padded[box(place[1:], w.shape[2:], dilation)] += np.tensordot(dy[place], w, 1)",
        "stride 1",
    ),
]


def visible(p, flag):
    """Whether the mistake changes an output or a gradient, or cannot be made at all."""
    outputs, backward = p.evaluate()
    right = {**outputs, **gradients_only(backward(p.upstream))}
    try:
        outputs, backward = p.evaluate((flag,))
        wrong = {**outputs, **gradients_only(backward(p.upstream))}
    except ValueError:  # of shapes
        return True
    return any(wrong[n].shape != right[n].shape or np.abs(wrong[n] - right[n]).max() > 1e-7 for n in right)


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize(("against", "change", "flag", "said"), CLAIMS, ids=lambda v: v if isinstance(v, str) else "")
def test_what_lint_says_is_true(against, change, flag, said):
    """Catches a sentence that is never said, or said of a probe that sees the mistake all the same."""
    blind = make_probe(find(against), 0)
    change(blind)
    assert any(said in sentence for sentence in lint(blind.values, blind.upstream["output"]))
    assert not visible(blind, flag)
    ours = make_probe(find(against.partition("(")[0]), 0)
    assert not any(said in sentence for sentence in lint(ours.values, ours.upstream["output"]))
    assert visible(ours, flag)
