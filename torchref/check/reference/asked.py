"""What `--against`, `--inputs` and `--sizes` ask for, where that is something of the user's own."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torchref.check.reading.forms.calling import CouldNotRun, TimeOut
from torchref.check.reading.forms.recognise import look_up
from torchref.check.reference.witness import NoWitness
from torchref.check.running.tracebacks import last_lines
from torchref.load import load_file

FORWARD = ("forward", "loss")  # --against forward: the code's own
PLACE = re.compile(r"(?P<path>.*\.py):(?P<name>[A-Za-z_][\w.]*)(?P<call>\(.*\))?$", re.S)


def own(against: Any) -> bool:
    """Whether what is asked for is no operation of the catalogue."""
    return callable(against) or (isinstance(against, str) and (against in FORWARD or PLACE.match(against) is not None))


def label(against: Any) -> str:
    """How a verdict calls the reference."""
    if callable(against):
        return getattr(against, "__qualname__", type(against).__name__)
    place = PLACE.match(against)
    return against if place is None else f"{Path(place['path']).name}:{place['name']}"


def file_of(against: Any) -> str:
    """The file that the reference stands in; empty where it is no place."""
    place = PLACE.match(against) if isinstance(against, str) else None
    return place["path"] if place else ""


def function_of(against: Any, option: str = "--against") -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function that is asked for, and its options. Errors: NoWitness."""
    if callable(against):
        return against, {}
    place = PLACE.match(against)
    if place is None:
        raise NoWitness(f"cannot read {option} {against!r}: expected FILE.py:FUNCTION")
    path = Path(place["path"])
    if not path.is_file():
        raise NoWitness(f"{option}: there is no file {path}")
    try:
        found = _look_up_alone(load_file(path.resolve()), place["name"])
    except (MemoryError, TimeOut):
        raise
    except CouldNotRun as problem:
        raise NoWitness(f"{option}: {path}: {problem}") from None
    except BaseException as problem:  # noqa: BLE001 -- the user's file may raise anything, SystemExit included
        raise NoWitness(f"{option}: {path} cannot be imported:\n{last_lines(problem)}") from None
    if not callable(found):
        raise NoWitness(f"{option}: {path}: {place['name']} is a {type(found).__name__}, not a function")
    return found, _options(place["call"], option)


def _look_up_alone(module: Any, name: str) -> Any:
    """What `name` is; no pair is made of it."""
    return getattr(module, name) if hasattr(module, name) else look_up(module, name)


def _options(call: str | None, option: str) -> dict[str, Any]:
    """The options in brackets: f(stride=2). Errors: NoWitness."""
    if not call:
        return {}
    try:
        tree = ast.parse(f"f{call}", mode="eval").body
        if not isinstance(tree, ast.Call) or tree.args:
            raise ValueError
        return {k.arg: ast.literal_eval(k.value) for k in tree.keywords if k.arg}
    except (ValueError, SyntaxError):
        raise NoWitness(
            f"cannot read the options of {option}: expected NAME=VALUE in {call}, values as literals"
        ) from None


_MOVES = (  # operations of torch that have no formula
    "reshape", "view", "transpose", "permute", "squeeze", "unsqueeze", "swapaxes", "movedim", "flip", "roll", "concat",
    "cat", "concatenate", "stack", "split", "chunk", "slice", "expand", "broadcast_to", "gather", "tile", "repeat",
)  # fmt: skip


def moves(against: str) -> bool:
    """Whether an operation moves entries and computes nothing: "reshape", "torch.permute(...)"."""
    return against.partition("(")[0].rpartition(".")[2].lower() in _MOVES
