"""Convolution: random geometries against torch, the transpose as an adjoint, what torch warns of, errors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import Case, normal
from tests.checks import CHECKS
from torchref import nn
from torchref.nn import functional as F

CONV = {1: "conv1d", 2: "conv2d", 3: "conv3d"}


def beside_torch(name, x, weight, bias, **options):
    """Output and all gradients of ours equal torch's."""
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    expected = getattr(torch.nn.functional, name)(*tensors, **options)
    y, backward = getattr(F, name)(x, weight, bias, **options)
    assert y.shape == tuple(expected.shape)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    expected.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, expected.detach().numpy(), atol=1e-11, rtol=0)
    for ours, tensor in zip(backward(dy), tensors, strict=True):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), atol=1e-11, rtol=0)


@st.composite
def geometry(draw):
    """Sizes and arguments of a convolution in one to three dimensions that has at least one output."""
    n = draw(st.integers(1, 3))

    def each(low, high):
        return tuple(draw(st.lists(st.integers(low, high), min_size=n, max_size=n)))

    kernel, stride, dilation, padding = each(1, 4 if n < 3 else 3), each(1, 4), each(1, 3), each(0, 3)
    sizes = tuple(
        max(1, d * (k - 1) + 1 - 2 * p + extra)
        for k, d, p, extra in zip(kernel, dilation, padding, each(0, 5 if n < 3 else 2), strict=True)
    )
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels = groups * draw(st.sampled_from([1, 2, 17] if n < 3 else [1, 2]))
    outputs = groups * draw(st.integers(1, 3))
    return n, kernel, stride, dilation, padding, sizes, groups, channels, outputs, draw(st.integers(0, 3))


@given(geometry())
def test_any_convolution(drawn):
    """Catches a wrong slice, crop or group at any stride, padding, dilation and remainder, in float64."""
    n, kernel, stride, dilation, padding, sizes, groups, channels, outputs, batch = drawn
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, channels, *sizes))
    weight = rng.standard_normal((outputs, channels // groups, *kernel))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    beside_torch(CONV[n], x, weight, rng.standard_normal(outputs), **options)


@given(geometry(), st.data())
def test_any_transposed_convolution(drawn, data):
    """Catches the same in the transpose, and a wrong output_padding."""
    n, kernel, stride, dilation, padding, sizes, groups, channels, outputs, batch = drawn
    extra = tuple(data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    size = [
        (i - 1) * s - 2 * p + d * (k - 1) + 1 + e
        for i, s, p, d, k, e in zip(sizes, stride, padding, dilation, kernel, extra, strict=True)
    ]
    if min(size) < 1:
        return
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, channels, *sizes))
    weight = rng.standard_normal((channels, outputs // groups, *kernel))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "output_padding": extra}
    beside_torch(f"conv_transpose{n}d", x, weight, rng.standard_normal(outputs), **options)


def test_the_transpose_is_the_adjoint():
    """<A x, y> = <x, A^T y>, whatever torch says: catches a transpose of another map."""
    rng = np.random.default_rng(2)
    x, weight, y = rng.standard_normal((2, 3, 9, 7)), rng.standard_normal((5, 3, 3, 2)), None
    ax, _ = F.conv2d(x, weight, stride=2, padding=1)
    y = rng.standard_normal(ax.shape)
    aty, _ = F.conv_transpose2d(y, weight, stride=2, padding=1, output_padding=(0, 1))
    assert np.isclose(np.sum(ax * y), np.sum(x * aty), rtol=1e-13)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_same_padding_of_an_even_kernel(check):
    """Catches the odd entry of padding in front: it belongs behind."""
    check(Case("Conv1d", (3, 5, 4), {"padding": "same"}, inputs=(normal(2, 3, 7),)))
    check(Case("Conv2d", (2, 3, (4, 3)), {"padding": "same", "dilation": (1, 2)}, inputs=(normal(2, 5, 7),)))


@pytest.mark.parametrize(
    ("name", "options"),
    [("Conv2d", {}), ("ConvTranspose2d", {}), ("Conv2d", {"padding": 1, "padding_mode": "circular"})],
)
def test_input_gradient_can_be_skipped(name, options):
    """Catches a first layer that computes the gradient of the data, or whose own gradients change without it."""
    module = getattr(nn, name)(3, 5, 2, **options)
    x = np.random.default_rng(3).standard_normal((2, 3, 4, 5)).astype(np.float32)
    y, backward = module(x)
    dx = backward(y)
    assert dx.shape == x.shape
    expected = module.weight.grad
    module.zero_grad()
    y, backward = module.skip_input_grad()(x)
    assert backward(y) is None
    np.testing.assert_array_equal(module.weight.grad, expected)


X, W = (1, 2, 7, 7), (4, 2, 3, 3)


@pytest.mark.parametrize(
    ("function", "x", "weight", "bias", "options", "named"),
    [
        ("conv2d", (1, 2, 3, 3), (4, 2, 5, 5), None, {}, "larger than the padded input"),
        ("conv2d", (1, 3, 7, 7), W, None, {}, "2 channels, but got 3"),
        ("conv2d", (7, 7), W, None, {}, r"\(7, 7\)"),
        ("conv2d", X, (4, 2, 3), None, {}, "weight"),
        ("conv2d", X, (0, 2, 3, 3), None, {}, "weight"),
        ("conv2d", X, (4, 2, 0, 3), None, {}, "kernel"),
        ("conv2d", (1, 2, 0, 7), W, None, {"padding": 2}, "empty"),
        ("conv2d", X, W, None, {"stride": 0}, "stride"),
        ("conv2d", X, W, None, {"dilation": 0}, "dilation"),
        ("conv2d", X, W, None, {"padding": -1}, "padding=-1"),
        ("conv2d", X, W, None, {"padding": (1, 1, 1)}, "padding"),
        ("conv2d", X, W, None, {"padding": 1.5}, "padding"),
        ("conv2d", X, W, None, {"padding": "foo"}, "foo"),
        ("conv2d", X, W, None, {"padding": "same", "stride": 2}, "strided"),
        ("conv2d", X, W, None, {"groups": 0}, "groups=0"),
        ("conv2d", (1, 6, 7, 7), W, None, {"groups": 3}, "groups=3"),
        ("conv2d", X, W, (3,), {}, "bias"),
        ("conv2d", X, W, (4, 1), {}, "bias"),
        ("conv_transpose2d", (1, 3, 7, 7), (2, 4, 3, 3), None, {}, "2 channels, but got 3"),
        ("conv_transpose2d", X, (2, 4, 3, 3), None, {"stride": 2, "output_padding": 2}, "output_padding"),
        ("conv_transpose2d", X, (2, 4, 3, 3), None, {"output_padding": -1}, "output_padding=-1"),
        ("conv_transpose2d", X, (2, 4, 3, 3), None, {"padding": "same"}, "same"),
        ("conv_transpose2d", (1, 2, 1, 1), (2, 4, 3, 3), None, {"padding": 2}, "too small"),
        ("conv_transpose2d", X, (2, 4, 3, 3), (3,), {}, "bias"),
        ("conv_transpose2d", X, (2, 4, 3, 3), None, {"groups": 3}, "groups=3"),
    ],
)
def test_errors_of_the_functions(function, x, weight, bias, options, named):
    """Catches another exception than torch's, or a message that does not say what is wrong."""
    arrays = [None if shape is None else np.zeros(shape, np.float32) for shape in (x, weight, bias)]
    tensors = [None if a is None else torch.tensor(a) for a in arrays]
    with pytest.raises(Exception) as theirs:
        getattr(torch.nn.functional, function)(*tensors, **options)
    with pytest.raises(type(theirs.value), match=named) as ours:
        getattr(F, function)(*arrays, **options)
    assert function in str(ours.value)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("Conv2d", {"groups": 0}),
        ("Conv2d", {"groups": 3}),
        ("Conv2d", {"out_channels": 3, "groups": 2}),
        ("Conv2d", {"padding": "foo"}),
        ("Conv2d", {"padding": "same", "stride": 2}),
        ("Conv2d", {"padding_mode": "foo"}),
        ("ConvTranspose2d", {"padding_mode": "reflect"}),
    ],
)
def test_errors_of_the_constructors(module, arguments):
    """Catches an argument that is only refused later, or with another exception."""
    given = {"in_channels": 2, "out_channels": 4, "kernel_size": 3, **arguments}
    with pytest.raises(Exception) as theirs:
        getattr(torch.nn, module)(**given)
    with pytest.raises(type(theirs.value), match=next(reversed(arguments))):
        getattr(nn, module)(**given)


@pytest.mark.parametrize("output_size", [(18, 16), (18,), (1, 3, 16, 16, 1)])
def test_impossible_output_size(output_size):
    """Catches an output_size that no output_padding gives."""
    with pytest.raises(ValueError, match="output_size"):
        nn.ConvTranspose2d(2, 4, 3, stride=2)(np.zeros((1, 2, 7, 7), np.float32), output_size=output_size)
    with pytest.raises(ValueError, match="output"):
        torch.nn.ConvTranspose2d(2, 4, 3, stride=2)(torch.zeros(1, 2, 7, 7), output_size=output_size)


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize(
    ("stride", "dilation", "kernel"), [(2, 1, 3), (3, 2, 3), (2, 2, 4), (4, 6, 3), ((2, 3), 1, (3, 5)), (3, 1, 2)]
)
@pytest.mark.parametrize("padding", [0, 1, 7])
def test_every_residue_of_the_stride_gets_its_gradient(stride, dilation, kernel, padding, groups):
    """Catches inputs left out or met by a wrong part of the kernel, also where all of a window lies in the padding."""
    rng = np.random.default_rng(3)
    x, weight = rng.normal(size=(2, 4, 17, 18)), rng.normal(size=(8, 4 // groups, *np.broadcast_to(kernel, 2)))
    y, backward = F.conv2d(x, weight, None, stride, padding, dilation, groups)
    x_tensor, weight_tensor = (torch.tensor(a, requires_grad=True) for a in (x, weight))
    expected = torch.nn.functional.conv2d(x_tensor, weight_tensor, None, stride, padding, dilation, groups)
    dy = rng.normal(size=y.shape)
    expected.backward(torch.from_numpy(dy))
    dx, dweight, _ = backward(dy)
    found = {"y": (y, expected.detach()), "dx": (dx, x_tensor.grad), "dweight": (dweight, weight_tensor.grad)}
    for name, (ours, theirs) in found.items():
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-12, err_msg=f"seed 3, {name}")


def test_windows_that_end_in_the_next_row_are_no_outputs():
    """Catches an infinite entry that reaches outputs whose windows do not hold it: rows are laid behind each other."""
    x = np.ones((1, 2, 12, 12))
    x[0, 0, 5, 0] = np.inf  # at the left border, where the windows that begin at the right one would end
    y, _ = F.conv2d(x, np.ones((2, 1, 3, 3)), None, 1, 0, 1, 2)
    reached = np.argwhere(~np.isfinite(y))
    assert {tuple(place) for place in reached} == {(0, 0, row, 0) for row in (3, 4, 5)}
