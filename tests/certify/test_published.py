"""The certificate that stands in the manual is of this library."""

import json
from pathlib import Path

from tests.cases import all_cases

MANUAL = Path(__file__).parents[2] / "manual"


def test_the_published_certificate_covers_the_library():
    """Catches a module that came after it, a page and a file that differ, a verdict that is not a pass."""
    published = json.loads((MANUAL / "certificate.json").read_text(encoding="utf-8"))
    page = (MANUAL / "certificate.md").read_text(encoding="utf-8")
    assert published["passed"] is True
    assert published["verdict"].startswith("CERTIFIED")
    assert published["verdict"] in page
    assert {row["module"] for row in published["rows"]} == {case.module for case in all_cases()}
    for row in published["rows"]:
        assert f"| {row['module']} |" in page
        assert row["alarms"] == row["false_alarms"] == 0
        assert row["orders"] > 0, f"{row['module']}: in no other memory order"
        assert row["caught"] + row["survivors"] == row["planted"]
