"""A cluster on this machine: a scheduler and workers of dask.distributed, each a process, all ended at the end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 600  # seconds, for what has to happen however busy the machine is


def until(happened, what):
    """Wait for an event; returns what `happened` returns."""
    for _ in range(PATIENCE * 20):
        if found := happened():
            return found
        time.sleep(0.05)
    raise AssertionError(f"this has not happened: {what}")


def is_there(pid):
    """Whether the process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Machines:
    """A scheduler, workers with one thread each, and the folder where they say what they do."""

    def __init__(self, folder, **environment):
        self.folder = folder
        self.environment = os.environ | {"DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__GIL__ENABLED": "false"} | environment
        self.scheduler = None
        self.workers = []
        self.started = 0
        self.address = "tcp://127.0.0.1:0"

    def __enter__(self):
        self.start_scheduler()
        return self

    def __exit__(self, *_):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def start(self, kind, *words, prefix=(), **environment):
        self.started += 1
        with open(self.folder / f"{kind}{self.started}.log", "a") as log:
            return subprocess.Popen(
                [*prefix, sys.executable, "-m", "dask", kind, *words],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment | environment,
            )

    def start_scheduler(self):
        """A scheduler, at the address of the one before if there was one."""
        said = self.folder / "scheduler.json"
        said.unlink(missing_ok=True)
        port = self.address.rpartition(":")[2]
        words = ["--host", "127.0.0.1", "--port", port, "--dashboard-address", "127.0.0.1:0"]
        self.scheduler = self.start("scheduler", *words, "--scheduler-file", str(said))
        self.address = json.loads(until(lambda: said.exists() and said.read_text(), "the scheduler starts"))["address"]

    def start_workers(self, count, **options):
        """So many workers, which the scheduler knows when this returns."""
        words = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder)]
        for _ in range(count):
            self.workers.append(self.start("worker", self.address, *words, **options))
            log = self.folder / f"worker{self.started}.log"
            until(lambda log=log: "Registered to" in log.read_text(), f"a worker registers ({log})")

    def kill_scheduler(self):
        self.scheduler.send_signal(signal.SIGKILL)
        self.scheduler.wait()

    def kill_worker_of(self, pid):
        """SIGKILL for the worker that has started this process."""
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        worker = next(worker for worker in self.workers if worker.pid == parent)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
