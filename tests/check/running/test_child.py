"""User code and the judge: what a target writes into the pipe is not run, not believed, and harms that target alone."""

import json
import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from torchref.check import Finding, Verdict, check
from torchref.check.report.verdict import Confidence
from torchref.check.running.child import LONGEST, TOKEN, Limits, receive, run
from torchref.check.running.message import decode, encode

CHEATS = """
    import json, os, pickle, stat
    import numpy as np

    def right(x):
        return np.maximum(x, 0), lambda dy: dy * (x > 0)

    def wrong(x):
        return np.maximum(x, 0), lambda dy: dy * 0.5

    def pipes():
        for descriptor in range(3, 64):
            try:
                if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                    yield descriptor
            except OSError:
                pass

    def send(data):
        for pipe in pipes():
            os.write(pipe, data)

    class Program:
        def __reduce__(self):
            return os.mkdir, ("run_by_the_judge",)

    def forged_pickle(x):
        send(pickle.dumps(Program()))
        os._exit(0)

    def pickle_and_go_on(x):
        send(pickle.dumps(Program()))
        return right(x)

    RIGHT = {"verdict": "right", "against": "relu", "name": "", "file": "", "form": "closure",
             "seconds": 0.0, "findings": [],
             "right": {"input": 0.0}, "notes": [], "yours": {}, "error": "", "called": "", "option": "",
             "not_judged": {}, "not_run": [], "precision": "", "device": "", "source": [], "pictures": []}

    def forged_json(x):
        send(json.dumps(RIGHT).encode())
        os._exit(0)

    def framed_json(x):
        document = json.dumps(RIGHT).encode()
        send(bytes(32) + len(document).to_bytes(8, "big") + document)
        os._exit(0)

    def half(x):
        send(json.dumps(RIGHT).encode()[:20])
        os._exit(0)

    def rubbish(x):
        send(b"rubbish " * 12_500_000)
        return right(x)

    def leaves(x):
        os._exit(0)

    def closes(x):
        for pipe in pipes():
            os.close(pipe)
        while True:
            pass

    def patches(x):
        np.allclose = lambda *a, **k: True
        return wrong(x)

    def hides(x):
        np.abs = lambda a, *r, **k: np.zeros_like(np.asarray(a))
        return wrong(x)

    def half_a_character(x):
        raise ValueError("half a character: \\udc80")

    def long_winded(x):
        raise ValueError("x" * 80_000_000)
"""
DIED, STRAY = "the process died", "it wrote into the judge's pipe"
ENDS = {
    "forged_pickle": ("could-not-run", STRAY),
    "pickle_and_go_on": ("could-not-run", STRAY),
    "forged_json": ("could-not-run", STRAY),
    "framed_json": ("could-not-run", STRAY),
    "half": ("could-not-run", STRAY),
    "rubbish": ("could-not-run", STRAY),
    "leaves": ("could-not-run", f"{DIED} (exit status 0)"),
    "closes": ("could-not-run", "closed the judge's pipe"),
    "patches": ("could-not-run", "it changed numpy.allclose"),
    "hides": ("could-not-run", "it changed numpy.abs"),
    "half_a_character": ("could-not-run", "half a character: \\udc80"),
    "long_winded": ("could-not-run", "ValueError: xxx"),
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The folder, and the results of one command: each cheat, and after each a target that is right.

    A process of its own, in which the judge's pipe is the only one beside its standard streams.
    """
    folder = tmp_path_factory.mktemp("cheats")
    (folder / "cheats.py").write_text(textwrap.dedent(CHEATS))
    targets = [f"cheats.py:{target}=relu" for name in ENDS for target in (name, "right")]
    command = [sys.executable, "-m", "torchref", "check", *targets, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    return folder, json.loads(done.stdout)["results"]


@pytest.mark.parametrize(("name", "expected"), ENDS.items(), ids=ENDS)
def test_a_cheat_fails_alone(judged, name, expected):
    """Catches rubbish that is believed, that ends the command, or that spoils the verdict on the next target."""
    results = judged[1]
    place = [r["name"] for r in results].index(name)
    assert results[place]["verdict"] == expected[0], results[place]
    assert expected[1] in results[place].get("error", ""), results[place]["error"][:500]
    assert (results[place + 1]["name"], results[place + 1]["verdict"]) == ("right", "right"), results[place + 1]


def test_nothing_of_the_pipe_is_run(judged):
    """Catches a judge that unpickles."""
    assert not (judged[0] / "run_by_the_judge").exists()


def through_a_pipe(data, token):
    """What the judge receives of these bytes, when the pipe ends after them."""
    read, write = os.pipe()
    try:
        os.write(write, data)
        os.close(write)
        return receive(read, token, time.monotonic() + 60)
    finally:
        os.close(read)


TOKENS = bytes(range(TOKEN))
DOCUMENT = encode(Verdict("right"))
FRAME = TOKENS + len(DOCUMENT).to_bytes(8, "big") + DOCUMENT


def test_receive():
    """The document comes out; what stands behind it does not matter."""
    assert through_a_pipe(FRAME, TOKENS) == DOCUMENT
    assert through_a_pipe(FRAME + b"more", TOKENS) == DOCUMENT


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (FRAME[: TOKEN - 1], "judge's pipe"),
        (FRAME[: TOKEN + 3], "cut off"),
        (FRAME[: TOKEN + 8], "cut off"),
        (FRAME[:-1], "cut off"),
        (b"x" + FRAME, "judge's pipe"),
        (TOKENS[::-1] + FRAME[TOKEN:], "judge's pipe"),
        (TOKENS + (LONGEST + 1).to_bytes(8, "big") + DOCUMENT, f"at most {LONGEST}"),
    ],
)
def test_receive_refuses(data, words):
    """Catches half a document, bytes in front of it, another token, a length that fills the memory."""
    with pytest.raises(ValueError, match=words):
        through_a_pipe(data, TOKENS)


def test_nothing_and_silence():
    """A pipe that ends says so; one that stays open and empty is left at the deadline."""
    with pytest.raises(EOFError):
        through_a_pipe(b"", TOKENS)
    read, write = os.pipe()
    with pytest.raises(TimeoutError):
        receive(read, TOKENS, time.monotonic())
    os.close(read)
    os.close(write)


FULL = Verdict(
    "wrong",
    against="linear",
    name="größe",
    form="pair",
    findings=[Finding("weight", "transposed", "it is W^T", Confidence.CERTAIN, consequences=["input"])],
    right={"bias": np.float32(0.25), "input": float("inf")},
    notes=["a note"],
    yours={"weight": "W"},
    pictures=[{"name": "weight", "mine": np.array([[1.5, -np.inf]]), "reference": np.arange(6.0).reshape(2, 3).T}],
)


def test_a_verdict_comes_back_whole():
    """Catches a field that is lost, a number that is rounded, an array in another order."""
    back = decode(encode(FULL))
    picture, expected = back.pictures.pop(), FULL.pictures[0]
    assert back == Verdict(**{**vars(FULL), "pictures": []})
    for name in ("mine", "reference"):
        np.testing.assert_array_equal(picture[name], expected[name])
    assert np.isnan(decode(encode(Verdict("right", right={"x": float("nan")}))).right["x"])


def changed(**values):
    return json.dumps({**json.loads(encode(FULL)), **values}).encode()


def picture(**values):
    mine = {"shape": [1], "dtype": "<f8", "base64": "AAAAAAAA8D8=", **values}
    return changed(pictures=[{"name": "weight", "mine": mine, "reference": mine}])


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "Expecting value"),
        (b"\x80\x04N.", "ascii"),
        (b"[]", "expected the fields"),
        (b"[" * 100_000, "recursion"),
        (encode(FULL)[:-1], "Expecting"),
        (encode(FULL) + b"{}", "Extra data"),
        (changed(more=1), "more"),
        (changed(verdict="fine"), "fine"),
        (changed(verdict=["right"]), "right"),
        (changed(name=None), "None"),
        (changed(notes="a note"), "a list"),
        (changed(right=[]), "a dictionary"),
        (changed(right={"bias": True}), "a number"),
        (changed(right={"bias": "1"}), "a number"),
        (changed(right={"bias": float("nan")}), "NaN is no JSON"),
        (changed(right={"bias": 10**400}), "too large"),
        (changed(findings=[{"gradient": "weight"}]), "gradient"),
        (picture(dtype="|O"), "dtype"),
        (picture(shape=[2]), "no array of shape"),
        (picture(shape=[-1, -1]), "a length"),
        (picture(shape=[1.0]), "a length"),
        (picture(shape=[0, 2**80], base64=""), ""),
        (picture(base64="AAAA!AAA8D8="), ""),
    ],
)
def test_decode_refuses(document, words):
    """Catches a document of another kind that comes through: the one error is ValueError, with what was found."""
    with pytest.raises(ValueError, match="cannot be read") as problem:
        decode(document)
    assert words in str(problem.value)


def test_a_verdict_that_cannot_be_written():
    """Catches a child that dies without a word where user code has spoiled the verdict."""
    assert "cannot be written" in run(lambda: Verdict("right", name=object())).error


@pytest.mark.parametrize("against", ["", " ", None, 3])
def test_against_must_be_said(against):
    """Catches a default: nobody's function is a layer norm unless it says so."""

    def f(x):
        return x, lambda dy: dy

    with pytest.raises(TypeError, match="against"):
        check(f)
    with pytest.raises(TypeError, match=f"found {against!r}"):
        check(f, against)


def test_import_is_free_of_torch():
    """Catches an import of torch by the package itself."""
    code = "import torchref.check, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_limit_of_computing_does_not_count_what_sleeps():
    """Catches a verdict that depends on the machine's load: time that passes without computing is no one's fault."""

    def sleeps():
        time.sleep(1.3)
        return Verdict("right")

    assert run(sleeps, Limits(cpu=1)).verdict == "right"


def test_computing_too_long_is_interrupted_and_says_where():
    """Catches an endless loop that goes on until the clock's limit, and one that catches what interrupts it."""

    def computes():
        while True:
            pass

    def is_stubborn():
        while True:
            try:
                computes()
            except BaseException:
                continue

    error = run(computes, Limits(cpu=1)).error
    assert error.startswith("it did not finish within 1 s of computing; it was at:"), error
    assert "test_child.py" in error
    error = run(is_stubborn, Limits(cpu=1)).error
    assert "SIGXCPU: it computed for longer than it may" in error, error


def test_the_limit_of_memory_is_the_one_that_is_asked_for():
    """Catches a limit that is not handed on, and a message that names another."""
    verdict = run(lambda: Verdict("right", name=str(np.ones(1 << 27).sum())), Limits(memory=1 << 29))
    assert "more memory than it may have (0.5 GiB)" in verdict.error
    assert run(lambda: Verdict("right", name=str(np.ones(1 << 24).sum())), Limits(memory=1 << 29)).verdict == "right"
