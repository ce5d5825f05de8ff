"""`torchref view`: look at runs in TensorBoard."""

from __future__ import annotations

import time
import webbrowser
from dataclasses import dataclass
from typing import Annotated

import tyro

from torchref.cli.commands import option
from torchref.compare.errors import UserError
from torchref.compare.record.view import deep_link, find_run, has_browser, start

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Options:
    """Look at runs in TensorBoard: NumPy's curves over torch's, and their difference. Ctrl-C ends it."""

    run: Annotated[str | None, tyro.conf.Positional, option("[RUN]")] = None
    """A run's folder, or its name in runs/. Default: the newest run or sweep in runs/."""
    port: Annotated[int | None, option("INT")] = None
    """The port to listen on. Default: 6006, or the next one that is free."""
    no_browser: Annotated[bool, option()] = False
    """Print the link, and open no browser."""


def run(options: Options) -> int:
    """Start TensorBoard, print the link, and wait."""
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UserError(f"view: port must be from 1 to 65535, not {options.port}")
    folder = find_run(options.run)
    address = start(folder, options.port)
    link = deep_link(address, folder)
    print(f"{folder}: {link}", flush=True)
    if options.no_browser or not has_browser() or not webbrowser.open(link):
        print("no browser is opened from here: open the link in one on this machine", flush=True)
    print("Ctrl-C ends it", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0
