"""Vary a comparison: its settings, its model's options, and its optimizer's."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torchref.compare.comparison import Comparison
from torchref.compare.configuration import SETTINGS
from torchref.compare.errors import UserError
from torchref.nearest import nearest

__all__ = ["model_options", "optimizer_options", "varied"]


def varied(comparison: Comparison, values: Mapping[str, Any]) -> Comparison:
    """The comparison with these values: of its settings, its model's options, or its optimizer's parameter groups.

    A model's option is set in every variant, an optimizer's in every group. UserError for a key that none has.
    """
    settings = {key: value for key, value in values.items() if key in SETTINGS}
    rest = {key: value for key, value in values.items() if key not in SETTINGS}
    if rest:
        of_model, of_optimizer = model_options(comparison), optimizer_options(comparison)
        for key in rest:
            if key not in (*of_model, *of_optimizer):
                raise UserError(f"grid: there is no {key!r}: {nearest(key, [*SETTINGS, *of_model, *of_optimizer])}")
        model = {key: value for key, value in rest.items() if key in of_model}
        variants = {name: {**options, **model} for name, options in comparison.variants.items()}
        optimizer = {key: value for key, value in rest.items() if key not in of_model}
        comparison = replace(comparison, variants=variants, optimizer_options=optimizer)
    return replace(comparison, **settings)


def model_options(comparison: Comparison) -> list[str]:
    """The names of `model`'s arguments, without the namespace."""
    parameters = list(inspect.signature(comparison.defining).parameters.values())[1:]
    named = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    return list(dict.fromkeys([*named, *(key for options in comparison.variants.values() for key in options)]))


def optimizer_options(comparison: Comparison) -> list[str]:
    """The names of the numbers and switches in the optimizer's parameter groups."""
    package: Any = importlib.import_module("torch" if comparison.model is None else "torchref")
    model = comparison.defining(package.nn, **next(iter(comparison.variants.values())))
    optimizer = comparison.optimizer(package.optim, model.parameters())
    return [key for key, value in optimizer.param_groups[0].items() if isinstance(value, bool | int | float)]
