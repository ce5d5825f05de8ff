"""One step of each optimizer on one weight, and the loop around it.

A step takes the weight w, its gradient g, its state s (a dictionary, empty at first) and the learning rate; it changes
the state and returns the new weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from torchref.nn.module import Array

State: TypeAlias = dict[str, Any]
Betas: TypeAlias = tuple[float, float]


def train(
    step: Callable[[Array, Array, State, float], Array],
    weights: list[Array],
    gradients: list[list[Array]],
    rates: list[float],
) -> list[list[Array]]:
    """The weights after each step."""
    weights = list(weights)
    states: list[State] = [{} for _ in weights]
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
    s: State,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> Array:
    """w - lr v, with v = momentum v + (1 - dampening) g, and g + momentum v for nesterov (torch.optim.SGD)."""
    if maximize:
        g = -g
    decayed = g + weight_decay * w if weight_decay else g
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
    s: State,
    lr: float,
    betas: Betas,
    eps: float,
    weight_decay: float,
    amsgrad: bool,
    maximize: bool,
) -> Array:
    """w - lr m_hat / (sqrt(v_hat) + eps): running means of g and g^2, divided by 1 - beta^t (Kingma and Ba 2015)."""
    if maximize:
        g = -g
    beta1 = betas[0]
    beta2 = betas[1]
    decayed = g + weight_decay * w if weight_decay else g
    t = s.get("t", 0) + 1
    m = beta1 * s.get("m", 0 * w) + (1 - beta1) * decayed
    v = beta2 * s.get("v", 0 * w) + (1 - beta2) * decayed**2
    s.update(t=t, m=m, v=v)
    m_hat = m / (1 - beta1**t)
    if amsgrad:
        largest = np.maximum(s.get("largest", 0 * w), v)
        s["largest"] = largest
        v_hat = largest / (1 - beta2**t)
    else:
        v_hat = v / (1 - beta2**t)
    new = w - lr * m_hat / (np.sqrt(v_hat) + eps)
    return new


def adamw(
    w: Array,
    g: Array,
    s: State,
    lr: float,
    betas: Betas,
    eps: float,
    weight_decay: float,
    amsgrad: bool,
    maximize: bool,
) -> Array:
    """Adam with the decay at the weight, w - lr weight_decay w, not in the gradient (Loshchilov and Hutter 2019)."""
    if maximize:
        g = -g
    beta1 = betas[0]
    beta2 = betas[1]
    shrunk = w - lr * weight_decay * w if weight_decay else w
    t = s.get("t", 0) + 1
    m = beta1 * s.get("m", 0 * w) + (1 - beta1) * g
    v = beta2 * s.get("v", 0 * w) + (1 - beta2) * g**2
    s.update(t=t, m=m, v=v)
    m_hat = m / (1 - beta1**t)
    if amsgrad:
        largest = np.maximum(s.get("largest", 0 * w), v)
        s["largest"] = largest
        v_hat = largest / (1 - beta2**t)
    else:
        v_hat = v / (1 - beta2**t)
    new = shrunk - lr * m_hat / (np.sqrt(v_hat) + eps)
    return new


def rmsprop(
    w: Array,
    g: Array,
    s: State,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
    maximize: bool,
) -> Array:
    """w - lr g / (sqrt(running mean of g^2) + eps), with the variance if centered, and a velocity with momentum."""
    if maximize:
        g = -g
    decayed = g + weight_decay * w if weight_decay else g
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
    w: Array,
    g: Array,
    s: State,
    lr: float,
    lr_decay: float,
    weight_decay: float,
    initial_accumulator_value: float,
    eps: float,
    maximize: bool,
) -> Array:
    """w - lr g / (sqrt(sum of g^2 so far) + eps) (Duchi et al. 2011)."""
    if maximize:
        g = -g
    decayed = g + weight_decay * w if weight_decay else g
    t = s.get("t", 0) + 1
    total = s.get("total", initial_accumulator_value + 0 * w) + decayed**2
    s.update(t=t, total=total)
    rate = lr / (1 + (t - 1) * lr_decay) if lr_decay else lr
    new = w - rate * decayed / (np.sqrt(total) + eps)
    return new


def adadelta(
    w: Array, g: Array, s: State, lr: float, rho: float, eps: float, weight_decay: float, maximize: bool
) -> Array:
    """w - lr g sqrt(mean of squared updates + eps) / sqrt(mean of g^2 + eps) (Zeiler 2012)."""
    if maximize:
        g = -g
    decayed = g + weight_decay * w if weight_decay else g
    square = rho * s.get("square", 0 * w) + (1 - rho) * decayed**2
    s["square"] = square
    moved = s.get("moved", 0 * w)  # the running mean of the squares of the updates so far
    update = np.sqrt(moved + eps) / np.sqrt(square + eps) * decayed
    s["moved"] = rho * moved + (1 - rho) * update**2
    new = w - lr * update
    return new


def adamax(
    w: Array, g: Array, s: State, lr: float, betas: Betas, eps: float, weight_decay: float, maximize: bool
) -> Array:
    """w - lr m_hat / u, with u the larger of beta2 u and |g| + eps (Kingma and Ba 2015, section 7)."""
    if maximize:
        g = -g
    beta1 = betas[0]
    beta2 = betas[1]
    decayed = g + weight_decay * w if weight_decay else g
    t = s.get("t", 0) + 1
    m = beta1 * s.get("m", 0 * w) + (1 - beta1) * decayed
    u = np.maximum(beta2 * s.get("u", 0 * w), np.abs(decayed) + eps)
    s.update(t=t, m=m, u=u)
    m_hat = m / (1 - beta1**t)
    new = w - lr * m_hat / u
    return new


def nadam(
    w: Array,
    g: Array,
    s: State,
    lr: float,
    betas: Betas,
    eps: float,
    weight_decay: float,
    momentum_decay: float,
    decoupled_weight_decay: bool,
    maximize: bool,
) -> Array:
    """Adam with Nesterov's look-ahead: m_hat takes the next step's momentum of a schedule (Dozat 2016)."""
    if maximize:
        g = -g
    beta1 = betas[0]
    beta2 = betas[1]
    shrunk = w - lr * weight_decay * w if weight_decay and decoupled_weight_decay else w
    decayed = g + weight_decay * w if weight_decay and not decoupled_weight_decay else g
    t = s.get("t", 0) + 1
    mu = beta1 * (1 - 0.96 ** (t * momentum_decay) / 2)
    mu_next = beta1 * (1 - 0.96 ** ((t + 1) * momentum_decay) / 2)
    product = s.get("product", 1.0) * mu
    m = beta1 * s.get("m", 0 * w) + (1 - beta1) * decayed
    v = beta2 * s.get("v", 0 * w) + (1 - beta2) * decayed**2
    s.update(t=t, product=product, m=m, v=v)
    m_hat = (1 - mu) / (1 - product) * decayed + mu_next / (1 - product * mu_next) * m
    v_hat = v / (1 - beta2**t)
    new = shrunk - lr * m_hat / (np.sqrt(v_hat) + eps)
    return new


def radam(
    w: Array,
    g: Array,
    s: State,
    lr: float,
    betas: Betas,
    eps: float,
    weight_decay: float,
    decoupled_weight_decay: bool,
    maximize: bool,
) -> Array:
    """Adam that rectifies the variance of v, and leaves v out in the first steps (Liu et al. 2020)."""
    if maximize:
        g = -g
    beta1 = betas[0]
    beta2 = betas[1]
    shrunk = w - lr * weight_decay * w if weight_decay and decoupled_weight_decay else w
    decayed = g + weight_decay * w if weight_decay and not decoupled_weight_decay else g
    t = s.get("t", 0) + 1
    m = beta1 * s.get("m", 0 * w) + (1 - beta1) * decayed
    v = beta2 * s.get("v", 0 * w) + (1 - beta2) * decayed**2
    s.update(t=t, m=m, v=v)
    m_hat = m / (1 - beta1**t)
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * t * beta2**t / (1 - beta2**t)  # of the average that v is, in steps
    trusted = length > 5
    if trusted:
        rectifier = np.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
        move = rectifier * m_hat * np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps)
    else:
        move = m_hat
    new = shrunk - lr * move
    return new
