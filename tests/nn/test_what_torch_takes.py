"""What torch takes beside floating arrays of some dimensions: integers, 0-d arrays, infinities, old names, a dtype."""

import warnings

import numpy as np
import pytest
import torch

import torchref
from tests.errors import assert_same_error
from torchref.nn import functional as F
from torchref.optim import Adafactor
from torchref.optim.sparse_adam import SparseGradient

T = torch.nn.functional
INF = np.inf


def both(name, array, *args, **options):
    """Output and gradient (None without one) of a function of one array, of torch and of ours."""
    tensor = torch.tensor(array)
    tensor.requires_grad_(tensor.is_floating_point())
    theirs = getattr(T, name)(tensor, *args, **options)
    ours, backward = getattr(F, name)(np.array(array), *args, **options)
    if not theirs.requires_grad:
        return theirs.numpy(), None, ours, backward(None)
    dy = np.random.default_rng(3).standard_normal(ours.shape).astype(ours.dtype)
    theirs.backward(torch.tensor(dy))
    return theirs.detach().numpy(), tensor.grad.numpy(), ours, backward(dy)


def assert_both(name, array, *args, **options):
    output, gradient, ours, dx = both(name, array, *args, **options)
    for actual, expected in ((ours, output), (dx, gradient)):
        if expected is None:
            assert actual is None
            continue
        assert isinstance(actual, np.ndarray), f"{name}: {type(actual).__name__} is no array"
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), name
        np.testing.assert_allclose(actual, expected, rtol=1e-6 if expected.dtype == np.float32 else 1e-12)


INTEGERS = np.array([[[-3, 0, 2, 7, 1, -1]]])
TAKE_INTEGERS = [
    ("relu", (), {}),
    ("relu6", (), {}),
    ("hardtanh", (), {"min_val": -1.5, "max_val": 2.5}),
    ("threshold", (0.5, 1.7), {}),
    ("tanh", (), {}),
    ("sigmoid", (), {}),
    ("softsign", (), {}),
    ("tanhshrink", (), {}),
    ("max_pool2d", ((1, 3), (1, 2), (0, 1)), {}),
    ("avg_pool1d", (2,), {}),
    ("pad", ((1, 2),), {}),
    ("pad", ((1, 2), "reflect"), {}),
    ("pixel_shuffle", (1,), {}),
    ("channel_shuffle", (1,), {}),
    ("dropout", (), {"training": False}),
]


@pytest.mark.parametrize(("name", "args", "options"), TAKE_INTEGERS, ids=lambda value: str(value))
def test_integers(name, args, options):
    """Catches a refused integer input, another dtype than torch's, a gradient for integers."""
    assert_both(name, INTEGERS, *args, **options)


THRESHOLDS = [
    (1, 300),
    (300, 1),
    (-300, 1),
    (1, -1),
    (-1, 3),
    (1, 255),
    (1, -256),
    (-128, -128),
    (1, 2**63),
    (2.7, 2.7),
]
INFINITE = [(1, np.inf), (1, np.nan), (np.nan, 1), (-np.inf, 2), (1, 1e300), (1e300, 1)]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize(("limit", "value"), THRESHOLDS + INFINITE)
def test_a_threshold_beyond_the_dtype(dtype, limit, value):
    """Catches a value that wraps around in silence or with a warning, and a nan where a limit is infinite."""
    x = np.array([1, 2, 100], dtype)
    try:
        expected = torch.nn.functional.threshold(torch.from_numpy(x.copy()), limit, value).numpy()
    except RuntimeError:
        with pytest.raises(RuntimeError, match="without overflow"):
            F.threshold(x, limit, value)
    else:
        np.testing.assert_array_equal(F.threshold(x, limit, value)[0], expected, strict=True)


@pytest.mark.parametrize("name", ["relu", "relu6", "threshold", "max_pool1d"])
def test_booleans_are_refused(name):
    """Catches `relu` of booleans, which torch refuses."""
    args = {"threshold": (0.5, 1), "max_pool1d": (2,)}.get(name, ())
    x = np.ones((1, 1, 4), bool)
    assert_same_error(lambda: getattr(F, name)(x, *args), lambda: getattr(T, name)(torch.tensor(x), *args), "bool")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize("given", [np.float32, np.float64, np.int64])
def test_dtype_of_a_softmax(name, dtype, given):
    """Catches a result in the input's dtype, a cast that comes too late, a gradient in another dtype than x's."""
    x = (np.random.default_rng(1).standard_normal((3, 5)) * 4).astype(given)
    tensor = torch.tensor(x)
    tensor.requires_grad_(tensor.is_floating_point())
    theirs = getattr(T, name)(tensor, 1, dtype=getattr(torch, dtype))
    ours, backward = getattr(F, name)(x, 1, dtype=np.dtype(dtype))
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-5)
    dx = backward(np.ones_like(ours) * np.arange(5, dtype=dtype))
    if given is np.int64:
        assert dx is None
        return
    theirs.backward(torch.ones_like(theirs) * torch.arange(5))
    assert dx.dtype == given
    np.testing.assert_allclose(dx, tensor.grad, rtol=1e-4, atol=1e-6)


ZERO_D = [n for n in F.__all__ if n.islower() and n in {
    "celu", "dropout", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid",
    "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
}]  # fmt: skip


@pytest.mark.parametrize("x", [0.3, -0.7])
@pytest.mark.parametrize("name", ZERO_D)
def test_0_d_arrays(name, x):
    """Catches NumPy's scalars where an array went in, and a backward that trips over one."""
    assert_both(name, np.array(x), **({"training": False} if name == "dropout" else {}))


def test_adafactor_of_a_0_d_parameter():
    """Catches an update that needs an axis."""
    theirs, ours = torch.nn.Parameter(torch.tensor(2.0)), torchref.nn.Parameter(np.array(2.0, np.float32))
    theirs.grad, ours.grad = torch.tensor(0.5), np.array(0.5, np.float32)
    torch.optim.Adafactor([theirs]).step()
    Adafactor([ours]).step()
    np.testing.assert_allclose(ours.data, theirs.detach(), rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
def test_sparse_gradient_of_nothing(shape):
    """Catches an empty gradient that cannot be cut into rows."""
    gradient = SparseGradient.from_dense(np.zeros(shape))
    assert gradient.to_dense().shape == shape


@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_infinite_distances(reduction):
    """Catches inf * 0 = nan for the pairs that a hinge leaves out."""
    x, target = np.array([INF, INF, -INF, 0.5]), np.array([1.0, -1.0, -1.0, -1.0])
    theirs = T.hinge_embedding_loss(torch.tensor(x[:2]), torch.tensor(target[:2]), reduction=reduction)
    ours, _ = F.hinge_embedding_loss(x[:2], target[:2], reduction=reduction)
    np.testing.assert_array_equal(ours, theirs)


def test_an_infinite_channel():
    """Catches an infinity that reaches channels whose window does not hold it."""
    x = np.random.default_rng(2).standard_normal((2, 7, 3))
    x[0, 1, 1] = INF
    with np.errstate(invalid="ignore"):
        output, gradient, ours, dx = both("local_response_norm", x, 3)
    np.testing.assert_allclose(ours, output, rtol=1e-12)
    np.testing.assert_allclose(dx, gradient, rtol=1e-10)


OLD_NAME = [n for n in F.__all__ if n in {
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "soft_margin_loss", "hinge_embedding_loss", "kl_div",
}]  # fmt: skip


@pytest.mark.parametrize("name", OLD_NAME)
def test_elementwise_mean(name):
    """Catches the old name of 'mean' refused, or taken without a word."""
    x, target = np.array([0.3, 0.6]), np.array([1.0, 1.0])
    with pytest.warns(UserWarning, match="elementwise_mean"):
        theirs = getattr(T, name)(torch.tensor(x), torch.tensor(target), reduction="elementwise_mean")
    with pytest.warns(UserWarning, match=f"{name}.*elementwise_mean.*'mean'"):
        ours, _ = getattr(F, name)(x, target, reduction="elementwise_mean")
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("name", ["gaussian_nll_loss", "poisson_nll_loss", "multilabel_soft_margin_loss"])
def test_elementwise_mean_is_refused_where_torch_refuses(name):
    x = np.array([[0.3, 0.6]])
    arrays = [x, x, x] if name == "gaussian_nll_loss" else [x, x]
    options = {"reduction": "elementwise_mean"}
    assert_same_error(
        lambda: getattr(F, name)(*arrays, **options),
        lambda: getattr(T, name)(*map(torch.tensor, arrays), **options),
        "elementwise_mean",
    )


def test_size_average_warns():
    """Catches a deprecated argument that works in silence."""
    for nn in (torch.nn, torchref.nn):
        with pytest.warns(UserWarning, match="reduction='sum'"):
            nn.MSELoss(size_average=False)


def test_samples_for_more_inputs_than_there_are():
    """Catches `_random_samples` for a batch refused for a single input; torch takes the first ones."""
    rng = np.random.default_rng(4)
    for n, function in ((2, "fractional_max_pool2d"), (3, "fractional_max_pool3d")):
        x, samples = rng.standard_normal((3, 7, 8, 9)[: n + 1]), rng.random((2, 3, n))
        theirs = getattr(T, function)(torch.tensor(x), 2, (3,) * n, _random_samples=torch.tensor(samples))
        ours, _ = getattr(F, function)(x, 2, (3,) * n, _random_samples=samples)
        np.testing.assert_array_equal(ours, theirs)


def test_max_norm_of_the_functions():
    """Catches functional `embedding` and `embedding_bag` without `max_norm`, or a weight that they change."""
    rng = np.random.default_rng(5)
    x, weight, dy = rng.integers(0, 7, (4, 3)), rng.standard_normal((7, 5)) * 2, rng.standard_normal((4, 5))
    for name, upstream in (("embedding", rng.standard_normal((4, 3, 5))), ("embedding_bag", dy)):
        options = {"max_norm": 1.0, "norm_type": 1.5, "scale_grad_by_freq": False}
        table = torch.tensor(weight, requires_grad=True)
        theirs = getattr(T, name)(torch.tensor(x), table, **options)
        theirs.backward(torch.tensor(upstream))
        kept = weight.copy()
        ours, backward = getattr(F, name)(x, weight, **options)
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-12)
        np.testing.assert_allclose(backward(upstream)[1], table.grad, rtol=1e-12)
        np.testing.assert_array_equal(weight, kept)


X, ROW = np.ones((3, 4)), np.ones(4)
ERRORS = [  # a call of an engine whose arrays `a` makes, and what our message names
    (lambda nn, a: nn.functional.adaptive_avg_pool2d(a(X), (2, 3)), "(3, 4)"),
    (lambda nn, a: nn.functional.adaptive_max_pool3d(a(X), (2, 3, 1)), "(3, 4)"),
    (lambda nn, a: nn.functional.soft_margin_loss(a(X), a(X[:2])), "(2, 4)"),
    (lambda nn, a: nn.functional.l1_loss(a(X), a(X[:2])), "(2, 4)"),
    (lambda nn, a: nn.functional.gaussian_nll_loss(a(X), a(X[:2]), a(X)), "(2, 4)"),
    (lambda nn, a: nn.functional.poisson_nll_loss(a(X), a(X[:2])), "(2, 4)"),
    (lambda nn, a: nn.Embedding(-1, 3), "num_embeddings=-1"),
    (lambda nn, a: nn.Linear(3, -1), "out_features=-1"),
    (lambda nn, a: nn.Conv2d(3, 4, -2), "kernel_size[0]=-2"),
    (lambda nn, a: nn.functional.instance_norm(a(np.ones((2, 3, 4))), a(ROW), a(ROW)), "running_mean"),
    (lambda nn, a: nn.functional.relu(a(X > 0)), "bool"),
    (lambda nn, a: nn.functional.threshold(a(X), 0.5, None), "'value'"),
    (lambda nn, a: nn.functional.linear(a(X), None), "'weight'"),
    (lambda nn, a: nn.functional.relu(None), "'input'"),
    (lambda nn, a: nn.functional.leaky_relu(a(X), "no"), "'no'"),
    (lambda nn, a: nn.functional.lp_pool1d(a(X), None, 2), "norm_type"),
    (lambda nn, a: nn.functional.softmax(a(X), 0.5), "0.5"),
    (lambda nn, a: nn.functional.gelu(a(X), approximate=1), "approximate=1"),
    (lambda nn, a: nn.functional.max_unpool1d(a(X), a(X.astype(int)), 2, output_size=5), "output_size"),
    (lambda nn, a: nn.LSTMCell(4, 2)(a(X), a(X)), "hx"),
    (lambda nn, a: nn.LinearCrossEntropyLoss(4, 3)(a(X.astype("f4")), a(np.ones((2, 2)))), "target"),
    (lambda nn, a: nn.functional.softshrink(a(X), INF), "inf"),
    (lambda nn, a: nn.functional.smooth_l1_loss(a(X), a(X), beta=np.nan), "nan"),
    (lambda nn, a: nn.functional.cosine_similarity(a(X), a(X), eps=-1.0), "-1.0"),
    (lambda nn, a: nn.functional.normalize(a(X), dim=(1, -1)), "twice"),
    (lambda nn, a: nn.functional.cosine_similarity(a(X), a(X), dim=(0, 1)), "(0, 1)"),
    (lambda nn, a: nn.functional.dropout(0.5), "'input'"),
    (lambda nn, a: nn.functional.alpha_dropout(0.5, training=True), "'input'"),
    (lambda nn, a: nn.functional.normalize(a(ROW), dim=(0, -1)), "twice"),
]


@pytest.mark.parametrize(("call", "named"), ERRORS, ids=[str(i) for i in range(len(ERRORS))])
def test_errors(call, named):
    """Catches another exception type than torch's, and an error of NumPy's or Python's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_same_error(lambda: call(torchref.nn, np.array), lambda: call(torch.nn, torch.tensor), named)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3), (2, 0), (0, 3)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_linear_with_one_output_that_has_no_dimension(shape, with_bias):
    """Catches a weight of one dimension refused, or a last axis of size 1 that torch's output has not."""
    rng = np.random.default_rng(6)
    arrays = [rng.standard_normal(shape), rng.standard_normal(shape[-1:])]
    arrays += [np.array(0.7)] if with_bias else []
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    if len(shape) == 2:  # torch takes no bias here: manual/differences.md
        theirs = T.linear(*tensors[:2]) + (tensors[2] if with_bias else 0)
    else:
        theirs = T.linear(*tensors)
    ours, backward = F.linear(*arrays)
    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-12, atol=1e-14)
    assert ours.shape == theirs.shape
    dy = rng.standard_normal(ours.shape)
    theirs.backward(torch.tensor(dy))
    for gradient, leaf in zip(backward(dy), tensors, strict=False):
        assert isinstance(gradient, np.ndarray)
        assert gradient.shape == leaf.shape
        np.testing.assert_allclose(gradient, leaf.grad, rtol=1e-12, atol=1e-14)


def test_embedding_bag_by_position():
    """Catches arguments in another order than torch's: all of them are given by position."""
    x, weight, offsets, factors = np.array([1, 0, 2, 2]), np.arange(6.0).reshape(3, 2), np.array([0, 3]), np.arange(4.0)
    options = (None, 2.0, False, "sum", False)
    leaves = [torch.tensor(weight, requires_grad=True), torch.tensor(factors, requires_grad=True)]
    theirs = T.embedding_bag(torch.tensor(x), leaves[0], torch.tensor(offsets), *options, leaves[1], False, 1)
    ours, backward = F.embedding_bag(x, weight, offsets, *options, factors, False, 1)
    np.testing.assert_array_equal(ours, theirs.detach())
    theirs.backward(torch.ones((2, 2)))
    dx, dweight, doffsets, dfactors = backward(np.ones((2, 2)))
    assert dx is None
    assert doffsets is None
    np.testing.assert_array_equal(dweight, leaves[0].grad)
    np.testing.assert_array_equal(dfactors, leaves[1].grad)


@pytest.mark.parametrize("p", [0.0, 1.0, 1.5, 2.0, 3.0, INF])
@pytest.mark.parametrize("rows", [
    [[1, np.nan], [2, 3], [0, 5]], [[np.nan, 1], [np.nan, 1]], [[np.nan, INF], [1, 2]], [[INF, np.nan], [1, 2]],
    [[1, INF], [2, 3], [0, INF]], [[1, -INF], [2, INF]], [[INF, 1], [1, INF]],
])  # fmt: skip
def test_pdist_of_what_is_not_finite(rows, p):
    """Catches a nan distance with a gradient of numbers, and the difference of two infinities taken for 0."""
    with np.errstate(invalid="ignore"):
        output, gradient, ours, dx = both("pdist", np.array(rows), p)
    np.testing.assert_allclose(ours, output, rtol=1e-12)
    np.testing.assert_allclose(dx, gradient, rtol=1e-12)


def test_a_parameter_that_is_frozen_by_its_own_method():
    """Catches a network that calls `weight.requires_grad_(False)` and fails, or goes on collecting gradients."""
    x = np.ones((2, 3))
    for nn, array in ((torch.nn, torch.tensor), (torchref.nn, np.array)):
        layer = nn.Linear(3, 2).double()
        assert layer.weight.requires_grad_(False) is layer.weight
        if nn is torch.nn:
            layer(array(x)).sum().backward()
        else:
            layer(x)[1](np.ones((2, 2)))
        assert layer.weight.grad is None
        assert layer.bias.grad is not None
        assert layer.weight.requires_grad_().requires_grad
