"""`torchref view`: look at runs in TensorBoard."""

from __future__ import annotations

import sys
import tempfile
import time
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from torchref.cli.commands import option
from torchref.compare.errors import UserError
from torchref.compare.record.view import deep_link, find_run, gathered, has_browser, start, who_sees

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Options:
    """Look at runs in TensorBoard: NumPy's curves over torch's, and their difference. Ctrl-C ends it."""

    run: Annotated[str | None, tyro.conf.Positional, option("[RUN]")] = None
    """A run's folder, or its name in runs/. Default: the newest run or sweep in runs/."""
    port: Annotated[int | None, option("INT")] = None
    """The port to listen on. Default: 6006, or the next one that is free."""
    host: Annotated[str, option("ADDRESS")] = "127.0.0.1"
    """The address to listen on. Default: this machine alone; with 0.0.0.0 whoever reaches it can see the runs."""
    no_browser: Annotated[bool, option()] = False
    """Print the link, and open no browser."""


def run(options: Options) -> int:
    """Start TensorBoard, print the link, and wait."""
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UserError(f"view: port must be from 1 to 65535, not {options.port}")
    folder = find_run(options.run)
    from torchref.compare.record.unfinished import say_broken_off  # with NumPy, which --help does without

    say_broken_off(folder)
    with tempfile.TemporaryDirectory(prefix="torchref-view-") as place:
        return show(folder, gathered(folder, Path(place)), options)


def show(folder: Path, logs: Path, options: Options) -> int:
    """Serve `logs`, which are those of `folder`, until Ctrl-C."""
    address = start(logs, options.port, options.host)
    link = deep_link(address, folder)
    if warning := who_sees(options.host):
        print(warning, file=sys.stderr)
    print(f"{folder}: {link}", flush=True)
    if options.no_browser or not has_browser() or not webbrowser.open(link):
        print("no browser is opened from here: open the link in one on this machine", flush=True)
    print("Ctrl-C ends it", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0
