"""The gradient along a chain is the product of the derivatives on the way, however long; along several ways, their sum.

Varied: chains of 1, 3 and 8 scalar layers (linear, tanh), and a network 1-3-2-1 with six ways from x to y. Measured at
trained weights: d output / d x by backward, beside the products of the local derivatives, summed over the ways.
Refuted by: a difference beyond rounding.
"""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np

import torchref
from torchref.compare import Comparison, Data
from torchref.compare.data import split
from torchref.compare.teach import Figures, Finding, Lesson, Trained, equal


def curve() -> Data:
    """80 points of 0.8 sin(x)."""
    x = np.linspace(-2, 2, 80)[:, None]
    return split(x, 0.8 * np.sin(x), validation=0.25)


def network(nn: Any, sizes: tuple[int, ...]) -> Any:
    """A chain of linear layers and tanh, of these widths."""
    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
    return nn.Sequential(*layers)


def chain(*sizes: int) -> Comparison:
    """The curve, learned by a chain of these widths."""
    return Comparison(
        name="chain_rule",
        claim="",
        model=network,
        loss=lambda nn: nn.MSELoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1),
        data=curve,
        variants={"chain": {"sizes": sizes}},
        epochs=6,
        batch_size=20,
    )


def measure(trained: Trained) -> dict[str, float]:
    model, x = trained.model, np.array([[0.7]])
    weights = [layer.weight.data for layer in model if hasattr(layer, "weight")]
    slopes = []  # tanh'(z) of every neuron, layer by layer
    signal = x
    for layer in model:
        signal, _ = layer(signal)
        if not hasattr(layer, "weight"):
            slopes.append(1 - signal[0] ** 2 if not trained.off else np.ones(signal.shape[1]))
    total = 0.0
    for way in product(*(range(len(slope)) for slope in slopes)):  # one neuron of each layer
        factor, before = 1.0, 0
        for weight, slope, neuron in zip(weights, slopes, way, strict=True):
            factor *= weight[neuron, before] * slope[neuron]
            before = neuron
        total += factor
    copy = network(torchref.nn, (1, *map(len, weights))).to(np.float64)  # the trained one skips the gradient of x
    copy.load_state_dict(model.state_dict())
    output, backward = copy(x)
    derivative = backward(np.ones_like(output))
    return {"error": abs(derivative[0, 0] - total)}


def judge(f: Figures) -> list[Finding]:
    return [
        equal("one layer: w tanh'(z)", f["1"]["error"], 1e-14),
        equal("three layers: the product of six derivatives", f["3"]["error"], 1e-14),
        equal("eight layers: the product of sixteen", f["8"]["error"], 1e-14),
        equal("six ways: the sum of their products", f["ways"]["error"], 1e-14),
    ]


lesson = Lesson(
    name="chain_rule",
    claim=__doc__ or "",
    variants={"1": chain(1, 1), "3": chain(1, 1, 1, 1), "8": chain(*[1] * 9), "ways": chain(1, 3, 2, 1)},
    measure=measure,
    judge=judge,
    page="text",
    cards=("figures/error", "loss/step"),
    control="3",
)
