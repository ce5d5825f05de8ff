"""What rounding allows decides: right code lies far inside, small constants get a note, larger errors are wrong."""

import json

import numpy as np
import pytest

from torchref.check import check
from torchref.check.report.html import page


def naive_layer_norm(x, weight, bias, eps=1e-5):
    """Variance as E[x^2] - E[x]^2, and rows one by one: it rounds worse than the reference, and legitimately so."""
    n, d = x.shape
    x_hat, std = np.empty_like(x), np.empty((n, 1))
    for i in range(n):
        std[i] = np.sqrt((x[i] ** 2).mean() - x[i].mean() ** 2 + eps)
        x_hat[i] = (x[i] - x[i].mean()) / std[i]

    def backward(dy):
        g = dy * weight
        dx = (d * g - g.sum(1, keepdims=True) - x_hat * (g * x_hat).sum(1, keepdims=True)) / (d * std)
        return dx, (dy * x_hat).sum(0), dy.sum(0)

    return weight * x_hat + bias, backward


def softmax_loss(small):
    def loss(x, y):
        p = np.exp(x - x.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True) + small

        def backward():
            dx = p.copy()
            dx[np.arange(len(y)), y] -= 1
            return dx / len(y)

        return -np.log(p[np.arange(len(y)), y] + small).mean(), backward

    return loss


def scaled_tanh(factor):
    def tanh(x):
        y = np.tanh(x)
        return y, lambda dy: factor * dy * (1 - y * y)

    return tanh


def test_another_algorithm_is_inside():
    """Would catch a bound that is taken from the reference's formula alone and accuses a naive variance."""
    verdict = check(naive_layer_norm, against="layer_norm")
    assert verdict.ok
    assert not [n for n in verdict.notes if "rounding" in n]
    assert 0 < verdict.right["input"] < 0.5
    assert "of what rounding allows" in verdict.text()


def test_small_constant_is_a_note():
    """+ 1e-10 in a denominator is no rounding and no mistake: right, and said so in text, JSON and page."""
    verdict = check(softmax_loss(1e-10), against="cross_entropy")
    assert verdict.ok
    assert verdict.right["input"] > 1
    for said in (verdict.text(), json.dumps(verdict.as_dict()), page([verdict])):
        assert "times what rounding explains" in said
    assert "rounding" not in " ".join(check(softmax_loss(0.0), against="cross_entropy").notes)


@pytest.mark.parametrize(("factor", "ok"), [(1, True), (1 + 1e-9, True), (1 + 1e-5, False)])
def test_the_bound_and_what_lies_beside_it(factor, ok):
    """An error of 1e-9 is noted, one of 1e-5 wrong, none neither."""
    verdict = check(scaled_tanh(factor), against="tanh")
    assert verdict.ok is ok
    assert bool(verdict.notes) is (factor == 1 + 1e-9)


def test_ill_conditioned_is_no_pass():
    """The key bias of attention has no gradient in mathematics: rounding noise is neither right nor wrong."""

    def attention(q, wq, wk, wv, wo, bq, bk, bv, bo, num_heads=2):
        t, n, e = q.shape
        d = e // num_heads
        cut = lambda z: z.reshape(t, n, num_heads, d).transpose(1, 2, 0, 3)  # noqa: E731
        join = lambda z: z.transpose(2, 0, 1, 3).reshape(t, n, e)  # noqa: E731
        query, key, value = (cut(q @ w.T + b) for w, b in ((wq, bq), (wk, bk), (wv, bv)))
        scores = query @ key.swapaxes(-1, -2) / np.sqrt(d)
        p = np.exp(scores - scores.max(-1, keepdims=True))
        p = p / p.sum(-1, keepdims=True)
        z = join(p @ value)

        def backward(dy):
            dz = cut(dy @ wo)
            dp = dz @ value.swapaxes(-1, -2)
            ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(d)
            dq, dk, dv = (join(g) for g in (ds @ key, ds.swapaxes(-1, -2) @ query, p.swapaxes(-1, -2) @ dz))
            over = lambda g, a: np.einsum("tno,tni->oi", g, a)  # noqa: E731
            dx = dq @ wq + dk @ wk + dv @ wv
            sums = [g.sum((0, 1)) for g in (dq, dk, dv, dy)]
            return dx, over(dq, q), over(dk, q), over(dv, q), over(dy, z), *sums

        return z @ wo.T + bo, backward

    verdict = check(attention, against="multi_head_attention")
    assert verdict.ok, verdict.text()
    assert "k_proj_bias" not in verdict.right
    assert "ill-conditioned" in " ".join(verdict.notes)
