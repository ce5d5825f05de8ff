"""The certificate of two modules in the fast test, of all in the slow one."""

import json

import pytest

from tests.certify.certificate import Certificate, Row, certify, renewed, write
from tests.certify.mutants import NOTICED, excused
from tests.certify.mutation import mutants, owners, planted
from torchref.check.tolerance.rounding import MARGIN


def test_two_modules_are_certified(tmp_path):
    """Catches a certificate that does not say what was measured."""
    found = certify(["Linear", "Softmin"], probes=50)
    assert found.passed, found.verdict
    linear, softmin = found.rows
    assert (linear.module, softmin.module) == ("Linear", "Softmin")
    assert [w for w in linear.witnesses if w != "JAX"][:3] == ["torch", "complex step", "SymPy"]  # JAX where installed
    assert linear.proven == 14
    assert linear.whole == linear.cases
    assert 0 < linear.share64 < MARGIN
    assert 0 < linear.share32 < MARGIN
    assert linear.controls > 0
    assert linear.orders > 50
    assert found.mutants["caught"] > 50
    same = {reason for mutant, reason in found.mutants["survivors"].items() if mutant.startswith("softmax.")}
    assert same <= {"a product of two numbers"}, "what only the cases of softmax notice is not the same function"
    assert softmin.caught == softmin.planted - softmin.survivors > 20
    write(found, tmp_path)
    assert json.loads((tmp_path / "certificate.json").read_text())["passed"] is True
    assert "| Linear | torch, complex step, SymPy" in (tmp_path / "certificate.md").read_text()


@pytest.mark.parametrize(
    "fault", [{"alarms": 1}, {"false_alarms": 1}, {"share64": 9.0}, {"failures": ["a witness disagrees"]}]
)
def test_an_alarm_is_no_certificate(fault):
    """Catches a verdict that passes whatever is found."""
    tally = {"planted": 1, "caught": 1, "survivors": {}, "unexplained": []}
    assert Certificate([Row("Linear")], tally, {}).passed
    assert not Certificate([Row("Linear", **fault)], tally, {}).passed
    assert not Certificate([Row("Linear")], {**tally, "unexplained": ["a mutant"]}, {}).passed
    assert not Certificate([], tally, {}).passed


def test_one_row_is_renewed(tmp_path):
    """Catches a row that is lost, the figure of all mutants taken from a few, and a failure that is written over."""
    tally = {"planted": 9, "caught": 9, "by_tests": 0, "elsewhere": 0, "probes": 1, "survivors": {}, "unexplained": []}
    of = dict.fromkeys(("date", "minutes", "python", "numpy", "torch", "machine"), "then")
    write(Certificate([Row("GELU", cases=2), Row("Linear", cases=2)], tally, of), tmp_path)
    few = Certificate([Row("Linear", cases=3)], {**tally, "planted": 1, "caught": 1}, of | {"date": "now"})
    whole = renewed(tmp_path, few)
    assert [(row.module, row.cases) for row in whole.rows] == [("GELU", 2), ("Linear", 3)]
    assert (whole.mutants, whole.environment, whole.renewed) == (tally, of, {"Linear": "now"})
    assert whole.passed
    write(whole, tmp_path)
    assert "Linear (now)" in (tmp_path / "certificate.md").read_text()
    assert renewed(tmp_path, Certificate([Row("Tanh", alarms=1)], tally, of)).passed is False
    assert renewed(tmp_path, Certificate([Row("Tanh")], {**tally, "unexplained": ["a mutant"]}, of)).passed is False


def test_a_wrong_gradient_is_told_by_every_witness():
    """Catches a witness that agrees with anything: dweight of linear is off by a millionth."""
    owner = next(o for o in owners("torchref.nn.linear") if o.name == "linear")
    slight = next(m for m in mutants(owner) if m.after == "dweight = dy_rows.T @ rows * 1.000001")
    with planted(slight):
        found = certify(["Linear"], probes=10)
    (row,) = found.rows
    assert not found.passed
    assert row.alarms >= 4, "torch"
    assert any("gradient of weight" in failure for failure in row.failures), "the complex step"
    assert any("is not dL/dx1_0" in failure for failure in row.failures), "SymPy"
    assert row.cases == 6, "the rest is measured all the same"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore::UserWarning")  # of what is deprecated, and of torch's slower ways
def test_the_library_is_certified():
    """All of it; and a mutant that is excused as the same function and is caught by now is to be taken off the list."""
    found = certify()
    assert found.passed, found.verdict
    assert len(found.rows) > 150
    assert found.mutants["caught"] > 3700
    equal = {name for name, reason in excused().items() if not reason.startswith(NOTICED)}
    assert equal == found.mutants["survivors"].keys()
