"""An interrupted run continues from all of it, or a message says what is missing and what to do."""

import json
import shlex
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.compare.tiny import tiny
from torchref import compare
from torchref.cli.command_line import main
from torchref.compare.errors import UserError
from torchref.compare.record.metrics import read_metrics
from torchref.compare.tasks import pool
from torchref.compare.tasks.task import Ended, attempt
from torchref.compare.train import checkpoint
from torchref.compare.train import run as training
from torchref.compare.train import variant as variant_training
from torchref.compare.train.progress import ProgressDisplay

TINY = str(Path(__file__).parents[1] / "tiny.py")
STEPS = 6  # of a variant of `tiny`


class Stop(Exception):
    """What ends a run in the middle, as a kill does: nothing is written after it."""


def stopped(out, at=4, **options):
    """A run of `tiny` that ended behind the step `at` of its second variant, with a checkpoint after each step."""

    def stop(variant, step, steps, index, count):
        if (index, step) == (1, at):
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variant_training, "CHECKPOINT_SECONDS", -1.0)
        with pytest.raises(Stop):
            compare.run(tiny, out=out, on_progress=stop, **options)
    return out / "tiny"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    compare.run(tiny, out=out)
    return out / "tiny"


@pytest.fixture(scope="module")
def once_cut_short(tmp_path_factory):
    return stopped(tmp_path_factory.mktemp("cut"))


@pytest.fixture
def cut_short(once_cut_short, tmp_path):
    """A run that ended in the middle of its second variant, in tmp_path."""
    return shutil.copytree(once_cut_short, tmp_path / "tiny")


def same_record(ours, theirs, variants=("plain", "dropout")):
    for variant in variants:
        assert read_metrics(ours / variant) == read_metrics(theirs / variant), variant


def keep_three_lines(path):
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1
    path.write_bytes(data)


EVENTS = "numpy/events.out.tfevents.0000000000.torchref"


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("metrics.jsonl", keep_three_lines),
        ("metrics.jsonl", empty),
        ("metrics.jsonl", remove),
        (EVENTS, remove),
        (EVENTS, flip_a_bit),
    ],
)
@pytest.mark.parametrize("variant", ["plain", "dropout"])  # the one is finished, the other was cut short
def test_a_record_that_is_short_is_told_and_the_remedy_works(tmp_path, cut_short, whole, variant, file, damage, capsys):
    """Catches an EQUAL with a record that is short for ever, and advice that cannot be followed."""
    folder = cut_short
    damage(folder / variant / file)
    assert main(["compare", TINY, "--out", str(tmp_path), "--resume"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(folder / variant / file) in said
    assert f"; remove {folder / variant} and resume again: {variant} is trained anew" in said
    shutil.rmtree(folder / variant)
    assert main(["compare", TINY, "--out", str(tmp_path), "--resume"]) == 0
    same_record(folder, whole)


@pytest.mark.parametrize("at", [1, 4, 6])
def test_what_was_stopped_ends_as_what_was_not(tmp_path, whole, at):
    """Catches a record with lines twice or missing after a resume, wherever the run was stopped."""
    folder = stopped(tmp_path, at)
    assert compare.run(tiny, out=tmp_path, resume=True).passed
    same_record(folder, whole)


def test_a_last_line_that_was_cut_is_repaired_and_said(tmp_path, cut_short, whole, capsys):
    """Catches a repair that nobody hears of."""
    metrics = cut_short / "dropout" / "metrics.jsonl"
    with metrics.open("ab") as file:
        file.write(b'{"count": 99, "st')
    assert main(["compare", TINY, "--out", str(tmp_path), "--resume"]) == 0
    said = f"dropout: the last line of {metrics} was cut short: it was taken back to step "
    assert said in capsys.readouterr().out
    same_record(cut_short, whole)


def test_a_checkpoint_of_another_variant_is_refused(tmp_path, cut_short):
    """Catches weights that go on in a network that they are not of: the two have the same shapes."""
    folder = cut_short
    shutil.rmtree(folder / "dropout" / "checkpoint")
    shutil.copytree(folder / "plain" / "checkpoint", folder / "dropout" / "checkpoint")
    with pytest.raises(UserError, match=r"checkpoint is of variant = 'plain', this run of 'dropout'; remove .*dropout"):
        compare.run(tiny, out=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("comparison", {"name": "other"}),
        ("seed", {"seed": 7}),
        ("batch_size", {"batch_size": 9}),
        ("dtype", {"dtype": "float32"}),
        ("options", {"variants": {"plain": {"p": 0.0}, "dropout": {"p": 0.7}}}),
        ("optimizer", {"optimizer_options": {"lr": 0.1}}),
    ],
)
def test_a_checkpoint_of_another_comparison_is_refused(tmp_path, cut_short, name, changes):
    """Catches a checkpoint that is put into a run of another name or other settings."""
    other = replace(tiny, **changes)
    compare.run(other, out=tmp_path / "other", only="dropout")
    there = tmp_path / "other" / other.name / "dropout" / "checkpoint"
    shutil.rmtree(there)
    shutil.copytree(cut_short / "dropout" / "checkpoint", there)
    with pytest.raises(UserError, match=rf"checkpoint is of {name} = "):
        compare.run(other, out=tmp_path / "other", only="dropout", resume=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": lambda nn, p: nn.Sequential(nn.Linear(5, 9), nn.BatchNorm1d(9), nn.Linear(9, 3))},
        {"optimizer": lambda optim, parameters: optim.SGD([{"params": [p]} for p in parameters], lr=0.1)},
        {"optimizer": lambda optim, parameters: optim.Adam(parameters, lr=0.1)},
        {"scheduler": lambda lr_scheduler, optimizer: lr_scheduler.StepLR(optimizer, 1)},
    ],
)
def test_a_comparison_in_no_file_that_was_changed_is_refused(tmp_path, cut_short, changes, monkeypatch):
    """Catches a traceback where the network was typed in, or is torchref's, and is another than the run's."""
    monkeypatch.setattr(training, "check_origin", lambda path, now: None)
    with pytest.raises(UserError, match=r"checkpoint does not fit this comparison \(\w+Error: .*remove ") as caught:
        compare.run(replace(tiny, **changes), out=tmp_path, resume=True, only="dropout")
    assert "\n" not in str(caught.value)
    shutil.rmtree(cut_short / "dropout")
    assert compare.run(replace(tiny, **changes), out=tmp_path, resume=True, only="dropout").passed


def test_a_training_of_one_batch_an_epoch_has_checkpoints(tmp_path, monkeypatch):
    """Catches checkpoints that are made between two batches alone: a kill would cost the whole training."""
    whole_batch = replace(tiny, batch_size=100, epochs=3)
    monkeypatch.setattr(variant_training, "CHECKPOINT_SECONDS", -1.0)

    def stop(variant, step, steps, index, count):
        if step == 3:
            raise Stop

    with pytest.raises(Stop):
        compare.run(whole_batch, out=tmp_path / "cut", only="dropout", on_progress=stop)
    assert checkpoint.load(tmp_path / "cut" / "tiny" / "dropout" / "checkpoint")[0] == 2
    compare.run(whole_batch, out=tmp_path / "cut", only="dropout", resume=True)
    compare.run(whole_batch, out=tmp_path / "whole", only="dropout")
    same_record(tmp_path / "cut" / "tiny", tmp_path / "whole" / "tiny", ["dropout"])


def test_a_checkpoint_without_a_name_is_refused(tmp_path, cut_short):
    """A checkpoint of an older version, which names nothing."""
    folder = cut_short / "dropout" / "checkpoint"
    step, arrays, state = checkpoint.load(folder)
    del state["of"]
    checkpoint.save(folder, step, arrays, state)
    with pytest.raises(UserError, match=r"checkpoint is of comparison = None, this run of 'tiny'"):
        compare.run(tiny, out=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("of", 3),
        ("report", None),
        ("record", None),
        ("record", {}),
        ("record", {"step": 1, "count": "2", "chain": "", "events": {}}),
        ("record", {"step": 1, "count": 2, "chain": "", "events": [1]}),
        ("record", {"step": 1, "count": 2, "chain": "", "events": {"torch": 3}}),
        ("epoch", None),
    ],
)
def test_a_checkpoint_that_somebody_has_written_anew_is_refused(tmp_path, cut_short, name, value):
    """Catches a traceback where a checkpoint has its SHA-256, but not its parts: None takes a part away."""
    folder = cut_short / "dropout" / "checkpoint"
    step, arrays, state = checkpoint.load(folder)
    if value is None:
        del state[name]
    else:
        state[name] = value
    checkpoint.save(folder, step, arrays, state)
    with pytest.raises(UserError, match=r"^resume: .*; remove .*dropout and resume again") as caught:
        compare.run(tiny, out=tmp_path, resume=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stop", [0, 4])
def test_more_epochs_continue(tmp_path, stop):
    """Catches a finished run that --resume with more epochs leaves as it is, and summaries of the shorter one."""
    longer = replace(tiny, epochs=4)
    compare.run(longer, out=tmp_path / "whole")
    if stop:
        stopped(tmp_path, stop)
    else:
        compare.run(tiny, out=tmp_path)
    assert compare.run(longer, out=tmp_path, resume=True).passed
    same_record(tmp_path / "tiny", tmp_path / "whole" / "tiny")
    (_, arrays, _), (_, other_arrays, _) = (
        checkpoint.load(out / "tiny" / "dropout" / "checkpoint") for out in (tmp_path, tmp_path / "whole")
    )
    assert {n: a.tobytes() for n, a in arrays.items()} == {n: a.tobytes() for n, a in other_arrays.items()}
    assert tomllib.loads((tmp_path / "tiny" / "config.toml").read_text())["epochs"] == 4
    with pytest.raises(UserError, match="has epochs = 4, this run 2"):
        compare.run(tiny, out=tmp_path, resume=True)


@pytest.mark.parametrize("what", [".", "tiny", "tiny/plain", "tiny/plain/metrics.jsonl", "tiny/plain/torch"])
def test_a_folder_that_is_removed_is_told_at_once(tmp_path, what):
    """Catches hours of training into files without a name, and a folder that comes back with half a run in it."""
    out = tmp_path / "runs"
    seen = []

    def look(variant, step, steps, index, count):
        seen.append((index, step))
        if seen[-1] == (0, 2):
            path = out / what
            path.unlink() if path.is_file() else shutil.rmtree(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variant_training, "CHECKPOINT_SECONDS", -1.0)
        with pytest.raises(UserError, match=r"runs.* was removed"):
            compare.run(tiny, out=out, on_progress=look)
    assert seen[-1] == (0, 2)
    assert what == "tiny/plain/torch" or not (out / what).exists()


def test_a_folder_that_is_removed_between_variants_does_not_come_back(tmp_path):
    """Catches a run that makes its folder anew for the second variant, and reports both."""

    def look(variant, step, steps, index, count):
        if index == 1:
            pytest.fail("the second variant is trained")

    train = variant_training.VariantTraining.train

    def train_and_remove(self, *arguments):
        report = train(self, *arguments)
        shutil.rmtree(tmp_path / "runs")
        return report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variant_training.VariantTraining, "train", train_and_remove)
        for only in (None, "plain"):
            with pytest.raises(UserError, match=r"tiny( was removed|.*: No such file)"):
                compare.run(tiny, out=tmp_path / "runs", only=only, on_progress=look)
            assert not (tmp_path / "runs").exists()


def test_ctrl_c_before_anything_is_written(tmp_path, capsys, monkeypatch):
    """Catches advice to continue a run that is not there."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "rehearse", interrupt)
    words = ["compare", TINY, "--out", str(tmp_path / "runs")]
    assert main(words) == 130
    said = capsys.readouterr().err
    assert "nothing is written yet" in said
    assert "--resume" not in said
    assert main([*words, "--resume"]) == 2  # the advice would not have worked
    assert main([*words, "--seeds", "2", "--dry-run"]) == 0


@pytest.mark.parametrize("step", [1, 3])
def test_the_advice_after_ctrl_c_works(tmp_path, capsys, monkeypatch, step, whole):
    """Catches a command that lacks what the run was given."""
    show = ProgressDisplay.__call__

    def interrupt(self, variant, at, steps, index=0, count=1):
        if at == step:
            raise KeyboardInterrupt
        show(self, variant, at, steps, index, count)

    monkeypatch.setattr(ProgressDisplay, "__call__", interrupt)
    assert main(["compare", TINY, "--out", str(tmp_path / "a b"), "--threads", "1"]) == 130
    said = capsys.readouterr().err.partition("to continue: torchref ")[2]
    assert "--threads 1" in said
    monkeypatch.setattr(ProgressDisplay, "__call__", show)
    assert main(shlex.split(said)) == 0
    same_record(tmp_path / "a b" / "tiny", whole)


def test_config_of_a_users_file_repeats_the_run(tmp_path, whole, capsys, monkeypatch):
    """Catches a config.toml that names a comparison which does not ship, from wherever it is run."""
    source = tmp_path / "mine.py"
    shutil.copy(TINY, source)
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "mine.py", "--out", "first", "--epochs", "1", "--only", "plain"]) == 0
    config = tmp_path / "first" / "tiny" / "config.toml"
    assert tomllib.loads(config.read_text())["file"] == str(source)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["compare", "--config", str(config), "--out", "second", "--only", "plain"]) == 0
    same_record(tmp_path / "first" / "tiny", tmp_path / "elsewhere" / "second" / "tiny", ["plain"])
    capsys.readouterr()
    source.unlink()
    assert main(["compare", "--config", str(config), "--out", "third"]) == 2
    assert capsys.readouterr().err == f"torchref: there is no file {source}\n"


def run_sweep(out, *words):
    return main(["compare", TINY, "--only", "plain", "--seeds", "1", "--workers", "1", "--out", str(out), *words])


def in_this_process(function, tasks, on_progress, *, workers):
    for number, task in enumerate(tasks):
        yield Ended(number, *attempt(function, lambda step, steps: None, task))


def test_a_sweeps_runs_are_checked_and_continued_too(tmp_path, capsys, monkeypatch):
    """Catches a sweep that takes a report for a run: a damaged record is an error, more epochs continue."""
    monkeypatch.setattr(pool, "run_tasks", in_this_process)
    assert run_sweep(tmp_path) == 0
    folder = tmp_path / "tiny" / "plain,seed=0"
    metrics = folder / "plain" / "metrics.jsonl"
    data = metrics.read_bytes()
    keep_three_lines(metrics)
    capsys.readouterr()
    assert run_sweep(tmp_path, "--resume") == 2
    said = capsys.readouterr().err
    assert f"{metrics} has lost lines" in said
    assert f"remove {metrics.parent} and resume again" in said
    shutil.rmtree(metrics.parent)
    assert run_sweep(tmp_path, "--resume") == 0
    assert metrics.read_bytes() == data
    capsys.readouterr()
    assert run_sweep(tmp_path, "--resume", "--dry-run") == 0
    assert capsys.readouterr().out == f"is done: {folder}\n"
    assert run_sweep(tmp_path, "--resume", "--epochs", "3") == 0
    assert json.loads((folder / "report.json").read_text())["variants"][0]["steps"] == 9
