"""The certificate that stands in the manual is of this library."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from tests.cases import all_cases
from tests.certify.certificate import Row

MANUAL = Path(__file__).parents[2] / "manual"


def test_the_published_certificate_covers_the_library():
    """Catches a page and a file that differ, and a verdict that is not a pass.

    Skipped, with their names, where modules or figures came after it: certifying all takes a quarter of an hour.
    """
    published = json.loads((MANUAL / "certificate.json").read_text(encoding="utf-8"))
    page = (MANUAL / "certificate.md").read_text(encoding="utf-8")
    assert published["passed"] is True
    assert published["verdict"].startswith("CERTIFIED")
    assert published["verdict"] in page
    certified, known = {row["module"] for row in published["rows"]}, {case.module for case in all_cases()}
    assert certified <= known, f"no longer there: {certified - known}"
    new = known - certified
    for row in published["rows"]:
        assert f"| {row['module']} |" in page
        assert row["alarms"] == row["false_alarms"] == 0
        assert row["caught"] + row["survivors"] == row["planted"]
        if row.keys() != {field.name for field in fields(Row)}:
            new.add(row["module"])
        else:
            assert row["orders"] > 0, f"{row['module']}: in no other memory order"
    if new:
        one = min(new)
        pytest.skip(f"not certified yet: {one} and {len(new) - 1} more; make certify (ONLY={one} for its row alone)")
