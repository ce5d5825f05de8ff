"""Every scheduler gives torch's sequence of rates to 1e-12, alone, composed, resumed, and its state moved across."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import torchref
from torchref.nn import Parameter
from torchref.optim import lr_scheduler as ours
from torchref.optim import swa_utils

EPOCHS = 40


class Warmup:
    """A callable object: its attributes are part of a scheduler's state."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, epoch: int) -> float:
        return min(1.0, (epoch + 1) / self.length)


def sequential(s: Any, o: Any, names: list[Any], milestones: list[int]) -> Any:
    return s.SequentialLR(o, [make(s, o) for make in names], milestones)


def linear(s: Any, o: Any) -> Any:
    return s.LinearLR(o, 0.1, total_iters=4)


def exponential(s: Any, o: Any) -> Any:
    return s.ExponentialLR(o, 0.9)


def cosine(s: Any, o: Any) -> Any:
    return s.CosineAnnealingLR(o, 7, 1e-3)


def restarts(s: Any, o: Any) -> Any:
    return s.CosineAnnealingWarmRestarts(o, 3, 2)


def multiplicative(s: Any, o: Any) -> Any:
    return s.MultiplicativeLR(o, lambda epoch: 0.9 + 0.01 * epoch)


def inner_sequence(s: Any, o: Any) -> Any:
    return s.SequentialLR(o, [exponential(s, o), cosine(s, o)], [3])


SCHEDULERS: dict[str, Callable[[Any, Any], Any]] = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda epoch: 0.95**epoch),
    "LambdaLR each": lambda s, o: s.LambdaLR(o, [Warmup(5), lambda epoch: 1 / (1 + epoch)]),
    "MultiplicativeLR": multiplicative,
    "MultiplicativeLR each": lambda s, o: s.MultiplicativeLR(o, [lambda epoch: 0.9, Warmup(3)]),
    "StepLR": lambda s, o: s.StepLR(o, 3),
    "StepLR gamma": lambda s, o: s.StepLR(o, 5, gamma=0.7),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 7, 7, 11], gamma=0.5),
    "ConstantLR": lambda s, o: s.ConstantLR(o),
    "ConstantLR factor": lambda s, o: s.ConstantLR(o, 0.3, 9),
    "LinearLR": lambda s, o: s.LinearLR(o),
    "LinearLR down": lambda s, o: s.LinearLR(o, 0.9, 0.2, 11),
    "ExponentialLR": exponential,
    "PolynomialLR": lambda s, o: s.PolynomialLR(o),
    "PolynomialLR power": lambda s, o: s.PolynomialLR(o, 13, 2.5),
    "CosineAnnealingLR": cosine,
    "CosineAnnealingLR 1": lambda s, o: s.CosineAnnealingLR(o, 1),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5),
    "CosineAnnealingWarmRestarts mult": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 1e-3),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4),
    "CyclicLR triangular2": lambda s, o: s.CyclicLR(o, [0.01, 0.02], [0.1, 0.3], 3, 5, "triangular2"),
    "CyclicLR exp_range": lambda s, o: s.CyclicLR(
        o, 0.01, 0.1, 4, mode="exp_range", gamma=0.97, base_momentum=0.7, max_momentum=0.95
    ),
    "CyclicLR scale_fn": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 4, scale_fn=lambda x: 1 / (1 + x)),
    "CyclicLR scale_fn by iteration": lambda s, o: s.CyclicLR(
        o, 0.01, 0.1, 4, scale_fn=Warmup(9), scale_mode="iterations", cycle_momentum=False
    ),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=EPOCHS + 1),
    "OneCycleLR each": lambda s, o: s.OneCycleLR(o, [0.1, 0.3], epochs=10, steps_per_epoch=5),
    "OneCycleLR linear": lambda s, o: s.OneCycleLR(
        o, 0.1, EPOCHS, pct_start=0.4, anneal_strategy="linear", base_momentum=0.7, max_momentum=0.9
    ),
    "OneCycleLR three_phase": lambda s, o: s.OneCycleLR(
        o, 0.1, 47, three_phase=True, div_factor=10.0, final_div_factor=100.0
    ),
    "OneCycleLR without momentum": lambda s, o: s.OneCycleLR(o, 0.1, 47, cycle_momentum=False),
    "SWALR": lambda s, o: s.SWALR(o, 0.05),
    "SWALR linear": lambda s, o: s.SWALR(o, [0.05, 0.2], 7, "linear"),
    "SWALR at once": lambda s, o: s.SWALR(o, 0.05, 0),
    "chained by hand": lambda s, o: [exponential(s, o), s.StepLR(o, 4, 0.5)],
    "SWALR after another": lambda s, o: [exponential(s, o), s.SWALR(o, 0.05, 15)],
    "ChainedScheduler": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 4), exponential(s, o)]),
    "ChainedScheduler three": lambda s, o: s.ChainedScheduler([linear(s, o), multiplicative(s, o), cosine(s, o)], o),
    "SequentialLR": lambda s, o: sequential(s, o, [linear, cosine, exponential], [4, 11]),
    "SequentialLR without closed form": lambda s, o: sequential(s, o, [exponential, multiplicative, restarts], [5, 11]),
    "SequentialLR restarts first": lambda s, o: sequential(s, o, [restarts, linear], [10]),
    "SequentialLR at 0": lambda s, o: sequential(s, o, [linear, exponential], [0]),
    "SequentialLR nested": lambda s, o: sequential(s, o, [inner_sequence, linear], [6]),
    "SequentialLR of a chain": lambda s, o: sequential(
        s, o, [lambda s, o: s.ChainedScheduler([linear(s, o), exponential(s, o)]), cosine], [6]
    ),
}


class Namespace:
    """The schedulers of one engine, SWALR among them."""

    def __init__(self, scheduler: Any, swa: Any) -> None:
        self.modules = scheduler, swa

    def __getattr__(self, name: str) -> Any:
        return next(getattr(module, name) for module in self.modules if hasattr(module, name))


OURS = Namespace(ours, swa_utils)
THEIRS = Namespace(torch.optim.lr_scheduler, torch.optim.swa_utils)


def optimizers(name: str = "SGD") -> tuple[Any, Any]:
    """Two groups with two rates, and one step done, without which schedulers warn."""
    momentum = {"momentum": 0.9} if name == "SGD" else {}
    pair = []
    for optim, make in [
        (torchref.optim, lambda: Parameter(np.ones(2))),
        (torch.optim, lambda: torch.nn.Parameter(torch.ones(2))),
    ]:
        groups = [{"params": [make()]}, {"params": [make()], "lr": 0.5}]
        pair.append(getattr(optim, name)(groups, lr=0.2, **momentum))
    return pair[0], pair[1]


def build(make: Callable[[Any, Any], Any], name: str = "SGD") -> Any:
    """(our optimizer, theirs), (our schedulers, theirs), both ready to step."""
    pair = optimizers(name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*before.*optimizer.step")  # a sequence repeats its first scheduler's step
        schedulers = [make(namespace, o) for namespace, o in zip((OURS, THEIRS), pair, strict=True)]
    for optimizer in pair:
        optimizer.step()
    return pair, [s if isinstance(s, list) else [s] for s in schedulers]


def compare(pair: Any, schedulers: Any, where: str) -> None:
    for our_group, their_group in zip(pair[0].param_groups, pair[1].param_groups, strict=True):
        for key in ("lr", "momentum", "betas", "initial_lr", "max_momentum", "base_momentum", "swa_lr"):
            assert (key in our_group) == (key in their_group), f"{where}: {key}"
            if key in our_group:
                np.testing.assert_allclose(our_group[key], their_group[key], 1e-12, 1e-15, err_msg=f"{where}: {key}")
    for our, their in zip(*schedulers, strict=True):
        np.testing.assert_allclose(our.get_last_lr(), their.get_last_lr(), 1e-12, 1e-15, err_msg=where)


@pytest.mark.parametrize("case", SCHEDULERS)
def test_follows_torch(case: str) -> None:
    """Catches a rate that is off at any epoch: a wrong period, an epoch 0 that is not skipped, a missed restart."""
    pair, schedulers = build(SCHEDULERS[case])
    compare(pair, schedulers, f"{case}: start")
    for epoch in range(EPOCHS - 1):
        for engine in schedulers:
            for scheduler in engine:
                scheduler.step()
        compare(pair, schedulers, f"{case}: epoch {epoch + 1}")


@pytest.mark.parametrize("case", [case for case in SCHEDULERS if "yc" in case])
def test_beta1_cycles_too(case: str) -> None:
    """Catches a momentum that is written where Adam does not read it."""
    pair, schedulers = build(SCHEDULERS[case], "Adam")
    for epoch in range(20):
        for engine in schedulers:
            engine[0].step()
        compare(pair, schedulers, f"{case}: epoch {epoch + 1}")


@pytest.mark.parametrize("case", SCHEDULERS)
def test_state_moves_between_the_twins(case: str) -> None:
    """Catches a state with other names than torch's, or from which the sequence does not go on."""
    pair, schedulers = build(SCHEDULERS[case])
    for _ in range(9):
        for engine in schedulers:
            for scheduler in engine:
                scheduler.step()
    states = [[copy.deepcopy(scheduler.state_dict()) for scheduler in engine] for engine in schedulers]
    optimizer_states = [copy.deepcopy(optimizer.state_dict()) for optimizer in pair]
    pair, schedulers = build(SCHEDULERS[case])
    for optimizer, state in zip(pair, reversed(optimizer_states), strict=True):
        optimizer.load_state_dict(state)
    for engine, engine_states in zip(schedulers, reversed(states), strict=True):
        for scheduler, state in zip(engine, engine_states, strict=True):
            scheduler.load_state_dict(state)
    for epoch in range(9, 25):
        for engine in schedulers:
            for scheduler in engine:
                scheduler.step()
        compare(pair, schedulers, f"{case}: epoch {epoch + 1}")


CLOSED = ["StepLR gamma", "MultiStepLR", "ConstantLR", "LinearLR down", "ExponentialLR", "PolynomialLR power"]
CLOSED += ["CosineAnnealingLR", "LambdaLR", "CyclicLR"]


@pytest.mark.parametrize("case", CLOSED)
def test_epoch_argument(case: str) -> None:
    """Catches a closed form that is off, and a missing warning."""
    pair, schedulers = build(SCHEDULERS[case])
    for epoch in (3, 17, 2, 5, 7, 0):
        for engine in schedulers:
            with pytest.warns(UserWarning, match="epoch"):
                engine[0].step(epoch)
        compare(pair, schedulers, f"{case}: epoch {epoch}")


@pytest.mark.parametrize("T_mult", [1, 2, 3])
def test_warm_restarts_take_fractions(T_mult: int) -> None:
    """Catches a wrong period for an epoch that is jumped to."""
    pair, schedulers = build(lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, T_mult, 1e-3))
    for epoch in (0, 0.5, 2.9, 3, 3.25, 8.5, 9, 26.7, 1, None, None, 40, None):
        for engine in schedulers:
            engine[0].step(epoch)
        compare(pair, schedulers, f"epoch {epoch}")
    with pytest.raises(ValueError, match="-1"):
        schedulers[0][0].step(-1)


@pytest.mark.parametrize("last_epoch", [0, 3, 8])
@pytest.mark.parametrize(
    "make",
    [
        lambda s, o, e: s.StepLR(o, 3, last_epoch=e),
        lambda s, o, e: s.MultiplicativeLR(o, lambda epoch: 0.9, last_epoch=e),
        lambda s, o, e: s.LinearLR(o, total_iters=7, last_epoch=e),
        lambda s, o, e: s.ExponentialLR(o, 0.9, last_epoch=e),
        lambda s, o, e: s.PolynomialLR(o, 20, 2.0, last_epoch=e),
        lambda s, o, e: s.CosineAnnealingLR(o, 7, 1e-3, last_epoch=e),
        lambda s, o, e: s.CosineAnnealingWarmRestarts(o, 20, last_epoch=e),
        lambda s, o, e: s.LambdaLR(o, lambda epoch: 0.9**epoch, last_epoch=e),
        lambda s, o, e: s.CyclicLR(o, 0.01, 0.1, 4, last_epoch=e),
        lambda s, o, e: s.SWALR(o, 0.05, last_epoch=e),
    ],
)
def test_resume_by_last_epoch(make: Any, last_epoch: int) -> None:
    """Catches a first step that is made twice, or not at all, when a run is resumed."""

    def resumed(s: Any, o: Any) -> Any:
        for group in o.param_groups:
            group["initial_lr"] = 2 * group["lr"]
        return make(s, o, last_epoch)

    pair, schedulers = build(resumed)
    for epoch in range(10):
        compare(pair, schedulers, f"resumed at {last_epoch}: epoch {epoch}")
        for engine in schedulers:
            engine[0].step()
    with pytest.raises(KeyError, match="initial_lr"):
        make(OURS, optimizers()[0], last_epoch)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"factor": 0.5, "patience": 1},
        {"patience": 0, "cooldown": 3, "threshold": 0.1},
        {"patience": 2, "min_lr": [0.05, 0.01], "factor": 0.3},
        {"patience": 0, "eps": 0.05, "factor": 0.5, "min_lr": 1e-3},
    ],
)
def test_plateau(mode: str, threshold_mode: str, options: dict[str, Any]) -> None:
    """Catches an epoch more or less of patience or cooldown, and a threshold of the wrong sign."""
    pair, schedulers = build(lambda s, o: s.ReduceLROnPlateau(o, mode, threshold_mode=threshold_mode, **options))
    rng = np.random.default_rng(7)
    metrics = np.cumsum(rng.standard_normal(60)) * 0.3 + np.where(np.arange(60) < 30, -0.1, 0.1) * np.arange(60)
    metrics[40] = np.nan
    for epoch, value in enumerate(metrics):
        if epoch == 25:
            states = [scheduler.state_dict() for (scheduler,) in schedulers]
            for (scheduler,), state in zip(schedulers, reversed(states), strict=True):
                scheduler.load_state_dict(state)
        for (scheduler,) in schedulers:
            scheduler.step(float(value))
        compare(pair, schedulers, f"{options}: epoch {epoch}")
        assert schedulers[0][0].num_bad_epochs == schedulers[1][0].num_bad_epochs
        assert schedulers[0][0].best == schedulers[1][0].best


def test_plateau_with_a_new_group() -> None:
    """Catches a smallest rate that a later group lacks."""
    pair, schedulers = build(lambda s, o: s.ReduceLROnPlateau(o, patience=0, min_lr=0.1))
    pair[0].add_param_group({"params": [Parameter(np.ones(2))]})
    pair[1].add_param_group({"params": [torch.nn.Parameter(torch.ones(2))]})
    for _ in range(4):
        for (scheduler,) in schedulers:
            scheduler.step(1.0)
    compare(pair, schedulers, "a new group")
    scheduler = ours.ReduceLROnPlateau(pair[0], patience=0, min_lr=[0.0, 0.1, 0.2])
    pair[0].add_param_group({"params": [Parameter(np.ones(2))]})
    scheduler.step(1.0)
    with pytest.raises(RuntimeError, match="4 parameter groups"):
        scheduler.step(1.0)


WRONG: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "no optimizer": (lambda s, o: s.StepLR(3.0, 3), "float is not an Optimizer"),
    "no optimizer, plateau": (lambda s, o: s.ReduceLROnPlateau(3.0), "float is not an Optimizer"),
    "no optimizer, cyclic": (lambda s, o: s.CyclicLR(3.0, 0.1, 0.2), "float is not an Optimizer"),
    "no optimizer, one cycle": (lambda s, o: s.OneCycleLR(3.0, 0.1, 3), "float is not an Optimizer"),
    "lambdas": (lambda s, o: s.LambdaLR(o, [lambda epoch: 1.0]), "lr_lambda has 1 values"),
    "multiplicative": (lambda s, o: s.MultiplicativeLR(o, [1.0, 2.0]), "not float"),
    "constant": (lambda s, o: s.ConstantLR(o, 1.5), "factor=1.5"),
    "linear start": (lambda s, o: s.LinearLR(o, 0.0), "start_factor=0.0"),
    "linear end": (lambda s, o: s.LinearLR(o, 0.5, 1.5), "end_factor=1.5"),
    "restarts T_0": (lambda s, o: s.CosineAnnealingWarmRestarts(o, 0), "T_0=0"),
    "restarts T_0 float": (lambda s, o: s.CosineAnnealingWarmRestarts(o, 1.5), "T_0=1.5"),
    "restarts T_mult": (lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 0), "T_mult=0"),
    "restarts eta_min": (lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 1, "a"), "eta_min='a'"),
    "cyclic mode": (lambda s, o: s.CyclicLR(o, 0.1, 0.2, mode="square"), "mode='square'"),
    "cyclic lists": (lambda s, o: s.CyclicLR(o, [0.1], 0.2), "base_lr has 1 values"),
    "one cycle steps": (lambda s, o: s.OneCycleLR(o, 0.1), "total_steps"),
    "one cycle total_steps": (lambda s, o: s.OneCycleLR(o, 0.1, -3), "total_steps=-3"),
    "one cycle epochs": (lambda s, o: s.OneCycleLR(o, 0.1, epochs=1.5, steps_per_epoch=3), "epochs=1.5"),
    "one cycle per epoch": (lambda s, o: s.OneCycleLR(o, 0.1, epochs=2, steps_per_epoch=0), "steps_per_epoch=0"),
    "one cycle pct_start": (lambda s, o: s.OneCycleLR(o, 0.1, 3, pct_start=2.0), "pct_start=2.0"),
    "one cycle anneal": (lambda s, o: s.OneCycleLR(o, 0.1, 3, anneal_strategy="sin"), "anneal_strategy='sin'"),
    "plateau factor": (lambda s, o: s.ReduceLROnPlateau(o, factor=1.0), "factor=1.0"),
    "plateau mode": (lambda s, o: s.ReduceLROnPlateau(o, "mean"), "mode='mean'"),
    "plateau threshold_mode": (lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="x"), "threshold_mode='x'"),
    "plateau min_lr": (lambda s, o: s.ReduceLROnPlateau(o, min_lr=[0.1]), r"min_lr=\[0.1\]"),
    "swa anneal": (lambda s, o: s.SWALR(o, 0.1, anneal_strategy="sin"), "anneal_strategy='sin'"),
    "swa epochs": (lambda s, o: s.SWALR(o, 0.1, -1), "anneal_epochs=-1"),
    "chain of none": (lambda s, o: s.ChainedScheduler([]), "empty"),
    "chain of an optimizer's friend": (lambda s, o: s.ChainedScheduler([3.0], o), "float"),
    "chain with a plateau": (lambda s, o: s.ChainedScheduler([s.ReduceLROnPlateau(o)]), "ReduceLROnPlateau"),
    "sequence without milestones": (lambda s, o: sequential(s, o, [linear, cosine], []), r"milestones=\[\]"),
    "one step too many": (lambda s, o: [s.OneCycleLR(o, 0.1, 1).step(), 0][1], "more"),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors(case: str) -> None:
    """Catches an argument that is not checked, and another exception than torch's."""
    make, message = WRONG[case]
    our_optimizer, their_optimizer = optimizers()
    our_optimizer.step()
    if case == "one step too many":
        scheduler = ours.OneCycleLR(our_optimizer, 0.1, 2)
        scheduler.step()
        scheduler.step()
        with pytest.raises(ValueError, match=message):
            scheduler.step()
        return
    with pytest.raises(Exception) as theirs:
        make(THEIRS, their_optimizer)
    with pytest.raises(theirs.type, match=message):
        make(OURS, our_optimizer)


def test_optimizers_differ_or_lack_momentum() -> None:
    """Catches schedulers of two optimizers in one, and a momentum cycle for an optimizer that has none."""
    one, two = optimizers()[0], optimizers()[0]
    with pytest.raises(ValueError, match="another optimizer"):
        ours.ChainedScheduler([linear(ours, one), linear(ours, two)])
    plain = torchref.optim.Adagrad([Parameter(np.ones(2))])
    for make in (lambda: ours.CyclicLR(plain, 0.1, 0.2), lambda: ours.OneCycleLR(plain, 0.1, 3)):
        with pytest.raises(ValueError, match="Adagrad has neither momentum nor betas"):
            make()


def test_a_sequence_cannot_come_second_in_another() -> None:
    """Catches a nested sequence that silently goes wrong: torch cannot restart one, either."""
    _, schedulers = build(lambda s, o: sequential(s, o, [linear, inner_sequence], [2]))
    for (scheduler,) in schedulers:
        scheduler.step()
        with pytest.raises(NotImplementedError):
            scheduler.step()


def test_warns_before_the_first_step() -> None:
    """Catches a schedule that silently skips its first rate."""
    optimizer = optimizers()[0]
    scheduler = linear(ours, optimizer)
    with pytest.warns(UserWarning, match=r"before optimizer.step"):
        scheduler.step()


def test_state_is_a_copy() -> None:
    """Catches a saved state that moves on with the run."""
    optimizer = optimizers()[0]
    optimizer.step()
    scheduler = ours.ChainedScheduler([linear(ours, optimizer), exponential(ours, optimizer)])
    state = scheduler.state_dict()
    kept = copy.deepcopy(state)
    scheduler.step()
    assert state == kept
    scheduler.load_state_dict(state)
    scheduler.step()
    assert state == kept


def test_plateau_at_a_given_epoch() -> None:
    """Catches an epoch that is counted on instead of jumped to."""
    _, schedulers = build(lambda s, o: s.ReduceLROnPlateau(o, patience=0, factor=0.5))
    ours, theirs = (engine[0] for engine in schedulers)
    for metric, epoch in ((1.0, 4), (2.0, 9)):
        for scheduler in (ours, theirs):
            with pytest.warns(UserWarning, match="epoch"):
                scheduler.step(metric, epoch)
        assert ours.last_epoch == theirs.last_epoch == epoch
        assert ours.get_last_lr() == theirs.get_last_lr()
    for scheduler in (ours, theirs):
        scheduler.step(3.0)
    assert ours.last_epoch == theirs.last_epoch == 10
    assert ours.get_last_lr() == theirs.get_last_lr()


@pytest.mark.filterwarnings("ignore:To get the last learning rate")
def test_cosine_asked_before_its_first_step() -> None:
    """Catches the recurrence where a scheduler that resumes has no step before it: torch uses the closed form."""

    def resumed(s: Any, o: Any) -> Any:
        for group in o.param_groups:
            group["initial_lr"] = 2 * group["lr"]
        return s.CosineAnnealingLR(o, 7, 1e-3, last_epoch=3)

    _, schedulers = build(resumed)
    ours, theirs = (engine[0] for engine in schedulers)
    assert ours.get_lr() == pytest.approx(theirs.get_lr(), rel=1e-14)
