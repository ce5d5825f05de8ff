"""The corpus of right and wrong gradients, in all forms: no right one is accused, each wrong one gets its name."""

import runpy
import warnings

import pytest

from tests.check import corpus
from tests.check.figures import misjudged


@pytest.mark.parametrize("entry", corpus.entries(), ids=lambda e: e.name)
def test_corpus(entry):
    """Would catch an accusation of right code, and a mistake that is not found or gets another name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert misjudged(entry) == ""


def test_a_file_that_runs_again_adds_nothing():
    """Catches entries that multiply: the search for a repair runs a corpus's file again, with one change in it."""
    before = len(corpus.entries())
    runpy.run_path(corpus.__path__[0] + "/one_change.py")
    assert len(corpus.entries()) == before > 500
