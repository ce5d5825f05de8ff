"""Shapes that only the use of the arguments tells: the code runs, no right one is accused, and a mistake is named."""

import numpy as np
import pytest

from tests.check.reference import cells
from torchref.check import check
from torchref.check.api import Asked, judge_as
from torchref.check.reading.forms.recognise import look_up
from torchref.check.reference.by_use import _Unknown, _Wanted
from torchref.check.running.counted import counting

LINES = 3_000_000  # of a naive convolution, run as often as a verdict needs it: 4 times what it takes


def judged(name):
    return judge_as(look_up(cells, name), Asked("forward"), name)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("peephole", "V (8, 24), R (6, 24), bias (24,)"),
        ("elman", "steps (3, 5, 8), h0 (5, 6), A (8, 6), B (6, 6)"),
        ("columns", "b (6, 1)"),
        ("heads", "x (3, 5, 8), Q (8, 8)"),
        ("maps_norm", "gamma (1, 4, 1, 1), beta (1, 4, 1, 1)"),
    ],
)
def test_right(name, shape):
    """Catches code that is run on no shapes or on others than were meant, and is accused there."""
    verdict = judged(name)
    assert verdict.verdict == "right", verdict.text()
    assert shape in verdict.notes[0]


@pytest.mark.parametrize(
    ("name", "slug", "gradient"),
    [
        ("peephole_cut", "recurrence-truncated", "c_old"),
        ("elman_cut", "recurrence-truncated", "h0"),
        ("columns_mean", "mean-instead-of-sum", "b"),
        ("drop_out", "dropout-mask-or-scale", "x"),
    ],
)
def test_wrong(name, slug, gradient):
    """Catches a mistake that other shapes hide, and one that goes by another name."""
    verdict = judged(name)
    assert (slug, gradient) in [(f.slug, f.gradient) for f in verdict.findings], verdict.text()


def test_a_slow_convolution_is_judged_on_few_numbers():
    """Catches probes as large as those of code without loops: six loops took more than a minute."""
    with counting(LINES):
        assert judged("slow_conv").verdict == "right"


@pytest.mark.parametrize(
    "use",
    [
        lambda a: np.zeros((2, 3)) @ a, lambda a: np.dot(a, np.ones(3)), lambda a: a.shape, lambda a: a[0],
        lambda a: 2 * a, lambda a: -a, lambda a: np.tanh(a), lambda a: list(a), lambda a: np.concatenate([a, a]),
    ],
)  # fmt: skip
def test_an_unknown_argument_is_asked_for(use):
    """Catches a use of an argument that is taken for an error of its shape."""
    with pytest.raises(_Wanted, match="W"):
        use(_Unknown("W"))


def halved(x):
    kept = np.random.rand(*x.shape) > 0.4

    def backward(dy):
        return dy * kept

    return x * kept, backward


def test_what_draws_is_judged_beside_the_same_draw():
    """Catches other numbers in the code than in its own forward: each function that draws would be accused."""
    verdict = check(halved, "forward")
    assert verdict.verdict == "right", verdict.text()


def column_scale(x, gamma):
    centred = x - x.mean(axis=1, keepdims=True)

    def backward(dy):
        dcentred = dy * gamma
        return dcentred - dcentred.mean(axis=1, keepdims=True), (dy * centred).sum(axis=1, keepdims=True)

    return gamma * centred, backward


def along_its_own_axis(x, b):
    def backward(dy):
        return dy * b, (dy * x).sum(axis=1)

    return x * b, backward


def test_a_larger_gradient_is_no_sign_that_shapes_were_meant():
    """Catches a column (D, 1) that is taken for a row, and a sum over the wrong axis that is judged on three axes."""
    assert check(column_scale, "forward").verdict == "right"
    (finding,) = check(along_its_own_axis, "forward").findings
    assert finding.slug == "summed-over-wrong-axis"
