"""Cross entropy of probabilities: the softmax is a layer of its own before the loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.random import Generator

from torchref.check.ops.find import find
from torchref.check.ops.formula import Adapted
from torchref.check.ops.mistake import Evaluated, Gradients, Values
from torchref.check.ops.record import Arrays, Op, Options


@dataclass(frozen=True)
class _OfProbabilities(Adapted):
    """nll_loss takes log p; dL/dp = dL/d(log p) / p."""

    def __call__(self, v: Values, wrong: frozenset[str] = frozenset()) -> Evaluated:
        outputs, inner_backward = super().__call__(v, wrong)

        def backward(*dys: Any) -> Gradients:
            gradients = dict(inner_backward(*dys))
            return {**gradients, "input": gradients["input"] / v.input}

        return outputs, backward


def of_probabilities(op: Op) -> Op:
    """Cross entropy for code that takes the softmax's output instead of the logits."""
    nll = find("nll_loss")

    def logarithm(v: Values) -> Values:
        return SimpleNamespace(**{**vars(v), "input": np.log(v.input)})

    def make(rng: Generator, options: Options, variant: str) -> Arrays:
        arrays = nll.make(rng, options, variant)
        return {**arrays, "input": np.exp(arrays["input"])}

    given = {k: v for k, v in op.given.items() if nll.has(k)}
    formula = _OfProbabilities(nll, values=logarithm, made={"input": "np.log(input)"})
    return replace(
        nll, name=op.name, formula=formula, make=make, given=given, derivation=op.derivation, logarithms=False
    )
