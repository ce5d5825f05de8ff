"""The processes of one run, as torchrun starts them: who this one is, and what it shares with the others.

Arrays go over gloo, in place and without a copy of their own: torch.from_numpy looks at the array's memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
import torch
from torch import distributed

from torchref.compare.errors import UserError
from torchref.compare.faults import explained
from torchref.nn.module import Array

__all__ = ["Agreed", "Ranks", "enough_gpus", "join", "shares_of", "under_torchrun"]

T = TypeVar("T")
BACKENDS = "cpu:gloo,cuda:nccl"
# After which a rank that waits for another gives up. It is there for a process that hangs: one that has died is noticed
# at once, as its connections close.
LIMIT = timedelta(days=7)


def under_torchrun() -> bool:
    """Whether torchrun has started this process, or somebody has set the same variables."""
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"))


def enough_gpus(processes: int) -> bool:
    """Whether nccl can give each of so many processes of this machine a GPU of its own."""
    return torch.cuda.is_available() and torch.cuda.device_count() >= processes


def join() -> Ranks:
    """Meet the other processes."""
    cuda = enough_gpus(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group(BACKENDS if cuda else "gloo", timeout=LIMIT)
    return Ranks(distributed.get_rank(), distributed.get_world_size())


class Agreed(UserError):
    """A user's mistake that every rank knows of: one says it for all."""


def shares_of(examples: int, world: int) -> list[int]:
    """How many examples of a batch each process has: the first ones one more where they do not divide."""
    each, more = divmod(examples, world)
    return [each + (rank < more) for rank in range(world)]


class Ranks:
    """This process, and what it shares with the others. Each method is called by all of them, in the same order."""

    def __init__(self, rank: int, world: int) -> None:
        self.rank, self.world = rank, world

    def share(self, examples: int) -> slice:
        """Which examples of a batch are this process's."""
        ends = list(accumulate(shares_of(examples, self.world), initial=0))
        return slice(ends[self.rank], ends[self.rank + 1])

    def all_reduce(self, array: Array, /) -> Array:
        """The sum of every process's array (`torchref.nn.communicator.Communicator`)."""
        total = np.array(array, order="C")
        distributed.all_reduce(torch.from_numpy(total))
        return total

    def sums(self, arrays: Sequence[Array]) -> list[Array]:
        """`all_reduce` of several arrays of one dtype, in one message."""
        if not arrays:
            return []
        flat = self.all_reduce(np.concatenate([array.ravel() for array in arrays]))
        parts = np.split(flat, np.cumsum([array.size for array in arrays])[:-1])
        return [part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]

    def any(self, truth: bool) -> bool:
        """Whether it is so on any process."""
        return bool(self.all_reduce(np.array(int(truth))))

    def gathered(self, value: T) -> list[T]:
        """What every process has, by rank."""
        values: list[Any] = [None] * self.world
        distributed.all_gather_object(values, value)
        return values

    def agreed(self, function: Callable[[], T]) -> T:
        """What `function()` returns, once it has returned on every rank. Agreed where it is a user's mistake on any."""
        value, said = None, None
        try:
            value = function()
        except Exception as error:  # whatever it is, the others wait for the answer
            said = explained(error)
            if said is None:
                raise
        for rank, mistake in enumerate(self.gathered(said)):
            if mistake is not None:
                raise Agreed(mistake if rank == 0 else f"rank {rank}: {mistake}")
        return value  # type: ignore[return-value]

    def check_same(self, facts: Mapping[str, str]) -> None:
        """Agreed, a mistake that is named, unless every rank has the same facts as the first."""
        first, *others = self.gathered(dict(facts))
        for rank, theirs in enumerate(others, start=1):
            for name, value in first.items():
                if theirs.get(name) != value:
                    raise Agreed(
                        f"the ranks must have the same {name}: rank 0 has {value}, rank {rank} {theirs.get(name)}"
                    )

    def of_first(self, value: T) -> T:
        """What rank 0 has."""
        values = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]

    def of_first_array(self, array: Array) -> Array:
        """The array that rank 0 has."""
        same = np.array(array, order="C")
        distributed.broadcast(torch.from_numpy(same), src=0)
        return same
