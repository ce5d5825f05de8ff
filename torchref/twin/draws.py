"""Record the random draws of a torch network, so that the NumPy one can replay them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from torchref.nn.random import Tape

__all__ = ["record_draws"]

UNTAGGED = ("aten::binomial", "aten::_sample_dirichlet")  # draw, though torch does not tag them so


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Sees every operation below autograd and copies what the random ones draw, changing nothing."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = tape

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags or func.name() in UNTAGGED:
            draw = _draw(func, args, kwargs or {}, result)
            if draw is not None:
                copy = draw.detach().cpu().numpy().copy()
                copy.flags.writeable = False  # several twins replay it
                self.tape.draws.append(copy)
        return result


def _draw(func: Any, args: Any, kwargs: Any, result: Any) -> torch.Tensor | None:
    """What an operation that may draw has drawn; None where it drew nothing. RuntimeError where it keeps it to itself.

    Most return their draw. A fused dropout (CUDA's) returns its output and its mask. RReLU returns its output, and
    writes its draw into its second argument, in training alone. Attention kernels and cuDNN's recurrences return what
    they compute; with a dropout they draw, and hide it.
    """
    given = {argument.name: argument.default_value for argument in func._schema.arguments}
    given |= dict(zip(given, args, strict=False)) | kwargs
    trains = given.get("training", given.get("train")) is not False
    dropout = given.get("dropout_p", given.get("dropout"))
    if dropout is not None:
        if dropout > 0 and trains:
            raise RuntimeError(f"record_draws: {func.name()} hides its draws (see record_draws for a way around)")
        return None
    if not trains:
        return None
    drawn = result[1] if isinstance(result, tuple) else given.get("noise", result)
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
