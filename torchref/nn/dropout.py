"""Dropout: entries, or whole channels, set to zero at random in training, so that no unit relies on one other."""

from __future__ import annotations

import math
import warnings

import numpy as np

from torchref.nn import random
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_arrays, check_floating, check_numbers
from torchref.nn.exponential import SELU_ALPHA, SELU_SCALE
from torchref.nn.module import Array, Backward, Module, bind
from torchref.nn.random import Source


def check_probability(function: str, p: float) -> None:
    """p must be a probability. ValueError otherwise."""
    if not 0 <= p <= 1:
        raise ValueError(f"{function}: dropout probability has to be between 0 and 1, but got p={p}")


def check_dropped(function: str, x: Array, p: float, training: bool) -> None:
    """x is an array, floating point where entries are dropped; p is a probability."""
    check_arrays(function, input=x)
    check_numbers(function, p=p)
    check_probability(function, p)
    if training and p > 0 and x.size > 0:
        check_floating(function, input=x)


@takes_any_array
def dropout(x: Array, p: float = 0.5, training: bool = True, *, rng: Source | None = None) -> tuple[Array, Backward]:
    """In training y = x scale, where each entry of scale is 0 with probability p, else 1 / (1 - p); else y = x.

    The factor 1 / (1 - p) keeps the expectation: E[y] = (1 - p) x / (1 - p) = x. x and y have any one shape.

    Backward, with the same draw. y is linear in x:  dx = dy scale.

    Errors: ValueError unless 0 <= p <= 1. Nothing is drawn for p = 0, p = 1 or an empty x.
    Equals `torch.nn.functional.dropout`. Srivastava et al. 2014.
    """
    check_dropped("dropout", x, p, training)
    return dropped(x, x.shape, p, training, rng)


def dropped(
    x: Array, mask_shape: tuple[int, ...], p: float, training: bool, rng: Source | None
) -> tuple[Array, Backward]:
    """`dropout` with one draw for every entry of `mask_shape`, which broadcasts to x's shape."""
    scale = None
    if training and p == 1:
        scale = np.zeros_like(x, shape=(), order="C")
    elif draws(x, p, training):
        # The mask is divided before x is multiplied: torch's order, so its bits, too.
        scale = draw_mask(x, mask_shape, p, rng) / (1 - p)

    def backward(dy: Array) -> Array:
        return dy if scale is None else dy * scale

    return (x if scale is None else x * scale), backward


def draws(x: Array, p: float, training: bool) -> bool:
    """Whether anything is drawn at all."""
    return training and 0 < p < 1 and x.size > 0


def draw_mask(x: Array, mask_shape: tuple[int, ...], p: float, rng: Source | None) -> Array:
    """1 with probability 1 - p, else 0, in x's dtype. A leading 1 that x has not is dropped after the draw."""
    mask = random.bernoulli(1 - p, mask_shape, rng).astype(x.dtype)
    return mask.reshape(mask_shape[len(mask_shape) - x.ndim :])


def channel_mask_shape(x: Array, batched: bool) -> tuple[int, ...]:
    """(N, C, 1, ...): one draw for each channel of each sample; (1, C, 1, ...) for a single sample."""
    if x.ndim == 0:
        return ()  # nothing will be drawn
    n, *places = x.shape if batched else (1, *x.shape)
    return (n, *places[:1], *(1 for _ in places[1:]))


@takes_any_array
def dropout1d(x: Array, p: float = 0.5, training: bool = True, *, rng: Source | None = None) -> tuple[Array, Backward]:
    """`dropout` of whole channels: one draw for all L places of a channel. x (N, C, L) or (C, L).

    Errors: RuntimeError for another number of dimensions. Equals `torch.nn.functional.dropout1d`. Tompson et al. 2015.
    """
    check_dropped("dropout1d", x, p, training)
    if x.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d(): Expected 2D or 3D input, but received a {x.ndim}D input: {x.shape}")
    return dropped(x, channel_mask_shape(x, batched=x.ndim == 3), p, training, rng)


@takes_any_array
def dropout2d(x: Array, p: float = 0.5, training: bool = True, *, rng: Source | None = None) -> tuple[Array, Backward]:
    """`dropout` of whole channels: one draw for all H W places of a channel. x (N, C, H, W).

    A 3-d x is taken for (N, C, L), with a warning, and so is any other number of dimensions, as torch does.

    Errors: RuntimeError for fewer than 2 dimensions. Equals `torch.nn.functional.dropout2d`. Tompson et al. 2015.
    """
    check_dropped("dropout2d", x, p, training)
    if x.ndim != 4:
        warnings.warn(f"dropout2d(): {x.ndim}-D input {x.shape} is taken for (N, C, ...)", stacklevel=3)
    check_channels("dropout2d", x, p, training)
    return dropped(x, channel_mask_shape(x, batched=True), p, training, rng)


@takes_any_array
def dropout3d(x: Array, p: float = 0.5, training: bool = True, *, rng: Source | None = None) -> tuple[Array, Backward]:
    """`dropout` of whole channels: one draw for all D H W places of a channel. x (N, C, D, H, W) or (C, D, H, W).

    Any other number of dimensions is taken for (C, ...), with a warning, as torch does.

    Equals `torch.nn.functional.dropout3d`. Tompson et al. 2015.
    """
    check_dropped("dropout3d", x, p, training)
    if x.ndim not in (4, 5):
        warnings.warn(f"dropout3d(): {x.ndim}-D input {x.shape} is taken for (C, ...)", stacklevel=3)
    if x.ndim == 0:
        check_channels("dropout3d", x, p, training)
    return dropped(x, channel_mask_shape(x, batched=x.ndim == 5), p, training, rng)


def check_channels(function: str, x: Array, p: float, training: bool) -> None:
    """Where something is drawn, x must have a batch and channels. RuntimeError otherwise."""
    if x.ndim < 2 and draws(x, p, training):
        raise RuntimeError(f"{function}(): Feature dropout requires at least 2 dimensions in the input, not {x.shape}")


# What SELU tends to for x -> -inf, with the sign turned: scale alpha.
SELU_FLOOR = SELU_SCALE * SELU_ALPHA


@takes_any_array
def alpha_dropout(
    x: Array, p: float = 0.5, training: bool = False, *, rng: Source | None = None
) -> tuple[Array, Backward]:
    """Dropout for SELU networks: with probability p an entry becomes SELU's floor -f = -1.758 instead of 0; then
    all are scaled by a and shifted by b, so that mean 0 and variance 1 stay what they are:

        y = a (x mask - f (1 - mask)) + b,  a = 1 / sqrt((1 - p) (1 + p f^2)),  b = a p f

    (a mean 0 and variance 1 become -p f and (1 - p) + p f^2 - p^2 f^2 = (1 - p) (1 + p f^2), which a and b undo.)
    x and y have any one shape.

    Backward, with the same draw:  dx = dy a mask.

    Errors: ValueError unless 0 <= p <= 1. Nothing is drawn for p = 0, p = 1 (y = 0) or an empty x.
    Equals `torch.nn.functional.alpha_dropout`. Klambauer et al. 2017.
    """
    check_dropped("alpha_dropout", x, p, training)
    return alpha_dropped(x, x.shape, p, training, rng)


@takes_any_array
def feature_alpha_dropout(
    x: Array, p: float = 0.5, training: bool = False, *, rng: Source | None = None
) -> tuple[Array, Backward]:
    """`alpha_dropout` of whole channels: one draw for all places of a channel. x (N, C, ...).

    Errors: RuntimeError for fewer than 2 dimensions. Equals `torch.nn.functional.feature_alpha_dropout`.
    """
    check_dropped("feature_alpha_dropout", x, p, training)
    check_channels("feature_alpha_dropout", x, p, training)
    mask_shape = channel_mask_shape(x, batched=True) if x.ndim > 1 else x.shape
    return alpha_dropped(x, mask_shape, p, training, rng)


def alpha_dropped(
    x: Array, mask_shape: tuple[int, ...], p: float, training: bool, rng: Source | None
) -> tuple[Array, Backward]:
    """`alpha_dropout` with one draw for every entry of `mask_shape`, which broadcasts to x's shape."""
    if not draws(x, p, training):
        return dropped(x, x.shape, p, training, rng)
    mask = draw_mask(x, mask_shape, p, rng)
    a = 1 / math.sqrt((SELU_FLOOR * SELU_FLOOR * p + 1) * (1 - p))
    scale = mask * a
    shift = (mask - 1) * (SELU_FLOOR * a) + SELU_FLOOR * a * p

    def backward(dy: Array) -> Array:
        return dy * scale

    return x * scale + shift, backward


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


class Dropout1d(DropoutModule):
    """`dropout1d` as a module. Equals `torch.nn.Dropout1d`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(dropout1d, input, p=self.p, training=self.training, rng=self.rng)


class Dropout2d(DropoutModule):
    """`dropout2d` as a module. Equals `torch.nn.Dropout2d`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(dropout2d, input, p=self.p, training=self.training, rng=self.rng)


class Dropout3d(DropoutModule):
    """`dropout3d` as a module. Equals `torch.nn.Dropout3d`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(dropout3d, input, p=self.p, training=self.training, rng=self.rng)


class AlphaDropout(DropoutModule):
    """`alpha_dropout` as a module. Equals `torch.nn.AlphaDropout`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(alpha_dropout, input, p=self.p, training=self.training, rng=self.rng)


class FeatureAlphaDropout(DropoutModule):
    """`feature_alpha_dropout` as a module. Equals `torch.nn.FeatureAlphaDropout`."""

    def forward(self, input: Array) -> tuple[Array, Backward]:
        return bind(feature_alpha_dropout, input, p=self.p, training=self.training, rng=self.rng)
