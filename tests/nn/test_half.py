"""float16: the values where computing in it fails, mixed dtypes, running statistics, norms of gradients, optimizers."""

import numpy as np
import pytest
import torch

import torchref
from tests.errors import assert_same_error
from torchref.nn import functional as F

HALF = np.float16
ONE, ZERO = np.ones(8, HALF), np.zeros(8, HALF)
LARGE = (np.random.default_rng(0).standard_normal((16, 8)) * 300).astype(HALF)


def tensor(array, grad=False):
    return torch.from_numpy(array.copy()).requires_grad_(grad)


def steps_apart(actual, expected):
    """How many float16 numbers lie between the two, at most; nan equals nan."""
    assert (actual.dtype, actual.shape) == (HALF, expected.shape)

    def order(x):
        bits = x.view(np.int16).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFF), bits)

    both = np.isnan(actual) & np.isnan(expected)
    return int(np.abs(np.where(both, 0, order(actual) - order(expected))).max(initial=0))


def assert_near(actual, expected, steps=1):
    apart = steps_apart(np.asarray(actual), expected)
    assert apart <= steps, f"{apart} float16 numbers apart: {actual} instead of {expected}"


def assert_same_size(actual, expected):
    """As far as torch is exact itself: where it rounds between, small entries have the error of large ones."""
    assert actual.dtype == HALF
    actual, expected = actual.astype(float), expected.astype(float)
    np.testing.assert_allclose(actual, expected, rtol=2e-3, atol=1e-3 * np.abs(expected).max(initial=0) + 2.0**-24)


@pytest.mark.parametrize(
    ("name", "arrays", "options"),
    [
        ("layer_norm", (LARGE, (8,), ONE, ZERO), {}),
        ("layer_norm", (ZERO[None], (8,), ONE, ZERO, 1e-12), {}),
        ("rms_norm", (LARGE, (8,), ONE), {}),
        ("group_norm", (LARGE, 2, ONE, ZERO), {}),
        ("batch_norm", (LARGE, None, None, ONE, ZERO), {"training": True}),
        ("avg_pool2d", (np.full((1, 1, 64, 64), 20, HALF), 64), {}),
        ("adaptive_avg_pool2d", (np.full((1, 1, 64, 64), 20, HALF), 1), {}),
        ("softmax", (LARGE, 1), {}),
        ("normalize", (LARGE,), {}),
    ],
)
def test_what_float16_does_not_hold_on_the_way(name, arrays, options):
    """Catches a function that computes in float16: squares and sums beyond 65504, an eps below 6e-8."""
    y, backward = getattr(F, name)(*arrays, **options)
    x = tensor(arrays[0], grad=True)
    others = [tensor(a) if isinstance(a, np.ndarray) else a for a in arrays[1:]]
    expected = getattr(torch.nn.functional, name)(x, *others, **options)
    assert_same_size(y, expected.detach().numpy())
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(HALF)
    expected.backward(tensor(dy))
    gradients = backward(dy)
    dx = gradients[0] if isinstance(gradients, tuple) else gradients
    finite = torch.isfinite(x.grad).numpy()  # torch has nan for the layer norm of zeros, which is infinite
    assert_same_size(dx[finite], x.grad.numpy()[finite])


def test_too_large_is_infinite_and_silent():
    """Catches NumPy's warning of an overflow: torch says nothing."""
    y, _ = F.softplus(np.full(3, 60000, HALF), beta=0.1)
    assert_near(y, np.full(3, 60000, HALF))
    y, _ = F.mse_loss(np.full(3, 300, HALF), np.zeros(3, HALF), reduction="none")
    assert np.isinf(y).all()
    assert y.dtype == HALF


def test_running_statistics_are_rounded_once():
    """Catches a variance of 90,000 that becomes infinite on its way into a running one of 9,000."""
    ours, theirs = torchref.nn.BatchNorm1d(8).half(), torch.nn.BatchNorm1d(8).half()
    for _ in range(3):
        ours(LARGE)
        theirs(tensor(LARGE))
    assert np.isfinite(ours.running_var).all()
    assert_near(ours.running_mean, theirs.running_mean.numpy(), 2)
    assert_near(ours.running_var, theirs.running_var.numpy(), 2)
    assert ours.running_var.max() > 1000


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # torch's rms_norm
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda nn: nn.BatchNorm1d(4), (3, 4)),
        (lambda nn: nn.BatchNorm2d(4), (3, 4, 2, 2)),
        (lambda nn: nn.InstanceNorm1d(4, affine=True, track_running_stats=True), (3, 4, 5)),
        (lambda nn: nn.LayerNorm(4), (3, 4)),
        (lambda nn: nn.RMSNorm(4), (3, 4)),
        (lambda nn: nn.GroupNorm(2, 4), (3, 4)),
    ],
)
def test_norms_take_float32_parameters(build, shape, training):
    """Catches a norm with float32 parameters that refuses float16 input, or rounds its parameters' gradients."""
    ours, theirs = build(torchref.nn).train(training), build(torch.nn).train(training)
    rng = np.random.default_rng(2)
    x = (300 * rng.standard_normal(shape)).astype(HALF)
    leaf = tensor(x, grad=True)
    expected = theirs(leaf)
    dy = rng.standard_normal(shape).astype(HALF)
    expected.backward(tensor(dy))
    y, backward = ours(x)
    dx = backward(dy)
    assert_near(y, expected.detach().numpy(), 2)
    assert dx.dtype == HALF
    np.testing.assert_allclose(dx.astype(float), leaf.grad.numpy().astype(float), rtol=2e-3, atol=1e-4)
    for (name, parameter), stated in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert parameter.grad.dtype == np.float32, name
        np.testing.assert_allclose(parameter.grad, stated.grad.numpy(), rtol=1e-3, atol=1e-3, err_msg=name)
    for name, buffer in ours.named_buffers():
        stated = dict(theirs.named_buffers())[name].numpy()
        assert buffer.dtype == stated.dtype, name
        np.testing.assert_allclose(buffer, stated, rtol=1e-5, atol=1e-5, err_msg=name)


SINGLE = np.float32


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("linear", (np.zeros((2, 4), HALF), np.zeros((3, 4), SINGLE))),
        ("linear", (np.zeros((2, 4), SINGLE), np.zeros((3, 4), HALF))),
        ("conv1d", (np.zeros((2, 4, 5), HALF), np.zeros((3, 4, 2), SINGLE))),
        ("prelu", (np.zeros(2, HALF), np.zeros(1, SINGLE))),
        ("layer_norm", (np.zeros((2, 4), SINGLE), (4,), np.zeros(4, HALF))),
        ("layer_norm", (np.zeros((2, 4), HALF), (4,), np.zeros(4, HALF), np.zeros(4, SINGLE))),
        ("layer_norm", (np.zeros((2, 4), HALF), (4,), np.zeros(4, np.float64))),
        ("batch_norm", (np.zeros((2, 4), HALF), np.zeros(4, SINGLE), np.ones(4, SINGLE), np.ones(4, HALF))),
    ],
)
def test_mixed_dtypes_are_refused(name, arrays):
    """Catches dtypes that torch refuses to mix, and an answer in one of them."""
    assert_same_error(
        lambda: getattr(F, name)(*arrays),
        lambda: getattr(torch.nn.functional, name)(*(tensor(a) if isinstance(a, np.ndarray) else a for a in arrays)),
    )


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf"), 0.0])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_norms_of_gradients(norm_type, scale):
    """Catches squares that overflow or vanish in float16: all gradients would be clipped to 0, or none."""
    rng = np.random.default_rng(3)
    gradients = [(scale * rng.standard_normal(shape)).astype(HALF) for shape in ((40, 30), (7,))]
    ours = [torchref.nn.Parameter(np.zeros_like(g)) for g in gradients]
    theirs = [torch.nn.Parameter(torch.zeros(g.shape).half()) for g in gradients]
    for mine, other, gradient in zip(ours, theirs, gradients, strict=True):
        mine.grad, other.grad = gradient.copy(), tensor(gradient)
    norm = torchref.nn.utils.clip_grad_norm_(ours, 1.0, norm_type)
    assert_near(norm, torch.nn.utils.clip_grad_norm_(theirs, 1.0, norm_type).numpy())
    for mine, other in zip(ours, theirs, strict=True):
        assert_near(mine.grad, other.grad.numpy(), 2)


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_normalised_weights_that_are_small(kind):
    """Catches a norm that vanishes in float16, and a weight that is nan for it."""
    layer = torchref.nn.Linear(5, 3)
    layer.weight.data = layer.weight.data * SINGLE(3e-4)
    layer = getattr(torchref.nn.utils.parametrizations, kind)(layer.half())
    y, backward = layer(np.ones((2, 5), HALF))
    backward(np.ones_like(y))
    assert np.isfinite(y).all()
    assert all(np.isfinite(p.grad).all() for p in layer.parameters())


OPTIMIZERS = ("SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop", "Rprop", "ASGD")


@pytest.mark.parametrize("scale", [1.0, 1e-3])
@pytest.mark.parametrize("name", [*OPTIMIZERS, "Adafactor"])
def test_optimizers_step_in_float16_as_torch(name, scale):
    """Catches a step that leaves float16, and another one than torch's: which rounds after every operation.

    Adam and its kin divide by a second moment that is 0 in float16 for small gradients: nan, in both.
    """
    rng = np.random.default_rng(4)
    weight = rng.standard_normal((4, 3)).astype(HALF)
    ours, theirs = torchref.nn.Parameter(weight.copy()), torch.nn.Parameter(tensor(weight))
    our_steps, their_steps = (
        getattr(torchref.optim, name)([ours], lr=0.01),
        getattr(torch.optim, name)([theirs], lr=0.01),
    )
    for _ in range(5):
        gradient = (scale * rng.standard_normal((4, 3))).astype(HALF)
        ours.grad, theirs.grad = gradient.copy(), tensor(gradient)
        with np.errstate(all="ignore"):
            our_steps.step()
        their_steps.step()
    expected = theirs.detach().numpy()
    assert ours.data.dtype == HALF
    np.testing.assert_array_equal(np.isfinite(ours.data), np.isfinite(expected))
    finite = np.isfinite(expected)
    np.testing.assert_allclose(ours.data[finite].astype(float), expected[finite].astype(float), rtol=4e-3, atol=1e-3)


def test_functions_and_modules_say_the_same():
    """Catches a module that enters its function another way than `functional` does."""
    layer = torchref.nn.Linear(8, 3).half()
    y, _ = layer(LARGE)
    stated, _ = F.linear(LARGE, layer.weight.data, layer.bias.data)
    np.testing.assert_array_equal(y, stated)
    with pytest.raises(NotImplementedError, match="avg_pool3d"):
        torchref.nn.AvgPool3d(2)(np.zeros((1, 1, 2, 2, 2), HALF))
    with pytest.raises(NotImplementedError, match="avg_pool3d"):
        F.avg_pool3d(np.zeros((1, 1, 2, 2, 2), HALF), 2)


@pytest.mark.parametrize("given", [np.float64, np.float32, HALF])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, HALF])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_softmax_in_the_dtype_that_is_asked_for(name, dtype, given):
    """Catches an output in x's dtype instead, and one that is computed, not rounded, in float16."""
    x = (3 * np.random.default_rng(5).standard_normal((3, 50))).astype(given)
    dy = np.random.default_rng(6).standard_normal(x.shape).astype(dtype)
    leaf = torch.tensor(x, requires_grad=True)
    theirs = getattr(torch.nn.functional, name)(leaf, 1, dtype=getattr(torch, np.dtype(dtype).name))
    theirs.backward(torch.tensor(dy))
    y, backward = getattr(F, name)(x, 1, dtype=dtype)
    dx = backward(dy)
    assert (y.dtype, dx.dtype) == (dtype, given)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y.astype(float), theirs.detach().numpy().astype(float), rtol=4 * eps, atol=4e-8)
    coarse = max(eps, np.finfo(given).eps)
    np.testing.assert_allclose(dx.astype(float), leaf.grad.numpy().astype(float), rtol=4 * coarse, atol=4 * eps)
