"""The leaves' gradients, and a model that is left as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from torchref.nn.module import Array
from torchref.referee.storage import as_pairs

__all__ = ["as_it_was", "gradient_of"]


def gradient_of(leaf: torch.Tensor) -> Array:
    """The gradient that torch has left at a leaf, not copied; zeros where it has left none; pairs of complex ones."""
    if leaf.grad is None:
        return np.zeros((*leaf.shape, 2) if leaf.is_complex() else tuple(leaf.shape))
    gradient = as_pairs(leaf.grad.to_dense() if leaf.grad.is_sparse else leaf.grad)
    wide = gradient if gradient.dtype == torch.float64 else gradient.float()
    array: Array = wide.detach().cpu().numpy()
    return array


@contextmanager
def as_it_was(model: torch.nn.Module, device: torch.device, overwritten: Iterable[torch.Tensor] = ()) -> Iterator[None]:
    """Within this context the parameters begin without gradients; after it these, the buffers, torch's generators and
    the parameters that are overwritten are what they were."""
    kept = [(tensor, tensor.detach().clone()) for tensor in overwritten]
    buffers = {name: buffer.detach().clone() for name, buffer in model.named_buffers()}
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    with torch.random.fork_rng(devices=[device.index or 0] if device.type == "cuda" else []):
        try:
            for parameter, _ in gradients:
                parameter.grad = None
            yield
        finally:
            for parameter, gradient in gradients:
                parameter.grad = gradient
            with torch.no_grad():
                for tensor, numbers in kept:
                    tensor.copy_(numbers)
                for name, buffer in model.named_buffers():
                    if name in buffers and buffers[name].shape == buffer.shape:
                        buffer.copy_(buffers[name])
