"""Tasks on a cluster: dask.distributed has the workers, and gives the tasks of one that dies to another.

As many tasks are on their way as the workers have threads: a task that kills its worker must take no other with it.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from torchref.compare.errors import UserError
from torchref.compare.faults import message, writing
from torchref.compare.tasks.task import Ended, OnProgress, RunTasks, Task
from torchref.compare.tasks.worker import TOPIC, ProcessDied, Terms, dismiss, perform, refusal, versions

__all__ = ["SchedulerGone", "connected"]

CONNECT_SECONDS = 5
ATTEMPTS = 30  # to find a worker, a second apart
LOOK = 1.0  # seconds between two looks at who is there, while nothing ends
RETRIES = 3  # of a task whose process dies; of one whose worker dies dask has the same number
Tell = Callable[[str], None]


class SchedulerGone(UserError):
    """The scheduler has gone while tasks ran; what is done is done."""


@contextmanager
def connected(address: str, folder: Path, tell: Tell) -> Iterator[RunTasks]:
    """What runs tasks on the cluster whose scheduler is at `address`. `folder` is where they write.

    UserError, before any task runs: dask is not installed, there is no scheduler or no worker, a worker has other
    versions, or does not see what is written to `folder`. `tell` gets a line about the cluster.
    """
    client = _connect(address)
    terms = _terms(folder)
    try:
        with writing(terms.token):
            Path(terms.token).write_text(terms.command, encoding="utf-8")
        threads = _find_workers(client, address)
        for worker, why in client.run(refusal, terms, on_error="return").items():
            if why is not None:
                said = why if isinstance(why, str) else f"cannot take part: {type(why).__name__}: {message(why)}"
                raise UserError(f"scheduler: the worker {worker} {said}")
        dashboard = client.dashboard_link
        tell(f"cluster at {address}, tasks at a time: {threads}; dashboard: {dashboard or 'none'}")
        yield partial(_run_tasks, client, terms, tell)
    finally:
        Path(terms.token).unlink(missing_ok=True)
        _disconnect(client, terms)


def _connect(address: str) -> Any:
    """A client of the scheduler."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from distributed import Client
            from distributed.comm import get_address_host_port
    except ModuleNotFoundError:
        raise UserError("scheduler: dask is not installed: pip install 'torchref[cluster]'") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it says of a lost scheduler we say in a line
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions: we compare those that results depend on
            get_address_host_port(address)  # for its error: a client of such an address complains once more as it goes
            return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"scheduler: there is none at {address!r}: {message(error)}") from None


def _terms(folder: Path) -> Terms:
    """What each worker must have in common with this command."""
    command = uuid.uuid4().hex
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    token = existing.absolute() / f".torchref-{command}"
    return Terms(command, os.getcwd(), sys.path[0], str(token), versions())


def _find_workers(client: Any, address: str) -> int:
    """How many tasks the workers take at a time. UserError where there is no worker after some attempts."""
    for _ in range(ATTEMPTS):
        if threads := _threads(client):
            return threads
        time.sleep(LOOK)
    raise UserError(
        f"scheduler: {address} has no workers, after {ATTEMPTS} looks: start some, as in dask worker {address}"
    )


def _threads(client: Any) -> int:
    """How many tasks the workers take at a time. SchedulerGone where it cannot be asked."""
    if client.status != "running":
        raise SchedulerGone(_gone(client))
    try:
        return sum(client.nthreads().values())
    except OSError:
        raise SchedulerGone(_gone(client)) from None


def _gone(client: Any) -> str:
    return f"scheduler: {client.scheduler.address} is gone; what is done is kept, and --resume goes on with the rest"


def _run_tasks(
    client: Any,
    terms: Terms,
    tell: Tell,
    function: Callable[..., Any],
    tasks: Sequence[Task],
    on_progress: OnProgress,
) -> Iterator[Ended]:
    """`RunTasks` on the workers. UserError where one came that cannot take part, or the scheduler has gone."""
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()  # futures that are done, and messages about progress
    client.subscribe_topic(TOPIC, lambda event: events.put(event[1]))
    waiting = list(reversed(range(len(tasks))))
    running: dict[Any, int] = {}
    lonely = False
    try:
        while waiting or running:
            threads = _threads(client)
            if not threads and not lonely:
                tell("cluster: no worker is left; waiting for one")
            lonely = not threads
            while waiting and len(running) < threads:
                number = waiting.pop()
                packed = pickle.dumps((function, tasks[number]))
                key = f"{function.__name__}-{terms.command}-{number}"
                future = client.submit(perform, terms, number, packed, key=key, pure=False, retries=RETRIES)
                running[future] = number
                future.add_done_callback(events.put)
            for event in _happened(events):
                if not isinstance(event, list | tuple):
                    yield _ended(client, event, running.pop(event))
                elif event[0] == terms.command:
                    on_progress(*event[1:])
    finally:
        with suppress(Exception):
            client.unsubscribe_topic(TOPIC)
            client.cancel(list(running))


def _happened(events: queue.SimpleQueue[Any]) -> Iterator[Any]:
    """Wait a moment for an event; all that are there then."""
    with suppress(queue.Empty):
        yield events.get(timeout=LOOK)
        while True:
            yield events.get_nowait()


def _ended(client: Any, future: Any, number: int) -> Ended:
    """What became of a task."""
    from distributed import KilledWorker

    try:
        result, error = future.result()
    except (CancelledError, OSError):
        raise SchedulerGone(_gone(client)) from None
    except UserError as refused:  # of a worker
        raise UserError(f"scheduler: a worker that came later {refused}") from None
    except KilledWorker as killed:
        return Ended(number, None, f"{killed.allowed_failures + 1} workers died while they had it")
    except ProcessDied as died:
        return Ended(number, None, f"{died}, {RETRIES + 1} times")
    return Ended(number, pickle.loads(result), error)


def _disconnect(client: Any, terms: Terms) -> None:
    """Let the workers' processes go, and the scheduler."""
    with suppress(Exception):  # it may be gone
        if client.status == "running":
            client.run(dismiss, terms.command, on_error="ignore")
    with suppress(Exception):
        client.close(timeout=2)
