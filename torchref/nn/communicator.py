"""What NumPy's code asks of a group of processes: one sum. And such a group in a single process, of threads."""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from torchref.nn.module import Array

__all__ = ["Alone", "Communicator", "in_threads"]

T = TypeVar("T")


class Communicator(Protocol):
    """A group of processes that compute together. Whatever has this one method is a group."""

    def all_reduce(self, array: Array, /) -> Array:
        """The sum of every process's `array`, entry by entry: a new array, the same on each, of that shape and dtype.

        Every process of the group calls it equally often, in the same order, with arrays of one shape and dtype.
        """


class Alone:
    """A group of one process: the sum is what it has."""

    def all_reduce(self, array: Array, /) -> Array:
        """The array itself."""
        return array


def in_threads(world: int, function: Callable[[int, Communicator], T]) -> list[T]:
    """Call `function(rank, group)` for each rank below `world`, each in a thread; returns the results, by rank.

    The ranks wait for each other in `group.all_reduce`, as processes do, and its sum is taken in the order of the
    ranks: the same bits every time. What a rank raises ends the others, and is raised here.
    """
    barrier = threading.Barrier(world)
    arrays: list[Array | None] = [None] * world
    results: list[T | None] = [None] * world
    errors: list[BaseException] = []

    def run(rank: int) -> None:
        try:
            results[rank] = function(rank, _Thread(rank, arrays, barrier))
        except threading.BrokenBarrierError:
            pass  # another rank has failed
        except BaseException as error:  # noqa: BLE001 (raised below)
            errors.append(error)
        finally:
            if results[rank] is None:
                barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results  # type: ignore[return-value]  # every rank has returned


class _Thread:
    """One rank's end of the group."""

    def __init__(self, rank: int, arrays: list[Array | None], barrier: threading.Barrier) -> None:
        self.rank, self.arrays, self.barrier = rank, arrays, barrier

    def all_reduce(self, array: Array, /) -> Array:
        self.arrays[self.rank] = array
        self.barrier.wait()  # every rank has laid its array down
        total: Array = functools.reduce(operator.add, self.arrays)  # type: ignore[arg-type]
        self.barrier.wait()  # every rank has read them
        return total
