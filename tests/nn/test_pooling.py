"""Pooling: any windows against torch, kinks, given samples, unpooling as the way back, errors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchref import nn
from torchref.nn import functional as F


@st.composite
def windows(draw, dilated):
    """A shape and the arguments of a pooling, not all of which fit."""
    n = draw(st.integers(1, 3))

    def each(low, high):
        return tuple(draw(st.lists(st.integers(low, high), min_size=n, max_size=n)))

    kernel, sizes = each(1, 4), each(1, 9 if n < 3 else 5)
    options = {
        "kernel_size": kernel,
        "stride": draw(st.one_of(st.none(), st.just(each(1, 4)))),
        "padding": tuple(draw(st.integers(0, k // 2)) for k in kernel),
        "ceil_mode": draw(st.booleans()),
    }
    if dilated:
        options["dilation"] = each(1, 3)
    return n, (*draw(st.sampled_from([(2, 3), (3,), (0, 2)])), *sizes), options


def beside_torch(name, x, **options):
    """Output, indices and gradient equal torch's, or both refuse."""
    tensor = torch.tensor(x, requires_grad=True)
    try:
        expected = getattr(torch.nn.functional, name)(tensor, **options)
    except RuntimeError:
        with pytest.raises(RuntimeError, match=name):
            getattr(F, name)(x, **options)
        return
    y, backward = getattr(F, name)(x, **options)
    if isinstance(expected, tuple):
        expected, indices = expected
        y, ours = y
        np.testing.assert_array_equal(ours, indices.numpy())
        assert ours.dtype == np.int64
    np.testing.assert_allclose(y, expected.detach().numpy(), atol=1e-13, rtol=0)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    expected.backward(torch.tensor(dy))
    np.testing.assert_allclose(backward(dy), tensor.grad.numpy(), atol=1e-13, rtol=0)


@given(windows(dilated=True), st.sampled_from([[-1.0, 0.0, 1.0, 2.0], [np.nan, 0.0, 1.0], [-np.inf, -np.inf, 0.0]]))
def test_any_max_pooling_chooses_what_torch_chooses(drawn, values):
    """Catches another choice among ties, nan or -inf at any geometry: seen in the indices and in the gradient."""
    n, shape, options = drawn
    x = np.random.default_rng(0).choice(values, shape)
    beside_torch(f"max_pool{n}d", x, return_indices=True, **options)


@given(windows(dilated=False), st.booleans())
def test_any_average_pooling(drawn, count_include_pad):
    """Catches a wrong count at a border or in a last window that sticks out."""
    n, shape, options = drawn
    x = np.random.default_rng(0).standard_normal(shape)
    beside_torch(f"avg_pool{n}d", x, count_include_pad=count_include_pad, **options)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=3), st.booleans())
def test_any_adaptive_pooling(sizes, ties):
    """Catches a wrong window border, also with more outputs than inputs."""
    n, shape, output = len(sizes), [s[0] for s in sizes], tuple(s[1] for s in sizes)
    rng = np.random.default_rng(0)
    x = rng.choice([0.0, 1.0], (2, 3, *shape)) if ties else rng.standard_normal((2, 3, *shape))
    beside_torch(f"adaptive_avg_pool{n}d", x, output_size=output)
    beside_torch(f"adaptive_max_pool{n}d", x, output_size=output, return_indices=True)


@given(st.data(), st.integers(2, 3))
def test_any_fractional_pooling(data, n):
    """Catches windows elsewhere than torch's for the same samples, and samples in another order of dimensions."""
    kernel = data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
    output = data.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
    room = data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    shape = [p + k - 1 + r for p, k, r in zip(output, kernel, room, strict=True)]
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x, samples = rng.standard_normal((2, 3, *shape)), rng.random((2, 3, n))
    tensor = torch.tensor(x, requires_grad=True)
    options = {"kernel_size": tuple(kernel), "output_size": tuple(output), "return_indices": True}
    name = f"fractional_max_pool{n}d"
    if n == 3 and min(room) == 0:  # in three dimensions torch wants one input more
        with pytest.raises(RuntimeError, match="too large"):
            getattr(torch.nn.functional, name)(tensor, _random_samples=torch.tensor(samples), **options)
        with pytest.raises(RuntimeError, match="too large"):
            getattr(F, name)(x, _random_samples=samples, **options)
        return
    expected, indices = getattr(torch.nn.functional, name)(tensor, _random_samples=torch.tensor(samples), **options)
    (y, ours), backward = getattr(F, name)(x, _random_samples=samples, **options)
    np.testing.assert_array_equal(y, expected.detach().numpy())
    np.testing.assert_array_equal(ours, indices.numpy())
    dy = rng.standard_normal(y.shape)
    expected.backward(torch.tensor(dy))
    np.testing.assert_allclose(backward((dy, None)), tensor.grad.numpy(), atol=1e-14)


def test_fractional_pooling_keeps_its_samples_as_a_buffer():
    """Catches samples that are drawn afresh although they were given, or are missing from the state."""
    samples = np.full((2, 3, 2), 0.3)
    module = nn.FractionalMaxPool2d(2, 3, _random_samples=samples)
    theirs = torch.nn.FractionalMaxPool2d(2, 3, _random_samples=torch.tensor(samples))
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 8))
    np.testing.assert_array_equal(module(x)[0], theirs(torch.tensor(x)).numpy())
    assert list(module.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpooling_undoes_pooling(n):
    """Catches indices that point elsewhere: pooling what was unpooled gives the same maxima at the same places."""
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 4, 6)[: 2 + n])
    (y, indices), _ = getattr(F, f"max_pool{n}d")(x, 2, return_indices=True)
    back, _ = getattr(F, f"max_unpool{n}d")(np.abs(y) + 1, indices, 2, output_size=x.shape)
    assert back.shape == x.shape
    (again, same), _ = getattr(F, f"max_pool{n}d")(back, 2, return_indices=True)
    np.testing.assert_array_equal(same, indices)
    np.testing.assert_array_equal(again, np.abs(y) + 1)


def test_an_index_that_comes_twice():
    """Catches another entry than the last, and a gradient for it alone: torch gives both their gradient."""
    x, indices = np.arange(4.0).reshape(1, 1, 2, 2), np.zeros((1, 1, 2, 2), np.int64)
    tensor = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.max_unpool2d(tensor, torch.tensor(indices), 2)
    expected.sum().backward()
    y, backward = F.max_unpool2d(x, indices, 2)
    np.testing.assert_array_equal(y, expected.detach().numpy())
    np.testing.assert_array_equal(backward(np.ones_like(y))[0], tensor.grad.numpy())


IMAGE = (1, 2, 7, 7)


@pytest.mark.parametrize(
    ("function", "shape", "args", "options"),
    [
        ("max_pool2d", IMAGE, (0,), {}),
        ("max_pool2d", IMAGE, (2, 0), {}),
        ("max_pool2d", IMAGE, (2, 2, 2), {}),
        ("max_pool2d", IMAGE, (3, 2, 2, 2), {}),
        ("max_pool3d", (1, 2, 7, 7, 7), (3, 2, 2, 2), {}),
        ("max_pool1d", (1, 2, 7), (3, 2, 2, 2), {}),
        ("max_pool2d", IMAGE, (2, 2, -1), {}),
        ("max_pool2d", IMAGE, (2, 2, 0, 0), {}),
        ("max_pool2d", IMAGE, (9,), {}),
        ("max_pool2d", (7, 7), (2,), {}),
        ("max_pool2d", IMAGE, ((2, 2, 2),), {}),
        ("max_pool2d", (2, 0, 7, 7), (2,), {}),
        ("max_pool2d", (2, 2, 0, 7), (2,), {}),
        ("max_pool2d", IMAGE, (2.5,), {}),
        ("max_pool1d", (7,), (2,), {}),
        ("max_pool1d", (2, 3, 7), (9,), {}),
        ("max_pool3d", (2, 0, 5, 5, 5), (2,), {}),
        ("avg_pool2d", IMAGE, (0,), {}),
        ("avg_pool2d", IMAGE, (3, 2, 2), {}),
        ("avg_pool2d", IMAGE, (9,), {}),
        ("avg_pool2d", IMAGE, (2,), {"divisor_override": 0}),
        ("avg_pool2d", (1, 0, 7, 7), (2,), {}),
        ("avg_pool1d", (7,), (2,), {}),
        ("avg_pool3d", (2, 3, 5, 5, 5), (9,), {}),
        ("lp_pool2d", IMAGE, (0, 3), {}),
        ("lp_pool2d", IMAGE, (2, 3, 0), {}),
        ("adaptive_avg_pool2d", IMAGE, (-1,), {}),
        ("adaptive_avg_pool2d", IMAGE, ((1, 2, 3),), {}),
        ("adaptive_avg_pool2d", (7, 7), (2,), {}),
        ("adaptive_avg_pool2d", (1, 2, 0, 7), (2,), {}),
        ("adaptive_avg_pool1d", (2, 7), (None,), {}),
        ("adaptive_max_pool2d", IMAGE, (-1,), {}),
        ("adaptive_max_pool2d", IMAGE, ((1, 2, 3),), {}),
        ("adaptive_max_pool2d", (1, 0, 7, 7), (2,), {}),
        ("fractional_max_pool2d", IMAGE, (2, 7), {}),
        ("fractional_max_pool2d", IMAGE, (2, (3, 4, 5)), {}),
        ("fractional_max_pool2d", IMAGE, (2,), {}),
    ],
)
def test_errors(function, shape, args, options):
    """Catches another exception than torch's, or a message without the function."""
    with pytest.raises(Exception) as theirs:
        getattr(torch.nn.functional, function)(torch.zeros(shape), *args, **options)
    with pytest.raises(
        type(theirs.value), match="division" if args[:1] == (0, 3)[:1] and "lp" in function else function
    ):
        getattr(F, function)(np.zeros(shape, np.float32), *args, **options)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"output_size": 3, "output_ratio": 0.5}, {"output_ratio": 1.0}, {"output_ratio": 0.0}, {"output_ratio": 1.5}],
)
def test_errors_of_the_fractional_constructors(n, arguments):
    """Catches a ratio or a combination that torch refuses."""
    name = f"FractionalMaxPool{n}d"
    with pytest.raises(ValueError, match="ratio"):
        getattr(torch.nn, name)(2, **arguments)
    with pytest.raises(ValueError, match="output_ratio"):
        getattr(nn, name)(2, **arguments)


@pytest.mark.parametrize(
    ("indices", "options"),
    [
        (np.zeros((2, 3, 2, 2), np.int32), {}),
        (np.zeros((1, 3, 2, 2), np.int64), {}),
        (np.full((2, 3, 2, 2), 16), {}),
        (np.full((2, 3, 2, 2), -1), {}),
        (np.zeros((2, 3, 2, 2), np.int64), {"output_size": (6, 5)}),
        (np.zeros((2, 3, 2, 2), np.int64), {"output_size": (5,)}),
    ],
)
def test_errors_of_unpooling(indices, options):
    """Catches an index that would be written elsewhere, or a size that pooling cannot have had."""
    x = np.zeros((2, 3, 2, 2))
    with pytest.raises((RuntimeError, ValueError)) as theirs:
        torch.nn.functional.max_unpool2d(torch.tensor(x), torch.tensor(indices), 2, **options)
    with pytest.raises(type(theirs.value), match="max_unpool2d"):
        F.max_unpool2d(x, indices, 2, **options)
