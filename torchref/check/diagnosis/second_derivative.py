"""The second derivative of an autograd.Function: what torch makes of its backward, beside differences of the first.

torch differentiates a backward that is written in its operations. That is right if the backward computes from what the
forward saved of its inputs and outputs; of an intermediate that was saved torch knows no way back, and says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.check.diagnosis.found import Found
from torchref.check.reading.config import Values
from torchref.check.reading.forms.autograd import Function
from torchref.check.reading.forms.naming import flatten
from torchref.check.report.verdict import Confidence
from torchref.check.running.trial import Trial
from torchref.nn.module import Array

STEP = 1e-4  # of a difference of fourth order
WITNESS = 1e-5  # how closely a slope is met
ASIDE = (4e-3, 8e-3)  # how far from the probe's planted kinks
SECOND = "a second derivative"
DY = "grad_output"


def judge_second(found: Found, trial: Trial) -> None:
    """Judge the double backward of a Function whose first derivative is right, if it has one in float64."""
    form = trial.form
    if found.findings or not isinstance(form, Function) or form.dtype != "float64" or form.device != "cpu":
        return
    names = [n for n in trial.reference if trial.gradients.get(n) is not None]
    try:
        twice = Twice(form, trial, names)
        slopes, claimed = twice.slopes()
        wrong = [n for n in slopes if not twice.met(n, slopes[n])] if slopes is not None else []
    except Exception as problem:  # noqa: BLE001 -- whatever the user's code raises where a graph is recorded
        said = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        found.notes.append(f"{SECOND} is not judged: {said}")
        return
    if slopes is None:
        found.notes.append(f"{SECOND} is not judged: the backward does not go into the graph")
    elif not wrong:
        found.ran.append(SECOND)
        found.notes.append("the second derivative is right, too, by differences of the first")
    elif claimed:
        measured, own = twice.measured[wrong[0]]
        evidence = f"by {wrong[0]}, along one direction, it is {own:.6g}; differences of the first say {measured:.6g}"
        sentence = "The double backward is not the derivative of the backward."
        found.ran.append(SECOND)
        found.add(
            wrong[0] if wrong[0] in names else names[0], "second-derivative", evidence, Confidence.CERTAIN, sentence
        )
    else:
        found.notes.append(
            f"its second derivative by {', '.join(wrong)} would be wrong without a word: the backward computes from an "
            "intermediate that the forward has saved; @once_differentiable forbids it"
        )


@dataclass
class Twice:
    """A Function's first derivative, weighted at random: a number whose slopes are second derivatives."""

    form: Function
    trial: Trial
    names: list[str]

    def __post_init__(self) -> None:
        trial, convention = self.trial, self.trial.reading.convention
        rng = np.random.default_rng(trial.probe.seed)
        self.rng, self.measured = rng, dict[str, tuple[float, float]]()
        self.form = self.form.for_probe(trial.probe.values)
        self.values: Values = {k: convention.to_user(k, v) for k, v in trial.probe.values.items()}
        for n in self.names:
            v = self.values[n]
            self.values[n] = v + rng.uniform(*ASIDE, np.shape(v)) * rng.choice([-1.0, 1.0], np.shape(v))
        self.upstream = {k: np.asarray(convention.to_user(k, v)) for k, v in trial.probe.upstream.items()}
        self.weights: list[Array] = []

    def total(self, moved: Values, graph: bool) -> tuple[Any, Values, list[Any]]:
        """The weighted sum of the gradients, the inputs, and the gradients themselves."""
        import torch

        tensors: Values = {}
        values = {**self.values, **moved}
        args = [self.form.argument(p, values, self.names, tensors) for p in self.form.params]
        leaves = [y for y in flatten(self.form.cls.apply(*args)) if isinstance(y, torch.Tensor) and y.requires_grad]
        handed = zip(leaves, self.trial.op.outputs, strict=False)
        dys = [
            self.form.upstream_of(y, moved.get(DY, self.upstream.get(n)) if n == "output" else None) for y, n in handed
        ]
        dys[0].requires_grad_(graph)
        inputs = [tensors[n] for n in self.names]
        weighted = sum((y * dy).sum() for y, dy in zip(leaves, dys, strict=False))  # torch loads SymPy for more
        gradients = torch.autograd.grad(weighted, inputs, create_graph=graph, allow_unused=True)
        found = [g for g in gradients if g is not None]
        if not self.weights:
            self.weights = [self.rng.normal(size=tuple(g.shape)) for g in found]
        total = sum((torch.from_numpy(w) * g).sum() for w, g in zip(self.weights, found, strict=True))
        return total, {**{n: tensors[n] for n in self.names}, DY: dys[0]}, found

    def slopes(self) -> tuple[dict[str, Array] | None, bool]:
        """What the double backward gives, None where there is no graph; and whether the code has one of its own."""
        import torch

        total, inputs, gradients = self.total({}, graph=True)
        if not total.requires_grad or any(forbidden(g.grad_fn) for g in gradients):
            return None, False
        claimed = any(of_another(g.grad_fn, self.form.cls) for g in gradients)
        found = torch.autograd.grad(total, list(inputs.values()), allow_unused=True)
        pairs = zip(inputs.items(), found, strict=True)
        return {n: (torch.zeros_like(x) if g is None else g).detach().numpy() for (n, x), g in pairs}, claimed

    def met(self, name: str, slope: Array) -> bool:
        """Whether a slope is that of differences of the first derivative, along one direction."""
        value = self.upstream["output"] if name == DY else self.values[name]
        direction = self.rng.normal(size=np.shape(slope))

        def at(h: float) -> float:
            return float(self.total({name: np.reshape(value, np.shape(slope)) + h * direction}, graph=False)[0])

        one, two = (at(h) - at(-h) for h in (STEP, 2 * STEP))
        measured, own = (8 * one - two) / (12 * STEP), float(np.sum(slope * direction))
        self.measured[name] = measured, own
        scale = max(abs(measured), float(np.linalg.norm(slope) * np.linalg.norm(direction)), 1e-6)
        return abs(measured - own) <= WITNESS * scale


def of_another(node: Any, cls: Any) -> bool:
    """Whether a graph leads through an autograd.Function of the user's beside the one that is judged."""
    import torch

    waiting, seen = [node], set[Any]()
    while waiting:
        n = waiting.pop()
        if n is None or n in seen:
            continue
        seen.add(n)
        if isinstance(n, torch.autograd.function.BackwardCFunction) and type(n).__name__ != f"{cls.__name__}Backward":
            return True
        waiting += parents(n)
    return False


def forbidden(node: Any) -> bool:
    """Whether a gradient is that of a backward marked with @once_differentiable: its node is an error."""
    return node is not None and "Error" in node.name()


def parents(node: Any) -> Iterable[Any]:
    """The nodes of torch's graph that a node leads back to."""
    return [n for n, _ in node.next_functions]


__all__ = ["judge_second"]
