"""ChainedScheduler and SequentialLR: several schedulers at once, or one after another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from torchref.optim.lr_scheduler.base import LRScheduler
from torchref.optim.lr_scheduler.plateau import ReduceLROnPlateau
from torchref.optim.optimizer import Optimizer


class _Composed(LRScheduler):
    """What the two share: checks, and a state that holds the schedulers' states."""

    _unsaved = ("optimizer", "_schedulers")
    _schedulers: Sequence[LRScheduler]

    def _check(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> Optimizer:
        name = type(self).__name__
        if len(schedulers) < 1:
            raise ValueError(f"{name}: schedulers is empty")
        for i, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{name}: schedulers[{i}] has no optimizer: it is a {type(scheduler).__name__}")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{name}: schedulers[{i}] is a ReduceLROnPlateau, whose step needs the metrics")
            optimizer = optimizer or scheduler.optimizer
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"{name}: schedulers[{i}] belongs to another optimizer")
        assert optimizer is not None
        return optimizer

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


class ChainedScheduler(_Composed):
    """All of `schedulers` step, one after another, each changing the rate that it finds.

    Errors: ValueError for an empty list, for another optimizer's scheduler and for ReduceLROnPlateau, TypeError for
    what is no scheduler. Equals `torch.optim.lr_scheduler.ChainedScheduler`.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self.optimizer = self._check(schedulers, optimizer)
        self._schedulers = schedulers
        self._last_lr = self._lrs()

    def step(self) -> None:  # type: ignore[override]
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._lrs()


class SequentialLR(_Composed):
    """The first of `schedulers` until milestones[0], the second until milestones[1], and so on.

    At its milestone a scheduler starts at its epoch 0: by its closed form if it has one, else by `get_lr`. So all start
    from a rate of their own, but for MultiplicativeLR: it multiplies the rate that it finds by lr_lambda(0).

    Errors: those of `ChainedScheduler`, and ValueError unless there is one milestone less than schedulers. Equals
    `torch.optim.lr_scheduler.SequentialLR`.
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        self.optimizer = self._check(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            needed = len(schedulers) - 1
            raise ValueError(f"SequentialLR: {len(schedulers)} schedulers need {needed} milestones, not {milestones=}")
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        # Each scheduler has made its first step when it was built: that is undone, and the first one's made again.
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        undo_first_step(self)
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def undo_first_step(scheduler: LRScheduler) -> None:
    """Take a scheduler, or all that it is composed of, back by one epoch."""
    if isinstance(scheduler, _Composed):
        for part in scheduler._schedulers:
            undo_first_step(part)
    else:
        scheduler.last_epoch -= 1
