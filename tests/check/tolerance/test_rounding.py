"""The rounding criterion: no false alarm on correct pairs, no mistake let through, noise that is what it says."""

import numpy as np
import pytest
import torch

import torchref
from torchref.check.tolerance.rounding import MARGIN, Noisy, noisy, rounding_noise, rounding_spread
from torchref.nn import functional as F

SHAPE = (11, 7)


def linear_results(x, weight, bias, dy):
    def compute(wrap):
        y, backward = F.linear(wrap(x), wrap(weight), wrap(bias))
        dx, dweight, dbias = backward(wrap(dy))
        return {"y": y, "dx": dx, "dweight": dweight, "dbias": dbias}

    return compute


def drawn(seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in ((11, 5), (7, 5), (7,), (11, 7))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(20))
def test_a_correct_pair_lies_within_the_bound(dtype, seed):
    """Catches a bound that is too tight: NumPy's and torch's results of one layer are both accepted."""
    arrays = [a.astype(dtype) for a in drawn(seed)]
    exact, spread = rounding_spread(linear_results(*(a.astype(np.float64) for a in arrays)), dtype)
    x, weight, bias, dy = (torch.from_numpy(a).requires_grad_() for a in arrays)
    y = torch.nn.functional.linear(x, weight, bias)
    y.backward(dy)
    theirs = {"y": y, "dx": x.grad, "dweight": weight.grad, "dbias": bias.grad}
    ours = linear_results(*arrays)(lambda value: value)
    for name, s in spread.items():
        for result in (ours[name], theirs[name].detach().numpy()):
            share = (np.abs(result - exact[name]) / (MARGIN * s)).max()
            assert share < 1, f"seed {seed}: {name}: {share}"


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-4), ("float64", 1e-13)])
def test_a_small_relative_error_does_not(dtype, error):
    """Catches a bound that means nothing: an error of some hundred roundings stands out."""
    exact, spread = rounding_spread(linear_results(*drawn(0)), dtype)
    for name, s in spread.items():
        assert (np.abs(exact[name] * error) > MARGIN * s).any(), name


def test_a_gradient_that_is_zero_but_for_rounding_gets_an_honest_bound():
    """The bias in front of a batch norm: the bound is the size of the terms' rounding, not of their sum."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, *SHAPE))
    bias = rng.standard_normal(7)

    def compute(wrap):
        (y, _, _), backward = torchref.nn.batchnorm.batch_norm_train(wrap(x) + wrap(bias))
        return {"dbias": backward(wrap(dy))[0].sum(axis=0), "y": y}

    exact, spread = rounding_spread(compute, "float64")
    assert np.abs(exact["dbias"]).max() < 1e-14
    assert (np.abs(exact["dbias"]) <= MARGIN * spread["dbias"]).all()
    assert spread["dbias"].max() < 1e-13


def test_without_noise_a_noisy_array_computes_the_same_bits():
    """Catches a wrapper that changes what it wraps."""
    arrays = drawn(1)
    plain = linear_results(*arrays)(lambda value: value)
    wrapped = linear_results(*arrays)(noisy)
    for name, value in plain.items():
        assert isinstance(wrapped[name], Noisy), name
        np.testing.assert_array_equal(np.asarray(wrapped[name]), value)


@pytest.mark.parametrize(
    ("operation", "exact"),
    [
        (lambda a, b: a * b, False),
        (lambda a, b: a @ b.T, False),
        (lambda a, b: np.einsum("ij,kj->ik", a, b), False),
        (lambda a, b: np.tensordot(a, b, ((1,), (1,))), False),
        (lambda a, b: a.sum(axis=0), False),
        (lambda a, b: a.mean(axis=1), False),
        (lambda a, b: np.exp(a), False),
        (lambda a, b: np.cumsum(a, axis=0), False),
        (lambda a, b: np.add(a, b, out=np.empty_like(a)), False),
        (lambda a, b: -a, True),
        (lambda a, b: np.maximum(a, 0), True),
        (lambda a, b: np.concatenate([a, b]), True),
        (lambda a, b: np.where(a > 0, a, b), True),
        (lambda a, b: a.reshape(-1)[::2], True),
        (lambda a, b: a.max(axis=0), True),
    ],
)
def test_what_rounds_is_disturbed_and_what_does_not_is_not(operation, exact):
    """Catches a primitive that escapes the noise (a bound too tight) or is disturbed without need (too loose)."""
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((2, *SHAPE))
    expected = operation(a, b)
    with rounding_noise(1e-6, seed=3):
        result = operation(noisy(a), noisy(b))
    assert isinstance(result, Noisy)
    apart = np.abs(np.asarray(result) - expected)
    if exact:
        assert not apart.any()
    else:
        assert (apart > 0).mean() > 0.9
        assert apart.max() < 1e-4


def test_the_same_seed_gives_the_same_bound():
    a, b = (rounding_spread(linear_results(*drawn(4)), "float64")[1] for _ in range(2))
    for name, spread in a.items():
        np.testing.assert_array_equal(spread, b[name])
