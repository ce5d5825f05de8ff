"""Nested state (optimizers, generators) taken apart into arrays and JSON, and put together again."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from torchref.nn.module import Array
from torchref.twin.weights import to_array


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
