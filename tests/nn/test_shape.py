"""Flatten, Unflatten, the shuffles and one_hot: errors, round trips, and what torch cannot do."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

import torchref
import torchref.nn.functional as F

X = np.arange(2 * 3 * 6, dtype=float).reshape(2, 3, 6)
T = torch.from_numpy(X)

ERRORS = [
    (lambda nn, x: nn.Flatten(2, 1)(x), RuntimeError, "flatten.*start_dim=2.*end_dim=1"),
    (lambda nn, x: nn.Flatten(5)(x), IndexError, "flatten.*5"),
    (lambda nn, x: nn.Flatten(0, -4)(x), IndexError, "flatten.*-4"),
    (lambda nn, x: nn.Unflatten(2, (2, 4))(x), RuntimeError, r"unflatten.*\(2, 4\).*6"),
    (lambda nn, x: nn.Unflatten(2, ())(x), RuntimeError, "unflatten.*non-empty"),
    (lambda nn, x: nn.Unflatten(2, (-1, -1))(x), RuntimeError, r"unflatten.*\(-1, -1\)"),
    (lambda nn, x: nn.Unflatten(2, (-2, -3))(x), RuntimeError, r"unflatten.*\(-2, -3\)"),
    (lambda nn, x: nn.Unflatten(3, (2, 3))(x), IndexError, "unflatten.*3"),
    (lambda nn, x: nn.Unflatten(2, "ab"), TypeError, "unflattened_size.*str"),
    (lambda nn, x: nn.Unflatten(2, (2, 3.0)), TypeError, "unflattened_size.*float.*pos 1"),
    (lambda nn, x: nn.PixelShuffle(2)(x), RuntimeError, r"pixel_shuffle.*\(2, 3, 6\).*upscale_factor=2"),
    (lambda nn, x: nn.PixelShuffle(0)(x), RuntimeError, "pixel_shuffle.*upscale_factor=0"),
    (lambda nn, x: nn.PixelShuffle(1)(x[0]), RuntimeError, r"pixel_shuffle.*\(3, 6\)"),
    (lambda nn, x: nn.PixelUnshuffle(2)(x), RuntimeError, r"pixel_unshuffle.*\(2, 3, 6\).*downscale_factor=2"),
    (lambda nn, x: nn.PixelUnshuffle(4)(x), RuntimeError, "pixel_unshuffle.*downscale_factor=4"),
    (lambda nn, x: nn.PixelUnshuffle(-1)(x), RuntimeError, "pixel_unshuffle.*downscale_factor=-1"),
    (lambda nn, x: nn.ChannelShuffle(2)(x), RuntimeError, r"channel_shuffle.*\(2, 3, 6\).*groups=2"),
    (lambda nn, x: nn.ChannelShuffle(0)(x), RuntimeError, "channel_shuffle.*groups=0"),
    (lambda nn, x: nn.ChannelShuffle(1)(x[0]), RuntimeError, r"channel_shuffle.*\(3, 6\)"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_errors(call, error, message):
    """Catches a shape that is bent to fit, or refused with another exception than torch's."""
    with pytest.raises(error):
        call(torch.nn, T)
    with pytest.raises(error, match=message):
        call(torchref.nn, X)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (torchref.nn.PixelShuffle(2), (0, 12, 5, 7), (0, 3, 10, 14)),
        (torchref.nn.PixelUnshuffle(2), (0, 3, 10, 14), (0, 12, 5, 7)),
        (torchref.nn.ChannelShuffle(3), (2, 0, 5), (2, 0, 5)),
    ],
)
def test_empty(layer, shape, expected):
    """Catches an empty batch that fails. (torch 2.13 keeps the shape, or its backward raises: no oracle here.)"""
    y, backward = layer(np.zeros(shape))
    assert y.shape == expected
    assert backward(y).shape == shape


@given(r=st.integers(1, 3), channels=st.integers(1, 3), height=st.integers(1, 3), width=st.integers(1, 3))
def test_round_trips(r, channels, height, width):
    """Catches an axis in the wrong place: unshuffle undoes shuffle, and each one's backward is the other."""
    x = np.random.default_rng(0).standard_normal((2, channels * r * r, height, width))
    y, backward = F.pixel_shuffle(x, upscale_factor=r)
    again, again_backward = F.pixel_unshuffle(y, downscale_factor=r)
    np.testing.assert_array_equal(again, x)
    np.testing.assert_array_equal(backward(y), x)
    np.testing.assert_array_equal(again_backward(x), y)
    shuffled, shuffle_backward = F.channel_shuffle(x, groups=channels)
    np.testing.assert_array_equal(shuffle_backward(shuffled), x)


@pytest.mark.parametrize(
    ("x", "num_classes"), [(np.array([[0, 2], [1, 1]]), -1), (np.array([0, 2]), 5), (np.array(2), -1), (X[:0, 0, 0], 3)]
)
def test_one_hot(x, num_classes):
    """Catches another shape, dtype or place of the ones."""
    x = x.astype(np.int64)
    y, backward = F.one_hot(x, num_classes=num_classes)
    expected = torch.nn.functional.one_hot(torch.from_numpy(x), num_classes).numpy()
    np.testing.assert_array_equal(y, expected)
    assert y.dtype == expected.dtype
    assert backward() is None


@pytest.mark.parametrize(
    ("x", "num_classes", "message"),
    [
        (np.array([-1]), -1, "-1"),
        (np.array([3]), 3, "3.*num_classes=3"),
        (np.array([1]), 0, "1.*num_classes=0"),
        (np.array([], np.int64), -1, "num_classes=-1"),
        (np.array([1], np.int32), 3, "int32"),
        (np.array([1.0]), 3, "float64"),
    ],
)
def test_one_hot_errors(x, num_classes, message):
    """Catches a class that lies outside of the row, and is dropped silently."""
    with pytest.raises(RuntimeError):
        torch.nn.functional.one_hot(torch.from_numpy(x), num_classes)
    with pytest.raises(RuntimeError, match=f"one_hot.*{message}"):
        F.one_hot(x, num_classes=num_classes)
