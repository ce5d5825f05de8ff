"""An array as a picture: a tile for each entry, blue above zero, orange below; a 4-d array as a grid of images."""

from __future__ import annotations

import html

import numpy as np

from torchref.nn.module import Array

WIDTH = 380  # of a picture, in pixels, if its tiles are not smaller than SMALLEST then
SMALLEST, LARGEST = 7, 48  # the side of a tile
READABLE = 38  # the side of a tile that has its number in it
MOST = (8, 8, 40, 40)  # images down and across, tiles down and across, that are shown
GAP = 10  # between two images
BLUE, ORANGE = (0, 66, 157), (240, 130, 30)  # the ends of the colours; colour-blind readers tell them apart


def tiles(name: str, a: Array, top: float, axes: tuple[str, ...]) -> str:
    """The picture of an array with what its axes are; `top` is the value of full colour."""
    a = np.asarray(a, dtype=float)
    images = as_images(a)
    shown = images[tuple(slice(m) for m in MOST)]
    lines = [f"<strong>{html.escape(name)}</strong>", html.escape(_sizes(a, axes)), *map(html.escape, _places(axes))]
    if shown.shape != images.shape:
        lines.append("the first {} x {} images, {} x {} entries of each".format(*shown.shape))
    return f"<figure>{_drawing(name, a, shown, top)}<figcaption>{'<br>'.join(lines)}</figcaption></figure>"


def as_images(a: Array) -> Array:
    """(rows of images, images in a row, height, width): the last two axes are an image, the one before goes across."""
    if a.ndim < 3:
        return a.reshape(1, 1, *((1,) * (2 - a.ndim)), *a.shape)
    return a.reshape(-1, *a.shape[-3:])


def _sizes(a: Array, axes: tuple[str, ...]) -> str:
    named = ", ".join(f"{n} = {s}" for n, s in zip(axes, a.shape, strict=False))
    return f"shape {a.shape}: {named}" if named else "a single number"


def _places(axes: tuple[str, ...]) -> list[str]:
    """Which axis lies where."""
    words = [f"across: {axes[-1]}"] if axes else []
    words = [f"down: {axes[-2]}", *words] if len(axes) > 1 else words
    if len(axes) < 3:
        return [", ".join(words)] if words else []
    rows = f"down: {', '.join(axes[:-3])}, " if len(axes) > 3 else ""
    return [f"images {rows}across: {axes[-3]}", "in an image " + ", ".join(words)]


def _side(shown: Array) -> int:
    """The side of a tile: large where there are few."""
    across = shown.shape[1] * shown.shape[3]
    free = WIDTH - GAP * (shown.shape[1] - 1)
    return int(np.clip(free // max(across, 1), SMALLEST, LARGEST))


def _drawing(name: str, a: Array, shown: Array, top: float) -> str:
    cell = _side(shown)
    rows, columns, height, width = shown.shape
    down, across = height * cell + GAP, width * cell + GAP
    parts = []
    for place in np.ndindex(shown.shape):
        r, c, i, j = place
        value = float(shown[place])
        x, y = c * across + j * cell, r * down + i * cell
        where = index(a, place)
        parts.append(
            f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="{_colour(value, top)}">'
            f"<title>{where} {value:.6g}</title></rect>"
        )
        if cell >= READABLE:
            parts.append(
                f'<text x="{x + cell / 2:g}" y="{y + cell / 2:g}" fill="{_ink(value, top)}">{_short(value)}</text>'
            )
    size = f'width="{columns * across - GAP}" height="{rows * down - GAP}"'
    return f'<svg {size} role="img" aria-label="{html.escape(name)}">{"".join(parts)}</svg>'


def index(a: Array, place: tuple[int, ...]) -> list[int]:
    """The index in the array itself of an entry of its images."""
    r, *inside = place
    if a.ndim < 3:
        return list(map(int, place[4 - a.ndim :]))
    leading = np.unravel_index(r, a.shape[:-3]) if a.ndim > 3 else ()
    return [*map(int, leading), *map(int, inside)]


def _share(value: float, top: float) -> float:
    return max(-1.0, min(1.0, value / top)) if top > 0 else 0.0


def _colour(value: float, top: float) -> str:
    """Blue above zero, white at zero, orange below, as in the tab Backprop; magenta for what is not finite."""
    if not np.isfinite(value):
        return "#cc00cc"
    t = _share(value, top)
    red, green, blue = (round(255 - abs(t) * (255 - end)) for end in (BLUE if t > 0 else ORANGE))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _ink(value: float, top: float) -> str:
    """What can be read on that colour."""
    return "#fff" if not np.isfinite(value) or _share(value, top) > 0.5 else "#111"


def _short(value: float) -> str:
    """A number of at most five characters."""
    if not np.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    if abs(value) < 0.005 or abs(value) >= 1000:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.3g}" if abs(value) >= 10 else f"{value:.2f}"
