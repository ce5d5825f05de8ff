"""The certificate of two modules in the fast test, of all in the slow one."""

import json

import pytest

from tests.certify.certificate import Certificate, Row, certify, write
from torchref.check.rounding import MARGIN


def test_two_modules_are_certified(tmp_path):
    """Catches a certificate that does not say what was measured."""
    found = certify(["Linear", "Softmin"], probes=50)
    assert found.passed, found.verdict
    linear, softmin = found.rows
    assert (linear.module, softmin.module) == ("Linear", "Softmin")
    assert linear.witnesses[:3] == ["torch", "complex step", "SymPy"]
    assert linear.proven == 14
    assert linear.whole == linear.cases
    assert 0 < linear.share64 < MARGIN
    assert 0 < linear.share32 < MARGIN
    assert linear.controls > 0
    assert found.mutants["caught"] > 50
    write(found, tmp_path)
    assert json.loads((tmp_path / "certificate.json").read_text())["passed"] is True
    assert "| Linear | torch, complex step, SymPy" in (tmp_path / "certificate.md").read_text()


@pytest.mark.parametrize("fault", [{"alarms": 1}, {"false_alarms": 1}, {"share64": 9.0}])
def test_an_alarm_is_no_certificate(fault):
    """Catches a verdict that passes whatever is found."""
    mutants = {"planted": 1, "caught": 1, "survivors": {}, "unexplained": []}
    assert Certificate([Row("Linear")], mutants, {}).passed
    assert not Certificate([Row("Linear", **fault)], mutants, {}).passed
    assert not Certificate([Row("Linear")], {**mutants, "unexplained": ["a mutant"]}, {}).passed
    assert not Certificate([], mutants, {}).passed


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_library_is_certified():
    found = certify()
    assert found.passed, found.verdict
    assert len(found.rows) > 130
