"""`torchref referee`: are torch's gradients of this model right, and if not, where do they part?"""

from __future__ import annotations

import inspect
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from torchref.cli.commands import option
from torchref.compare.errors import UserError
from torchref.compare.faults import reason

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Options:
    """Judge every gradient of a PyTorch model: replay its run with backwards derived by hand.

    torchref referee FILE.py:make, where `make()` returns the model and a closure that runs it and returns the scalar
    loss. Exit status 0: every parameter's gradient is equal, 1: one parts, 2: it could not be run, 3: parts of it were
    not judged.
    """

    target: Annotated[str | None, tyro.conf.Positional, option("FILE.py:MAKE")] = None
    """The function that returns model and closure."""
    engine: Annotated[str, option("ENGINE")] = "eager"
    """eager (the default), autocast-bf16, autocast-fp16, bf16, fp16, float64, channels_last, cuda, mps, compile or
    ddp."""
    seed: Annotated[int, option("N")] = 0
    """torch's seed before `make()` and the run. Default: 0."""
    trust: Annotated[tuple[str, ...], option("FUNCTION")] = ()
    """autograd.Functions whose backward is meant to differ from their forward's derivative."""
    json: Annotated[bool, option()] = False
    """Print the report as JSON."""
    html: Annotated[Path | None, option("FILE")] = None
    """Write the report as a page."""


def run(options: Options) -> int:
    """Judge, print, and write the page."""
    if options.target is None:
        raise UserError("referee: say what to judge: FILE.py:MAKE, MAKE a function that returns (model, closure)")
    import torch

    from torchref.referee import RefereeError, judge
    from torchref.referee.engines import check_engine
    from torchref.referee.html import page

    try:
        check_engine(options.engine)  # before the file runs
        make = load(options.target)
        torch.manual_seed(options.seed)
        try:
            inspect.signature(make).bind()
        except TypeError as error:
            raise UserError(f"referee: {options.target} is called without arguments: {error}") from None
        made = make()
        if not (isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], torch.nn.Module)):
            raise UserError(f"referee: {options.target} must return (model, closure), a torch module and a function")
        with telling() as tell:
            report = judge(*made, engine=options.engine, trust=options.trust, tell=tell)
    except RefereeError as error:
        raise UserError(f"referee: {error}") from None
    if options.html is not None:
        try:
            options.html.write_text(page(report), encoding="utf-8")
        except OSError as error:
            raise UserError(f"referee: cannot write {options.html}: {reason(error)}") from None
    print(report.as_json() if options.json else report.text())
    return report.status


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """How far it is: one line on stderr that is written over, where that is a terminal, and is gone at the end."""
    if not sys.stderr.isatty():
        yield lambda line: None
        return
    width = shutil.get_terminal_size().columns - 1
    try:
        yield lambda line: print(f"\r{line[:width]:{width}}", end="", file=sys.stderr, flush=True)
    finally:
        print(f"\r{'':{width}}\r", end="", file=sys.stderr, flush=True)


def load(target: str) -> Callable[[], Any]:
    """The function that FILE.py:MAKE names."""
    from torchref.load import load_file
    from torchref.nearest import nearest

    file, _, name = target.rpartition(":")
    if not file or not name:
        raise UserError(f"referee: {target!r} is not FILE.py:MAKE, a file and a function that returns (model, closure)")
    path = Path(file)
    if not path.is_file():
        raise UserError(f"referee: there is no file {file}")
    module = load_file(path)
    made = getattr(module, name, None)
    if not callable(made):
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        raise UserError(f"referee: {file} has no function {name!r}: {nearest(name, own)}")
    function: Callable[[], Any] = made
    return function
