"""What each operation of ATen computes, and its backward: from torchref.tensor and torchref.nn, by small adapters."""

from torchref.referee.entries import (  # noqa: F401  # each enters its operations
    activation,
    arithmetic,
    attention,
    backward,
    backward_linear,
    backward_loss,
    backward_normalization,
    complex_matrices,
    complex_numbers,
    fourier,
    given,
    indexing,
    linear_algebra,
    loss,
    matrices,
    normalization,
    pooling,
    products,
    recurrent,
    reduction,
    shape,
)
from torchref.referee.entries.table import Entry, entry, find

__all__ = ["Entry", "entry", "find"]
