# ruff: noqa: E501
"""A skeleton is seen as one; code that is short is not."""

import pytest

from torchref.check import check
from torchref.check.api import Asked, in_file
from torchref.check.reading.unfinished import NOT_DONE, unfinished

EMPTY = {
    "raises": "def relu(x):\n    def backward(dy):\n        'dx'\n        raise NotImplementedError('write it')\n    return x, backward",
    "pass": "def relu(x):\n    def backward(dy):\n        pass\n    return x, backward",
    "dots": "def relu(x):\n    def backward(dy): ...\n    return x, backward",
    "none": "def relu(x):\n    def backward(dy):\n        dx, dw = None, None\n        return dx, dw\n    return x, backward",
    "returns none": "def relu(x):\n    def backward(dy):\n        return None\n    return x, backward",
    "class": "class relu:\n    def forward(self, x):\n        return x\n    def backward(self, dy):\n        raise NotImplementedError",
    "pair": "def relu_forward(x):\n    return x, x\n\ndef relu_backward(dy, cache):\n    dx = None\n    return dx",
    "function": "def relu(x):\n    pass",
}
WRITTEN = {
    "made in the forward": "def relu(x):\n    dx = x > 0\n    def backward():\n        return dx\n    return x, backward",
    "identity": "def relu(x):\n    def backward(dy):\n        return dy\n    return x, backward",
    "zero_grad": "class relu:\n    def zero_grad(self):\n        pass\n    def backward(self, dy):\n        return dy * 1",
    "set later": "def relu(x):\n    def backward(dy):\n        dx = None\n        dx = dy\n        return dx\n    return x, backward",
    "another": "def relu(x):\n    def backward(dy):\n        return dy * 1\n    return x, backward\n\ndef gelu(x):\n    pass",
    "no Python": "def relu(x:",
}


@pytest.mark.parametrize("kind", EMPTY)
def test_a_skeleton_is_not_done(tmp_path, kind):
    """Catches an empty backward that is judged wrong, or comes with a traceback."""
    file = tmp_path / "relu.py"
    file.write_text(EMPTY[kind])
    verdict = in_file(str(file), "relu", Asked("relu"))
    assert verdict.verdict == "could-not-run"
    assert verdict.error.startswith(NOT_DONE), verdict.error
    assert "Traceback" not in verdict.text()


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_is_short_is_judged(tmp_path, kind):
    """Catches code that is called empty because it is short."""
    file = tmp_path / "relu.py"
    file.write_text(WRITTEN[kind])
    assert unfinished(file, "relu") == ""


def test_a_function_that_is_there_is_seen_as_well():
    """Catches a notebook whose cell was left as it is, and one whose function is done."""

    def relu(x):
        def backward(dy):
            raise NotImplementedError

        return x, backward

    def double(x):
        def backward(dy):
            return 2 * dy

        return 2 * x, backward

    assert check(relu, "relu").error.startswith(NOT_DONE)
    assert not check(double, "relu").error
    assert not check((double, double), "relu").error.startswith(NOT_DONE)


def test_the_encoding_is_the_one_that_the_file_declares(tmp_path):
    """Catches a file in Latin-1 that counts as one that cannot be read."""
    file = tmp_path / "relu.py"
    file.write_bytes(("# -*- coding: latin-1 -*-\n# Übung\n" + EMPTY["pass"]).encode("latin-1"))
    assert "backward (line 4) is still empty" in unfinished(file, "relu")
