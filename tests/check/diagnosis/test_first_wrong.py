# ruff: noqa: E501
"""The first named intermediate that goes wrong: found in every form, and nothing said of names that mean another thing."""

import json

import numpy as np
import pytest

from torchref.check import check
from torchref.check.report.html import page
from torchref.check.running.observed import observing


def staged(mistake=""):
    """A batch norm whose backward goes step by step, as a closure, a pair and a class."""

    def forward(x, gamma, beta, eps):
        mu = x.mean(0)
        xmu = x - mu
        var = (xmu**2).mean(0)
        std = np.sqrt(var + eps)
        x_hat = xmu / std
        return gamma * x_hat + beta, (x_hat, xmu, std, gamma)

    def backward(dout, cache):
        x_hat, xmu, std, gamma = cache
        n = len(dout)
        dxhat = dout if mistake == "dxhat" else dout * gamma
        dstd = -(dxhat * xmu).sum(0) / std**2
        dvar = dstd / (2 * std)
        dvar = 2 * dvar if mistake == "dvar" else dvar
        dmu = -(dxhat / std).sum(0)
        if mistake == "dmu":
            dmu = -dmu
        dx = dxhat / std + (1 if mistake == "dx" else 2) * xmu * dvar / n + dmu / n
        return dx, (dout * x_hat).sum(0), dout.sum(0)

    def closure(x, gamma, beta, eps=1e-5):
        y, cache = forward(x, gamma, beta, eps)
        return y, lambda dout: backward(dout, cache)

    class Layer:
        def __init__(self, gamma, beta, eps=1e-5):
            self.gamma, self.beta, self.eps = gamma, beta, eps

        def forward(self, x):
            y, self.cache = forward(x, self.gamma, self.beta, self.eps)
            return y

        def backward(self, dout):
            self.dx, self.dgamma, self.dbeta = backward(dout, self.cache)
            return self.dx

    def pair(x, gamma, beta, eps=1e-5):
        return forward(x, gamma, beta, eps)

    return {"closure": closure, "pair": (pair, backward), "class": Layer}


@pytest.mark.parametrize("form", ["closure", "pair", "class"])
@pytest.mark.parametrize(("mistake", "told"), [("dxhat", "dx_hat"), ("dvar", "dvar"), ("dmu", "dmean")])
def test_the_first_is_named(form, mistake, told):
    """Would catch an intermediate behind the first (all later ones are wrong as well), and a form that is not seen through."""
    verdict = check(staged(mistake)[form], against="batch_norm")
    assert verdict.status == 1
    said = " ".join(f.intermediate for f in verdict.findings)
    assert said.startswith(f"'{mistake}' is the first named intermediate that differs from the reference's {told} ")
    assert said.count("is the first") == 1


@pytest.mark.parametrize("form", ["closure", "pair", "class"])
def test_right_code_hears_nothing(form):
    """Right code is right, whatever its variables are called."""
    verdict = check(staged()[form], against="batch_norm")
    assert verdict.ok
    assert not verdict.findings


@pytest.mark.parametrize("form", ["closure", "pair", "class"])
def test_a_mistake_behind_all_names(form):
    """dxhat, dstd, dvar and dmu are right, and dx alone is wrong: none of them is accused."""
    verdict = check(staged("dx")[form], against="batch_norm")
    assert verdict.status == 1
    assert not any(f.intermediate for f in verdict.findings)


def test_the_right_value_downstream():
    """The ratio is told, and that with the right value in its place everything comes out right, in text, JSON and page."""

    def norm(x, gamma, beta, eps=1e-5):
        xmu = x - x.mean(0)
        std = np.sqrt((xmu**2).mean(0) + eps)
        x_hat = xmu / std

        def backward(dy):
            dxhat = dy * gamma
            dvar = -(dxhat * xmu).sum(0) / std**3
            dx = dxhat / std + 2 * xmu * dvar / len(x) - (dxhat / std).mean(0)
            return dx, (dy * x_hat).sum(0), dy.sum(0)

        return gamma * x_hat + beta, backward

    verdict = check(norm, against="batch_norm")
    assert (
        "it is 2 times that; with the right value in its place everything comes out right"
        in verdict.findings[0].intermediate
    )
    for text in (verdict.text(), json.dumps(verdict.as_dict()), page([verdict])):
        assert "everything comes out right" in text
    assert "first named" not in verdict.text(hints=1)


def test_a_name_that_means_another_thing():
    """dvar that is the gradient of std, s that is no softmax: a wrong dx elsewhere must not be blamed on them."""

    def norm(x, gamma, beta, eps=1e-5):
        mu = x.mean(-1, keepdims=True)
        var = np.sqrt(x.var(-1, keepdims=True) + eps)
        x_hat = (x - mu) / var

        def backward(dy):
            g = dy * gamma
            dvar = -(g * x_hat).sum(-1, keepdims=True) / var
            dx = g / var + x_hat * dvar / x.shape[-1]
            return dx, (dy * x_hat).sum(0), dy.sum(0)

        return gamma * x_hat + beta, backward

    verdict = check(norm, against="layer_norm")
    assert verdict.findings[0].slug == "statistics-as-constants"
    assert not verdict.findings[0].intermediate


def test_attention():
    """dP right, dS wrong: the first is dS, in the layout of many heads."""

    def attention(q, k, v):
        scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
        p = np.exp(scores - scores.max(-1, keepdims=True))
        p = p / p.sum(-1, keepdims=True)

        def backward(dout):
            dp = dout @ v.swapaxes(-1, -2)
            ds = p * dp * (1 - p)
            dscores = ds / np.sqrt(q.shape[-1])
            return dscores @ k, dscores.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ dout

        return p @ v, backward

    said = check(attention, against="scaled_dot_product_attention").findings[0].intermediate
    assert said.startswith("'ds' is the first")
    assert said.endswith("everything comes out right")


def test_an_observer_changes_nothing():
    """The answer is the same while somebody looks, and the profile function is put back."""
    import sys

    from torchref.check.reading.forms.calling import guarded

    def backward(dy):
        half = dy / 2
        return half + half

    before = sys.getprofile()
    with observing() as observer:
        assert np.array_equal(guarded("the backward", backward, np.ones(3)), np.ones(3))
    assert sys.getprofile() is before
    assert np.array_equal(observer.values["half"], np.full(3, 0.5))
