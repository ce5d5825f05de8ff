"""The sigmoid of w0 x0 + w1 x1 + w2 taken apart: every gradient is the one that comes back times a local derivative.

With w = (2, -3, -3) and x = (-1, -2) the graph holds 1.37 before the reciprocal and puts out 0.73; backwards -0.53,
-0.53, -0.20, 0.20, then 0.20 for w2, -0.20 for w0, 0.39 for x0, -0.39 for w1 and -0.59 for x1.
Varied: the weights, by training the neuron. Measured: the numbers above, and at trained weights the graph's gradients
beside torch's. Refuted by: a number that differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from torchref.circuit import Value, text
from torchref.compare import Comparison, Data
from torchref.compare.data import split
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach import Figures, Finding, Lesson, Trained, equal

WEIGHTS, INPUTS = (2.0, -3.0, -3.0), (-1.0, -2.0)
WRITTEN = {"1 + e": 1.37, "output": 0.73}
WRITTEN |= {"d(1 + e)": -0.53, "de": -0.53, "dminus": -0.20, "dsum": 0.20}
WRITTEN |= {"dw2": 0.20, "dw0": -0.20, "dx0": 0.39, "dw1": -0.39, "dx1": -0.59}


def neuron(weights: tuple[float, ...], inputs: tuple[float, ...]) -> tuple[Value, dict[str, Value]]:
    """The graph, and its values by name."""
    w0, w1, w2 = (Value(w, f"w{i}") for i, w in enumerate(weights))
    x0, x1 = (Value(x, f"x{i}") for i, x in enumerate(inputs))
    total = w0 * x0 + w1 * x1 + w2
    minus = -total
    e = minus.exp()
    one_more = e + 1
    output = 1 / one_more
    return output, {"w0": w0, "w1": w1, "w2": w2, "x0": x0, "x1": x1, "sum": total, "minus": minus, "e": e} | {
        "1 + e": one_more,
        "output": output,
    }


def two_classes() -> Data:
    """120 points of the plane, on the two sides of a blurred line."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 2))
    target = (x @ [1.0, -2.0] + 0.5 + rng.standard_normal(120) > 0).astype(np.float64)
    return split(x, target[:, None], validation=0.5)


def model(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())


def numbers(backward: bool = True) -> dict[str, float]:
    """The numbers on the blackboard."""
    output, values = neuron(WEIGHTS, INPUTS)
    if backward:
        output.backward()
    return {name: values[name[1:].strip("()")].grad if name[0] == "d" else values[name].data for name in WRITTEN}


def measure(trained: Trained) -> dict[str, float]:
    found = numbers(backward=not trained.off)
    (w0, w1), w2 = trained.model[0].weight.data[0], trained.model[0].bias.data[0]
    x = trained.data.validation_inputs[0]
    output, values = neuron((w0, w1, w2), tuple(x))
    if not trained.off:
        output.backward()
    tensor = torch.tensor(x[None], requires_grad=True)
    theirs = torch.autograd.grad(trained.torch_model(tensor).sum(), [tensor, *trained.torch_model.parameters()])
    theirs_flat = np.concatenate([g.numpy().ravel() for g in theirs])
    ours = np.array([values[name].grad for name in ("x0", "x1", "w0", "w1", "w2")])
    return {
        "blackboard": max(abs(found[name] - value) for name, value in WRITTEN.items()),
        "torch": np.abs(ours - theirs_flat).max(),
    }


def judge(f: Figures) -> list[Finding]:
    return [
        equal("the numbers on the blackboard, to the two digits written there", f["neuron"]["blackboard"], 0.005),
        equal("the graph's gradients at trained weights are torch's", f["neuron"]["torch"], 1e-12),
    ]


def show(recorder: Recorder, trained: Trained) -> None:
    """The graph with every value and gradient."""
    output, _ = neuron(WEIGHTS, INPUTS)
    output.backward()
    recorder.text("numpy", "circuit", f"```\n{text(output)}\n```", 0)


lesson = Lesson(
    name="circuit",
    claim=__doc__ or "",
    variants={
        "neuron": Comparison(
            name="circuit",
            claim="",
            model=model,
            loss=lambda nn: nn.BCELoss(),
            optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.5),
            data=two_classes,
            epochs=10,
            batch_size=20,
        )
    },
    measure=measure,
    judge=judge,
    page="text",
    control="neuron",
    show=show,
    tags={
        "circuit": "The graph, line by line: each operation with its value and its gradient.",
    },
)
