"""Functions of whole rows: softmax and its kin, and those that divide by a norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.common import X
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.record import Arrays, Known, Op, Options, Patch, array, option
from torchref.check.textbook import rows as textbook

SHAPES = {"square": (5, 5), "vector": (7,), "three axes": (3, 5, 7), "four axes": (4, 3, 5, 7)}


def _make_rows(rng: Generator, o: Options, variant: str) -> Arrays:
    """With as many axes as `dim` needs, all of another length."""
    shape, needed = SHAPES.get(variant, (5, 7)), max(o["dim"] + 1, -o["dim"])
    if len(shape) < needed:
        shape = (4, 3, 5, 7, 2, 6)[:needed]
    return {"input": rng.normal(0, 1.2, shape)}


def _make_pair(rng: Generator, *_: object) -> Arrays:
    return {"x1": rng.normal(size=(5, 7)), "x2": rng.normal(size=(5, 7))}


# The mistakes that no edit makes.

OTHER = "other = 0 if dim % x.ndim == x.ndim - 1 else -1; "  # the axis that is taken by mistake
WHOLE_FORWARD = "The forward normalises over the whole array."
OTHER_FORWARD = "The forward normalises over the wrong axis."


def _softmax_patches(sign: str, x: str) -> tuple[Patch, ...]:
    """The mistakes of softmax (of softmin: with `sign` and the name of -x)."""

    def back(instead: str, slug: str, sentence: str) -> Patch:
        return Patch("dx =", instead, slug, sentence)

    return (
        back(f"dx = {sign}dy * y * (1 - y)", slugs.SOFTMAX_ELEMENTWISE, "Softmax is treated like a function of each entry alone, s (1 - s); every output depends on all of its row."),
        back(f"dx = {sign}y * dy", slugs.SOFTMAX_ELEMENTWISE, "The sum term of softmax's Jacobian is dropped."),
        back(f"dx = {sign}(y * dy - y**2)", slugs.SOFTMAX_ELEMENTWISE, "The sum term is replaced by the entry's own s^2."),
        back(f"dx = {sign}y * -dot", slugs.SOFTMAX_ELEMENTWISE, "The diagonal term of softmax's Jacobian is dropped."),
        back(f"dx = {sign}y * (y * dy - dot)", slugs.SOFTMAX_ELEMENTWISE, "The diagonal of softmax's Jacobian is wrong."),
        Patch("dot =", "dot = (dy * y).sum()", slugs.SOFTMAX_AXIS, "The sum of softmax's backward runs over the whole array."),
        back(f"da = y * (dy - dot); dx = {sign}y * (da - (da * y).sum(dim, keepdims=True))", slugs.SOFTMAX_TWICE, "Softmax's Jacobian is applied twice."),
        back(f"dx = {sign}dy * {x} * (1 - {x})", slugs.TENSOR, "s (1 - s) is evaluated at the input."),
        Patch("y =", f"{OTHER}e = np.exp({x} - {x}.max(other, keepdims=True)); y = e / e.sum(other, keepdims=True)", slugs.SOFTMAX_AXIS, OTHER_FORWARD),
        Patch("y =", f"{OTHER}y = e / e.sum(other, keepdims=True)", slugs.SOFTMAX_AXIS, "The denominator adds up over the wrong axis."),
        Patch("y =", f"e = np.exp({x} - {x}.max()); y = e / e.sum()", slugs.SOFTMAX_AXIS, WHOLE_FORWARD),
    )  # fmt: skip


def _log_back(instead: str, slug: str, sentence: str) -> Patch:
    return Patch("dx =", instead, slug, sentence)


LOG_SOFTMAX = (
    _log_back("dx = dy * (1 - np.exp(y))", slugs.SOFTMAX_ELEMENTWISE, "The sum over the row is replaced by the entry's own term."),
    _log_back("dx = dy - np.exp(y)", slugs.SOFTMAX_ELEMENTWISE, "s must be multiplied by the row's sum of dy."),
    _log_back("dx = dy * np.exp(y) * (1 - np.exp(y))", slugs.SOFTMAX_ELEMENTWISE, "This is s (1 - s), an elementwise derivative."),
    Patch("total =", "total = dy.sum()", slugs.SOFTMAX_AXIS, "The sum of the backward runs over the whole array."),
    _log_back("s = np.exp(y); dx = s * (dy - (dy * s).sum(dim, keepdims=True))", slugs.SOFTMAX_TWICE, "This is softmax's Jacobian; the logarithm has cancelled its factor s."),
    _log_back("dx = dy - (dy * np.exp(y)).sum(dim, keepdims=True)", slugs.LOCAL, "The sum term must be s * sum(dy)."),
    Patch("y =", f"{OTHER}y = x - np.log(np.exp(x).sum(other, keepdims=True))", slugs.SOFTMAX_AXIS, OTHER_FORWARD),
    Patch("y =", "y = x - np.log(np.exp(x).sum())", slugs.SOFTMAX_AXIS, WHOLE_FORWARD),
)  # fmt: skip

NORMALIZE = (
    Patch("dx =", "dx = dy / norm", slugs.CONSTANTS, "The norm depends on x, too; it is treated as a constant."),
    Patch("dx =", "dx = dy - norm_path", slugs.SCALE, "The division by the norm is missing in the backward."),
    Patch("dx =", "dx = (dy - norm_path) / norm**2", slugs.SCALE, "The backward divides by the norm once too often."),
    Patch("dot =", "dot = dy * y", slugs.SOFTMAX_ELEMENTWISE, "dy * y is not summed along the row."),
    Patch("length =", f"{OTHER}length = (np.abs(x) ** p).sum(other, keepdims=True) ** (1 / p)", slugs.AXIS, "The norm runs over the wrong axis."),
    Patch("norm =", "norm = np.maximum(length**2, eps)", slugs.FORWARD, "The root of the norm is missing."),
)  # fmt: skip


def _both(template: str, slug: str, sentence: str) -> Patch:
    """A mistake in both gradients: `template` in a, b, the vector itself and the other one, and in their norms."""
    first = template.format(a="x1", b="x2", na="n1", nb="n2")
    second = template.format(a="x2", b="x1", na="n2", nb="n1")
    return Patch("dx2 =", f"dx1 = {first}; dx2 = {second}", slug, sentence, gradient="x1")


COSINE = (
    _both("d * ({b} / (n1 * n2))", slugs.CONSTANTS, "The norms depend on the vectors; they are treated as constants."),
    Patch("dx1 =", "dx1 = d * (x2 / (n1 * n2))", slugs.CONSTANTS, "x1's norm depends on x1; it is treated as a constant."),
    Patch("dx2 =", "dx2 = d * (x1 / (n1 * n2))", slugs.CONSTANTS, "x2's norm depends on x2; it is treated as a constant."),
    _both("d * {b}", slugs.SCALE, "The division by the norms is missing."),
    _both("d * ({b} / (n1 * n2) - cos * {a} / {na})", slugs.SCALE, "The path through the norm divides by the square of it."),
    _both("d * ({b} / (n1 * n2) + cos * {a} / {na} ** 2)", slugs.SIGN, "The path through the norm must be subtracted."),
    _both("d * ({b} / (n1 * n2) - cos * {a} / {nb} ** 2)", slugs.TENSOR, "The two norms are exchanged in the path through the norm."),
    Patch("y =", "y = (x1 * x2).sum(dim)", slugs.FORWARD, "The product is not divided by the norms."),
)  # fmt: skip

# The names that people give to what they compute.

P = "p s y probs prob softmax out output sm a probabilities"
DOT = "dot inner sum total rowsum rowdot summed weighted sumterm"
ROW = "np.moveaxis(y, dim, -1)"
JACOBIAN = f"({ROW}[..., :, None] * (np.eye(y.shape[dim]) - {ROW}[..., None, :]))"


def _softmax_known(x: str) -> tuple[Known, ...]:
    return (
        Known("p", "the softmax", P, ("y", x, "e", "e.sum(dim, keepdims=True)")),
        Known("dy * p", "the upstream gradient times p", "dyp pdy weighted sdy dysum g gp", ("dy * y", "dot", "dy")),
        Known("sum of dy * p", "dy * p summed along the row", DOT, ("dot", "dy * y", "e.sum(dim, keepdims=True)")),
        Known("shifted", "x less its maximum", "shifted", (f"{x} - {x}.max(dim, keepdims=True)",)),
        Known("Jacobian", "diag(p) - p p^T, for each row", "j jac jacobian", (JACOBIAN, f"{JACOBIAN}[-1]", f"{JACOBIAN}[0]")),
    )  # fmt: skip


LOG_KNOWN = (
    Known("p", "the softmax", "p probs prob softmax sm s probabilities", ("np.exp(y)", "y", "total")),
    Known("sum of dy", "dy summed along the row", "sum total rowsum dysum sumdy dsum s", ("total", "np.exp(y)")),
)

# The records.


def _softmax(
    name: str, module: str, formula: Callable[..., Any], patches: tuple[Patch, ...], known: tuple[Known, ...]
) -> Op:
    return from_textbook(
        name,
        (module,),
        (X, option("dim", -1, None, "axis", "dimension", vary=(0, 1, 2))),
        formula,
        patches,
        {"axis": slugs.SOFTMAX_AXIS},
        make=_make_rows,
        logits=True,
        deeper=True,
        family="softmax",
        variants=("rich", "vector", "three axes", "four axes"),
        known=known,
        by_output=True,
        derivation="softmax.md",
    )


OPERATIONS = (
    _softmax("softmax", "Softmax", textbook.softmax, _softmax_patches("", "x"), _softmax_known("x")),
    _softmax("softmin", "Softmin", textbook.softmin, _softmax_patches("-", "negative"), _softmax_known("negative")),
    _softmax("log_softmax", "LogSoftmax", textbook.log_softmax, LOG_SOFTMAX, LOG_KNOWN),
    from_textbook(
        "normalize",
        ("l2_normalize", "l2norm", "l2_norm"),
        (
            X,
            option("p", 2.0, None, "ord", vary=(3.0,)),
            option("dim", 1, None, "axis", vary=(0,)),
            option("eps", 1e-12, vary=(2.0,)),
        ),
        textbook.normalize,
        NORMALIZE,
        make=_make_rows,
        family="softmax",
        derivation="distances.md",
        zero_rows=True,
        by_output=True,
    ),
    from_textbook(
        "cosine_similarity",
        ("CosineSimilarity", "cosine"),
        (
            array("x1", "a", "x", "u", "input1", "input"),
            array("x2", "b", "y", "v", "input2", "other"),
            option("dim", 1, None, "axis", vary=(0,)),
            option("eps", 1e-8),
        ),
        textbook.cosine_similarity,
        COSINE,
        make=_make_pair,
        family="softmax",
        derivation="distances.md",
        zero_rows=True,
    ),
)
