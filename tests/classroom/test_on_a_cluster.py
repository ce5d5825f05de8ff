"""A class that is graded on a cluster, one of whose workers is killed: the grades are those of this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.classroom import made_up
from tests.compare.tasks.machines import Machines, until
from torchref.cli.command_line import main

pytest.importorskip("distributed", reason="a cluster needs dask.distributed, which is not installed")
pytestmark = pytest.mark.timeout(1800)  # a machine may be busy; what is waited for is an event each time

NAMES = ("ada", "chloe", "nils")


def test_the_grades_are_those_of_one_machine(tmp_path, capsys):
    """Catches a grade that is lost with its worker, and feedback that depends on where it was judged."""
    made_up.hand_in(tmp_path / "submissions", NAMES)
    (tmp_path / "assignment.toml").write_text(made_up.ASSIGNMENT.format(cpu=30, wall=300), encoding="utf-8")
    words = ["grade", str(tmp_path / "assignment.toml"), str(tmp_path / "submissions"), "--quiet"]
    with Machines(tmp_path) as machines:
        machines.start_workers(2)
        more = ["--scheduler", machines.address, "--out", str(tmp_path / "cluster")]
        command = subprocess.Popen([sys.executable, "-m", "torchref", *words, *more], stdout=subprocess.DEVNULL)
        until(lambda: list(tmp_path.glob("cluster/results/*/*.json")), "a grade is kept")
        kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cluster/results/*/*.json")}
        machines.workers[0].kill()
        assert command.wait() == 0
        assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    one, other = (json.loads((tmp_path / place / "grades.json").read_text()) for place in ("one", "cluster"))
    assert one == other


def test_workers_of_both_kinds_are_refused(tmp_path, capsys):
    made_up.hand_in(tmp_path / "submissions", NAMES[:1])
    Path(tmp_path, "assignment.toml").write_text(made_up.ASSIGNMENT.format(cpu=3, wall=30), encoding="utf-8")
    words = ["grade", str(tmp_path / "assignment.toml"), str(tmp_path / "submissions"), "--out", str(tmp_path / "out")]
    assert main([*words, "--workers", "2", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "--scheduler has workers of its own" in capsys.readouterr().err
    assert main([*words, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "scheduler: there is none at 'tcp://127.0.0.1:9'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
