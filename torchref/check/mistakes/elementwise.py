"""Activations applied to each entry, and the wrong derivatives that people multiply with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import erf

from torchref.check.mistakes.base import Formula, Gradients, Mistake, sigmoid
from torchref.nn.module import Array

Slope = Callable[[Array, Any], Array]


@dataclass(frozen=True)
class Elementwise:
    """y = value(x), dx = dy * slope(x)."""

    value: Slope
    slope: Slope
    at_output: Slope | None = None  # the slope as a function of y
    parts: Mapping[str, Slope] = field(default_factory=dict)  # terms or factors that stand alone for the slope
    masks: Mapping[str, Slope] = field(default_factory=dict)  # wrong decisions at the kinks
    lost: Mapping[str, Slope] = field(default_factory=dict)  # a constant forgotten
    elsewhere: Mapping[str, Slope] = field(default_factory=dict)  # the slope's formula at another tensor
    masked: bool = False  # the slope is a mask (and so the mask of dy is a wrong mask)


def phi(x: Array) -> Array:
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def cdf(x: Array) -> Array:
    return (1 + erf(x / math.sqrt(2))) / 2


def gelu_value(x: Array, v: Any) -> Array:
    if v.approximate == "tanh":
        return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * cdf(x)


def gelu_slope(x: Array, v: Any, first: float = 1, second: float = 1, inner: float = 1, cubic: float = 3) -> Array:
    if v.approximate == "tanh":
        c = math.sqrt(2 / math.pi)
        t = np.tanh(c * (x + 0.044715 * x**3))
        dinner = c * (1 + cubic * 0.044715 * x**2) if inner else 1
        return first * (1 + t) / 2 + second * x / 2 * (1 - t * t) * dinner
    return first * cdf(x) + second * x * phi(x)


def softplus_value(x: Array, v: Any) -> Array:
    z = v.beta * x
    return np.where(z > v.threshold, x, (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / v.beta)


def softplus_slope(x: Array, v: Any) -> Array:
    return np.where(v.beta * x > v.threshold, 1, sigmoid(v.beta * x))


def mish_parts(x: Array) -> tuple[Array, Array]:
    t = np.tanh(np.logaddexp(0, x))
    return t, x * (1 - t * t) * sigmoid(x)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def one(x: Array, v: Any) -> Array:
    return np.ones_like(x)


ELEMENTWISE: dict[str, Elementwise] = {
    "relu": Elementwise(
        lambda x, v: np.maximum(x, 0),
        lambda x, v: (x > 0) * 1.0,
        masks={
            "x >= 0": lambda x, v: (x >= 0) * 1.0,
            "half at 0": lambda x, v: (x > 0) + 0.5 * (x == 0),
            "inverted mask": lambda x, v: (x < 0) * 1.0,
            "inverted mask, with 0": lambda x, v: (x <= 0) * 1.0,
            "sign(x)": lambda x, v: np.sign(x),
        },
        masked=True,
    ),
    "leaky_relu": Elementwise(
        lambda x, v: np.where(x > 0, x, v.negative_slope * x),
        lambda x, v: np.where(x > 0, 1, v.negative_slope),
        masks={
            "x >= 0": lambda x, v: np.where(x >= 0, 1, v.negative_slope),
            "inverted mask": lambda x, v: np.where(x < 0, 1, v.negative_slope),
        },
        lost={
            "negative slope forgotten": lambda x, v: (x > 0) * 1.0,
            "negative slope twice": lambda x, v: np.where(x > 0, 1, v.negative_slope**2),
        },
        masked=True,
    ),
    "rrelu": Elementwise(  # in evaluation, where the slope is the middle of its interval
        lambda x, v: np.where(x > 0, x, (v.lower + v.upper) / 2 * x),
        lambda x, v: np.where(x > 0, 1, (v.lower + v.upper) / 2),
        masks={
            "x >= 0": lambda x, v: np.where(x >= 0, 1, (v.lower + v.upper) / 2),
            "inverted mask": lambda x, v: np.where(x < 0, 1, (v.lower + v.upper) / 2),
        },
        lost={
            "negative slope forgotten": lambda x, v: (x > 0) * 1.0,
            "lower for the middle": lambda x, v: np.where(x > 0, 1, v.lower),
            "upper for the middle": lambda x, v: np.where(x > 0, 1, v.upper),
            "1/2 of the middle lost": lambda x, v: np.where(x > 0, 1, v.lower + v.upper),
            "half the interval": lambda x, v: np.where(x > 0, 1, (v.upper - v.lower) / 2),
        },
        masked=True,
    ),
    "elu": Elementwise(
        lambda x, v: np.where(x > 0, x, v.alpha * np.expm1(np.minimum(x, 0))),
        lambda x, v: np.where(x > 0, 1, v.alpha * np.exp(np.minimum(x, 0))),
        at_output=lambda y, v: np.where(y > 0, 1, y + v.alpha),
        masks={
            "x >= 0": lambda x, v: np.where(x >= 0, 1, v.alpha * np.exp(np.minimum(x, 0))),
            "inverted mask": lambda x, v: np.where(x < 0, 1, v.alpha * np.exp(np.minimum(x, 0))),
            "zero below 0": lambda x, v: (x > 0) * 1.0,
        },
        lost={
            "alpha forgotten": lambda x, v: np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
            "alpha forgotten beside the output": lambda x, v: np.where(
                x > 0, 1, v.alpha * np.expm1(np.minimum(x, 0)) + 1
            ),
            "alpha instead of the exponential": lambda x, v: np.where(x > 0, 1, v.alpha),
        },
        parts={"the value on the negative side": lambda x, v: np.where(x > 0, 1, v.alpha * np.expm1(np.minimum(x, 0)))},
    ),
    "selu": Elementwise(
        lambda x, v: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
        lambda x, v: SELU_SCALE * np.where(x > 0, 1, SELU_ALPHA * np.exp(np.minimum(x, 0))),
        at_output=lambda y, v: np.where(y > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA),
        masks={
            "x >= 0": lambda x, v: SELU_SCALE * np.where(x >= 0, 1, SELU_ALPHA * np.exp(np.minimum(x, 0))),
            "zero below 0": lambda x, v: SELU_SCALE * (x > 0),
        },
        lost={
            "scale forgotten": lambda x, v: np.where(x > 0, 1, SELU_ALPHA * np.exp(np.minimum(x, 0))),
            "alpha forgotten": lambda x, v: SELU_SCALE * np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
            "scale forgotten above 0": lambda x, v: np.where(
                x > 0, 1, SELU_SCALE * SELU_ALPHA * np.exp(np.minimum(x, 0))
            ),
            "scale forgotten below 0": lambda x, v: np.where(x > 0, SELU_SCALE, SELU_ALPHA * np.exp(np.minimum(x, 0))),
            "scale and alpha forgotten": lambda x, v: np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
            "scale squared": lambda x, v: SELU_SCALE**2 * np.where(x > 0, 1, SELU_ALPHA * np.exp(np.minimum(x, 0))),
        },
    ),
    "celu": Elementwise(
        lambda x, v: np.where(x > 0, x, v.alpha * np.expm1(np.minimum(x, 0) / v.alpha)),
        lambda x, v: np.where(x > 0, 1, np.exp(np.minimum(x, 0) / v.alpha)),
        at_output=lambda y, v: np.where(y > 0, 1, y / v.alpha + 1),
        masks={"zero below 0": lambda x, v: (x > 0) * 1.0},
        lost={
            "alpha forgotten": lambda x, v: np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
            "elu's alpha": lambda x, v: np.where(x > 0, 1, v.alpha * np.exp(np.minimum(x, 0) / v.alpha)),
            "1 / alpha left over": lambda x, v: np.where(x > 0, 1, np.exp(np.minimum(x, 0) / v.alpha) / v.alpha),
            "elu's derivative": lambda x, v: np.where(x > 0, 1, v.alpha * np.exp(np.minimum(x, 0))),
        },
    ),
    "gelu": Elementwise(
        gelu_value,
        gelu_slope,
        parts={
            "only the first term": lambda x, v: gelu_slope(x, v, second=0),
            "only the second term": lambda x, v: gelu_slope(x, v, first=0),
            "inner derivative missing": lambda x, v: gelu_slope(x, v, inner=0),
            "3 of the cube lost": lambda x, v: gelu_slope(x, v, cubic=1),
            "second term without x": lambda x, v: cdf(x) + phi(x),
            "second term halved": lambda x, v: gelu_slope(x, v, second=0.5),
            "inner derivative without the cube": lambda x, v: gelu_slope(x, v, cubic=0),
        },
    ),
    "silu": Elementwise(
        lambda x, v: x * sigmoid(x),
        lambda x, v: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
        parts={
            "only the first term": lambda x, v: sigmoid(x),
            "only the second term": lambda x, v: x * sigmoid(x) * (1 - sigmoid(x)),
            "second term without x": lambda x, v: sigmoid(x) + sigmoid(x) * (1 - sigmoid(x)),
            "only the sigmoid's derivative": lambda x, v: sigmoid(x) * (1 - sigmoid(x)),
            "second term without 1 - s": lambda x, v: sigmoid(x) + x * sigmoid(x),
            "second term without s": lambda x, v: sigmoid(x) + x * (1 - sigmoid(x)),
        },
    ),
    "mish": Elementwise(
        lambda x, v: x * mish_parts(x)[0],
        lambda x, v: mish_parts(x)[0] + mish_parts(x)[1],
        parts={
            "only the first term": lambda x, v: mish_parts(x)[0],
            "only the second term": lambda x, v: mish_parts(x)[1],
            "inner derivative missing": lambda x, v: mish_parts(x)[0] + x * (1 - mish_parts(x)[0] ** 2),
            "second term without x": lambda x, v: mish_parts(x)[0] + (1 - mish_parts(x)[0] ** 2) * sigmoid(x),
            "tanh's derivative missing": lambda x, v: mish_parts(x)[0] + x * sigmoid(x),
        },
    ),
    "softplus": Elementwise(
        softplus_value,
        softplus_slope,
        at_output=lambda y, v: 1 - np.exp(-v.beta * y),
        parts={"the sigmoid's derivative": lambda x, v: sigmoid(v.beta * x) * (1 - sigmoid(v.beta * x))},
        lost={
            "beta forgotten": lambda x, v: sigmoid(x),
            "beta left over": lambda x, v: v.beta * softplus_slope(x, v),
            "1 / beta left over": lambda x, v: softplus_slope(x, v) / v.beta,
            "1 / beta left over below the threshold": lambda x, v: np.where(
                v.beta * x > v.threshold, 1, sigmoid(v.beta * x) / v.beta
            ),
            "beta left over below the threshold": lambda x, v: np.where(
                v.beta * x > v.threshold, 1, sigmoid(v.beta * x) * v.beta
            ),
        },
    ),
    "sigmoid": Elementwise(
        lambda x, v: sigmoid(x),
        lambda x, v: sigmoid(x) * sigmoid(-x),
        at_output=lambda y, v: y * (1 - y),
        parts={"only s": lambda x, v: sigmoid(x), "only 1 - s": lambda x, v: sigmoid(-x)},
    ),
    "tanh": Elementwise(
        lambda x, v: np.tanh(x),
        lambda x, v: 1 - np.tanh(x) ** 2,
        at_output=lambda y, v: 1 - y * y,
        parts={"the square lost": lambda x, v: 1 - np.tanh(x), "only the square": lambda x, v: np.tanh(x) ** 2},
    ),
    "hardtanh": Elementwise(
        lambda x, v: np.clip(x, v.min_val, v.max_val),
        lambda x, v: ((x > v.min_val) & (x < v.max_val)) * 1.0,
        masks={
            "edges active": lambda x, v: ((x >= v.min_val) & (x <= v.max_val)) * 1.0,
            "lower edge active": lambda x, v: ((x >= v.min_val) & (x < v.max_val)) * 1.0,
            "upper edge active": lambda x, v: ((x > v.min_val) & (x <= v.max_val)) * 1.0,
            "no lower edge": lambda x, v: (x < v.max_val) * 1.0,
            "no upper edge": lambda x, v: (x > v.min_val) * 1.0,
            "relu's mask": lambda x, v: (x > 0) * 1.0,
            "inverted mask": lambda x, v: ((x < v.min_val) | (x > v.max_val)) * 1.0,
        },
        masked=True,
    ),
    "relu6": Elementwise(
        lambda x, v: np.clip(x, 0, 6),
        lambda x, v: ((x > 0) & (x < 6)) * 1.0,
        masks={
            "edges active": lambda x, v: ((x >= 0) & (x <= 6)) * 1.0,
            "lower edge active": lambda x, v: ((x >= 0) & (x < 6)) * 1.0,
            "upper edge active": lambda x, v: ((x > 0) & (x <= 6)) * 1.0,
            "no lower edge": lambda x, v: (x < 6) * 1.0,
            "no upper edge": lambda x, v: (x > 0) * 1.0,
            "no upper edge, 0 active": lambda x, v: (x >= 0) * 1.0,
            "inverted mask": lambda x, v: ((x < 0) | (x > 6)) * 1.0,
        },
        masked=True,
    ),
    "hardsigmoid": Elementwise(
        lambda x, v: np.clip(x + 3, 0, 6) / 6,
        lambda x, v: ((x > -3) & (x < 3)) / 6,
        masks={
            "edges active": lambda x, v: ((x >= -3) & (x <= 3)) / 6,
            "lower edge active": lambda x, v: ((x >= -3) & (x < 3)) / 6,
            "upper edge active": lambda x, v: ((x > -3) & (x <= 3)) / 6,
            "no lower edge": lambda x, v: (x < 3) / 6,
            "no upper edge": lambda x, v: (x > -3) / 6,
            "no mask": lambda x, v: one(x, v) / 6,
        },
        lost={"1/6 forgotten": lambda x, v: ((x > -3) & (x < 3)) * 1.0},
    ),
    "hardswish": Elementwise(
        lambda x, v: x * np.clip(x + 3, 0, 6) / 6,
        lambda x, v: np.where(x <= -3, 0, np.where(x >= 3, 1, x / 3 + 0.5)),
        masks={
            "edges of the middle": lambda x, v: np.where(x < -3, 0, np.where(x > 3, 1, x / 3 + 0.5)),
            "lower edge of the middle": lambda x, v: np.where(x < -3, 0, np.where(x >= 3, 1, x / 3 + 0.5)),
            "upper edge of the middle": lambda x, v: np.where(x <= -3, 0, np.where(x > 3, 1, x / 3 + 0.5)),
            "zero above 3": lambda x, v: ((x > -3) & (x < 3)) * (x / 3 + 0.5),
            "no mask": lambda x, v: x / 3 + 0.5,
            "no lower edge": lambda x, v: np.where(x >= 3, 1, x / 3 + 0.5),
            "no upper edge": lambda x, v: np.where(x <= -3, 0, x / 3 + 0.5),
            "second term above 3, too": lambda x, v: np.clip(x + 3, 0, 6) / 6 + (x > -3) * x / 6,
            "second term below -3, too": lambda x, v: np.clip(x + 3, 0, 6) / 6 + (x < 3) * x / 6,
        },
        parts={
            "only the first term": lambda x, v: np.clip(x + 3, 0, 6) / 6,
            "only the second term": lambda x, v: x * ((x > -3) & (x < 3)) / 6,
            "2 of the square lost": lambda x, v: np.where(x <= -3, 0, np.where(x >= 3, 1, x / 6 + 0.5)),
        },
    ),
    "logsigmoid": Elementwise(
        lambda x, v: -np.logaddexp(0, -x),
        lambda x, v: sigmoid(-x),
        at_output=lambda y, v: 1 - np.exp(y),
        parts={
            "the sigmoid itself": lambda x, v: sigmoid(x),
            "the sigmoid's derivative": lambda x, v: sigmoid(x) * sigmoid(-x),
            "1 / s only": lambda x, v: 1 / sigmoid(x),
        },
    ),
    "softsign": Elementwise(
        lambda x, v: x / (1 + np.abs(x)),
        lambda x, v: 1 / (1 + np.abs(x)) ** 2,
        at_output=lambda y, v: (1 - np.abs(y)) ** 2,
        parts={
            "only the first term": lambda x, v: 1 / (1 + np.abs(x)),
            "only the second term": lambda x, v: -np.abs(x) / (1 + np.abs(x)) ** 2,
            "abs forgotten": lambda x, v: 1 / (1 + x) ** 2,
            "x^2 for |x|": lambda x, v: 1 / (1 + x * x),
        },
    ),
    "hardshrink": Elementwise(
        lambda x, v: np.where(np.abs(x) > v.lambd, x, 0),
        lambda x, v: (np.abs(x) > v.lambd) * 1.0,
        masks={
            "edges active": lambda x, v: (np.abs(x) >= v.lambd) * 1.0,
            "inverted mask": lambda x, v: (np.abs(x) < v.lambd) * 1.0,
            "one-sided mask": lambda x, v: (x > v.lambd) * 1.0,
            "relu's mask": lambda x, v: (x > 0) * 1.0,
        },
        masked=True,
    ),
    "softshrink": Elementwise(
        lambda x, v: np.sign(x) * np.maximum(np.abs(x) - v.lambd, 0),
        lambda x, v: (np.abs(x) > v.lambd) * 1.0,
        masks={
            "edges active": lambda x, v: (np.abs(x) >= v.lambd) * 1.0,
            "inverted mask": lambda x, v: (np.abs(x) < v.lambd) * 1.0,
            "one-sided mask": lambda x, v: (x > v.lambd) * 1.0,
            "sign(x)": lambda x, v: np.sign(x) * (np.abs(x) > v.lambd),
            "relu's mask": lambda x, v: (x > 0) * 1.0,
        },
        masked=True,
    ),
    "tanhshrink": Elementwise(
        lambda x, v: x - np.tanh(x),
        lambda x, v: np.tanh(x) ** 2,
        parts={
            "tanh's derivative": lambda x, v: 1 - np.tanh(x) ** 2,
            "tanh for its derivative": lambda x, v: 1 - np.tanh(x),
        },
        elsewhere={"x^2 for tanh(x)^2": lambda x, v: x * x, "1 - x^2 for 1 - tanh(x)^2": lambda x, v: 1 - x * x},
    ),
    "threshold": Elementwise(
        lambda x, v: np.where(x > v.threshold, x, v.value),
        lambda x, v: (x > v.threshold) * 1.0,
        masks={
            "edge active": lambda x, v: (x >= v.threshold) * 1.0,
            "inverted mask": lambda x, v: (x < v.threshold) * 1.0,
            "relu's mask": lambda x, v: (x > 0) * 1.0,
            "value as slope": lambda x, v: np.where(x > v.threshold, 1, v.value),
        },
        masked=True,
    ),
    "exp": Elementwise(lambda x, v: np.exp(x), lambda x, v: np.exp(x), at_output=lambda y, v: y),
}


def elementwise(name: str) -> Formula:
    """The formula of one activation, with every mistake of `elementwise_mistakes(name)`."""
    op = ELEMENTWISE[name]

    def formula(v: Any, wrong: frozenset[str]) -> tuple[tuple[Array], Callable[[Array], Gradients]]:
        x = v.input
        y = op.value(x, v)
        if "forward of the other approximation" in wrong:
            v = type(v)(**{**vars(v), "approximate": "none" if v.approximate == "tanh" else "tanh"})
            y = op.value(x, v)

        def backward(dy: Array) -> Gradients:
            slope = op.slope(x, v)
            for flag in wrong:
                if flag == "slope at the output":
                    slope = op.slope(y, v)
                elif flag == "output's formula at the input" and op.at_output:
                    slope = op.at_output(x, v)
                elif flag == "slope at dy":
                    slope = op.slope(dy, v)
                elif flag == "output's formula at dy" and op.at_output:
                    slope = op.at_output(dy, v)
                elif flag == "value for slope":
                    slope = y
                elif flag == "input for slope":
                    slope = x
                elif flag == "slope twice":
                    slope = slope * slope
                elif flag == "slope of the slope" and op.at_output:
                    slope = op.at_output(op.slope(x, v), v)
                else:
                    for table in (op.parts, op.masks, op.lost, op.elsewhere):
                        if flag in table:
                            slope = table[flag](x, v)
            return {"input": dy * slope}

        return (y,), backward

    return formula


def elementwise_mistakes(name: str) -> tuple[Mistake, ...]:
    op = ELEMENTWISE[name]
    at_dy = "wrong-mask" if op.masked else "derivative-at-wrong-tensor"
    mistakes = [
        Mistake(flag, "wrong-mask", "input", f"The mask decides wrongly ({flag}).", "Use torch's choice at the kinks.")
        for flag in op.masks
    ]
    mistakes += [
        Mistake(flag, "scale-forgotten", "input", f"A constant of the function is lost or misplaced ({flag}).")
        for flag in op.lost
    ]
    mistakes += [
        Mistake(
            flag, "derivative-at-wrong-tensor", "input", f"The derivative is evaluated at the wrong tensor ({flag})."
        )
        for flag in op.elsewhere
    ]
    if op.at_output:
        mistakes.append(
            Mistake(
                "output's formula at the input",
                "derivative-at-wrong-tensor",
                "input",
                "The derivative is written in terms of the output, but evaluated at the input.",
                "Evaluate it at the function's value.",
            )
        )
        mistakes.append(
            Mistake(
                "output's formula at dy",
                "derivative-at-wrong-tensor",
                "input",
                "The derivative is evaluated at the upstream gradient instead of the function's value.",
            )
        )
        if name not in ("elu", "selu", "celu"):  # constant there, which is the derivative left out
            mistakes.append(
                Mistake(
                    "slope of the slope",
                    "derivative-at-wrong-tensor",
                    "input",
                    "The derivative's formula is evaluated at the derivative itself.",
                )
            )
    own = [
        Mistake(
            "slope at the output",
            "derivative-at-wrong-tensor",
            "input",
            "The derivative is evaluated at the function's output instead of its input.",
        ),
        Mistake(
            "slope at dy", at_dy, "input", "The derivative is decided by the upstream gradient instead of the input."
        ),
    ]
    # where the output never reaches the kinks, the slope at the output is the formula without a mask
    mistakes += [] if name == "hardsigmoid" else own
    mistakes += [
        Mistake(
            flag,
            "local-derivative-missing",
            "input",
            f"A term or factor of the local derivative is missing ({flag}).",
            "Use the whole product and chain rule.",
        )
        for flag in op.parts
    ]
    mistakes += [
        Mistake(
            "value for slope",
            "local-derivative-missing",
            "input",
            "The upstream gradient is multiplied by the function's value, not by its derivative.",
        ),
        Mistake(
            "input for slope",
            "local-derivative-missing",
            "input",
            "The upstream gradient is multiplied by the input, not by the derivative.",
        ),
    ]
    if name == "exp":
        mistakes = [m for m in mistakes if m.flag != "input for slope"]
    if name == "gelu":
        mistakes.append(
            Mistake(
                "forward of the other approximation",
                "forward-differs",
                "output",
                "This is GELU's other variant (approximate='tanh' against the exact one).",
            )
        )
    return tuple(mistakes)
