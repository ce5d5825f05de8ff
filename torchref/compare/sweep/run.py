"""The runs of a sweep, each a task: on this machine or on a cluster."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from torchref.compare.options import varied
from torchref.compare.record.unfinished import wait_until_free
from torchref.compare.request import Request
from torchref.compare.sweep.plan import Run, Sweep, read_report
from torchref.compare.sweep.table import best
from torchref.compare.tasks.task import Report, RunTasks
from torchref.compare.train.progress import ProgressDisplay

__all__ = ["train_all"]

REPORT_SECONDS = 0.2  # between two messages of a process about its progress


def train_all(sweep: Sweep, runs: list[Run], run_tasks: RunTasks, quiet: bool = False) -> None:
    """Train the runs that have no report yet, and give each its report or its error; the table fills meanwhile."""
    sweep.folder.mkdir(parents=True, exist_ok=True)
    waiting = [run for run in runs if run.report is None]
    steps: dict[int, tuple[int, int]] = {}  # run -> steps done, steps in all
    sums = [0, 0]  # of both: there may be thousands of runs, and as many messages a second
    over = [run for run in runs if run.report is not None]
    tasks = [(sweep.request, run.variant, run.values, run.folder, sweep.sabotage) for run in waiting]
    with ProgressDisplay(quiet=quiet) as progress:

        def on_progress(number: int, step: int, total: int) -> None:
            before = steps.get(number, (0, 0))
            steps[number] = step, total
            sums[:] = sums[0] + step - before[0], sums[1] + total - before[1]
            all_of_them = round(sums[1] / len(steps) * len(waiting))  # runs that have not begun: as the others
            progress(f"{len(over)} of {len(runs)} runs", sums[0], all_of_them)

        for number, report, error in run_tasks(train_one, tasks, on_progress):
            run = waiting[number]
            run.report, run.error = report, error
            over.append(run)
            if number in steps:  # its last message may be on its way
                on_progress(number, steps[number][1], steps[number][1])
            progress.show(lambda: best(over), f"{run.name} {run.outcome}")


def train_one(
    report: Report,
    request: Request,
    variant: str,
    values: dict[str, Any],
    folder: Path,
    sabotage: str | None,
) -> dict[str, Any]:
    """In a process of its own: one run, continued where there is a checkpoint. Returns its report."""
    import torch

    from torchref.compare.train.run import run as train

    torch.set_num_threads(1)
    comparison = varied(request.comparison(), values)
    said = 0.0

    def on_progress(variant: str, step: int, steps: int, index: int, count: int) -> None:  # noqa: ARG001 (OnProgress)
        nonlocal said
        if step == steps or time.monotonic() - said > REPORT_SECONDS:
            said = time.monotonic()
            report(step, steps)

    wait_until_free(folder)  # a process whose worker was killed may need a moment to end
    train(
        comparison,
        folder=folder,
        only=variant,
        resume=folder.exists(),
        sabotage=sabotage,
        on_progress=on_progress,
    )
    return read_report(folder / "report.json")
