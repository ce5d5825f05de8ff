"""What a verdict gives at the last hint: the right formula of every gradient, and a place that exists."""

import pydoc
import re

import pytest

from torchref.check import axes
from torchref.check.catalogue import CATALOGUE
from torchref.check.correct import formula
from torchref.check.derivations import derivation
from torchref.check.probes import make


@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_formula_and_place(op):
    """Catches a gradient without a formula, a docstring that is not there, and an axis without a name."""
    p = make(op)
    for a in op.arrays:
        assert formula(op, a.name, p.namespace())
    where = re.search(r"docstring of (\S+)", derivation(op))
    if where is None:
        assert derivation(op).endswith("activations.md")
        return
    assert pydoc.locate(where[1]).__doc__
    for a in op.arrays:
        if p.values[a.name] is not None:
            names = axes.axes(op, a.name, p.values[a.name].ndim)
            assert len(names) == p.values[a.name].ndim
