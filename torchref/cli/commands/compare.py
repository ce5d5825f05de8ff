"""`torchref compare`: train a comparison's twins in lockstep and say whether they are equal."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from torchref.cli.commands import option
from torchref.compare.catalogue import DEFAULT, lessons
from torchref.compare.errors import UserError
from torchref.compare.files import check_folder

if TYPE_CHECKING:
    from torchref.compare.comparison import Comparison
    from torchref.compare.request import Request
    from torchref.compare.train.report import Report

__all__ = ["Options", "run", "set_threads"]

CHOICES = ("label", "target", "missing", "text", "drop")  # about a CSV file
OF_SWEEPS = ("seeds", "workers", "scheduler")
# The options that lessons take.
OF_LESSONS = ("name", "out", "quick", "all", "json", "seeds", "dry_run", "resume", "scheduler")


@dataclass(frozen=True)
class Options:
    """Train a NumPy network and its torch twin in lockstep, every tensor of every step compared.

    Ends with a table and exit status 0 where all are equal, 1 where one differs. What it records is in OUT/NAME;
    `torchref view` shows it.
    """

    name: Annotated[str | None, tyro.conf.Positional, option("[NAME|FILE.py]")] = None
    """A comparison that ships (see: torchref list), or a Python file with one Comparison. Default: digits."""
    seed: Annotated[int | None, option("INT")] = None
    """Seed of the weights, the order of the data and the random draws."""
    epochs: Annotated[int | None, option("INT")] = None
    """How often to go through the training data."""
    batch_size: Annotated[int | None, option("INT")] = None
    """Examples in a step."""
    dtype: Annotated[str | None, option("{float32,float64}")] = None
    """Precision of both twins."""
    device: Annotated[str | None, option("{auto,cpu,cuda}")] = None
    """Where torch computes; auto: CUDA where there is one."""
    record: Annotated[str | None, option("{few,all}")] = None
    """What TensorBoard shows: about 20 curves (few, the default), or every figure of every layer."""
    threads: Annotated[int | None, option("INT")] = None
    """Threads for matrix products. Default: OMP_NUM_THREADS, or 1: two engines that take turns wait for each other."""
    only: Annotated[str | None, option("VARIANT")] = None
    """Train this variant alone."""
    data: Annotated[Path | None, option("PATH")] = None
    """Your own data: a .npz, .csv or .txt file, or a folder with MNIST's IDX files or CIFAR-10's batches."""
    label: Annotated[str | None, option("COLUMN")] = None
    """The label's column of a CSV file: its name, or without a header its number, counted from 1. Default: the last."""
    target: Annotated[str | None, option("{class,value}")] = None
    """What a CSV file's label is: a class, or a number to be predicted. Default: a class, if it is whole or a text."""
    missing: Annotated[str | None, option("{drop,mean}")] = None
    """Missing values of a CSV file: drop their rows, or fill in the column's mean. Default: an error names them."""
    text: Annotated[str | None, option("{one-hot,drop}")] = None
    """A CSV file's columns of texts: a column of 0 and 1 for each text, or drop them. Default: an error names them."""
    drop: Annotated[str | None, option("COLUMN,...")] = None
    """Columns of a CSV file to leave out."""
    seeds: Annotated[int | None, option("INT")] = None
    """Run this many seeds, from the comparison's on, and show mean and spread; a lesson: instead of its own."""
    grid: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, option("KEY=A,B")] = ()
    """Run each value of a setting, or an option of the model or the optimizer (lr=0.01,0.1). May come several times."""
    workers: Annotated[int | None, option("INT")] = None
    """Processes for --seeds and --grid. Default: one a core. The numbers do not depend on it."""
    processes: Annotated[int | None, option("INT")] = None
    """Train one run on this many processes, each with its share of a batch: torch's twin under DDP, NumPy's by hand."""
    parallel: Annotated[str | None, option("{data}")] = None
    """Be one process of those that torchrun has started: torchrun --nproc-per-node 2 -m torchref compare NAME ..."""
    scheduler: Annotated[str | None, option("ADDRESS")] = None
    """Run --seeds, --grid or --all on the cluster of this scheduler of dask.distributed, as in tcp://HOST:8786."""
    out: Annotated[Path | None, option("FOLDER")] = None
    """Where to write. Default: runs."""
    config: Annotated[Path | None, option("FILE.toml")] = None
    """Settings from a run's config.toml; options given here win."""
    resume: Annotated[bool, option()] = False
    """Continue an interrupted run from its last checkpoint, to the same bits; of lessons, leave out those done."""
    dry_run: Annotated[bool, option()] = False
    """Check everything and show what would be done, without training."""
    json: Annotated[bool, option()] = False
    """Print the report as JSON, and no progress."""
    sabotage: Annotated[str | None, option("LAYER")] = None
    """Plant a fault in this layer of the NumPy twin (of torch's, where that is alone), to see it found."""
    all: Annotated[bool, option()] = False
    """Run every lesson; write OUT/lessons.md and OUT/lessons.json."""
    quick: Annotated[bool, option()] = False
    """Lessons alone: few epochs and seeds, to see that they run. Their verdicts mean little."""


def run(options: Options) -> int:
    """Train and report."""
    set_threads(options.threads)
    out = options.out or Path("runs")
    if options.all or (options.name or DEFAULT).replace("-", "_") in lessons():
        return run_lessons(options, out)
    if options.quick:
        raise UserError(f"quick: {options.name or DEFAULT} is no lesson; shorten it with --epochs")
    check_processes(options)
    if options.seeds is not None or options.grid:
        return run_sweep(options, out)
    for name in ("workers", "scheduler"):
        if getattr(options, name) is not None:
            raise UserError(f"{name}: it is for the runs of --seeds and --grid, and there is one run")
    if options.parallel is not None:
        return run_rank(options, out)
    comparison = asked_for(options, out)
    if options.processes is not None:
        return run_processes(comparison, options, out)

    from torchref.compare.train.progress import ProgressDisplay
    from torchref.compare.train.run import run as train

    if options.dry_run:
        return dry_run(comparison, out, options)
    try:
        with ProgressDisplay(quiet=options.json) as progress:
            report = train(
                comparison,
                out=out,
                only=options.only,
                resume=options.resume,
                sabotage=options.sabotage,
                on_progress=progress,
            )
    except KeyboardInterrupt:
        return interrupted(options, (out / comparison.name / "config.toml").exists())
    return show(report, out / comparison.name, options)


def show(report: Report, folder: Path, options: Options) -> int:
    """Print the report; returns the exit status."""
    if options.json:
        sys.stdout.write(report.to_json())
    else:
        report.show()
        print(f"recorded in {folder}; to look at it: torchref view {shlex.quote(str(folder))}")
    return 0 if report.passed else 1 if report.differs else 2


def asked_for(options: Options, out: Path) -> Comparison:
    """The comparison, whose folder can be written."""
    comparison = request(options).comparison(out if options.resume else None, silent if options.json else say)
    comparison.chosen(options.only)
    check_folder(out / comparison.name, options.resume)
    return comparison


def check_processes(options: Options) -> None:
    """UserError for --processes and --parallel that cannot be, before anything is imported."""
    if options.processes is not None and options.processes < 1:
        raise UserError(f"processes: there must be one at least, not {options.processes}")
    if options.parallel not in (None, "data"):
        raise UserError(f"parallel: must be data, not {options.parallel!r}: each process has a share of the batch")
    for name in ("processes", "parallel"):
        if getattr(options, name) is not None and (options.seeds is not None or options.grid):
            raise UserError(f"{name}: it is for one run, and --seeds and --grid make several: use --workers")
    if options.processes is not None and options.parallel is not None:
        raise UserError("parallel: it is for the processes that --processes starts: leave one of the two out")


def run_processes(comparison: Comparison, options: Options, out: Path) -> int:
    """Check all that can be checked here, then start the processes and wait for them."""
    from torchref.compare.train.launch import RankDied, launch
    from torchref.compare.train.run import prepare

    processes = options.processes
    assert processes is not None
    if options.dry_run:
        return dry_run(comparison, out, options)
    prepare(comparison, options.only, options.sabotage, processes)
    folder = out / comparison.name
    try:
        return launch(["compare", *words(options), "--parallel", "data"], processes, folder / "ranks")
    except RankDied as died:
        said = f"; to continue: {resume_command(options)}" if (folder / "config.toml").exists() else ""
        print(f"torchref: {died}{said}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return interrupted(options, (folder / "config.toml").exists())


def run_rank(options: Options, out: Path) -> int:
    """Be one rank: the first one reports."""
    from torchref.compare.lockstep.ranks import under_torchrun

    if not under_torchrun():
        raise UserError(
            "parallel: torchrun starts the processes, and has not started this one: write --processes 2, or torchrun "
            "--nproc-per-node 2 -m torchref compare NAME --parallel data"
        )
    from torchref.compare.train.launch import LOST
    from torchref.compare.train.parallel import Lost, train_rank
    from torchref.compare.train.progress import ProgressDisplay

    def ask() -> tuple[Comparison, Path]:
        comparison = asked_for(options, out)
        return comparison, out / comparison.name

    try:
        with ProgressDisplay(quiet=options.json) as progress:
            trained = train_rank(
                ask, only=options.only, resume=options.resume, sabotage=options.sabotage, on_progress=progress
            )
    except KeyboardInterrupt:
        return 130  # who has started the processes says how to continue
    except Lost:
        print("torchref: another rank has gone: its connection is closed", file=sys.stderr)
        return LOST
    return 0 if trained is None else show(trained, out / trained.comparison, options)


def run_lessons(options: Options, out: Path) -> int:
    """One lesson, or all of them."""
    from torchref.cli import lessons as command

    if options.grid:
        raise UserError("grid: a lesson has variants of its own")
    for field in fields(options):
        if field.name not in OF_LESSONS and getattr(options, field.name) != field.default:
            option = field.name.replace("_", "-")
            raise UserError(f"{option}: a lesson brings its own settings (its variants, rates, epochs)")
    if options.all and options.name:
        raise UserError(f"all: it runs every lesson; leave out {options.name!r}, or --all")
    if options.seeds is not None and options.seeds < 2:
        raise UserError(f"seeds: a verdict needs two trainings at least, not {options.seeds}: one seed shows nothing")
    if options.scheduler is not None and not options.all:
        raise UserError("scheduler: one lesson is one task; with --all they are trained side by side")
    names = lessons() if options.all else [str(options.name).replace("-", "_")]
    train = partial(
        command.run_lessons,
        names,
        out,
        how=command.How(options.seeds, options.quick, options.resume),
        json_only=options.json,
        dry_run=options.dry_run,
        table=options.all,
    )
    if options.scheduler is None:
        return train()
    from torchref.compare.tasks.where import engine

    with engine(None, options.scheduler, out, silent if options.json else note) as run_tasks:
        return train(run_tasks=run_tasks)


def run_sweep(options: Options, out: Path) -> int:
    """Many runs instead of one: 0 where all were equal, 1 where one was not, 2 where one failed or proved nothing."""
    from torchref.compare.sweep import table
    from torchref.compare.sweep.plan import Sweep, plan
    from torchref.compare.sweep.run import train_all
    from torchref.compare.tasks.where import engine

    asked = request(options)
    comparison = asked.comparison(tell=silent if options.json else say)
    chosen = comparison.chosen(options.only)
    sweep = Sweep(asked, out / comparison.name, options.seeds, options.grid, options.resume, options.sabotage)
    runs = plan(sweep, comparison, chosen)
    tell = silent if options.json else note
    try:
        with engine(options.workers, options.scheduler, sweep.folder, tell) as run_tasks:
            if options.dry_run:
                for run in runs:
                    print(f"{'would train' if run.report is None else 'is done:'} {run.folder}")
                return 0
            train_all(sweep, runs, run_tasks, quiet=options.json)
    except KeyboardInterrupt:
        return interrupted(options, sweep.folder.exists())
    result = table.write(sweep.folder, comparison, runs)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        table.show(comparison, runs)
        print(f"recorded in {sweep.folder}; to look at it: torchref view {shlex.quote(str(sweep.folder))}")
    if any(run.differs for run in runs):
        return 1
    return 0 if result["passed"] else 2


def note(line: str) -> None:
    """On stderr, where it mixes with no result."""
    print(line, file=sys.stderr)


def say(line: str) -> None:
    """A guess about the user's data."""
    note(f"data: {line}")


def silent(line: str) -> None:
    """Say nothing."""


def set_threads(threads: int | None) -> None:
    """Set how many threads NumPy's and torch's matrix products use. Both libraries read it when they are imported.

    With more than one, the threads of the engine that waits spin on the cores of the one that works: on two cores a
    small network takes twice as long, on a busy machine hundreds of times.
    """
    if threads is not None and threads < 1:
        raise UserError(f"threads must be at least 1, not {threads}")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        if threads is not None:
            os.environ[name] = str(threads)
        else:
            os.environ.setdefault(name, os.environ.get("OMP_NUM_THREADS", "1"))


def request(options: Options) -> Request:
    """What the options ask for."""
    from torchref.compare.configuration import SETTINGS
    from torchref.compare.request import Request

    choices = {name: getattr(options, name) for name in CHOICES if getattr(options, name) is not None}
    settings = {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}
    return Request(options.name, options.config, options.data, choices, settings)


def dry_run(comparison: Comparison, out: Path, options: Options) -> int:
    """Make the same checks as a run, on the same data and networks, and show what would be done."""
    import tomli_w

    from torchref.compare.configuration import as_config
    from torchref.compare.train.run import prepare

    prepared = prepare(comparison, options.only, options.sabotage, options.processes)
    print(tomli_w.dumps(as_config(comparison)))
    examples = f"{len(prepared.data.train_inputs)} examples, {comparison.epochs} epochs each"
    shared = "" if options.processes is None else f", a batch shared by {options.processes} processes"
    print(f"would train {', '.join(prepared.variants)} on {prepared.device}: {examples}{shared}")
    print(f"would write to {out / comparison.name}")
    return 0


def interrupted(options: Options, resumable: bool) -> int:
    """Say how to continue, where there is something to be continued."""
    said = f"to continue: {resume_command(options)}" if resumable else "nothing is written yet"
    print(f"\ninterrupted; {said}", file=sys.stderr)
    return 130


def resume_command(options: Options) -> str:
    """What to type to continue."""
    processes = [] if options.processes is None else ["--processes", str(options.processes)]
    return shlex.join(["torchref", "compare", *words(replace(options, resume=True, json=False)), *processes])


def words(options: Options) -> list[str]:
    """The options as they are typed, but for how many processes there are."""
    from torchref.compare.configuration import SETTINGS

    said = [*([options.name] if options.name else []), *(["--resume"] if options.resume else [])]
    said += ["--json"] if options.json else []
    for name in ("config", "data", *CHOICES, "out", *SETTINGS, "threads", "only", "sabotage", *OF_SWEEPS):
        value = getattr(options, name)
        if value is not None:
            said += [f"--{name.replace('_', '-')}", str(value)]
    for word in options.grid:
        said += ["--grid", word]
    return said
