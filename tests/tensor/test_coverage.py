"""torchref.tensor, whole: what networks are made of is here, in torchref.nn, or stands in a list with a reason."""

import inspect
import re
from pathlib import Path

import pytest
import torch

import torchref.tensor
from tests.called import torch_function
from tests.cases import all_cases
from torchref.nn import functional as F

# The differentiable operations of 62 architectures, by ATen's names, but for those that torchref.nn.functional has.
CENSUS = [
    "add",
    "mul",
    "clone",
    "div",
    "mean",
    "_unsafe_view",
    "cat",
    "bmm",
    "pow",
    "index",
    "sub",
    "_to_copy",
    "neg",
    "masked_fill",
    "exp",
    "where",
    "rsqrt",
    "sum",
    "sin",
    "cos",
    "copy",
    "fill",
    "repeat",
    "stack",
    "gather",
    "index_select",
    "as_strided",
    "abs",
    "cumsum",
    "clamp",
    "scatter_add",
    "max",
    "log",
    "roll",
    "tril",
    "scatter",
    "scatter_reduce",
    "masked_select",
    "minimum",
    "maximum",
    "vector_norm",
    "rsub",
    "sqrt",
    "zero",
    "clamp_min",
    "baddbmm",
    "index_put",
    "_grouped_mm",
    "unsafe_split",
]
# And those that everybody writes.
EXPECTED = [
    "reciprocal",
    "remainder",
    "fmod",
    "lerp",
    "addcmul",
    "addcdiv",
    "exp2",
    "expm1",
    "log2",
    "log10",
    "log1p",
    "square",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "acosh",
    "atanh",
    "atan2",
    "sinc",
    "hypot",
    "erf",
    "erfc",
    "erfinv",
    "lgamma",
    "digamma",
    "logit",
    "xlogy",
    "logaddexp",
    "fmin",
    "fmax",
    "sign",
    "heaviside",
    "nan_to_num",
    "floor",
    "ceil",
    "round",
    "trunc",
    "var",
    "std",
    "var_mean",
    "std_mean",
    "amax",
    "amin",
    "min",
    "aminmax",
    "prod",
    "logsumexp",
    "norm",
    "median",
    "mode",
    "nansum",
    "cumprod",
    "logcumsumexp",
    "cummax",
    "cummin",
    "diff",
    "mm",
    "mv",
    "dot",
    "matmul",
    "addmm",
    "addmv",
    "addbmm",
    "outer",
    "einsum",
    "tensordot",
    "kron",
    "cross",
    "trace",
    "diagonal",
    "diag_embed",
    "split",
    "chunk",
    "unbind",
    "hstack",
    "vstack",
    "reshape",
    "view",
    "transpose",
    "permute",
    "movedim",
    "expand",
    "squeeze",
    "unsqueeze",
    "flatten",
    "unflatten",
    "unfold",
    "narrow",
    "select",
    "tile",
    "repeat_interleave",
    "flip",
    "rot90",
    "triu",
    "pad",
    "take",
    "take_along_dim",
    "index_add",
    "index_copy",
    "index_fill",
    "masked_scatter",
    "sort",
    "argsort",
    "topk",
    "kthvalue",
    "msort",
    "detach",
    "renorm",
    "cdist",
    "dist",
    "floor_divide",
    "put",
    "bucketize",
    "select_scatter",
    "slice_scatter",
    "diagonal_scatter",
    "softmax",
    "log_softmax",
    "relu",
    "gelu",
    "silu",
    "sigmoid",
    "tanh",
    "embedding",
    "dropout",
]
ALIASES = {"_unsafe_view": "view", "_to_copy": "to", "zero": "fill", "unsafe_split": "split"}
LEFT_OUT = {
    "_grouped_mm": "matrix products of bfloat16 in groups of rows, for devices; NumPy has no such dtype",
    "argsort": "integers have no gradient: the second output of sort",
    "bucketize": "integers have no gradient",
    "cdist": "vector_norm of differences that broadcast; torch's own has another formula above 25 rows",
    "diagonal_scatter": "a write into a view: index_put",
    "digamma": "torch's trigamma, its gradient, is exact to 1e-9 only",
    "dist": "vector_norm of a difference",
    "floor_divide": "torch gives no gradient: div with rounding_mode='floor'",
    "heaviside": "torch gives no gradient",
    "mode": "the index of the most frequent entry: no gradient that networks use",
    "put": "index_put of one row",
    "renorm": "norms and a product",
    "select_scatter": "a write into a view: index_put",
    "slice_scatter": "a write into a view: index_put",
}


@pytest.mark.parametrize("name", [*CENSUS, *EXPECTED])
def test_an_operation_is_here_or_left_out_with_a_reason(name):
    """Catches an operation that networks use and that is missing without anyone deciding so."""
    here = ALIASES.get(name, name) in torchref.tensor.__all__ or name in F.__all__
    assert here != (name in LEFT_OUT)


def test_what_is_left_out_is_torchs():
    """Catches a reason for something that does not exist."""
    assert [
        n for n in LEFT_OUT if not (hasattr(torch, n) or hasattr(torch.Tensor, n) or hasattr(torch.ops.aten, n))
    ] == []


def test_the_manual_says_what_is_left_out():
    """Catches a function that is left out and that no reader learns of."""
    page = (Path(__file__).parents[2] / "manual" / "differences.md").read_text()
    left_out = page[page.index("## Left out") :]
    assert [name for name in LEFT_OUT if f"`{name}`" not in left_out] == []


def test_every_function_has_cases():
    """Catches a function that the universal checks never see."""
    assert set(torchref.tensor.__all__) == {c.module[7:] for c in all_cases() if c.module.startswith("tensor.")}


def documented(name):
    """The positional arguments in the first line of torch's own documentation; None where it has no such line."""
    function = getattr(torch, name, None)
    text = (function or torch_function(name)).__doc__ or ""
    found = re.search(rf"^{name}\((.*)\) ->|^{name}\((.*)\)$", text, re.MULTILINE)
    if found is None:
        return None
    arguments = re.sub(r"\[[^\]]*\]+|=\(.*?\)", "", found[1] or found[2])  # no types, no tuples
    method = function is None and torch_function(name) is getattr(torch.Tensor, name, None)
    names = ["input"] * method + [re.split(r"[:=]", part)[0].strip() for part in arguments.split(", ")]
    return names[: next((i for i, n in enumerate(names) if n.startswith("*")), len(names))]


# Arrays have one name everywhere, and what torch calls `dim` in one overload alone is there in all.
OTHERWISE = {"sum", "mean", "nansum", "nanmean", "prod", "max", "min", "median", "nanmedian", "std_mean", "var_mean"}
OTHERWISE |= {"broadcast_to"}  # its page says shape, its argument is called size


@pytest.mark.parametrize("name", sorted(set(torchref.tensor.__all__) - OTHERWISE))
def test_arguments_are_torchs(name):
    """Catches an argument of another name, or in another place: a call that runs in both and means something else."""
    theirs = documented(name)
    if theirs is None:
        return
    parameters = inspect.signature(getattr(torchref.tensor, name)).parameters.values()
    ours = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert ours == ["x" if n in ("input", "self") else n for n in theirs]
