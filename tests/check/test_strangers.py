"""Code in the shapes that other people's projects have: it runs, no right one is accused, a mistake has its name."""

import pytest

from tests.check import strangers, strangers_without_arrays
from torchref.check.api import Asked, judge_as
from torchref.check.reading.forms.recognise import look_up

RIGHT = [
    ("NormOfRows", "layer_norm", "weight bias input"),
    ("MatMul", "linear(bias=False)", "input weight"),
    ("LogSumExp", "forward", "Z"),
    ("norm", "layer_norm", "input weight bias"),
    ("sent_gradients", "SGD(lr=0.1, momentum=0.9)", "param"),
    ("triplet", "forward", "a p n"),
    ("Similarity", "forward", "a b"),
    ("Attention", "forward", "x W"),
    ("Permute", "permute", "x"),
    ("Flatten", None, "input"),
    ("regression", None, "W b"),
    ("words", None, "Wxh Whh Why bh by"),
    ("actions", None, "theta"),
    ("factors", None, "P Q"),
]
WRONG = [
    ("OptionalBias", "linear", "absent-argument", "bias"),
    ("SlopeWithGradient", "leaky_relu", "wrong-shape", "negative_slope"),
    ("NormOfTokens", "layer_norm", "broadcast-axis-not-summed", "weight"),
    ("VectorBias", "linear", "keepdims-left-on", "bias"),
    ("ThreeAxes", "scaled_dot_product_attention", "transposed", "value"),
    ("Cell", "forward", "recurrence-truncated", "x"),
    ("rows", "linear", "mean-instead-of-sum", "bias"),
    ("probs", "softmax", "softmax-elementwise", "input"),
    ("neuron_backward", "forward", "scale-forgotten", "b"),
    ("Reshape", None, "transposed", "x"),
    ("Pooled", "forward", "mean-instead-of-sum", "x"),
    ("squares", "mse_loss", "scale-forgotten", "input"),
    ("train", None, "scale-forgotten", "b"),
    ("Sequence", None, "recurrence-truncated", "Wx"),
    ("cubes", None, "overwritten-not-accumulated", "w"),
    ("negatives", None, "wrong-sign", "v"),
]


def judged(name, against):
    lists = name in ("probs", "neuron_backward")
    return judge_as(look_up(strangers_without_arrays if lists else strangers, name), Asked(against), name)


@pytest.mark.parametrize(("name", "against", "gradients"), RIGHT, ids=[r[0] for r in RIGHT])
def test_right(name, against, gradients):
    """Catches right code that does not run, that is accused, and a gradient that is left out."""
    verdict = judged(name, against)
    assert verdict.verdict == "right", verdict.text()
    assert set(verdict.right) == set(gradients.split())


@pytest.mark.parametrize(("name", "against", "slug", "gradient"), WRONG, ids=[w[0] for w in WRONG])
def test_wrong(name, against, slug, gradient):
    """Catches a mistake that is not seen, that goes by another name, and code that does not run."""
    verdict = judged(name, against)
    assert verdict.verdict == "wrong", verdict.text()
    assert (slug, gradient) in [(f.slug, f.gradient) for f in verdict.findings], verdict.text()


def test_what_minimises_nothing_is_asked_for_a_loss():
    """Catches a message that does not say what is missing."""
    verdict = judged("silent", None)
    assert verdict.verdict == "could-not-run"
    assert "silent returns its weights alone" in verdict.error
