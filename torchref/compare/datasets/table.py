"""CSV files: a row an example, numbers in its columns, one of them the label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from torchref.compare.data import Data, split
from torchref.compare.datasets.bundled import standardized
from torchref.compare.datasets.cells import Cells, Tell, missing, number, read_cells
from torchref.compare.errors import UserError
from torchref.nearest import nearest
from torchref.nn.module import Array

__all__ = ["Choices", "read_csv"]

LABELS = ("label", "target", "class", "species", "y")  # names of a label column, where none is given
INDICES = ("", "index", "unnamed: 0", "id", "row", "no", "nr")  # names of a column that counts the rows
TEXTS = 100  # values of a text column, at most, that get a column each
HELD_OUT = 0.2


@dataclass(frozen=True)
class Choices:
    """A user's choices about a CSV file. Each is an option of `torchref compare`, and kept in config.toml."""

    label: str | None = None  # the label's column, by name, or counted from 1 where the file names none
    target: str | None = None  # "class" or "value": what the label is, where numbers leave it open
    missing: str | None = None  # "drop" or "mean": what becomes of missing values
    text: str | None = None  # "one-hot" or "drop": what becomes of columns of texts
    drop: str | None = None  # columns to leave out, with commas between them

    def __post_init__(self) -> None:
        choices = {"target": ("class", "value"), "missing": ("drop", "mean"), "text": ("one-hot", "drop")}
        for name, known in choices.items():
            value = getattr(self, name)
            if value is not None and value not in known:
                raise UserError(f"{name} must be {' or '.join(known)}, not {value!r}")


def read_csv(path: Path, choices: Choices | None = None, tell: Tell = lambda line: None) -> Data:
    """Standardised numbers -> class (whole numbers or texts) or value (other numbers, standardised, (N, 1)).

    A header is there if a cell of the first row, in a column that is otherwise numbers, is none. The label is the
    column of that name; without one, a column named as in LABELS, else the last. A column that counts the rows, named
    as in INDICES, is left out. 20 % of the rows are held out. `tell` gets a line for each guess.

    UserError, with line and column: rows of unequal length, cells that are no finite number, an unknown column, a label
    of one value; texts and missing values unless `choices` say what becomes of them.
    """
    choices = choices or Choices()
    cells = read_cells(path, tell)
    names = cells.names
    if len(names) < 2:
        raise UserError(f"data: {path} has one column; it needs numbers and a label")
    label = _label_column(path, cells, choices)
    dropped = {_column(path, cells, name.strip()) for name in choices.drop.split(",")} if choices.drop else set()
    if label in dropped:
        raise UserError(f"data: {path}: {names[label]!r} is the label's column, and to be left out")
    for column in set(range(len(names))) - {label} - dropped:
        if cells.header and names[column].lower() in INDICES and _counts_rows([row[column] for row in cells.rows]):
            dropped.add(column)
            tell(f"column {column + 1}, {names[column]!r}, counts the rows and is left out")
    inputs = [column for column in range(len(names)) if column != label and column not in dropped]
    cells = _without_missing(path, cells, inputs, label, choices, tell)
    if len(cells.rows) < 2:
        raise UserError(f"data: {path} has {len(cells.rows)} rows below its header; there must be two at least")
    columns = [column for i in inputs for column in _numbers(path, cells, i, choices, tell)]
    if not columns:
        raise UserError(f"data: {path} has no column left beside the label")
    return _held_out(np.stack(columns, axis=1), _targets(path, cells, label, choices, tell))


def _column(path: Path, cells: Cells, name: str) -> int:
    if name in cells.names:
        return cells.names.index(name)
    counted = "" if cells.header else f"; it has no header: its columns are counted from 1 to {len(cells.names)}"
    raise UserError(f"data: {path} has no column {name!r}: {nearest(name, cells.names)}{counted}")


def _label_column(path: Path, cells: Cells, choices: Choices) -> int:
    if choices.label is not None:
        return _column(path, cells, choices.label)
    named = [column for column, name in enumerate(cells.names) if name.lower() in LABELS]
    return named[-1] if named else len(cells.names) - 1


def _counts_rows(column: list[str]) -> bool:
    values = [number(cell) for cell in column]
    return all(value is not None and value == values[0] + i for i, value in enumerate(values))  # type: ignore[operator]


def _without_missing(path: Path, cells: Cells, inputs: list[int], label: int, choices: Choices, tell: Tell) -> Cells:
    """The rows without a missing value; with "mean", which no label has, without a missing label.

    UserError without a choice.
    """
    columns = [label] if choices.missing == "mean" else [*inputs, label]
    kept = []
    for i, row in enumerate(cells.rows):
        gap = next((column for column in columns if missing(row[column])), None)
        if gap is None:
            kept.append(i)
        elif choices.missing is None:
            what = f"data: {path}, line {cells.lines[i]}: {cells.names[gap]}{', the label,' if gap == label else ''}"
            filled = "" if gap == label else ", --missing mean fills in the column's mean"
            raise UserError(f"{what} is missing ({row[gap]!r}): --missing drop leaves such rows out{filled}")
    if len(kept) < len(cells.rows):
        what = "label" if choices.missing == "mean" else "value"
        tell(f"{len(cells.rows) - len(kept)} of {len(cells.rows)} rows have a missing {what} and are left out")
    return Cells(cells.names, cells.header, [cells.lines[i] for i in kept], [cells.rows[i] for i in kept])


def _numbers(path: Path, cells: Cells, column: int, choices: Choices, tell: Tell) -> list[Array]:
    """One input column as numbers, missing ones nan; of texts one column of 0 and 1 for each, or none."""
    name = cells.names[column]
    found = [row[column] for row in cells.rows]
    values = [np.nan if missing(cell) else number(cell) for cell in found]
    texts = [i for i, value in enumerate(values) if value is None]
    if len(texts) * 2 > len([cell for cell in found if not missing(cell)]):
        if choices.text == "drop":
            tell(f"{name} holds texts and is left out")
            return []
        if choices.text is None:
            where = f"data: {path}, line {cells.lines[texts[0]]}: {name} is {found[texts[0]]!r}, no finite number"
            raise UserError(f"{where}: --text one-hot makes a column for each value, --text drop leaves {name} out")
        known = sorted({cell.strip() for cell in found if not missing(cell)})
        if len(known) > TEXTS:
            raise UserError(f"data: {path}: {name} has {len(known)} different texts, over {TEXTS}: --drop {name}")
        tell(f"{name} becomes {len(known)} columns, one for each value")
        return [np.array([float(cell.strip() == value) for cell in found]) for value in known]
    for i, (cell, value) in enumerate(zip(found, values, strict=True)):
        if value is None or np.isinf(value) or (np.isnan(value) and not missing(cell)):
            raise UserError(f"data: {path}, line {cells.lines[i]}: {name} is {cell!r}, no finite number")
    if all(map(missing, found)):
        raise UserError(f"data: {path}: {name} holds no value: --drop {name}")
    return [np.array(values, np.float64)]


def _targets(path: Path, cells: Cells, label: int, choices: Choices, tell: Tell) -> Array:
    """Labels 0 .. K - 1, (N,) int64, or values (N, 1)."""
    found = [row[label].strip() for row in cells.rows]
    values = [number(cell) for cell in found]
    numbers = [value for value in values if value is not None and np.isfinite(value)]
    fractions = any(value % 1 for value in numbers)
    if choices.target == "value" or (choices.target is None and fractions) or (numbers and None not in values):
        for line, cell, value in zip(cells.lines, found, values, strict=True):
            if value is None or not np.isfinite(value):
                hint = ": torchref compare tables takes texts as classes" if not numbers else ""
                raise UserError(f"data: {path}, line {line}: {cells.names[label]} is {cell!r}, no finite number{hint}")
    known, classes = np.unique(found if None in values else np.array(values, np.float64), return_inverse=True)
    place = _place(cells, label, choices)
    if len(known) == 1:
        taken = f"data: {path}: {place} was taken as the label and has the one value {found[0]}"
        raise UserError(taken + _other(cells))
    if choices.target == "value" or (choices.target is None and fractions):
        tell(f"the label is {place} a value from {min(numbers):g} to {max(numbers):g}")
        return np.array(values, np.float64)[:, None]
    if choices.target is None and None not in values and len(known) > max(20, len(found) // 2):
        taken = f"data: {path}: {place} was taken as the label and has {len(known)} different numbers"
        ask = "torchref compare regression predicts numbers; for classes say --target class"
        raise UserError(f"{taken} in {len(found)} rows: {ask}")
    named = [f"{value:g}" if isinstance(value, np.floating) else str(value) for value in (known[0], known[-1])]
    tell(f"the label is {place} with {len(known)} classes, from {named[0]} to {named[1]}")
    return classes.astype(np.int64)


def _place(cells: Cells, label: int, choices: Choices) -> str:
    """Column 3, 'species', the last, ..."""
    said = [f"column {label + 1}"]
    said += [repr(cells.names[label])] if cells.header else []
    said += ["the last"] if choices.label is None and label == len(cells.names) - 1 else []
    return ", ".join(said) + ("," if len(said) > 1 else "")


def _other(cells: Cells) -> str:
    """Another column that may be the label: the first that has a few values."""
    for column, name in enumerate(cells.names):
        values = {row[column] for row in cells.rows}
        if 2 <= len(values) <= min(TEXTS, len(cells.rows) // 2):
            counted = "" if cells.header else ", counted from 1,"
            return f": name the label's column{counted} with --label (--label {name!r} has {len(values)} values)"
    return ": name the label's column with --label"


def _held_out(inputs: Array, targets: Array) -> Data:
    """A part held out; numbers with mean 0 and spread 1 over the training part, which also fills in what is missing."""
    parts = split(np.arange(len(inputs)), np.arange(len(inputs)), HELD_OUT)
    train, rest = parts.train_inputs[:], parts.validation_inputs[:]
    known = ~np.isnan(inputs[train])
    with np.errstate(all="ignore"):  # numbers too large to be squared end as nan, which Data names
        mean = np.where(known, inputs[train], 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        inputs = np.where(np.isnan(inputs), mean, inputs)
        if targets.dtype == np.float64:
            targets = (targets - targets[train].mean()) / (targets[train].std() or 1.0)
        return standardized(Data(inputs[train], targets[train], inputs[rest], targets[rest]))
