"""The derivative of a function that is written in torch: autograd's, in float64."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.nn.module import Array


def in_torch(function: Callable[..., Any], otherwise: bool) -> bool:
    """Whether the function, or one that it calls, uses torch; `otherwise`, where it uses neither torch nor NumPy."""
    waiting, seen, numpy = [inspect.unwrap(function)], [], False
    while waiting:
        f = waiting.pop()
        code, scope = getattr(f, "__code__", None), getattr(f, "__globals__", {})
        if code is None or code in seen:
            continue
        seen.append(code)
        inner = [c.co_names for c in code.co_consts if inspect.iscode(c)]
        for value in (scope.get(n) for names in (code.co_names, *inner) for n in names):
            if _root(value) == "torch":
                return True
            numpy = numpy or _root(value) == "numpy"
            if inspect.isfunction(value):
                waiting.append(value)
    return otherwise and not numpy


def _root(value: Any) -> str:
    """The package that a module, a class or a function comes from."""
    name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None) or ""
    return str(name).partition(".")[0]


def _tensors(values: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Arrays as tensors; those in `names` ask for a gradient."""
    import torch

    found = {}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(np.array(value))
            value.requires_grad_(name in names)
        found[name] = value
    return found


def _outputs_of(result: Any) -> list[Any]:
    """The tensors that the function returned."""
    import torch

    items = result if isinstance(result, tuple | list) else [result]
    return [t for t in items if isinstance(t, torch.Tensor)]


def forward(call: Callable[[dict[str, Any]], Any], values: dict[str, Any], names: list[str]) -> tuple[list[Any], Any]:
    """The outputs as tensors with their graph, and the tensors that they were computed from."""
    import torch

    given = _tensors(values, names)
    with torch.enable_grad():
        return _outputs_of(call(given)), given


def backward(outputs: list[Any], given: dict[str, Any], names: list[str], upstream: list[Any]) -> dict[str, Array]:
    """Autograd's gradients; an argument that the outputs do not depend on has none."""
    import torch

    pairs = [(y, dy) for y, dy in zip(outputs, upstream, strict=False) if dy is not None and y.requires_grad]
    if not pairs:
        return {}
    leaves = [given[n] for n in names]
    weighted = [(y * torch.as_tensor(np.array(dy)).to(y.dtype).reshape(y.shape)).sum() for y, dy in pairs]
    total = torch.stack(weighted).sum()  # a number: torch loads SymPy for gradients that are handed over
    found = torch.autograd.grad(total, leaves, retain_graph=True, allow_unused=True)
    return {n: g.numpy().copy() for n, g in zip(names, found, strict=True) if g is not None}
