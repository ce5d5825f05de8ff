"""Interpolation beside torch over sizes, factors and modes; the places where torch contradicts itself; errors."""

import itertools

import numpy as np
import pytest
import torch

from torchref.nn.functional import interpolate

MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
    "lanczos": (2,),
}
SIZES = [{"size": s} for s in (2, 5, 7, 11)] + [{"scale_factor": f} for f in (0.5, 0.7, 1.0, 1.5, 2.3, 3.0)]
RECOMPUTED = [{"scale_factor": f, "recompute_scale_factor": True} for f in (0.7, 1.05, 2.3)]


def variants(mode):
    """align_corners and antialias as far as torch takes them for this mode."""
    aligned = (None,) if MODES[mode] == (1, 2, 3) or mode == "lanczos" else (None, False, True)
    antialiased = {"lanczos": (True,), "bilinear": (False, True), "bicubic": (False, True)}.get(mode, (False,))
    return [{"align_corners": a, "antialias": b} for a, b in itertools.product(aligned, antialiased)]


def torch_matrix(shape, **options):
    """torch's interpolation as the matrix that its forward is."""
    units = torch.eye(int(np.prod(shape)), dtype=torch.float64).reshape(-1, 1, *shape)
    return torch.nn.functional.interpolate(units, **options).reshape(len(units), -1).T.numpy()


@pytest.mark.parametrize("mode", MODES)
def test_equals_torch(mode):
    """Catches a coordinate, weight or border rule that differs at any size, factor or option, either way."""
    rng = np.random.default_rng(3)
    for dimensions, sizes, variant in itertools.product(MODES[mode], SIZES + RECOMPUTED, variants(mode)):
        options = {"mode": mode, **sizes, **variant}
        x = rng.standard_normal((2, 3, 7, 5, 4)[: 2 + dimensions])
        tensor = torch.tensor(x, requires_grad=True)
        expected = torch.nn.functional.interpolate(tensor, **options)
        y, backward = interpolate(x, **options)
        dy = rng.standard_normal(y.shape)
        expected.backward(torch.tensor(dy))
        np.testing.assert_allclose(y, expected.detach().numpy(), atol=1e-12, rtol=0, err_msg=str(options))
        np.testing.assert_allclose(backward(dy), tensor.grad.numpy(), atol=1e-12, rtol=0, err_msg=str(options))


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((7,), {"mode": "nearest", "scale_factor": 1.05}),
        ((7,), {"mode": "nearest", "scale_factor": 2.1}),
        ((3, 3, 3), {"mode": "nearest", "scale_factor": 2.1}),
        ((7, 5), {"mode": "bicubic", "scale_factor": 1.05}),
        ((7, 5), {"mode": "bilinear", "scale_factor": 1.05, "antialias": True}),
    ],
)
def test_gradient_of_our_forward_where_torch_gives_another(shape, options):
    """Catches a gradient that follows torch where torch's backward is not the derivative of its forward.

    If torch mends this, the last line fails, and the remark in `interpolate` can go.
    """
    matrix = torch_matrix(shape, **options)
    x = np.random.default_rng(5).standard_normal((1, 1, *shape))
    y, backward = interpolate(x, **options)
    dy = np.random.default_rng(6).standard_normal(y.shape)
    np.testing.assert_allclose(y.reshape(-1), matrix @ x.reshape(-1), atol=1e-12)
    np.testing.assert_allclose(backward(dy).reshape(-1), matrix.T @ dy.reshape(-1), atol=1e-12)
    tensor = torch.tensor(x, requires_grad=True)
    torch.nn.functional.interpolate(tensor, **options).backward(torch.tensor(dy))
    assert np.abs(tensor.grad.numpy() - backward(dy)).max() > 0.1


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 3, 5, 7), {}),
        ((2, 3, 5, 7), {"size": 3, "scale_factor": 2.0}),
        ((2, 3, 5, 7), {"size": 3, "mode": "cubic"}),
        ((2, 3, 5, 7), {"size": 3, "mode": "linear"}),
        ((2, 3, 5), {"size": 3, "mode": "bicubic"}),
        ((2, 3, 5, 7), {"size": 3, "align_corners": True}),
        ((2, 3, 5, 7), {"size": (3,)}),
        ((2, 3, 5, 7), {"scale_factor": (2.0,)}),
        ((2, 3, 5, 7), {"size": (3.0, 2)}),
        ((2, 3, 5, 7), {"size": 0}),
        ((2, 3, 5, 7), {"scale_factor": 0.1}),
        ((2, 3, 5, 7), {"scale_factor": "a"}),
        ((2, 3, 5, 7), {"size": 3, "recompute_scale_factor": True}),
        ((2, 3, 5, 7), {"size": 3, "antialias": True}),
        ((2, 3, 5, 7), {"size": 3, "mode": "lanczos"}),
        ((2, 3, 5, 7), {"size": 3, "mode": "lanczos", "antialias": True, "align_corners": True}),
        ((3, 5), {"size": 3}),
        ((1, 0, 5, 7), {"size": 3}),
        ((1, 1, 0, 7), {"size": 3, "mode": "bilinear"}),
    ],
)
def test_errors(shape, options):
    """Catches another exception than torch's, or a message without the function."""
    with pytest.raises(Exception) as theirs:
        torch.nn.functional.interpolate(torch.zeros(shape), **options)
    with pytest.raises(type(theirs.value), match="interpolate"):
        interpolate(np.zeros(shape, np.float32), **options)
