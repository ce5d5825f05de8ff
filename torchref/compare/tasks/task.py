"""What a task is, and what becomes of it, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from torchref.compare.faults import explained, message, report_fault

__all__ = ["ONE_THREAD", "Ended", "OnProgress", "Report", "RunTasks", "Task", "attempt"]

Task = tuple[Any, ...]  # the arguments of a function: what can be pickled
Report = Callable[[int, int], None]  # a function's first argument, to say how far it is: steps done, steps in all
OnProgress = Callable[[int, int, int], None]  # task, steps done, steps in all
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Ended(NamedTuple):
    """A task that is over: its number, and what its function returned, or in one line why it returned nothing."""

    number: int
    result: Any
    error: str | None


class RunTasks(Protocol):
    """Call `function(report, *task)` for each task; yields each as it ends, in any order.

    A task that raises, or whose process dies, fails alone. On an exception in the caller (Ctrl-C) all are ended.
    """

    def __call__(
        self, function: Callable[..., Any], tasks: Sequence[Task], on_progress: OnProgress
    ) -> Iterator[Ended]: ...


def attempt(function: Callable[..., Any], report: Report, task: Task) -> tuple[Any, str | None]:
    """In the task's own process: what the function returns, and None; or None, and in one line what it raised."""
    try:
        return function(report, *task), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever it is, it is this task's)
        line = explained(error)
        if line is None:
            report_fault(error)
            line = f"a fault of torchref's own: {type(error).__name__}: {message(error)}"
        return None, line
