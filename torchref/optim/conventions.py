"""Where optimizers of one name differ between torch, textbooks and other frameworks: both trajectories from one start.

    python -m torchref.optim.conventions

Each `Pair` holds two rules that are often taken for one. `compare(pair)` runs both on the bowl

    L(x, y) = (x^2 + 10 y^2) / 200,    from (1, -1), learning rate 0.1 at first and 0.02 from step 10 on

(gradients near 1e-2, where eps and decay count) and says at which step they part. A rule is one step written as in a
textbook: it takes the point p, the gradient g, the learning rate lr, the step's number t (from 1) and what it has
remembered, and returns the new point. The first rule of a pair is torch's, as in `torchref.optim`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from torchref.nn.module import Array

Memory: TypeAlias = dict[str, Array]
Rule: TypeAlias = Callable[[Array, Array, float, int, Memory], Array]

START = np.array([1.0, -1.0])
CURVATURE = np.array([0.01, 0.1])
CHANGE = 10  # the step before which the learning rate falls
MU, ALPHA, BETA1, BETA2, EPS, DECAY = 0.9, 0.9, 0.9, 0.99, 1e-3, 0.1


def learning_rate(t: int) -> float:
    """0.1, and 0.02 from step 10 on."""
    return 0.1 if t <= CHANGE else 0.02


# --- momentum ---------------------------------------------------------------------------------------------------------


def momentum_torch(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """The learning rate outside: the velocity sums gradients."""
    memory["v"] = MU * memory.get("v", 0 * g) + g
    return p - lr * memory["v"]


def momentum_sutskever(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """The learning rate inside: the velocity sums steps, each with the rate of its time. Keras, the paper."""
    memory["v"] = MU * memory.get("v", 0 * g) - lr * g
    return p + memory["v"]


def nesterov_torch(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """The gradient here, and the velocity as it will be after one more step."""
    memory["v"] = MU * memory.get("v", 0 * g) + g
    return p - lr * (g + MU * memory["v"])


def nesterov_keras(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """The same, with the learning rate inside the velocity."""
    memory["v"] = MU * memory.get("v", 0 * g) - lr * g
    return p + MU * memory["v"] - lr * g


def dampened_torch(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """Dampening spares the first gradient."""
    memory["v"] = g if t == 1 else MU * memory["v"] + (1 - MU) * g
    return p - lr * memory["v"]


def dampened_always(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """An exponential average that starts at zero."""
    memory["v"] = MU * memory.get("v", 0 * g) + (1 - MU) * g
    return p - lr * memory["v"]


# --- where eps stands -------------------------------------------------------------------------------------------------


def moments(g: Array, t: int, memory: Memory) -> tuple[Array, Array]:
    """Adam's two averages, corrected for their start at zero."""
    memory["m"] = BETA1 * memory.get("m", 0 * g) + (1 - BETA1) * g
    memory["v"] = BETA2 * memory.get("v", 0 * g) + (1 - BETA2) * g * g
    return memory["m"] / (1 - BETA1**t), memory["v"] / (1 - BETA2**t)


def adam_torch(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """eps outside of the root, after the correction: the paper's Algorithm 1."""
    m, v = moments(g, t, memory)
    return p - lr * m / (np.sqrt(v) + EPS)


def adam_eps_hat(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """eps outside of the root, before the correction: the paper's shorter form; Keras, torch's SparseAdam and RAdam."""
    m, v = moments(g, t, memory)
    root = math.sqrt(1 - BETA2**t)
    return p - lr * m * root / (np.sqrt(v) * root + EPS)


def adam_eps_inside(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """eps inside of the root."""
    m, v = moments(g, t, memory)
    return p - lr * m / np.sqrt(v + EPS)


def adam_uncorrected(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """Without the bias correction."""
    moments(g, t, memory)
    return p - lr * memory["m"] / (np.sqrt(memory["v"]) + EPS)


def rmsprop_torch(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """eps outside of the root."""
    memory["v"] = ALPHA * memory.get("v", 0 * g) + (1 - ALPHA) * g * g
    return p - lr * g / (np.sqrt(memory["v"]) + EPS)


def rmsprop_tensorflow(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """eps inside of the root."""
    memory["v"] = ALPHA * memory.get("v", 0 * g) + (1 - ALPHA) * g * g
    return p - lr * g / np.sqrt(memory["v"] + EPS)


def adagrad_torch(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """The sum of squares starts at zero, eps outside."""
    memory["sum"] = memory.get("sum", 0 * g) + g * g
    return p - lr * g / (np.sqrt(memory["sum"]) + EPS)


def adagrad_keras(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """The sum of squares starts at 0.1, eps inside."""
    memory["sum"] = memory.get("sum", 0 * g + 0.1) + g * g
    return p - lr * g / np.sqrt(memory["sum"] + EPS)


# --- decay ------------------------------------------------------------------------------------------------------------


def adam_l2(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """Coupled: the penalty's gradient is averaged and divided like the loss's."""
    return adam_torch(p, g + DECAY * p, lr, t, memory)


def adam_decoupled(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """Decoupled, as in torch's AdamW: every entry shrinks by the same factor."""
    return adam_torch((1 - lr * DECAY) * p, g, lr, t, memory)


def sgd_l2(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """The gradient of decay |p|^2 / 2 is added to the loss's."""
    return p - lr * (g + DECAY * p)


def sgd_decoupled(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """The point shrinks by the factor 1 - lr decay."""
    return (1 - lr * DECAY) * p - lr * g


def sgd_half_penalty(p: Array, g: Array, lr: float, t: int, memory: Memory) -> Array:
    """The penalty decay |p|^2 without the half: its gradient is 2 decay p."""
    return p - lr * (g + 2 * DECAY * p)


# --- side by side -----------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    """Two rules that are often taken for one; `torch` names the optimizer of torchref.optim that is the first."""

    title: str
    first: Rule
    second: Rule
    torch: tuple[str, dict[str, object]]


ADAM = {"betas": (BETA1, BETA2), "eps": EPS}
PAIRS = [
    Pair("momentum: lr outside (torch) / inside (Sutskever, Keras)", momentum_torch, momentum_sutskever,
         ("SGD", {"momentum": MU})),
    Pair("Nesterov: lr outside (torch) / inside (Keras)", nesterov_torch, nesterov_keras,
         ("SGD", {"momentum": MU, "nesterov": True})),
    Pair("dampening: not of the first step (torch) / always", dampened_torch, dampened_always,
         ("SGD", {"momentum": MU, "dampening": MU})),
    Pair("Adam's eps: after the correction (torch) / before it (Keras)", adam_torch, adam_eps_hat, ("Adam", ADAM)),
    Pair("Adam's eps: outside of the root (torch) / inside", adam_torch, adam_eps_inside, ("Adam", ADAM)),
    Pair("Adam: bias corrected (torch) / not", adam_torch, adam_uncorrected, ("Adam", ADAM)),
    Pair("RMSprop's eps: outside of the root (torch) / inside (TensorFlow)", rmsprop_torch, rmsprop_tensorflow,
         ("RMSprop", {"alpha": ALPHA, "eps": EPS})),
    Pair("Adagrad: sum from 0 (torch) / from 0.1 (Keras)", adagrad_torch, adagrad_keras, ("Adagrad", {"eps": EPS})),
    Pair("Adam's decay: coupled (Adam) / decoupled (AdamW)", adam_l2, adam_decoupled,
         ("Adam", ADAM | {"weight_decay": DECAY})),
    Pair("SGD's decay: coupled (torch) / decoupled", sgd_l2, sgd_decoupled, ("SGD", {"weight_decay": DECAY})),
    Pair("SGD's penalty: decay / 2 |p|^2 (torch) / decay |p|^2", sgd_l2, sgd_half_penalty,
         ("SGD", {"weight_decay": DECAY})),
]  # fmt: skip


class Comparison(NamedTuple):
    """Both trajectories (steps + 1, 2), and the first step after which they differ (None: never)."""

    first: Array
    second: Array
    parted: int | None


def gradient(p: Array) -> Array:
    """Of the bowl."""
    return CURVATURE * p


def trajectory(rule: Rule, steps: int = 30) -> Array:
    """The points that `rule` visits, the start among them: (steps + 1, 2)."""
    points, memory = [START], dict[str, Array]()
    for t in range(1, steps + 1):
        points.append(rule(points[-1], gradient(points[-1]), learning_rate(t), t, memory))
    return np.stack(points)


def compare(pair: Pair, steps: int = 30) -> Comparison:
    """Run both rules from the same start. Differences of rounding do not count."""
    first, second = trajectory(pair.first, steps), trajectory(pair.second, steps)
    differ = np.abs(first - second).max(axis=1) > 1e-12
    return Comparison(first, second, int(differ.argmax()) if differ.any() else None)


def main() -> None:
    """Print where the rules of each pair part."""
    for pair in PAIRS:
        first, second, parted = compare(pair)
        when = "never part" if parted is None else f"part at step {parted}"
        print(f"{pair.title}: {when}; after {len(first) - 1} steps {first[-1].round(5)} and {second[-1].round(5)}")


if __name__ == "__main__":
    main()
