"""The plugin's routes, without a browser: what they answer, and what they do not serve."""

import base64
import json
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from tensorboard.plugins.base_plugin import TBContext
from torch.utils.tensorboard import SummaryWriter
from werkzeug.test import Client

from tests.compare.record.backprop.recorded import provider, read
from tests.compare.tiny import tiny
from torchref import compare
from torchref.circuit import Value
from torchref.compare.record.backprop.browser import packed
from torchref.compare.record.backprop.plugin import OWN, BackpropPlugin
from torchref.page.circuits import described
from torchref.page.inline import STATIC
from torchref.referee.report import Judgement, Report

ROOT = Path(__file__).parents[4]
PARTED = Judgement("w", "parameter", op="addmm", module="2", source="model.py:7", error=0.5, bound=0.001)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    compare.run(tiny, out=out)
    return out / "tiny"


@pytest.fixture(scope="module")
def apps(folder):
    return BackpropPlugin(TBContext(data_provider=provider(folder))).get_plugin_apps()


def ask(apps, path, **query):
    return Client(apps[path]).get(path, query_string=query)


def test_steps(apps):
    """Catches a variant or a step that the tab cannot choose."""
    assert ask(apps, "/steps").json == {"plain": [1, 2, 3, 4, 5, 6], "dropout": [1, 2, 3, 4, 5, 6]}


def test_a_step_comes_to_the_last_bit(apps, folder):
    """Catches entries that JSON rounds, and tensors of another step, engine or variant."""
    tensors, structures = read(folder)
    answer = ask(apps, "/step", variant="dropout", step=3).json
    assert answer["structure"] == structures["dropout/numpy", 3]
    for engine in ("numpy", "torch"):
        mine = {tag for run, tag, step in tensors if (run, step) == (f"dropout/{engine}", 3)}
        assert answer["tensors"][engine].keys() == mine
        for tag in mine:
            entries = np.frombuffer(base64.b64decode(answer["tensors"][engine][tag]), "<f8")
            assert np.array_equal(entries, tensors[f"dropout/{engine}", tag, 3].ravel()), tag
    assert ask(apps, "/structures", variant="dropout").json[2] == structures["dropout/numpy", 3]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/step", {"variant": "plain", "step": "7"}),
        ("/step", {"variant": "../plain", "step": "1"}),
        ("/step", {"variant": "plain", "step": "first"}),
        ("/step", {}),
        ("/structures", {"variant": "none"}),
    ],
)
def test_what_is_not_there_is_not_found(apps, path, query):
    """Catches a traceback, or the answer to another question."""
    answer = ask(apps, path, **query)
    assert answer.status_code == 404
    assert "nothing is recorded" in answer.json["error"]


def test_a_referees_report(tmp_path):
    """Catches a tab that sleeps where a training has reports alone, a report that is lost, and one of another step."""
    assert BackpropPlugin(TBContext(data_provider=provider(tmp_path))).is_active() is False
    reports = {0: Report(judged=[Judgement("w", "parameter")]), 10: Report(parted=[PARTED])}
    with SummaryWriter(tmp_path / "mine") as writer:
        for step, report in reports.items():
            report.write(writer, step)
    plugin = BackpropPlugin(TBContext(data_provider=provider(tmp_path)))
    assert plugin.is_active()
    (equal, parted) = ask(plugin.get_plugin_apps(), "/reports").json["mine"]
    assert (equal[0], parted[0]) == (0, 10)
    assert "EQUAL" in equal[1]
    for said in ("first to part: addmm in 2", "model.py:7", "error:  0.5", "explains 0.001"):
        assert said in parted[1], said


def test_nan_and_inf_arrive():
    """Catches JSON that no browser reads: a diverged training is looked at, too."""
    values = np.array([np.nan, np.inf, -0.0, 1e-310])
    answer = json.loads(json.dumps(packed({}, {"numpy": {"a": values}}), allow_nan=False))
    entries = np.frombuffer(base64.b64decode(answer["tensors"]["numpy"]["a"]), "<f8")
    assert entries.tobytes() == values.tobytes()


def test_only_its_own_files_are_served(apps):
    """Catches a route into the file system, a file that no route serves, and a wrong type."""
    files = {f"/{path.name}": path for folder in (OWN, STATIC) for path in folder.iterdir()}
    assert apps.keys() == files.keys() | {"/steps", "/step", "/structures", "/circuits", "/reports"}
    assert not [path for path in apps if "*" in path]
    for path, file in files.items():
        answer = ask(apps, path)
        assert answer.status_code == 200
        assert answer.mimetype == ("text/css" if path.endswith(".css") else "text/javascript")
        assert answer.data == file.read_bytes()


def test_tensorboard_finds_the_plugin():
    """Catches an entry point that leads nowhere, and a tab without its module."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["tensorboard_plugins"]
    module, _, name = points["backprop"].partition(":")
    assert getattr(import_module(module), name) is BackpropPlugin
    plugin = BackpropPlugin(TBContext(data_provider=None))
    metadata = plugin.frontend_metadata()
    assert metadata.tab_name == "Backprop"
    assert (OWN / metadata.es_module_path[1:]).is_file()
    assert plugin.data_plugin_names() == ("backprop",)


def test_a_circuit_as_data(apps):
    """Catches an operand that is not before its use, and a gradient of another graph."""
    x = Value(3.0, "x")
    found = described("square", "", x * x)
    assert [value["operands"] for value in found["values"]] == [[], [0, 0]]
    assert [value["grad"] for value in found["values"]] == [6.0, 1.0]
    assert found["values"][1]["local"] == [3.0, 3.0]
    for circuit in ask(apps, "/circuits").json:
        assert all(i < at for at, value in enumerate(circuit["values"]) for i in value["operands"])
