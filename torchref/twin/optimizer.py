"""An optimizer's state between the twins: a run can move from torch to NumPy half-way, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["from_torch_state", "to_torch_state"]


def to_torch_state(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """What torch's optimizer (or scheduler) loads, from the `state_dict()` of ours: arrays become tensors (copies)."""
    state: dict[str, Any] = _map(to_tensor, state_dict)
    return state


def to_tensor(leaf: Any) -> Any:
    """An array as a tensor that shares nothing with it, a NumPy number as Python's, all else as it is."""
    if isinstance(leaf, np.ndarray):
        return torch.from_numpy(leaf.copy())
    return leaf.item() if isinstance(leaf, np.generic) else leaf


def to_array(leaf: Any) -> Any:
    """A tensor as an array that shares nothing with it, all else as it is."""
    return leaf.detach().cpu().numpy().copy() if torch.is_tensor(leaf) else leaf


def from_torch_state(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """What our optimizer (or scheduler) loads, from the `state_dict()` of torch's: tensors become arrays, in copies.

    The options of a group are numbers here: a learning rate that is a tensor becomes its value.
    """
    state: dict[str, Any] = _map(to_array, state_dict)
    for group in state.get("param_groups", []):
        group.update({name: value.item() for name, value in group.items() if isinstance(value, np.ndarray)})
    return state


def _map(function: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` of dicts, lists and tuples with `function` applied to every leaf."""
    if isinstance(tree, Mapping):
        return {key: _map(function, value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_map(function, value) for value in tree)
    return function(tree)
