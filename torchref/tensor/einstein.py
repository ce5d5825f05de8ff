"""Sums of products that are named by their indices: einsum, and tensordot and inner, which are einsums."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from torchref.nn.broadcast import sum_to_shape
from torchref.nn.errors import normalize_dim
from torchref.nn.module import Array, Backward
from torchref.tensor.calling import plainly
from torchref.tensor.products import check_factors

__all__ = ["einsum", "inner", "tensordot"]


@plainly
def einsum(equation: str, *operands: Array) -> tuple[Array, Backward]:
    """A sum of products named by its indices: "nk,km->nm" is y_nm = sum_k a_nk b_km.

    Every index that does not stand behind the arrow is summed over. Without an arrow the output has the indices that
    come once, in the alphabet's order; "..." stands for dimensions that broadcast; an index that an operand has twice
    takes its diagonal.

    Backward. y is linear in each operand: dL/da_nk = sum_m dy_nm b_km. So da is an einsum, too, of dy and the other
    operands, to a's own indices. Three cases more:
        an index that a alone has (it was summed over):  da repeats along it
        one of size 1 that was repeated:                 da is summed over the copies
        one that a has twice:                            da is 0 off the diagonal
    `backward(dy)` returns one gradient for each operand: the array itself if there is one.

    Errors: RuntimeError for an equation that does not fit. Equals `torch.einsum`.
    """
    check_factors("einsum", None, **{f"operands[{i}]": array for i, array in enumerate(operands)})
    inputs, output = indices_of(equation, [array.ndim for array in operands])
    sizes = index_sizes(equation, inputs, operands)
    y = contract(inputs, output, operands)

    def backward(dy: Array) -> Any:
        gradients = []
        for i, (own, array) in enumerate(zip(inputs, operands, strict=True)):
            once = "".join(dict.fromkeys(own))
            others = [other for k, other in enumerate(operands) if k != i]
            named = [output, *(names for k, names in enumerate(inputs) if k != i)]
            known = "".join(name for name in once if any(name in names for names in named))
            da = contract(named, known, [dy, *others])
            da = np.expand_dims(da, tuple(k for k, name in enumerate(once) if name not in known))
            shape = tuple(array.shape[own.index(name)] for name in once)
            full = tuple(sizes[name] if name in known else n for name, n in zip(once, shape, strict=True))
            da = sum_to_shape(np.broadcast_to(da, full), shape)
            gradients.append(on_diagonal(da, own, once, array))
        return tuple(gradients)

    return y, backward


def indices_of(equation: str, dims: list[int]) -> tuple[list[str], str]:
    """The indices of each operand and of the output, one letter a dimension. RuntimeError for what does not fit."""
    if not isinstance(equation, str):
        raise TypeError(f"einsum(): equation must be a str, but got {equation!r}")
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(dims):
        raise RuntimeError(f"einsum(): equation {equation!r} has {len(terms)} operands, but {len(dims)} are given")
    hidden = [n - len(term.replace("...", "")) for term, n in zip(terms, dims, strict=True)]
    free = [letter for letter in string.ascii_letters if letter not in equation]
    for term, n, rest in zip(terms, dims, hidden, strict=True):
        if rest < 0 or ("..." not in term and rest) or term.count("...") > 1:
            raise RuntimeError(f"einsum(): {term!r} of equation {equation!r} does not fit an operand of {n} dimensions")
    most = sorted(hidden)[-1] if hidden else 0
    dots = "".join(free[:most])
    named = [term.replace("...", dots[len(dots) - rest :]) for term, rest in zip(terms, hidden, strict=True)]
    together = "".join(term.replace("...", "") for term in terms)
    if not arrow:
        single = sorted(name for name in together if together.count(name) == 1)  # capitals first
        right = ("..." if "..." in left else "") + "".join(single)
    output = right.replace("...", dots)
    for name in [*together, *right.replace("...", "")]:
        if name not in string.ascii_letters:
            raise RuntimeError(f"einsum(): {name!r} in equation {equation!r} is no letter")
    wrong = [name for name in output if output.count(name) > 1 or not any(name in term for term in named)]
    if wrong:
        raise RuntimeError(f"einsum(): output index {wrong[0]!r} of {equation!r} must come once, and on the left")
    return named, output


def index_sizes(equation: str, inputs: list[str], arrays: Sequence[Array]) -> dict[str, int]:
    """The size of each index; 1 counts where no other is. RuntimeError for two sizes of one index."""
    sizes: dict[str, int] = {}
    for names, array in zip(inputs, arrays, strict=True):
        for name, n in zip(names, array.shape, strict=True):
            if sizes.setdefault(name, n) == 1:
                sizes[name] = n
            if n not in (1, sizes[name]):
                raise RuntimeError(f"einsum(): index {name!r} of equation {equation!r} has sizes {sizes[name]} and {n}")
    return sizes


def contract(inputs: Sequence[str], output: str, arrays: Sequence[Array]) -> Array:
    """np.einsum with an index for each dimension; products of many go pair by pair, as matrices where they can."""
    return np.asanyarray(np.einsum(",".join(inputs) + "->" + output, *arrays, optimize=len(arrays) > 1))


def on_diagonal(da: Array, own: str, once: str, array: Array) -> Array:
    """The gradient of an operand that has some index twice: da on that diagonal, 0 elsewhere."""
    if own == once:
        return da
    whole = np.zeros_like(array)
    np.einsum(f"{own}->{once}", whole)[...] = da  # a view of the diagonal
    return whole


@plainly
def tensordot(x: Array, other: Array, dims: int | Sequence[Any] = 2) -> tuple[Array, Backward]:
    """The sum of products over `dims`: the last so many of x and the first of other, or (those of x, those of other).

    Backward: of the einsum that it is.

    Errors: RuntimeError for sizes that differ. Equals `torch.tensordot`.
    """
    check_factors("tensordot", None, input=x, other=other)
    first, second = contracted(x, other, dims)
    letters = string.ascii_letters
    of_x = list(letters[: x.ndim])
    of_other = list(letters[x.ndim : x.ndim + other.ndim])
    for i, k in zip(first, second, strict=True):
        if x.shape[i] != other.shape[k] and 1 not in (x.shape[i], other.shape[k]):
            raise RuntimeError(
                f"tensordot(): dimension {i} of input {x.shape} and {k} of other {other.shape} must match"
            )
        of_other[k] = of_x[i]
    left = [name for i, name in enumerate(of_x) if i not in first]
    right = [name for k, name in enumerate(of_other) if k not in second]
    equation = f"{''.join(of_x)},{''.join(of_other)}->{''.join(left + right)}"
    return einsum(equation, x, other)


def contracted(x: Array, other: Array, dims: int | Sequence[Any]) -> tuple[list[int], list[int]]:
    """The dimensions of x and of other that `dims` names."""
    if isinstance(dims, int | np.integer):
        if not 0 <= dims <= (x.ndim if x.ndim < other.ndim else other.ndim):
            raise RuntimeError(f"tensordot(): dims={dims} does not fit shapes {x.shape} and {other.shape}")
        return list(range(x.ndim - dims, x.ndim)), list(range(dims))
    if not isinstance(dims, tuple | list) or len(dims) != 2 or not all(isinstance(named, Sequence) for named in dims):
        raise RuntimeError(f"tensordot(): dims must be an int, or two lists of dimensions, but got dims={dims!r}")
    first = [normalize_dim("tensordot", d, x.ndim) for d in dims[0]]
    second = [normalize_dim("tensordot", d, other.ndim) for d in dims[1]]
    if len(first) != len(second):
        raise RuntimeError(f"tensordot(): dims={dims!r} must name equally many dimensions of both")
    return first, second


@plainly
def inner(x: Array, other: Array) -> tuple[Array, Backward]:
    """y_nm = sum_k x_nk other_mk over the last dimension of both; a 0-d array multiplies.

    Backward: of the einsum that it is:  dx_nk = sum_m dy_nm other_mk,  dother_mk = sum_n dy_nm x_nk.

    Errors: RuntimeError for last dimensions that differ. Equals `torch.inner`.
    """
    check_factors("inner", None, input=x, other=other)
    if x.ndim == 0 or other.ndim == 0:
        return tensordot(x, other, 0)
    if x.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner(): the last dimensions of {x.shape} and {other.shape} must match")
    return tensordot(x, other, ([-1], [-1]))
