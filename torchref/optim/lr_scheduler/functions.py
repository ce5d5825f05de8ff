"""LambdaLR and MultiplicativeLR: the rate by a function of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from torchref.optim.lr_scheduler.base import LRScheduler, check_optimizer, one_each, saved_function
from torchref.optim.optimizer import Optimizer

Factor: TypeAlias = Callable[[int], float]


class _FactorLR(LRScheduler):
    """What the two share: a function for each group, whose attributes (if it is an object) are part of the state."""

    _unsaved = ("optimizer", "lr_lambdas")

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.lr_lambdas: list[Factor] = one_each("lr_lambda", lr_lambda, optimizer)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"{type(self).__name__}: lr_lambda must be a function, not {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"lr_lambdas": [saved_function(function) for function in self.lr_lambdas]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                vars(function).update(attributes)


class LambdaLR(_FactorLR):
    """lr = base_lr lr_lambda(epoch). Equals `torch.optim.lr_scheduler.LambdaLR`."""

    def get_lr(self) -> list[float]:
        return [
            base_lr * function(self.last_epoch)
            for base_lr, function in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class MultiplicativeLR(_FactorLR):
    """lr <- lr lr_lambda(epoch), from epoch 1 on: epoch 0 is skipped.

    Equals `torch.optim.lr_scheduler.MultiplicativeLR`.
    """

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._lrs()
        return [lr * function(self.last_epoch) for lr, function in zip(self._lrs(), self.lr_lambdas, strict=True)]
