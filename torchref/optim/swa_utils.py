"""Averages of weights over a run: AveragedModel (SWA, EMA), its schedule SWALR, and update_bn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import numpy as np

from torchref.nn.batchnorm import _BatchNorm
from torchref.nn.errors import check_device
from torchref.nn.module import Array, Backward, Module
from torchref.optim.lr_scheduler.base import LRScheduler, check_optimizer, one_each
from torchref.optim.optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Array, Array, Any], Array]
MultiAverage = Callable[[list[Array], list[Array], Any], None]


def check_decay(decay: float) -> None:
    """ValueError for a decay outside of [0, 1]."""
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"decay must lie between 0 and 1, but got decay={decay}")


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """average <- decay average + (1 - decay) current. ValueError for a decay outside of [0, 1]."""
    check_decay(decay)

    def ema_update(average: Array, current: Array, num_averaged: Any) -> Array:  # noqa: ARG001 (torch's argument)
        return decay * average + (1 - decay) * current

    return ema_update


def get_swa_avg_fn() -> Average:
    """average <- average + (current - average) / (n + 1): the plain mean of all n + 1."""

    def swa_update(average: Array, current: Array, num_averaged: Any) -> Array:
        return average + (current - average) / (int(num_averaged) + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """As `get_ema_avg_fn`, for lists of arrays, in place."""
    return _in_place(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> MultiAverage:
    """As `get_swa_avg_fn`, for lists of arrays, in place; the weight 1 / (n + 1) is rounded to float32, as in torch."""

    def swa_update(average: Array, current: Array, num_averaged: Any) -> Array:
        return average + float(np.float32(1 / (int(num_averaged) + 1))) * (current - average)

    return _in_place(swa_update)


def _in_place(average_of: Average) -> MultiAverage:
    def update(averages: list[Array], currents: list[Array], num_averaged: Any) -> None:
        for average, current in zip(averages, currents, strict=True):
            np.copyto(average, average_of(average, current, num_averaged), casting="unsafe")

    return update


class AveragedModel(Module):
    """A copy of a network whose parameters are the average of those seen by `update_parameters`.

    The first update copies; later ones call `avg_fn(average, current, n)`, which returns the new average, or
    `multi_avg_fn(averages, currents, n)`, which changes a list in place; without either it is the mean. Buffers are
    copied, or averaged with `use_buffers`. State: module.*, n_averaged.

    Errors: AssertionError for both functions. Equals `torch.optim.swa_utils.AveragedModel`. Izmailov et al. 2018
    (Averaging weights leads to wider optima and better generalization); Polyak & Juditsky 1992.
    """

    n_averaged: Array

    def __init__(
        self,
        model: Module,
        device: None = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        check_device(device)
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("AveragedModel: give either avg_fn or multi_avg_fn")
        self.register_buffer("n_averaged", np.zeros((), np.int64))
        self.module = deepcopy(model)
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, Backward]:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the parameters of `model` into the average."""
        n = self.n_averaged
        places, theirs = list(array_places(self.module)), array_places(model)
        currents = [getattr(owner, name) for owner, name, _ in theirs]
        averaged = [i for i, (_, _, is_buffer) in enumerate(places) if self.use_buffers or not is_buffer]
        new = currents.copy()
        if n > 0:
            averages = [getattr(owner, name).copy() for owner, name, _ in (places[i] for i in averaged)]
            if self.multi_avg_fn is not None:
                self.multi_avg_fn(averages, [currents[i] for i in averaged], n)
            else:
                avg_fn = self.avg_fn or get_swa_avg_fn()
                averages = [avg_fn(a, currents[i], n) for i, a in zip(averaged, averages, strict=True)]
            for i, average in zip(averaged, averages, strict=True):
                new[i] = average
        for (owner, name, _), array in zip(places, new, strict=True):
            setattr(owner, name, np.array(array, getattr(owner, name).dtype))
        self.n_averaged = n + np.ones_like(n)


def array_places(module: Module) -> Iterable[tuple[Any, str, bool]]:
    """(owner, attribute, whether it is a buffer) of every parameter and then of every buffer."""
    for parameter in module.parameters():
        yield parameter, "data", False
    for owner in module.modules():
        for name, _ in owner.own_buffers():
            yield owner, name, True


def update_bn(loader: Iterable[Any], model: Module, device: None = None) -> None:
    """Compute the running statistics of every BatchNorm anew, as the mean over the batches of `loader`.

    An averaged network has the statistics of no network that ran. Items of `loader` are inputs, or lists and tuples
    whose first member is the input. The mode of `model` is afterwards what it was. Equals
    `torch.optim.swa_utils.update_bn`.
    """
    check_device(device)
    norms: list[Any] = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    training, momenta = model.training, [norm.momentum for norm in norms]
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean
    for item in loader:
        model(item[0] if isinstance(item, list | tuple) else item)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(training)


class SWALR(LRScheduler):
    """The rate goes from where it is to swa_lr in anneal_epochs epochs, along half a cosine or a line, and stays.

    Errors: ValueError for an unknown anneal_strategy, for anneal_epochs that is no integer >= 0 and for a list of the
    wrong length. Equals `torch.optim.swa_utils.SWALR`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"SWALR: anneal_strategy must be 'cos' or 'linear', but got {anneal_strategy=}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"SWALR: anneal_epochs must be an integer of at least 0, but got {anneal_epochs=}")
        for group, rate in zip(optimizer.param_groups, one_each("swa_lr", swa_lr, optimizer), strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._weight(step - 1), self._weight(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, swa_lr = group["lr"], group["swa_lr"]
            start = swa_lr if before == 1 else (lr - before * swa_lr) / (1 - before)
            rates.append(swa_lr * now + start * (1 - now))
        return rates

    def _weight(self, step: int) -> float:
        """How far the rate has come at `step`, from 0 to 1."""
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2
