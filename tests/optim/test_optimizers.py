"""Every optimizer follows torch's for 50 steps in float64, with every option alone and in combinations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import torchref
from tests.optim.trajectory import Twins, judge_float32
from torchref.nn import Parameter

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "dampening": 0.5},
        {"lr": 0.1, "weight_decay": 0.1},
        {"lr": 0.1, "maximize": True},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "maximize": True, "dampening": 0.3},
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "maximize": True, "nesterov": True},
    ],
    "Adam": [
        {},
        {"lr": 0.01, "betas": (0.8, 0.97)},
        {"lr": 0.01, "betas": (0.3, 0.4)},
        {"lr": 0.01, "betas": (0.0, 0.0)},
        {"lr": 0.01, "eps": 1e-3},
        {"lr": 0.01, "weight_decay": 0.1},
        {"lr": 0.01, "amsgrad": True, "betas": (0.9, 0.9)},
        {"lr": 0.01, "maximize": True},
        {"lr": 0.01, "decoupled_weight_decay": True, "weight_decay": 0.1},
        {"lr": 0.01, "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True, "maximize": True, "betas": (0.7, 0.8)},
    ],
    "AdamW": [
        {},
        {"lr": 0.01, "weight_decay": 0.1},
        {"lr": 0.01, "weight_decay": 0.1, "eps": 1e-3},
        {"lr": 0.01, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True, "betas": (0.7, 0.8)},
        {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True, "eps": 1e-3, "maximize": True},
    ],
    "Adadelta": [
        {},
        {"lr": 0.5, "rho": 0.8},
        {"eps": 1e-3},
        {"weight_decay": 0.1},
        {"maximize": True},
        {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
    ],
    "Adagrad": [
        {},
        {"lr_decay": 0.1},
        {"weight_decay": 0.1},
        {"initial_accumulator_value": 0.3},
        {"eps": 1e-3},
        {"maximize": True},
        {
            "lr": 0.1,
            "lr_decay": 0.1,
            "weight_decay": 0.1,
            "initial_accumulator_value": 1e-4,
            "eps": 1e-3,
            "maximize": True,
        },
    ],
    "Adamax": [
        {},
        {"betas": (0.8, 0.9)},
        {"betas": (0.3, 0.7)},
        {"eps": 1e-3},
        {"weight_decay": 0.1},
        {"maximize": True},
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
    ],
    "NAdam": [
        {},
        {"betas": (0.8, 0.9)},
        {"eps": 1e-3},
        {"weight_decay": 0.1},
        {"momentum_decay": 0.1},
        {"decoupled_weight_decay": True, "weight_decay": 0.1},
        {"maximize": True},
        {"lr": 0.01, "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.0, "maximize": True},
        {"lr": 0.01, "momentum_decay": 0.03, "maximize": True, "decoupled_weight_decay": True, "weight_decay": 0.1},
    ],
    "RAdam": [
        {},
        {"betas": (0.8, 0.9)},
        {"betas": (0.9, 0.5)},
        {"eps": 1e-3},
        {"weight_decay": 0.1},
        {"decoupled_weight_decay": True, "weight_decay": 0.1},
        {"maximize": True},
        {"lr": 0.01, "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.01, "eps": 1e-3, "weight_decay": 0.1, "maximize": True, "decoupled_weight_decay": True},
    ],
    "RMSprop": [
        {},
        {"alpha": 0.8},
        {"eps": 1e-3},
        {"weight_decay": 0.1},
        {"momentum": 0.9},
        {"centered": True},
        {"maximize": True},
        {"alpha": 0.4, "centered": True, "eps": 1e-3},
        {"momentum": 0.9, "centered": True, "weight_decay": 0.1, "eps": 1e-3, "maximize": True},
    ],
    "Rprop": [
        {},
        {"etas": (0.3, 1.5)},
        {"step_sizes": (1e-3, 0.02)},
        {"maximize": True},
        {"lr": 0.1, "etas": (0.25, 1.7), "step_sizes": (1e-2, 0.3), "maximize": True},
    ],
    "ASGD": [
        {},
        {"lambd": 0.1},
        {"alpha": 0.4, "lambd": 0.1},
        {"t0": 5},
        {"weight_decay": 0.1},
        {"maximize": True},
        {"lr": 0.1, "lambd": 0.3, "alpha": 0.6, "t0": 17, "weight_decay": 0.1, "maximize": True},
    ],
    "Adafactor": [
        {},
        {"beta2_decay": -0.3},
        {"eps": (1e-3, 1e-2)},
        {"eps": (None, 3.0)},
        {"d": 3.0},
        {"weight_decay": 0.1},
        {"maximize": True},
        {"lr": 0.3, "beta2_decay": -0.5, "eps": (1e-2, 0.5), "d": 1.3, "weight_decay": 0.1, "maximize": True},
    ],
}
ALL = [
    pytest.param(name, options, id=f"{name}-{i}") for name, list_ in VARIANTS.items() for i, options in enumerate(list_)
]
RICHEST = [pytest.param(name, list_[-1], id=name) for name, list_ in VARIANTS.items()]


@pytest.mark.parametrize(("name", "options"), ALL)
def test_follows_torch(name: str, options: dict[str, Any]) -> None:
    """Catches any wrong term of an update: a coupled decay, eps in the root, a skipped or extra state."""
    Twins(name, options).run()


@pytest.mark.parametrize(("name", "options"), ALL)
def test_float32_is_explained_by_rounding(name: str, options: dict[str, Any]) -> None:
    """Catches a promotion to float64 and an order of operations that loses digits."""
    judge_float32(name, options)


@pytest.mark.parametrize(("name", "options"), RICHEST)
def test_state_moves_between_the_twins(name: str, options: dict[str, Any]) -> None:
    """Catches a state_dict that torch cannot load, or reads otherwise, and the reverse."""
    twins = Twins(name, options)
    twins.run(0, 11)
    twins.swap_states()
    twins.run(11, 25)
    twins.swap_states()
    twins.run(25, 40)


@pytest.mark.parametrize(("name", "options"), RICHEST)
def test_groups_have_their_own_options(name: str, options: dict[str, Any]) -> None:
    """Catches an option that is read from the defaults, not from the parameter's group."""
    first = {"lr": 0.03}
    if "weight_decay" in options:
        first["weight_decay"] = 0.03
    Twins(name, options, groups=(first, {})).run(0, 10)


@pytest.mark.parametrize("layout", ["fortran", "strided", "scalar", "empty"])
@pytest.mark.parametrize(("name", "options"), RICHEST)
def test_any_layout(name: str, options: dict[str, Any], layout: str) -> None:
    """Catches an update that writes into a copy of an array that is not contiguous."""
    shape = {"scalar": (), "empty": (0, 3)}.get(layout, (5, 7))
    if name in ("Muon", "Adafactor") and layout in ("scalar", "empty"):
        pytest.skip("matrices")
    twins = Twins(name, options, shapes=(shape,))
    (parameter,) = twins.ours
    if layout == "fortran":
        parameter.data = np.asfortranarray(parameter.data)
    if layout == "strided":
        wide = np.zeros((5, 21))
        wide[:, ::3] = parameter.data
        parameter.data = wide[:, ::3]
    array = parameter.data
    twins.run(0, 5)
    assert parameter.data is array, f"{name} replaced the parameter's array"


@pytest.mark.parametrize(("name", "options"), RICHEST)
def test_blocks_are_the_whole(name: str, options: dict[str, Any]) -> None:
    """Catches a block that is skipped, done twice or of the wrong length in a large array."""
    Twins(name, options, shapes=((211, 331),)).run(0, 3)


@pytest.mark.parametrize(("name", "options"), RICHEST)
def test_read_only_parameter(name: str, options: dict[str, Any]) -> None:
    """Catches an update that fails half-way: nothing may have changed when the error comes."""
    twins = Twins(name, options, shapes=((3, 5), (5, 3)))
    twins.gradients(5)
    twins.ours[1].data.flags.writeable = False
    before = twins.ours[0].data.copy()
    with pytest.raises(ValueError, match=rf"{name}: a parameter of shape \(5, 3\) is read-only"):
        twins.our_optimizer.step()
    assert np.array_equal(twins.ours[0].data, before)


INVALID: list[tuple[str, dict[str, Any], str]] = [
    ("SGD", {"lr": -0.1}, "lr=-0.1"),
    ("SGD", {"momentum": -0.5}, "momentum=-0.5"),
    ("SGD", {"weight_decay": -2.0}, "weight_decay=-2.0"),
    ("SGD", {"nesterov": True}, "momentum=0"),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening=0.1"),
    ("Adam", {"lr": -1.0}, "lr=-1.0"),
    ("Adam", {"eps": -1.0}, "eps=-1.0"),
    ("Adam", {"betas": (1.0, 0.9)}, r"betas\[0\].*1.0"),
    ("Adam", {"betas": (0.9, -0.5)}, r"betas\[1\].*-0.5"),
    ("Adam", {"betas": (0, 0.9)}, r"betas must be floats.*\(0, 0.9\)"),
    ("Adam", {"weight_decay": -1.0}, "weight_decay=-1.0"),
    ("AdamW", {"lr": float("nan")}, "lr=nan"),
    ("Adadelta", {"rho": 1.5}, "rho=1.5"),
    ("Adadelta", {"eps": -1.0}, "eps=-1.0"),
    ("Adagrad", {"lr_decay": -1.0}, "lr_decay=-1.0"),
    ("Adagrad", {"initial_accumulator_value": -1.0}, "initial_accumulator_value=-1.0"),
    ("Adamax", {"betas": (1.5, 0.9)}, r"betas\[0\].*1.5"),
    ("NAdam", {"momentum_decay": -1.0}, "momentum_decay=-1.0"),
    ("RAdam", {"weight_decay": -1.0}, "weight_decay=-1.0"),
    ("RMSprop", {"alpha": -1.0}, "alpha=-1.0"),
    ("RMSprop", {"momentum": -1.0}, "momentum=-1.0"),
    ("Rprop", {"etas": (1.5, 1.2)}, r"etas=\(1.5, 1.2\)"),
    ("Rprop", {"lr": -1.0}, "lr=-1.0"),
    ("ASGD", {"weight_decay": -1.0}, "weight_decay=-1.0"),
    ("Adafactor", {"beta2_decay": 0.5}, "beta2_decay=0.5"),
    ("Adafactor", {"eps": (-1.0, 0.1)}, r"eps=\(-1.0, 0.1\)"),
    ("Adafactor", {"eps": (None, -0.1)}, r"eps=\(None, -0.1\)"),
    ("Adafactor", {"d": 0.5}, "d=0.5"),
    ("Muon", {"momentum": -1.0}, "momentum=-1.0"),
    ("Muon", {"adjust_lr_fn": "other"}, "other"),
    ("SparseAdam", {"lr": 0.0}, "lr=0.0"),
    ("SparseAdam", {"eps": 0.0}, "eps=0.0"),
    ("LBFGS", {"lr": -1.0}, "lr=-1.0"),
]


@pytest.mark.parametrize(("name", "options", "message"), INVALID)
def test_invalid_options(name: str, options: dict[str, Any], message: str) -> None:
    """Catches an option that is not checked, or with another exception than torch's."""
    with pytest.raises(Exception) as theirs:
        getattr(torch.optim, name)([torch.nn.Parameter(torch.zeros(2, 3))], **options)
    with pytest.raises(theirs.type, match=message):
        getattr(torchref.optim, name)([Parameter(np.zeros((2, 3)))], **options)


def test_engine_flags() -> None:
    """Catches a flag that is silently ignored."""
    parameter = Parameter(np.zeros(3))
    for flag in ("foreach", "fused", "capturable", "differentiable"):
        torchref.optim.Adam([parameter], **{flag: False})
        with pytest.raises(ValueError, match=f"{flag}=True"):
            torchref.optim.Adam([parameter], **{flag: True})
