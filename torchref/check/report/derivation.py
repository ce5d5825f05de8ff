"""Where an operation is derived."""

from __future__ import annotations

from torchref import nn
from torchref.check.ops import Op
from torchref.check.ops.formula import FromTextbook
from torchref.nn import functional

SITE = "https://torchref.github.io/torchref"  # the manual: who installed a wheel has no folder of it


def page(name: str) -> str:
    """The address of a page of derivations; `name` is its file's."""
    return f"{SITE}/derivations/{name.removesuffix('.md')}.html"


def derivation(op: Op) -> str:
    """The places of the derivation: the page of the manual and the docstring, if they exist."""
    name, module = op.name.replace("norm2d", "norm"), next(iter(op.modules), "")
    places = [page(op.derivation)] if op.derivation else []
    if hasattr(functional, name):
        places.append(f"the docstring of torchref.nn.functional.{name}")
    elif module and hasattr(nn, module):  # derived with the module
        places.append(f"the docstring of torchref.nn.{module}")
    elif isinstance(op.formula, FromTextbook) and op.formula.textbook.__doc__:  # derived beside its record
        places.append(f"the docstring of {op.formula.textbook.__module__}.{op.formula.textbook.__name__}")
    return ", and ".join(places)
