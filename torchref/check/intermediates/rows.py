# ruff: noqa: E501
"""The way back through softmax: under the cross entropy, inside attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.intermediates.step import Step, step
from torchref.check.mistakes.base import softmax as stable
from torchref.nn.module import Array

DOT = "dot inner sum total rowsum rowdot summed weighted sumterm"


def cross_entropy(v: Any, dy: Array) -> list[Step]:
    if v.label_smoothing or v.weight is not None or v.ignore_index >= 0 or v.input.ndim != 2:
        return []
    n, k = v.input.shape
    p = stable(v.input, 1)
    onehot = np.eye(k)[v.target]
    e = np.exp(v.input - v.input.max(1, keepdims=True))
    mean = {"mean": n}.get(v.reduction, 1)
    dlog = -onehot / mean * dy
    logits = (p - onehot) / mean * (dy[:, None] if np.ndim(dy) else dy)
    dp = np.where(onehot > 0, -1 / p, 0) / mean * dy if not np.ndim(dy) else p
    return [
        step("p", "the softmax of the logits", "p probs prob softmax sm probabilities yhat s", "input", p, p - onehot, e, logits),
        step("log p", "the logarithm of the softmax", "logp logprobs logsoftmax logprob ls", "input", np.log(p)),
        step("one-hot", "the targets as rows of 0 and 1", "onehot t targetonehot y1h yonehot", "input", onehot),
        step("dlog p", "the gradient of log p: -onehot / N", "dlogp dlogprobs dlogsoftmax dlogprob", "input", dlog, dlog * mean, dlog / dy, dlog / dy * mean),
        step("dp", "the gradient of p: -onehot / (p N)", "dp dprobs dprob dsoftmax", "input", dp, dp * mean, dp / dy, logits, logits / dy, logits / dy * mean),
    ]  # fmt: skip
