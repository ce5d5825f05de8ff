"""Check what a comparison's functions return, before anything is trained. The error names the function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch

import torchref
from torchref.compare.comparison import Comparison
from torchref.compare.data import Data
from torchref.compare.errors import UserError
from torchref.compare.faults import definition
from torchref.compare.lockstep.twins import numpy_model
from torchref.nearest import nearest

__all__ = ["check_functions", "checked_data"]


def checked_data(comparison: Comparison) -> Data:
    """What `data()` returns. UserError where it is no Data."""
    data = comparison.data()
    if not isinstance(data, Data):
        fields = ", ".join(field.name for field in dataclasses.fields(Data))
        raise UserError(
            f"data ({definition(comparison.data)}) must return a Data, not {type(data).__name__}: return Data({fields})"
        )
    return data


def check_functions(comparison: Comparison, variant: str) -> None:
    """UserError unless the functions give a network, a loss, an optimizer and a schedule of each engine."""
    options = comparison.variants[variant]
    theirs = comparison.defining_torch, comparison.torch_loss or comparison.loss
    engines: list[Any] = [(torchref, numpy_model(comparison), comparison.loss), (torch, *theirs)]
    if comparison.model is None:
        engines.reverse()  # what torch returns first: the other is made of it
    for engine, model, loss in engines:
        network = model(engine.nn, **options)
        _check("model", model, network, engine.nn.Module)
        _check("loss", loss, loss(engine.nn), engine.nn.Module)
        optimizer = comparison.optimizer(engine.optim, network.parameters())
        _check("optimizer", comparison.optimizer, optimizer, engine.optim.Optimizer)
        _check_options(comparison.optimizer_options, optimizer.param_groups[0])
        if comparison.scheduler is not None:
            schedule = comparison.scheduler(engine.optim.lr_scheduler, optimizer)
            if not callable(getattr(schedule, "step", None)):
                raise _wrong("scheduler", comparison.scheduler, "a schedule", schedule)


def _check(name: str, function: Callable[..., Any], value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        package = kind.__module__.partition(".")[0]
        raise _wrong(name, function, f"an instance of {package}'s {kind.__name__}", value)


def _wrong(name: str, function: Callable[..., Any], wanted: str, value: Any) -> UserError:
    found = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    return UserError(f"{name} ({definition(function)}) must return {wanted}, not {found}")


def _check_options(options: Mapping[str, Any], group: Mapping[str, Any]) -> None:
    """UserError unless each option is one of the optimizer's, and of a kind with the value that it replaces."""
    known = [key for key in group if key != "params"]
    for key, value in options.items():
        if key not in known:
            raise UserError(f"optimizer: there is no option {key!r}: {nearest(key, known)}")
        if not _alike(value, group[key]):
            raise UserError(f"optimizer: {key} must be like {group[key]!r}, not {value!r}")


def _alike(value: Any, own: Any) -> bool:
    if own is None:
        return True
    for kind in (bool, int | float, list | tuple):  # bool first: it is an int, too
        if isinstance(value, kind) or isinstance(own, kind):
            return isinstance(value, kind) and isinstance(own, kind)
    return isinstance(value, type(own))
