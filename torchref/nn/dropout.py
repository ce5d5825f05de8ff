"""Dropout: entries, or whole channels, set to zero at random in training, so that no unit relies on one other."""

from __future__ import annotations

from torchref.nn import random
from torchref.nn.errors import check_floating
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.random import Source


def check_probability(function: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"{function}: dropout probability has to be between 0 and 1, but got p={p}")


def dropout(x: Array, *, p: float = 0.5, training: bool = True, rng: Source | None = None) -> tuple[Array, Backward]:
    """In training y = x scale, where each entry of scale is 0 with probability p, else 1 / (1 - p); else y = x.

    The factor 1 / (1 - p) keeps the expectation: E[y] = (1 - p) x / (1 - p) = x. x and y have any one shape.

    Backward, with the same draw. y is linear in x:  dx = dy scale.

    Errors: ValueError unless 0 <= p <= 1. Nothing is drawn for p = 0, p = 1 or an empty x.
    Equals `torch.nn.functional.dropout`. Srivastava et al. 2014.
    """
    return dropped(x, x.shape, p, training, rng, "dropout")


def dropped(
    x: Array, mask_shape: tuple[int, ...], p: float, training: bool, rng: Source | None, function: str
) -> tuple[Array, Backward]:
    """`dropout` with one draw for every entry of `mask_shape`, which broadcasts to x's shape."""
    check_floating(function, input=x)
    check_probability(function, p)
    if not training or p == 0 or x.size == 0:
        scale = None
    elif p == 1:
        scale = x.dtype.type(0)
    else:
        mask = random.bernoulli(1 - p, mask_shape, rng)
        scale = mask.astype(x.dtype) / (1 - p)  # before x is multiplied: torch's order, so its bits, too

    def backward(dy: Array) -> Array:
        return dy if scale is None else dy * scale

    return (x if scale is None else x * scale), backward


class DropoutModule(Module):
    """What all the dropouts have in common: p, and `rng`, the source of draws (None: the default generator)."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        check_probability(type(self).__name__, p)
        self.p = p
        self.inplace = inplace
        self.rng: Source | None = None

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(DropoutModule):
    """`dropout` as a module: each entry by itself. Equals `torch.nn.Dropout`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(dropout, input, p=self.p, training=self.training, rng=self.rng)
