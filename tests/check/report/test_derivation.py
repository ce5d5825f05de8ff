"""What a verdict gives at the last hint: the right formula of every gradient, and a place that exists."""

import pydoc
import re

import pytest

from torchref.check.ops.catalogue import CATALOGUE
from torchref.check.ops.formula import shown_formula
from torchref.check.ops.probe import make_probe
from torchref.check.report.derivation import derivation
from torchref.check.report.html import axis_names


@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_formula_and_place(op):
    """Catches a gradient without a formula, a docstring that is not there, and an axis without a name."""
    p = make_probe(op)
    for a in op.arrays:
        assert shown_formula(op, a.name, p.namespace())
    where = re.search(r"docstring of (\S+)", derivation(op))
    if where is None:
        assert derivation(op).endswith("/derivations/activations.html")
        return
    assert pydoc.locate(where[1]).__doc__
    for a in op.arrays:
        if p.values[a.name] is not None:
            names = axis_names(op, a.name, p.values[a.name].ndim)
            assert len(names) == p.values[a.name].ndim
