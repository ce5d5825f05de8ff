"""How a run is made: eagerly, in a lower precision, in another memory format, compiled.

An engine that torch's dispatcher sees through (all but `compile`) is recorded itself. `compile` is opaque: its
gradients are compared with the replay of the eager run, and one module after the other is compiled to find the place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from torchref.referee.errors import RefereeError

__all__ = ["ENGINES", "OPAQUE", "check_engine", "running"]

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
def running(model: torch.nn.Module, engine: str) -> Iterator[None]:
    """Within this context the model runs on the engine; afterwards it is what it was, parameter by parameter."""
    if engine.startswith("autocast-"):
        with torch.autocast("cpu", dtype=DTYPES[engine.removeprefix("autocast-")], cache_enabled=False):
            yield
        return
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
