"""Files and directories: what is judged in them, one line each, a summary, JUnit XML, the worst exit status."""

import json
import subprocess
import sys
import textwrap
from xml.etree import ElementTree

import pytest

from torchref.check.reading.targets import Target, targets
from torchref.check.report.junit import junit
from torchref.check.report.several import in_one_line
from torchref.check.report.verdict import Confidence, Finding, Verdict
from torchref.cli.command_line import main

NAMED = """
    import numpy as np

    def relu(x):
        return np.maximum(x, 0), lambda dy: dy * (x > 0)

    def tanh(x):
        y = np.tanh(x)

        def backward(dy):
            return -dy * (1 - y * y)

        return y, backward

    class Dropout:
        \"\"\"Scaled by 3: another function than torch's.\"\"\"

        def __init__(self, p):
            self.p = p

        def forward(self, x):
            self.mask = np.random.rand(*x.shape) > self.p
            return 3 * x * self.mask

        def backward(self, dy):
            return 3 * dy * self.mask

    def linear_forward(x, w, b):
        return x @ w.T + b, (x, w)

    def linear_backward(dy, cache):
        x, w = cache
        return dy @ w, dy.T @ x, dy.sum(0)

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(-1, keepdims=True)

    def helper(x):
        return np.tanh(x), lambda dy: dy
"""
MARKED = """
    import numpy as np

    # torchref: leaky against leaky_relu(negative_slope=0.1)
    def leaky(x):
        return np.where(x > 0, x, 0.1 * x), lambda dy: dy * np.where(x > 0, 1, 0.1)

    def relu(x):
        raise SystemExit("it is not marked, so it is not judged")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A directory with a file of each kind, and what is to be left alone."""
    monkeypatch.chdir(tmp_path)
    for place, text in (
        ("code/named.py", NAMED),
        ("code/inside/marked.py", MARKED),
        ("code/nothing.py", "x = 1"),
        ("code/mine.py", "class MyAdam:\n    def step(self, params, grads): ...\n"),
        ("code/.hidden/named.py", NAMED),
        ("code/venv/pyvenv.cfg", ""),
        ("code/venv/named.py", NAMED),
    ):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tmp_path


def test_what_a_directory_holds(folder):
    """Catches a hidden file, a plain forward, a helper, an unmarked function that is judged; a target that is lost."""
    assert targets(["code"], None) == [
        *(Target("code/named.py", n, n, guessed=True) for n in ("relu", "tanh", "Dropout", "linear")),
        Target("code/inside/marked.py", "leaky", "leaky_relu(negative_slope=0.1)"),
    ]


@pytest.mark.parametrize(
    ("word", "against", "found"),
    [
        ("code/named.py", "ReLU", "relu"),
        ("code/named.py=tanh", None, "tanh"),
        ("code/inside/marked.py", None, "leaky"),
        ("code/named.py", "gelu", "say which is meant, as FILE.py:NAME: relu, tanh, Dropout, linear, helper"),
        ("code/mine.py", "adam", "MyAdam"),
        ("code/nothing.py", "gelu", "no function or class with a backward is there"),
        ("code/nothing.py", None, "# torchref: NAME against OP"),
        ("code/none.py", "gelu", "there is no such file"),
        ("code/venv/none", "gelu", "expected FILE.py:NAME, FILE.py or a directory"),
    ],
)
def test_one_word(folder, word, against, found):
    """Catches a file whose one candidate is not taken, and a guess where several are there."""
    (target,) = targets([word], against)
    assert target.name == found or found in target.error


def test_the_text(folder, capfd):
    """Catches a missing line, an accusation by a name alone, counts that are wrong, a status that is not the worst."""
    assert main(["check", "code", "--hints", "2"]) == 2
    lines = capfd.readouterr().out.splitlines()
    assert lines[:6] == [
        "code/named.py:relu           RIGHT for input",
        "code/named.py:tanh           WRONG: dinput wrong-sign",
        "code/named.py:Dropout        could not be run: it has the name of Dropout, and its forward is another "
        "function: say what it should compute, as code/named.py:Dropout=OP",
        "code/named.py:linear         RIGHT for input, weight and bias",
        "code/inside/marked.py:leaky  RIGHT for input",
        "",
    ]
    assert lines[-3:] == [
        "not judged, as no operation has this name: code/named.py: helper",
        "A comment in the file says what it should be: # torchref: NAME against OP",
        "5 in all: 3 right, 1 wrong and 1 could not be run",
    ]
    assert main(["check", "code", "--hints", "0"]) == 2
    assert "dinput wrong" not in capfd.readouterr().out
    assert main(["check", "code/named.py:relu=relu", "code/named.py:tanh=tanh", "--json"]) == 1
    assert [r["file"] for r in json.loads(capfd.readouterr().out)["results"]] == ["code/named.py"] * 2


def test_a_directory_with_one_target(folder, capfd):
    """Catches an answer that does not say which file it is about, or how many there were."""
    assert main(["check", "code/inside"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "code/inside/marked.py:leaky  RIGHT for input"
    assert lines[-1] == "1 in all: 1 right"


def test_junit(folder, capfd):
    """Catches XML that CI cannot read, a count that is wrong, a finding that is not in it."""
    assert main(["check", "code", "--junit", "out.xml"]) == 2
    (suite,) = ElementTree.parse(folder / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == tuple("5110")
    cases = {case.get("name"): case for case in suite}
    assert len(cases["relu against relu"]) == 0
    assert cases["relu against relu"].get("classname") == "code/named.py"
    (failure,) = cases["tanh against tanh"]
    assert failure.tag == "failure"
    assert "wrong-sign" in failure.text
    assert [child.tag for child in cases["Dropout against dropout"]] == ["error"]


def test_junit_has_pytests_attributes(tmp_path):
    """Catches a suite or a case that lacks what pytest's own file says of it (host and date aside)."""
    (tmp_path / "test_it.py").write_text("def test_it():\n    assert False\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=theirs.xml", "test_it.py"]
    subprocess.run(command, cwd=tmp_path, check=False, capture_output=True)
    theirs = ElementTree.parse(tmp_path / "theirs.xml").getroot()
    ours = ElementTree.fromstring(junit([Verdict("could-not-run", name="f", error="a bell: \a")], 3))
    for tag in ("testsuites", "testsuite", "testcase"):
        mine, other = (next(root.iter(tag)).attrib.keys() for root in (ours, theirs))
        assert other - {"hostname", "timestamp"} <= mine
    assert "#x07" in ours.find(".//error").text


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ('the backward raised an exception:\n  File "a.py", line 1, in f\n    x\nValueError: no', "ValueError: no"),
        ('it did not finish within 3 s; it was at:\n  File "a.py", line 1\n    x', "it did not finish within 3 s"),
        ('it died (SIGABRT)\nCurrent thread 0x7 (most recent call first):\n  File "a.py"', "it died (SIGABRT)"),
        ("there is no file a.py", "there is no file a.py"),
        ("", ""),
    ],
)
def test_one_line_says_what_happened(error, line):
    """Catches a line of a traceback in place of the reason."""
    assert in_one_line(Verdict("could-not-run", error=error), 1) == f"could not be run: {line}"


def test_junit_takes_a_level_for_each():
    """Catches a class's feedback at the level of another task."""
    finding = Finding("bias", "wrong-sign", "e", Confidence.CERTAIN, correction="dy")
    wrong = Verdict("wrong", name="f", findings=[finding])
    failures = [case[0].text for case in ElementTree.fromstring(junit([wrong] * 3, [0, 1, 3], "grade"))[0]]
    assert ["dbias" in text for text in failures] == [False, True, True]
    assert ["instead" in text for text in failures] == [False, False, True]
