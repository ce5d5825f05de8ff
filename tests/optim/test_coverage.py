"""Every public name of torch.optim is here, or in the list of those left out with a reason."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

import torchref
from torchref.optim import lr_scheduler, swa_utils

LEFT_OUT = {
    "swap_in_optimizer_params_and_state": "serves functional calls of traced networks; there is no tracing here"
}
LEFT_OUT_METHODS = {
    "hooks: nothing here needs them": {
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "register_step_post_hook",
        "register_step_pre_hook",
        "OptimizerPreHook",
        "OptimizerPostHook",
    },
    "profiling of torch": {"profile_hook_step"},
    "multiprocessing of torch": {"share_memory"},
    "steps by steps of LRScheduler that ours has under other names": {"recursive_undo"},
}
SCHEDULERS = [*torch.optim.lr_scheduler.__all__, "SWALR"]
OPTIMIZERS = [
    name for name in torch.optim.__all__ if inspect.isclass(getattr(torch.optim, name)) and name != "Optimizer"
]


def theirs_of(name: str) -> Any:
    return getattr(torch.optim, name, None) or getattr(
        torch.optim.lr_scheduler, name, getattr(torch.optim.swa_utils, name, None)
    )


def ours_of(name: str) -> Any:
    return getattr(torchref.optim, name, None) or getattr(lr_scheduler, name, getattr(swa_utils, name, None))


def test_every_name_is_here() -> None:
    """Catches an optimizer, scheduler or utility that a new torch brings."""
    assert set(torch.optim.__all__) - set(torchref.optim.__all__) == set(LEFT_OUT)
    assert set(torch.optim.lr_scheduler.__all__) == set(lr_scheduler.__all__)
    assert set(torch.optim.swa_utils.__all__) == set(swa_utils.__all__)


@pytest.mark.parametrize("name", [*OPTIMIZERS, *SCHEDULERS, "AveragedModel"])
def test_same_constructor(name: str) -> None:
    """Catches an argument that is missing, has another default, place or kind."""
    ours, theirs = (
        [(p.name, p.kind, p.default) for p in inspect.signature(cls).parameters.values()]
        for cls in (ours_of(name), theirs_of(name))
    )
    assert ours == theirs


@pytest.mark.parametrize("name", ["Optimizer", *OPTIMIZERS, *SCHEDULERS])
def test_same_methods(name: str) -> None:
    """Catches a public method that is neither here nor left out."""
    theirs = {method for method in dir(theirs_of(name)) if not method.startswith("_")}
    left_out = set().union(*LEFT_OUT_METHODS.values())
    assert theirs - left_out <= set(dir(ours_of(name)))
