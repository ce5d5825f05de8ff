"""manual/differences.md, row by row: torch does what the page says of it, and so do we."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import torchref
import torchref.nn.functional as R
import torchref.tensor as P
from tests.fuzz.known import KNOWN

PAGE = (Path(__file__).parents[2] / "manual" / "differences.md").read_text()
ROWS = PAGE[: PAGE.index("## Left out")].splitlines()  # tests/nn/test_coverage.py holds what follows
CELLS = [line.split(" | ")[0][2:] for line in ROWS if line.startswith("| ") and line[2:6] != "what"]
INF, NAN = np.inf, np.nan
X = np.array([[0.5, -0.5, 0.25]])
HELD = {}


def row(start):
    """Names the row of the page that a test holds."""

    def held(test):
        HELD[start] = test
        return test

    return held


def theirs(function, *arrays, **options):
    """torch's output, and the gradients of the floating arrays for an upstream gradient of ones."""
    tensors = [torch.tensor(a) for a in arrays]
    leaves = [t.requires_grad_() for t in tensors if t.is_floating_point()]
    output = function(*tensors, **options)
    if output.requires_grad:
        output.backward(torch.ones_like(output))
    return output.detach().numpy(), [None if leaf.grad is None else leaf.grad.numpy() for leaf in leaves]


def ours(function, *arrays, **options):
    output, backward = function(*map(np.array, arrays), **options)
    gradients = backward(np.ones_like(output))
    return output, [g for g in (gradients if isinstance(gradients, tuple) else (gradients,)) if g is not None]


def equal(actual, expected, **tolerance):
    np.testing.assert_allclose(actual, expected, **(tolerance or {"rtol": 1e-12}))


# --- numbers ----------------------------------------------------------------------------------------------------------


@row("`celu`'s gradient")
def test_celu():
    x = np.array([-0.3])
    true = np.exp(x / 0.7)
    error = abs(theirs(T.celu, x, alpha=0.7)[1][0] - true)
    assert 1e-9 < error < 3e-8
    equal(ours(R.celu, x, alpha=0.7)[1][0], true)


@row("`layer_norm` over one entry")
def test_layer_norm_of_one_entry():
    x, weight = np.array([[1.3], [2.0], [-0.7]]), np.array([2.0])
    noise = theirs(lambda x, w: T.layer_norm(x, (1,), w), x, weight)[1][1]
    assert 0 < abs(noise) < 1e-12
    equal(ours(lambda x, w: R.layer_norm(x, (1,), w), x, weight)[1][1], [0.0])


@row("`softsign` at infinity")
def test_softsign():
    equal(theirs(T.softsign, [INF])[1][0], [NAN])
    with np.errstate(invalid="ignore"):
        equal(ours(R.softsign, [INF])[1][0], [0.0])


@row("`l1_loss` of a nan")
def test_l1_loss():
    equal(theirs(T.l1_loss, [NAN], [0.0])[1][0], [0.0])
    equal(ours(R.l1_loss, [NAN], [0.0])[1][0], [NAN])


@row("nan in `relu6`")
def test_nan_in_vectors():
    x = np.full(1003, NAN)
    assert len(np.unique(np.isnan(theirs(T.relu6, x)[1][0]) + 2.0 * (theirs(T.relu6, x)[1][0] == 1))) == 2
    assert len(np.unique(ours(R.relu6, x)[1][0])) == 1


@row("an infinite or nan slope")
def test_infinite_slope():
    equal(theirs(T.leaky_relu, [1.0, -1.0], negative_slope=INF)[0], [1.0, -INF])
    with np.errstate(invalid="ignore"):
        equal(ours(R.leaky_relu, [1.0, -1.0], negative_slope=INF)[0], [NAN, -INF])


@row("a nan in other losses")
def test_nan_that_torch_drops():
    x, target = np.array([[NAN, 0.3]]), np.array([1])
    assert not np.isnan(theirs(lambda x, t: T.multi_margin_loss(x, t, margin=INF), x, target)[0])
    with np.errstate(invalid="ignore"):
        assert np.isnan(ours(lambda x, t: R.multi_margin_loss(x, t, margin=INF), x, target)[0])


@row("`softsign` of uint8")
def test_unsigned_softsign():
    x = np.array([255], np.uint8)
    assert np.isinf(T.softsign(torch.tensor(x)).numpy()).all()
    equal(R.softsign(x)[0], [255 / 256], rtol=1e-6)


@row("`poisson_nll_loss` of int32")
def test_integers_in_poisson_nll_loss():
    x, target = np.array([1, 2], np.int32), np.array([0.3, 0.7])
    exact = np.mean(np.exp(x) - target * x)
    assert abs(T.poisson_nll_loss(torch.tensor(x), torch.tensor(target)).item() - exact) > 1e-9
    equal(R.poisson_nll_loss(x, target)[0], exact)


@row("`poisson_nll_loss` with `full=True`")
def test_stirling_of_integers():
    x, target = np.array([0.3, 0.7]), np.array([3, 8])
    stirling = target * np.log(target) - target + np.log(2 * np.pi * target) / 2
    exact = np.exp(x) - target * x + stirling
    error = abs(theirs(T.poisson_nll_loss, x, target, full=True, reduction="none")[0] - exact).max()
    assert 1e-9 < error < 1e-6
    equal(ours(R.poisson_nll_loss, x, target, full=True, reduction="none")[0], exact)


@row("`grid_sample` of float16")
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_grid_sample_of_float16(mode):
    rng = np.random.default_rng(0)
    x, grid = rng.standard_normal((2, 3, 5, 6)), rng.uniform(-0.9, 0.9, (2, 4, 3, 2))
    half = x.astype(np.float16), grid.astype(np.float16)
    options = {"mode": mode, "padding_mode": "border", "align_corners": False}
    exact, gradients = ours(R.grid_sample, *(a.astype(float) for a in half), **options)
    wrong, wrong_gradients = theirs(T.grid_sample, *half, **options)
    y, rounded = ours(R.grid_sample, *half, **options)
    for right, rough, one in zip((exact, *gradients), (wrong, *wrong_gradients), (y, *rounded), strict=True):
        limit = 2**-11 * np.abs(right).max()
        assert one.dtype == np.float16
        assert abs(one - right).max() <= limit
        assert abs(rough - right).max() > limit


@row("`layer_norm` of float16 with float32 weights")
def test_sums_of_float16():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((200, 8)).astype(np.float16), rng.standard_normal(8).astype(np.float32)
    dy = rng.standard_normal(x.shape).astype(np.float16)
    _, backward = R.layer_norm(x.astype(float), (8,), weight.astype(float), weight.astype(float))
    exact = backward(dy.astype(float))[1:]
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, weight, weight)]
    T.layer_norm(tensors[0], (8,), *tensors[1:]).backward(torch.tensor(dy))
    _, backward = R.layer_norm(x, (8,), weight, weight)
    for right, rough, one in zip(exact, tensors[1:], backward(dy)[1:], strict=True):
        equal(one, right, rtol=1e-5, atol=1e-5)
        assert 1e-3 < abs(rough.grad.numpy() - right).max() < 0.01 * np.abs(right).max()


@row("`ctc_loss` of a target that ends")
def test_blank_at_the_end():
    """The derivative by the logits is the quotient of torch's own values."""
    logits, step = np.random.default_rng(0).standard_normal((4, 1, 3)), 1e-6 * np.eye(12)[9].reshape(4, 1, 3)
    targets, lengths = torch.tensor([[1, 0]]), ((4,), (2,))

    def value(z):
        return T.ctc_loss(torch.log_softmax(z, -1), targets, *lengths, reduction="sum")

    slope = (value(torch.tensor(logits + step)) - value(torch.tensor(logits - step))).item() / 2e-6
    x, softmax_backward = R.log_softmax(logits, -1)
    _, backward = R.ctc_loss(x, targets.numpy(), *lengths, reduction="sum")
    dlogits = softmax_backward(backward(np.ones(()))[0])
    tensor = torch.tensor(logits, requires_grad=True)
    value(tensor).backward()
    equal(dlogits[3, 0, 0], slope, rtol=1e-6)
    assert abs(tensor.grad[3, 0, 0] - slope) > 1e-3


@row("attention without queries")
def test_attention_without_queries():
    query, key, value = np.ones((0, 3)), np.ones((2, 7, 3)), np.ones((7, 5))
    assert T.scaled_dot_product_attention(*map(torch.tensor, (query, key, value))).shape == (0, 5)
    assert R.scaled_dot_product_attention(query, key, value)[0].shape == (2, 0, 5)


@row("`group_norm` of size 0")
def test_group_norm_of_nothing():
    x, weight = np.ones((5, 6, 0)), np.ones(6)
    assert np.isnan(theirs(lambda x, w: T.group_norm(x, 3, w), x, weight)[1][1]).all()
    equal(ours(lambda x, w: R.group_norm(x, 3, w), x, weight)[1][1], np.zeros(6))


@row("nan in `interpolate`")
def test_nan_in_interpolate():
    x = np.array([[[NAN, 1.0, 2.0, 3.0]]])
    assert np.isnan(theirs(T.interpolate, x, size=2, mode="linear")[0]).sum() == 1
    assert np.isnan(ours(R.interpolate, x, size=2, mode="linear")[0]).all()


@row("`interpolate`'s backward")
def test_interpolate_backward():
    x, dy = np.arange(10.0).reshape(1, 1, 10), np.zeros((1, 1, 10))
    dy[..., 9] = 1
    tensor = torch.tensor(x, requires_grad=True)
    y = T.interpolate(tensor, scale_factor=1.05)
    y.backward(torch.tensor(dy))
    output, backward = R.interpolate(x, scale_factor=1.05)
    equal(output, y.detach())
    assert output[0, 0, 9] == 8  # x counts its places: the last entry copies entry 8
    np.testing.assert_array_equal(np.flatnonzero(backward(dy)), [8])
    np.testing.assert_array_equal(np.flatnonzero(tensor.grad), [9])


@row("`embedding_bag` with `scale_grad_by_freq`")
def test_frequencies():
    x, weight, offsets = np.array([1, 0, 0]), np.ones((3, 1)), np.array([0])
    options = {"scale_grad_by_freq": True, "mode": "sum"}
    tensor = torch.tensor(weight, requires_grad=True)
    T.embedding_bag(torch.tensor(x), tensor, torch.tensor(offsets), **options).sum().backward()
    _, backward = R.embedding_bag(x, weight, offsets=offsets, **options)
    equal(backward(np.ones((1, 1)))[1][:, 0], [1.0, 1.0, 0.0])
    assert not np.allclose(tensor.grad[:, 0], [1.0, 1.0, 0.0])


@row("`BCEWithLogitsLoss` with `pos_weight`")
def test_unsigned_weight():
    weight = np.array([0], np.uint8)
    assert theirs(T.binary_cross_entropy_with_logits, [0.0], [1.0], pos_weight=torch.tensor(weight))[0] > 100
    equal(ours(R.binary_cross_entropy_with_logits, [0.0], [1.0], pos_weight=weight)[0], 0.0)


@row("`avg_pool` of int64")
def test_large_integers():
    x = np.full((1, 2), 2**53 + 1)
    assert theirs(T.avg_pool1d, x, kernel_size=2)[0] == 2**53 + 1
    assert R.avg_pool1d(x, 2)[0] == 2**53


@row("tensor products")
def test_infinite_alpha():
    x, a, b = np.zeros(1), np.zeros((1, 1)), np.ones(1)
    equal(ours(P.addmv, x, a, b, alpha=INF)[0], [NAN])


@row("`addcmul`, `addcdiv`, `lerp`, `atan2`")
def test_mixed_dtypes():
    x, a, b = np.zeros(1), np.array([0.1], np.float32), np.ones(1)
    third = 1 / 3
    exact = third * float(a[0])
    equal(ours(P.addcmul, x, a, b, value=third)[1][2], [exact], rtol=1e-15)
    assert abs(theirs(torch.addcmul, x, a, b, value=third)[1][2][0] - exact) > 1e-12


@row("`einsum` of one array")
def test_einsum_of_small_integers():
    x = np.ones((3, 3), np.uint8)
    assert torch.einsum("ij->j", torch.tensor(x)).dtype == torch.int64
    assert P.einsum("ij->j", x)[0].dtype == np.uint8


@row("`atan2` of uint8")
def test_unsigned_atan2():
    x, other = np.array([1], np.uint8), np.array([2.0])
    equal(ours(P.atan2, x, other)[1][0], [-0.2])
    assert theirs(torch.atan2, x, other)[1][0] > 0


@row("`topk`, `kthvalue`, `median`")
def test_equal_entries():
    (_, indices), _ = P.topk(np.ones(5), 2)
    np.testing.assert_array_equal(indices, [0, 1])


@row("`dim=None` in `median`, `max`")
def test_none_given():
    with pytest.raises(TypeError):
        torch.median(torch.ones(3), dim=None)
    equal(ours(P.median, np.ones(3), dim=None)[0], 1.0)


@row("`scatter` and its kin")
def test_a_longer_src():
    x, index, src = np.zeros(3), np.array([1]), np.array([2.0, 5.0])
    y, backward = P.scatter_add(x, 0, index, src)
    equal(y, [0, 2, 0])
    equal(backward(np.ones(3))[2], [1, 0])
    equal(P.scatter(x, 0, index, src)[1](np.ones(3))[2], [1, 0])
    with pytest.raises(RuntimeError, match="invalid gradient"):
        theirs(lambda x, src: torch.scatter_add(x, 0, torch.tensor(index), src), x, src)


@row("`clamp` of x to bounds")
def test_wider_bounds():
    x, low, high = np.ones(2), np.zeros((3, 1)), np.full(2, 2.0)
    equal(ours(P.clamp, x, low, high)[1][0], [3.0, 3.0])
    with pytest.raises(RuntimeError, match="broadcast"):
        theirs(torch.clamp, x, low, high)


@row("`addcdiv` with an integer divisor")
def test_integer_divisor():
    x, a, c = np.zeros(1), np.ones(1), np.array([2])
    equal(ours(P.addcdiv, x, a, c)[1][1], [0.5])
    with pytest.raises(RuntimeError, match="cast"):
        theirs(torch.addcdiv, x, a, c)


@row("`addr` and `einsum`")
def test_addr_of_integers():
    x, a = np.zeros((1, 1), int), np.ones(1)
    assert torch.addr(*map(torch.tensor, (x, a, a))).dtype == torch.float64
    with pytest.raises(RuntimeError, match="one dtype"):
        P.addr(x, a, a)


@row("`mul` and its kin of two numbers")
def test_two_numbers():
    assert torch.mul(2, 3) == 6
    with pytest.raises(TypeError):
        P.mul(2, 3)


@row("`gather` and `scatter` with an empty index")
def test_an_empty_index_of_floats():
    assert torch.gather(torch.ones(3), 0, torch.empty(0)).shape == (0,)
    with pytest.raises(RuntimeError, match="int64"):
        P.gather(np.ones(3), 0, np.empty(0))


@row("an index that is out of range")
def test_index_errors():
    with pytest.raises(RuntimeError):
        torch.index_select(torch.ones(2, 1, 3), 1, torch.tensor([1]))
    with pytest.raises(IndexError):
        P.index_select(np.ones((2, 1, 3)), 1, np.array([1]))


@row("`sigmoid_backward`, `softmax_backward_data`")
def test_inner_operators():
    assert torch.ops.aten.sigmoid_backward(torch.ones(3), torch.ones(2, 3)).shape == (2, 3)
    with pytest.raises(RuntimeError, match="one shape"):
        P.sigmoid_backward(np.ones(3), np.ones((2, 3)))


@row("`block_diag` of an empty vector")
def test_block_diag_of_nothing():
    arrays = np.ones((1, 2)), np.ones(0), np.ones((1, 1))
    dy = np.arange(9.0).reshape(3, 3)
    _, backward = P.block_diag(*arrays)
    equal(backward(dy)[2], [[8.0]])
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    torch.block_diag(*tensors).backward(torch.tensor(dy))
    assert tensors[2].grad.item() != 8.0


@row("an index that is a single boolean")
def test_a_single_boolean():
    assert torch.ones(3)[True].shape == (1, 3)
    with pytest.raises(IndexError, match="boolean"):
        P.index(np.ones(3), True)


@row("an index that is a mask of uint8")
def test_a_mask_of_uint8():
    with pytest.warns(UserWarning, match="uint8 is now deprecated"):
        assert torch.ones(3)[torch.tensor([1, 0, 1], dtype=torch.uint8)].shape == (2,)
    with pytest.raises(IndexError, match="uint8"):
        P.index(np.ones(3), np.array([1, 0, 1], np.uint8))


# --- what torch takes -------------------------------------------------------------------------------------------------

LENGTHS = [2, 3, 5]  # of four sequences
NO_WEIGHTS = {"affine": False, "track_running_stats": False}
REFUSED = [  # row, a call of an engine whose arrays `a` makes, our exception
    ("losses of sizes", lambda nn, a: nn.functional.soft_margin_loss(a(X), a(X[:, :1])), ValueError),
    ("a bias of one entry", lambda nn, a: nn.functional.linear(a(X), a(np.ones((2, 3))), a(X[0, :1])), RuntimeError),
    ("float32 beside", lambda nn, a: nn.functional.mse_loss(a(X), a(X.astype(np.float32))), RuntimeError),
    ("integers where a formula", lambda nn, a: nn.functional.lp_pool1d(a([[1, 2]]), 2, 2), NotImplementedError),
    (
        "integers times a weight",
        lambda nn, a: nn.functional.linear(a([[1, 2]]), a([[3, 4], [5, 6]])),
        NotImplementedError,
    ),
    (
        "integers times a weight",
        lambda nn, a: nn.functional.conv1d(a([[[1, 2, 3]]]), a([[[1, 2]]])),
        NotImplementedError,
    ),
    (
        "convolutions of no input channels",
        lambda nn, a: nn.functional.conv1d(a(np.ones((2, 0, 5))), a(np.ones((3, 0, 2)))),
        RuntimeError,
    ),
    ("`inplace` in functional", lambda nn, a: nn.functional.relu(a(X), inplace=True), TypeError),
    ("`_stacklevel` in", lambda nn, a: nn.functional.softmax(a(X), 1, _stacklevel=3), TypeError),
    ("`_stacklevel` in", lambda nn, a: nn.functional.gumbel_softmax(a(X), eps=1e-10), TypeError),
    ("`input`, `input1`", lambda nn, a: nn.functional.relu(input=a(X)), TypeError),
    ("arguments that a call", lambda nn, a: nn.BatchNorm1d(1.5, **NO_WEIGHTS), TypeError),
    (
        "fewer lengths than sequences",
        lambda nn, a: nn.utils.rnn.pack_padded_sequence(a(np.ones((5, 4, 2))), LENGTHS, enforce_sorted=False),
        RuntimeError,
    ),
    ("`label_smoothing`", lambda nn, a: nn.functional.cross_entropy(a(X), a([1]), label_smoothing=-0.1), RuntimeError),
    ("`size_average`, `reduce`", lambda nn, a: nn.functional.mse_loss(a(X), a(X), size_average=False), TypeError),
]


@pytest.mark.filterwarnings("ignore:size_average and reduce", "ignore:`eps` parameter is deprecated")
@pytest.mark.parametrize(("start", "call", "error"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_torch_alone_takes(start, call, error):
    call(torch.nn, torch.tensor)
    with pytest.raises(error):
        call(torchref.nn, np.array)


@row("flags and numbers of another type")
def test_flags():
    with pytest.raises(TypeError):
        T.dropout(torch.ones(3), training=0)
    equal(R.dropout(X, training=0)[0], X)


@row("a size that is no integer")
def test_size_that_is_no_integer():
    with pytest.raises(ValueError, match="divisible"):
        torch.nn.Conv1d(1.5, 3, 2)
    with pytest.raises(TypeError, match=r"in_channels.*1\.5"):
        torchref.nn.Conv1d(1.5, 3, 2)


@row("`embedding_bag` offsets")
def test_what_reads_beyond_its_memory():  # torch is not asked
    with pytest.raises(RuntimeError, match="offsets"):
        R.embedding_bag(np.array([0, 1]), np.ones((3, 1)), offsets=np.array([1, 0]))
    with pytest.raises(IndexError, match="7"):
        R.ctc_loss(np.zeros((3, 1, 2)), np.array([[7]]), (3,), (1,))


# --- what torch refuses -----------------------------------------------------------------------------------------------

WINDOW = {"kernel_size": 3, "stride": 3, "padding": 1}
TAKEN = [  # row, function, its arrays and options, our gradient
    ("outputs of size 0", "adaptive_avg_pool2d", [np.ones((1, 2, 2))], {"output_size": 0}, np.zeros((1, 2, 2))),
    ("`avg_pool3d` with a window", "avg_pool3d", [np.ones((1, 2, 2, 1))], WINDOW, np.full((1, 2, 2, 1), 1 / 27)),
    ("integer targets of `huber_loss`", "huber_loss", [[0.5], [1]], {}, [-0.5]),
]


@pytest.mark.parametrize(("start", "name", "arrays", "options", "gradient"), TAKEN, ids=[t[0] for t in TAKEN])
def test_what_we_alone_take(start, name, arrays, options, gradient):
    with pytest.raises(RuntimeError):
        theirs(getattr(T, name), *arrays, **options)
    equal(ours(getattr(R, name), *arrays, **options)[1][0], gradient)


@row("`linear` of 2 dimensions")
def test_one_output_without_a_dimension():
    x, weight, bias = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 3.0]), np.array(4.0)
    with pytest.raises(RuntimeError, match="matrix"):
        theirs(T.linear, x, weight, bias)
    equal(theirs(T.linear, x[None], weight, bias)[0], [[12.0, 30.0]])
    equal(ours(R.linear, x, weight, bias)[0], [12.0, 30.0])


@row("`pdist` of no rows")
def test_pdist_of_no_rows():  # torch is not asked
    output, (gradient,) = ours(R.pdist, np.ones((0, 3)))
    assert output.shape == (0,)
    assert gradient.shape == (0, 3)


@row("`max_pool1d` of integers")
def test_integers_in_max_pool1d():
    x = np.array([[3, 7, 1, 2]])
    with pytest.raises(NotImplementedError):
        T.max_pool1d(torch.tensor(x), 2)
    np.testing.assert_array_equal(R.max_pool1d(x, 2)[0], [[7, 2]])


@row("`leaky_relu` and `elu` in place")
def test_inplace():
    x = np.array([-1.0])
    with pytest.raises(RuntimeError, match="In-place"):
        theirs(lambda t: T.leaky_relu(t.clone(), -0.5, inplace=True), x)
    _, backward = torchref.nn.LeakyReLU(-0.5, inplace=True)(x)
    equal(backward(np.ones(1)), [-0.5])


# --- conventions ------------------------------------------------------------------------------------------------------


@row("`max_norm` in functional")
def test_max_norm():
    x, weight = np.array([1]), np.array([[3.0, 4.0], [6.0, 8.0]])
    tensor = torch.tensor(weight)
    y = T.embedding(torch.tensor(x), tensor, max_norm=1.0)
    before = weight.copy()
    equal(R.embedding(x, weight, max_norm=1.0)[0], y)
    np.testing.assert_array_equal(weight, before)
    assert not np.array_equal(tensor, before)
    equal(torchref.nn.embedding.renormalized(weight, x, 1.0), tensor)


@row("`sparse=True`")
def test_sparse():
    x, weight = np.array([1, 1]), np.ones((3, 2))
    tensor = torch.tensor(weight, requires_grad=True)
    T.embedding(torch.tensor(x), tensor, sparse=True).sum().backward()
    _, backward = R.embedding(x, weight, sparse=True)
    assert tensor.grad.is_sparse
    equal(backward(np.ones((2, 2)))[1], tensor.grad.to_dense())


@row("integers where floating point is needed")
def test_integers_are_one_error():
    query = np.ones((4, 2, 6), int)
    with pytest.raises(RuntimeError) as torch_error:
        torch.nn.MultiheadAttention(6, 2)(*[torch.tensor(query)] * 3)
    assert torch_error.type is RuntimeError
    with pytest.raises(NotImplementedError, match=r"query.*int64"):
        torchref.nn.MultiheadAttention(6, 2)(query, query, query)
    with pytest.raises(NotImplementedError):
        T.softmax(torch.tensor([1, 2]), 0)
    with pytest.raises(NotImplementedError):
        R.softmax(np.array([1, 2]), 0)


@row("`process_group=None` of `SyncBatchNorm`")
def test_a_process_alone():
    """Whatever group torch.distributed has made, no array of ours goes to it: alone it is BatchNorm, to the bit."""
    x = np.random.default_rng(0).standard_normal((4, 3))
    alone, batch_norm = (module(3, dtype=np.float64) for module in (torchref.nn.SyncBatchNorm, torchref.nn.BatchNorm1d))
    assert alone.process_group is None
    (y, backward), (expected, expected_backward) = alone(x), batch_norm(x)
    assert np.array_equal(y, expected)
    assert np.array_equal(backward(x), expected_backward(x))
    theirs = torch.nn.SyncBatchNorm(3).double()
    assert theirs.process_group is None
    equal(y, theirs(torch.from_numpy(x)).detach().numpy())  # no group is there: it is alone, too


@row("running statistics")
def test_running_statistics():
    x, mean, var = np.array([[1.0], [3.0]]), np.zeros(1), np.ones(1)
    moved = torch.tensor(mean)
    T.batch_norm(torch.tensor(x), moved, torch.tensor(var), training=True)
    R.batch_norm(x, mean, var, training=True)
    equal(moved, [0.2])
    equal(mean, [0.0])


def test_every_row_of_the_page_is_held():
    """Catches a row that nothing shows to be true, and a test without a row."""
    starts = [*HELD, *(r[0] for r in REFUSED), *(r[0] for r in TAKEN)]
    assert [cell for cell in CELLS if not any(cell.startswith(start) for start in starts)] == []
    assert [start for start in starts if not any(cell.startswith(start) for cell in CELLS)] == []


def test_what_the_fuzz_lets_pass_stands_on_the_page():
    """Catches a difference that the fuzz overlooks on purpose, and no page names."""
    named = set(re.findall(r"\(([a-z ]+)\)", " ".join(CELLS))) | {"not finite"}
    assert {k.row for k in KNOWN} - named == set()
