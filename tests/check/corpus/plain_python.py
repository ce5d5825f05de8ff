# ruff: noqa  (written as students write)
"""Code in plain Python: a matrix is a list of lists."""

import math

from tests.check.corpus import right, wrong


def leaky_forward(x, slope=0.01):
    return [[v if v > 0 else slope * v for v in row] for row in x], (x, slope)


def leaky_backward(dy, cache):
    x, slope = cache
    return [[d if v > 0 else slope * d for d, v in zip(dr, xr)] for dr, xr in zip(dy, x)]


def leaky_turned_backward(dy, cache):
    x, slope = cache
    return [[d if v < 0 else slope * d for d, v in zip(dr, xr)] for dr, xr in zip(dy, x)]


right("leaky_relu")((leaky_forward, leaky_backward))
wrong("leaky_relu", "wrong-mask", "input")((leaky_forward, leaky_turned_backward))


@right("softmax")
def shares(scores):
    out = []
    for row in scores:
        e = [math.exp(v - max(row)) for v in row]
        out.append([v / sum(e) for v in e])

    def backward(up):
        down = []
        for ys, us in zip(out, up):
            inner = sum(y * u for y, u in zip(ys, us))
            down.append([y * (u - inner) for y, u in zip(ys, us)])
        return down

    return out, backward


@wrong("mse_loss", "wrong-sign", "input")
def other_way(pred, target):
    n = sum(len(row) for row in pred)
    gaps = [[p - t for p, t in zip(ps, ts)] for ps, ts in zip(pred, target)]
    loss = sum(g * g for row in gaps for g in row) / n
    return loss, [[-2 * g / n for g in row] for row in gaps]
