"""Nested state (optimizers, generators) taken apart into arrays and JSON, and put together again."""

from __future__ import annotations

from typing import Any, TypeVar, get_type_hints

import numpy as np
import torch

from torchref.nn.module import Array
from torchref.twin.weights import to_array

__all__ = ["pack", "rebuilt", "unpack"]

T = TypeVar("T")


def pack(tree: Any, arrays: dict[str, Array], name: str) -> Any:
    """JSON for `tree`, whose arrays and tensors go into `arrays` under names that begin with `name`."""
    if isinstance(tree, np.ndarray | torch.Tensor):
        arrays[name] = to_array(tree) if isinstance(tree, torch.Tensor) else tree
        return {"tensor" if isinstance(tree, torch.Tensor) else "array": name}
    if isinstance(tree, dict):
        return {"dict": [[key, pack(value, arrays, f"{name}.{key}")] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        return {type(tree).__name__: [pack(value, arrays, f"{name}.{i}") for i, value in enumerate(tree)]}
    if isinstance(tree, np.generic):
        return tree.item()
    return tree


def unpack(packed: Any, arrays: dict[str, Array]) -> Any:
    """The tree that `pack` took apart."""
    if not isinstance(packed, dict):
        return packed
    ((kind, value),) = packed.items()
    if kind == "array":
        return arrays[value]
    if kind == "tensor":
        return torch.from_numpy(np.array(arrays[value]))
    if kind == "dict":
        return {key: unpack(part, arrays) for key, part in value}
    parts = [unpack(part, arrays) for part in value]
    return tuple(parts) if kind == "tuple" else parts


def rebuilt(kind: type[T], fields: dict[str, Any]) -> T:
    """A dataclass from what JSON holds of it. TypeError where a field is unknown, or none of its type."""
    for name, hint in get_type_hints(kind).items():
        value = fields.get(name)
        whole = isinstance(value, int) and not isinstance(value, bool)  # JSON may write 1.0 as 1
        if name in fields and not isinstance(value, hint) and not (whole and isinstance(0.0, hint)):
            raise TypeError(f"{name} is {value!r}")
    return kind(**fields)
