"""TensorBoard on this machine, opened where NumPy's curves lie over torch's."""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from pathlib import Path
from urllib.parse import urlencode

from comparisons.errors import UserError, nearest

HOST = "127.0.0.1"  # this machine alone
RUNS = Path("runs")
PINNED = ("loss/training", "loss/validation", "accuracy/validation")  # the cards at the top of the page


def find_run(run: str | None) -> Path:
    """The folder that is meant: a folder, a name in runs/, or the newest run. UserError where nothing is recorded."""
    known = {path.parent.relative_to(RUNS).as_posix(): path.parent for path in RUNS.glob("**/config.toml")}
    if run is None:
        if not known:
            raise UserError(f"view: there is no run in {RUNS.absolute()}: make one with torchref compare")
        return max(known.values(), key=lambda folder: max(p.stat().st_mtime for p in folder.glob("*")))
    for folder in (Path(run), RUNS / run):
        if folder.is_dir():
            if not next(folder.glob("**/events.out.tfevents.*"), None):
                raise UserError(f"view: nothing is recorded in {folder}")
            return folder
    raise UserError(f"view: there is no run {run!r}: {nearest(run, known)}")


def start(folder: Path, port: int | None) -> str:
    """Start TensorBoard in this process; returns its address."""
    import logging
    import warnings

    warnings.filterwarnings("ignore", category=UserWarning, message="pkg_resources is deprecated")
    from tensorboard import default, program

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    board = program.TensorBoard(plugins=default.get_plugins())
    # 0 would mean all points, but shows none: a number larger than any run.
    arguments = ["--logdir", str(folder), "--host", HOST, "--samples_per_plugin", "scalars=1000000,images=1000"]
    if port is not None:
        arguments += ["--port", str(port)]
    board.configure(argv=["tensorboard", *arguments])
    try:
        return board.launch()
    except program.TensorBoardServerException as error:
        raise UserError(f"view: TensorBoard cannot listen on {HOST}:{port or 6006}: {error.msg}") from None


def deep_link(address: str) -> str:
    """The page with unsmoothed curves, the losses pinned to its top, and one colour for each engine."""
    query = {
        "smoothing": "0",
        "runColorGroup": "regex:(numpy|torch|difference)$",
        "pinnedCards": json.dumps([{"plugin": "scalars", "tag": tag} for tag in PINNED]),
    }
    return f"{address.rstrip('/')}/?{urlencode(query)}#timeseries"


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
