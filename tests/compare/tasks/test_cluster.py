"""Sweeps on a cluster: killed workers and schedulers change no number, and nothing is done twice."""

import gc
import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.compare.tasks.machines import Machines, is_there, until
from torchref.cli.command_line import main
from torchref.compare.record.metrics import read_metrics
from torchref.compare.tasks import cluster
from torchref.compare.tasks.worker import Terms, refusal, versions

pytest.importorskip("distributed", reason="a cluster needs dask.distributed, which is not installed")
pytestmark = [
    pytest.mark.timeout(1800),  # a machine may be busy; what is waited for is an event each time
    pytest.mark.skipif(not Path("/proc").exists(), reason="whose child a process is, these tests read in /proc"),
]

ROOT = Path(__file__).parents[3]
FILE = str(Path(__file__).with_name("held.py"))
STEPS = 6  # of a run
SWEEP = ["compare", FILE, "--only", "plain", "--device", "cpu", "--json"]


@pytest.fixture
def machines(tmp_path):
    """A scheduler without workers; TORCHREF_TEST_GATE is the folder `gate`."""
    gate = tmp_path / "gate"
    gate.mkdir()
    with Machines(tmp_path, TORCHREF_TEST_GATE=str(gate)) as started:
        started.gate = gate
        yield started


def start(machines, *arguments):
    """The command, with this cluster."""
    words = [sys.executable, "-m", "torchref", *SWEEP, "--scheduler", machines.address, *arguments]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def held(machines, count):
    """The processes that hold a run at its second step, once there are so many."""

    def found():
        pids = [int(path.read_text() or 0) for path in machines.gate.glob("held *")]
        return len(pids) >= count and all(pids) and pids

    return until(found, f"{count} runs are held")


def by_one_worker(tmp_path, capsys, *arguments):
    """The same sweep by one process of this machine."""
    assert main([*SWEEP, *arguments, "--workers", "1", "--out", str(tmp_path / "one")]) == 0
    return json.loads(capsys.readouterr().out)


def records(folder):
    """Every number that the runs have recorded."""
    return {path.name: read_metrics(path / "plain") for path in sorted((folder / "held").iterdir()) if path.is_dir()}


def each_step_once(machines, runs):
    """Catches a run that begins anew, and one that two workers train."""
    found = Counter(tuple(line.split()[:2]) for line in (machines.gate / "steps").read_text().splitlines())
    expected = {(f"plain,seed={seed}", str(step)): 1 for seed in range(runs) for step in range(1, STEPS)}
    assert {key: n for key, n in found.items() if key[1] != str(STEPS)} == expected


def test_a_killed_workers_run_goes_on_elsewhere_from_its_checkpoint(machines, tmp_path, capsys):
    """Catches a run that is lost or begun anew, an orphan that trains on, and numbers that depend on who trains."""
    machines.start_workers(2)
    command = start(machines, "--seeds", "3", "--out", str(tmp_path / "cluster"))
    victim, *_ = held(machines, 2)
    machines.kill_worker_of(victim)
    until(lambda: not is_there(victim), "the killed worker's process ends")
    (machines.gate / "open").touch()
    said, errors = command.communicate()
    assert command.returncode == 0, errors
    each_step_once(machines, 3)
    assert json.loads(said) == by_one_worker(tmp_path, capsys, "--seeds", "3")
    assert records(tmp_path / "cluster") == records(tmp_path / "one")
    assert not list(tmp_path.glob("**/.torchref-*"))  # the token that workers are asked for is gone


def test_ctrl_c_ends_the_workers_processes_and_says_how_to_go_on(machines, tmp_path):
    """Catches runs that go on when nobody waits for them: --resume would find them locked."""
    machines.start_workers(2)
    command = start(machines, "--seeds", "2", "--out", str(tmp_path / "cluster"))
    pids = held(machines, 2)
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate()
    assert command.returncode == 130
    assert "interrupted; to continue: torchref compare" in errors
    assert f"--scheduler {machines.address}" in errors
    for pid in pids:
        until(lambda pid=pid: not is_there(pid), "the process that trained ends")


@pytest.mark.slow
def test_two_killed_workers_and_a_restarted_scheduler_change_no_number(machines, tmp_path, capsys):
    """Catches what the short test may miss: a second death, a scheduler's, and runs that --resume trains again."""
    runs = 5
    arguments = ["--seeds", str(runs), "--out", str(tmp_path / "cluster")]
    machines.start_workers(3)
    command = start(machines, *arguments)
    pids = held(machines, 3)
    for victim in pids[:2]:
        machines.kill_worker_of(victim)
    machines.kill_scheduler()
    _, errors = command.communicate()
    assert command.returncode == 2
    assert f"scheduler: {machines.address} is gone" in errors
    assert "--resume" in errors
    for pid in pids:
        until(lambda pid=pid: not is_there(pid), "the process that trained ends")

    machines.start_scheduler()
    machines.start_workers(2)
    (machines.gate / "open").touch()
    again = start(machines, *arguments, "--resume")
    said, errors = again.communicate()
    assert again.returncode == 0, errors
    each_step_once(machines, runs)
    assert json.loads(said) == by_one_worker(tmp_path, capsys, "--seeds", str(runs))
    assert records(tmp_path / "cluster") == records(tmp_path / "one")

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cluster").rglob("report.json")}
    assert len(before) == runs
    finished = start(machines, *arguments, "--resume")
    said, errors = finished.communicate()
    assert finished.returncode == 0, errors
    assert {path: path.stat().st_mtime_ns for path in before} == before


def mistake(machines, capsys, *arguments, out):
    """The one line that the command says."""
    assert main([*SWEEP, "--seeds", "2", "--scheduler", machines.address, *arguments, "--out", str(out)]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert not out.exists() or not list(out.iterdir())
    return errors


def test_a_scheduler_without_workers(machines, tmp_path, capsys, monkeypatch):
    """Catches a command that waits for ever for the first worker."""
    monkeypatch.setattr(cluster, "ATTEMPTS", 1)
    assert f"scheduler: {machines.address} has no workers" in mistake(machines, capsys, out=tmp_path / "out")


def test_workers_that_cannot_take_part_are_refused_before_anything_runs(machines, tmp_path, capsys):
    """Catches results of two versions in one table, and runs that are written where nobody finds them."""
    package = tmp_path / "other" / "numpy-1.0.dist-info"  # importlib.metadata finds it before the installed one
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    machines.start_workers(1, PYTHONPATH=str(package.parent))
    ours = versions()["numpy"]
    wanted = f"has numpy 1.0, and this machine {ours}: install the same versions"
    assert wanted in mistake(machines, capsys, out=tmp_path / "out")


def test_a_folder_that_the_workers_do_not_share(machines, tmp_path, capsys):
    """Catches results that stay on a worker's own disk."""
    out = tmp_path / "out"
    out.mkdir()
    hidden = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*hidden, "true"], check=False).returncode:
        pytest.skip("a folder cannot be hidden from a process here")
    script = f'mount -t tmpfs none "{out}" && exec "$@"'
    machines.start_workers(1, prefix=(*hidden, "sh", "-c", script, "sh"))
    assert f"does not see what is written to {out}" in mistake(machines, capsys, out=out)


def test_what_a_worker_must_have_in_common(tmp_path):
    """Catches a look that finds nothing: each part of it, without a cluster."""
    token = tmp_path / "token"
    token.write_text("1")
    good = Terms("1", str(tmp_path), "", str(token), versions())
    assert refusal(good) is None
    assert "has torch 0, and" not in str(refusal(good))
    assert "this machine 0.1" in refusal(good._replace(versions=versions() | {"torch": "0.1"}))
    assert "this machine 3.0" in refusal(good._replace(versions=versions() | {"python": "3.0"}))
    assert "has no folder /nowhere" in refusal(good._replace(folder="/nowhere"))
    assert "does not see" in refusal(good._replace(token=str(tmp_path / "none")))
    assert "does not see" in refusal(good._replace(command="2"))


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:9", "127.0.0.1:9", "nonsense", "http://127.0.0.1:9", "tcp://nowhere.invalid:1"]
)
def test_no_scheduler_at_the_address(tmp_path, capsys, monkeypatch, address):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    words = [*SWEEP, "--seeds", "2", "--scheduler", address, "--out", str(tmp_path)]
    assert main(words) == 2
    gc.collect()  # a client that is half made complains as it goes
    errors = capsys.readouterr().err
    assert f"scheduler: there is none at '{address}'" in errors
    assert errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_workers_of_both_kinds_and_dask_that_is_missing(tmp_path, capsys, monkeypatch):
    words = [*SWEEP, "--seeds", "2", "--out", str(tmp_path)]
    assert main([*words, "--scheduler", "tcp://127.0.0.1:9", "--workers", "2"]) == 2
    assert "workers: --workers are processes of this machine" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main([*words, "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "dask is not installed: pip install 'torchref[cluster]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
