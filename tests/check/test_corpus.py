"""The corpus of right and wrong gradients, in all forms: no right one is accused, each wrong one gets its name."""

import warnings

import pytest

from tests.check.figures import entries, misjudged


@pytest.mark.parametrize("entry", entries(), ids=lambda e: e.name)
def test_corpus(entry):
    """Would catch an accusation of right code, and a mistake that is not found or gets another name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert misjudged(entry) == ""
