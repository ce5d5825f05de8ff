"""How a run is made: eagerly, in a lower precision, in another memory format, compiled.

An engine that torch's dispatcher sees through (all but `compile`) is recorded itself. `compile` is opaque: its
gradients are compared with the replay of the eager run, and one module after the other is compiled to find the place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from torchref.referee.errors import RefereeError

__all__ = ["ENGINES", "OPAQUE", "casting", "check_engine", "converted"]

ENGINES = ("eager", "autocast-bf16", "autocast-fp16", "bf16", "fp16", "float64", "channels_last", "compile")
OPAQUE = ("compile",)
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "float64": torch.float64}


def check_engine(engine: str, devices: Callable[[], bool] = torch.cuda.is_available) -> None:
    """RefereeError for an engine that is not there."""
    if engine == "cuda" and not devices():
        raise RefereeError("the engine cuda is not there: torch sees no CUDA device")
    if engine not in ENGINES:
        raise RefereeError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")


@contextmanager
def converted(model: torch.nn.Module, engine: str) -> Iterator[None]:
    """Within this context the parameters and buffers are in the engine's dtype or memory format; then as they were."""
    kept = {id(tensor): (tensor, tensor.data) for tensor in (*model.parameters(), *model.buffers())}
    try:
        for tensor, data in kept.values():
            if engine in DTYPES and data.is_floating_point():
                tensor.data = data.to(DTYPES[engine])
            elif engine == "channels_last" and data.dim() == 4:
                tensor.data = data.to(memory_format=torch.channels_last)
        yield
    finally:
        for tensor, data in kept.values():
            tensor.data = data


def casting(engine: str) -> AbstractContextManager[object]:
    """The context in which the forward runs: autocast, where the engine says so. The backward does not belong in it."""
    if engine.startswith("autocast-"):
        return torch.autocast("cpu", dtype=DTYPES[engine.removeprefix("autocast-")])
    return nullcontext()
