"""Draw pictures with axes, units and legends, by Pillow.

matplotlib draws better, and costs too much here: 0.5 s to import it, and 60 to 110 ms for a figure of three panels,
where this takes about 7. A training of half a minute draws about 40 of them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from torchref.nn.module import Array

__all__ = [
    "COLOURS",
    "HEIGHT",
    "INK",
    "LARGE",
    "NUMPY",
    "PALE",
    "PAPER",
    "TORCH",
    "WIDTH",
    "Axes",
    "Entry",
    "Figure",
    "fitting",
    "font",
    "nice",
    "shaded",
]

Colour = tuple[int, int, int]
# Okabe & Ito's colours, which colour-blind readers tell apart.
NUMPY, TORCH = (0, 114, 178), (240, 200, 120)  # a thin blue line over a thick pale one: both can be seen
COLOURS: tuple[Colour, ...] = (  # of all else: the engines' two come last
    (0, 158, 115),
    (204, 121, 167),
    (90, 90, 90),
    (150, 110, 60),
    (86, 180, 233),
    (213, 94, 0),
    (230, 159, 0),
    (0, 114, 178),
)
INK, PALE, PAPER = (30, 30, 30), (205, 205, 205), (255, 255, 255)
# TensorBoard's page of images shows every second pixel of this, 350 across, so letters are twice as large as they look.
WIDTH, HEIGHT = 700, 440
LEFT, RIGHT, BOTTOM = 98, 18, 72  # around a panel's inside
TITLE, LINE = 44, 34  # heights
LARGE, MIDDLE, SMALL = 28, 26, 24  # letters
SMALLEST = 16  # of a text that must fit
GREY = (90, 90, 90)
Range = tuple[float, float]
Entry = tuple[str, Colour, str]


@functools.cache
def font(size: int) -> Any:
    """Pillow's own font."""
    return ImageFont.load_default(size)


def fitting(text: str, size: int, width: float) -> Any:
    """The font of this size, or a smaller one in which the text is no wider."""
    while size > SMALLEST and font(size).getlength(text) > width:
        size -= 1
    return font(size)


class Figure:
    """Panels in a grid, a title above them, and a legend between.

    An entry of the legend: a text, its colour, and its mark: "box", "thick", "thin", "dots", or none ("words").
    """

    def __init__(
        self, title: str, panels: int = 1, columns: int = 3, legend: Sequence[Entry] = (), left: int = LEFT
    ) -> None:
        """`left`: the room for the numbers beside each panel."""
        self.columns, self.left = min(columns, panels), left
        lines = self._lines(legend)
        self.top = TITLE + LINE * len(lines)
        self.panel = WIDTH // self.columns, (HEIGHT - self.top) // -(-panels // self.columns)
        self.image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.draw.text((12, 6), title, INK, fitting(title, LARGE, WIDTH - 24))
        for number, entries in enumerate(lines):
            self._write_legend(entries, TITLE + LINE * number)

    def axes(self, number: int, title: str, x: Range, y: Range, x_label: str, y_label: str) -> Axes:
        """The panel of this number, counted from 0 row by row; `x` and `y` are the ranges that it shows."""
        row, column = divmod(number, self.columns)
        wide, high = self.panel
        left, top = column * wide, self.top + row * high
        said = [(title, MIDDLE, INK), (y_label, SMALL, GREY)]
        down = top + 6
        for text, size, colour in said:
            if text:
                self.draw.text((left + 12, down), text, colour, fitting(text, size, wide - 20))
                down += size + 4
        bottom = top + high - (BOTTOM if x_label else 12)
        box = left + self.left, down + 8, left + wide - RIGHT, bottom
        self.draw.text((box[2], bottom + 40), x_label, GREY, fitting(x_label, SMALL, wide - 20), anchor="ra")
        return Axes(self.image, self.draw, box, x, y)

    def pixels(self) -> Array:
        """The picture, (H, W, 3) of uint8."""
        return np.asarray(self.image)

    def _lines(self, legend: Sequence[Entry]) -> list[list[Entry]]:
        """The legend's entries, broken into lines."""
        lines: list[list[Entry]] = []
        used = math.inf
        for entry in legend:
            needed = 56 + font(SMALL).getlength(entry[0])
            if used + needed > WIDTH:
                lines.append([])
                used = 12.0
            lines[-1].append(entry)
            used += needed
        return lines

    def _write_legend(self, entries: list[Entry], top: int) -> None:
        left = 12.0
        for text, colour, kind in entries:
            middle = top + 15
            if kind == "words":
                left -= 20
            elif kind == "box":
                self.draw.rectangle((left, middle - 8, left + 16, middle + 8), colour, outline=GREY, width=2)
            elif kind == "dots":
                self.draw.ellipse((left + 3, middle - 6, left + 15, middle + 6), colour)
            else:
                self.draw.line((left, middle, left + 26, middle), colour, 12 if kind == "thick" else 4)
            self.draw.text((left + 32, middle), text, INK, font(SMALL), anchor="lm")
            left += 56 + font(SMALL).getlength(text)


class Axes:
    """A panel: what is drawn is given in the units of its ranges."""

    def __init__(self, image: Any, draw: Any, box: tuple[int, int, int, int], x: Range, y: Range) -> None:
        self.image, self.draw, self.box = image, draw, box
        self.x, self.y = _wide(x), _wide(y)
        draw.rectangle(box, outline=PALE, width=2)

    def ticks(self, x: Sequence[tuple[float, str]] | None = None, y: Sequence[tuple[float, str]] | None = None) -> None:
        """Marks with numbers on both axes; or with these texts, at these places; smaller ones across, where need be."""
        left, _, right, bottom = self.box
        marks = nice(self.x, max(2, (right - left) // 100)) if x is None else x
        for at, text in marks:
            across, _ = self.place(at, self.y[0])
            self.draw.line((across, bottom, across, bottom + 6), INK, 2)
            letters = fitting(text, SMALL, (right - left) / len(marks) - 8)
            half = letters.getlength(text) / 2 + 2  # a number at the edge moves into the picture
            within = min(max(across, half), self.image.width - half)
            self.draw.text((within, bottom + 9), text, INK, letters, anchor="ma")
        for at, text in nice(self.y) if y is None else y:
            _, down = self.place(self.x[0], at)
            self.draw.line((left - 6, down, left, down), INK, 2)
            self.draw.text((left - 10, down), text, INK, font(SMALL), anchor="rm")

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        left, top, right, bottom = self.box
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return left + across * (right - left), bottom - up * (bottom - top)

    def line(self, x: Sequence[float], y: Sequence[float], colour: Colour, width: int = 3) -> None:
        """A line through the points; one that is not finite breaks it."""
        parts: list[list[tuple[float, float]]] = [[]]
        for at, value in zip(x, y, strict=True):
            if math.isfinite(value):
                parts[-1].append(self.place(at, min(max(value, self.y[0]), self.y[1])))
            else:
                parts.append([])
        for part in parts:
            if len(part) > 1:
                self.draw.line(part, colour, width, joint="curve")

    def dots(self, x: Sequence[float], y: Sequence[float], colour: Colour, radius: int = 7) -> None:
        """A dot at each point."""
        for at, value in zip(x, y, strict=True):
            if math.isfinite(value):
                across, down = self.place(at, value)
                box = (across - radius, down - radius, across + radius, down + radius)
                self.draw.ellipse(box, colour, outline=PAPER)

    def cells(self, colours: Array) -> None:
        """A cell for each entry of (rows, columns, 3), the first row on top, over the whole panel."""
        left, top, right, bottom = self.box
        cells = Image.fromarray(np.ascontiguousarray(colours, np.uint8))
        self.image.paste(cells.resize((right - left + 1, bottom - top + 1), Image.Resampling.NEAREST), (left, top))
        self.draw.rectangle(self.box, outline=PALE, width=2)

    def text(self, x: float, y: float, text: str, colour: Colour = INK, anchor: str = "mm") -> None:
        """A text at a point."""
        self.draw.text(self.place(x, y), text, colour, font(SMALL), anchor=anchor)


def _wide(ends: Range) -> Range:
    """A range that is not empty."""
    low, high = ends
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    return (low, high) if high > low else (low - 0.5 * (abs(low) or 1), low + 0.5 * (abs(low) or 1))


def nice(ends: Range, count: int = 6) -> list[tuple[float, str]]:
    """About `count` round numbers within a range, with their texts."""
    low, high = ends
    step = 10 ** math.floor(math.log10((high - low) / count))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= count)
    first = math.ceil(low / step - 1e-9)
    return [(i * step, f"{i * step:.6g}") for i in range(first, math.floor(high / step + 1e-9) + 1)]


def shaded(values: Array, low: float, high: float, middle: float | None = None) -> Array:
    """Colours of an array: from white over blue to black; with a `middle` from orange over white to blue. (..., 3)"""
    if middle is None:
        anchors, colours = [low, (low + high) / 2, high], [(255, 255, 255), (70, 130, 200), (10, 20, 60)]
    else:
        reach = max(high - middle, middle - low) or 1.0
        anchors, colours = [middle - reach, middle, middle + reach], [(200, 80, 0), (255, 255, 255), (0, 90, 170)]
    if anchors[0] == anchors[-1]:
        anchors = [low - 1, low, low + 1]
    whole = np.nan_to_num(np.asarray(values, np.float64), nan=anchors[0])
    channels = [np.interp(whole, anchors, [colour[i] for colour in colours]) for i in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)
