"""How a run is made: eagerly, in a lower precision, in another memory format, on a device, compiled, by two processes.

An engine that torch's dispatcher sees through is recorded itself. `compile` and `ddp` are opaque: their gradients are
compared with the replay of the eager run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from torchref.referee.errors import RefereeError

__all__ = [
    "DEVICES",
    "DTYPES",
    "ENGINES",
    "OPAQUE",
    "Moving",
    "casting",
    "check_engine",
    "converted",
    "device_of",
    "full_precision",
]

OPAQUE = ("compile", "ddp")
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "float64": torch.float64}
DEVICES: dict[str, Callable[[], bool]] = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
ENGINES = ("eager", "autocast-bf16", "autocast-fp16", *DTYPES, "channels_last", *DEVICES, *OPAQUE)


def check_engine(engine: str) -> None:
    """RefereeError for an engine that is not there."""
    if engine not in ENGINES:
        raise RefereeError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    if engine in DEVICES and not DEVICES[engine]():
        raise RefereeError(f"the engine {engine} is not there: torch finds no {engine.upper()} device")
    if engine == "ddp" and not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
        raise RefereeError("the engine ddp is not there: this torch has no gloo")


def device_of(model: torch.nn.Module, engine: str) -> torch.device:
    """Where the run is made: on the engine's device, else where the model is."""
    first = next(model.parameters(), torch.empty(0))
    return torch.device(engine) if engine in DEVICES else first.device


@contextmanager
def converted(model: torch.nn.Module, engine: str, device: torch.device) -> Iterator[None]:
    """Within this context the parameters and buffers are on the device, and in the engine's dtype or memory format;
    then as they were."""
    kept = {id(tensor): (tensor, tensor.data) for tensor in (*model.parameters(), *model.buffers())}
    try:
        for tensor, data in kept.values():
            if device.type == "mps" and data.dtype == torch.float64:
                raise RefereeError("the engine mps has no float64: make the model in float32")
            tensor.data = moved = data.to(device, copy=True) if engine in DEVICES else data
            if engine in DTYPES and data.is_floating_point():
                tensor.data = moved.to(DTYPES[engine])
            elif engine == "channels_last" and data.dim() == 4:
                tensor.data = moved.to(memory_format=torch.channels_last)
        yield
    finally:
        for tensor, data in kept.values():
            tensor.data = data


@contextmanager
def casting(engine: str, device: torch.device) -> Iterator[None]:
    """The context in which the forward runs: autocast, where the engine says so. The backward does not belong in it."""
    with ExitStack() as stack:
        if engine.startswith("autocast-"):
            stack.enter_context(torch.autocast(device.type, dtype=DTYPES[engine.removeprefix("autocast-")]))
        if engine in DEVICES:
            stack.enter_context(torch.device(device))  # where the closure makes tensors
            stack.enter_context(Moving(device))  # and those that it holds
        yield


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Within this context CUDA multiplies float32 as float32: TF32, torch's default in convolutions, keeps 11 bits."""
    if device.type != "cuda":
        yield
        return
    kept = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = kept


class Moving(TorchFunctionMode):
    """Within this context a tensor that lies elsewhere is copied to the device when an operation first meets it.

    So a closure that holds its data on the processor runs on every device. A tensor has one copy: what is written into
    it is there when it is read again.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.copies: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map_only(torch.Tensor, self.moved, (args, kwargs or {}))
        return func(*args, **kwargs)

    def elsewhere(self, tensor: torch.Tensor) -> bool:
        return tensor.device.type != self.device.type

    def moved(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor on the device."""
        if not self.elsewhere(tensor):
            return tensor
        if id(tensor) not in self.copies:
            self.copies[id(tensor)] = tensor, tensor.to(self.device, copy=True)
        return self.copies[id(tensor)][1]
