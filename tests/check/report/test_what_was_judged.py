"""The headline says what was judged: RIGHT for some of the gradients is no bare RIGHT, and no exit status 0."""

import json
import textwrap

import numpy as np
import pytest
import torch

from torchref.check import assert_gradient, check
from torchref.check.api import Asked, judge
from torchref.cli.command_line import main

CODE = """
    import numpy as np

    class Dense:
        \"\"\"Computes its weight's gradient, and keeps it nowhere.\"\"\"

        def __init__(self, n_in, n_out):
            self.W, self.b = np.ones((n_out, n_in)), np.zeros(n_out)

        def forward(self, x):
            self.x = x
            return x @ self.W.T + self.b

        def backward(self, dy):
            something = dy.T @ self.x
            return dy @ self.W

    class Wrong(Dense):
        def backward(self, dy):
            return -dy @ self.W
"""
HEAD = "Dense against linear (form: class, float64 on cpu): "


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(textwrap.dedent(CODE))
    return path


@pytest.mark.parametrize(
    ("only", "status", "headline"),
    [
        (None, 2, "RIGHT for input; weight and bias not judged: no gradient was found"),
        ("input,bias", 2, "RIGHT for input; bias not judged: no gradient was found"),
        ("input", 0, "RIGHT for input"),
        ("x", 0, "RIGHT for input"),
    ],
)
def test_a_part_is_no_whole(file, capfd, only, status, headline):
    """Catches a bare RIGHT, or exit status 0, where gradients were left out that nobody excluded."""
    more = ["--only", only] if only else []
    assert main(["check", f"{file}:Dense=linear", *more]) == status
    said = capfd.readouterr().out.splitlines()
    assert said[0] == HEAD + headline
    assert ("  option: --only input judges these alone" in said) == (status == 2)


def test_json_and_python(file, capfd):
    """Catches a key that is missing, a verdict that was another one, an `ok` that is true for a part."""
    assert main(["check", f"{file}:Dense=linear", "--json"]) == 2
    answer = json.loads(capfd.readouterr().out)
    assert answer["verdict"] == "right"
    assert list(answer["right"]) == ["input"]
    assert list(answer["not_judged"]) == ["weight", "bias"]
    assert (answer["precision"], answer["device"]) == ("float64", "cpu")

    def linear(x, w, b):
        return x @ w.T + b, lambda dy: (dy @ w, dy.T @ x, None)

    verdict = check(linear, against="linear")
    assert (verdict.verdict, verdict.ok, verdict.not_judged) == ("right", False, {"bias": "no gradient was found"})
    with pytest.raises(AssertionError, match="bias not judged"):
        assert_gradient(linear, against="linear")
    assert_gradient(linear, against="linear", only=["input", "weight"])


def test_what_is_excluded_is_not_judged(file, capfd):
    """Catches --only that hides nothing or too much, and a name that is none."""
    assert main(["check", f"{file}:Wrong=linear", "--only", "weight"]) == 2
    assert "no gradient was found" in capfd.readouterr().out
    assert main(["check", f"{file}:Wrong=linear", "--only", "input"]) == 1
    assert main(["check", f"{file}:Dense=linear", "--only", "wieght"]) == 2
    out = capfd.readouterr().out
    assert "--only names 'wieght', but the gradients of linear are input, weight, bias" in out


def test_what_was_not_run():
    """Catches an option that the code takes, was never turned, and is not listed."""

    def mse(x, t, reduction="mean"):
        n = {"mean": x.size, "sum": 1}[reduction]
        return ((x - t) ** 2).sum() / n, lambda dy=1.0: dy * 2 * (x - t) / n

    verdict = check(mse, against="mse_loss")
    assert verdict.ok
    assert verdict.not_run == ["reduction=none"]  # "sum" was run, beside the mean
    assert "  not run: reduction=none" in verdict.text()
    asked = check(mse, against="mse_loss(reduction='sum')")
    assert asked.ok
    assert asked.not_run == []
    assert check(lambda x: (np.tanh(x), lambda dy: dy * (1 - np.tanh(x) ** 2)), against="tanh").not_run == []


def sigmoid(x, derivative=False):
    s = 1 / (1 + np.exp(-x))
    return s * (1 - s) if derivative else s


def test_a_switch_that_was_turned():
    """Catches a switch for the derivative among what was not run: it was turned for the gradient itself."""
    verdict = check(sigmoid, against="sigmoid")
    assert verdict.ok
    assert verdict.not_run == []


class Half(torch.autograd.Function):
    """Runs in float32 alone."""

    @staticmethod
    def forward(ctx, x):
        if x.dtype != torch.float32:
            raise TypeError("a kernel for float32")
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * (1 - torch.tanh(x) ** 2)


def test_the_precision_of_the_judgement():
    """Catches a headline that does not say in which precision an autograd.Function was judged."""
    verdict = judge(Half, Asked("tanh"), "Half")
    assert verdict.text().startswith("Half against tanh (form: autograd, float32 on cpu): RIGHT for input\n")
    assert "a second derivative" in verdict.not_run
