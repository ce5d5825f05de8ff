"""Kernels of torch's that are made wrong for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


@contextmanager
def sabotaged(name: str, kernel: Callable) -> Iterator[None]:
    """Within this context ATen's operation of that name runs `kernel` on the processor."""
    library = torch.library.Library("aten", "IMPL")
    library.impl(name, kernel, "CPU", allow_override=True)
    try:
        yield
    finally:
        library._destroy()
