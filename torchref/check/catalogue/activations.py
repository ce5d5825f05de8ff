# ruff: noqa: E501
"""Functions of each entry alone, with their kinks planted."""

from __future__ import annotations

from typing import Any

from torchref.check.mistakes.elementwise import elementwise, elementwise_mistakes
from torchref.check.ops import Argument, Op, option
from torchref.check.ops.common import X

KINKS = {"relu6": (0.0, 6.0), "hardsigmoid": (-3.0, 3.0), "hardswish": (-3.0, 3.0)}


def make_elementwise(name: str) -> Any:
    def make(rng: Any, o: dict[str, Any], variant: str) -> dict[str, Any]:
        shape = (5, 5) if variant == "square" else (5, 7)
        x = rng.normal(0, 3 if name in KINKS else 1.5, shape)
        if name == "relu6":
            x[4] += 6
        kinks = list(KINKS.get(name, (0.0,)))
        if name == "hardtanh":
            kinks = [o["min_val"], o["max_val"]]
        elif name in ("hardshrink", "softshrink"):
            kinks = [o["lambd"], -o["lambd"]]
        elif name == "threshold":
            kinks = [o["threshold"]]
        if name in ("hardshrink", "softshrink", "threshold", "hardtanh", "relu6", "relu", "leaky_relu", "rrelu", "elu", "selu",
                    "celu", "hardsigmoid", "hardswish"):  # fmt: skip
            x.flat[1 : 1 + len(kinks)] = kinks
            x.flat[9 : 9 + len(kinks)] = kinks
        return {"input": x}

    return make


def activation(name: str, *modules: str, options: tuple[Argument, ...] = (), **extra: Any) -> Op:
    return Op(
        name,
        modules,
        (X, *options),
        elementwise(name),
        elementwise_mistakes(name),
        make_elementwise(name),
        **extra,
    )


ACTIVATIONS = (
    activation("relu", "ReLU"),
    activation("leaky_relu", "LeakyReLU", options=(option("negative_slope", 0.01, 0.3, "alpha", "slope", "a"),)),
    activation("rrelu", "RReLU", options=(option("lower", 1 / 8, 0.15, "low", "l"), option("upper", 1 / 3, 0.45, "high", "u"),
                                          option("training", False))),
    activation("elu", "ELU", options=(option("alpha", 1.0, 0.7, "a"),)),
    activation("selu", "SELU"),
    activation("celu", "CELU", options=(option("alpha", 1.0, 0.7, "a"),)),
    activation("gelu", "GELU", options=(option("approximate", "none", None),)),
    activation("silu", "SiLU", "swish"),
    activation("mish", "Mish"),
    activation("softplus", "Softplus", options=(option("beta", 1.0, 1.7), option("threshold", 20.0, 20.0))),
    activation("sigmoid", "Sigmoid", "logistic", logits=True),
    activation("tanh", "Tanh"),
    activation("hardtanh", "Hardtanh", options=(option("min_val", -1.0, -0.8, "low", "minval", "lo", "a", "min"),
                                                option("max_val", 1.0, 1.3, "high", "maxval", "hi", "b", "max"))),
    activation("relu6", "ReLU6"),
    activation("hardsigmoid", "Hardsigmoid"),
    activation("hardswish", "Hardswish"),
    activation("logsigmoid", "LogSigmoid", "log_sigmoid", logits=True),
    activation("softsign", "Softsign"),
    activation("hardshrink", "Hardshrink", options=(option("lambd", 0.5, 0.7, "lambda_", "lam", "lmbda", "threshold", "alpha"),)),
    activation("softshrink", "Softshrink", options=(option("lambd", 0.5, 0.7, "lambda_", "lam", "lmbda", "threshold", "alpha"),)),
    activation("tanhshrink", "Tanhshrink"),
    activation("threshold", "Threshold", options=(option("threshold", 0.3, 0.3, "theta", "t", "th"), option("value", 1.7, 1.7, "v", "val"))),
    activation("exp", "Exp"),
)  # fmt: skip
