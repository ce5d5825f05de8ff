"""`torchref exercises`: skeletons with empty backwards, and the assignment that grades them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from torchref.classroom.exercises.new import find, write
from torchref.cli.commands import option
from torchref.compare.errors import UserError

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Options:
    """Write exercises, from ReLU to attention: the forward is given, the backward is to be written.

    torchref exercises new DIR writes a file for each, and assignment.toml; torchref grade DIR/assignment.toml DIR
    judges them. torchref exercises list names them, torchref exercises hint NAME helps.
    """

    words: Annotated[tuple[str, ...], tyro.conf.Positional, option("{new DIR, list, hint NAME}")]
    """What to do."""
    only: Annotated[str | None, option("NAMES")] = None
    """The exercises to write (softmax,attention). Default: all twenty."""
    seed: Annotated[int, option("N")] = 0
    """Draws the variants: other strides, other eps. Default: 0."""
    hints: Annotated[int, option("{0,1,2,3}")] = 1
    """How much the verdict on a wrong gradient says: see torchref check --help. Default: 1."""
    level: Annotated[int, option("{1,2,3}")] = 1
    """How much a hint says. Default: 1."""


def run(options: Options) -> int:
    """Write, list or help."""
    if options.hints not in (0, 1, 2, 3):
        raise UserError(f"exercises: --hints must be 0, 1, 2 or 3, not {options.hints}")
    if options.level not in (1, 2, 3):
        raise UserError(f"exercises: --level must be 1, 2 or 3, not {options.level}")
    only = [name.strip() for name in (options.only or "").split(",") if name.strip()]
    match options.words:
        case ("new", folder):
            exercises = find(only)
            write(Path(folder), exercises, options.seed, options.hints)
            count = "1 exercise is" if len(exercises) == 1 else f"{len(exercises)} exercises are"
            print(f"{count} in {folder}: fill in a backward, then")
            print(f"  torchref grade {Path(folder, 'assignment.toml')} {folder}")
        case ("list",):
            exercises = find(only)
            width = max(len(exercise.name) for exercise in exercises)
            print("\n".join(f"{exercise.name:{width}}  {exercise.title}" for exercise in exercises))
        case ("hint", name):
            (exercise,) = find([name])
            print("\n".join(exercise.hints[: options.level]))
        case _:
            said = " ".join(options.words) or "nothing"
            raise UserError(f"exercises: say new DIR, list, or hint NAME, not {said}")
    return 0
