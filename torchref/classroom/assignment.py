"""An assignment: a TOML file that says which gradients are asked for, what each is worth, and how much is said."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torchref.check.diagnosis import optimizers
from torchref.check.ops.find import UnknownOp, find
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reference import asked
from torchref.classroom.imports import FORBIDDEN
from torchref.compare.errors import UserError
from torchref.compare.faults import reason
from torchref.nearest import nearest

__all__ = ["Assignment", "Task", "read"]

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
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"grade: cannot read {path}: {reason(error)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"grade: {path} is no TOML: {error}") from None
    top = _Table(content, str(path))
    listed = top.take("task", list, [])
    title = top.take("title", str, path.stem)
    hints = _level(top, 1)
    assignment = Assignment(
        title,
        (),
        _names(top, "forbidden", FORBIDDEN),
        _whole(top, "cpu", 30),
        _positive(top, "wall", 300.0),
        _positive(top, "memory", 4.0),
        path.parent,
    )
    top.done()
    if not listed:
        raise UserError(f"grade: {path} has no [[task]]")
    tasks: dict[str, Task] = {}
    for number, values in enumerate(listed, start=1):
        if not isinstance(values, dict):
            raise UserError(f"grade: {path}: task {number} must be a table, written as [[task]], not {values!r}")
        task = _task(_Table(values, f"{path}, task {values.get('name', number)!r}"), hints, path.parent)
        if task.name in tasks:
            raise UserError(f"grade: {path}: two tasks are called {task.name!r}")
        tasks[task.name] = task
    return replace(assignment, tasks=tuple(tasks.values()))


class _Table:
    """A table of the file; what was not asked for in the end is unknown."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self.values, self.where = dict(values), where
        self.known: list[str] = []

    def take(self, key: str, kind: type | tuple[type, ...], default: Any) -> Any:
        """The value of a key, which must be of this kind."""
        self.known.append(key)
        value = self.values.pop(key, default)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if value is not default and (not isinstance(value, kind) or (isinstance(value, bool) and bool not in kinds)):
            raise self.wrong(key, value, _KINDS[kinds[-1]])
        return value

    def wrong(self, key: str, value: object, expected: str) -> UserError:
        return UserError(f"grade: {self.where}: {key} must be {expected}, not {value!r}")

    def done(self) -> None:
        """Errors: UserError for a key that nobody asked for."""
        for key in self.values:
            raise UserError(f"grade: {self.where}: there is no key {key!r}: {nearest(key, self.known)}")


_KINDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def _task(table: _Table, hints: int, folder: Path) -> Task:
    name = table.take("name", str, "")
    if not name or not name.replace("-", "_").isidentifier():
        raise table.wrong("name", name, "a word of letters, digits, - and _")
    file = table.take("file", str, f"{name}.py")
    if Path(file).name != file or not file.endswith(".py"):
        raise table.wrong("file", file, "the name of a Python file, without a folder")
    operation = table.take("operation", str, "")
    if not operation:
        raise table.wrong("operation", operation, "what the code should compute, such as 'layer_norm'")
    task = Task(
        name,
        file,
        table.take("function", str, name),
        operation,
        _names(table, "variants", ()),
        hints=_level(table, hints),
        only=_names(table, "only", ()),
        arguments=_names(table, "arguments", ()),
        form=table.take("form", str, None),
        strict=table.take("strict", bool, False),
        allow=_names(table, "allow", ()),
    )
    if task.form is not None and task.form not in FORMS:
        raise table.wrong("form", task.form, f"one of {', '.join(FORMS)}")
    task = replace(task, operation=_known(table, "operation", operation, folder))
    task = replace(task, variants=tuple(_known(table, "variants", variant, folder) for variant in task.variants))
    gradients = _gradients(table, operation)
    points = _points(table, "points", table.take("points", (int, float), None), sum(gradients.values()) or 1.0)
    if gradients and not math.isclose(points, sum(gradients.values())):
        raise table.wrong("points", points, f"the sum of gradients, {sum(gradients.values()):g}")
    table.done()
    return replace(task, points=points, gradients=gradients)


def _known(table: _Table, key: str, operation: str, folder: Path) -> str:
    """The operation, or the place of a reference seen from the assignment's folder. Errors: UserError."""
    try:
        if asked.own(operation):
            file = asked.file_of(operation)
            if file and not (folder / file).is_file():
                raise UserError(f"grade: {table.where}: {key}: there is no file {folder / file}")
            return str((folder / file).resolve()) + operation.removeprefix(file) if file else operation
        if (optimizer := optimizers.names(operation)) is not None:
            optimizers.options_of(optimizer, operation)
        else:
            find(operation)
    except (UnknownOp, CouldNotRun) as problem:
        raise UserError(f"grade: {table.where}: {key}: {problem}") from None
    return operation


def _gradients(table: _Table, operation: str) -> dict[str, float]:
    """Points for each gradient, by torch's name of its argument."""
    given = table.take("gradients", dict, {})
    if given and not asked.own(operation):
        if optimizers.names(operation) is not None:
            raise table.wrong("gradients", given, "left out: an optimizer's step is judged as a whole")
        known = [a.name for a in find(operation).arrays]
        for name in given:
            if name not in known:
                raise UserError(f"grade: {table.where}: {operation} has no gradient {name!r}: {nearest(name, known)}")
    return {name: _points(table, f"gradients.{name}", value, 0.0) for name, value in given.items()}


def _points(table: _Table, key: str, value: Any, default: float) -> float:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise table.wrong(key, value, "a number from 0 on")
    return float(value)


def _level(table: _Table, default: int) -> int:
    level: int = table.take("hints", int, default)
    if level not in (0, 1, 2, 3):
        raise table.wrong("hints", level, "0, 1, 2 or 3")
    return level


def _positive(table: _Table, key: str, default: float) -> float:
    value = table.take(key, (int, float), default)
    if not 0 < value < math.inf:
        raise table.wrong(key, value, "a number above 0")
    return float(value)


def _whole(table: _Table, key: str, default: int) -> int:
    value: int = table.take(key, int, default)
    if value < 1:
        raise table.wrong(key, value, "a whole number from 1 on")
    return value


def _names(table: _Table, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = table.take(key, list, None)
    if value is None:
        return default
    if not all(isinstance(name, str) and name for name in value):
        raise table.wrong(key, value, "a list of texts")
    return tuple(value)
