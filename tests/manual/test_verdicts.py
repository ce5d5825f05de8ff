"""The verdicts in the manual are those that the lessons gave, and every lesson has its place."""

import json
import sys
from pathlib import Path

from torchref.compare.catalogue import find_lesson, lessons

ROOT = Path(__file__).parents[2]
LEARN = ROOT / "manual" / "learn"
sys.path.insert(0, str(ROOT / "manual" / "_site"))

import verdicts  # noqa: E402 - it helps to write the manual, and is in no package

STORED = json.loads((LEARN / "verdicts.json").read_text())
AGAIN = "torchref compare --all --out runs/verdicts; python manual/_site/verdicts.py runs/verdicts/lessons.json"


def test_every_lesson_is_there_and_says_the_same():
    """Catches a lesson that is new, gone, or has another claim or number of seeds than the stored verdict."""
    assert [verdict["name"] for verdict in STORED] == lessons(), AGAIN
    for verdict in STORED:
        lesson = find_lesson(verdict["name"])
        assert (verdict["claim"], verdict["seeds"]) == (lesson.headline, lesson.seeds), AGAIN


def test_the_pages_show_what_is_stored():
    """Catches a verdict that was changed by hand, and a lesson that no page shows."""
    by_name = {verdict["name"]: verdict for verdict in STORED}
    assert (LEARN / "verdicts.md").read_text() == verdicts.page(STORED), AGAIN
    shown = set()
    for page in LEARN.glob("*.md"):
        text = page.read_text()
        assert text == verdicts.filled(text, by_name), f"{page.name}: {AGAIN}"
        shown |= {found[1] for found in verdicts.BLOCK.finditer(text)}
    assert shown == set(by_name)
