"""Every lesson runs, and none answers that a claim holds when the effect is switched off."""

import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from torchref.cli.command_line import main
from torchref.compare.catalogue import find_lesson, lessons, listing
from torchref.compare.record.recorder import Recorder, read_metrics
from torchref.compare.teach.lesson import CONDITION, FAILS, HOLDS, Finding, always, equal, larger, verdict, within
from torchref.compare.teach.teaching import Trained, record, record_across, teach


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


def test_verdict():
    """Catches a verdict that ignores a part of the claim, or a limit."""

    def finding(role, confirmed):
        return Finding("", confirmed, "", role)

    assert verdict([finding("claim", True), finding("claim", True)]) == HOLDS
    assert verdict([finding("claim", True), finding("claim", False)]) == FAILS
    assert verdict([finding("claim", True), finding("limit", True)]) == CONDITION
    assert verdict([finding("claim", True), finding("limit", False), finding("instead", True)]) == HOLDS
    assert verdict([finding("claim", False), finding("limit", True)]) == FAILS
    assert verdict([finding("limit", True)]) == FAILS
    assert verdict([]) == FAILS


def test_findings():
    """Catches a difference that is luck, or nan, taken for one that is found."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((5, 2))
    assert not larger("", *noise.T).confirmed
    assert larger("", noise[:, 0] + 100, noise[:, 1]).confirmed
    assert not larger("", noise[:, 0] + 100, noise[:, 1], by=200).confirmed
    assert not larger("", [1.0, 2.0, np.nan], [0.0, 0.0, 0.0]).confirmed
    assert not larger("", [1.0], [0.0]).confirmed  # one seed shows nothing
    assert larger("", [0.7, 0.7, 0.7 + 1e-16], [0.1, 0.1, 0.1], by=0.3).confirmed  # equal figures: no division by zero
    assert within("", [0.9, 1.0, 1.1], 0, 2).confirmed
    assert not within("", [0.9, 1.0, 1.1], 0.95, 1.05).confirmed
    assert equal("", [0.0, 1e-12], 1e-9).confirmed
    assert not equal("", [0.0, np.nan], 1e-9).confirmed
    assert always("", [True, True]).confirmed
    assert not always("", [True, False]).confirmed


def test_what_one_engine_alone_measured_is_not_the_others(tmp_path):
    """Catches NumPy's figure drawn as torch's, and a sweep's curve with its points mixed up."""
    lesson = find_lesson("zero_initialization")
    trained = Trained(lesson, "v", next(iter(lesson.variants.values())), None, False)
    trained.note("both", 1.0, 2.0)
    trained.note("ours", 3.0)
    with Recorder(tmp_path / "v") as recorder:
        record(recorder, [trained])
    metrics = read_metrics(tmp_path / "v")
    assert metrics["numpy"] == {"both": [(0, 1.0)], "ours": [(0, 3.0)]}
    assert metrics["torch"] == {"both": [(0, 2.0)]}
    assert metrics["difference"] == {"difference/both (log10)": [(0, 0.0)]}
    values = np.array([1.0, 2.0, 6.0])
    record_across(tmp_path, {"by p": {"gap": [(50, values), (0, -values)], "loss": [(50, values / 2)]}})
    curves = read_metrics(tmp_path / "by p")
    assert curves["numpy"] == {"gap": [(0, -3.0), (50, 3.0)], "loss": [(50, 1.5)]}
    assert curves["least"] == {"gap": [(0, -6.0), (50, 1.0)], "loss": [(50, 0.5)]}
    assert curves["greatest"] == {"gap": [(0, -1.0), (50, 6.0)], "loss": [(50, 3.0)]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["zero-initialization", "--epochs", "3"], "epochs: a lesson brings its own settings"),
        (["neuron", "--seeds", "1"], "seeds: a verdict needs two trainings at least, not 1"),
        (["neuron", "--grid", "lr=1,2"], "grid: a lesson has variants of its own"),
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
