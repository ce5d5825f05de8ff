"""The pictures of a run: what dropout and batch norm do, gradients by depth, what the network gets wrong, its weights.

Each function takes arrays and returns pixels, (H, W, 3) of uint8.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import numpy as np

from torchref.compare.record.drawing import COLOURS, INK, NUMPY, PALE, PAPER, TORCH, Entry, Figure, shaded
from torchref.nn.module import Array

__all__ = [
    "DARK_ORANGE",
    "DROPPED",
    "GREEN",
    "KEPT",
    "OVER_SETTINGS",
    "agreement",
    "attention",
    "by_setting",
    "decisions",
    "gradients_by_depth",
    "groups",
    "landscape",
    "mask_of",
    "masks",
    "normalisation",
    "rows_of_images",
    "running_statistics",
    "side",
    "weights",
    "wrong",
]

ZERO, DROPPED, KEPT = 0, 1, 2  # of a unit in front of dropout and behind it
MASK = np.array([[232, 232, 232], [213, 94, 0], [0, 114, 178]], np.uint8)
MASK_LEGEND = [("kept", (0, 114, 178), "box"), ("dropped", (213, 94, 0), "box")]
MASK_LEGEND += [("was 0 before", (232, 232, 232), "box")]
DIFFERING = (200, 0, 60)
DARK_ORANGE, GREEN = (213, 94, 0), (0, 158, 115)
ROWS, UNITS, CHANNELS = 16, 24, 16  # the most that a picture shows
ACROSS = 8  # images in a row
# Of a figure over settings: colours that TensorBoard gives to no curve, so that nobody takes them for a curve's.
OVER_SETTINGS = ((150, 110, 60), (0, 0, 0), (160, 160, 160), *COLOURS)


def agreement(steps: Array, ours: Array, theirs: Array, title: str, what: str) -> Array:
    """Two curves in one: torch's is thick and pale, NumPy's thin on top of it, with dots. (T,) each"""
    legend = [("torch", TORCH, "thick"), ("NumPy", NUMPY, "thin")]
    legend.append((apart(ours, theirs), PAPER, "words"))
    figure = Figure(title, 1, legend=legend)
    finite = np.concatenate([ours[np.isfinite(ours)], theirs[np.isfinite(theirs)], np.zeros(1)])
    low, high = min(0.0, float(finite.min())), 1.05 * float(finite.max())
    axes = figure.axes(0, "", (0.0, float(steps[-1]) if len(steps) else 1.0), (low, high), "step", what)
    axes.ticks()
    axes.line(steps.tolist(), theirs.tolist(), TORCH, 14)
    axes.line(steps.tolist(), ours.tolist(), NUMPY, 3)
    few = slice(None, None, max(1, len(steps) // 16))
    axes.dots(steps[few].tolist(), ours[few].tolist(), NUMPY)
    return figure.pixels()


def apart(ours: Array, theirs: Array) -> str:
    """The largest difference of two curves, in words, as far as they are finite."""
    finite = np.isfinite(ours) & np.isfinite(theirs)
    largest = float(np.max(np.abs(ours[finite] - theirs[finite]), initial=0.0))
    return "equal to the last bit" if largest == 0 else f"at most {largest:.1e} apart"


def mask_of(x: Array, y: Array) -> Array:
    """What dropout did to each unit of (N, ...): ZERO, DROPPED or KEPT. (N, units)"""
    x, y = (array.reshape(len(array), -1) for array in (x, y))
    return np.where(x == 0, ZERO, np.where(y == 0, DROPPED, KEPT))


def masks(ours: Array, theirs: Array, title: str, rows: str = "example") -> Array:
    """Both twins' masks, and where they differ. (N, units) each"""
    legend = [*MASK_LEGEND, ("differs", DIFFERING, "box")]
    figure = Figure(title, 3, legend=legend, left=48)
    up, across = (f"{rows} (of {len(ours)})", f"unit (of {ours.shape[1]})")  # the ticks say which are shown
    ours, theirs = (mask[:ROWS, :UNITS] for mask in (ours, theirs))
    n, units = ours.shape
    differing = np.where((ours != theirs)[..., None], np.array(DIFFERING), 255)
    count = int((ours != theirs).sum())
    said = f"{count} of {ours.size} differ" if count else "none differs"
    shown = (("NumPy", MASK[ours]), ("torch", MASK[theirs]), (said, differing))
    for number, (name, colours) in enumerate(shown):
        axes = figure.axes(number, name, (0.0, float(units)), (0.0, float(n)), across, up)
        axes.cells(colours)
        axes.ticks([(0.5, "1"), (units - 0.5, str(units))], [(n - 0.5, "1"), (0.5, str(n))])
    return figure.pixels()


def normalisation(x: Array, y: Array, title: str) -> Array:
    """What batch norm is given and what it gives: mean and spread of each of the first channels of (N, C, ...)."""
    legend = [("mean", NUMPY, "dots"), ("standard deviation to both sides", (86, 180, 233), "thick")]
    figure = Figure(title, 2, legend=legend)
    for number, (name, array) in enumerate((("in front of it", x), ("behind it", y))):
        mean, spread = _of_channels(array)
        low, high = float(np.min(mean - spread)), float(np.max(mean + spread))
        ends = min(low, -1.0), max(high, 1.0)
        axes = figure.axes(number, name, (0.0, len(mean) + 1.0), ends, "channel", "value")
        axes.ticks()
        axes.line([0, len(mean) + 1], [0, 0], PALE, 1)
        for channel, (middle, wide) in enumerate(zip(mean.tolist(), spread.tolist(), strict=True), start=1):
            axes.line([channel, channel], [middle - wide, middle + wide], (86, 180, 233), 11)
        axes.dots(list(range(1, len(mean) + 1)), mean.tolist(), NUMPY)
    return figure.pixels()


def _of_channels(array: Array) -> tuple[Array, Array]:
    """Mean and spread of each of the first channels. (C,), (C,)"""
    others = (0, *range(2, array.ndim))
    return array.mean(others)[:CHANNELS], array.std(others)[:CHANNELS]


def running_statistics(batch: tuple[Array, Array], running: tuple[Array, Array], title: str) -> Array:
    """Running mean and variance against the batch's: a dot for each channel, on the line where they are equal."""
    legend = [("a channel", NUMPY, "dots"), ("equal", INK, "thin")]
    figure = Figure(title, 2, legend=legend)
    for number, name in enumerate(("mean", "variance")):
        ours, theirs = batch[number], running[number]
        both = np.concatenate([ours, theirs])
        ends = float(both.min()), float(both.max())
        axes = figure.axes(number, name, ends, ends, f"batch's {name}", f"running {name}")
        axes.ticks()
        axes.dots(ours.tolist(), theirs.tolist(), NUMPY, 5)
        axes.line(ends, ends, INK, 3)  # over the dots, which would hide it
    return figure.pixels()


def gradients_by_depth(places: Sequence[str], norms: Mapping[int, Array], title: str) -> Array:
    """{step: each place's gradient norm}: a line for each moment, from the data to the output."""
    shades = moments(len(norms))
    legend = [(f"step {step}", shade, "thick") for step, shade in zip(norms, shades, strict=True)]
    figure = Figure(title, 1, legend=legend)
    logs = {step: np.log10(np.maximum(values, 1e-30)) for step, values in norms.items()}
    ends = math.floor(min(float(v.min()) for v in logs.values())), math.ceil(max(float(v.max()) for v in logs.values()))
    across = 0.5, len(places) + 0.5
    axes = figure.axes(0, "", across, ends, "place in the network", "norm of each weight's gradient")
    heights = range(ends[0], ends[1] + 1, max(1, (ends[1] - ends[0]) // 5))
    every = -(-len(places) // 5)  # names that do not run into each other
    axes.ticks([(i, place) for i, place in enumerate(places, start=1)][::every], [(h, f"1e{h}") for h in heights])
    at = list(range(1, len(places) + 1))
    for later, (values, shade) in enumerate(zip(logs.values(), shades, strict=True)):
        width = max(3, 18 - 15 * later // len(logs))  # the later, the thinner: a line shows under an equal one
        axes.line(at, values.tolist(), shade, width)
        axes.dots(at, values.tolist(), shade, width // 2 + 3)
    return figure.pixels()


def moments(count: int) -> list[tuple[int, int, int]]:
    """A colour for each moment of a training, from yellow at its beginning over green, blue and violet to black."""
    anchors = np.array([(235, 190, 40), (60, 160, 90), (60, 120, 200), (150, 60, 150), (25, 15, 30)])
    at = np.linspace(0, len(anchors) - 1, count)
    red, green, blue = (np.interp(at, range(len(anchors)), channel).astype(int).tolist() for channel in anchors.T)
    return list(zip(red, green, blue, strict=True))


def by_setting(
    title: str, setting: str, figure: str, curves: Mapping[str, Sequence[tuple[str, Array]]], joined: bool = True
) -> Array:
    """{label: [(a setting, a figure of each seed), ...]}: the settings along the axis, a bar at the mean, a dot a seed.

    `joined`: a line through the means, where the settings are values of one quantity.
    """
    settings = list(dict.fromkeys(value for points in curves.values() for value, _ in points))
    legend: list[Entry] = [(label, colour, "thick") for label, colour in zip(curves, cycle(OVER_SETTINGS)) if label]
    legend += [("bar: mean, dots: the seeds", PAPER, "words")]
    every = np.concatenate([values for points in curves.values() for _, values in points])
    finite = every[np.isfinite(every)] if np.isfinite(every).any() else np.zeros(1)
    room = 0.06 * (float(np.ptp(finite)) or abs(float(finite[0])) or 1.0)
    panel = Figure(title, legend=legend)
    ends = float(finite.min()) - room, float(finite.max()) + room
    axes = panel.axes(0, "", (-0.5, len(settings) - 0.5), ends, setting, figure)
    axes.ticks(_names(settings))
    for points, colour in zip(curves.values(), cycle(OVER_SETTINGS)):
        at = [settings.index(value) for value, _ in points]
        means = [float(np.mean(values)) for _, values in points]
        if joined:
            axes.line(at, means, colour, 4)
        for place, mean, (_, values) in zip(at, means, points, strict=True):
            axes.line([place - 0.15, place + 0.05], [mean, mean], colour, 8)
            axes.dots([place + 0.15] * len(values), values.tolist(), colour, 5)  # beside the bar: none is hidden
    return panel.pixels()


def _names(settings: Sequence[str]) -> list[tuple[float, str]]:
    """The settings' names at their places, cut where they would run into each other."""
    room = 66 // max(len(settings), 1)  # letters, of the smallest
    return [(float(i), name if len(name) <= room else name[: room - 1] + "…") for i, name in enumerate(settings)]


def side(shape: Sequence[int]) -> tuple[int, ...] | None:
    """The image's (H, W) in one example's shape: (H, W), (1 or 3, H, W), or a square laid out in a row; else None."""
    if len(shape) == 1:
        root = math.isqrt(shape[0])
        return (root, root) if root * root == shape[0] and root >= 6 else None
    if len(shape) == 3 and shape[0] in (1, 3):
        return tuple(shape[1:])
    return tuple(shape) if len(shape) == 2 and min(shape) >= 6 else None


def wrong(images: Array, labels: Array, answers: Array, chances: Array, title: str) -> Array:
    """Examples that the network names wrong, the surest first: its answer, the probability it gives, and the truth."""
    figure = Figure(title, len(images), columns=4, left=12)
    low, high = float(images.min()), float(images.max())
    for number, image in enumerate(images):
        said = f"says {answers[number]}: {chances[number]:.0%}", f"is {labels[number]}"
        axes = figure.axes(number, said[0], (0, 1), (0, 1), "", said[1])
        axes.cells(255 - _grey(image, low, high))
    return figure.pixels()


def _grey(image: Array, low: float, high: float) -> Array:
    """(H, W) or (channels, H, W) -> (H, W, 3), from 0 to 255."""
    channels = image if image.ndim == 3 else image[None]
    channels = np.broadcast_to(channels, (3, *channels.shape[1:])) if len(channels) == 1 else channels[:3]
    return (255 * (channels.transpose(1, 2, 0) - low) / ((high - low) or 1.0)).astype(np.uint8)


def weights(maps: Array, title: str) -> Array:
    """The weights into each of the first neurons, or filters, as images (neurons, H, W): orange below 0, blue above."""
    shown = maps[: 2 * ACROSS]
    reach = float(np.abs(shown).max())
    legend = [
        (f"{-reach:.2g}", (200, 80, 0), "box"),
        ("0", (255, 255, 255), "box"),
        (f"{reach:.2g}", (0, 90, 170), "box"),
    ]
    figure = Figure(title, 1, legend=legend)
    rows = -(-len(shown) // ACROSS)
    _, height, width = shown.shape
    sheet = np.full((rows, ACROSS, height + 1, width + 1, 3), 150, np.uint8)
    for number, each in enumerate(shown):
        sheet[number // ACROSS, number % ACROSS, :height, :width] = shaded(each, -reach, reach, 0.0)
    cells = sheet.swapaxes(1, 2).reshape(rows * (height + 1), ACROSS * (width + 1), 3)
    said = f"neurons, the first {len(shown)} of {len(maps)}, row by row"
    axes = figure.axes(0, "", (0.0, float(ACROSS)), (0.0, float(rows)), "", said)
    axes.cells(cells)
    ends = [(row * ACROSS + 1, min((row + 1) * ACROSS, len(shown))) for row in range(rows)]
    axes.ticks([], [(rows - row - 0.5, f"{first}-{last}") for row, (first, last) in enumerate(ends)])
    return figure.pixels()


def decisions(predict: Callable[[Array], Array], x: Array, labels: Array, title: str) -> Array:
    """The class that the network names at each point of the plane, and the examples, (N, 2), with their labels."""
    (left, bottom), (right, top) = x.min(0) - 0.1, x.max(0) + 0.1
    across, down = np.meshgrid(np.linspace(left, right, 80), np.linspace(top, bottom, 80))
    output = predict(np.stack([across.ravel(), down.ravel()], axis=1).astype(x.dtype))
    answers = output.argmax(1) if output.ndim == 2 and output.shape[1] > 1 else (output.ravel() > 0.5).astype(int)
    classes = sorted({*np.unique(labels).tolist(), *np.unique(answers).tolist()})
    colours = {each: COLOURS[i % len(COLOURS)] for i, each in enumerate(classes)}
    legend = [(f"class {each:g}", colours[each], "dots") for each in classes]
    figure = Figure(title, 1, legend=legend)
    axes = figure.axes(
        0, "", (left, right), (bottom, top), "first input", "second input; areas: answers, dots: examples"
    )
    pale = {each: [int(c + 0.65 * (255 - c)) for c in colour] for each, colour in colours.items()}
    axes.cells(np.array([pale[each] for each in answers.tolist()], np.uint8).reshape(80, 80, 3))
    axes.ticks()
    for each in classes:
        points = x[labels == each][:150]
        axes.dots(points[:, 0].tolist(), points[:, 1].tolist(), colours[each])
    return figure.pixels()


def landscape(
    heights: Array, x: tuple[float, float], y: tuple[float, float], path: Array, title: str, labels: tuple[str, str]
) -> Array:
    """A function of two numbers, (rows, columns) with the largest y on top, and the path (T, 2) of a descent on it."""
    low, high = float(heights.min()), float(heights.max())
    legend = [(f"low: {low:.3g}", (255, 255, 255), "box"), (f"high: {high:.3g}", (10, 20, 60), "box")]
    legend += [("path", DARK_ORANGE, "thin"), ("start", (0, 0, 0), "dots"), ("end", GREEN, "dots")]
    figure = Figure(title, legend=legend)
    axes = figure.axes(0, "", x, y, *labels)
    axes.cells(shaded(heights, low, high))
    axes.ticks()
    across, up = path.T.tolist()
    axes.line(across, up, DARK_ORANGE, 3)
    axes.dots(across[:1], up[:1], (0, 0, 0))
    axes.dots(across[-1:], up[-1:], GREEN)
    return figure.pixels()


def groups(points: Array, labels: Array, title: str, directions: tuple[str, str]) -> Array:
    """Points (N, 2), each with its label as a digit in the label's colour."""
    classes = sorted(np.unique(labels).tolist())
    (left, bottom), (right, top) = points.min(0), points.max(0)
    figure = Figure(title)
    axes = figure.axes(0, "", (left, right), (bottom, top), *directions)
    axes.ticks()
    for (across, up), label in zip(points.tolist(), labels.tolist(), strict=True):
        axes.text(across, up, f"{label:g}", COLOURS[classes.index(label) % len(COLOURS)])
    return figure.pixels()


def rows_of_images(rows: Mapping[str, Array], title: str) -> Array:
    """{label: images (N, H, W)}: a row each, black on white, all on one scale."""
    every = list(rows.values())
    low, high = min(float(each.min()) for each in every), max(float(each.max()) for each in every)
    figure = Figure(title, len(rows), columns=1, left=12)
    for number, (label, images) in enumerate(rows.items()):
        n, height, width = images.shape
        sheet = np.full((n, height + 1, width + 1, 3), 200, np.uint8)
        for i, image in enumerate(images):
            sheet[i, :height, :width] = 255 - _grey(image, low, high)
        axes = figure.axes(number, label, (0.0, 1.0), (0.0, 1.0), "", "")
        axes.cells(sheet.swapaxes(0, 1).reshape(height + 1, n * (width + 1), 3))
    return figure.pixels()


def attention(shares: Array, title: str) -> Array:
    """How much each place (row) reads from each (column), from 0 to 1: (heads, T, T), a panel for each head."""
    legend = [("0", (255, 255, 255), "box"), (f"{float(shares.max()):.2f}", (10, 20, 60), "box")]
    figure = Figure(title, len(shares), legend=legend, left=54)
    t = shares.shape[1]
    for head, share in enumerate(shares):
        ends = 0.0, float(t)
        axes = figure.axes(head, f"head {head + 1}", ends, ends, "reads from place", "place, from the top")
        axes.cells(shaded(share, 0.0, float(shares.max())))
        axes.ticks(y=[(t - 0.5, "1"), (0.5, str(t))])
    return figure.pixels()
