"""grid_sample, affine_grid, pdist and the old names of interpolate: nan and infinity, warnings, errors."""

import itertools
import warnings

import numpy as np
import pytest
import torch

import torchref.nn.functional as F
from tests.errors import assert_same_error

NAN, INF = float("nan"), float("inf")
MODES = ("bilinear", "nearest", "bicubic")
PADDING_MODES = ("zeros", "border", "reflection")


@pytest.mark.parametrize(
    ("padding_mode", "values", "dimensions"),
    [
        ("zeros", (NAN, INF, -INF, 1e10, -1e15), (2, 3)),
        # torch's backward writes to any address for nan in an image, and takes the last pixel in a volume
        ("border", (INF, -INF, 1e10, -1e15), (2, 3)),
        ("reflection", (12345.3, -54321.7), (2, 3)),
    ],
)
def test_far_and_infinite_points(padding_mode, values, dimensions):
    """Catches nan where torch reads a border or nothing, and numbers where it has nan; NumPy's warnings, too."""
    for d, mode, align in itertools.product(dimensions, MODES, (False, True)):
        if d == 3 and mode == "bicubic":
            continue
        for value, k in itertools.product(values, range(d)):
            x = np.random.default_rng(5).standard_normal((1, 2, 3, 5, 4)[: d + 2])
            grid = np.full((1, *[1] * d, d), 0.3)
            grid[..., k] = value
            y, backward = F.grid_sample(x, grid, mode, padding_mode, align)
            dx, dgrid = backward(np.ones_like(y))
            tensor, points = torch.tensor(x, requires_grad=True), torch.tensor(grid, requires_grad=True)
            expected = torch.nn.functional.grid_sample(tensor, points, mode, padding_mode, align)
            expected.backward(torch.ones_like(expected))
            where = f"{d} dimensions, {mode}, {align=}, {value} at {k}"
            np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-9, atol=1e-9, err_msg=where)
            np.testing.assert_allclose(dgrid, points.grad.numpy(), rtol=1e-9, atol=1e-9, err_msg=where)
            if not (np.isnan(value) or (np.isinf(value) and mode == "bicubic")):  # the pixels that get nan are any
                np.testing.assert_allclose(dx, tensor.grad.numpy(), rtol=1e-9, atol=1e-9, err_msg=where)


@pytest.mark.parametrize("padding_mode", ["border", "reflection"])
def test_nan_counts_as_minus_one(padding_mode):
    """Catches nan that leaks out where torch documents -1; its grid gets no gradient."""
    x = np.random.default_rng(5).standard_normal((1, 2, 3, 5))
    for mode, align in itertools.product(("bilinear", "nearest"), (False, True)):
        grid = np.array([[[[NAN, 0.3], [0.2, NAN]]]])
        y, backward = F.grid_sample(x, grid, mode, padding_mode, align)
        stated, _ = F.grid_sample(x, np.nan_to_num(grid, nan=-1), mode, padding_mode, align)
        expected = torch.nn.functional.grid_sample(torch.tensor(x), torch.tensor(grid), mode, padding_mode, align)
        np.testing.assert_array_equal(y, stated)
        np.testing.assert_allclose(y, expected.numpy(), rtol=1e-12)
        _, dgrid = backward(np.ones_like(y))
        assert not dgrid[np.isnan(grid)].any()


def test_infinite_pixels_outside_the_sample_do_not_matter():
    """Catches 0 times infinity: a pixel that no tap reads must not show."""
    x = np.zeros((1, 1, 4, 4))
    x[..., 0, 0] = INF
    y, _ = F.grid_sample(x, np.full((1, 1, 1, 2), 2.0), align_corners=False)
    assert y.item() == 0


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("name", "arrays", "options"),
    [
        ("grid_sample", (zeros(1, 1, 3, 3), zeros(1, 2, 2, 3)), {}),
        ("grid_sample", (zeros(1, 1, 3), zeros(1, 2, 1)), {}),
        ("grid_sample", (zeros(2, 1, 3, 3), zeros(1, 2, 2, 2)), {}),
        ("grid_sample", (zeros(1, 1, 3, 3), zeros(1, 2, 2)), {}),
        ("grid_sample", (zeros(1, 1, 0, 3), zeros(1, 2, 2, 2)), {}),
        ("grid_sample", (zeros(1, 1, 3, 3), zeros(1, 2, 2, 2, dtype=np.float64)), {}),
        ("grid_sample", (zeros(1, 1, 3, 3, 3), zeros(1, 2, 2, 2, 3)), {"mode": "bicubic"}),
        ("grid_sample", (zeros(1, 1, 3, 3), zeros(1, 2, 2, 2)), {"mode": "linear"}),
        ("grid_sample", (zeros(1, 1, 3, 3), zeros(1, 2, 2, 2)), {"padding_mode": "zero"}),
        ("affine_grid", (zeros(1, 2, 3),), {"size": (2, 1, 2, 3)}),
        ("affine_grid", (zeros(1, 2, 3, dtype=np.int64),), {"size": (1, 1, 2, 3)}),
        ("affine_grid", (zeros(1, 2, 2),), {"size": (1, 1, 2, 3)}),
        ("affine_grid", (zeros(2, 3),), {"size": (1, 1, 2, 3)}),
        ("affine_grid", (zeros(1, 2, 3),), {"size": (1, 1, 2)}),
        ("affine_grid", (zeros(1, 2, 3),), {"size": (1, 1, 0, 3)}),
        ("affine_grid", (zeros(1, 2, 3),), {"size": (1, 0, 2, 3)}),
        ("affine_grid", (zeros(1, 2, 3),), {"size": (1, 1, 2.0, 3)}),
        ("pdist", (zeros(3),), {}),
        ("pdist", (zeros(2, 3, 2),), {}),
        ("pdist", (zeros(3, 2),), {"p": -1}),
        ("pdist", (zeros(3, 2),), {"p": NAN}),
        ("pdist", (zeros(3, 2, dtype=np.int64),), {}),
    ],
)
def test_errors(name, arrays, options):
    """Catches another exception than torch's, or a message without the function."""
    if name != "pdist":
        options = {"align_corners": False, **options}
    assert_same_error(
        lambda: getattr(F, name)(*arrays, **options),
        lambda: getattr(torch.nn.functional, name)(*map(torch.from_numpy, arrays), **options),
        f"{name}()",
    )


@pytest.mark.parametrize(
    ("name", "arrays", "options"),
    [
        ("grid_sample", (zeros(1, 1, 3, 3), zeros(1, 2, 2, 2)), {}),
        ("affine_grid", (zeros(1, 2, 3),), {"size": (1, 1, 2, 3)}),
        ("affine_grid", (zeros(1, 2, 3),), {"size": (1, 1, 1, 3), "align_corners": True}),
        ("upsample", (zeros(1, 1, 3),), {"size": 5}),
        ("upsample_nearest", (zeros(1, 1, 3),), {"size": 5}),
        ("upsample_bilinear", (zeros(1, 1, 3, 3),), {"size": 5}),
    ],
)
def test_warnings(name, arrays, options):
    """Catches silence where torch warns, another category, or a warning that points into the library."""
    for function, given in ((F, arrays), (torch.nn.functional, map(torch.from_numpy, arrays))):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            getattr(function, name)(*given, **options)
        assert [(w.category, w.filename) for w in caught] == [(UserWarning, __file__)], function.__name__


def test_pairs_of_no_rows():
    """Catches a failure for an array without rows, whose backward crashes torch 2.13 itself."""
    x = np.zeros((0, 3), np.float32)
    y, backward = F.pdist(x)
    assert (y.shape, y.dtype) == ((0,), np.float32)
    assert backward(y).shape == (0, 3)
