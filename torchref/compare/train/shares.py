"""Can a comparison be trained on several processes? What is not so is said before any of them begins."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from torchref.compare.comparison import Comparison
from torchref.compare.data import Data, batches
from torchref.compare.errors import UserError
from torchref.compare.lockstep.across import another_training, batch_norms
from torchref.compare.lockstep.ranks import shares_of
from torchref.compare.lockstep.twins import NumpyTwin

__all__ = ["check_equal_shares", "check_networks", "check_shares", "smallest_share"]


def batch_sizes(comparison: Comparison, data: Data) -> list[int]:
    """How many examples each batch of an epoch has."""
    return [len(b) for b in batches(len(data.train_inputs), comparison.batch_size, np.random.default_rng(0))]


def smallest_share(comparison: Comparison, data: Data, processes: int) -> int:
    """How many examples the last process has of an epoch's smallest batch."""
    return shares_of(min(batch_sizes(comparison, data)), processes)[-1]


def check_shares(comparison: Comparison, data: Data, processes: int) -> None:
    """UserError unless each process has a share of every batch, and both twins stand for themselves."""
    if comparison.model is None:
        raise UserError(
            f"processes: {comparison.name} stands in torch alone, and its NumPy twin replays torch's run; "
            "the referee judges such a network under DDP: torchref referee FILE.py --engine ddp"
        )
    if comparison.accumulate > 1:
        raise UserError(
            f"processes: {comparison.name} takes a batch in {comparison.accumulate} parts, and DDP one forward for a "
            "backward: leave accumulate out, a process's share is a part already"
        )
    if smallest_share(comparison, data, processes) < 1:
        smallest = min(batch_sizes(comparison, data))
        raise UserError(
            f"processes: there are {processes}, and a batch of {smallest} examples, so that one has none: give "
            "fewer --processes, or another --batch-size"
        )


def check_equal_shares(comparison: Comparison, data: Data, begun_on: int, processes: int) -> None:
    """UserError unless a run that so many others have begun goes on with equal shares: else its mean is another."""
    uneven = next((size for size in batch_sizes(comparison, data) if size % processes), None)
    if uneven is not None:
        shares = ", ".join(map(str, shares_of(uneven, processes)))
        raise another_training(begun_on, processes, f"a batch of {uneven} examples has shares that differ: {shares}")


def check_networks(twins: Mapping[str, NumpyTwin], examples: int) -> None:
    """UserError where a network cannot be trained on so few examples, or asks other processes itself."""
    for variant, twin in twins.items():
        names = batch_norms(twin)
        if names and examples < 2:
            raise UserError(
                f"processes: {variant}: batch norm ({names[0]}) cannot normalise a share of {examples} example: give "
                "fewer --processes, or another --batch-size"
            )
        if any(type(module).__name__ == "SyncBatchNorm" for module in twin.model.modules()):
            raise UserError(
                f"processes: {variant} has SyncBatchNorm, and torch's runs on GPUs alone; write BatchNorm, and the "
                "report says what SyncBatchNorm by hand makes of it"
            )
