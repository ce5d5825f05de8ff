"""CSV files: a row an example, numbers in its columns, one of them the label."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from torchref.compare.data import Data, split
from torchref.compare.datasets.bundled import standardized
from torchref.compare.errors import UserError
from torchref.nearest import nearest

LABELS = ("label", "target", "class", "species", "y")  # names of a label column, where none is given


def read_csv(path: Path, label: str | None = None) -> Data:
    """Standardised numbers -> class (whole numbers or texts) or value (other numbers, standardised, (N, 1)).

    A header is there if a cell of the first row, in a column that is otherwise numbers, is none. The label is the
    column of that name; without one, a column named as in LABELS, else the last. 20 % of the rows are held out.

    UserError, with line and column: rows of unequal length, cells that are no finite number, an unknown label column.
    """
    lines, rows = _cells(path)
    names, lines, rows = _header(lines, rows)
    if label is not None and label not in names:
        raise UserError(f"data: {path} has no column {label!r}: {nearest(label, names)}")
    named = [name for name in names if name.lower() in LABELS]
    chosen = names.index(label if label is not None else named[-1] if named else names[-1])
    if len(names) < 2:
        raise UserError(f"data: {path} has one column; it needs numbers and a label")
    if len(rows) < 2:
        raise UserError(f"data: {path} has {len(rows)} rows below its header; there must be two at least")
    inputs = np.empty((len(rows), len(names) - 1))
    columns = [column for column in range(len(names)) if column != chosen]
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            value = _number(row[column])
            if value is None or not np.isfinite(value):
                raise UserError(f"data: {path}, line {lines[i]}: {names[column]} is {row[column]!r}, no finite number")
            inputs[i, j] = value
    cells = [row[chosen] for row in rows]
    values = [_number(cell) for cell in cells]
    numbers = [value for value in values if value is not None and np.isfinite(value)]
    if any(value % 1 for value in numbers) or (numbers and None not in values):
        for line, cell, value in zip(lines, cells, values, strict=True):
            if value is None or not np.isfinite(value):
                raise UserError(f"data: {path}, line {line}: {names[chosen]} is {cell!r}, no finite number")
    if any(value % 1 for value in numbers):
        targets = np.array(numbers)[:, None]
        return standardized(split(inputs, (targets - targets.mean()) / (targets.std() or 1.0), 0.2))
    for line, cell in zip(lines, cells, strict=True):
        if not cell.strip():
            raise UserError(f"data: {path}, line {line}: {names[chosen]}, the label, is empty")
    _, classes = np.unique([cell.strip() for cell in cells], return_inverse=True)
    if all(value is not None for value in values):  # 10 comes after 9, not after 1
        _, classes = np.unique(np.array(values, dtype=np.float64), return_inverse=True)
    return standardized(split(inputs, classes.astype(np.int64), 0.2))


def _cells(path: Path) -> tuple[list[int], list[list[str]]]:
    """The rows that are not empty, all of one length, and their line numbers."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            delimiter = max(",;\t", key=first.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            numbered = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except OSError as error:
        raise UserError(f"data: cannot read {path}: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"data: {path} is no CSV file: {error}") from None
    if not numbered:
        raise UserError(f"data: {path} holds no row")
    columns = len(numbered[0][1])
    for line, row in numbered:
        if len(row) != columns:
            raise UserError(f"data: {path}, line {line} has {len(row)} columns, the first row {columns}")
    return [line for line, _ in numbered], [row for _, row in numbered]


def _header(lines: list[int], rows: list[list[str]]) -> tuple[list[str], list[int], list[list[str]]]:
    """The columns' names (numbers, from 1, where the file names none), and the rows below them."""
    following = rows[1] if len(rows) > 1 else rows[0]
    numbers_below = [column for column, cell in enumerate(following) if _number(cell) is not None]
    if any(_number(rows[0][column]) is None for column in numbers_below):
        return [cell.strip() for cell in rows[0]], lines[1:], rows[1:]
    return [str(column + 1) for column in range(len(rows[0]))], lines, rows


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
