"""Every lesson runs, and none answers that a claim holds when the effect is switched off."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from torchref.cli.command_line import main
from torchref.compare.catalogue import find_lesson, lessons, listing
from torchref.compare.teach.findings import FAILS
from torchref.compare.teach.teach import teach


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
    recorded = {
        tag
        for events in (tmp_path / name).glob("**/numpy/")
        for tag in EventAccumulator(str(events)).Reload().Tags()["scalars"]
    }
    assert set(lesson.cards) <= recorded, "a card that shows nothing"
    control = teach(lesson, out=None, quick=True, control=True)
    assert control.passed, control.mismatch
    assert control.verdict == FAILS, control.text()


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
