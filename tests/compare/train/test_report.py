"""The report: what it concludes, what it writes, and that it can be read."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tests.compare.small import changed
from torchref import compare
from torchref.compare.lockstep.judge import Divergence
from torchref.compare.train.report import Report, VariantReport, environment

PLAIN = VariantReport(
    name="plain",
    steps=300,
    tensors=4200,
    training_loss_numpy=0.0123456,
    training_loss_torch=0.0123456,
    validation_accuracy_numpy=0.9651,
    validation_accuracy_torch=0.9651,
    largest_difference=1.2e-16,
    largest_share=0.02,
    largest_tensor="buffer 1.running_mean",
    largest_step=17,
    numpy_seconds=0.00015,
    torch_seconds=0.0005,
    lockstep_seconds=0.0001,
    canary_caught=True,
    canary_step=0,
)
PARTED = Divergence(
    step=41,
    layer="2 (ReLU)",
    tensor="gradient of 0.weight",
    index=(3, 4),
    numpy=0.5,
    torch=0.25,
    bound=1e-12,
    equal_before=[f"output of {i}" for i in range(8)],
)


def report(*variants):
    return Report("digits", "dropout narrows the gap", {"seed": 0}, list(variants), {"numpy": "2.4"})


def shown(report, **options):
    stream = io.StringIO()
    report.show(Console(file=stream, **options))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("variants", "passed", "verdict"),
    [
        ([PLAIN], True, "EQUAL: 300 steps, 4,200 tensors"),
        ([PLAIN, replace(PLAIN, canary_caught=False)], False, "NOT PROVEN: plain: the canary, an error planted"),
        (
            [replace(PLAIN, canary_caught=False, canary_step=None)],
            False,
            "NOT PROVEN: plain: no error could be planted",
        ),
        ([replace(PLAIN, divergence=PARTED)], False, "MISMATCH: plain, step 41, layer 2 (ReLU): gradient of 0.weight"),
        ([replace(PLAIN, drift_weights=0.5, drift_note="the weights part")], True, "EQUAL: 300 steps"),
        ([], False, "NOT PROVEN: not one step"),
    ],
)
def test_verdict(variants, passed, verdict):
    """A run without a canary, without a step or with a divergence must not pass, and the sentence says why."""
    found = report(*variants)
    assert found.passed is passed
    assert found.verdict.startswith(verdict)


def test_table_fits_and_names_everything():
    """Four variants in 80 characters, no row cut off, not a terminal."""
    variants = [replace(PLAIN, name=name) for name in ("plain", "dropout", "batch norm", "both")]
    text = shown(report(*variants), width=80)
    assert max(map(len, text.splitlines()[:-1])) <= 80
    assert "0.020 (plain, step 17, buffer 1.running_mean)" in text
    for expected in (
        "batch norm",
        "0.012346",
        "96.51%",
        "4,200",
        "running_mean",
        "150 µs",
        "lockstep adds",
        "step 0",
    ):
        assert expected in text
    assert "…" not in text
    assert "validation loss" not in text  # no variant has one


def test_a_pipe_is_as_wide_as_the_table():
    """Ten variants written to a file must not be squeezed into 80 columns."""
    text = shown(report(*[replace(PLAIN, name=f"variant number {i}") for i in range(10)]), width=80)
    assert "variant number 9" in text


def test_divergence_message():
    """The message must carry step, layer, tensor, index, both values, the bound, and what was still equal."""
    text = shown(report(replace(PLAIN, divergence=PARTED)), width=80)
    for expected in ("step 41", "layer 2 (ReLU)", "gradient of 0.weight[3, 4]", "0.5", "0.25", "1e-12", "output of 7"):
        assert expected in text
    assert "2 more" in text


def test_json(tmp_path):
    """Strict JSON, with the verdict, whatever the numbers are."""
    variant = replace(PLAIN, training_loss_numpy=float("nan"), divergence=replace(PARTED, numpy=np.float64("inf")))
    report(variant).write(tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert read["passed"] is False
    assert read["verdict"].startswith("MISMATCH")
    assert read["variants"][0]["training_loss_numpy"] == "nan"
    assert read["variants"][0]["divergence"]["numpy"] == "inf"
    assert read["variants"][0]["divergence"]["index"] == [3, 4]
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_the_figures_hold_the_tensor_that_parted(tmp_path):
    """Catches a largest gradient difference of 0 beside a gradient that parted, and one where none was compared."""
    gradient = compare.run(changed(), out=tmp_path / "a", sabotage="1")
    assert not {"tensors compared", "  lockstep adds", "free running, weights"} & rows_of(gradient)  # no step is whole
    found = gradient.variants[0]
    assert found.divergence.tensor.startswith("gradient")
    assert found.largest_difference >= found.divergence.difference > 0
    assert found.largest_share >= found.divergence.share > 1
    assert found.largest_step == found.divergence.step
    assert re.search(rf"first difference +{found.divergence.difference:.1e}", shown(gradient))
    output = compare.run(changed(model=tanh_first), out=tmp_path / "b", sabotage="0")
    found = output.variants[0]
    assert found.largest_difference is None
    assert found.largest_share > 1
    assert "largest gradient difference" not in shown(output)


def tanh_first(nn, **_):
    return nn.Sequential(nn.Tanh(), nn.Linear(5, 3))


def test_environment():
    """What a result depends on is named, and JSON can hold it."""
    facts = environment()
    assert {"python", "numpy", "torch", "torch_threads", "device"} <= facts.keys()
    json.dumps(facts)


def test_a_notebook_shows_the_table():
    """Catches a cell that shows `Report(comparison=..., ...)`, and a verdict that HTML swallows."""
    html = report(PLAIN, replace(PLAIN, name="a<b"))._repr_html_()
    assert "training loss, NumPy" in html
    assert "0.012346" in html
    assert "a&lt;b" in html
    assert "every canary was caught" in html
    assert "font-family: monospace" in html  # columns stand under each other


def rows_of(report):
    """The labels of the table's rows."""
    return set(report.table().columns[0].cells)
