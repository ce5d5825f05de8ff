"""A gradient against a function of the user's own: right is right, wrong is wrong, and bad input gets one answer."""

from pathlib import Path

import pytest

from tests.check.reference import functions as f
from torchref.check import check
from torchref.check.api import Asked, in_file, judge_as
from torchref.cli.command_line import main

FILE = str(Path(f.__file__))


def judged(target, against, **how):
    return judge_as(getattr(f, target), Asked(against, **how), target)


@pytest.mark.parametrize(
    ("target", "against", "witness"),
    [
        ("Haar", f.haar, "autograd in float64"),
        ("unit_right", f.unit, "complex step"),
        ("scan_right", f.scan, "complex step"),
        ("gather_right", f.gather, "complex step"),
        ("logarithmic_right", f.logarithmic, "complex step"),
        ("swirl_gradient", f.swirl, "complex step"),
        ("Dense", f.dense, "complex step"),
        ("signed_square_right", f.signed_square, "Richardson differences"),
        ("spread_right", f.spread, "Richardson differences"),
    ],
)
def test_right(target, against, witness):
    """Catches an accusation of right code, a witness that is not told, and sizes that are not tried."""
    verdict = judged(target, against)
    assert verdict.verdict == "right", verdict.text()
    assert f"by {witness}; inputs" in verdict.notes[0]
    sizes = next(n for n in verdict.notes if n.startswith("right at other sizes"))
    assert {"N = 131", "N = 192", "N = 1"} <= set(sizes.partition(": ")[2].split(", "))
    assert sizes.endswith("N = 0")


@pytest.mark.parametrize(
    ("target", "against", "slug", "gradient"),
    [
        ("HaarSign", f.haar, "wrong-sign", "x"),
        ("unit_mean", f.unit, "mean-instead-of-sum", "b"),
        ("signed_square_half", f.signed_square, "scale-forgotten", "x"),
        ("gather_overwrites", f.gather, "repeated-index-overwritten", "x"),
        ("scan_truncated", f.scan, "local-derivative-missing", "u"),
    ],
)
def test_wrong(target, against, slug, gradient):
    """Catches a mistake that is missed, or named otherwise."""
    verdict = judged(target, against)
    assert verdict.verdict == "wrong", verdict.text()
    assert (slug, gradient) in [(x.slug, x.gradient) for x in verdict.findings]


def test_a_block_of_rows():
    """Catches a search that stays at small sizes: the first 128 rows are right."""
    verdict = judged("HaarBlock", f.haar)
    assert verdict.verdict == "wrong"
    assert "at N = 131, not at x (6, 10)" in verdict.findings[0].evidence


def test_by_place_and_by_the_command(capfd):
    """Catches a FILE.py:NAME that is taken for an operation's name."""
    assert main(["check", f"{FILE}:unit_mean", "--against", f"{FILE}:unit"]) == 1
    assert "unit_mean against functions.py:unit (form: closure" in capfd.readouterr().out
    assert in_file(FILE, "Haar", Asked(f"{FILE}:haar")).verdict == "right"
    assert check(f.unit_right, f.unit).verdict == "right"


def test_inputs_of_ones_own():
    """Catches a reference that is not run on the arrays that the user makes."""
    assert "runs on none of the inputs" in judged("only_pictures_right", f.only_pictures).error
    verdict = judged("only_pictures_right", f.only_pictures, inputs=f.pictures)
    assert verdict.verdict == "right", verdict.text()
    assert "inputs x (23, 7), kernel (3, 3)" in verdict.notes[0]


def test_stated_sizes():
    """Catches sizes that are read and not used."""
    verdict = judged("unit_right", f.unit, sizes="n=4,D=9")
    assert "inputs x (4, 9), w (11, 9), b (11,)" in verdict.notes[0]
    assert "N = " not in verdict.notes[-1]
    assert "M = 131" in verdict.notes[-1]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"against": f"{FILE}:unti"}, "there is no 'unti' in the file: did you mean 'unit'"),
        ({"against": "nowhere.py:f"}, "--against: there is no file nowhere.py"),
        ({"against": f"{FILE}:unit(q=1)"}, "functions.py:unit has no argument 'q'; it takes x, w, b"),
        ({"against": f"{FILE}:unit(q=x)"}, "cannot read the options of --against"),
        ({"against": f.forgetful}, "forgetful is not deterministic: two calls on the same arrays differ"),
        ({"against": f.empty_handed}, "empty_handed runs on none of the inputs that were tried"),
        ({"against": f.picky}, "ValueError: no size will do"),
        ({"against": lambda: 1}, "names no argument"),
        ({"against": f.unit, "sizes": "N=four"}, "cannot read --sizes 'N=four': expected NAME=NUMBER"),
        ({"against": f.unit, "sizes": "Q=4"}, "--sizes has no axis 'Q'; the axes are N, T, D"),
        ({"against": f.unit, "inputs": f.picky}, "picky asks for 'x'; it may take seed or rng, or nothing"),
        ({"against": f.unit, "inputs": lambda: {"z": 1.0}}, "returned 'z'; the reference takes x, w, b"),
        ({"against": f.unit, "inputs": f"{FILE}:unti"}, "--inputs: "),
        ({"against": "relu", "sizes": "N=4"}, "--sizes is for a function of your own"),
    ],
)  # fmt: skip
def test_bad_input(how, error):
    """Catches a traceback where one line says what is wrong, and what to do."""
    verdict = judge_as(f.unit_right, Asked(**how), "unit_right")
    assert verdict.verdict == "could-not-run"
    assert error in verdict.error


@pytest.mark.parametrize("target", ["unit_right", "scan_right", "Haar", "Scaled", "Dense", "signed_square_right"])
def test_by_its_own_forward(target):
    """Catches a form whose forward is not found, and weights of a class that are not judged."""
    verdict = judged(target, "forward")
    assert verdict.verdict == "right", verdict.text()
    assert verdict.notes[0].startswith("its own forward's gradient by")
    assert target != "Dense" or set(verdict.right) == {"x", "W", "b"}


@pytest.mark.parametrize(
    ("target", "slug"),
    [
        ("unit_mean", "mean-instead-of-sum"),
        ("DenseOfY", "local-derivative-missing"),
        ("shifted", "broadcast-axis-not-summed"),
    ],
)
def test_not_its_own_forwards(target, slug):
    """Catches a backward that does not belong to its forward."""
    assert slug in [x.slug for x in judged(target, "forward").findings]


def test_a_pair_by_its_own_forward():
    """Catches a cache that is taken for an output."""
    right, wrong = ((f.bell_forward, back) for back in (f.bell_backward, f.bell_backward_two))
    assert judge_as(right, Asked("forward"), "bell").verdict == "right"
    finding = judge_as(wrong, Asked("forward"), "bell").findings[0]
    assert finding.slug in ("scale-forgotten", "mean-instead-of-sum")
    assert set(finding.consequences) | {finding.gradient} == {"x", "w", "b"}


def test_shapes_that_were_guessed():
    """Catches an accusation by a guess: w may have been meant in the shape of x; what spreads a bias must sum."""
    assert "does not sum what was spread" in " ".join(judged("Scaled", "forward").notes)


def test_an_option_of_the_reference():
    """Catches FILE.py:f(option=value) whose value is not used."""
    assert judged("cubed", f"{FILE}:powered(power=3)").verdict == "right"
    assert judged("cubed", f"{FILE}:powered").verdict == "wrong"


@pytest.mark.parametrize(("name", "gradients"), [("Cross", "x0 x w b"), ("maxout", "X W b")])
def test_shapes_that_the_backward_does_not_take(name, gradients):
    """Catches a refusal because the backward does not take the first shapes that the forward takes."""
    verdict = judged(name, "forward")
    assert verdict.verdict == "right", verdict.text()
    assert set(verdict.right) == set(gradients.split())
