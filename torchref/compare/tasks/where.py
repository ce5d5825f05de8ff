"""Where tasks run: on this machine, unless a scheduler is named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from torchref.compare.errors import UserError
from torchref.compare.tasks import cluster, pool
from torchref.compare.tasks.task import RunTasks

__all__ = ["engine"]


@contextmanager
def engine(workers: int | None, scheduler: str | None, folder: Path, tell: Callable[[str], None]) -> Iterator[RunTasks]:
    """What runs tasks that write to `folder`: `workers` processes (default: one a core), or a cluster's workers.

    UserError, before any task runs, where they cannot. `tell` gets a line about the cluster.
    """
    if scheduler is None:
        if workers is not None and workers < 1:
            raise UserError(f"workers: there must be one at least, not {workers}")
        yield partial(pool.run_tasks, workers=workers or os.cpu_count() or 1)
        return
    if workers is not None:
        raise UserError("workers: --workers are processes of this machine, and --scheduler has workers of its own")
    with cluster.connected(scheduler, folder, tell) as run_tasks:
        yield run_tasks
