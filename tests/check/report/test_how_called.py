# ruff: noqa: E501
"""What could not be run, and what is wrong in an unknown way, says first how the code was called."""

import textwrap

import numpy as np
import pytest

from torchref.check import check
from torchref.cli.command_line import main

CODE = """
    import numpy as np

    class Dense:
        def __init__(self, n_in, n_out):
            self.W, self.b = np.ones((n_out, n_in)), np.zeros(n_out)

        def forward(self, x):
            self.x = x
            return x @ self.W.T + self.b

        def backward(self, dy):
            return np.einsum("ij,kl,zz->z", dy, self.x)

    def sigmoid_grad(z):
        return z.undefined

    def endless(x):
        while True:
            pass

    def misspelt(x):
        return nothing, lambda dy: dy

    def step(w, dw, lr=0.1):
        return w - dw.undefined
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(textwrap.dedent(CODE))
    return path


@pytest.mark.parametrize(
    ("target", "called", "option"),
    [
        ("Dense=linear", "I called Dense(n_in, n_out) with n_in = 3 and n_out = 7, then Dense.forward(x) with x of shape (5, 3), then Dense.backward(dy) with dy of shape (5, 7).", "--arguments x=input"),
        ("sigmoid_grad=sigmoid", "I called sigmoid_grad(z) with z of shape (5, 7).", "--form"),
        ("endless=relu", "I called endless(x) with x of shape (5, 7).", "--timeout"),
        ("step=SGD", "I called step(w, dw, lr) with w of shape (5, 3), dw of shape (5, 3) and lr = 0.05.", ""),
        ("misspelt=relu", "I called misspelt(x) with x of shape (5, 7).", ""),
    ],
)  # fmt: skip
def test_could_not_be_run(file, capfd, target, called, option):
    """Catches an answer that does not begin with the call, shows a library's lines, or advises what cannot help."""
    assert main(["check", f"{file}:{target}", "--timeout", "2"]) == 2
    out = capfd.readouterr().out
    said = out.splitlines()
    assert said[1] == f"  {called}"
    assert str(file) in out
    assert "site-packages" not in out
    assert (option in said[-1] and said[-1].startswith("  option: ")) if option else "option:" not in out


def test_a_plain_derivative_is_taken_at_one():
    """Catches a call without an upstream gradient that is not said to be one."""
    verdict = check(lambda z: np.exp(-(z**2)), against="sigmoid", form="function")
    assert (
        verdict.called == "I called gradient function(z) with z of shape (5, 7), and took what it returned for dy = 1."
    )
    assert f"  call   {verdict.called}" in verdict.text()
    assert verdict.called not in verdict.text(1)


def test_json_has_it(file, capfd):
    """Catches a JSON without the call, or one that has lost its error."""
    import json

    main(["check", f"{file}:Dense=linear", "--json"])
    answer = json.loads(capfd.readouterr().out)
    assert answer["called"].startswith("I called Dense(n_in, n_out)")
    assert answer["error"].startswith("the backward raised an exception:\n")
    assert answer["option"].startswith("--arguments x=input")
