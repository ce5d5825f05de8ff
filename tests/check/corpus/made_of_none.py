# ruff: noqa  (written as students write)
"""Steps that make their dictionary only where they are handed None."""

import numpy as np

from tests.check.corpus import right, wrong


@right("Adam")
def adam_of_none(w, dw, config=None):
    if config is None:
        config = dict(
            learning_rate=1e-2, beta1=0.9, beta2=0.99, epsilon=1e-6, m=np.zeros_like(w), v=np.zeros_like(w), t=0
        )
    config["t"] += 1
    config["m"] = config["beta1"] * config["m"] + (1 - config["beta1"]) * dw
    config["v"] = config["beta2"] * config["v"] + (1 - config["beta2"]) * dw**2
    m = config["m"] / (1 - config["beta1"] ** config["t"])
    v = config["v"] / (1 - config["beta2"] ** config["t"])
    return w - config["learning_rate"] * m / (np.sqrt(v) + config["epsilon"]), config


@wrong("Adam", "optimizer-bias-correction")
def adam_of_none_uncorrected(w, dw, config=None):
    if config is None:
        config = dict(
            learning_rate=1e-2, beta1=0.9, beta2=0.99, epsilon=1e-6, m=np.zeros_like(w), v=np.zeros_like(w), t=0
        )
    config["t"] += 1
    config["m"] = config["beta1"] * config["m"] + (1 - config["beta1"]) * dw
    config["v"] = config["beta2"] * config["v"] + (1 - config["beta2"]) * dw**2
    m = config["m"] / (1 - config["beta1"] ** config["t"])
    return w - config["learning_rate"] * m / (np.sqrt(config["v"]) + config["epsilon"]), config
