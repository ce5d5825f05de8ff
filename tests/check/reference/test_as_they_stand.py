"""Networks in the shapes in which people leave them: no right one is accused, each mistake gets its name."""

import pytest

from tests.check.reference import as_they_stand, prepared
from torchref.check.api import Asked, judge_as


def judged(name):
    return judge_as(getattr(as_they_stand, name), Asked("loss"), name)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("manual_backprop", "C W1 b1 W2 b2"),
        ("hyperbolic", "pred"),
        ("loss_of_times", "x"),
        ("propagate", "w b"),
        ("loss_and_grads", "W b"),
        ("Sizes", "W[0] W[1] b[0] b[1]"),
        ("Neurons", "0.0.weights 1.0.weights"),
        ("Steps", "w1 w2"),
    ],
)
def test_right(name, weights):
    """Catches a form that is not read, an accusation, and a gradient that goes unjudged."""
    verdict = judged(name)
    assert verdict.verdict == "right", verdict.text()
    assert set(weights.split()) <= set(verdict.right)


@pytest.mark.parametrize(
    ("name", "slug", "gradient"),
    [
        ("step_of_words", "repeated-index-overwritten", "C"),
        ("hyperbolic_sum", "wrong-reduction", "pred"),
        ("SizesNoMean", "wrong-reduction", "W[0]"),
        ("StepsAsGradients", "wrong-sign", "w1"),
    ],
)
def test_wrong(name, slug, gradient):
    """Catches a mistake that is not seen, or gets no name; and gradients of the other sign that pass as steps."""
    verdict = judged(name)
    assert verdict.verdict == "wrong", verdict.text()
    assert (slug, gradient) in [(f.slug, f.gradient) for f in verdict.findings], verdict.text()


def test_weights_that_a_function_makes():
    """Catches weights of other shapes than those for which the file's own code is written."""
    verdict = judge_as(prepared.backward_prop, Asked("loss"), "backward_prop")
    assert [f.gradient for f in verdict.findings] == ["b1"], verdict.text()
    assert {"W1", "W2", "b2"} == set(verdict.right)
