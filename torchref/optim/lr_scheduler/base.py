"""LRScheduler: when the rate is computed, and where it is written."""

from __future__ import annotations

import types
import warnings
from copy import deepcopy
from typing import Any

from torchref.optim.optimizer import Optimizer

EPOCH_WARNING = "scheduler.step(epoch) is deprecated: it uses the closed form where there is one"


class LRScheduler:
    """The base of all schedulers. One defines `get_lr()`: a rate for each parameter group, at `last_epoch`.

    The constructor makes the first step, to epoch 0, with `_is_initial` set. `base_lrs` are the rates that the groups
    had then, kept in `group["initial_lr"]`; to resume, `last_epoch` is given and the groups must have it. A scheduler
    may define `closed_form_lr()` as well, which SequentialLR and `step(epoch)` use instead of the recurrence.

    Errors: TypeError for what is no Optimizer, KeyError for a resumed group without initial_lr. A UserWarning if the
    scheduler steps before the optimizer, which skips the first rate. Equals `torch.optim.lr_scheduler.LRScheduler`; but
    `get_lr` called by hand does not warn, and `state_dict` is a copy.
    """

    _is_initial = False
    _unsaved: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"param_groups[{i}] has no 'initial_lr', which {last_epoch=} needs")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch (or to `epoch`: deprecated) and set the groups' rates."""
        if self._step_count == 1 and not self.optimizer.stepped:
            warnings.warn("lr_scheduler.step() comes before optimizer.step(): the first rate is skipped", stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_WARNING, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed_form = None if epoch is None else getattr(self, "closed_form_lr", None)
        self._set_lrs(self.get_lr() if closed_form is None else closed_form())

    def _set_lrs(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = self._lrs()

    def _lrs(self) -> list[float]:
        """The groups' rates now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:
        raise NotImplementedError(f"{type(self).__name__} defines no get_lr")

    def get_last_lr(self) -> list[float]:
        """The rates that the last step has set."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer, in copies, under torch's names."""
        return {name: deepcopy(value) for name, value in vars(self).items() if name not in self._unsaved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the attributes. The optimizer's own state holds the rates and is loaded by itself."""
        vars(self).update({name: deepcopy(value) for name, value in state_dict.items() if name not in self._unsaved})


def check_optimizer(optimizer: Any) -> None:
    """TypeError for anything but an optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def one_each(name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """`value` for each parameter group: a list must have as many members as there are groups (ValueError)."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(f"{name} has {len(value)} values, and the optimizer {groups} parameter groups: {name}={value}")
    return list(value)


def saved_function(function: Any) -> dict[str, Any] | None:
    """What a state can hold of a callable: the attributes of an object, nothing of a plain function."""
    return None if function is None or isinstance(function, types.FunctionType) else vars(function).copy()
