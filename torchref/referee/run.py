"""The run that is judged: recorded on its engine, with torch's gradients after its backward."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch

from torchref.nn.module import Array
from torchref.referee.engines import DTYPES, casting, converted, device_of, full_precision
from torchref.referee.errors import RefereeError
from torchref.referee.inside import backwards_inside
from torchref.referee.leaves import as_it_was, gradient_of
from torchref.referee.record import Recorder
from torchref.referee.recording import Recording

__all__ = ["gradients_after", "refuse_nan", "run_and_record"]

OF_DTYPES = re.compile("dtype|type .* should be the same")  # in what torch says of two dtypes in one operation


def run_and_record(
    model: torch.nn.Module, closure: Callable[[], torch.Tensor], engine: str = "eager"
) -> tuple[Recording, dict[int, Array]]:
    """The recording of `closure()`, and torch's gradient of each leaf, after its backward."""
    if not isinstance(model, torch.nn.Module):
        raise RefereeError(f"the model must be a torch.nn.Module, not {type(model).__name__}")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RefereeError("no parameter of the model needs a gradient")
    recorder, device = Recorder(run_and_record.__code__), device_of(model, engine)
    with as_it_was(model, device), converted(model, engine, device), full_precision(device), ExitStack() as stack:
        stack.callback(recorder.put_back)
        inside = backwards_inside(recorder.recording.inside.setdefault)
        with casting(engine, device), recorder.watching(model), inside, recorder:
            try:
                loss = closure()
            except (RuntimeError, ValueError) as error:
                if engine in DTYPES and OF_DTYPES.search(str(error)):
                    raise RefereeError(hint_to_cast(engine, error)) from error
                raise
        check_loss(loss)
        recording = recorder.finish(loss, model.buffers())
        recording.overwritten = recorder.overwritten_of(model)
        if not recording.nodes:
            raise RefereeError("the closure ran no operation through which a gradient passes (or in another thread)")
        if not {id(p) for p in model.parameters()} & set(recording.leaves):
            raise RefereeError("the closure ran no operation on a parameter of the model")
        return recording, gradients_after(loss, [leaf for leaf, _ in recording.leaves.values()])


def hint_to_cast(engine: str, error: Exception) -> str:
    """What to do where torch refuses two dtypes in one operation."""
    said = " ".join(str(error).split())
    return (
        f"{said}: the engine {engine} converts the model alone; let the closure convert what it hands to it, "
        "x.to(next(model.parameters()).dtype)"
    )


def gradients_after(loss: torch.Tensor, leaves: Sequence[torch.Tensor]) -> dict[int, Array]:
    """torch's gradient of each leaf, by its id, after the loss's backward. Their own gradients are put back."""
    kept = [leaf.grad for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.grad = None
        try:
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        except RuntimeError as error:
            if "a second time" in str(error):
                raise RefereeError(
                    "a backward inside the closure has freed the graph of the loss: let the closure return the loss "
                    "without calling backward, or call it with retain_graph=True"
                ) from error
            raise RefereeError(f"torch's backward fails: {' '.join(str(error).split())}") from error
        return {id(leaf): gradient_of(leaf) for leaf in leaves}
    finally:
        for leaf, gradient in zip(leaves, kept, strict=True):
            leaf.grad = gradient


def check_loss(loss: Any) -> None:
    if not isinstance(loss, torch.Tensor):
        raise RefereeError(f"the closure must return the loss, a tensor, not {type(loss).__name__}")
    if loss.numel() != 1:
        raise RefereeError(f"the loss must be a scalar, but its shape is {tuple(loss.shape)}")
    if not loss.is_floating_point():
        raise RefereeError(f"the loss must be a real number, not {str(loss.dtype).removeprefix('torch.')}")
    if not loss.requires_grad:
        raise RefereeError("the loss needs no gradient: nothing that it was computed from does, or it was detached")


def refuse_nan(recording: Recording) -> None:
    """RefereeError if the loss is not a number, with the first operation that made one."""
    assert recording.loss is not None
    if np.isfinite(recording.loss.given()).all():
        return
    for node in recording.nodes:
        if any(ref.storage.floating and np.isnan(ref.given()).any() for ref in node.outputs):
            where = f" in {node.module}" if node.module else ""
            raise RefereeError(f"nan in the forward: first from {node.op}{where} at {node.place.source}")
    raise RefereeError(f"the loss is {recording.loss.given().item()}: there is no gradient to judge")
