"""Classes of values with operators: each operation is judged, no right one is accused."""

import pytest

from tests.check.reference import engines
from torchref.check.api import Asked, judge_as


def judged(name):
    return judge_as(getattr(engines, name), Asked("forward"), name)


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("Number", "a.tanh() * b + a"),
        ("Array", "a + b, b broadcast"),
        ("Array", "a @ c + a @ c"),
        ("Variable", "a * b"),
    ],
)
def test_right(name, expression):
    """Catches an accusation, and an operation that is not tried."""
    verdict = judged(name)
    assert verdict.verdict == "right", verdict.text()
    assert expression in verdict.notes[0]


@pytest.mark.parametrize(
    ("name", "slug", "gradient"),
    [
        ("NumberSet", "overwritten-not-accumulated", "a"),
        ("ArrayAsItIs", "broadcast-axis-not-summed", "b"),
        ("ArraySet", "overwritten-not-accumulated", "a"),
        ("ArrayAcross", "derivative-at-wrong-tensor", "c"),
        ("VariableOfItself", "derivative-at-wrong-tensor", "b"),
    ],
)
def test_wrong(name, slug, gradient):
    """Catches a gradient that is set, one that is not summed, a backward that raises, a wrong operand."""
    verdict = judged(name)
    assert [(f.slug, f.gradient) for f in verdict.findings] == [(slug, gradient)], verdict.text()
