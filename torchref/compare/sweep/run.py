"""The runs of a sweep, each in a process of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torchref.compare.options import varied
from torchref.compare.request import Request
from torchref.compare.sweep.plan import Run, Sweep, read_report
from torchref.compare.sweep.pool import run_tasks
from torchref.compare.train.progress import ProgressDisplay

__all__ = ["train_all"]

REPORT_SECONDS = 0.2  # between two messages of a process about its progress


def train_all(sweep: Sweep, runs: list[Run], workers: int | None, quiet: bool = False) -> None:
    """Train the runs in processes of their own, and read what they leave behind."""
    sweep.folder.mkdir(parents=True, exist_ok=True)
    workers = min(workers or os.cpu_count() or 1, len(runs))
    steps: dict[int, tuple[int, int]] = {}  # run -> steps done, steps in all
    finished = 0
    tasks = [(sweep.request, run.variant, run.values, run.folder, sweep.sabotage) for run in runs]
    with ProgressDisplay(quiet=quiet) as progress:

        def on_progress(number: int, step: int, total: int) -> None:
            steps[number] = step, total
            each = sum(total for _, total in steps.values()) / len(steps)  # runs that have not begun: as the others
            done = sum(step for step, _ in steps.values())
            progress(f"{finished} of {len(runs)} runs", done, round(each * len(runs)))

        for number, error in run_tasks(train_one, tasks, workers, on_progress):
            run = runs[number]
            finished += 1
            if error is None:
                run.report = read_report(run.folder / "report.json")
            else:
                run.error = error
                if not quiet:
                    print(f"{run.name} failed: {error}", file=sys.stderr)


def train_one(
    report: Callable[[int, int], None],
    request: Request,
    variant: str,
    values: dict[str, Any],
    folder: Path,
    sabotage: str | None,
) -> None:
    """In a process of its own: one run. It is continued where there is a checkpoint."""
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

    train(
        comparison,
        folder=folder,
        only=variant,
        resume=folder.exists(),
        sabotage=sabotage,
        on_progress=on_progress,
    )
