"""One named value on the way from the upstream gradient to the gradients of the arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from torchref.nn.module import Array


@dataclass(frozen=True)
class Step:
    """An intermediate of the reference: what carries its name in a user's code should have its value."""

    name: str
    meaning: str
    names: tuple[str, ...]  # what users call it, in the form of `plain`
    values: tuple[Array, ...]  # the usual meaning first; the others go by the same name elsewhere
    feeds: tuple[str, ...]  # the gradients in whose formula it stands


def step(name: str, meaning: str, names: str, feeds: str, *values: Array) -> Step:
    return Step(name, meaning, tuple(names.split()), tuple(np.asarray(v) for v in values), tuple(feeds.split()))


def plain(name: str) -> str:
    """A name without case and underscores, its prefix of a gradient shortened to d: grad_x_hat -> dxhat."""
    name = name.replace("_", "").lower()
    return re.sub(r"^(dld|dloss|gradientof|gradof|gradient|grad|delta(?=.))", "d", name)
