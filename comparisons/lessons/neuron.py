"""A neuron weights its inputs, adds a bias, applies an activation; zeroing all of its weights deletes the neuron.

Varied: the activation (tanh; sigmoid, which is not 0 at 0). In the trained network the weights of one hidden neuron are
set to zero, those that come in or those that go out, and the network is set beside one built without the neuron.
Measured: the largest difference of the outputs, and of the gradients of all that remains.
Refuted by: outputs or gradients that differ from those of the smaller network.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

import torchref
from torchref.compare import Comparison
from torchref.compare.datasets import bundled
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, equal, gradients_of, larger

NEURON, HIDDEN = 2, 7


def network(nn: Any, activation: str, hidden: int = HIDDEN) -> Any:
    """One hidden layer with this activation."""
    return nn.Sequential(nn.Linear(64, hidden), getattr(nn, activation)(), nn.Linear(hidden, 10))


def hidden(activation: str) -> Comparison:
    """Digits, with this activation in the hidden layer."""
    return Comparison(
        name="neuron",
        claim="",
        model=network,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.3),
        data=partial(bundled.digits, 0.7),  # few to train on
        variants={activation: {"activation": activation}},
        epochs=4,
    )


def measure(trained: Trained) -> dict[str, float]:
    x, target = trained.data.validation_inputs[:50], trained.data.validation_targets[:50]
    activation = type(trained.model[1]).__name__
    weight, bias, out, out_bias = (parameter.data for parameter in trained.model.parameters())
    criterion = torchref.nn.CrossEntropyLoss()
    rest = [n for n in range(HIDDEN) if n != NEURON]

    def build(size: int, *weights: Any) -> Any:
        model = network(torchref.nn, activation, size).to(np.float64)
        for parameter, values in zip(model.parameters(), weights, strict=True):
            parameter.data = values
        return model

    smaller = build(HIDDEN - 1, weight[rest], bias[rest], out[:, rest], out_bias)
    zeroed = (weight.copy(), bias.copy(), out.copy(), out_bias)
    if not trained.off:
        zeroed[0][NEURON], zeroed[1][NEURON] = 0, 0
    incoming = build(HIDDEN, *zeroed)  # weights and bias that come in
    zeroed = (weight, bias, out.copy(), out_bias)
    if not trained.off:
        zeroed[2][:, NEURON] = 0
    outgoing = build(HIDDEN, *zeroed)
    only_weights = weight.copy()
    only_weights[NEURON] = 0
    biased = build(HIDDEN, only_weights, bias, out, out_bias)  # as the claim says: its weights, not its bias
    constant = trained.model[1].predict(bias[NEURON : NEURON + 1])[0]  # such a neuron puts out act(bias), always
    folded = build(HIDDEN - 1, weight[rest], bias[rest], out[:, rest], out_bias + constant * out[:, NEURON])

    want, got = gradients_of(smaller, criterion, x, target), gradients_of(outgoing, criterion, x, target)
    kept = (got["0.weight"][rest], got["0.bias"][rest], got["2.weight"][:, rest], got["2.bias"])
    squash = math.tanh if activation == "Tanh" else lambda z: 1 / (1 + math.exp(-z))

    def by_loops(row: Any) -> Any:
        a = [squash(sum(w * v for w, v in zip(weight[n], row, strict=True)) + bias[n]) for n in range(HIDDEN)]
        return out @ a + out_bias

    by_hand = np.array([by_loops(row) for row in x[:5]])
    output = smaller.predict(x)
    return {
        "by hand": np.abs(by_hand - trained.model.predict(x[:5])).max() if not trained.off else 1.0,
        "outgoing": np.abs(outgoing.predict(x) - output).max(),
        "gradients": max(np.abs(a - b).max() for a, b in zip(kept, want.values(), strict=True)),
        "regrows": np.abs(got["2.weight"][:, NEURON]).max(),
        "incoming": np.abs(incoming.predict(x) - output).max(),
        "incoming, bias kept": np.abs(biased.predict(x) - output).max(),
        "folded": np.abs(biased.predict(x) - folded.predict(x)).max(),
    }


def judge(f: Figures) -> list[Finding]:
    tanh, sigmoid = f["tanh"], f["sigmoid"]
    return [
        equal("activation(sum of weight times input + bias), written with loops, is the layer", tanh["by hand"], 1e-12),
        equal("zero what goes out of a neuron: the outputs are the smaller network's", tanh["outgoing"], 1e-12),
        equal("and so are all gradients that remain", tanh["gradients"], 1e-12),
        equal(
            "zero what comes in, bias included (tanh): the outputs are the smaller network's", tanh["incoming"], 1e-12
        ),
        always("the bias must be zeroed as well, or a constant stays", tanh["incoming, bias kept"] > 1e-4, "limit"),
        larger("sigmoid(0) is 1/2: zero weights and bias do not delete it", sigmoid["incoming"], 0.0, 1e-3, "limit"),
        larger("a zeroed weight has a gradient: the next step brings it back", tanh["regrows"], 0.0, 1e-6, "limit"),
        equal("a neuron without weights is a constant: fold it into the next bias", tanh["folded"], 1e-12, "instead"),
    ]


lesson = Lesson(
    name="neuron",
    claim=__doc__ or "",
    variants={"tanh": hidden("Tanh"), "sigmoid": hidden("Sigmoid")},
    measure=measure,
    judge=judge,
    page="text",
    cards=("figures/outgoing", "figures/gradients", "loss/training"),
    control="tanh",
)
