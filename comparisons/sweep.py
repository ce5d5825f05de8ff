"""Many runs of one comparison: seeds and a grid of values, over a pool of processes; one table, the best first."""

from __future__ import annotations

import inspect
import itertools
import json
import math
import os
import re
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from comparisons.comparison import Comparison
from comparisons.configuration import SETTINGS, as_config, check_config
from comparisons.errors import UserError, nearest
from comparisons.faults import reason, writing
from comparisons.pool import run_tasks
from comparisons.resume import is_finished, left_off

if TYPE_CHECKING:
    from comparisons.commands.compare import Options

REPORT_SECONDS = 0.2  # between two messages of a process about its progress
METRICS = ("validation_accuracy", "validation_loss", "training_accuracy", "training_loss")  # of a run, in NumPy


@dataclass
class Run:
    """One run of a sweep, and once it is over what came of it."""

    variant: str
    values: dict[str, Any]  # what is varied
    folder: Path
    error: str | None = None
    report: dict[str, Any] | None = None

    @property
    def passed(self) -> bool:
        return self.report is not None and bool(self.report["passed"])

    @property
    def name(self) -> str:
        return self.folder.name

    def metric(self, name: str) -> float | None:
        """A figure at the end of the run, NumPy's; None where the run failed or has none."""
        value = self.report["variants"][0].get(f"{name}_numpy") if self.report else None
        return None if value is None else float(value)


def sweep(options: Options, comparison: Comparison, out: Path) -> int:
    """Run all, show the table, write OUT/NAME/sweep.json.

    Exit status: 0 where every run was equal, 1 where one was not, 2 where one, and none of the others, failed.
    """
    folder = out / comparison.name
    if (folder / "config.toml").exists():
        raise UserError(f"out: {folder} holds a single run; name another folder with --out")
    runs = plan(options, comparison, folder)
    waiting = [run for run in runs if not restore(run, comparison, options.resume)]
    if options.dry_run:
        for run in runs:
            print(f"{'would train' if run in waiting else 'is done:'} {run.folder}")
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    train_all(waiting, options, out)
    result = summary(comparison, runs)
    path = folder / "sweep.json"
    temporary = path.with_name("sweep.json.tmp")
    with writing(path):
        temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    declare(folder, comparison, runs)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(comparison, runs)
        print(f"recorded in {folder}; to look at it: torchref view {shlex.quote(str(folder))}")
    if any(run.report is not None and not run.passed for run in runs):
        return 1
    return 0 if result["passed"] else 2


# --- what is run --------------------------------------------------------------------------------------------------


def plan(options: Options, comparison: Comparison, folder: Path) -> list[Run]:
    """The product of variants, grid and seeds. UserError for a key that nothing is called by."""
    grid = parse_grid(options.grid)
    if options.seeds is not None:
        if options.seeds < 1:
            raise UserError(f"seeds: there must be one at least, not {options.seeds}")
        if "seed" in grid:
            raise UserError("seeds: --seeds and --grid seed=... are given both")
        grid["seed"] = list(range(comparison.seed, comparison.seed + options.seeds))
    variants = list(comparison.variants) if options.only is None else [options.only]
    runs = []
    for variant in variants:
        for values in itertools.product(*grid.values()):
            chosen = dict(zip(grid, values, strict=True))
            configured(comparison, chosen)
            words = [variant, *(f"{key}={value}" for key, value in chosen.items())]
            name = re.sub(r"[^\w.=+,-]", "_", ",".join(words))
            runs.append(Run(variant, chosen, folder / name))
    if len({run.folder for run in runs}) < len(runs):
        raise UserError("grid: a value is given twice")
    return runs


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


def configured(comparison: Comparison, values: Mapping[str, Any]) -> Comparison:
    """The comparison with these values: of its settings, its model's options, or its optimizer's parameter groups.

    A model's option is set in every variant, an optimizer's in every group.
    """
    settings = {key: value for key, value in values.items() if key in SETTINGS}
    rest = {key: value for key, value in values.items() if key not in SETTINGS}
    if rest:
        of_model, of_optimizer = model_options(comparison), optimizer_options(comparison)
        for key in rest:
            if key not in (*of_model, *of_optimizer):
                raise UserError(f"grid: there is no {key!r}: {nearest(key, [*SETTINGS, *of_model, *of_optimizer])}")
        model = {key: value for key, value in rest.items() if key in of_model}
        variants = {name: {**options, **model} for name, options in comparison.variants.items()}
        optimizer = {key: value for key, value in rest.items() if key not in of_model}
        comparison = replace(comparison, variants=variants, optimizer_options=optimizer)
    return replace(comparison, **settings)


def model_options(comparison: Comparison) -> list[str]:
    """The names of what `model` takes beside the namespace."""
    parameters = list(inspect.signature(comparison.model).parameters.values())[1:]
    named = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    return list(dict.fromkeys([*named, *(key for options in comparison.variants.values() for key in options)]))


def optimizer_options(comparison: Comparison) -> list[str]:
    """The names of the numbers and switches in the optimizer's parameter groups."""
    import torchref

    model = comparison.model(torchref.nn, **next(iter(comparison.variants.values())))
    optimizer = comparison.optimizer(torchref.optim, model.parameters())
    return [key for key, value in optimizer.param_groups[0].items() if isinstance(value, bool | int | float)]


def restore(run: Run, comparison: Comparison, resume: bool) -> bool:
    """Whether the run is done already. UserError where its folder is there though nothing is to be resumed."""
    if not run.folder.exists():
        return False
    if not resume:
        raise UserError(f"out: {run.folder} is already there: go on with --resume, or name another folder with --out")
    if not (run.folder / "report.json").exists():
        return False
    own = configured(comparison, run.values)
    check_config(run.folder / "config.toml", as_config(own))
    report = read_report(run.folder / "report.json")
    found = left_off(run.folder / run.variant, own, run.variant)
    if (found is None or not is_finished(found[1], own)) and report["variants"][0].get("divergence") is None:
        return False  # cut short, or more epochs are asked for; one that ended in a mismatch has no checkpoint
    run.report = report
    return True


def read_report(path: Path) -> dict[str, Any]:
    """What a run has written. UserError where it is damaged: what the sweep's table shows must be there."""
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


# --- running it -----------------------------------------------------------------------------------------------------


def train_all(runs: list[Run], options: Options, out: Path) -> None:
    """Train the runs in processes of their own, and read what they leave behind."""
    from comparisons.progress import ProgressDisplay

    workers = min(options.workers or os.cpu_count() or 1, len(runs))
    steps: dict[int, tuple[int, int]] = {}  # run -> steps done, steps in all
    finished = 0
    tasks = [(options, out, run.variant, run.values, run.folder) for run in runs]
    with ProgressDisplay(quiet=options.json) as progress:

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
                if not options.json:
                    print(f"{run.name} failed: {error}", file=sys.stderr)


def train_one(
    report: Callable[[int, int], None], options: Options, out: Path, variant: str, values: dict[str, Any], folder: Path
) -> None:
    """In a process of its own: one run. It is continued where there is a checkpoint."""
    import torch

    from comparisons.commands.compare import resolve
    from comparisons.training import run as train

    torch.set_num_threads(1)
    comparison = configured(resolve(replace(options, resume=False), out), values)
    said = 0.0

    def on_progress(variant: str, step: int, steps: int, index: int, count: int) -> None:
        nonlocal said
        if step == steps or time.monotonic() - said > REPORT_SECONDS:
            said = time.monotonic()
            report(step, steps)

    train(
        comparison,
        folder=folder,
        only=variant,
        resume=folder.exists(),
        sabotage=options.sabotage,
        on_progress=on_progress,
    )


# --- what came of it ------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """The runs that differ in their seed alone."""

    variant: str
    values: dict[str, Any]
    runs: list[Run]

    def figures(self, metric: str) -> list[float]:
        return [value for run in self.runs if (value := run.metric(metric)) is not None]

    def mean(self, metric: str) -> float | None:
        figures = self.figures(metric)
        return statistics.fmean(figures) if figures else None

    def spread(self, metric: str) -> float | None:
        """Standard deviation over the seeds; None for one seed."""
        figures = self.figures(metric)
        return statistics.stdev(figures) if len(figures) > 1 and all(map(math.isfinite, figures)) else None

    def rank(self) -> tuple[float, float]:
        """Smaller is better: the accuracy where there is one, then the loss; what failed or is nan comes last."""
        accuracy, loss = self.mean("validation_accuracy"), self.mean("validation_loss")
        return (0.0 if accuracy is None else -accuracy, math.inf if loss is None or math.isnan(loss) else loss)


def rows(runs: list[Run]) -> list[Row]:
    """The runs by what is varied, the best first."""
    found: dict[str, Row] = {}
    for run in runs:
        values = {key: value for key, value in run.values.items() if key != "seed"}
        row = found.setdefault(repr((run.variant, values)), Row(run.variant, values, []))
        row.runs.append(run)
    return sorted(found.values(), key=Row.rank)


def summary(comparison: Comparison, runs: list[Run]) -> dict[str, Any]:
    """The sweep for programs: every run, and the table."""
    table = [
        {
            "variant": row.variant,
            **row.values,
            "runs": len(row.runs),
            **{
                f"{m}_{what}": plain(of(row, m))
                for m in METRICS
                for what, of in (("mean", Row.mean), ("sd", Row.spread))
            },
        }
        for row in rows(runs)
    ]
    each = [
        {
            "run": run.name,
            "variant": run.variant,
            "values": run.values,
            "passed": run.passed,
            "error": run.error,
            "verdict": run.report["verdict"] if run.report else None,
            **{metric: plain(run.metric(metric)) for metric in METRICS},
        }
        for run in runs
    ]
    return {"comparison": comparison.name, "passed": all(run.passed for run in runs), "table": table, "runs": each}


def plain(value: float | None) -> Any:
    """What JSON can hold."""
    return value if value is None or math.isfinite(value) else repr(value)


def show(comparison: Comparison, runs: list[Run]) -> None:
    """Print the table, and what went wrong."""
    console = Console()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    keys = list(dict.fromkeys(key for run in runs for key in run.values if key != "seed"))
    shown = [metric for metric in METRICS if any(run.metric(metric) is not None for run in runs)]
    for heading in ("variant", *keys, "runs", *(metric.replace("_", " ") for metric in shown), "equal"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for row in rows(runs):
        cells = [cell(row.mean(metric), row.spread(metric)) for metric in shown]
        equal = f"{sum(run.passed for run in row.runs)} of {len(row.runs)}"
        table.add_row(row.variant, *(str(row.values[key]) for key in keys), str(len(row.runs)), *cells, equal)
    wanted = Console(width=10_000).measure(table).maximum
    if not console.is_terminal and wanted > console.width:
        console.width = wanted
    console.print(f"{comparison.name}: {comparison.claim}", markup=False, highlight=False, soft_wrap=True)
    console.print(table)
    for run in runs:
        if not run.passed:
            why = run.error if run.report is None else run.report["verdict"]
            console.print(f"{run.name}: {why}", markup=False, highlight=False, soft_wrap=True)
    passed = sum(run.passed for run in runs)
    console.print(f"{passed} of {len(runs)} runs EQUAL", style="green" if passed == len(runs) else "red", markup=False)


def cell(mean: float | None, spread: float | None) -> str:
    if mean is None:
        return "-"
    return f"{mean:.4g}" if spread is None else f"{mean:.4g} ± {spread:.2g}"


def declare(folder: Path, comparison: Comparison, runs: list[Run]) -> None:
    """Tell TensorBoard's hparams page which columns there are: the union of what is varied, and the metrics."""
    from comparisons.record import declare_hparams

    columns: dict[str, list[Any]] = {"variant": list(dict.fromkeys(run.variant for run in runs))}
    of_model = model_options(comparison)
    for run in runs:
        for key, value in run.values.items():
            owner = "" if key in SETTINGS else "model." if key in of_model else "optimizer."
            values = columns.setdefault(owner + key, [])
            if value not in values:
                values.append(value)
    shown = [metric for metric in METRICS if any(run.metric(metric) is not None for run in runs)]
    declare_hparams(folder, columns, [f"final/{metric}" for metric in shown])
