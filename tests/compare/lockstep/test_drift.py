"""Correct trainings drift apart when they run free: the report says why, and no status is made of it."""

import json
from pathlib import Path

import pytest

from tests.compare.small import changed
from torchref import compare
from torchref.cli.command_line import main


def batch_norm(nn):
    return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3))


def tanh(nn):
    return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))


ROUNDING = "its gradient is zero but for rounding, and {} makes steps of the rounding"
CHAOS = "every step is equal, and rounding grows from step to step"
CASES = {
    "bias in front of batch norm, Adam": (batch_norm, lambda o, p: o.Adam(p, lr=0.05, eps=1e-12), 2, "0.bias", "Adam"),
    "bias in front of batch norm, Rprop": (batch_norm, lambda o, p: o.Rprop(p), 2, "0.bias", "Rprop"),
    "too high a rate": (tanh, lambda o, p: o.SGD(p, lr=4.0, momentum=0.9), 12, "0.weight", None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_drift_is_explained_and_is_no_failure(tmp_path, case):
    """Catches correct code that is failed because rounding grows, and a cause that is another's."""
    model, optimizer, epochs, name, optimizer_name = CASES[case]
    comparison = changed(name="d", model=model, optimizer=optimizer, variants={"a": {}}, epochs=epochs)
    report = compare.run(comparison, out=tmp_path)
    (variant,) = report.variants
    assert report.passed, report.verdict
    assert report.verdict.startswith("EQUAL")
    assert variant.drift_weights > 1e-9  # else the case shows nothing
    why = ROUNDING.format(optimizer_name) if optimizer_name else CHAOS
    assert f"running free, the weights part by {variant.drift_weights:.1e}, {name} most: {why}" in variant.drift_note


def test_a_small_drift_is_not_spoken_of(tmp_path):
    """Catches a note where there is nothing to be said."""
    assert not any(variant.drift_note for variant in compare.run(changed(), out=tmp_path).variants)


FILE = """
import numpy as np
from torchref.compare import Comparison, Data

def data():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5)), rng.integers(0, 3, 40)
    return Data(x[:30], y[:30], x[30:], y[30:])

comparison = Comparison(
    name="mine", claim="it trains", loss=lambda nn: nn.CrossEntropyLoss(),
    model=lambda nn: nn.Sequential(nn.Linear(5, 4), MIDDLE, nn.Linear(4, 3, bias=False)),
    optimizer=lambda optim, parameters: optim.Adam(parameters, lr=0.1, eps=1e-13),
    data=data, epochs=2, batch_size=10, device="cpu")
"""


@pytest.mark.parametrize(
    ("middle", "words", "status", "verdict"),
    [
        ("nn.BatchNorm1d(4)", [], 0, "EQUAL"),
        ("nn.BatchNorm1d(4)", ["--sabotage", "2"], 1, "MISMATCH"),
        ("nn.Threshold(1e9, 0.0)", [], 2, "NOT PROVEN: default: no error could be planted"),  # all gradients are zero
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_the_status_is_the_manuals(tmp_path, monkeypatch, capsys, middle, words, status, verdict, many):
    """Catches status 1, a mismatch, where every gradient is equal: of one run, and of a sweep."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(FILE.replace("MIDDLE", middle))
    words = ["compare", "mine.py", "--json", *words, *(["--seeds", "1", "--workers", "1"] if many else [])]
    assert main(words) == status
    report = json.loads(capsys.readouterr().out)
    assert (report["runs"][0] if many else report)["verdict"].startswith(verdict)
