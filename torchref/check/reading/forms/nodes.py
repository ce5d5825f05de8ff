"""An operation of a graph of nodes, compute(a, b) and gradient(out_grad, node), as a pair.

class MatMul(TensorOp):
    def compute(self, a, b): return a @ b
    def gradient(self, out_grad, node):
        a, b = node.inputs
        return out_grad @ b.T, a.T @ out_grad

What the graph would hand over is the cache: a node with the arrays as its inputs.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.methods import called_one_of
from torchref.check.reading.source import text_of

AHEAD = ("compute", "forward", "fwd")
BEHIND = ("gradient", "backward", "grad", "vjp", "bwd")
ASKED = {"scalar": 3.0, "axes": None, "axis": None}  # what a constructor asks for


class Held(np.ndarray):
    """An array as a node's input, which gives its numbers as itself."""

    def realize_cached_data(self) -> Any:
        """The numbers."""
        return np.asarray(self)

    cached_data = property(realize_cached_data)


@dataclass
class Node:
    """What a graph remembers of one operation."""

    op: Any
    inputs: tuple[Any, ...]
    output: Any

    def realize_cached_data(self) -> Any:
        """What the operation has given."""
        return self.output

    cached_data = property(realize_cached_data)


def is_of_nodes(cls: Any) -> bool:
    """Whether a class has a forward and a backward that reads the inputs of the node that it is handed."""
    ahead, behind = called_one_of(cls, AHEAD), called_one_of(cls, BEHIND)
    if not inspect.isclass(cls) or ahead is None or behind is None or isinstance(vars(cls).get(behind), staticmethod):
        return False
    taken = [p.name for p in parameters(getattr(cls, behind))[1:]]
    source = text_of(getattr(cls, behind))
    return len(taken) == 2 and any(re.search(rf"\b{re.escape(n)}\.(inputs|realize|cached)", source) for n in taken)


def pair_of_nodes(cls: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two methods as functions, of a fresh operation each time."""
    ahead, behind = (getattr(cls, str(called_one_of(cls, known))) for known in (AHEAD, BEHIND))
    needed = [p.name for p in parameters(cls.__init__)[1:] if p.default is p.empty] if "__init__" in vars(cls) else []
    settled = {n: ASKED[normal(n)] for n in needed if normal(n) in ASKED}

    @functools.wraps(ahead)
    def forward(*args: Any, **kwargs: Any) -> Any:
        op = cls(**settled)
        bound = inspect.signature(ahead).bind(op, *args, **kwargs)
        output = ahead(*bound.args, **bound.kwargs)
        inputs = tuple(np.asarray(a).view(Held) if isinstance(a, np.ndarray) else a for a in bound.args[1:])
        return output, Node(op, inputs, output)

    @functools.wraps(behind)
    def back(out_grad: Any, cache: Node) -> Any:
        found = behind(cache.op, out_grad, cache)
        return tuple(map(plain, found)) if isinstance(found, tuple | list) else plain(found)

    forward.__signature__ = inspect.Signature(parameters(ahead)[1:])  # type: ignore[attr-defined]
    handed = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("out_grad", "cache")]
    back.__signature__ = inspect.Signature(handed)  # type: ignore[attr-defined]
    return forward, back


def plain(value: Any) -> Any:
    """An array of no class of its own."""
    return np.asarray(value) if isinstance(value, np.ndarray) else value
