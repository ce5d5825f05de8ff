"""The results of a sweep: a row for each setting, the best first; for readers, programs and TensorBoard."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from torchref.compare.comparison import Comparison
from torchref.compare.configuration import SETTINGS
from torchref.compare.files import write_whole
from torchref.compare.options import model_options
from torchref.compare.sweep.plan import METRICS, Run
from torchref.compare.train.report import plain

__all__ = ["best", "show", "summary", "write"]

SHOWN = 12  # rows while runs are on their way


def write(folder: Path, comparison: Comparison, runs: list[Run]) -> dict[str, Any]:
    """Write FOLDER/sweep.json and the columns of TensorBoard's table; returns what the file holds."""
    from torchref.compare.record.recorder import declare_hparams

    result = summary(comparison, runs)
    write_whole(folder / "sweep.json", json.dumps(result, indent=2) + "\n")
    declare_hparams(folder, result["columns"], result["metrics"])
    return result


@dataclass
class Row:
    """Runs that differ only in their seed."""

    variant: str
    values: dict[str, Any]
    runs: list[Run]

    def figures(self, metric: str) -> list[float]:
        """A figure of each run that has it."""
        return [value for run in self.runs if (value := run.metric(metric)) is not None]

    def mean(self, metric: str) -> float | None:
        """Their mean; None where no run has the figure."""
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
    shown = [metric for metric in METRICS if any(run.metric(metric) is not None for run in runs)]
    return {
        "comparison": comparison.name,
        "passed": all(run.passed for run in runs),
        "table": table,
        "runs": each,
        "columns": columns(comparison, runs),
        "metrics": ["/".join(reversed(metric.split("_"))) for metric in shown],  # as the curves are called
    }


def as_table(runs: list[Run], found: list[Row]) -> Table:
    """The rows as a table, with the columns that `runs` have."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    keys = list(dict.fromkeys(key for run in runs for key in run.values if key != "seed"))
    shown = [metric for metric in METRICS if any(run.metric(metric) is not None for run in runs)]
    for heading in ("variant", *keys, "runs", *(metric.replace("_", " ") for metric in shown), "equal"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for row in found:
        cells = [cell(row.mean(metric), row.spread(metric)) for metric in shown]
        equal = f"{sum(run.passed for run in row.runs)} of {len(row.runs)}"
        table.add_row(row.variant, *(str(row.values[key]) for key in keys), str(len(row.runs)), *cells, equal)
    return table


def best(runs: list[Run]) -> Table:
    """The best rows so far, as many as a screen holds."""
    return as_table(runs, rows(runs)[:SHOWN])


def show(comparison: Comparison, runs: list[Run]) -> None:
    """Print the table, and what went wrong."""
    console = Console()
    table = as_table(runs, rows(runs))
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
    style = "green" if passed == len(runs) else "red"
    console.print(f"{passed} of {len(runs)} runs EQUAL", style=style, markup=False, highlight=False)


def cell(mean: float | None, spread: float | None) -> str:
    """A mean with its spread, as the table shows them."""
    if mean is None:
        return "-"
    return f"{mean:.4g}" if spread is None else f"{mean:.4g} ± {spread:.2g}"


def columns(comparison: Comparison, runs: list[Run]) -> dict[str, list[Any]]:
    """The columns of TensorBoard's table of hyperparameters: the union of what is varied, each with its values."""
    found: dict[str, list[Any]] = {"variant": list(dict.fromkeys(run.variant for run in runs))}
    found["engine"] = ["numpy", "torch"]  # a row each
    of_model = model_options(comparison)
    for run in runs:
        for key, value in run.values.items():
            owner = "" if key in SETTINGS else "model." if key in of_model else "optimizer."
            values = found.setdefault(owner + key, [])
            if value not in values:
                values.append(value)
    return found
