"""Shapes that the probe has guessed accuse nobody, and excuse no mistake."""

import pytest

from tests.check.reference import guessed
from torchref.check.api import Asked, judge_as


@pytest.mark.parametrize("target", ["turned", "turned_by_accident", "WeightSum", "Heads"])
def test_shapes_that_nobody_meant(target):
    """Catches an accusation by shapes that the probe has guessed: halves of an axis, a flat (N, T), odd heads."""
    verdict = judge_as(getattr(guessed, target), Asked("forward"), target)
    assert verdict.verdict == "right", verdict.text()


@pytest.mark.parametrize(
    ("target", "slug", "gradient"),
    [
        ("WeightSumTransposed", "transposed", "a"),
        ("squeezed", "keepdims-left-on", "x"),
        ("Clipped", "scale-forgotten", "z"),
        ("LateScan", "derivative-at-wrong-tensor", "a"),
    ],
)
def test_shapes_and_numbers_that_are_wrong(target, slug, gradient):
    """Catches shapes that excuse a mistake, and a number or a step of the forward that is not found."""
    verdict = judge_as(getattr(guessed, target), Asked("forward"), target)
    assert verdict.verdict == "wrong", verdict.text()
    assert (slug, gradient) in [(x.slug, x.gradient) for x in verdict.findings]


def test_a_filter_for_each_channel():
    """Catches weights (C, k, k) that are not tried."""
    verdict = judge_as((guessed.depthwise_forward, guessed.depthwise_backward), Asked("forward"), "depthwise")
    assert verdict.verdict == "right", verdict.text()
