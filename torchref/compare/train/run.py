"""Train every variant of a comparison in lockstep, record it, and report: `run(comparison) -> Report`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from torchref.compare.comparison import Comparison
from torchref.compare.configuration import as_config, write_config
from torchref.compare.data import Data
from torchref.compare.errors import UserError
from torchref.compare.faults import reason
from torchref.compare.lockstep.parallel import ParallelLockstep
from torchref.compare.lockstep.ranks import Ranks, enough_gpus
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.origin import Origin, check_origin, origin_of
from torchref.compare.record.unfinished import running_lines, training, write_page
from torchref.compare.train.about import about, page, result_of
from torchref.compare.train.functions import checked_data
from torchref.compare.train.progress import OnProgress, ProgressDisplay, in_notebook
from torchref.compare.train.rehearse import rehearse
from torchref.compare.train.report import Report, VariantReport, environment
from torchref.compare.train.shares import check_networks, check_shares, smallest_share
from torchref.compare.train.variant import VariantTraining

__all__ = ["Prepared", "lockstep_of", "pick_device", "prepare", "prepare_on", "run", "train"]

RESUMED = "`torchref compare` with `--resume` continues it where it was"


def run(
    comparison: Comparison,
    *,
    out: Path | str = "runs",
    folder: Path | None = None,
    only: str | None = None,
    resume: bool = False,
    sabotage: str | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Train the variants of `comparison`, NumPy and torch in lockstep, and write `out/<name>/<variant>/`
    (or `folder/<variant>/`), and beside them `about/`, the page that TensorBoard shows first.

    Every output, loss, gradient, buffer and update of every step is compared; the first one that differs by more than
    rounding explains ends the run with `report.passed` False. `only` picks one variant, `resume` continues an
    interrupted run to the same bits, `sabotage` plants a fault in a layer of the NumPy twin, or of a torch
    model that stands alone, to see it found.
    `on_progress` is called after every step; without it a notebook shows a bar, and all else shows nothing.

    UserError, before anything is written: a variant or layer that does not exist, data that does not fit the network,
    CUDA where there is none, a run folder that is already there (without `resume`).
    """
    prepared = prepare(comparison, only, sabotage)
    return train(comparison, folder or Path(out) / comparison.name, prepared, resume, sabotage, on_progress)


def train(
    comparison: Comparison,
    folder: Path,
    prepared: Prepared,
    resume: bool,
    sabotage: str | None,
    on_progress: OnProgress | None,
    ranks: Ranks | None = None,
) -> Report:
    """What was prepared, trained. Of several processes this is the first, and the others `follow`."""

    def open_it() -> None:
        open_folder(folder, prepared.variants, as_config(comparison), prepared.origin, resume)

    open_it() if ranks is None else ranks.agreed(open_it)
    said = (page(comparison, [line], prepared.about) for line in running_lines(RESUMED))
    with training(folder, *said):
        reports = train_all(comparison, folder, prepared, resume, sabotage, on_progress, ranks)
        report = Report(
            comparison.name, comparison.claim, as_config(comparison), reports, environment(str(prepared.device)), folder
        )
        report.write(folder / "report.json")
        write_page(folder, page(comparison, result_of(report), prepared.about))
    return report


def train_all(
    comparison: Comparison,
    folder: Path,
    prepared: Prepared,
    resume: bool,
    sabotage: str | None,
    on_progress: OnProgress | None,
    ranks: Ranks | None,
) -> list[VariantReport]:
    """Variant by variant, up to the first that differs."""
    reports: list[VariantReport] = []
    display = ProgressDisplay(quiet=on_progress is not None or not in_notebook())
    report_step = on_progress or display
    with display:
        for index, variant in enumerate(prepared.variants):

            def show(step: int, steps: int, variant: str = variant, index: int = index) -> None:
                report_step(variant, step, steps, index, len(prepared.variants))

            if not folder.exists():
                raise UserError(f"out: {folder} was removed while the run was writing it")
            lockstep = lockstep_of(comparison, variant, prepared, sabotage, ranks)
            trained = VariantTraining(
                comparison, variant, prepared.data, folder / variant, lockstep, len(prepared.variants)
            )
            reports.append(trained.train(resume, show))
            if reports[-1].divergence is not None:
                break
    return reports


def lockstep_of(
    comparison: Comparison, variant: str, prepared: Prepared, sabotage: str | None, ranks: Ranks | None
) -> Lockstep:
    """A variant's twins: on one process, or this one's of several."""
    options = comparison.variants[variant]
    if ranks is None:
        return Lockstep(comparison, options, prepared.device, sabotage)
    return ParallelLockstep(comparison, options, prepared.device, sabotage, ranks, prepared.unused[variant])


@dataclass(frozen=True)
class Prepared:
    """All that a run begins with, after every check."""

    variants: list[str]
    device: torch.device
    data: Data  # in the comparison's dtype
    origin: Origin
    about: str  # what its page says before there is a result
    unused: dict[str, bool]  # by variant: does a step leave out some of the parameters?


def prepare(
    comparison: Comparison, only: str | None = None, sabotage: str | None = None, processes: int | None = None
) -> Prepared:
    """Check everything that a run needs, on its data and its networks, and on `processes`; write nothing."""
    variants = comparison.chosen(only)
    device = pick_device(comparison.device, processes or 1)
    made = checked_data(comparison)
    data = made.astype(np.dtype(comparison.dtype))
    if processes is not None:
        check_shares(comparison, data, processes)
    twins = {variant: rehearse(comparison, variant, data, device, sabotage) for variant in variants}
    if processes is not None:
        check_networks(twins, smallest_share(comparison, data, processes))
    unused = {v: any(p.grad is None and p.requires_grad for p in t.parameters.values()) for v, t in twins.items()}
    return Prepared(variants, device, data, origin_of(comparison, made), about(comparison, data, twins), unused)


def prepare_on(ranks: Ranks, comparison: Comparison, only: str | None, sabotage: str | None) -> Prepared:
    """`prepare` on every rank. A UserError is every rank's; so is what another one prepares otherwise."""
    prepared = ranks.agreed(lambda: prepare(comparison, only, sabotage, ranks.world))
    facts = {"settings": str(as_config(comparison))}
    facts |= {f"{name} ({kind})": digest for kind, of in prepared.origin.items() for name, digest in of.items()}
    ranks.check_same(facts)
    return prepared


def pick_device(name: str, processes: int = 1) -> torch.device:
    """The device, set up so that the same step gives the same bits. UserError where there is no CUDA.

    Of several processes each needs a GPU of its own: nccl refuses two on one.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device: 'cuda' is asked for, but torch finds no CUDA device (use 'cpu' or 'auto')")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", processes)) if processes > 1 else 1  # those of this machine
    if name == "cuda" and not enough_gpus(processes):
        raise UserError(
            f"device: nccl gives each of {processes} processes a GPU of its own, and torch finds "
            f"{torch.cuda.device_count()} (use --device cpu, or fewer processes)"
        )
    device = torch.device("cuda" if name != "cpu" and enough_gpus(processes) else "cpu")
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.use_deterministic_algorithms(True)
        # Both hide their random draws: cuDNN's recurrent dropout, and attention kernels other than the plain one.
        torch.backends.cuda.enable_flash_sdp(False)
        torch.backends.cuda.enable_mem_efficient_sdp(False)
    return device


def open_folder(folder: Path, variants: list[str], config: dict[str, Any], origin: Origin, resume: bool) -> None:
    """Make the run's folder, or with `resume` check that the one there is of the same configuration, files and data."""
    there = [folder / variant for variant in variants if (folder / variant).exists()]
    if there and not resume:
        raise UserError(
            f"out: {there[0]} is already there: continue it with resume=True (--resume), or name another folder "
            "with out= (--out)"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if resume and (folder / "config.toml").exists():
            check_origin(folder / "config.toml", origin)
        write_config(folder / "config.toml", config | {"origin": origin}, resume)
    except OSError as error:
        raise UserError(f"out: cannot write to {folder}: {reason(error)}") from None
