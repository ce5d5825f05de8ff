"""What is handed to arguments that a code asks for although the operation has no such: training, name, activation.

class Dense:
    def __init__(self, n_in, n_out, activation="relu", name=None, seed=0): ...
    def forward(self, x, training): ...
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Identity(str):
    """What an argument called activation is handed where the operation has none: a name, a function and a layer."""

    NAMES = (None, "linear", "identity", "none", "None", "")

    def __eq__(self, other: object) -> bool:
        return other in self.NAMES or other is self

    def __hash__(self) -> int:
        return hash("linear")

    def __call__(self, z: Any) -> Any:
        return z

    forward = fn = f = activation = backward = bwd = __call__

    def derivative(self, z: Any) -> Any:
        """1 in every place."""
        return np.ones_like(z)

    gradient = grad = df = prime = derivative


class Descent:
    """The optimizer that a layer is handed: a step of the rate 1, however it is asked for."""

    lr = learning_rate = rate = 1.0

    def update(self, w: Any, gradient: Any, *_more: Any, **_others: Any) -> Any:
        return w - gradient

    __call__ = step = apply = get_update = optimize = calc_update = update

    def pre_update_params(self) -> None: ...

    post_update_params = zero_grad = pre_update_params

    def update_params(self, layer: Any) -> None:
        """The step of a layer that holds weights, biases, dweights and dbiases."""
        for weight, gradient in (("weights", "dweights"), ("biases", "dbiases"), ("W", "dW"), ("b", "db")):
            if hasattr(layer, weight) and hasattr(layer, gradient):
                setattr(layer, weight, getattr(layer, weight) - getattr(layer, gradient))


ACTIVATIONS = ("activation", "act", "activationfn", "actfn", "activationfunction", "nonlinearity")
OPTIMIZERS = ("optimizer", "optimiser", "opt", "optim", "optimizerclass", "solver", "updater")
# arguments that a code asks for although the operation has no such: what each is handed
UNUSED: dict[str, Any] = {
    "training": True, "train": True, "istraining": True, "istrain": True, "trainflg": True, "trainable": True,
    "mode": "train", "name": "layer", "layername": "layer", "seed": 0, "randomseed": 0, "randomstate": 0,
    "verbose": False, "debug": False, "epoch": 1, "layer": 1, "layerid": 1, "index": 0, "id": 0,
    **dict.fromkeys(ACTIVATIONS, Identity("linear")),
    **dict.fromkeys(OPTIMIZERS, Descent()), "lr": 1.0, "learningrate": 1.0,
}  # fmt: skip
