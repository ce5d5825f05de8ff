"""Which runs a sweep has: the product of variants, grid and seeds."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchref.compare.comparison import Comparison
from torchref.compare.configuration import as_config, check_config
from torchref.compare.errors import UserError
from torchref.compare.faults import reason
from torchref.compare.options import varied
from torchref.compare.origin import Origin, check_origin, origin_of
from torchref.compare.request import Request
from torchref.compare.train.resume import is_finished, left_off

__all__ = ["METRICS", "Run", "Sweep", "parse_grid", "plan", "read_report"]

METRICS = ("validation_accuracy", "validation_loss", "training_accuracy", "training_loss")  # of a run, in NumPy


@dataclass(frozen=True)
class Sweep:
    """A user's request for a sweep."""

    request: Request
    folder: Path  # OUT/NAME; each run gets a folder in it
    seeds: int | None = None  # how many, from the comparison's on
    grid: tuple[str, ...] = ()  # "key=a,b" words
    resume: bool = False  # leave out what is done already
    sabotage: str | None = None


@dataclass
class Run:
    """One run of a sweep, and its result once it is over."""

    variant: str
    values: dict[str, Any]  # what is varied
    folder: Path
    error: str | None = None
    report: dict[str, Any] | None = None

    @property
    def passed(self) -> bool:
        """Whether it is over, and every tensor was equal."""
        return self.report is not None and bool(self.report["passed"])

    @property
    def differs(self) -> bool:
        """Whether it is over, and a tensor differed."""
        return self.report is not None and self.report["variants"][0].get("divergence") is not None

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def outcome(self) -> str:
        """What became of it, in one line."""
        if self.error is not None:
            return f"failed: {self.error}"
        figures = [
            f"{name.replace('_', ' ')} {value:.4g}" for name in METRICS if (value := self.metric(name)) is not None
        ]
        return ", ".join([f"is over: {'equal' if self.passed else 'NOT EQUAL'}", *figures])

    def metric(self, name: str) -> float | None:
        """NumPy's figure at the end of the run; None where the run failed or has none."""
        value = self.report["variants"][0].get(f"{name}_numpy") if self.report else None
        return None if value is None else float(value)


def plan(sweep: Sweep, comparison: Comparison, variants: Sequence[str]) -> list[Run]:
    """The product of variants, grid and seeds; a run that is done already has its report.

    UserError for a key that nothing is called by, and for a folder that is there though nothing is to be resumed.
    """
    if (sweep.folder / "config.toml").exists():
        raise UserError(f"out: {sweep.folder} holds a single run; name another folder with --out")
    grid = grid_of(sweep, comparison)
    runs = []
    for variant, values in itertools.product(variants, itertools.product(*grid.values())):
        chosen = dict(zip(grid, values, strict=True))
        varied(comparison, chosen)  # its mistakes are found before anything runs
        words = [variant, *(f"{key}={value}" for key, value in chosen.items())]
        name = re.sub(r"[^\w.=+,-]", "_", ",".join(words))
        runs.append(Run(variant, chosen, sweep.folder / name))
    if len({run.folder for run in runs}) < len(runs):
        raise UserError("grid: a value is given twice")
    for run in runs:
        if run.folder.exists() and not sweep.resume:
            raise UserError(
                f"out: {run.folder} is already there: go on with --resume, or name another folder with --out"
            )
    done = [run for run in runs if (run.folder / "report.json").exists()]
    if done:
        from torchref.compare.train.functions import checked_data  # with torch

        origin = origin_of(comparison, checked_data(comparison))
        for run in done:
            restore(run, comparison, origin)
    return runs


def grid_of(sweep: Sweep, comparison: Comparison) -> dict[str, list[Any]]:
    """The values to vary, the seeds among them. UserError for seeds that are given twice, or none."""
    grid = parse_grid(sweep.grid)
    if sweep.seeds is not None:
        if sweep.seeds < 1:
            raise UserError(f"seeds: there must be one at least, not {sweep.seeds}")
        if "seed" in grid:
            raise UserError("seeds: --seeds and --grid seed=... are given both")
        grid["seed"] = list(range(comparison.seed, comparison.seed + sweep.seeds))
    return grid


def parse_grid(words: Sequence[str]) -> dict[str, list[Any]]:
    """{key: values} of "key=a,b" words."""
    grid: dict[str, list[Any]] = {}
    for word in words:
        key, equals, values = word.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key or not all(value.strip() for value in values.split(",")):
            raise UserError(f"grid: {word!r} must be a name and values, as in lr=0.01,0.1")
        if key in grid:
            raise UserError(f"grid: {key} is given twice")
        grid[key] = [parse_value(value.strip()) for value in values.split(",")]
    return grid


def parse_value(text: str) -> Any:
    """A whole number, a number, true or false, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return {"true": True, "false": False}.get(text.lower(), text)


def restore(run: Run, comparison: Comparison, origin: Origin) -> None:
    """Give a run that is done its report. UserError where it is of other settings, files or data."""
    own = varied(comparison, run.values)
    check_origin(run.folder / "config.toml", origin)
    check_config(run.folder / "config.toml", as_config(own))
    report = read_report(run.folder / "report.json")
    found = left_off(run.folder / run.variant, own, run.variant)
    if (found is None or not is_finished(found[2], own)) and report["variants"][0].get("divergence") is None:
        return  # cut short, or more epochs are asked for; one that ended in a mismatch has no checkpoint
    run.report = report


def read_report(path: Path) -> dict[str, Any]:
    """Read a run's report. UserError where it is damaged, or lacks what the sweep's table shows."""
    try:
        report = json.loads(path.read_bytes())
        first = report["variants"][0]
        for metric in METRICS:
            float(first.get(f"{metric}_numpy") or 0)
        if not isinstance(report["passed"], bool) or not isinstance(report["verdict"], str):
            raise TypeError
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        raise UserError(f"{path} is damaged: remove it, and --resume writes it again") from None
    return dict(report)
