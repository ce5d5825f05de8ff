"""The list of cases that the universal checks (tests/checks.py) run over: one file a family, each with its `CASES`.

Adding a module to the library means adding its cases here: every constructor argument and every mode.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator], Any]  # how an input is drawn; floating ones in float64


@dataclass(frozen=True)
class Case:
    """One module, built and called in one way (or a function: then `kwargs` are its options).

    `inputs` are the forward's arguments: each a function of a generator (see `normal`, ...), or a plain value that is
    passed as it is (None, a number, an array); a tuple or list of those for nested inputs. `options` are the forward's
    keyword arguments, likewise. Arrays among the constructor's arguments are float64 and are cast to the case's dtype.
    """

    module: str  # the class's name in torch.nn and torchref.nn; or a function's or a method's, `functional.normalize`
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    training: bool = True
    smooth: bool = True  # complex differentiable: the complex step is a witness; else Richardson's differences
    witness: bool = True  # False only where no derivative exists at the inputs (planted kinks): torch alone judges
    constants: tuple[
        int, ...
    ] = ()  # positions among the floating inputs for which neither torch nor we give a gradient
    note: str = ""  # what this case would catch, or why it is special

    @property
    def name(self) -> str:
        plain = self.inputs if self.module.startswith("tensor.") else ()  # of a tensor function some are its options
        parts = [short(value) for value in (*self.args, *(v for v in plain if isinstance(v, int | float | str)))]
        parts += [*(f"{k}={short(v)}" for k, v in {**self.kwargs, **self.options}.items())]
        mode = "" if self.training else "-eval"
        return f"{self.module}({','.join(parts)}){mode}" + (f"-{self.note}" if self.note else "")


def short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array{list(value.shape)}".replace(" ", "")
    return str(value).replace(" ", "") if not callable(value) else "drawn"


def normal(*shape: int, scale: float = 1.0, shift: float = 0.0) -> Draw:
    return lambda rng: rng.standard_normal(shape) * scale + shift


def point(rng: np.random.Generator) -> Any:
    """An array without dimensions."""
    return np.array(rng.standard_normal())


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Draw:
    return lambda rng: rng.uniform(low, high, shape)


def integers(high: int, *shape: int, low: int = 0) -> Draw:
    return lambda rng: rng.integers(low, high, shape)


def choice(values: list[Any], *shape: int) -> Draw:
    """Entries picked from `values`: planted kinks, ties, signs."""
    return lambda rng: rng.choice(np.array(values), shape)


def booleans(*shape: int, p: float = 0.3) -> Draw:
    return lambda rng: rng.random(shape) < p


def strided(draw: Draw) -> Draw:
    """The same entries in Fortran order, as every second of a wider array: not contiguous, and no permuted axis is."""

    def drawn(rng: np.random.Generator) -> Any:
        array = draw(rng)
        wide = np.zeros([2 * n for n in array.shape], array.dtype, order="F")
        wide[(slice(None, None, 2),) * array.ndim] = array
        return wide[(slice(None, None, 2),) * array.ndim]

    return drawn


def all_cases() -> list[Case]:
    """The cases of every family, in the order of the files' names."""
    families = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    return [case for family in families for case in family.CASES]
