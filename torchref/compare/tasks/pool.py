"""Tasks over a pool of processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from torchref.compare.faults import how_it_ended
from torchref.compare.tasks.task import ONE_THREAD, Ended, OnProgress, Task, attempt

__all__ = ["run_tasks"]


def run_tasks(
    function: Callable[..., Any], tasks: Sequence[Task], on_progress: OnProgress, *, workers: int
) -> Iterator[Ended]:
    """`RunTasks` over `workers` processes, or fewer where there are fewer tasks.

    Processes are spawned, with one thread for BLAS each, so that what a task computes does not depend on how many
    there are.
    """
    waiting = list(reversed(range(len(tasks))))
    processes: dict[Any, _Worker] = {}
    try:
        while waiting or processes:
            while waiting and len(processes) < workers:
                worker = _Worker(function)
                processes[worker.connection] = worker
                worker.give(waiting.pop(), tasks)
            for connection in wait(list(processes)):
                worker = processes[connection]
                try:
                    kind, content = worker.connection.recv()
                except (EOFError, OSError):  # its end is closed: it is gone
                    del processes[connection]
                    yield Ended(worker.task, None, worker.epitaph())
                    continue
                if kind == "progress":
                    on_progress(worker.task, *content)
                    continue
                finished = worker.task
                if waiting:
                    worker.give(waiting.pop(), tasks)
                else:
                    del processes[connection]
                    worker.dismiss()
                yield Ended(finished, *content)
    finally:
        for worker in processes.values():
            worker.process.terminate()
        for worker in processes.values():
            worker.process.join()


class _Worker:
    """One process, and the number of the task that it has."""

    def __init__(self, function: Callable[..., Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(other_end, function), daemon=True)
        with _one_thread():
            self.process.start()
        other_end.close()  # so that its death closes the last one
        self.task = -1

    def give(self, number: int, tasks: Sequence[Task]) -> None:
        self.task = number
        with contextlib.suppress(OSError):  # it has died: its end is closed, which is found where it is waited for
            self.connection.send(tasks[number])

    def dismiss(self) -> None:
        self.connection.send(None)
        self.process.join()

    def epitaph(self) -> str:
        self.process.join()
        return f"its process {how_it_ended(self.process.exitcode or 0)}"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started within this context compute with one thread."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, function: Callable[..., Any]) -> None:
    """Run one task after the other in this process, until there is None."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends the others

    def report(step: int, steps: int) -> None:
        connection.send(("progress", (step, steps)))

    while (task := connection.recv()) is not None:
        connection.send(("done", attempt(function, report, task)))
