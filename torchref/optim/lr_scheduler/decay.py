"""Rates that fall (or rise) by a fixed rule: in steps, along a line, a power or an exponential."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from torchref.optim.lr_scheduler.base import LRScheduler
from torchref.optim.optimizer import Optimizer


class StepLR(LRScheduler):
    """lr = base_lr gamma^floor(epoch / step_size). Equals `torch.optim.lr_scheduler.StepLR`."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        due = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return [lr * self.gamma for lr in self._lrs()] if due else self._lrs()

    def closed_form_lr(self) -> list[float]:
        return [base_lr * self.gamma ** (self.last_epoch // self.step_size) for base_lr in self.base_lrs]


class MultiStepLR(LRScheduler):
    """lr = base_lr gamma^(number of milestones reached); one that is given twice counts twice.

    Equals `torch.optim.lr_scheduler.MultiStepLR`.
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch not in self.milestones:
            return self._lrs()
        return [lr * self.gamma ** self.milestones[self.last_epoch] for lr in self._lrs()]

    def closed_form_lr(self) -> list[float]:
        reached = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base_lr * self.gamma**reached for base_lr in self.base_lrs]


class ConstantLR(LRScheduler):
    """lr = base_lr factor until epoch total_iters, base_lr from there on.

    Errors: ValueError unless 0 <= factor <= 1; at epoch total_iters ZeroDivisionError for a factor of 0, by which the
    rate is divided there. Equals `torch.optim.lr_scheduler.ConstantLR`.
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if factor > 1.0 or factor < 0:
            raise ValueError(f"ConstantLR: factor must lie between 0 and 1, but got factor={factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self._lrs()]
        if self.last_epoch == self.total_iters:
            return [lr * (1.0 / self.factor) for lr in self._lrs()]
        return self._lrs()

    def closed_form_lr(self) -> list[float]:
        over = self.last_epoch >= self.total_iters
        return [base_lr * (self.factor + over * (1 - self.factor)) for base_lr in self.base_lrs]


class LinearLR(LRScheduler):
    """lr = base_lr times a factor on the line from start_factor (epoch 0) to end_factor (epoch total_iters).

    As a recurrence, with f_t the factor: lr <- lr f_t / f_(t-1) = lr (1 + (f_T - f_0) / (T f_0 + (t - 1) (f_T - f_0))).
    Errors: ValueError unless 0 < start_factor <= 1 and 0 <= end_factor <= 1. Equals
    `torch.optim.lr_scheduler.LinearLR`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if start_factor > 1.0 or start_factor <= 0:
            raise ValueError(f"LinearLR: start_factor must be above 0 and at most 1, but got {start_factor=}")
        if end_factor > 1.0 or end_factor < 0:
            raise ValueError(f"LinearLR: end_factor must lie between 0 and 1, but got {end_factor=}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._lrs()]
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._lrs()
        rise = self.end_factor - self.start_factor
        ratio = 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [lr * ratio for lr in self._lrs()]

    def closed_form_lr(self) -> list[float]:
        epoch, rise = min(self.total_iters, self.last_epoch), self.end_factor - self.start_factor
        return [base_lr * (self.start_factor + rise * epoch / self.total_iters) for base_lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """lr = base_lr gamma^epoch. Equals `torch.optim.lr_scheduler.ExponentialLR`."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._lrs() if self._is_initial else [lr * self.gamma for lr in self._lrs()]

    def closed_form_lr(self) -> list[float]:
        return [base_lr * self.gamma**self.last_epoch for base_lr in self.base_lrs]


class PolynomialLR(LRScheduler):
    """lr = base_lr (1 - epoch / total_iters)^power, and 0 from epoch total_iters on.

    Equals `torch.optim.lr_scheduler.PolynomialLR`.
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._lrs()
        left, left_before = (1.0 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return [lr * (left / left_before) ** self.power for lr in self._lrs()]

    def closed_form_lr(self) -> list[float]:
        epoch = min(self.total_iters, self.last_epoch)
        return [base_lr * (1.0 - epoch / self.total_iters) ** self.power for base_lr in self.base_lrs]
