"""A comparison's results, of each variant and as a whole, for programs (JSON) and for readers (a table)."""

from __future__ import annotations

import io
import json
import math
import os
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.terminal_theme import TerminalTheme

from torchref.compare.errors import UserError
from torchref.compare.files import write_whole
from torchref.compare.lockstep.judge import Divergence
from torchref.compare.record.html import images
from torchref.compare.record.metrics import read_metrics
from torchref.compare.record.tags import AGREEMENT
from torchref.compare.train.end import agreement
from torchref.nn.module import Array

__all__ = ["Report", "VariantReport", "environment", "plain"]


# A notebook's page is white or black: a red and a green that can be read on both.
NOTEBOOK = TerminalTheme(
    (255, 255, 255), (0, 0, 0), [(0, 0, 0), (220, 60, 50), (30, 140, 60), *[(128, 128, 128)] * 4, (255, 255, 255)]
)


@dataclass(frozen=True)
class VariantReport:
    """One variant's training, in both engines. Losses and accuracies are those at the end; None where there is none."""

    name: str
    steps: int
    tensors: int  # how many were compared
    training_loss_numpy: float | None = None
    training_loss_torch: float | None = None
    validation_loss_numpy: float | None = None
    validation_loss_torch: float | None = None
    training_accuracy_numpy: float | None = None
    training_accuracy_torch: float | None = None
    validation_accuracy_numpy: float | None = None
    validation_accuracy_torch: float | None = None
    largest_difference: float | None = None  # of a gradient, numpy - torch
    largest_share: float | None = None  # the largest share of its bound that a difference took; above 1 is a mismatch
    largest_tensor: str = ""  # the tensor and the step of that share
    largest_step: int | None = None
    numpy_seconds: float | None = None  # per training step
    torch_seconds: float | None = None
    lockstep_seconds: float | None = None  # per training step: comparing and recording
    canary_caught: bool = False
    canary_step: int | None = None
    kinks: int = 0  # decisions (ReLU, max) the twins took differently where the value lay within its own bound
    drift_weights: float | None = None  # free running: relative L2 distance of the weights at the end
    drift_losses: float | None = None  # free running: largest relative difference of the losses
    drift_note: str = ""  # float64 alone: why the weights that ran free have parted, where they have
    parts_loss: float | None = None  # with accumulate: the first step's relative distance from the whole batch's
    parts_gradient: float | None = None
    parts_note: str = ""  # why they are not the same
    processes: int | None = None  # that shared each batch, where there were several
    ranks_ddp: float | None = None  # the largest difference between the mean over the ranks by hand and DDP's
    ranks_mean: float | None = None  # the largest relative distance of that mean from the whole batch's gradient ...
    ranks_weighted: float | None = None  # ... and with the ranks weighted by their examples
    ranks_note: str = ""  # why they are not the same
    validation_note: str = ""  # where the first examples alone were evaluated: how many, and why
    record_note: str = ""  # what was repaired in the record of a run that was resumed
    not_finite_step: int | None = None  # where the training was ended, as its loss was no finite number in either twin
    divergence: Divergence | None = None

    @property
    def not_finite_note(self) -> str:
        """A sentence where the training ended early; else empty."""
        if self.not_finite_step is None:
            return ""
        return (
            f"the training diverged at step {self.not_finite_step}, in both twins alike: their numbers are no longer "
            "finite; try a lower learning rate"
        )

    @property
    def passed(self) -> bool:
        """Equal in every step, and the planted error noticed. How far the twin that runs free drifts proves nothing."""
        return self.divergence is None and self.canary_caught

    @property
    def result(self) -> str:
        """The result in a word or two."""
        if self.divergence is not None:
            return "MISMATCH"
        if not self.passed:
            return "NOT PROVEN"
        return "equal" if self.not_finite_step is None else "diverged alike"


@dataclass(frozen=True)
class Report:
    """What `torchref.compare.run` returns and `report.json` holds."""

    comparison: str
    claim: str
    config: Mapping[str, Any]
    variants: list[VariantReport]
    environment: Mapping[str, Any]
    folder: Path | None = None  # where the run is recorded; not in report.json, which may be moved

    @property
    def passed(self) -> bool:
        """Whether every variant passed; a comparison without variants proves nothing."""
        return bool(self.variants) and all(variant.passed for variant in self.variants)

    @property
    def differs(self) -> bool:
        """Whether a tensor differed in any variant: what has not passed, and does not differ, is not proven."""
        return any(variant.divergence is not None for variant in self.variants)

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        for variant in self.variants:
            if variant.divergence is not None:
                found = variant.divergence
                return f"MISMATCH: {variant.name}, step {found.step}, layer {found.layer}: {found.tensor}"
        for variant in self.variants:
            if not variant.canary_caught:
                return f"NOT PROVEN: {variant.name}: {_unproven(variant)}"
        steps = sum(variant.steps for variant in self.variants)
        tensors = sum(variant.tensors for variant in self.variants)
        if not steps:
            return "NOT PROVEN: not one step was compared"
        equal = f"EQUAL: {steps:,} steps, {tensors:,} tensors, every one within its bound; every canary was caught"
        ended = [variant.name for variant in self.variants if variant.not_finite_step is not None]
        return equal + (f"; the training diverged: {', '.join(ended)}" if ended else "")

    def to_json(self) -> str:
        """The report as JSON (nan and inf as strings, so that any reader can read it)."""
        fields = {**asdict(self), "passed": self.passed, "verdict": self.verdict}
        del fields["folder"]
        return json.dumps(plain(fields), indent=2, allow_nan=False) + "\n"

    def write(self, path: Path) -> None:
        """Write `to_json()` to a file, all of it or nothing."""
        write_whole(path, self.to_json())

    def table(self) -> Table:
        """A column per variant, so that it fits into 80 characters."""
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("", no_wrap=True)
        for variant in self.variants:
            table.add_column(variant.name, justify="right")
        for label, show in _ROWS:
            cells = [show(variant) for variant in self.variants]
            if any(cells):
                table.add_row(label, *(cell or "-" for cell in cells))
        return table

    def show(self, console: Console | None = None) -> None:
        """Print the table, the first divergence where there is one, and the verdict."""
        console = console or Console()
        table = self.table()
        wanted = Console(width=10_000).measure(table).maximum
        if not console.is_terminal and wanted > console.width:  # a file or a pipe has no width to respect
            console.width = wanted
        console.print(f"{self.comparison}: {self.claim}", markup=False, highlight=False, soft_wrap=True)
        console.print(table)
        worst = max(self.variants, key=lambda variant: variant.largest_share or 0.0, default=None)
        if worst is not None and worst.largest_share is not None:
            where = f"{worst.name}, step {worst.largest_step}, {worst.largest_tensor}"
            console.print(
                f"largest share of a bound: {_share(worst.largest_share)} ({where})",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )
        for variant in self.variants:
            notes = (
                variant.record_note,
                variant.validation_note,
                variant.parts_note,
                variant.ranks_note,
                variant.drift_note,
            )
            for said in (*notes, variant.not_finite_note, variant.divergence):
                if said:
                    console.print(f"{variant.name}: {said}", markup=False, highlight=False, soft_wrap=True)
        style = "bold green" if self.passed else "bold red"
        console.print(self.verdict, style=style, markup=False, highlight=False, soft_wrap=True)

    def _repr_html_(self) -> str:
        """What `show` prints, and NumPy's loss on torch's, for a notebook's cell."""
        console = Console(record=True, file=io.StringIO(), width=120, force_jupyter=False)
        self.show(console)
        style = "font-family: monospace; line-height: normal"
        code = f'<pre style="{style}">{{code}}</pre>'
        return console.export_html(theme=NOTEBOOK, inline_styles=True, code_format=code) + images(self._pictures())

    def _pictures(self) -> dict[str, Array]:
        """Of each variant NumPy's loss on torch's; none where the run's record is gone."""
        found: dict[str, Array] = {}
        if self.folder is None:
            return found
        for variant in self.variants:
            with suppress(UserError):
                metrics = read_metrics(self.folder / variant.name, finished=False)
                found[f"{variant.name}: {AGREEMENT}"] = agreement(metrics, variant.name, len(self.variants))
        return found


def environment(device: str = "cpu") -> dict[str, Any]:
    """All else that changes a result: versions, processor, threads, and torch's set-up."""
    import numpy as np
    import torch

    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "torchref": _version("torchref"),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "torch_threads": torch.get_num_threads(),
        "torch_deterministic": torch.are_deterministic_algorithms_enabled(),
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or "not set",
        "device": device,
    }
    if device.startswith("cuda"):
        facts |= {
            "cuda": torch.version.cuda,
            "gpu": torch.cuda.get_device_name(),
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
            "tf32_cudnn": torch.backends.cudnn.allow_tf32,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "CUBLAS_WORKSPACE_CONFIG": os.environ.get("CUBLAS_WORKSPACE_CONFIG", "not set"),
        }
    return facts


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def plain(value: Any) -> Any:
    """The same in JSON's types alone."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _number(value: float | None, form: str) -> str:
    """A number in ten characters or so, however large it is."""
    if value is None:
        return ""
    shown = format(value, form)
    return shown if len(shown) <= 14 else format(value, ".6e")


def _share(value: float | None) -> str:
    return _number(value, ".3f" if value is None or value < 1e3 else ".1e")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{1e6 * seconds:,.0f} µs" if seconds < 0.01 else f"{1e3 * seconds:,.0f} ms"


def _unproven(variant: VariantReport) -> str:
    if variant.canary_step is not None:
        return "the canary, an error planted to test the comparison, was not noticed"
    return "no error could be planted to test the comparison: every gradient was zero but for rounding"


def _canary(variant: VariantReport) -> str:
    if not variant.canary_caught:
        return "" if variant.canary_step is None else "MISSED"
    return "caught" if variant.canary_step is None else f"step {variant.canary_step}"


_ROWS: list[tuple[str, Callable[[VariantReport], str]]] = [
    ("training loss, NumPy", lambda v: _number(v.training_loss_numpy, ".6f")),
    ("training loss, torch", lambda v: _number(v.training_loss_torch, ".6f")),
    ("validation loss, NumPy", lambda v: _number(v.validation_loss_numpy, ".6f")),
    ("validation loss, torch", lambda v: _number(v.validation_loss_torch, ".6f")),
    ("training accuracy, NumPy", lambda v: _number(v.training_accuracy_numpy, ".2%")),
    ("training accuracy, torch", lambda v: _number(v.training_accuracy_torch, ".2%")),
    ("validation accuracy, NumPy", lambda v: _number(v.validation_accuracy_numpy, ".2%")),
    ("validation accuracy, torch", lambda v: _number(v.validation_accuracy_torch, ".2%")),
    ("steps in lockstep", lambda v: f"{v.steps:,}"),
    ("tensors compared", lambda v: f"{v.tensors:,}" if v.steps else ""),  # in a broken first step: up to the mismatch
    ("largest gradient difference", lambda v: _number(v.largest_difference, ".1e")),
    ("largest share of a bound", lambda v: _share(v.largest_share)),
    ("first difference", lambda v: _number(v.divergence.difference if v.divergence else None, ".1e")),
    ("canary caught", _canary),
    ("kinks", lambda v: str(v.kinks) if v.kinks else ""),
    ("parts from whole batch, loss", lambda v: _number(v.parts_loss, ".1e")),
    ("parts from whole batch, gradient", lambda v: _number(v.parts_gradient, ".1e")),
    ("processes", lambda v: "" if v.processes is None else str(v.processes)),
    ("mean of ranks by hand, from DDP's", lambda v: _number(v.ranks_ddp, ".1e")),
    ("mean of ranks, from whole batch", lambda v: _number(v.ranks_mean, ".1e")),
    ("  weighted by examples", lambda v: _number(v.ranks_weighted, ".1e")),
    ("free running, weights", lambda v: _number(v.drift_weights, ".1e") if v.steps else ""),
    ("free running, losses", lambda v: _number(v.drift_losses, ".1e") if v.steps else ""),
    ("time a step, NumPy", lambda v: _time(v.numpy_seconds)),
    ("time a step, torch", lambda v: _time(v.torch_seconds)),
    ("  lockstep adds", lambda v: _time(v.lockstep_seconds) if v.steps else ""),
    ("result", lambda v: v.result),
]
