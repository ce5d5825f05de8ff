"""Functions of each entry alone, with their kinks planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.common import X
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.record import Argument, Arrays, Known, Maker, Op, Options, Patch, option
from torchref.check.textbook import activations as textbook

# The probes.

PLANTED = {"relu6": (0.0, 6.0), "hardsigmoid": (-3.0, 3.0), "hardswish": (-3.0, 3.0)}


def _make_elementwise(name: str, planted: bool) -> Maker:
    def make(rng: Generator, o: Options, variant: str) -> Arrays:
        shape = (5, 5) if variant == "square" else (5, 7)
        x = rng.normal(0, 3 if name in PLANTED else 1.5, shape)
        if name == "relu6":
            x[4] += 6
        kinks = list(PLANTED.get(name, (0.0,)))
        if name == "hardtanh":
            kinks = [o["min_val"], o["max_val"]]
        elif name in ("hardshrink", "softshrink"):
            kinks = [o["lambd"], -o["lambd"]]
        elif name == "threshold":
            kinks = [o["threshold"]]
        if planted:
            x.flat[1 : 1 + len(kinks)] = kinks
            x.flat[9 : 9 + len(kinks)] = kinks
        return {"input": x}

    return make


# The mistakes that no edit makes.


def _slope(instead: str, slug: str, sentence: str) -> Patch:
    """Another slope that the upstream gradient is multiplied by."""
    return Patch("dx =", f"dx = dy * {instead}", slug, sentence)


def _mask(*instead: str) -> tuple[Patch, ...]:
    return tuple(
        _slope(t, slugs.MASK, f"The mask decides wrongly: {t}. At the kinks, torch's choice counts.") for t in instead
    )


def _part(*instead: str) -> tuple[Patch, ...]:
    return tuple(_slope(t, slugs.LOCAL, f"A term or factor of the local derivative is missing: {t}.") for t in instead)


def _constant(*instead: str) -> tuple[Patch, ...]:
    return tuple(_slope(t, slugs.SCALE, f"A constant of the function is lost or misplaced: {t}.") for t in instead)


def _at(*instead: str) -> tuple[Patch, ...]:
    return tuple(_slope(t, slugs.TENSOR, f"The derivative is evaluated at the wrong tensor: {t}.") for t in instead)


def _of_output(instead: str) -> tuple[Patch, ...]:
    """The slope as a function of the output, `instead`, taken at the input and at the upstream gradient."""
    return _at(instead.replace("y", "x"), instead.replace("y", "dy"))


def _of_slope(instead: str, derivative: str) -> tuple[Patch, ...]:
    """The slope's formula at the slope itself."""
    text = f"slope = {derivative}; dx = dy * {instead}"
    return (Patch("dx =", text, slugs.TENSOR, "The derivative's formula is evaluated at the derivative itself."),)


VALUE = (
    _slope("y", slugs.LOCAL, "The upstream gradient is multiplied by the function's value, not by its derivative."),
    _slope("x", slugs.LOCAL, "The upstream gradient is multiplied by the input, not by the derivative."),
)
EXPONENTIAL = "np.exp(np.minimum(x, 0))"
TANH = "np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))"
OTHER = "This is GELU's other variant (approximate='tanh' against the exact one)."

PATCHES: dict[str, tuple[Patch, ...]] = {
    "relu": _mask("((x > 0) + 0.5 * (x == 0))", "(x <= 0)", "np.sign(x)"),
    "leaky_relu": _constant("np.where(x > 0, 1, negative_slope ** 2)"),
    "rrelu": _constant("np.where(x > 0, 1, (upper - lower) / 2)"),
    "elu": (
        *_constant("np.where(x > 0, 1, y + 1)"),
        *_part("np.where(x > 0, 1, y)", "np.where(x > 0, 1, alpha)"),
        *_of_output("np.where(y > 0, 1, y + alpha)"),
    ),
    "selu": (
        *_constant(f"np.where(x > 0, 1, scale * alpha * {EXPONENTIAL})", f"np.where(x > 0, scale, alpha * {EXPONENTIAL})", f"np.where(x > 0, 1, {EXPONENTIAL})"),
        *_of_output("np.where(y > 0, scale, y + scale * alpha)"),
    ),
    "celu": (*_constant(f"np.where(x > 0, 1, alpha * {EXPONENTIAL})"), *_of_output("np.where(y > 0, 1, y / alpha + 1)")),
    "gelu": (
        Patch("y = x * cdf(x)", f"y = x / 2 * (1 + {TANH})", slugs.FORWARD, OTHER, convention="gelu by tanh; torch's default is x cdf(x), by erf (approximate='tanh' is this one)."),
        Patch("y = x / 2 *", "y = x * cdf(x)", slugs.FORWARD, OTHER, convention="gelu as x cdf(x), by erf; approximate='tanh' is another function."),
        Patch("dinner =", "dinner = c * (1 + 0.044715 * x ** 2)", slugs.LOCAL, "The 3 of the cube's derivative is lost."),
    ),
    "silu": _part("s * (1 - s)", "(s + x * (1 - s))"),
    "softplus": (
        *_part("sigmoid(beta * x) * (1 - sigmoid(beta * x))"),
        *_of_output("(1 - np.exp(-beta * y))"),
        *_of_slope("(1 - np.exp(-beta * slope))", "np.where(beta * x > threshold, 1, sigmoid(beta * x))"),
    ),
    "sigmoid": (
        *_at("sigmoid(y) * (1 - sigmoid(y))", "sigmoid(dy) * (1 - sigmoid(dy))"),
        *_of_slope("slope * (1 - slope)", "y * (1 - y)"),
    ),
    "tanh": (
        *_part("y ** 2"),
        *_at("(1 - np.tanh(y) ** 2)", "(1 - np.tanh(dy) ** 2)"),
        *_of_slope("(1 - slope ** 2)", "1 - y ** 2"),
    ),
    "hardtanh": _mask("((x >= min_val) & (x <= max_val))", "(x > 0)", "((x < min_val) | (x > max_val))"),
    "relu6": _mask("((x >= 0) & (x <= 6))", "(x >= 0)", "((x < 0) | (x > 6))"),
    "hardsigmoid": _mask("((x >= -3) & (x <= 3)) / 6", "1 / 6"),
    "hardswish": (
        *_mask("np.where(x < -3, 0, np.where(x > 3, 1, x / 3 + 1 / 2))", "(x / 3 + 1 / 2)"),
        *_mask("(np.clip(x + 3, 0, 6) / 6 + (x > -3) * x / 6)", "(np.clip(x + 3, 0, 6) / 6 + (x < 3) * x / 6)"),
        *_part("x * ((x > -3) & (x < 3)) / 6"),
    ),
    "logsigmoid": (
        *_part("sigmoid(x)", "sigmoid(x) * sigmoid(-x)", "1 / sigmoid(x)"),
        *_of_output("(1 - np.exp(y))"),
        *_of_slope("(1 - np.exp(slope))", "sigmoid(-x)"),
    ),
    "softsign": (
        *_part("-np.abs(x) / (1 + np.abs(x)) ** 2", "1 / (1 + x) ** 2", "1 / (1 + x ** 2)"),
        *_of_output("(1 - np.abs(y)) ** 2"),
        *_of_slope("(1 - np.abs(slope)) ** 2", "1 / (1 + np.abs(x)) ** 2"),
    ),
    "hardshrink": _mask("(x > lambd)", "(x > 0)"),
    "softshrink": (*_mask("(x > lambd)", "np.sign(x) * (np.abs(x) > lambd)", "(x > 0)"), *_at("(np.abs(y) > lambd)")),
    "tanhshrink": (*_part("(1 - np.tanh(x) ** 2)", "(1 - np.tanh(x))"), *_at("x ** 2", "(1 - x ** 2)")),
    "threshold": (*_mask("(x > 0)", "np.where(x > threshold, 1, value)"), *_at("(y > threshold)")),
    "exp": _at("np.exp(y)", "np.exp(dy)"),
}  # fmt: skip
LOST_SLOPE = {"branch": slugs.SCALE}

# The names that people give to what they compute.

DERIVATIVE = Known(
    "f'(x)",
    "the local derivative",
    "local dlocal deriv derivative localgrad slope dydx dadz factor jacobian dact dsig dsigmoid dtanh prime fprime gprime",
    ("dx / dy", "dx"),
)
NAMED: dict[str, tuple[Known, ...]] = {
    **{
        name: (Known("s(x)", "the sigmoid", "sig sigmoid sigma s", ("sigmoid(x)", "y", f"sigmoid({inner})", "1 - sigmoid(x)", "dx / dy")), DERIVATIVE)
        for name, inner in (("sigmoid", "x"), ("silu", "x"), ("logsigmoid", "x"), ("softplus", "beta * x"))
    },
    **{
        name: (Known("tanh", "the hyperbolic tangent", "th tanh t", ("np.tanh(x)", "y", "np.tanh(np.logaddexp(0, x))", "dx / dy")), DERIVATIVE)
        for name in ("tanh", "mish", "tanhshrink")
    },
}  # fmt: skip


def _activation(
    name: str,
    *modules: str,
    options: tuple[Argument, ...] = (),
    formula: Callable[..., Any] | None = None,
    slugs: dict[str, str] | None = None,
    kinks: bool = False,
    **more: Any,
) -> Op:
    """The record of an activation; with `kinks` its probe has some."""
    return from_textbook(
        name,
        modules,
        (X, *options),
        formula or getattr(textbook, name),
        (*PATCHES.get(name, ()), *(() if name == "exp" else VALUE)),
        slugs,
        make=_make_elementwise(name, kinks),
        deeper=True,
        kinks=kinks,
        known=NAMED.get(name, (DERIVATIVE,)),
        by_output=True,
        derivation="activations.md",
        **more,
    )


ALPHA = option("alpha", 1.0, 0.7, "a")
LAMBD = option("lambd", 0.5, 0.7, "lambda_", "lam", "lmbda", "threshold", "alpha")

OPERATIONS = (
    _activation("relu", "ReLU", kinks=True),
    _activation(
        "leaky_relu",
        "LeakyReLU",
        options=(option("negative_slope", 0.01, 0.3, "alpha", "slope", "a"),),
        slugs=LOST_SLOPE,
        kinks=True,
    ),
    _activation(
        "rrelu",
        "RReLU",
        options=(
            option("lower", 1 / 8, 0.15, "low", "l"),
            option("upper", 1 / 3, 0.45, "high", "u"),
            option("training", False),
        ),
        slugs=LOST_SLOPE,
        kinks=True,
    ),
    _activation("elu", "ELU", options=(ALPHA,), kinks=True),
    _activation("selu", "SELU", kinks=True, loose=1e-4),
    _activation("celu", "CELU", options=(ALPHA,), kinks=True),
    _activation("gelu", "GELU", options=(option("approximate", "none", None, vary=("tanh",)),)),
    _activation("silu", "SiLU", "swish"),
    _activation("mish", "Mish"),
    _activation(
        "softplus", "Softplus", options=(option("beta", 1.0, 1.7), option("threshold", 20.0, 20.0, vary=(1.0,)))
    ),
    _activation("sigmoid", "Sigmoid", "logistic", formula=textbook.logistic, logits=True),
    _activation("tanh", "Tanh"),
    _activation(
        "hardtanh",
        "Hardtanh",
        options=(
            option("min_val", -1.0, -0.8, "low", "minval", "lo", "a", "min"),
            option("max_val", 1.0, 1.3, "high", "maxval", "hi", "b", "max"),
        ),
        kinks=True,
    ),
    _activation("relu6", "ReLU6", kinks=True),
    _activation("hardsigmoid", "Hardsigmoid", kinks=True),
    _activation("hardswish", "Hardswish", kinks=True),
    _activation("logsigmoid", "LogSigmoid", "log_sigmoid", logits=True),
    _activation("softsign", "Softsign"),
    _activation("hardshrink", "Hardshrink", options=(LAMBD,), kinks=True),
    _activation("softshrink", "Softshrink", options=(LAMBD,), kinks=True),
    _activation("tanhshrink", "Tanhshrink"),
    _activation(
        "threshold",
        "Threshold",
        options=(option("threshold", 0.3, 0.3, "theta", "t", "th"), option("value", 1.7, 1.7, "v", "val")),
        kinks=True,
    ),
    _activation("exp", "Exp", in_torch=lambda torch, v: v.input.exp()),
)
