"""How far a run is: a bar with the time left on a terminal or in a notebook, elsewhere a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Protocol, TextIO

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["OnProgress", "ProgressDisplay", "in_notebook"]


class OnProgress(Protocol):
    """Called by `torchref.compare.run` after every step: `step` of `steps`, in variant `index` (from 0) of `count`."""

    def __call__(self, variant: str, step: int, steps: int, index: int, count: int) -> None: ...


class ProgressDisplay:
    """An `OnProgress` that shows on stderr, in a notebook on stdout; use it as a context manager.

    `quiet` shows nothing, `unit` is counted.
    """

    def __init__(
        self,
        quiet: bool = False,
        stream: TextIO | None = None,
        seconds_between_lines: float = 5.0,
        unit: str = "step",
    ) -> None:
        self._unit = unit
        # What a notebook's cell says on stderr looks like an error.
        self._stream = stream or (sys.stdout if in_notebook() else sys.stderr)
        self._quiet = quiet
        self._seconds = seconds_between_lines
        self._bar: _Bar | None = None
        self._task = TaskID(0)
        self._variant = ""
        self._made = -float("inf")  # when the table above the bar was made
        self._shown = -float("inf")  # when anything was shown last
        self._begin: tuple[float, int] | None = None  # when the first step was reported, and how many were done then

    def __enter__(self) -> ProgressDisplay:
        if not self._quiet and self._moves():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
            console = Console() if in_notebook() else Console(file=self._stream)
            self._bar = _Bar(*columns, *times, console=console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, variant: str, step: int, steps: int, index: int = 0, count: int = 1) -> None:
        if self._quiet:
            return
        now = time.monotonic()
        done, total = index * steps + step, count * steps
        if self._begin is None:
            self._begin = now, done
        waited = now - self._shown >= (0.1 if self._bar else self._seconds)
        if variant == self._variant and done < total and not waited:
            return
        self._shown, self._variant = now, variant
        if self._bar is not None:
            self._bar.update(self._task, description=variant, completed=done, total=total)
            return
        began, first = self._begin
        left = f", {_duration((now - began) / (done - first) * (total - done))} left" if first < done < total else ""
        percent = 100 * done // max(total, 1)
        line = f"{variant}: {self._unit} {step} of {steps} ({percent} %{' of the run' * (count > 1)}{left})"
        print(line, file=self._stream, flush=True)

    def show(self, table: Callable[[], RenderableType], line: str) -> None:
        """Something is over: show a table above the bar, made anew at most once a second; without a bar, a line."""
        if self._bar is not None:
            if time.monotonic() - self._made >= 1.0:
                self._bar.above, self._made = table(), time.monotonic()
        elif not self._quiet:
            print(line, file=self._stream, flush=True)

    def _moves(self) -> bool:
        """Whether a bar can be drawn: on a terminal, and in a notebook where ipywidgets is installed."""
        return find_spec("ipywidgets") is not None if in_notebook() else self._stream.isatty()


class _Bar(Progress):
    """A bar with something above it."""

    above: RenderableType = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.above:
            yield self.above
        yield from super().get_renderables()


def in_notebook() -> bool:
    """Whether this is a notebook's kernel: Jupyter's or Colab's."""
    return Console().is_jupyter


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"
