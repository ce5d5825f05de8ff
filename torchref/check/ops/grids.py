"""Spatial transformers: affine_grid and grid_sample."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.mistake import Values
from torchref.check.ops.record import Arrays, Options, Patch, array, option
from torchref.check.textbook import grids as textbook

# The probes.


def _make_theta(rng: Generator, o: Options, *_: object) -> Arrays:
    return {"theta": rng.normal(size=(o["size"][0], 2, 3))}


def _make_grid(rng: Generator, *_: object) -> Arrays:
    """Places inside the image, some beyond each border, and several that read the same pixels."""
    grid = rng.uniform(-1.3, 1.3, (2, 3, 5, 2))
    grid[:, 1] = grid[:, 0] + 1e-2
    return {"input": rng.normal(size=(2, 3, 5, 7)), "grid": grid}


# The mistakes that no edit makes.

CORNERS = "align_corners is the other way round."
AFFINE = (
    Patch("dtheta =", "dtheta = np.swapaxes(rows[..., ::-1], 1, 2) @ points", slugs.TRANSPOSED, "The last axis of a grid is (x, y); here it is taken for (y, x)."),
    Patch("dtheta =", "dtheta = np.swapaxes(rows, 1, 2) @ points / len(points)", slugs.MEAN, "The gradients of all places add up; here they are averaged."),
    Patch("dtheta =", "dtheta = np.swapaxes(rows, 1, 2) @ (points * [1, 1, 0])", slugs.LOCAL, "The third column of theta is the shift: its gradient is the sum of dgrid."),
    Patch("dtheta =", "dtheta = np.swapaxes(rows, 1, 2) @ points[:, [1, 0, 2]]", slugs.TRANSPOSED, "A point is (x, y, 1); here it is (y, x, 1)."),
    Patch("places =", "places = np.meshgrid(centres(w, not align_corners), centres(h, not align_corners))", slugs.FORWARD, CORNERS),
    Patch("points =", "points = np.stack([*places[::-1], np.ones((h, w))], -1).reshape(-1, 3)", slugs.FORWARD, "A point is (x, y, 1): the column comes first."),
)  # fmt: skip
SAMPLE = (
    Patch("np.add.at(dx", "dx[place] = dy * (a * b)[:, None]", slugs.OVERWRITTEN, "Several places read one pixel: their gradients must be added."),
    Patch("np.add.at(dx", "dx[place] += dy * (a * b)[:, None]", slugs.OVERWRITTEN, "`dx[...] +=` adds once where an index occurs twice; np.add.at adds each time."),
    Patch("np.add.at(dx", "np.add.at(dx, place, dy)", slugs.SCALE, "Each pixel gets the gradient times its weight in the forward."),
    Patch("dgrid =", "dgrid = np.stack([down, across], -1)", slugs.TRANSPOSED, "The last axis of a grid is (x, y); here it is (y, x).", gradient="grid"),
    Patch("dgrid =", "dgrid = np.stack([across / (x.shape[3] / 2), down / (x.shape[2] / 2)], -1)", slugs.SCALE, "The step from grid to pixels is lost: n / 2, with align_corners (n - 1) / 2.", gradient="grid"),
    Patch("dgrid =", "dgrid = np.stack([across * (x.shape[3] - 1) / x.shape[3], down * (x.shape[2] - 1) / x.shape[2]], -1)", slugs.SCALE, "The step from grid to pixels is n / 2; (n - 1) / 2 belongs to align_corners.", gradient="grid"),
    Patch("dweight =", "dweight = (dy * x[place]).mean(1)", slugs.MEAN, "A place is read in every channel: the channels' gradients add up.", gradient="grid"),
    Patch("rows =", "rows = taps(grid[..., 0], h, mode, padding_mode, align_corners)", slugs.FORWARD, "The last axis of a grid is (x, y): y chooses the row."),
)  # fmt: skip


def _at_corners(torch: ModuleType, v: Values) -> Any:
    return torch.nn.functional.affine_grid(v.theta, v.size, v.align_corners)


def _sampled(torch: ModuleType, v: Values) -> Any:
    return torch.nn.functional.grid_sample(v.input, v.grid, v.mode, v.padding_mode, v.align_corners)


ALIGN = option("align_corners", False, vary=(True,))

OPERATIONS = (
    from_textbook(
        "affine_grid",
        (),
        (array("theta", "t", "matrix", "a", axes="N 2 3"), option("size", (2, 3, 5, 7), None, "shape", "out_size"), ALIGN),
        textbook.affine_grid,
        AFFINE,
        make=_make_theta,
        family="grid",
        derivation="resampling.md",
        in_torch=_at_corners,
    ),
    from_textbook(
        "grid_sample",
        (),
        (
            array("input", axes="N C H W"),
            array("grid", "coords", "flow", axes="N P Q xy"),
            option("mode", "bilinear", vary=("nearest", "bicubic")),
            option("padding_mode", "zeros", None, "padding", vary=("border", "reflection")),
            ALIGN,
        ),
        textbook.grid_sample,
        SAMPLE,
        {"sample": "", "axis": ""},
        make=_make_grid,
        family="grid",
        derivation="resampling.md",
        in_torch=_sampled,
    ),
)  # fmt: skip
