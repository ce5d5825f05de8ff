"""`torchref compare LESSON`: what it refuses, and what it leaves alone."""

import json
import re
from functools import partial

import pytest

from torchref.cli.command_line import main
from torchref.cli.lessons import How, run_lessons
from torchref.compare.catalogue import find_lesson
from torchref.compare.tasks import pool
from torchref.compare.tasks.task import Ended
from torchref.compare.train.progress import ProgressDisplay


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["zero-initialization", "--epochs", "3"], "epochs: a lesson brings its own settings"),
        (["neuron", "--seeds", "1"], "seeds: a verdict needs two trainings at least, not 1"),
        (["neuron", "--grid", "lr=1,2"], "grid: a lesson has variants of its own"),
        (["neuron", "--scheduler", "tcp://x:1"], "scheduler: one lesson is one task"),
        (["digits", "--all"], "all: it runs every lesson"),
        (["digits", "--quick"], "quick: digits is no lesson"),
    ],
)
def test_mistakes(capsys, tmp_path, arguments, message):
    """An option that would be ignored is refused."""
    assert main(["compare", *arguments, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_seeds(capsys, tmp_path):
    """Catches a number of seeds that is accepted and ignored."""
    assert main(["compare", "circuit", "--quick", "--json", "--seeds", "2", "--out", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["seeds"] == 2


def test_resume_leaves_out_what_is_done(capsys, tmp_path):
    """Catches a lesson that is trained again, and one that is left out though it was trained in another way."""
    words = ["compare", "circuit", "--quick", "--out", str(tmp_path)]
    assert main([*words, "--seeds", "2", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    written = tmp_path / "circuit" / "lesson.json"
    before = written.stat().st_mtime_ns
    assert main([*words, "--seeds", "2", "--json", "--resume"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert written.stat().st_mtime_ns == before
    assert main([*words, "--seeds", "3", "--json", "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["seeds"] == 3
    config = tmp_path / "circuit" / "config.toml"
    assert "circuit.py" in config.read_text()
    config.write_text(config.read_text().replace('circuit.py" = "', 'circuit.py" = "0'))  # as if the file had changed
    before = written.stat().st_mtime_ns
    assert main([*words, "--seeds", "3", "--json", "--resume"]) == 0
    assert written.stat().st_mtime_ns != before


def test_lessons_side_by_side_are_those_one_after_the_other(capsys, tmp_path):
    """Catches results in the order in which lessons end, figures that depend on the process, a failure that is lost."""
    names = ["neuron", "circuit"]

    def trained(place, tasks, **how):
        status = run_lessons(
            names,
            tmp_path / place,
            how=How(seeds=2, quick=True, **how),
            json_only=True,
            dry_run=False,
            table=True,
            run_tasks=tasks,
        )
        results = json.loads((tmp_path / place / "lessons.json").read_text())
        return status, [{k: v for k, v in r.items() if k not in ("seconds", "environment")} for r in results]

    side_by_side = partial(pool.run_tasks, workers=2)
    status, results = trained("tasks", side_by_side)
    assert (status, results) == trained("here", None)
    assert status == 0
    assert [result["name"] for result in results] == names
    assert trained("tasks", None, resume=True) == (status, results)

    def one_fails(function, tasks, on_progress):
        yield Ended(1, None, "its process was killed")

    assert trained("failing", one_fails) == (2, [])
    assert "circuit failed: its process was killed" in capsys.readouterr().err


def test_the_first_line_says_how_much_there_is_and_that_a_lesson_begins_anew(capsys, tmp_path, monkeypatch):
    """Catches minutes of training without the time left, which are lost unsaid when they are broken off."""
    monkeypatch.setattr(ProgressDisplay.__init__, "__defaults__", (False, None, 0.0, "step"))  # a line each time
    assert main(["compare", "circuit", "--quick", "--out", str(tmp_path)]) == 0
    first, *rest = capsys.readouterr().err.splitlines()
    variants = len(find_lesson("circuit").variants)
    said = f"circuit: {variants} variants with 3 seeds each, {3 * variants} trainings; broken off, a lesson begins anew"
    assert first.startswith(said)
    assert re.fullmatch(rf"circuit: training 2 of {3 * variants} \(\d+ %, \d:\d\d left\)", rest[2])


def test_dry_run(capsys, tmp_path):
    """Catches a dry run that trains, or writes."""
    assert main(["compare", "neuron", "--dry-run", "--out", str(tmp_path)]) == 0
    assert (
        capsys.readouterr().out == f"would train neuron with 10 seeds each, into {tmp_path / 'neuron'}: tanh; sigmoid\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_folder_that_no_lesson_made_is_kept(capsys, tmp_path):
    """Catches a run that deletes what is not its own."""
    (tmp_path / "zero_initialization").mkdir()
    (tmp_path / "zero_initialization" / "mine.txt").write_text("mine")
    assert main(["compare", "zero_initialization", "--quick", "--out", str(tmp_path)]) == 2
    assert "no lesson made it" in capsys.readouterr().err
    assert (tmp_path / "zero_initialization" / "mine.txt").exists()
