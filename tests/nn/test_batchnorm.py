"""What is special about batch normalisation: errors, statistics over many steps, buffers that are never overwritten."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import torchref
from tests.errors import assert_same_error
from torchref.nn.functional import batch_norm


def normal(*shape, dtype=np.float32, seed=5):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


ERRORS = [
    ("BatchNorm1d", (2, 5, 3, 3), {}, True, ["BatchNorm1d", "2D or 3D", "4D"]),
    ("BatchNorm1d", (5,), {}, True, ["1D"]),
    ("BatchNorm2d", (2, 5, 3), {}, True, ["BatchNorm2d", "4D", "3D"]),
    ("BatchNorm3d", (2, 5, 3, 2), {}, True, ["BatchNorm3d", "5D", "4D"]),
    ("BatchNorm1d", (7, 3), {}, True, ["(7, 3)", "(5,)", "running_mean"]),
    ("BatchNorm1d", (7, 3), {}, False, ["(7, 3)", "(5,)"]),
    ("BatchNorm1d", (7, 3), {"track_running_stats": False}, True, ["weight", "(5,)"]),
    ("BatchNorm1d", (7, 3), {"affine": False}, True, ["running_mean", "(5,)"]),
    ("BatchNorm1d", (1, 5), {}, True, ["(1, 5)", "more than 1 value"]),
    ("BatchNorm1d", (1, 5, 1), {}, True, ["(1, 5, 1)"]),
    ("BatchNorm1d", (1, 5), {"track_running_stats": False}, False, ["(1, 5)"]),
    ("BatchNorm1d", (7, 5), {"eps": 0.0}, True, ["eps=0.0"]),
    ("BatchNorm1d", (7, 5), {"eps": -1.0}, False, ["eps=-1.0"]),
]


@pytest.mark.parametrize(("name", "shape", "options", "training", "fragments"), ERRORS)
def test_errors(name, shape, options, training, fragments):
    """Catches another exception type than torch's, or a message that hides the offending value."""
    ours = getattr(torchref.nn, name)(5, **options).train(training)
    theirs = getattr(torch.nn, name)(5, **options).train(training)
    x = normal(*shape)
    assert_same_error(lambda: ours(x), lambda: theirs(torch.from_numpy(x)), *fragments)


def test_errors_of_dtypes():
    """Catches a silent promotion: float64 data into a float32 layer, with and without parameters."""
    x = normal(7, 5, dtype=np.float64)
    for options in ({}, {"affine": False}):
        assert_same_error(
            lambda options=options: torchref.nn.BatchNorm1d(5, **options)(x),
            lambda options=options: torch.nn.BatchNorm1d(5, **options)(torch.from_numpy(x)),
            "float64",
            "float32",
        )
    with pytest.raises(TypeError, match="list"):
        torchref.nn.BatchNorm1d(5)([[1.0] * 5])


FUNCTION_ERRORS = [
    ((None, None), {}, ["running_mean"]),
    (((5,), None), {}, ["running_var"]),
    (((5,), None), {"training": True}, ["running_mean", "running_var"]),
    (((5,), (3,)), {}, ["running_var", "(3,)"]),
    (((5,), (3,)), {"training": True}, ["running_var", "(3,)"]),
    ((None, None, (3,)), {"training": True}, ["weight", "(3,)"]),
    ((None, None, None, (3,)), {"training": True}, ["bias", "(3,)"]),
]


@pytest.mark.parametrize(("shapes", "options", "fragments"), FUNCTION_ERRORS)
def test_errors_of_the_function(shapes, options, fragments):
    """Catches a function that takes half of the statistics, or broadcasts a vector of another length."""
    arrays = [None if shape is None else np.ones(shape, np.float32) for shape in shapes]
    tensors = [None if array is None else torch.from_numpy(array) for array in arrays]
    x = normal(7, 5)
    assert_same_error(
        lambda: batch_norm(x, *arrays, **options),
        lambda: torch.nn.functional.batch_norm(torch.from_numpy(x), *tensors, **options),
        *fragments,
    )


@pytest.mark.parametrize("momentum", [0.1, 0.3, 1.0, None])
def test_running_statistics_over_many_steps(momentum):
    """Catches momentum the wrong way round, a biased running variance, a cumulative average that forgets its count."""
    ours, theirs = torchref.nn.BatchNorm1d(5, momentum=momentum), torch.nn.BatchNorm1d(5, momentum=momentum)
    for step in range(6):
        x = normal(7 + step, 5, seed=step) * 3 + 1
        ours(x)
        theirs(torch.from_numpy(x))
        np.testing.assert_allclose(ours.running_mean, theirs.running_mean.numpy(), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(ours.running_var, theirs.running_var.numpy(), rtol=1e-6)
        assert ours.num_batches_tracked == theirs.num_batches_tracked.item() == step + 1
    assert ours.num_batches_tracked.dtype == np.int64
    assert ours.num_batches_tracked.shape == ()
    assert ours.running_mean.dtype == ours.running_var.dtype == np.float32


def test_buffers_are_replaced_and_statistics_are_constants():
    """Catches statistics written in place: whoever holds the old array would see it move."""
    module = torchref.nn.BatchNorm1d(5)
    held = [module.running_mean, module.running_var, module.num_batches_tracked]
    copies = [array.copy() for array in held]
    module(normal(7, 5))
    for array, copy in zip(held, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    batch_norm(normal(7, 5), *held[:2], training=True)
    for array, copy in zip(held, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_tracking_switched_off_later():
    """Catches a layer that goes on tracking, or evaluates with the batch, after track_running_stats = False."""
    ours, theirs = torchref.nn.BatchNorm1d(5), torch.nn.BatchNorm1d(5)
    x = normal(7, 5)
    for module, data in ((ours, x), (theirs, torch.from_numpy(x))):
        module(data)
        module.track_running_stats = False
        module(data)
    assert ours.num_batches_tracked == theirs.num_batches_tracked.item() == 1
    np.testing.assert_allclose(ours.running_var, theirs.running_var.numpy(), rtol=1e-6)
    theirs.eval()
    np.testing.assert_allclose(ours.predict(x), theirs(torch.from_numpy(x)).detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_function_equals_torch(training):
    """Catches arguments of `batch_norm` in another order than torch's, or dx, dweight, dbias in another order."""
    rng = np.random.default_rng(3)
    x, dy = rng.standard_normal((7, 5, 3)), rng.standard_normal((7, 5, 3))
    mean, var, weight, bias = (rng.uniform(0.5, 2, 5) for _ in range(4))
    y, backward = batch_norm(x, mean, var, weight, bias, training, 0.2, 1e-2)
    leaves = [torch.tensor(array, requires_grad=True) for array in (x, weight, bias)]
    theirs = torch.nn.functional.batch_norm(
        leaves[0], torch.tensor(mean), torch.tensor(var), leaves[1], leaves[2], training, 0.2, 1e-2
    )
    theirs.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=1e-12, atol=1e-12)
    for gradient, leaf in zip(backward(dy), leaves, strict=True):
        np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_batch_gradients_sum_to_zero():
    """Catches a missing path: shifting or scaling the whole batch changes nothing, so dx is orthogonal to 1 and x."""
    rng = np.random.default_rng(4)
    x, dy = rng.standard_normal((11, 5)), rng.standard_normal((11, 5))
    (_, mean, _), backward = torchref.nn.batchnorm.batch_norm_train(x, eps=1e-14)
    dx, _, _ = backward(dy)
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose((dx * (x - mean)).sum(axis=0), 0, atol=1e-12)


def test_large_mean_in_float32():
    """Catches a one-pass variance E[x^2] - mean^2, which loses every digit when the mean is 1,000 times the spread."""
    x = normal(64, 5) + np.float32(1000)
    y, _ = torchref.nn.BatchNorm1d(5)(x)
    np.testing.assert_allclose(y.std(axis=0), 1, rtol=1e-3)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-3)


def test_reset():
    """Catches a reset that forgets a buffer, or that loses the dtype."""
    module = torchref.nn.BatchNorm1d(5, dtype=np.float64)
    module(normal(7, 5, dtype=np.float64))
    module.weight.data = module.weight.data * 3
    module.reset_parameters()
    fresh = torchref.nn.BatchNorm1d(5, dtype=np.float64).state_dict()
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, fresh[name])
        assert array.dtype == fresh[name].dtype


@given(
    samples=st.integers(0, 5),
    channels=st.integers(1, 5),
    positions=st.lists(st.integers(1, 4), max_size=3),
    weight=st.booleans(),
    bias=st.booleans(),
    training=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_shape(samples, channels, positions, weight, bias, training, seed):
    """Catches a sum over the wrong axes, for any number of positions and with either parameter absent."""
    shape = (samples, channels, *positions)
    if training and samples * int(np.prod(positions)) < 3:  # 2 values: x_hat is +-1 and dx nothing but rounding
        return
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal(shape), rng.standard_normal(shape)
    mean, var = rng.standard_normal(channels), rng.uniform(0.5, 2, channels)
    parameters = [rng.standard_normal(channels) if present else None for present in (weight, bias)]
    tensors = [None if a is None else torch.tensor(a, requires_grad=True) for a in (x, *parameters)]
    theirs = torch.nn.functional.batch_norm(
        tensors[0], torch.tensor(mean), torch.tensor(var), *tensors[1:], training, 0.1, 1e-2
    )
    theirs.backward(torch.from_numpy(dy))
    y, backward = batch_norm(x, mean, var, *parameters, training, 0.1, 1e-2)
    np.testing.assert_allclose(y, theirs.detach().numpy(), rtol=1e-11, atol=1e-11)
    for gradient, leaf in zip(backward(dy), tensors, strict=True):
        assert (gradient is None) == (leaf is None)
        if leaf is not None:
            np.testing.assert_allclose(gradient, leaf.grad.numpy(), rtol=1e-10, atol=1e-10)
