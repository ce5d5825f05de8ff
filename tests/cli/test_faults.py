"""Whose fault it is: a user's is one line with file, line and cause, and status 2; ours is a traceback, and 3."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from torchref.cli.command_line import main
from torchref.compare import faults
from torchref.compare.train import run as training
from torchref.compare.train.report import Report

MINE = """
import numpy as np
from torchref.compare import Comparison, Data

def data():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5)), rng.integers(0, 3, 40)
    return Data(x[:30], y[:30], x[30:], y[30:])

def model(nn, width):
    return nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 3))

comparison = Comparison(
    name="mine", claim="it trains", model=model, loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1), data=data,
    variants={"a": {"width": 4}}, epochs=1, batch_size=10, device="cpu")
"""
LATE = """
import torch, torchref
class Ours(torchref.nn.Module):
    calls = 0
    def forward(self, x):
        Ours.calls += 1
        if Ours.calls > 6:
            raise KeyError("too late")
        return x, lambda dy: dy
class Theirs(torch.nn.Module):
    def forward(self, x):
        return x

def model"""
MISTAKES = {  # what is written instead of what, and the answer
    "syntax": ("(nn, width):", "(nn, width)", "mine.py, line 10: SyntaxError: expected ':'"),
    "module": ("import numpy", "import numpie", "mine.py, line 2: ModuleNotFoundError: No module named 'numpie'"),
    "import": ("Comparison, Data", "Comparison, Dta", "mine.py, line 3: ImportError: cannot import name 'Dta'"),
    "name": ("nn.ReLU()", "ReLU()", "mine.py, line 11: NameError: name 'ReLU' is not defined"),
    "attribute": ("nn.ReLU()", "nn.ReLu()", "mine.py, line 11: AttributeError: module 'torch"),
    "keyword of a layer's": (
        "lr=0.1",
        "lrr=0.1",
        "mine.py, line 15: TypeError: SGD.__init__() got an unexpected keyword",
    ),
    "keyword": ("claim=", "clame=", "mine.py, line 13: TypeError: Comparison.__init__() got an unexpected keyword"),
    "option": (
        '"width"',
        '"widht"',
        "mine.py, line 13: variant 'a': model, called as model(_, widht=4), fails: missing",
    ),
    "arguments": ("optim, parameters:", "optim:", "mine.py, line 13: optimizer, called as optimizer(_, _), fails"),
    "type of an option": (
        '": 4',
        '": "4"',
        "mine.py, line 11: TypeError: Linear(): argument 'out_features' must be an int, not str: '4'",
    ),
    "no return": (
        "return nn.Seq",
        "nn.Seq",
        "model (mine.py, line 10) must return an instance of torchref's Module, not None",
    ),
    "a class": (
        "Loss()",
        "Loss",
        "loss (mine.py, line 14) must return an instance of torchref's Module, not the class",
    ),
    "no data": ("return Data(", "return (", "data (mine.py, line 5) must return a Data, not tuple"),
    "variants": ('{"a": {"width": 4}}', '["a"]', "mine.py, line 13: variants must be a dict, not ['a']"),
    "a call": ("data=data", "data=data()", "mine.py, line 13: data must be a function, not Data(train_inputs="),
    "optimizer's option": ("epochs=1", "optimizer_options={'lr': 'x'}", "optimizer: lr must be like 0.1, not 'x'"),
    "optimizer's unknown": ("epochs=1", "optimizer_options={'lrr': 1}", "there is no option 'lrr': did you mean 'lr'?"),
    "schedule": ("epochs=1", "scheduler=lambda s, o: None", "scheduler (mine.py, line 16) must return a schedule"),
    "exit": ("variants=", "claim_=__import__('sys').exit(1), variants=", "mine.py, line 16: SystemExit: 1"),
    "a byte": ("it trains", "it\0trains", "mine.py: SyntaxError: source code string cannot contain null bytes"),
    "division": ("    rng =", "    1 / 0\n    rng =", "mine.py, line 6: ZeroDivisionError: division by zero"),
    "recursion": ("\nimport", "\ndef f(): f()\nf()\nimport", "mine.py, line 2: RecursionError"),
}


def answer(capsys, tmp_path, monkeypatch, source, *more):
    """What the command says of a file with this source: one line, status 2."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(source)
    status = main(["compare", "mine.py", "--json", *more])
    output, errors = capsys.readouterr()
    assert (status, output, errors.count("\n")) == (2, "", 1), errors
    return errors


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_users_file(capsys, tmp_path, monkeypatch, mistake):
    """Catches a traceback, status 1 (a mismatch), and a message without file and line; nothing is written."""
    wrong, right, said = MISTAKES[mistake]
    assert wrong in MINE
    assert said in answer(capsys, tmp_path, monkeypatch, MINE.replace(wrong, right, 1))
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["mine.py"]


def test_a_mistake_that_shows_in_the_training(capsys, tmp_path, monkeypatch):
    """Catches a line that is lost where the file is called, not read; a helper's line is named, too."""
    source = MINE.replace("def model", LATE).replace("nn.ReLU()", "(Ours() if 'ref' in nn.__name__ else Theirs())")
    assert "torchref: mine.py, line 17: KeyError: 'too late'" in answer(capsys, tmp_path, monkeypatch, source)


def test_a_mistake_in_a_sweep(capsys, tmp_path, monkeypatch):
    """Catches a process that swallows the file and the line, and a failed run that counts as a mismatch."""
    monkeypatch.chdir(tmp_path)
    source = MINE.replace("nn.ReLU()", "nn.ReLU() if width < 5 else ReLU()")
    Path("mine.py").write_text(source)
    words = ["compare", "mine.py", "--grid", "width=4,6", "--workers", "1"]
    assert main(words) == 2
    errors = capsys.readouterr().err
    assert "a,width=6 failed: mine.py, line 11: NameError: name 'ReLU' is not defined" in errors
    assert "Traceback" not in errors


def test_a_fault_of_torchrefs_own(capsys, tmp_path, monkeypatch):
    """Catches a fault of ours that is put down to the user, or that ends as a mismatch does."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    monkeypatch.setattr(training, "environment", lambda device: {}["nowhere"])
    monkeypatch.setattr(faults, "_OURS", [*faults._OURS, Path(__file__)])
    assert main(["compare", "mine.py", "--json"]) == 3
    errors = capsys.readouterr().err
    assert "KeyError: 'nowhere'" in errors
    assert errors.splitlines()[0].startswith("Traceback")
    assert errors.splitlines()[-1].startswith("torchref: this is a fault of torchref's own")


def test_output_of_few_characters(tmp_path):
    """Catches an answer that ends in UnicodeEncodeError because the terminal, or a log, lacks a character."""
    (tmp_path / "mine.py").write_text(MINE.replace("it trains", "from 10 µs → α"), encoding="utf-8")
    environment = os.environ | {
        "PYTHONIOENCODING": "ascii",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    for more in ([], ["--seeds", "2", "--workers", "1", "--out", "two"]):
        words = [sys.executable, "-m", "torchref", "compare", "mine.py", *more]
        done = subprocess.run(words, capture_output=True, cwd=tmp_path, env=environment, check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.isascii()
        assert b"from 10 us -> \\u03b1" in done.stdout


@pytest.mark.parametrize("size", [0, 3_000])
def test_a_full_disk(tmp_path, size):
    """Catches a write that fails late, in a buffer that has forgotten its file's name."""
    (tmp_path / "mine.py").write_text(MINE.replace("epochs=1", "epochs=100"))
    done = subprocess.run(
        [sys.executable, "-m", "torchref", "compare", "mine.py", "--json", "--out", "runs"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "cannot write" in done.stderr
    assert "runs/mine/" in done.stderr
    assert "File too large" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_output_that_cannot_be_written():
    """Catches an answer that is lost with status 0, or a line that Python adds when it ends."""
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-m", "torchref", "list"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "torchref: the output, or an open file: No space left on device\n"


def test_a_report_that_cannot_be_written(tmp_path):
    """Catches an error without the file's name."""
    with pytest.raises(Exception, match=r"cannot write .*report.json"):
        Report("a", "b", {}, [], {}).write(tmp_path / "nowhere" / "report.json")
