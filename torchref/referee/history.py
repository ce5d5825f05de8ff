"""What autograd knows of a tensor: its history, and whose function that is."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["history", "is_differentiable", "is_of", "is_own", "is_view", "is_view_of_leaf"]

# What autograd calls the functions of views.
VIEWS = {
    f"{name}Backward"
    for name in (
        "Alias", "AsStrided", "Conj", "Diagonal", "Expand", "NegView", "Permute",
        "ReshapeAlias", "Select", "Slice", "Split",
        "SplitWithSizes", "Squeeze", "T", "Transpose", "Unbind", "Unfold", "Unsqueeze", "UnsafeView", "View",
        "ViewAsComplex", "ViewAsReal",
    )
}  # fmt: skip


def history(tensor: torch.Tensor) -> Any:
    """autograd's function of the tensor; None where it has none, and where torch refuses to say: for a view that was
    made without gradients, as in a custom Function, of what was written with them."""
    try:
        return tensor.grad_fn
    except RuntimeError:
        return None


def is_of(tensor: torch.Tensor, function: str) -> bool:
    """Whether the tensor is what the custom Function returned: autocast's casts inside have a history of their own."""
    made_by = history(tensor)
    return made_by is not None and made_by.name() == f"{function}Backward"


def is_differentiable(tensor: torch.Tensor) -> bool:
    """Whether a tensor of its dtype may have a gradient."""
    return tensor.is_floating_point() or tensor.is_complex()


def is_own(tensor: torch.Tensor) -> bool:
    """Whether it is a parameter: a custom Function makes leaves of what it was given, for a gradient inside of it."""
    return isinstance(tensor, torch.nn.Parameter)


def is_view_of_leaf(tensor: torch.Tensor) -> bool:
    """Whether it is a view of a parameter, or of another leaf."""
    base = tensor._base
    return base is not None and base.is_leaf and base.requires_grad


def is_view(function: Any) -> bool:
    """Whether autograd's function is that of a view: it has one input, and the same memory."""
    return function.name().rstrip("0123456789") in VIEWS
