"""A CSV file as cells: find its encoding, its separator, and whether its first line names the columns."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torchref.compare.errors import UserError
from torchref.compare.faults import reason

__all__ = ["BOMS", "Cells", "Tell", "missing", "number", "read_cells"]

Tell = Callable[[str], None]
MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "?"}  # in lower case
DELIMITERS = "\t;,|"  # a comma parts columns only where nothing else does: it may stand in numbers
SAMPLE = 20  # rows that tell the delimiter and the header
UNPACKED = 2**30  # bytes: more is to be unpacked by the user
BOMS = (  # the longer ones first: UTF-32's begins as UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
COMMA = re.compile(r"[+-]?\d*,(\d+)([eE][+-]?\d+)?")
POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")


@dataclass
class Cells:
    """The rows below the header, with their line numbers; columns without names are counted from 1."""

    names: list[str]
    header: bool
    lines: list[int]
    rows: list[list[str]]


def read_cells(path: Path, tell: Tell) -> Cells:
    """UserError for what is no text, no CSV, empty, or of unequal rows; `tell` gets a line for each guess."""
    lines, rows = _parted(path, read_text(path, tell))
    rows = _with_points(path, lines, rows, tell)
    if _has_header(rows):
        return Cells([cell.strip() for cell in rows[0]], True, lines[1:], rows[1:])
    tell("there is no header; columns are counted from 1")
    return Cells([str(column + 1) for column in range(len(rows[0]))], False, lines, rows)


def read_text(path: Path, tell: Tell) -> str:
    """The text of a file, packed or not, in UTF-8, UTF-16 or UTF-32, or else in Windows' cp1252."""
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(UNPACKED + 1)
            if len(data) > UNPACKED:
                raise UserError(f"data: {path} holds more than {UNPACKED} bytes: unpack it first")
    except OSError as error:
        raise UserError(f"data: cannot read {path}: {reason(error)}") from None
    except (EOFError, zlib.error) as error:
        raise UserError(f"data: {path} is cut short or damaged: {error}") from None
    encoding = next((name for bom, name in BOMS if data.startswith(bom)), None)
    if encoding is None and b"\0" in data[:1000]:
        encoding = "utf-16-le" if data[1:1000:2].count(0) >= data[:1000:2].count(0) else "utf-16-be"
    try:
        return data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise UserError(f"data: {path} is no text in {encoding}: {error}") from None
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise UserError(f"data: {path} is no text, in UTF-8 or in cp1252: {error}") from None
    tell("it is no UTF-8, and read as Windows' cp1252")
    return text


def number(cell: str) -> float | None:
    """A cell as a number; None where it is no number. (Python's 1_000 is none here.)"""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def missing(cell: str) -> bool:
    """Whether a cell says that its value is not known."""
    return cell.strip() == "None" or cell.strip().lower() in MISSING


def _parted(path: Path, text: str) -> tuple[list[int], list[list[str]]]:
    """The rows that are not empty, all of one length, and their line numbers."""
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        numbered = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UserError(f"data: {path} is no CSV file: {error}") from None
    if not numbered:
        raise UserError(f"data: {path} holds no row")
    columns = len(numbered[0][1])
    for line, row in numbered:
        if len(row) != columns:
            raise UserError(f"data: {path}, line {line} has {len(row)} columns, the first row {columns}")
    return [line for line, _ in numbered], [row for _, row in numbered]


def _delimiter(text: str) -> str:
    """The first separator that gives all of the first lines equally many columns; else the most frequent one."""
    lines = [line for line in text[:100_000].splitlines() if line.strip()][:SAMPLE]
    for delimiter in DELIMITERS:
        counts = {line.count(delimiter) for line in lines}
        if len(counts) == 1 and counts != {0}:
            return delimiter
    return max(",;\t|", key=lines[0].count) if lines else ","


def _with_points(path: Path, lines: list[int], rows: list[list[str]], tell: Tell) -> list[list[str]]:
    """Decimal commas as points, where the file writes its numbers so throughout."""
    commas = [(line, cell, m) for line, row in zip(lines, rows, strict=True) for cell in row if (m := _comma(cell))]
    if not commas or any(POINT.fullmatch(cell.strip()) for row in rows for cell in row):
        return rows
    if all(len(match[1]) == 3 and match[0][0] != "," for _, _, match in commas):
        line, cell, _ = commas[0]
        raise UserError(f"data: {path}, line {line}: {cell!r} may be a fraction, or thousands: write no comma")
    shown = commas[0][1].strip()
    tell(f"its decimal commas are read as points: {shown} is {shown.replace(',', '.')}")
    return [[cell.replace(",", ".") if _comma(cell) else cell for cell in row] for row in rows]


def _comma(cell: str) -> re.Match[str] | None:
    return COMMA.fullmatch(cell.strip())


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: it has a text over numbers, or nothing but texts that come once."""
    first, below = rows[0], rows[1 : 1 + SAMPLE] or rows
    columns = [[row[column] for row in below if not missing(row[column])] for column in range(len(first))]
    over_numbers = [i for i, column in enumerate(columns) if column and all(map(_is_number, column))]
    if over_numbers:
        return not all(_is_number(first[i]) for i in over_numbers)
    elsewhere = {cell for row in rows[1:] for cell in row}
    once = len(set(first)) == len(first) and not elsewhere & set(first)
    return len(rows) > 1 and once and not any(map(missing, first))


def _is_number(cell: str) -> bool:
    return number(cell) is not None
