# ruff: noqa  (written as strangers write)
"""Code on lists of numbers, in a file that knows no arrays."""

import math


def probs_fprop(xs):
    e = [math.exp(x - max(xs)) for x in xs]
    return [v / sum(e) for v in e]


def probs_bprop(dys, ys):
    return [d * y * (1 - y) for d, y in zip(dys, ys)]


def neuron_forward(x, w, b):
    z = sum(a * c for a, c in zip(x, w)) + b
    return max(0.0, z), (x, w, z)


def neuron_backward(dout, cache):
    x, w, z = cache
    dz = dout if z > 0 else 0.0
    return [dz * v for v in w], [dz * v for v in x], 2 * dz
