"""Write exercises into a folder: a skeleton each, and the assignment that grades them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from torchref.classroom.exercises.catalogue import EXERCISES
from torchref.classroom.exercises.exercise import Exercise
from torchref.compare.errors import UserError
from torchref.compare.faults import writing
from torchref.compare.files import write_whole
from torchref.nearest import nearest

__all__ = ["as_assignment", "find", "write"]


def find(names: Sequence[str]) -> list[Exercise]:
    """The exercises of these names, all of them for none. Errors: UserError."""
    known = {exercise.name: exercise for exercise in EXERCISES}
    for name in names:
        if name not in known:
            raise UserError(f"exercises: there is no exercise {name!r}: {nearest(name, known)}")
    return [known[name] for name in dict.fromkeys(names)] if names else list(EXERCISES)


def write(folder: Path, exercises: Sequence[Exercise], seed: int, hints: int) -> None:
    """The skeletons and assignment.toml. Errors: UserError where the folder has something in it already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"exercises: {folder} is there already, and is no empty folder")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for exercise in exercises:
        write_whole(folder / f"{exercise.name}.py", exercise.file(seed))
    write_whole(folder / "assignment.toml", as_assignment(exercises, seed, hints))


def as_assignment(exercises: Sequence[Exercise], seed: int, hints: int) -> str:
    """The assignment: a task for each exercise, a point for each gradient. `seed` draws the variants."""
    lines = [f'title = "Backpropagation by hand, variants of seed {seed}"', f"hints = {hints}"]
    for exercise in exercises:
        lines += ["", "[[task]]", f'name = "{exercise.name}"', f"operation = {json.dumps(exercise.operation)}"]
        if drawn := exercise.drawn(seed):
            lines.append(f"variants = {json.dumps(list(drawn))}")
        lines.append(f"gradients = {{ {', '.join(f'{name} = 1' for name in exercise.gradients)} }}")
    return "\n".join(lines) + "\n"
