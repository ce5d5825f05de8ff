"""`torchref view`: the right run, the right link, and a server that answers on this machine alone."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from torchref.compare.errors import UserError
from torchref.compare.record import view
from torchref.compare.record.recorder import Recorder


def record(folder, *variants):
    """A run's folder with a point in each engine's curve."""
    for variant in variants:
        with Recorder(folder / variant) as recorder:
            for engine in ("numpy", "torch", "difference"):
                recorder.scalar(engine, "loss/training", 0.5, 1)
    (folder / "config.toml").write_text("")


def test_find_run(tmp_path, monkeypatch):
    """A folder, a name, the newest run or sweep, a variant; and what is no run."""
    monkeypatch.chdir(tmp_path)
    record(Path("runs/old"), "plain")
    record(Path("runs/2026-01-01/new"), "plain")
    for path in Path("runs/old").iterdir():
        os.utime(path, (1, 1))
    assert view.find_run(None) == Path("runs/2026-01-01/new")
    Path("runs/2026-01-01/sweep.json").write_text("{}")
    assert view.find_run(None) == Path("runs/2026-01-01")  # all runs of a sweep, not the last of them
    assert view.find_run("old") == Path("runs/old")
    assert view.find_run("old/plain") == Path("runs/old/plain")
    assert view.find_run(str(tmp_path / "runs" / "old")) == tmp_path / "runs" / "old"
    with pytest.raises(UserError, match="no run 'odl': did you mean 'old'"):
        view.find_run("odl")
    Path("empty").mkdir()
    with pytest.raises(UserError, match="nothing is recorded in empty"):
        view.find_run("empty")


def test_deep_link(tmp_path):
    """Smoothing would hide what is compared; a colour tells the variants apart, or, of one variant, the engines."""
    record(tmp_path, "plain", "dropout")
    link = urlsplit(view.deep_link("http://127.0.0.1:6006/", tmp_path))
    query = parse_qs(link.query)
    assert (link.netloc, link.fragment) == ("127.0.0.1:6006", "timeseries")
    assert query["smoothing"] == ["0"]
    picture, *curves = json.loads(query["pinnedCards"][0])
    assert picture["runId"] == "defaultExperimentId/dropout/numpy"  # the first variant's
    assert {"plugin": "scalars", "tag": "loss/training"} in curves
    assert query["runColorGroup"] == ["regex:^(.*)/(?:numpy|torch|difference)$"]
    alone = parse_qs(urlsplit(view.deep_link("http://127.0.0.1:6006/", tmp_path / "plain")).query)
    assert alone["runColorGroup"] == ["regex:(numpy|torch|difference)$"]


@pytest.mark.parametrize(
    ("runs", "colours"),
    [
        (("a,lr=1,seed=0/a", "a,lr=1,seed=1/a", "a,lr=2,seed=0/a", "a,lr=2,seed=1/a"), 2),
        (("a,lr=1/a", "a,lr=2/a"), 2),
        (("a,seed=0/a", "a,seed=1/a"), 2),  # nothing else is varied
        (("x/a,seed=0,lr=1/a", "x/a,seed=1,lr=1/a", "x/a,seed=0,lr=2/a", "y/a,lr=1/a", "y/b,lr=1/b"), 4),
    ],
)
def test_a_sweeps_colours_are_its_settings(tmp_path, runs, colours):
    """Catches a colour for each seed, of which two settings cannot be told apart, and engines of different colours."""
    record(tmp_path, *runs)
    rule = parse_qs(urlsplit(view.deep_link("http://127.0.0.1:6006", tmp_path)).query)["runColorGroup"][0]
    found = [re.match(rule.removeprefix("regex:"), f"{run}/{engine}") for run in runs for engine in ("numpy", "torch")]
    assert len({match.groups() for match in found if match}) == colours, rule
    assert re.match(rule.removeprefix("regex:"), "about/this run") is None
    assert all(found)


def test_before_there_is_a_curve_the_text_is_shown(tmp_path):
    """Catches an empty page of curves while a lesson is trained."""
    with Recorder(tmp_path / "about", engines=("this run",)) as recorder:
        recorder.text("this run", "about this run", "Running", 0)
    (tmp_path / "config.toml").write_text('cards = ["gap"]')
    assert urlsplit(view.deep_link("http://127.0.0.1:6006", tmp_path)).fragment == "text"


def test_the_first_variant_is_on_top(tmp_path):
    """Catches the picture of the variant that the alphabet puts first, where the comparison begins with another."""
    record(tmp_path, "plain", "dropout")
    (tmp_path / "config.toml").write_text("[variants.plain]\n[variants.dropout]\n")
    query = parse_qs(urlsplit(view.deep_link("http://127.0.0.1:6006", tmp_path)).query)
    assert json.loads(query["pinnedCards"][0])[0]["runId"] == "defaultExperimentId/plain/numpy"


def test_a_lessons_cards_are_on_top(tmp_path):
    """Catches a page whose first curve is not the claim's; a variant's own page has them, too."""
    record(tmp_path, "plain", "norm")

    def page(folder):
        link = urlsplit(view.deep_link("http://127.0.0.1:6006", folder))
        query = parse_qs(link.query)
        picture, *cards = json.loads(query["pinnedCards"][0])
        assert picture["tag"] == "NumPy on torch/loss of each step"
        return [card["tag"] for card in cards], query["runColorGroup"][0], link.fragment

    (tmp_path / "config.toml").write_text('cards = ["gap", "loss/step"]\ncolors = "^(p|n)"')
    assert page(tmp_path) == (["gap", "loss/step"], "regex:^(p|n)", "timeseries")
    assert page(tmp_path / "plain") == (["gap", "loss/step"], "regex:(numpy|torch|difference)$", "timeseries")
    (tmp_path / "config.toml").write_text('cards = ["gap"]\ncolors = ""\npage = "text"')
    assert page(tmp_path) == (["gap"], "regex:^(.*)/(?:numpy|torch|difference)$", "text")
    (tmp_path / "config.toml").write_text("cards = [")
    assert page(tmp_path) == (list(view.PINNED), "regex:^(.*)/(?:numpy|torch|difference)$", "timeseries")


def test_no_browser_without_a_screen(monkeypatch):
    """On a server, a text browser would take the terminal over."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not view.has_browser()


def test_serves_until_ctrl_c(tmp_path):
    """As a user starts it: prints the link, serves the runs on 127.0.0.1, ends with Ctrl-C and exit status 0."""
    record(tmp_path, "plain")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [sys.executable, "-m", "torchref", "view", str(tmp_path), "--port", port, "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert f"http://127.0.0.1:{port}/?smoothing=0" in process.stdout.readline()
            runs = []
            while len(runs) < 3:  # TensorBoard reads them while it answers
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/runs") as answer:
                    runs = json.load(answer)
                time.sleep(0.1)
            assert sorted(runs) == ["plain/difference", "plain/numpy", "plain/torch"]
            second = subprocess.run(words, capture_output=True, text=True, check=False)
            assert second.returncode == 2
            assert port in second.stderr
            assert second.stderr.count("\n") == 1
        finally:
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_only_this_machine_sees_it_unless_asked(tmp_path):
    """Catches runs that are served to a network without a word, and a warning where nobody else can see them."""
    for host in ("127.0.0.1", "localhost", "::1", "127.0.1.1"):
        assert view.who_sees(host) == ""
    assert "asks for no password" in view.who_sees("0.0.0.0")
    assert view.who_sees("192.168.0.7")


def test_several_sweeps_have_the_columns_of_all(tmp_path):
    """Catches a table with the first sweep's columns alone."""
    for name, columns, metrics in (
        ("a", {"variant": ["plain"], "optimizer.lr": [0.1, 0.2]}, ["loss/validation"]),
        ("b", {"variant": ["plain", "wide"], "model.p": [0.5]}, ["loss/validation", "accuracy/validation"]),
    ):
        sweep = tmp_path / "runs" / name
        record(sweep / "run", "plain")
        (sweep / "sweep.json").write_text(json.dumps({"columns": columns, "metrics": metrics}))
    assert view.gathered(tmp_path / "runs" / "a", tmp_path / "no") == tmp_path / "runs" / "a"
    place = view.gathered(tmp_path / "runs", tmp_path / "all")
    assert {p.parent.relative_to(place).as_posix() for p in place.glob("*/*/*/numpy")} == {"a/run/plain", "b/run/plain"}
    (content,) = EventAccumulator(str(place)).Reload().PluginTagToContent("hparams").values()
    experiment = plugin_data_pb2.HParamsPluginData.FromString(content).experiment
    assert [info.name for info in experiment.hparam_infos] == ["variant", "optimizer.lr", "model.p"]
    assert [info.name.tag for info in experiment.metric_infos] == ["loss/validation", "accuracy/validation"]


def test_a_lessons_pictures_are_on_top(tmp_path):
    """Catches a figure's card that is looked for among the curves, and more curves switched on than named."""
    record(tmp_path, "plain", "norm")
    (tmp_path / "config.toml").write_text('cards = ["figures/gap", "loss/step"]\nruns = "^plain|about"')
    query = parse_qs(urlsplit(view.deep_link("http://127.0.0.1:6006", tmp_path)).query)
    _, figure, curve = json.loads(query["pinnedCards"][0])
    run = "defaultExperimentId/about/this run"
    assert figure == {"plugin": "images", "tag": "figures/gap", "runId": run, "sample": 0}
    assert curve == {"plugin": "scalars", "tag": "loss/step"}
    assert query["runFilter"] == ["^plain|about"]
