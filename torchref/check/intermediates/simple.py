# ruff: noqa: E501
"""The way back through losses of each entry."""

from __future__ import annotations

from typing import Any

from torchref.check.intermediates.step import Step, step
from torchref.check.mistakes.base import sigmoid
from torchref.nn.module import Array


def mse_loss(v: Any, dy: Array) -> list[Step]:
    difference = v.input - v.target
    return [
        step(
            "x - t",
            "prediction less target",
            "diff difference error err residual delta e d r",
            "input",
            difference,
            -difference,
            difference**2,
        )
    ]


def bce(v: Any, dy: Array) -> list[Step]:
    p, t = v.input, v.target
    inner = (p - t) / (p * (1 - p))
    return [step("(p - t) / (p (1 - p))", "the slope of one entry", "local slope deriv dldp dp dloss inner", "input", inner, inner * dy, inner * dy / inner.size, inner / inner.size)]  # fmt: skip


def bce_logits(v: Any, dy: Array) -> list[Step]:
    p = sigmoid(v.input)
    return [
        step("p", "the sigmoid of the logits", "p s sig sigmoid probs prob yhat pred sigma", "input", p, p - v.target)
    ]
