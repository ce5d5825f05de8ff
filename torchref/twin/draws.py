"""Record the random draws of a torch network, so that the NumPy one can replay them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from torchref.nn.random import Tape


class _Recorder(TorchDispatchMode):
    """Sees every operation below autograd and copies what the random ones return, changing nothing."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape = tape

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags:
            # native_dropout (CUDA) returns its output and its mask; the others return the draw itself, but for RReLU,
            # which returns its output, writes its draw into its second argument, and draws only in training.
            if func.name().startswith("aten::rrelu_with_noise"):
                draw = args[1] if len(args) > 4 and args[4] else None
            else:
                draw = result[1] if isinstance(result, tuple) else result
            if draw is not None:
                self.tape.draws.append(draw.detach().cpu().numpy().copy())
        return result


@contextmanager
def record_draws() -> Iterator[Tape]:
    """Within this context torch's random draws are copied, in order, onto the tape that it yields.

    Draws are copied, never regenerated: torch's generator gives other bits on another processor or build. The tape is
    a source for `torchref.nn.random.set_rng`. What torch computes is bit-equal to what it computes without the context.
    On CUDA, cuDNN's recurrent dropout and the fused attention kernels hide their draws: switch both off.
    """
    tape = Tape([])
    with _Recorder(tape):
        yield tape
