"""What people call the loss, the weights and the gradients of a network, and which gradient belongs to which weight."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal
from torchref.check.reading.forms.naming import stem

LOSSES = (
    "loss", "loss_and_grads", "loss_and_grad", "loss_and_gradients", "loss_grad", "compute_loss", "forward_backward",
    "compute_loss_and_grads", "cost", "cost_function", "compute_cost", "nnCostFunction", "propagate", "backprop",
    "loss_fun", "loss_function", "lossFun", "objective", "calculate_loss", "calc_loss", "get_loss", "criterion",
)  # fmt: skip
BACKWARDS = (
    "backward", "backprop", "backward_pass", "backward_propagation", "back_propagation", "backpropagation", "gradient",
    "gradients", "compute_gradients", "compute_gradient", "compute_grads", "grad", "grads", "calc_gradients",
    "get_gradients", "bptt", "backpropagate", "compute_grad", "update", "train_step", "step",
)  # fmt: skip
OF_LOSS = re.compile(r"((?i:.*(loss|cost|objective|nll|error).*|total|mse|ce|val(ue)?)|[JEL])$")
GRADIENTS = re.compile(r"(.*grads?|.*gradients?|d|nabla.*|deltas?)$", re.I)
RATE = ("lr", "learningrate", "alpha", "eta", "stepsize", "rate")
STRENGTH = (
    "reg",
    "lambda",
    "lambd",
    "lam",
    "l2",
    "l2reg",
    "regularization",
    "regstrength",
    "weightdecay",
    "lmbda",
    "lmbd",
)


LABELS = ("y", "t", "labels", "label", "target", "targets", "ytrue", "yt", "ys", "ybatch", "tbatch", "truth")
MASKS = ("r", "rated", "observed", "known", "mask", "masks", "weightmask", "paddingmask", "ymask", "valid")


def scalar(value: Any) -> bool:
    """Whether a value may be a loss."""
    if isinstance(value, bool | str):
        return False
    if isinstance(value, int | float | complex | np.generic):
        return True
    return isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "fc"


def loss_place(items: list[Any], names: list[str]) -> int | None:
    """Which of the things that came back is the loss: what is called one, else the first number."""
    places = [i for i, item in enumerate(items) if scalar(item)]
    called = [i for i in places if i < len(names) and OF_LOSS.match(names[i] or "")]
    return next(iter(called or places), None)


def weight_of(gradient: str, weights: Iterable[str]) -> str | None:
    """The weight whose gradient is called `gradient`: dW1, grad_W1, W1_grad, or W1 itself."""
    known = {normal(w): w for w in weights}
    for name in (*stem(gradient), normal(gradient)):
        if name in known:
            return known[name]
    return None
