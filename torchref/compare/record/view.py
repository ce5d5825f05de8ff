"""Open TensorBoard, on this machine alone unless asked, at the page that shows NumPy's curves over torch's."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tomllib
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from torchref.compare.errors import UserError
from torchref.compare.record.tags import ABOUT, AGREEMENT, FIGURES, THIS_RUN
from torchref.nearest import nearest

__all__ = ["HOST", "PINNED", "deep_link", "find_run", "gathered", "has_browser", "start", "who_sees"]

HOST = "127.0.0.1"  # this machine alone
ENGINE = "(?:numpy|torch|difference)$"
SEED = ",seed=[^,/]+"  # in the name of a sweep's run: "linear,lr=0.1,seed=0"
LOOPBACK = ("127.", "localhost", "::1")
RUNS = Path("runs")
# The pages that torchref has something for; what stands idle would take their tabs' place.
PAGES = {"timeseries", "scalars", "images", "distributions", "histograms", "text", "hparams"}
PINNED = ("difference/gradient (log10)", "loss/training", "loss/validation", "accuracy/validation")


def find_run(run: str | None) -> Path:
    """A folder, a name in runs/, or the newest run (of a sweep: the sweep). UserError where nothing is recorded."""
    known = {path.parent.relative_to(RUNS).as_posix(): path.parent for path in RUNS.glob("**/config.toml")}
    if run is None:
        if not known:
            raise UserError(f"view: there is no run in {RUNS.absolute()}: make one with torchref compare")
        newest = max(known.values(), key=lambda folder: max(p.stat().st_mtime for p in folder.glob("*")))
        return newest.parent if (newest.parent / "sweep.json").exists() else newest
    for folder in (Path(run), RUNS / run):
        if folder.is_dir():
            if not next(folder.glob("**/events.out.tfevents.*"), None):
                raise UserError(f"view: nothing is recorded in {folder}")
            return folder
    raise UserError(f"view: there is no run {run!r}: {nearest(run, known)}")


def gathered(folder: Path, place: Path) -> Path:
    """`folder`; where it holds several sweeps, `place`, with links to their runs and one table of all their columns.

    TensorBoard takes the columns of the first sweep that it finds.
    """
    from torchref.compare.record.recorder import declare_hparams  # with NumPy, which --help does without

    sweeps = {path.parent: json.loads(path.read_text()) for path in sorted(folder.glob("**/sweep.json"))}
    if len(sweeps) < 2:
        return folder
    columns: dict[str, list[Any]] = {}
    metrics: dict[str, None] = {}
    for sweep, table in sweeps.items():
        for name, values in table.get("columns", {}).items():
            known = columns.setdefault(name, [])
            known += [value for value in values if value not in known]
        metrics |= dict.fromkeys(table.get("metrics", ()))
        into = place / sweep.relative_to(folder)
        into.mkdir(parents=True)
        for run in sweep.iterdir():
            if run.is_dir():
                (into / run.name).symlink_to(run.resolve())
    declare_hparams(place, columns, list(metrics))
    return place


def start(folder: Path, port: int | None, host: str = HOST) -> str:
    """Start TensorBoard in this process; returns its address."""
    import logging
    import warnings

    warnings.filterwarnings("ignore", category=UserWarning, message="pkg_resources is deprecated")
    from tensorboard import default, program
    from tensorboard.plugins.core.core_plugin import CorePluginLoader
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin

    from torchref.compare.record.backprop.plugin import BackpropPlugin

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    plugins = [
        plugin
        for plugin in default.get_static_plugins()  # an installed torchref's would be this one once more
        if isinstance(plugin, CorePluginLoader) or getattr(plugin, "plugin_name", "") in PAGES
    ]
    if next(folder.glob("**/projector_config.pbtxt"), None):
        plugins.append(ProjectorPlugin)
    board = program.TensorBoard(plugins=[*plugins, BackpropPlugin])
    # For scalars 0 would mean all points, but shows none: a number larger than any run.
    samples = "scalars=1000000,images=1000,backprop=0"
    arguments = ["--logdir", str(folder), "--host", host, "--samples_per_plugin", samples]
    if port is not None:
        arguments += ["--port", str(port)]
    board.configure(argv=["tensorboard", *arguments])
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # it announces that it loads data fast
            return str(board.launch())
    except program.TensorBoardServerException as error:
        raise UserError(f"view: TensorBoard cannot listen on {host}:{port or 6006}: {error.msg}") from None


def who_sees(host: str) -> str:
    """A warning where others than this machine can see the runs; else empty."""
    if host.startswith(LOOPBACK):
        return ""
    return (
        f"view: TensorBoard listens on {host} and asks for no password: whoever reaches this machine there sees the "
        "runs, the paths of their files and their data's pictures"
    )


def deep_link(address: str, folder: Path) -> str:
    """The page with unsmoothed curves, and the losses, or the curves that a lesson names, pinned to its top.

    While there are no curves yet it is the page of text.
    """
    query = {
        "smoothing": "0",
        "runColorGroup": f"regex:{colors(folder)}",
        "pinnedCards": json.dumps(pinned(folder)),
    }
    if runs := configuration(folder).get("runs"):
        query["runFilter"] = str(runs)
    return f"{address.rstrip('/')}/?{urlencode(query)}#{page(folder)}"


def colors(folder: Path) -> str:
    """A regular expression: runs whose groups are the same have the same colour; the page of text has none.

    One variant: a colour for each engine. Several: each variant and setting has a colour, which its engines share, and
    in a sweep its seeds, unless nothing but the seed is varied.
    """
    runs = {path.parent.parent.as_posix() for path in folder.glob("**/numpy/events.out.tfevents.*")}
    if len(runs) < 2:
        return "(numpy|torch|difference)$"
    if named := configuration(folder).get("colors"):
        return str(named)
    settings = {re.sub(SEED, "", run) for run in runs}
    return f"^(?:(.*){SEED}(.*)|(.*))/{ENGINE}" if 1 < len(settings) < len(runs) else f"^(.*)/{ENGINE}"


def pinned(folder: Path) -> list[dict[str, Any]]:
    """The cards on top: the picture of NumPy on torch, then what a lesson names, or the curves of every run."""
    cards: list[dict[str, Any]] = []
    variants = configuration(folder).get("variants", {})
    found = folder.glob("**/numpy/events.out.tfevents.*")
    runs = [path.parent.relative_to(folder).as_posix() for path in found]
    if runs:
        cards.append(picture(AGREEMENT, min(runs, key=lambda run: order(run, list(variants)))))
    named = configuration(folder).get("cards")
    for tag in map(str, named if isinstance(named, list) and named else PINNED):
        of_lesson = tag.startswith(FIGURES)
        cards.append(picture(tag, f"{ABOUT}/{THIS_RUN}") if of_lesson else {"plugin": "scalars", "tag": tag})
    return cards


def order(run: str, variants: list[str]) -> tuple[int, str]:
    """Sorts runs as the variants stand in the comparison: the first is what the others are compared with."""
    variant = run.partition("/")[0]
    return variants.index(variant) if variant in variants else len(variants), run


def picture(tag: str, run: str) -> dict[str, Any]:
    """A card with a picture: TensorBoard wants the run's name, behind that of its one experiment."""
    return {"plugin": "images", "tag": tag, "runId": f"defaultExperimentId/{run}", "sample": 0}


def page(folder: Path) -> str:
    """The page that shows most: the curves, unless a lesson names another; before there is a curve, the text."""
    if not next(folder.glob("**/numpy/events.out.tfevents.*"), None):
        return "text"
    return str(configuration(folder).get("page", "timeseries"))


def configuration(folder: Path) -> dict[str, Any]:
    """The config.toml of the run that `folder` is or lies in; empty where there is none that can be read."""
    for place in (folder, folder.parent):
        with contextlib.suppress(OSError, ValueError, RecursionError):
            return tomllib.loads((place / "config.toml").read_text(encoding="utf-8"))
    return {}


def has_browser() -> bool:
    """Whether a window can be opened: a text browser would take the terminal over."""
    if sys.platform in ("darwin", "win32"):
        return True
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
