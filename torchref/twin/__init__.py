"""The torch twin of a NumPy network: built, given the same weights, its random draws replayed."""

from torchref.twin.build import from_torch, to_torch
from torchref.twin.draws import record_draws
from torchref.twin.weights import copy_from_torch, copy_to_torch, to_array, to_tensor

__all__ = ["copy_from_torch", "copy_to_torch", "from_torch", "record_draws", "to_array", "to_tensor", "to_torch"]
