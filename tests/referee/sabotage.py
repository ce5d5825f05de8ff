"""Kernels of torch's that are made wrong for a while."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


@contextmanager
def sabotaged(name: str, kernel: Callable) -> Iterator[None]:
    """Within this context ATen's operation of that name runs `kernel` on the processor."""
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a kernel is overridden
        library.impl(name, kernel, "CPU", allow_override=True)
    try:
        yield
    finally:
        library._destroy()
