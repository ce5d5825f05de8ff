"""What a run is made from: it goes on from no other files and no other data, and says which have changed."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.compare.tiny import tiny
from torchref.cli.command_line import main
from torchref.compare.data import Data, Rows
from torchref.compare.origin import origin_of

MINE = """
import numpy as np
from parts import hidden
from torchref.compare import Comparison, Data

def data():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5)), rng.integers(0, 3, 40)
    return Data(x[:30], y[:30], x[30:], y[30:])

comparison = Comparison(
    name="mine", claim="it trains", model=lambda nn: nn.Sequential(*hidden(nn), nn.Linear(4, 3)),
    loss=lambda nn: nn.CrossEntropyLoss(), optimizer=lambda optim, parameters: optim.Adam(parameters, lr=0.1),
    data=data, epochs=2, batch_size=10, seed=1, device="cpu")
"""
PARTS = "def hidden(nn):\n    return nn.Linear(5, 4), nn.Tanh()\n"
CHANGES = {  # the file, what is written instead of what, and what is said to have changed
    "rate": ("mine.py", "lr=0.1", "lr=0.2", "mine.py has changed"),
    "optimizer": ("mine.py", "optim.Adam", "optim.SGD", "mine.py has changed"),
    "seed": ("mine.py", "seed=1", "seed=2", "mine.py has changed"),
    "data": ("mine.py", "default_rng(0)", "default_rng(1)", "mine.py has changed"),
    "activation": ("parts.py", "nn.Tanh", "nn.ReLU", "parts.py has changed"),
    "variants": ("mine.py", "epochs=2", "variants={'b': {}}", "mine.py has changed"),  # the stored variants fit no more
}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A run of mine.py in the present folder, which is finished."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "parts", raising=False)  # another test's
    Path("mine.py").write_text(MINE)
    Path("parts.py").write_text(PARTS)
    assert main(["compare", "mine.py", "--json"]) == 0
    capsys.readouterr()


def refusal(capsys, *words):
    assert main(list(words)) == 2
    output, errors = capsys.readouterr()
    assert (output, errors.count("\n")) == ("", 1), errors
    return errors


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_was_edited(run, capsys, monkeypatch, change):
    """Catches weights that go on in another network, a KeyError in its optimizer, and settings that are ignored."""
    file, there, now, said = CHANGES[change]
    before = Path(file).read_text()
    assert there in before
    Path(file).write_text(before.replace(there, now))
    monkeypatch.delitem(sys.modules, "parts")
    errors = refusal(capsys, "compare", "mine.py", "--resume", "--epochs", "4", "--json")
    assert f"resume: {said} since runs/mine began: put it back as it was, or begin anew with --out FOLDER" in errors
    Path(file).write_text(before)
    monkeypatch.delitem(sys.modules, "parts", raising=False)
    assert main(["compare", "mine.py", "--resume", "--epochs", "4", "--json"]) == 0


def test_data_that_were_edited(tmp_path, monkeypatch, capsys):
    """Catches a network that goes on with other examples, in one run and in a sweep."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [[*rng.standard_normal(3), i % 2] for i in range(20)]
    Path("mine.csv").write_text("a,b,c,label\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    words = ["compare", "tables", "--data", "mine.csv", "--epochs", "1", "--only", "logistic", "--json"]
    sweep = [*words, "--out", "many", "--seeds", "1", "--workers", "1"]
    assert main(words) == main(sweep) == 0
    capsys.readouterr()
    Path("mine.csv").write_text(Path("mine.csv").read_text().replace(",1\n", ",0\n", 3))
    said = "has changed since {} began: put it back as it was, or begin anew with --out FOLDER"
    assert "the data (train_targets) " + said.format("runs/tables") in refusal(capsys, *words, "--resume")
    assert "the data (train_targets) " + said.format("many/tables/logistic,seed=0") in refusal(
        capsys, *sweep, "--resume"
    )


def test_a_folder_that_was_moved(run, tmp_path, monkeypatch, capsys):
    """Catches files that are known by where they lie: the same files in another folder are the same."""
    monkeypatch.delitem(sys.modules, "parts")
    shutil.move(tmp_path / "parts.py", tmp_path / "runs" / "parts.py")
    shutil.move(tmp_path / "mine.py", tmp_path / "runs" / "mine.py")
    assert main(["compare", "runs/mine.py", "--resume", "--epochs", "3", "--json"]) == 0


def test_every_entry_counts():
    """Catches a digest that overlooks an array, an entry, a shape, or the order of rows that stay on the disk."""

    def arrays(x, rows):
        return origin_of(tiny, Data(x, rows, x, rows))["data"]

    x, pixels = np.arange(12.0).reshape(4, 3), np.arange(24, dtype=np.uint8).reshape(4, 6)
    plain = arrays(x, Rows(pixels))
    changed = x.copy()
    changed[3, 2] = np.nextafter(11, 12)
    other = pixels.copy()
    other[2, 5] += 1
    assert plain == arrays(np.asfortranarray(x), Rows(pixels))
    assert plain["train_inputs"] != arrays(changed, Rows(pixels))["train_inputs"]
    for rows in (Rows(other), Rows(pixels).take(np.array([1, 0, 2, 3])), Rows(pixels).reshape(4, 2, 3)):
        assert plain["train_targets"] != arrays(x, rows)["train_targets"]
