"""CyclicLR and OneCycleLR: the rate goes up and down, and the momentum down and up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torchref.optim.lr_scheduler.base import LRScheduler, check_optimizer, one_each, saved_function
from torchref.optim.optimizer import Group, Optimizer


class _CyclesMomentum(LRScheduler):
    """What the two share: where an optimizer keeps its momentum, or beta1 in its place."""

    use_beta1: bool

    def _start_momentum(self, optimizer: Optimizer, base: list[float], largest: list[float], last_epoch: int) -> None:
        self.use_beta1 = "betas" in optimizer.defaults
        if last_epoch == -1:
            for group, low, high in zip(optimizer.param_groups, base, largest, strict=True):
                self._set_momentum(group, high)
                group["max_momentum"] = high
                group["base_momentum"] = low

    def _set_momentum(self, group: Group, momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


def check_has_momentum(optimizer: Optimizer) -> None:
    """ValueError for an optimizer without momentum or betas."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError(f"{type(optimizer).__name__} has neither momentum nor betas, which cycle_momentum=True needs")


class CyclicLR(_CyclesMomentum):
    """lr = base_lr + (max_lr - base_lr) height scale, height going from 0 to 1 and back in each cycle.

    It rises for step_size_up epochs (batches, as a rule) and falls for step_size_down. scale is 1 ("triangular"),
    2^-(cycle - 1) ("triangular2"), gamma^epoch ("exp_range"), or scale_fn of the cycle's number (from 1) or of the
    epoch (scale_mode "cycle", "iterations"). With cycle_momentum the momentum, or beta1, goes the other way, from
    max_momentum down to base_momentum.

    Errors: TypeError for what is no Optimizer; ValueError for an unknown mode, lists of the wrong length, and an
    optimizer without momentum. Equals `torch.optim.lr_scheduler.CyclicLR`. Smith 2017 (Cyclical learning rates).
    """

    _unsaved = ("optimizer", "_scale_fn_custom")

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range', but got {mode=}")
        if cycle_momentum:
            check_has_momentum(optimizer)
        base_lrs = one_each("base_lr", base_lr, optimizer)
        self.max_lrs = one_each("max_lr", max_lr, optimizer)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = lr
        if cycle_momentum:
            self.base_momentums = one_each("base_momentum", base_momentum, optimizer)
            self.max_momentums = one_each("max_momentum", max_momentum, optimizer)
            self._start_momentum(optimizer, self.base_momentums, self.max_momentums, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        factor: float = 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x
        return factor

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle  # where in the cycle, from 0 to 1
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            groups = self.optimizer.param_groups
            for group, low, high in zip(groups, self.base_momentums, self.max_momentums, strict=True):
                self._set_momentum(group, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"_scale_fn_custom": saved_function(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        if state_dict["_scale_fn_custom"] is not None:
            vars(self._scale_fn_custom).update(state_dict["_scale_fn_custom"])


class OneCycleLR(_CyclesMomentum):
    """One rise to max_lr and one fall far below, along half cosines or lines; the momentum the other way.

        phase 1, pct_start of all steps: max_lr / div_factor -> max_lr,              momentum max -> base
        phase 2, the rest:               max_lr -> max_lr / div_factor / final_div_factor,    base -> max
        three_phase: phase 2 is phase 1 backwards, and phase 3 falls to the end at max momentum.

    The steps are counted: total_steps, or epochs times steps_per_epoch; one more is a ValueError.

    Errors: ValueError for steps that are no positive integers or missing, pct_start that is no float in [0, 1], an
    unknown anneal_strategy, lists of the wrong length, and an optimizer without momentum. Equals
    `torch.optim.lr_scheduler.OneCycleLR`. Smith & Topin 2018 (Super-convergence).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.total_steps = steps_in_all(total_steps, epochs, steps_per_epoch)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"OneCycleLR: pct_start must be a float between 0 and 1, but got {pct_start=}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', but got {anneal_strategy=}")
        if cycle_momentum:
            check_has_momentum(optimizer)
        peak, last = float(pct_start * self.total_steps) - 1, self.total_steps - 1
        rise = phase(peak, ("initial_lr", "max_lr"), ("max_momentum", "base_momentum"))
        if three_phase:
            valley = float(2 * pct_start * self.total_steps) - 2
            fall = [
                phase(valley, ("max_lr", "initial_lr"), ("base_momentum", "max_momentum")),
                phase(last, ("initial_lr", "min_lr"), ("max_momentum", "max_momentum")),
            ]
        else:
            fall = [phase(last, ("max_lr", "min_lr"), ("base_momentum", "max_momentum"))]
        self._schedule_phases = [rise, *fall]
        self._anneal_func_type = anneal_strategy
        max_lrs = one_each("max_lr", max_lr, optimizer)
        if last_epoch == -1:
            for group, highest in zip(optimizer.param_groups, max_lrs, strict=True):
                group["initial_lr"] = highest / div_factor
                group["max_lr"] = highest
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            base = one_each("base_momentum", base_momentum, optimizer)
            self._start_momentum(optimizer, base, one_each("max_momentum", max_momentum, optimizer), last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR: step {step} of {self.total_steps}: there are no more")
        start = 0.0
        for now in self._schedule_phases:
            if step <= now["end_step"]:
                break
            start = now["end_step"]
        else:  # the step after the last goes on along the last phase
            start = self._schedule_phases[-2]["end_step"]
        part = (step - start) / (now["end_step"] - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._anneal(group[now["start_lr"]], group[now["end_lr"]], part))
            if self.cycle_momentum:
                momentum = self._anneal(group[now["start_momentum"]], group[now["end_momentum"]], part)
                self._set_momentum(group, momentum)
        return rates

    def _anneal(self, start: float, end: float, part: float) -> float:
        """From `start` to `end`, `part` of the way."""
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


def phase(end_step: float, lr: tuple[str, str], momentum: tuple[str, str]) -> dict[str, Any]:
    """When a phase ends, and the names of a group's entries between which it goes."""
    return {
        "end_step": end_step,
        "start_lr": lr[0],
        "end_lr": lr[1],
        "start_momentum": momentum[0],
        "end_momentum": momentum[1],
    }


def steps_in_all(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """`total_steps`, or else the product of the others. ValueError for what is no positive integer, or missing."""
    if total_steps is None and (epochs is None or steps_per_epoch is None):
        raise ValueError("OneCycleLR: give either total_steps or both epochs and steps_per_epoch")
    counts = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    total = 1
    for name, count in ({"total_steps": total_steps} if total_steps is not None else counts).items():
        if not isinstance(count, int) or count <= 0:
            raise ValueError(f"OneCycleLR: {name} must be a positive integer, but got {name}={count}")
        total *= count
    return total
