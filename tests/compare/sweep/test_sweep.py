"""Sweeps: numbers that do not depend on the workers, failures that stay alone, and resuming without repeating."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from torchref.cli.command_line import main
from torchref.compare.catalogue import find
from torchref.compare.options import varied
from torchref.compare.record.metrics import read_metrics
from torchref.compare.sweep.plan import parse_grid

FILE = str(Path(__file__).with_name("sweepable.py"))
SWEEP = ["compare", FILE, "--only", "plain", "--device", "cpu", "--json"]


def sweep(capsys, *arguments):
    status = main([*SWEEP, *arguments])
    return status, json.loads(capsys.readouterr().out)


def test_numbers_do_not_depend_on_the_number_of_workers(tmp_path, capsys):
    """Catches a seed that a process hands on to its next run, and options that are shown but not set."""
    grid = ["--seeds", "2", "--grid", "lr=0.05,0.2"]
    results = []
    for workers in ("1", "2"):
        status, result = sweep(capsys, *grid, "--workers", workers, "--out", str(tmp_path / workers))
        assert status == 0
        results.append(result)
    assert results[0] == results[1]
    assert [run["run"] for run in result["runs"]] == [
        f"plain,lr={lr},seed={seed}" for lr in (0.05, 0.2) for seed in (0, 1)
    ]
    for run in result["runs"]:
        one, two = (read_metrics(tmp_path / w / "sweepable" / run["run"] / "plain") for w in ("1", "2"))
        assert one == two
    assert len({run["training_loss"] for run in result["runs"]}) == 4
    best = [row["validation_accuracy_mean"] for row in result["table"]]
    assert best == sorted(best, reverse=True)
    assert json.loads((tmp_path / "1/sweepable/sweep.json").read_text()) == results[0]

    config = tmp_path / "1/sweepable" / run["run"] / "config.toml"  # and one of them alone is that run
    assert "lr = 0.2" in config.read_text()
    assert main([*SWEEP, "--config", str(config), "--out", str(tmp_path / "alone")]) == 0
    alone = json.loads(capsys.readouterr().out)["variants"][0]
    assert alone["training_loss_numpy"] == run["training_loss"]


def test_a_failing_and_a_killed_run_are_reported_and_the_others_go_on_and_resume(tmp_path, capsys, monkeypatch):
    """Catches a pool that breaks with one process, an error that is lost, and work that is done twice."""
    arguments = ["--grid", "trouble=none,kill,error", "--workers", "1", "--out", str(tmp_path)]
    status, result = sweep(capsys, *arguments)
    assert status == 2  # 1 would be a mismatch, and none was found
    assert not result["passed"]
    errors = {run["values"]["trouble"]: run["error"] for run in result["runs"]}
    assert errors["none"] is None
    assert "this one cannot be built" in errors["error"]
    assert errors["kill"] == "its process was killed by SIGKILL"
    folder = tmp_path / "sweepable"
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/report.json")}
    assert len(before) == 1

    assert main([*SWEEP, *arguments]) == 2
    assert "is already there: go on with --resume" in capsys.readouterr().err
    (tmp_path / "cured").touch()
    monkeypatch.setenv("TORCHREF_TEST_CURED", str(tmp_path / "cured"))
    status, result = sweep(capsys, *arguments, "--resume")
    assert status == 0
    assert [run["error"] for run in result["runs"]] == [None] * 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    losses = {run["training_loss"] for run in result["runs"]}
    assert len(losses) == 1  # `trouble` changes nothing else


def test_ctrl_c_ends_all_processes_and_says_how_to_go_on(tmp_path):
    """Catches processes that outlive the command (pytest's own time limit ends the waiting)."""
    words = [sys.executable, "-m", "torchref", *SWEEP[:-1], "--grid", "trouble=hang,none", "--workers", "1"]
    hangs = tmp_path / "hangs"
    process = subprocess.Popen(
        [*words, "--out", str(tmp_path / "runs")],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"TORCHREF_TEST_HANGS": str(hangs)},
    )
    while not hangs.exists():
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "interrupted; to continue: torchref compare" in errors
    assert "--grid trouble=hang,none" in errors
    while is_there(process.pid):  # multiprocessing's own helper takes a moment to see that its parent is gone
        time.sleep(0.1)


def is_there(group):
    """Whether a process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_table_is_shown_and_hparams_name_the_union_of_keys(tmp_path, capsys):
    """Catches columns of TensorBoard's table that the runs do not fill, because they are called otherwise."""
    status = main(
        [*SWEEP[:-1], "--seeds", "2", "--grid", "p=0.1", "--grid", "lr=0.1", "--workers", "1", "--out", str(tmp_path)]
    )
    assert status == 0
    shown, meanwhile = capsys.readouterr()
    assert "2 of 2 runs EQUAL" in shown
    for seed in (0, 1):  # the table fills while runs end
        assert f"plain,p=0.1,lr=0.1,seed={seed} is over: equal, validation accuracy 0." in meanwhile
    assert "±" in shown
    folder = tmp_path / "sweepable"

    def content(path, tag):
        events = EventAccumulator(str(path)).Reload()
        data = events.summary_metadata[tag].plugin_data.content
        return plugin_data_pb2.HParamsPluginData.FromString(data)

    experiment = content(folder, "_hparams_/experiment").experiment
    assert [info.name for info in experiment.hparam_infos] == ["variant", "engine", "model.p", "optimizer.lr", "seed"]
    assert experiment.metric_infos[0].name.tag == "accuracy/validation"
    session = content(
        folder / "plain,p=0.1,lr=0.1,seed=1/plain/numpy", "_hparams_/session_start_info"
    ).session_start_info
    for info in experiment.hparam_infos:
        assert info.name in session.hparams
    assert session.hparams["optimizer.lr"].number_value == 0.1
    assert session.hparams["engine"].string_value == "numpy"


def test_values_are_set_where_they_belong():
    comparison = varied(find(FILE), {"epochs": 3, "p": 0.25, "momentum": 0.5})
    assert comparison.epochs == 3
    assert all(options["p"] == 0.25 for options in comparison.variants.values())
    assert comparison.optimizer_options == {"momentum": 0.5}
    assert parse_grid(["a=1,2.5,true,relu", "batch-size=3"]) == {"a": [1, 2.5, True, "relu"], "batch_size": [3]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid", "lr"], "grid: 'lr' must be a name and values, as in lr=0.01,0.1"),
        (["--grid", "lr=0.1,"], "grid: 'lr=0.1,' must be a name and values"),
        (["--grid", "lr=1", "--grid", "lr=2"], "grid: lr is given twice"),
        (["--grid", "lr=1,1"], "grid: a value is given twice"),
        (["--grid", "momentun=1"], "grid: there is no 'momentun': did you mean 'momentum'?"),
        (["--grid", "epochs=0"], "epochs must be a whole number of at least 1, not 0"),
        (["--grid", "seed=1", "--seeds", "2"], "seeds: --seeds and --grid seed=... are given both"),
        (["--seeds", "0"], "seeds: there must be one at least, not 0"),
        (["--seeds", "2", "--workers", "0"], "workers: there must be one at least, not 0"),
        (["--workers", "2"], "workers: it is for the runs of --seeds and --grid, and there is one run"),
        (["--scheduler", "tcp://x:1"], "scheduler: it is for the runs of --seeds and --grid, and there is one run"),
        (["--seeds", "2", "--only", "plian"], "only: there is no variant 'plian': did you mean 'plain'?"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(tmp_path, capsys, arguments, message):
    words = [word for word in SWEEP if word not in ("--only", "plain")] if "--only" in arguments else SWEEP
    assert main([*words, *arguments, "--out", str(tmp_path)]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert not list(tmp_path.iterdir())
