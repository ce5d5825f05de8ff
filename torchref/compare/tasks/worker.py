"""What runs in a worker of dask.distributed: it hands a task on to a process of its own, and waits for its end.

Not in the worker's process itself: that lives long, so it would keep modules as they were before the user changed them;
it may have several threads, and torch's settings hold for all of them; and a task in a thread cannot be ended.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import platform
import queue
import subprocess
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from torchref.compare.errors import UserError
from torchref.compare.faults import how_it_ended
from torchref.compare.tasks.task import ONE_THREAD

__all__ = ["TOPIC", "ProcessDied", "Terms", "dismiss", "perform", "refusal", "versions"]

TOPIC = "torchref-progress"
LOOK = 0.2  # seconds between two looks whether a task is still wanted
ENOUGH = 15.0  # seconds for a process to end by itself
REPORT_SECONDS = 1.0  # between two messages about a task's progress
COMPARED = ("torchref", "torch", "numpy", "scipy")


class Terms(NamedTuple):
    """What a worker must have in common with the command that sends the tasks."""

    command: str  # a number of its own
    folder: str  # where it was started
    path: str  # where it looks for modules first
    token: str  # a file in the folder that it writes to, which holds its number
    versions: dict[str, str]


class ProcessDied(Exception):
    """A task's process was killed, by the system or by itself."""


class Stopped(Exception):
    """Nobody waits for the task any more."""


def versions() -> dict[str, str]:
    """Of Python, and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in COMPARED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found


def refusal(terms: Terms) -> str | None:
    """Why this machine cannot work for the command; None if it can."""
    here = versions()
    for name, wanted in terms.versions.items():
        if here[name] != wanted:
            return f"has {name} {here[name]}, and this machine {wanted}: install the same versions"
    if not os.path.isdir(terms.folder):
        return f"has no folder {terms.folder}: start the command in a folder that the workers share"
    try:
        shared = Path(terms.token).read_text(encoding="utf-8") == terms.command
    except OSError:
        shared = False
    return None if shared else f"does not see what is written to {Path(terms.token).parent}: --out must be shared"


def perform(terms: Terms, number: int, packed: bytes) -> tuple[bytes, str | None]:
    """Run a task, and send its progress. Returns what it returned, pickled, and its error.

    UserError where this worker cannot take part; ProcessDied where another try may help.
    """
    from distributed import get_worker

    if (why := refusal(terms)) is not None:  # it may have come after the others were asked
        raise UserError(why)
    worker = get_worker()
    key = worker.get_current_task()
    process = _borrow(terms)
    said = 0.0
    try:
        process.give(packed)
        while not _abandoned(worker, key):
            match process.next_message():
                case ("progress", step, steps) if time.monotonic() - said > REPORT_SECONDS:
                    said = time.monotonic()
                    worker.log_event(TOPIC, [terms.command, number, step, steps])
                case ("done", result, error):
                    _idle.append(process)
                    return result, error
        raise Stopped
    except BaseException:
        process.end()
        raise


def dismiss(command: str) -> None:
    """End the processes that wait for more tasks of a command."""
    for process in list(_idle):
        if process.command == command:
            with contextlib.suppress(ValueError):  # another thread has taken it
                _idle.remove(process)
                process.end()


def _abandoned(worker: Any, key: str) -> bool:
    """Whether the task was cancelled, or the worker has lost its scheduler."""
    task = worker.state.tasks.get(key)
    return task is None or task.state == "cancelled" or worker.status.name in ("closing", "closed", "failed")


class _Process:
    """A process for the tasks of one command, one after the other, with one thread for BLAS."""

    def __init__(self, terms: Terms) -> None:
        self.command = terms.command
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "torchref.compare.tasks.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=terms.folder,
            env=os.environ | ONE_THREAD,
        )
        self.messages: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self._send(terms.path)

    def give(self, packed: bytes) -> None:
        self._send(packed)

    def next_message(self) -> tuple[Any, ...] | None:
        """The next one; None if there is none within `LOOK` seconds. ProcessDied at the end."""
        try:
            message = self.messages.get(timeout=LOOK)
        except queue.Empty:
            return None
        if message[0] == "end":
            raise ProcessDied(self._epitaph())
        return message

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=ENOUGH)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _send(self, content: Any) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it has died, which the end of its messages says
            pickle.dump(content, self.process.stdin)
            self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(EOFError, pickle.UnpicklingError, OSError, ValueError):
            while True:
                self.messages.put(pickle.load(self.process.stdout))
        self.messages.put(("end",))

    def _epitaph(self) -> str:
        return f"its process {how_it_ended(self.process.wait())}"


_idle: list[_Process] = []  # of this worker


def _borrow(terms: Terms) -> _Process:
    """A process that waits for a task of this command, or a new one. Those that wait for another's are ended."""
    while _idle:
        with contextlib.suppress(IndexError):
            process = _idle.pop()
            if process.command == terms.command and process.process.poll() is None:
                return process
            process.end()
    return _Process(terms)
