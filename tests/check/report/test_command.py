"""`torchref check` as a user meets it: exit statuses, hints, JSON, the page, bad input."""

import json
import re
import textwrap

import numpy as np
import pytest

from torchref.check import SLUGS, assert_gradient, check, lint, probe
from torchref.cli.command_line import main

STUDENT = """
    import numpy as np

    def right(x):
        return np.maximum(x, 0), lambda dy: dy * (x > 0)

    def wrong(x):
        return np.maximum(x, 0), lambda dy: dy * (dy > 0)

    def affine_forward(x, w, b):
        return x @ w + b, (x, w)

    def affine_backward(dout, cache):
        x, w = cache
        return dout @ w.T, x.T @ dout, dout.mean(0)

    def raises(x):
        def backward(dy):
            return undefined_name * dy
        return np.maximum(x, 0), backward

    def endless(x):
        while True:
            pass

    def swallows(x):
        while True:
            try:
                while True:
                    pass
            except Exception:
                pass

    def crashes(x):
        import ctypes
        ctypes.string_at(0)

    def huge(x):
        return np.ones((200_000, 200_000)), None

    def text(x):
        return "no array", lambda dy: "none"

    def many(alpha, beta, gamma, delta, epsilon):
        return alpha, lambda dy: dy

    def leaves(x):
        import os
        os._exit(0)

    def chatty(x):
        print("hello from the user's code")
        return right(x)

    number = 3
"""


@pytest.fixture
def student(tmp_path):
    path = tmp_path / "student.py"
    path.write_text(textwrap.dedent(STUDENT))
    return path


def run(capfd, *arguments):
    status = main(["check", *map(str, arguments)])
    return status, capfd.readouterr().out


def test_right(student, capfd):
    """Exit status 0 and a line for the gradient."""
    status, out = run(capfd, f"{student}:right", "--against", "relu")
    assert status == 0
    assert "RIGHT" in out
    assert "dinput" in out


def test_wrong(student, capfd):
    """Exit status 1, the slug and a correction."""
    status, out = run(capfd, f"{student}:wrong", "--against", "ReLU")
    assert status == 1
    assert "wrong-mask" in out


def test_a_pair_by_its_stem(student, capfd):
    """NAME stands for NAME_forward and NAME_backward."""
    status, out = run(capfd, f"{student}:affine", "--against", "linear")
    assert status == 1
    assert "mean-instead-of-sum" in out
    assert "(in, out)" in out


def test_several_at_once(student, capfd):
    """FILE.py:NAME=OP, the worst status, one JSON."""
    status, out = run(capfd, f"{student}:right=relu", f"{student}:wrong=relu", "--json")
    answer = json.loads(out)
    assert status == 1
    assert [r["verdict"] for r in answer["results"]] == ["right", "wrong"]
    assert answer["verdict"] == "wrong"


def test_json_is_alone_on_standard_output(student, capfd):
    """What the user's code prints does not mix with the JSON."""
    status, out = run(capfd, f"{student}:chatty", "--against", "relu", "--json")
    assert status == 0
    assert json.loads(out)["verdict"] == "right"


@pytest.mark.parametrize("hints", [0, 1, 2, 3])
def test_hints(student, capfd, hints):
    """Each level gives away what it may, in the text and in the JSON."""
    _, text = run(capfd, f"{student}:affine", "--against", "linear", "--hints", hints)
    _, out = run(capfd, f"{student}:affine", "--against", "linear", "--hints", hints, "--json")
    answer = json.loads(out)
    assert answer["verdict"] == "wrong"
    assert ("bias" in text and "bias" in out) == (hints >= 1)
    assert ("mean-instead-of-sum" in text and "mean-instead-of-sum" in out) == (hints >= 2)
    if hints >= 2:
        assert answer["findings"][0]["slug"] in SLUGS
    assert ("derivation" in out) == (hints >= 3)


def test_html(student, tmp_path, capfd):
    """A self-contained page with heat maps of mine, the reference and the difference."""
    page = tmp_path / "page.html"
    status, _ = run(capfd, f"{student}:wrong", "--against", "relu", "--html", page)
    text = page.read_text()
    assert status == 1
    assert text.count("<svg") == 3
    links = r'<a href="https://[^>]*>https://[^<]*</a>'  # they ask for nothing by themselves
    assert "http" not in re.sub(links, "", text)
    assert "<title>[0, 1]" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", ["NameError", "undefined_name * dy"]),
        ("endless", ["did not finish", "in endless"]),
        ("swallows", ["did not finish"]),
        ("crashes", ["SIGSEGV", "crashes"]),
        ("huge", ["Unable to allocate", "200_000"]),
        ("text", ["no array"]),
        ("many", ["cannot be matched", "expected", "found"]),
        ("leaves", ["died"]),
        ("number", ["int"]),
        ("rigth", ["right"]),
    ],
)
def test_bad_code(student, capfd, name, words):
    """Whatever user code does, it is exit status 2 and a message of its own, with nothing of ours in it."""
    limit = ["--timeout", 1.5] if "did not finish" in words else []  # the others end by themselves, however slowly
    status, out = run(capfd, f"{student}:{name}", "--against", "relu", *limit)
    assert status == 2
    assert "could not be run" in out
    for word in words:
        assert word in out
    assert "torchref/check" not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{file}:right", "--against", "rellu"], ["rellu", "relu"]),
        (["{file}:right", "--against", "leaky_relu(slop=1)"], ["slop", "negative_slope"]),
        (["{file}:crashes"], ["--against"]),
        (["{file}", "--against", "relu"], ["FILE.py:NAME"]),
        (["nowhere.py:right", "--against", "relu"], ["nowhere.py"]),
        (["{file}:right", "--against", "relu", "--form", "clsure"], ["clsure", "closure"]),
        (["{file}:right", "--against", "relu", "--arguments", "inputt"], ["inputt", "input"]),
    ],
)
def test_bad_requests(student, capfd, arguments, words):
    """A mistake in what was asked names what is meant; exit status 2."""
    status, out = run(capfd, *(a.format(file=student) for a in arguments))
    assert status == 2
    for word in words:
        assert word in out


def test_start_up_without_torch(student):
    """A right implementation is judged in NumPy alone: catches an import that costs more than the judging."""
    import subprocess
    import sys

    code = f"""
import sys
from torchref.cli.command_line import main
status = main(['check', '{student}:right', '--against', 'relu'])
heavy = {{"torch", "sklearn", "tensorboard", "sympy", "jax"}} & sys.modules.keys()
assert not heavy, heavy
sys.exit(status)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_python_interface():
    """check() of a pair and of a function; findings are attributes."""
    verdict = check(lambda x: (np.tanh(x), lambda dy: dy * (1 - x**2)), against="tanh")
    assert not verdict.ok
    assert (verdict.findings[0].slug, verdict.findings[0].gradient) == ("derivative-at-wrong-tensor", "input")

    def forward(x, w):
        return x @ w.T, (x, w)

    def backward(dy, cache):
        x, w = cache
        return dy @ w, dy.T @ x

    assert check((forward, backward), against="linear").ok


def test_assert_gradient():
    """The pytest side: silent if right, the diagnosis if wrong."""
    assert_gradient(lambda x: (np.tanh(x), lambda dy: dy * (1 - np.tanh(x) ** 2)), against="tanh")
    with pytest.raises(AssertionError, match="derivative-at-wrong-tensor"):
        assert_gradient(lambda x: (np.tanh(x), lambda dy: dy * (1 - x**2)), against="tanh")


def test_stated_arguments():
    """--arguments names torch's arguments in the user's order, where no name tells them."""

    def strange(one, two, three):
        def backward(q):
            return q.sum(0), q.T @ three, q @ two

        return three @ two.T + one, backward

    assert check(strange, against="linear", arguments="bias,weight,input").ok


@pytest.mark.parametrize(
    ("inputs", "upstream", "word"),
    [
        ({"input": np.ones((4, 5))}, np.ones((4, 5)), "upstream of ones"),
        ({"input": np.arange(6.0).reshape(2, 3), "weight": np.eye(3)}, None, "square weight"),
        ({"input": np.arange(6.0), "p": 0.5}, None, "1/p"),
        ({"input": np.zeros((7, 3)), "p": 0.3}, None, "looks like a wrong divisor"),
        ({"input": np.arange(6).reshape(2, 3)}, None, "unique indices"),
        ({"input": np.arange(6.0).reshape(2, 3), "weight": np.ones(3)}, None, "gamma"),
        ({"input": np.arange(6.0).reshape(2, 3), "eps": 1e-5}, None, "eps"),
    ],
)
def test_lint(inputs, upstream, word):
    """lint says what a probe cannot see."""
    assert any(word in said for said in lint(inputs, upstream))


@pytest.mark.parametrize("op", ["linear", "layer_norm", "dropout", "conv2d(stride=2, padding=1)", "embedding"])
def test_our_own_probes_are_not_blind(op):
    """None of the coincidences is in a probe of ours."""
    p = probe(op, 3)
    said = lint(p.values, p.upstream["output"])
    assert not [s for s in said if "square" in s or "upstream" in s or "gamma" in s or "1/p" in s or "unique" in s]


def test_a_cause_of_one_line_stays_on_the_line(student, capfd):
    """Catches an answer of two lines where one says it all."""
    status, out = run(capfd, "nowhere.py:f", "--against", "relu")
    assert (status, out) == (2, "f against relu: could not be run: there is no file nowhere.py\n")
    status, out = run(capfd, f"{student}:crashes")
    assert status == 2
    assert out.startswith("crashes: could not be run: say what it should compute")
