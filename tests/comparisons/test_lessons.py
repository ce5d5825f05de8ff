"""Every lesson runs, and none answers that a claim holds when the effect is switched off."""

import json
import re

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from torchref.cli.command_line import main
from torchref.compare.catalogue import find_lesson, lessons, listing
from torchref.compare.teach.findings import FAILS, verdict
from torchref.compare.teach.teach import QUICK_SEEDS, teach


@pytest.mark.parametrize("name", lessons())
def test_quick_form_and_control(name, tmp_path):
    """Catches a lesson that does not run, a gradient that differs, and a verdict that no figure can change."""
    lesson = find_lesson(name)
    assert lesson.name == name
    assert lesson.headline == listing()[name]
    taught = teach(lesson, out=tmp_path, quick=True)
    assert taught.passed, taught.mismatch
    assert taught.gradients > 0
    assert taught.findings
    assert json.loads((tmp_path / name / "lesson.json").read_text())["verdict"] == taught.verdict
    assert list((tmp_path / name).glob("*/numpy/events*"))
    check_cards(lesson, tmp_path / name)
    control = teach(lesson, out=None, quick=True, control=True)
    assert control.passed, control.mismatch
    assert verdict(control.findings, lesson.seeds, lesson.seeds) == FAILS, control.text()
    fewer = "not decided" if lesson.seeds > QUICK_SEEDS else ""
    assert control.verdict.startswith(fewer)


def check_cards(lesson, folder):
    """Each card shows something, each tag says what it shows, and no more than eight curves are on at first."""
    shown, runs = set(), set()
    for events in folder.glob("**/events.out.tfevents.*"):
        read = EventAccumulator(str(events)).Reload()
        found = read.Tags()
        runs |= {events.parent.relative_to(folder).as_posix()} if found["scalars"] else set()
        for tag in [*found["scalars"], *found["images"], *found["histograms"], *found["tensors"]]:
            shown.add(tag)
            if tag != "default":
                assert read.SummaryMetadata(tag).summary_description, tag
    assert set(lesson.cards) <= shown, "a card that shows nothing"
    assert "about this run" in shown
    assert len([run for run in runs if re.search(lesson.runs, run)]) <= 8, runs


@pytest.mark.slow
@pytest.mark.parametrize("name", lessons())
def test_full_control(name):
    """The same with all epochs and seeds: what the quick form is too short to see."""
    assert teach(find_lesson(name), out=None, control=True).verdict == FAILS


@pytest.mark.slow
def test_all(tmp_path, capsys):
    """Every lesson in one table."""
    assert main(["compare", "--all", "--quick", "--out", str(tmp_path)]) == 0
    table = (tmp_path / "lessons.md").read_text()
    documents = json.loads((tmp_path / "lessons.json").read_text())
    assert [document["name"] for document in documents] == lessons()
    assert all(f"| {name} |" in table for name in lessons())
