"""The words of a verdict: what each level of hints gives away, how sure a finding is, the slugs."""

import pytest

from torchref.check.ops import slugs
from torchref.check.report.judgement import SLUGS, Confidence, Finding, Judgement, inside, listed, title

FOUND = Finding("input", "wrong-sign", "it is", Confidence.CERTAIN, correction="dx = dy", formula="dx = dy")


def test_every_slug_has_a_meaning():
    """Catches a slug of a record that no list explains."""
    named = {value for name, value in vars(slugs).items() if name.isupper()}
    assert len(named) > 20
    assert named <= SLUGS.keys()


def test_a_level_of_hints_hides_what_is_above_it():
    """Catches a correction that is given away to somebody who asked for the kind of mistake alone."""
    assert FOUND.as_dict(1) == {"gradient": "input"}
    assert FOUND.as_dict(2)["slug"] == "wrong-sign"
    assert not {"correction", "formula", "derivation"} & FOUND.as_dict(2).keys()
    assert FOUND.as_dict(3)["correction"] == "dx = dy"
    assert FOUND.as_dict(3)["confidence"] == "certain"
    verdict = Judgement("wrong", "relu", "f", findings=[FOUND, FOUND])
    assert verdict.as_dict(1)["findings"] == [{"gradient": "input"}]
    assert "dx = dy" in verdict.text(3)
    assert "dx = dy" not in verdict.text(2)


@pytest.mark.parametrize(
    ("sure", "on_one_probe"),
    [("CERTAIN", "LIKELY"), ("LIKELY", "GUESS"), ("POSSIBLE", "GUESS"), ("GUESS", "GUESS")],
)
def test_what_one_probe_alone_shows_is_less_sure(sure, on_one_probe):
    """Catches a mistake that one probe shows and that counts as certain."""
    assert Confidence[sure].unconfirmed is Confidence[on_one_probe]


def test_what_is_not_judged_is_not_right():
    """Catches an exit status of 0 for a gradient that nobody looked at."""
    whole = Judgement("right", right={"input": 0.0, "weight": 0.1})
    part = Judgement("right", right={"input": 0.0}, not_judged={"weight": "it is not returned"})
    assert (whole.status, whole.ok, whole.outcome) == (0, True, "RIGHT for input and weight")
    assert (part.status, part.ok) == (2, False)
    assert part.outcome == "RIGHT for input; weight not judged: it is not returned"


def test_words():
    """Catches a list without its `and`, and a title of what is no gradient."""
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a"]) == "a"
    assert [title(n) for n in ("input", "output", "running_mean")] == ["dinput", "output", "running_mean"]
    assert inside(0.0) == "equal to the last digit"
    assert inside(0.25) == "its error is 0.2 of what rounding allows"
    assert inside(1.5) == "right, with a note"
