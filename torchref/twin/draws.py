"""Record the random draws of a torch network, so that the NumPy one can replay them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from torchref.nn.random import Tape

__all__ = ["drawing", "record_draws", "replayed_draws"]

UNTAGGED = ("aten::binomial", "aten::_sample_dirichlet")  # draw, though torch does not tag them so


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Sees every operation below autograd and copies what the random ones draw, changing nothing."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = tape

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        how = drawing(func, args, kwargs or {})
        if how == "hidden":
            raise RuntimeError(f"record_draws: {func.name()} hides its draws (see record_draws for a way around)")
        if how == "shown":
            copy = _draw(func, args, kwargs or {}, result).detach().cpu().numpy().copy()
            copy.flags.writeable = False  # several twins replay it
            self.tape.draws.append(copy)
        return result


def drawing(func: Any, args: Any, kwargs: Any) -> str:
    """Whether an operation draws at random, as it is called: "" if not; "shown" if one sees what, else "hidden".

    Attention kernels and cuDNN's recurrences return what they compute; with a dropout they draw, and hide it.
    """
    if torch.Tag.nondeterministic_seeded not in func.tags and func.name() not in UNTAGGED:
        return ""
    given = _arguments(func, args, kwargs)
    trains = given.get("training", given.get("train")) is not False
    dropout = given.get("dropout_p", given.get("dropout"))
    if not trains or dropout == 0:
        return ""
    return "shown" if dropout is None else "hidden"


def _arguments(func: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments by name, with their defaults."""
    given: dict[str, Any] = {argument.name: argument.default_value for argument in func._schema.arguments}
    return {**given, **dict(zip(given, args, strict=False)), **kwargs}


def _draw(func: Any, args: Any, kwargs: Any, result: Any) -> torch.Tensor:
    """What an operation that shows its draw has drawn.

    Most return their draw. A fused dropout (CUDA's) returns its output and its mask. RReLU returns its output, and
    writes its draw into its second argument.
    """
    drawn = result[1] if isinstance(result, tuple) else _arguments(func, args, kwargs).get("noise", result)
    assert isinstance(drawn, torch.Tensor)
    return drawn


@contextmanager
def record_draws() -> Iterator[Tape]:
    """Within this context torch's random draws are copied, in order, onto the tape that it yields.

    Draws are copied, never regenerated: torch's generator gives other bits on another processor or build. The tape is
    a source for `torchref.nn.random.set_rng`. What torch computes is bit-equal to what it computes without the context.
    On CUDA, cuDNN's recurrent dropout and the fused attention kernels hide their draws, which is a RuntimeError:
    switch them off, with `torch.backends.cudnn.enabled = False` and `torch.nn.attention.sdpa_kernel(SDPBackend.MATH)`.
    """
    tape = Tape([])
    with _Recorder(tape):
        yield tape


class _Replayer(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Writes the draws of a tape over those that the random operations make."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = tape

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if drawing(func, args, kwargs or {}) == "shown":
            drawn = _draw(func, args, kwargs or {}, result)
            drawn.copy_(torch.from_numpy(np.array(self.tape.next(tuple(drawn.shape)))))
        return result


@contextmanager
def replayed_draws(tape: Tape) -> Iterator[None]:
    """Within this context torch draws what is on the tape, in order. RuntimeError where it draws more, or otherwise.

    An operation that returns more than its draw (a fused dropout) has computed the rest with a draw of its own.
    """
    with _Replayer(tape):
        yield
