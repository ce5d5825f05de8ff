"""What SymPy proves of the plain tensor functions, at small size: `theorems` joins these to the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchref import tensor

Claim = tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]  # module, function, arrays, options


def tensor_claims() -> list[Claim]:  # noqa: C901 (one claim after the other)
    """Every function whose backward SymPy can write down; numbers and indices between the arrays are bound first."""
    rng = np.random.default_rng(11)
    normal = rng.standard_normal
    m, v, w, square = normal((2, 3)), normal(3), normal(3), normal((2, 2))
    positive, inside = rng.uniform(0.5, 2, 3), rng.uniform(0.1, 0.9, 3)
    index, mask = np.array([0, 1, 0]), np.array([True, False, True])
    claims: list[Claim] = []

    def claim(name: str, *arrays: Any, **options: Any) -> None:
        claims.append((f"tensor.{name}", getattr(tensor, name), arrays, options))

    def bound(name: str, function: Callable[..., Any], *arrays: Any) -> None:
        claims.append((f"tensor.{name}", function, arrays, {}))

    for name in ("add", "sub", "rsub", "mul", "div"):
        claim(name, m, v)
    claim("add", m, v, alpha=0.5)
    claim("pow", positive, v)
    claim("pow", m, exponent=3)
    claim("float_power", positive, v)
    claim("lerp", m, v, w)
    claim("addcmul", m, v, w, value=0.5)
    claim("addcdiv", m, v, w, value=0.5)
    for name in ("neg", "reciprocal", "exp", "exp2", "expm1", "square", "sin", "cos", "tan", "sinh", "cosh", "tanh",
                 "atan", "asinh", "abs", "erf", "sigmoid", "deg2rad", "rad2deg"):  # fmt: skip
        claim(name, v)
    for name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt"):
        claim(name, positive)
    for name in ("asin", "acos", "atanh", "logit"):
        claim(name, inside)
    for name in ("logaddexp", "hypot"):
        claim(name, v, w)
    claim("atan2", v, positive)
    claim("clamp", v, min=-0.5, max=0.5)
    claim("where", mask, v, w)
    claim("masked_fill", v, mask, value=0.5)
    for name in ("sum", "mean", "var", "prod", "vector_norm"):
        claim(name, m, dim=1)
    claim("vector_norm", v, ord=3)
    claim("var_mean", m, dim=0)
    for name, shapes in (
        ("mm", ((2, 3), (3, 2))), ("bmm", ((2, 1, 2), (2, 2, 1))), ("mv", ((2, 3), (3,))), ("dot", ((3,), (3,))),
        ("matmul", ((2, 1, 2), (2, 2))), ("outer", ((2,), (3,))), ("kron", ((2,), (3,))), ("vecdot", ((2, 2), (2,))),
    ):  # fmt: skip
        claim(name, *(normal(shape) for shape in shapes))
    claim("addmm", square, m, normal((3, 2)), beta=0.5, alpha=2.0)
    claim("baddbmm", normal((1, 1, 1)), normal((2, 1, 2)), normal((2, 2, 1)))
    claim("cross", v, w, dim=0)
    claim("tensordot", m, normal((3, 2)), dims=1)
    bound("einsum", lambda a, b: tensor.einsum("ij,kj->ik", a, b), square, normal((1, 2)))
    claim("reshape", m, shape=(3, 2))
    claim("permute", m, dims=(1, 0))
    claim("roll", v, shifts=1)
    claim("flip", m, dims=(1,))
    claim("unfold", v, dimension=0, size=2, step=1)
    bound("expand", lambda x: tensor.expand(x, 2, 3), v)
    bound("repeat", lambda x: tensor.repeat(x, 2), v)
    for name in ("tril", "triu", "diagonal", "trace"):
        claim(name, square)
    bound("index", lambda x: tensor.index(x, index), v)
    bound("cumsum", lambda x: tensor.cumsum(x, 0), v)
    bound("cumprod", lambda x: tensor.cumprod(x, 0), v)
    claim("diff", v)
    return claims
