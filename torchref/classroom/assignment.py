"""An assignment: a TOML file that says which gradients are asked for, what each is worth, and how much is said."""

from __future__ import annotations

import keyword
import math
import re
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from torchref.check.diagnosis import optimizers
from torchref.check.ops.find import UnknownOp, find
from torchref.check.ops.probe import make_probe
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reference import asked
from torchref.classroom.imports import FORBIDDEN
from torchref.classroom.values import Table, level, names, packages, points, positive, whole
from torchref.compare.errors import UserError
from torchref.compare.faults import message, reason
from torchref.nearest import nearest

__all__ = ["Assignment", "Task", "read"]

DAY = 24 * 60 * 60  # seconds
LARGEST_MEMORY = 1 << 20  # GiB
LONGEST_NAME = 100  # characters: a task's name is a file's, too
FORMS = ("closure", "pair", "class", "function", "autograd", "network", "optimizer")


@dataclass(frozen=True)
class Task:
    """One gradient that is asked for."""

    name: str
    file: str  # that the students hand in
    function: str  # in that file
    operation: str  # as `torchref check --against` takes it
    variants: tuple[str, ...] = ()  # other options of the operation, under which it must be right as well
    points: float = 1.0
    gradients: dict[str, float] = field(
        default_factory=dict
    )  # points for each gradient that is right; empty: all or none
    hints: int = 1  # how much the feedback says
    only: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    form: str | None = None
    strict: bool = False
    allow: tuple[str, ...] = ()  # packages that may be imported though they are forbidden

    @property
    def operations(self) -> tuple[str, ...]:
        return self.operation, *self.variants


@dataclass(frozen=True)
class Assignment:
    """The tasks, and what each may use."""

    title: str
    tasks: tuple[Task, ...]
    forbidden: tuple[str, ...] = FORBIDDEN  # packages that would compute the gradient for the student
    cpu: int = 30  # seconds of computing, for a task
    wall: float = 300.0  # seconds by the clock: for a program that sleeps
    memory: float = 4.0  # GiB
    folder: Path = Path()  # where the file stands

    @property
    def files(self) -> tuple[str, ...]:
        """What is to be handed in."""
        return tuple(dict.fromkeys(task.file for task in self.tasks))

    @property
    def points(self) -> float:
        return sum(task.points for task in self.tasks)


def read(path: Path) -> Assignment:
    """The assignment of a file. Errors: UserError, which names the file, the task, the key and the value."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark
    except OSError as error:
        raise UserError(f"grade: cannot read {path}: {reason(error)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"grade: {path} is no TOML: {error}") from None
    top = Table(content, str(path))
    if isinstance(top.values.get("task"), dict):
        raise UserError(f"grade: {path}: write a task as [[task]], not as [task]")
    listed = top.take("task", list, [])
    title = top.take("title", str, path.stem)
    hints = level(top, 1)
    assignment = Assignment(
        title,
        (),
        packages(top, "forbidden", FORBIDDEN),
        whole(top, "cpu", 30, DAY),
        positive(top, "wall", 300.0, DAY),
        positive(top, "memory", 4.0, LARGEST_MEMORY),
        path.parent,
    )
    top.done()
    if not listed:
        raise UserError(f"grade: {path} has no [[task]]")
    tasks: dict[str, Task] = {}
    for number, values in enumerate(listed, start=1):
        if not isinstance(values, dict):
            raise UserError(f"grade: {path}: task {number} must be a table, written as [[task]], not {values!r}")
        table = Table(values, f"{path}, task {values.get('name', number)!r}")
        task = _task(table, hints, path.parent)
        if stray := [name for name in task.allow if name not in assignment.forbidden]:
            raise table.wrong(
                "allow", stray[0], f"packages that are forbidden: {nearest(stray[0], assignment.forbidden)}"
            )
        if task.name in tasks:
            raise UserError(f"grade: {path}: two tasks are called {task.name!r}")
        tasks[task.name] = task
    return replace(assignment, tasks=tuple(tasks.values()))


def _task(table: Table, hints: int, folder: Path) -> Task:
    name = table.take("name", str, "")
    if not name or not name.replace("-", "_").isidentifier() or len(name) > LONGEST_NAME:
        raise table.wrong("name", name, f"a word of at most {LONGEST_NAME} letters, digits, - and _")
    file = table.take("file", str, f"{name}.py")
    if Path(file).name != file or not file.endswith(".py") or file.startswith(".") or not file.isprintable():
        raise table.wrong("file", file, "the name of a Python file, without a folder")
    function = table.take("function", str, name)
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in function.split(".")):
        raise table.wrong("function", function, "a name that Python knows, such as 'relu' or 'Layers.relu'")
    operation = table.take("operation", str, "")
    if not operation:
        raise table.wrong("operation", operation, "what the code should compute, such as 'layer_norm'")
    task = Task(
        name,
        file,
        function,
        operation,
        names(table, "variants", ()),
        hints=level(table, hints),
        only=names(table, "only", ()),
        arguments=names(table, "arguments", ()),
        form=table.take("form", str, None),
        strict=table.take("strict", bool, False),
        allow=packages(table, "allow", ()),
    )
    known = _known(table, "operation", operation, folder)
    variants = tuple(_known(table, "variants", variant, folder) for variant in task.variants)
    _form(table, task)
    gradients = _gradients(table, task)
    together = sum(gradients.values(), 0.0) if gradients else 1.0
    worth = points(table, "points", table.take("points", (int, float), None), together)
    if gradients and not math.isclose(worth, together):
        raise table.wrong("points", worth, f"the sum of gradients, {together:g}")
    table.done()
    return replace(task, operation=known, variants=variants, points=worth, gradients=gradients)


def _form(table: Table, task: Task) -> None:
    """Errors: UserError for a form that there is not, or that the operation cannot have."""
    if task.form is not None and task.form not in FORMS:
        raise table.wrong("form", task.form, f"one of {', '.join(FORMS)}")
    if task.form == "optimizer" and (asked.own(task.operation) or optimizers.names(task.operation) is None):
        raise table.wrong("form", task.form, f"another one, for {task.operation} is no optimizer")


def _known(table: Table, key: str, operation: str, folder: Path) -> str:
    """The operation, or the place of a reference seen from the assignment's folder. Errors: UserError."""
    if asked.own(operation):
        return _reference(table, key, operation, folder)
    try:
        if (optimizer := optimizers.names(operation)) is not None:
            optimizers.options_of(optimizer, operation)
        else:
            with np.errstate(divide="raise"):  # a stride of 0
                probe = make_probe(find(operation))
                _, backward = probe.evaluate()
                backward(probe.upstream)
    except (UnknownOp, CouldNotRun) as problem:
        raise UserError(f"grade: {table.where}: {key}: {problem}") from None
    except Exception as problem:  # noqa: BLE001 -- options of which a formula can make nothing: conv2d(stride=-1)
        said = f"{type(problem).__name__}: {message(problem)}"
        raise UserError(f"grade: {table.where}: {key}: {operation} cannot be computed: {said}") from None
    return operation


def _reference(table: Table, key: str, operation: str, folder: Path) -> str:
    """The place of a function of the teacher's. Its file is read here, not run. Errors: UserError."""
    if not (file := asked.file_of(operation)):
        return operation
    try:
        source = (folder / file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise UserError(f"grade: {table.where}: {key}: there is no file {folder / file}") from None
    name = operation.removeprefix(f"{file}:").partition("(")[0].partition(".")[0]
    words = set(re.findall(r"\w+", source))
    if not {name, f"{name}_forward"} & words and "import *" not in source:
        raise UserError(f"grade: {table.where}: {key}: {folder / file} has no {name!r}")
    return f"{(folder / file).resolve()}{operation.removeprefix(file)}"


def _gradients(table: Table, task: Task) -> dict[str, float]:
    """Points for each gradient, by torch's name of its argument. Errors: UserError for one that is not judged."""
    given = table.take("gradients", dict, {})
    operation = task.operation
    if not asked.own(operation):
        step = optimizers.names(operation) is not None
        if given and step:
            raise table.wrong("gradients", given, "left out: an optimizer's step is judged as a whole")
        known = ["param"] if step else [a.name for a in find(operation).arrays]
        for name in (*given, *task.only):
            if name not in known:
                raise UserError(f"grade: {table.where}: {operation} has no gradient {name!r}: {nearest(name, known)}")
    if task.only and (stray := [name for name in given if name not in task.only]):
        raise table.wrong("gradients", stray[0], f"among those that only names, {', '.join(task.only)}")
    return {name: points(table, f"gradients.{name}", value, 0.0) for name, value in given.items()}
