"""The page of speed, and what `make benchmark` says of a change."""

import copy
import json
from pathlib import Path

from tests.benchmarks.table import changes, markdown, ratios

MANUAL = Path(__file__).parents[2] / "manual"
PUBLISHED = json.loads((MANUAL / "speed.json").read_text(encoding="utf-8"))


def test_the_page_has_the_figures_of_the_json():
    """Catches a table that was edited by hand, or a figure that only one of the two files has."""
    assert markdown(PUBLISHED) in (MANUAL / "speed.md").read_text(encoding="utf-8")


def test_only_what_changed_is_reported():
    """Catches a report that is silent about a slower row, or cries at 5 %."""
    now = copy.deepcopy(PUBLISHED)
    slower, same = list(now["work"])[:2]
    now["work"][slower]["1"]["ratio"] *= 1.5
    now["work"][same]["1"]["ratio"] *= 1.05
    (line,) = changes(now, PUBLISHED)
    assert line.startswith(f"{slower}, threads 1: ")


def test_every_work_has_a_ratio():
    """Catches a published page on which a measurement failed."""
    from tests.benchmarks.growth import GROWTH
    from tests.benchmarks.workloads import WORKLOADS

    works = {f"{name}, threads {threads}" for name in WORKLOADS for threads in (1, 2)}
    grown = {f"{name} = {size}" for name, sizes in GROWTH.items() for size in sizes}
    assert set(ratios(PUBLISHED)) == works | grown
