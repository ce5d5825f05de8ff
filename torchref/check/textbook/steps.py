"""One step of SGD, Adam, AdamW, RMSprop and Adagrad on one weight, and the loop around it.

A step takes the weight w, its gradient g, its state s (a dictionary, empty at first) and the learning rate; it changes
the state and returns the new weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.nn.module import Array


def train(
    step: Callable[[Array, Array, dict[str, Any], float], Array],
    weights: list[Array],
    gradients: list[list[Array]],
    rates: list[float],
) -> list[list[Array]]:
    """The weights after each step."""
    weights = list(weights)
    states: list[dict[str, Any]] = [{} for _ in weights]
    path = []
    for now, lr in zip(gradients, rates, strict=True):
        for i, g in enumerate(now):
            s = states[i]
            weights[i] = step(weights[i], g, s, lr)
        path.append(list(weights))
    return path


def sgd(
    w: Array,
    g: Array,
    s: dict[str, Any],
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> Array:
    decayed = g + weight_decay * w
    if momentum:
        first = "velocity" not in s
        velocity = decayed if first else momentum * s["velocity"] + (1 - dampening) * decayed
        s["velocity"] = velocity
        direction = decayed + momentum * velocity if nesterov else velocity
    else:
        direction = decayed
    new = w - lr * direction
    return new


def adam(
    w: Array,
    g: Array,
    s: dict[str, Any],
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> Array:
    beta1 = betas[0]
    beta2 = betas[1]
    decayed = g + weight_decay * w
    t = s.get("t", 0) + 1
    m = beta1 * s.get("m", 0 * w) + (1 - beta1) * decayed
    v = beta2 * s.get("v", 0 * w) + (1 - beta2) * decayed**2
    s.update(t=t, m=m, v=v)
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    new = w - lr * m_hat / (np.sqrt(v_hat) + eps)
    return new


def adamw(
    w: Array,
    g: Array,
    s: dict[str, Any],
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> Array:
    beta1 = betas[0]
    beta2 = betas[1]
    shrunk = w - lr * weight_decay * w
    t = s.get("t", 0) + 1
    m = beta1 * s.get("m", 0 * w) + (1 - beta1) * g
    v = beta2 * s.get("v", 0 * w) + (1 - beta2) * g**2
    s.update(t=t, m=m, v=v)
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    new = shrunk - lr * m_hat / (np.sqrt(v_hat) + eps)
    return new


def rmsprop(
    w: Array,
    g: Array,
    s: dict[str, Any],
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> Array:
    decayed = g + weight_decay * w
    square = alpha * s.get("square", 0 * w) + (1 - alpha) * decayed**2
    s["square"] = square
    if centered:
        mean = alpha * s.get("mean", 0 * w) + (1 - alpha) * decayed
        s["mean"] = mean
        variance = square - mean**2
    else:
        variance = square
    update = decayed / (np.sqrt(variance) + eps)
    if momentum:
        velocity = momentum * s.get("velocity", 0 * w) + update
        s["velocity"] = velocity
        direction = velocity
    else:
        direction = update
    new = w - lr * direction
    return new


def adagrad(
    w: Array, g: Array, s: dict[str, Any], lr: float, lr_decay: float, weight_decay: float, eps: float
) -> Array:
    decayed = g + weight_decay * w
    t = s.get("t", 0) + 1
    total = s.get("total", 0 * w) + decayed**2
    s.update(t=t, total=total)
    rate = lr / (1 + (t - 1) * lr_decay)
    new = w - rate * decayed / (np.sqrt(total) + eps)
    return new
