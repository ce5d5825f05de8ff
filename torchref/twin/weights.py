"""Weights and buffers from one engine to the other, never sharing memory."""

from __future__ import annotations

import numpy as np
import torch

from torchref.nn.module import Array, Module

__all__ = ["copy_from_torch", "copy_to_torch", "to_array", "to_tensor"]


def to_array(tensor: torch.Tensor) -> Array:
    """A copy of the tensor. (`tensor.numpy()` would share memory, and the array would move with torch's next step.)"""
    return np.array(tensor.detach().cpu().numpy())


def to_tensor(array: Array, device: torch.device | str = "cpu") -> torch.Tensor:
    """A copy of the array on `device`."""
    return torch.from_numpy(np.array(array)).to(device)


def copy_from_torch(module: Module, twin: torch.nn.Module) -> None:
    """Give `module` copies of its torch twin's parameters and buffers. RuntimeError if their names or shapes differ."""
    module.load_state_dict({name: to_array(value) for name, value in twin.state_dict().items()})


def copy_to_torch(module: Module, twin: torch.nn.Module) -> None:
    """Give the torch twin copies of `module`'s parameters and buffers. RuntimeError if names or shapes differ."""
    twin.load_state_dict({name: torch.from_numpy(value) for name, value in module.state_dict().items()})
