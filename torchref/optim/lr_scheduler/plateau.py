"""ReduceLROnPlateau: a smaller rate when a measure stops to improve."""

from __future__ import annotations

import math
import warnings
from typing import Any

from torchref.optim.lr_scheduler.base import EPOCH_WARNING, LRScheduler, check_optimizer
from torchref.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """lr <- max(lr factor, min_lr) after more than `patience` epochs in a row without improvement.

    `step(metrics)` compares with the best so far; better is, with mode "min", metrics < best (1 - threshold) ("rel") or
    metrics < best - threshold ("abs"), with "max" metrics > best (1 + threshold) or metrics > best + threshold. After a
    reduction `cooldown` epochs are not counted. A change of at most eps is not made.

    Errors: ValueError for factor >= 1, an unknown mode or threshold_mode and a list min_lr of the wrong length;
    TypeError for what is no Optimizer. Equals `torch.optim.lr_scheduler.ReduceLROnPlateau`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, but got {factor=}")
        check_optimizer(optimizer)
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', but got {mode=}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', but got {threshold_mode=}")
        groups = len(optimizer.param_groups)
        several = isinstance(min_lr, list | tuple)
        if isinstance(min_lr, list | tuple) and len(min_lr) != groups:
            raise ValueError(f"ReduceLROnPlateau: min_lr must have {groups} values, but got {min_lr=}")
        self.factor = factor
        self.optimizer = optimizer
        self.default_min_lr = None if several else min_lr
        self.min_lrs: list[Any] = list(min_lr) if isinstance(min_lr, list | tuple) else [min_lr] * groups
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = self._lrs()
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.mode = mode
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        if epoch is not None:
            warnings.warn(EPOCH_WARNING, stacklevel=2)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(float(metrics)):
            self.best = float(metrics)
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.reduce_lr()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._lrs()

    @property
    def in_cooldown(self) -> bool:
        return self.cooldown_counter > 0

    def is_better(self, metrics: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            bound = self.best * (1.0 - sign * self.threshold)
        else:
            bound = self.best - sign * self.threshold
        return metrics < bound if self.mode == "min" else metrics > bound

    def reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(f"ReduceLROnPlateau: {len(groups)} parameter groups, but min_lr={self.min_lrs}")
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, min_lr in zip(groups, self.min_lrs, strict=True):
            new_lr = max(float(group["lr"]) * self.factor, min_lr)
            if float(group["lr"]) - new_lr > self.eps:
                group["lr"] = new_lr
