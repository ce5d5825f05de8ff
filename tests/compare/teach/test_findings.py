"""From figures to findings, and from findings to a verdict."""

import numpy as np
import pytest
from scipy.stats import t

from torchref.compare.teach.findings import (
    CONDITION,
    FAILS,
    HOLDS,
    Finding,
    always,
    equal,
    in_words,
    interval,
    larger,
    verdict,
    within,
)


def test_verdict():
    """Catches a verdict that ignores a part of the claim, or a limit."""

    def finding(role, confirmed):
        return Finding("", confirmed, "", role)

    def judged(findings):
        return verdict(findings, 10, 10)

    assert judged([finding("claim", True), finding("claim", True)]) == HOLDS
    assert judged([finding("claim", True), finding("claim", False)]) == FAILS
    assert judged([finding("claim", True), finding("limit", True)]) == CONDITION
    assert judged([finding("claim", True), finding("limit", False), finding("instead", True)]) == HOLDS
    assert judged([finding("claim", False), finding("limit", True)]) == FAILS
    assert judged([finding("limit", True)]) == FAILS
    assert judged([]) == FAILS


def test_few_seeds_decide_nothing():
    """Catches "does not hold", and "holds", from a run that was cut short: the claim was not tested."""
    for confirmed in (True, False):
        assert verdict([Finding("", confirmed, "")], 2, 10) == "not decided (2 of 10 seeds)"
    assert verdict([Finding("", True, "")], 12, 10) == HOLDS


def test_intervals_are_said_in_words():
    """Catches brackets and a p that a student cannot read, and an interval of one training."""
    assert in_words(np.array([1.0, 2.0, 3.0]), ".3g") == "2 in the mean; 99% sure: between -3.73 and 7.73"
    assert in_words(np.full(4, 0.5), ".3g") == "0.5 in every training"
    assert in_words(np.array([0.5]), ".3g") == "0.5 in one training: nothing is known of others"
    said = larger("", [3.0, 4.0], [1.0, 2.0], by=0.5).figures
    assert said == "3.5 against 1.5, a difference of +2 in every training; asked: more than 0.5"


def test_findings():
    """Catches a difference that is luck, or nan, taken for one that is found."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((5, 2))
    assert not larger("", *noise.T).confirmed
    assert larger("", noise[:, 0] + 100, noise[:, 1]).confirmed
    assert not larger("", noise[:, 0] + 100, noise[:, 1], by=200).confirmed
    assert not larger("", [1.0, 2.0, np.nan], [0.0, 0.0, 0.0]).confirmed
    assert not larger("", [1.0], [0.0]).confirmed  # one seed shows nothing
    assert larger("", [0.7, 0.7, 0.7 + 1e-16], [0.1, 0.1, 0.1], by=0.3).confirmed  # equal figures: no division by zero
    assert within("", [0.9, 1.0, 1.1], 0, 2).confirmed
    assert not within("", [0.9, 1.0, 1.1], 0.95, 1.05).confirmed
    assert equal("", [0.0, 1e-12], 1e-9).confirmed
    assert not equal("", [0.0, np.nan], 1e-9).confirmed
    assert always("", [True, True]).confirmed
    assert not always("", [True, False]).confirmed


@pytest.mark.parametrize("count", [2, 5, 20])
def test_students_interval(count):
    """Catches another level, a one-sided interval, and a spread that divides by n: by the formula of the textbook."""
    values = np.random.default_rng(count).standard_normal(count) + 0.3
    error = values.std(ddof=1) / count**0.5
    half = t.ppf(0.995, count - 1) * error
    assert interval(values) == pytest.approx((values.mean(), values.mean() - half, values.mean() + half), rel=1e-12)


def test_figures_that_are_equal():
    """Catches nan from a spread of zero, and a warning where figures are equal but for rounding."""
    assert interval(np.full(3, 0.25)) == (0.25, 0.25, 0.25)
    low, high = interval(np.array([0.4, 0.4, 0.4 + 1e-16]))[1:]
    assert 0.4 - 1e-14 < low <= high < 0.4 + 1e-14
