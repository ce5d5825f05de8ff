"""The certificate of one module by a cluster's worker is the one that this process gives."""

from pathlib import Path

import pytest

from tests.certify.certificate import certify
from tests.compare.tasks.machines import Machines
from torchref.compare.tasks.cluster import connected

pytest.importorskip("distributed", reason="a cluster needs dask.distributed, which is not installed")
pytestmark = pytest.mark.timeout(1800)  # a machine may be busy; what is waited for is an event each time


def test_a_worker_measures_the_same(tmp_path, monkeypatch):
    """Catches a part that is lost, one that is counted twice, and parts that are put together in the order they end."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))  # as `python -m tests.certify` has it
    with Machines(tmp_path) as machines:
        machines.start_workers(2)
        with connected(machines.address, tmp_path, print) as run_tasks:
            theirs = certify(["Linear"], probes=10, run_tasks=run_tasks)
    ours = certify(["Linear"], probes=10)
    assert theirs.rows == ours.rows
    assert theirs.mutants == ours.mutants
