"""Where an operation is derived."""

from __future__ import annotations

from torchref import nn
from torchref.check.ops import Op
from torchref.check.ops.formula import FromTextbook
from torchref.nn import functional

MANUAL = "manual/derivations"


def derivation(op: Op) -> str:
    """The places of the derivation: the page of the manual and the docstring, if they exist."""
    page = op.derivation
    name, module = op.name.replace("norm2d", "norm"), next(iter(op.modules), "")
    places = [f"{MANUAL}/{page}"] if page else []
    if hasattr(functional, name):
        places.append(f"the docstring of torchref.nn.functional.{name}")
    elif module and hasattr(nn, module):  # derived with the module
        places.append(f"the docstring of torchref.nn.{module}")
    elif isinstance(op.formula, FromTextbook) and op.formula.textbook.__doc__:  # derived beside its record
        places.append(f"the docstring of {op.formula.textbook.__module__}.{op.formula.textbook.__name__}")
    return ", and ".join(places)
