"""What is special about the losses: reductions, deprecated arguments, errors, kinks, functional-only options."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import torchref
import torchref.nn.functional as R
from tests import checks
from tests.cases import Case, integers, normal, uniform
from torchref.check.tolerance.bound import bound
from torchref.nn.blocks import BLOCK_BYTES

INF = float("inf")


def gradients_equal(ours, theirs, arrays, constants=(), **options):
    """Both functions, with a random upstream gradient: output and gradients. Arrays may be among the options, too."""
    tensors = [torch.from_numpy(a.copy()) for a in arrays]
    for i, t in enumerate(tensors):
        t.requires_grad_(t.is_floating_point() and i not in constants)
    tensor_options = {k: torch.from_numpy(v.copy()) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    expected = theirs(*tensors, **tensor_options)
    output, backward = ours(*arrays, **options)
    upstream = np.random.default_rng(7).standard_normal(expected.shape)
    expected.backward(torch.from_numpy(np.asarray(upstream, arrays[0].dtype)))
    gradients = backward(np.asarray(upstream, arrays[0].dtype))
    gradients = gradients if len(arrays) > 1 else (gradients,)
    limit = bound(checks.largest(expected.detach().numpy()), arrays[0].dtype, 1.0)
    checks.assert_close("output", output, expected.detach().numpy(), limit, str(options))
    for i, (gradient, t) in enumerate(zip(gradients, tensors, strict=True)):
        expected_gradient = None if t.grad is None else t.grad.numpy()
        limit = 0.0 if t.grad is None else bound(checks.largest(expected_gradient), arrays[0].dtype, 1.0)
        checks.assert_close(f"gradient {i}", gradient, expected_gradient, limit, str(options))


def x_and_target(*shape):
    rng = np.random.default_rng(3)
    return rng.standard_normal(shape), rng.standard_normal(shape)


# --- reductions and deprecated arguments ------------------------------------------------------------------------------

DEPRECATED = [
    Case("MSELoss", (), {"size_average": size_average, "reduce": reduce}, inputs=(normal(7, 3), normal(7, 3)))
    for size_average in (None, True, False)
    for reduce in (None, True, False)
    if (size_average, reduce) != (None, None)
] + [
    Case("CrossEntropyLoss", (None, False), inputs=(normal(7, 5), integers(5, 7))),
    Case("BCEWithLogitsLoss", (None, None, False), inputs=(normal(7, 3), uniform(7, 3)), smooth=False),
    Case("PoissonNLLLoss", (True, False, False), inputs=(normal(7, 3), uniform(7, 3))),
    Case("KLDivLoss", (False,), inputs=(normal(7, 3), uniform(7, 3, low=0.1))),
    Case("KLDivLoss", inputs=(normal(7, 3), uniform(7, 3, low=0.1)), note="mean warns"),
    Case("NLLLoss2d", inputs=(normal(2, 5, 3, 2), integers(5, 2, 3, 2))),
]


@pytest.mark.parametrize("case", DEPRECATED, ids=lambda case: case.name)
@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_deprecated_arguments(check, case):
    """Catches size_average and reduce read the other way round, and KLDivLoss's 'mean': torch warns of all of these."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", FutureWarning)
        check(case)


def test_backward_of_a_scalar_needs_no_argument():
    """Catches a factor lost between backward() and backward(1)."""
    x, target = x_and_target(7, 3)
    loss, backward = R.mse_loss(x, target)
    assert isinstance(loss, np.ndarray)
    assert loss.shape == ()
    np.testing.assert_array_equal(backward()[0], backward(np.array(1.0))[0])
    np.testing.assert_allclose(backward(np.array(3.0))[0], 3 * backward()[0])


def test_backward_without_reduction_needs_the_gradient():
    """Catches a silent sum over the losses of reduction='none'."""
    loss, backward = torchref.nn.MSELoss(reduction="none")(*x_and_target(7, 3))
    assert loss.shape == (7, 3)
    with pytest.raises(RuntimeError, match="dloss"):
        backward()


# --- errors -----------------------------------------------------------------------------------------------------------

X, T = np.full((3, 5), 0.4), np.full((3, 5), 0.6)
LABELS = np.array([0, 1, 2])
SIGN = np.ones(3)
LOG_P, CTC_TARGETS = np.full((6, 2, 4), -1.4), np.array([[1, 2, 1], [3, 3, 1]])
CTC_LENGTHS = ((6, 5), (3, 2))

SAME_SHAPE = (
    "mse_loss",
    "l1_loss",
    "huber_loss",
    "smooth_l1_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "kl_div",
    "poisson_nll_loss",
    "soft_margin_loss",
    "multilabel_soft_margin_loss",
    "hinge_embedding_loss",
)

ERRORS = [  # function, arrays, options, our exception, what the message names; torch raises it too, if same
    *((name, (X, T), {"reduction": "maen"}, ValueError, "maen") for name in SAME_SHAPE),
    ("gaussian_nll_loss", (X, T, T), {"reduction": "maen"}, ValueError, "maen"),
    ("cross_entropy", (X, LABELS), {"reduction": "maen"}, ValueError, "maen"),
    ("nll_loss", (X, LABELS), {"reduction": "maen"}, ValueError, "maen"),
    ("multi_margin_loss", (X, LABELS), {"reduction": "maen"}, ValueError, "maen"),
    ("margin_ranking_loss", (X, X, T), {"reduction": "maen"}, ValueError, "maen"),
    ("cosine_embedding_loss", (X, T, SIGN), {"reduction": "maen"}, ValueError, "maen"),
    ("triplet_margin_loss", (X, T, T), {"reduction": "maen"}, ValueError, "maen"),
    ("ctc_loss", (LOG_P, CTC_TARGETS, *CTC_LENGTHS), {"reduction": "maen"}, ValueError, "maen"),
    ("binary_cross_entropy", (X, T[:2]), {}, ValueError, "target.*2, 5"),
    ("binary_cross_entropy", (X * 3, T), {}, RuntimeError, "input"),
    ("binary_cross_entropy", (X, -T), {}, RuntimeError, "target"),
    ("binary_cross_entropy", (X * np.nan, T), {}, RuntimeError, "input"),
    ("binary_cross_entropy", (X, T), {"weight": T[:, :2]}, RuntimeError, "weight"),
    ("binary_cross_entropy", (X[0], T[0]), {"weight": T}, RuntimeError, "weight"),
    ("binary_cross_entropy_with_logits", (X, T[:2]), {}, ValueError, "target"),
    ("binary_cross_entropy_with_logits", (X, T), {"weight": T[:, :2]}, RuntimeError, "weight"),
    ("binary_cross_entropy_with_logits", (X, T), {"pos_weight": T[:, :2]}, RuntimeError, "pos_weight"),
    ("huber_loss", (X, T), {"delta": 0.0}, RuntimeError, "delta"),
    ("huber_loss", (X, T), {"weight": T[0]}, ValueError, "weight"),
    ("mse_loss", (X, T), {"weight": T[0]}, ValueError, "weight"),
    ("l1_loss", (X, T), {"weight": T[0]}, ValueError, "weight"),
    ("smooth_l1_loss", (X, T), {"beta": -1.0}, RuntimeError, "beta"),
    ("gaussian_nll_loss", (X, T, -T), {}, ValueError, "var"),
    ("gaussian_nll_loss", (X, T, T[:2]), {}, ValueError, "var"),
    ("gaussian_nll_loss", (X, T, -0.5), {}, ValueError, "var"),
    ("gaussian_nll_loss", (X, T, 1), {}, TypeError, "var"),
    ("multilabel_soft_margin_loss", (X[0, 0, ...], T[0, 0, ...]), {}, IndexError, "input"),
    ("margin_ranking_loss", (X, X, T[0]), {}, RuntimeError, "target"),
    ("multi_margin_loss", (X, LABELS + 3), {}, RuntimeError, "target"),
    ("multi_margin_loss", (X, LABELS - 1), {}, RuntimeError, "target"),
    ("multi_margin_loss", (X, LABELS[:2]), {}, RuntimeError, "target"),
    ("multi_margin_loss", (X, LABELS.astype(np.int32)), {}, RuntimeError, "int32"),
    ("multi_margin_loss", (X[None], LABELS), {}, RuntimeError, "input"),
    ("multi_margin_loss", (X, LABELS), {"p": 3}, ValueError, "p=3"),
    ("multi_margin_loss", (X, LABELS), {"weight": T}, ValueError, "weight"),
    ("multi_margin_loss", (X, LABELS), {"weight": T[0, :3]}, RuntimeError, "weight"),
    ("multilabel_margin_loss", (X, np.full((3, 5), 5)), {}, RuntimeError, "target"),
    ("multilabel_margin_loss", (X, np.full((3, 5), -2)), {}, RuntimeError, "target"),
    ("multilabel_margin_loss", (X, np.full((2, 5), 1)), {}, RuntimeError, "target"),
    ("multilabel_margin_loss", (X[:, :0], np.full((3, 0), 1)), {}, RuntimeError, "input"),
    ("cosine_embedding_loss", (X, T, np.ones((3, 5))), {}, RuntimeError, "target"),
    ("cosine_embedding_loss", (X, T[:2], SIGN), {}, RuntimeError, "input2"),
    ("cosine_embedding_loss", (X[None], T[None], SIGN[:1]), {}, RuntimeError, "input1"),
    ("triplet_margin_loss", (X, T, T), {"margin": 0.0}, ValueError, "margin"),
    ("triplet_margin_loss", (X, T, T[0]), {}, RuntimeError, "negative"),
    ("triplet_margin_loss", (X, T[:, :2], T), {}, RuntimeError, "x2"),
    ("pairwise_distance", (X, T[:, :2]), {}, RuntimeError, "x2"),
    ("cosine_similarity", (X, T[:, :2]), {}, RuntimeError, "x2"),
    ("cosine_similarity", (X, T), {"dim": 2}, IndexError, "2"),
    ("normalize", (X,), {"dim": 2}, IndexError, "2"),
    *(
        (name, arrays, options, error, match)
        for name in ("cross_entropy", "nll_loss")
        for arrays, options, error, match in [
            ((X, np.array([0, 5, 1])), {}, IndexError, "5"),
            ((X, np.array([0, -1, 1])), {}, IndexError, "-1"),
            ((X, np.array([0, 1])), {}, ValueError, "target"),
            ((X, LABELS[:, None]), {}, RuntimeError, "target"),
            ((np.ones((2, 3, 4)), np.zeros((2, 3), int)), {}, RuntimeError, "target"),
            ((np.ones((3, 0)), LABELS), {}, IndexError, "0"),
            ((X, LABELS.astype(np.int32)), {}, RuntimeError, "int32"),
            ((X, LABELS.astype(float)), {}, RuntimeError, "float64"),
            ((X, LABELS), {"weight": np.ones(4)}, RuntimeError, "weight"),
            ((X, LABELS), {"weight": np.ones((5, 1))}, RuntimeError, "weight"),
            ((X, LABELS), {"weight": np.ones(5, np.float32)}, RuntimeError, "weight"),
            ((np.ones((3, 5), int), LABELS), {}, RuntimeError, "input"),
        ]
    ),
    ("cross_entropy", (X, LABELS), {"label_smoothing": 1.1}, RuntimeError, "label_smoothing"),
    ("cross_entropy", (X, T), {"ignore_index": 1}, RuntimeError, "ignore_index"),
    ("cross_entropy", (X, np.ones((3, 5), int)), {}, RuntimeError, "target"),
    ("cross_entropy", (X, T), {"weight": np.ones(3)}, RuntimeError, "weight"),
    ("ctc_loss", (LOG_P, CTC_TARGETS, (7, 5), (3, 2)), {}, RuntimeError, "input_lengths"),
    ("ctc_loss", (LOG_P, CTC_TARGETS, (-1, 5), (3, 2)), {}, RuntimeError, "input_lengths"),
    ("ctc_loss", (LOG_P, CTC_TARGETS, (6,), (3, 2)), {}, RuntimeError, "input_lengths"),
    ("ctc_loss", (LOG_P, CTC_TARGETS, (6, 5), (4, 2)), {}, RuntimeError, "target_lengths"),
    ("ctc_loss", (LOG_P, CTC_TARGETS, (6, 5), (3,)), {}, RuntimeError, "target_lengths"),
    ("ctc_loss", (LOG_P, CTC_TARGETS[0], (6, 5), (3, 2)), {}, RuntimeError, "targets"),
    ("ctc_loss", (LOG_P, CTC_TARGETS[:1], (6, 5), (3, 2)), {}, RuntimeError, "targets"),
    ("ctc_loss", (LOG_P, CTC_TARGETS[None], (6, 5), (3, 2)), {}, RuntimeError, "targets"),
    ("ctc_loss", (LOG_P[:, 0, 0], CTC_TARGETS, (6, 5), (3, 2)), {}, RuntimeError, "log_probs"),
    ("ctc_loss", (LOG_P[:0], CTC_TARGETS, (0, 0), (0, 0)), {}, RuntimeError, "log_probs"),
    ("ctc_loss", (LOG_P, CTC_TARGETS, *CTC_LENGTHS), {"blank": 4}, RuntimeError, "blank"),
    ("ctc_loss", (LOG_P, CTC_TARGETS, np.array([6.0, 5.0]), np.array([3, 2])), {}, RuntimeError, "input_lengths"),
    ("linear_cross_entropy", (X[None], T, LABELS), {}, RuntimeError, "input"),
    ("linear_cross_entropy", (X, T[0], LABELS), {}, RuntimeError, "linear_weight"),
    ("linear_cross_entropy", (X, T[:, :2], LABELS), {}, RuntimeError, "linear_weight"),
    ("linear_cross_entropy", (X, T, LABELS), {"linear_bias": T[0]}, RuntimeError, "linear_bias"),
    ("linear_cross_entropy", (X[0], T[:, None], LABELS), {}, RuntimeError, "input"),
    ("linear_cross_entropy", (X, T, np.ones((3, 3))), {"ignore_index": 1}, RuntimeError, "ignore_index"),
]


@pytest.mark.parametrize(
    ("name", "arrays", "options", "error", "match"), ERRORS, ids=[f"{e[0]}-{i}" for i, e in enumerate(ERRORS)]
)
def test_errors_are_those_of_torch(name, arrays, options, error, match):
    """Catches bad input that goes through, another exception type than torch's, a message that names nothing."""
    with pytest.raises(
        error, match="(?s)" + name.replace("triplet_margin_loss", "") + ".*" + match.replace("(", r"\(")
    ):
        getattr(R, name)(*arrays, **options)

    def tensor(value):
        return torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with pytest.raises(error):
            getattr(F, name)(*map(tensor, arrays), **{k: tensor(v) for k, v in options.items()})


STRICTER = [  # what torch takes, with a warning or without, and we refuse
    *((name, (X, T[:1]), {}, ValueError, "target") for name in SAME_SHAPE if "cross" not in name),
    ("gaussian_nll_loss", (X, T[0], T), {}, ValueError, "target"),
    ("margin_ranking_loss", (X, X, T[:1]), {}, ValueError, "target"),
    ("mse_loss", (X, T.astype(np.float32)), {}, RuntimeError, "float32"),
    ("cross_entropy", (X, LABELS), {"label_smoothing": -0.1}, RuntimeError, "label_smoothing"),
    ("cross_entropy", (X[0], LABELS[:1]), {}, ValueError, "target"),
    ("ctc_loss", (LOG_P, CTC_TARGETS + 2, *CTC_LENGTHS), {}, IndexError, "4"),
    ("ctc_loss", (LOG_P, CTC_TARGETS.astype(float), *CTC_LENGTHS), {}, RuntimeError, "targets"),
]


@pytest.mark.parametrize(("name", "arrays", "options", "error", "match"), STRICTER)
def test_what_torch_lets_through_is_refused(name, arrays, options, error, match):
    """Catches (3) against (3, 1), which torch broadcasts to nine losses, and labels that it reads beyond its memory."""
    with pytest.raises(error, match=f"(?s){name}.*{match}"):
        getattr(R, name)(*arrays, **options)


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "error"),
    [
        ("HuberLoss", ("mean", "1"), {}, TypeError),
        ("MultiMarginLoss", (3,), {}, ValueError),
        ("MultiMarginLoss", (1, 1.0, np.ones((5, 1))), {}, ValueError),
        ("TripletMarginLoss", (0.0,), {}, ValueError),
        ("TripletMarginWithDistanceLoss", (), {"margin": -1.0}, ValueError),
        ("LinearCrossEntropyLoss", (3, 5), {"weight": np.ones(4)}, RuntimeError),
        ("LinearCrossEntropyLoss", (3, 5), {"label_smoothing": 2.0}, RuntimeError),
        ("LinearCrossEntropyOptions", (), {"acc_policy": "wrong"}, ValueError),
        ("LinearCrossEntropyOptions", (), {"chunking_method": "wrong"}, ValueError),
        ("LinearCrossEntropyOptions", (), {"chunking_method": "aspect_ratio:0"}, ValueError),
        ("LinearCrossEntropyOptions", (), {"batch_chunk_size": 0}, ValueError),
    ],
)
def test_constructor_errors_are_those_of_torch(name, args, kwargs, error):
    """Catches a constructor argument that goes through, or another exception type than torch's."""
    with pytest.raises(error, match=name):
        getattr(torchref.nn, name)(*args, **kwargs)

    def tensor(value):
        return torch.from_numpy(value) if isinstance(value, np.ndarray) else value

    with pytest.raises(error):
        getattr(torch.nn, name)(*map(tensor, args), **{k: tensor(v) for k, v in kwargs.items()})


# --- options of the functions that no module has ----------------------------------------------------------------------


def weighted(function):
    """`function` with its weight as the third array."""
    return lambda x, target, weight, **options: function(x, target, weight=weight, **options)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weights_of_each_entry(name, reduction):
    """Catches a weighted mean that divides by the number (mse, l1) or by the weights (huber)."""
    arrays = x_and_target(7, 3)
    weight = np.random.default_rng(1).uniform(0.5, 2.0, (7, 3))
    options = {"reduction": reduction}
    gradients_equal(weighted(getattr(R, name)), weighted(getattr(F, name)), (*arrays, weight), **options)


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0, INF, -1.0, 0.0])
@pytest.mark.parametrize("dim", [1, 0, -1, (0, 1), (0, 2)])
def test_normalize(p, dim):
    """Catches a gradient that forgets the norm, or takes it along another dimension."""
    if p == 0.0:
        x = np.random.default_rng(2).choice([0.0, 1.0, -2.0], (7, 3, 2))
    else:
        x = np.random.default_rng(2).standard_normal((7, 3, 2))
    gradients_equal(R.normalize, F.normalize, (x,), p=p, dim=dim)
    gradients_equal(R.normalize, F.normalize, (x,), p=p, dim=dim, eps=1.5)


def test_normalize_of_nothing_much():
    """The kink at 0 (gradient 1 / eps), norms below eps, and an array without dimensions."""
    for p in (0.5, 1.0, 2.0, 3.0, INF):
        x = np.array([[3.0, -4.0, 0.0], [0.0, 0.0, 0.0], [1e-13, 0.0, 0.0]])
        gradients_equal(R.normalize, F.normalize, (x,), p=p)
    gradients_equal(R.normalize, F.normalize, (np.array(2.0),), dim=0)
    gradients_equal(R.normalize, F.normalize, (np.ones((3, 0)),))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_linear_cross_entropy_with_chunks(reduction):
    """Catches options that change a result; torch computes with them in chunks, we do not."""
    rng = np.random.default_rng(5)
    x, weight, bias = rng.standard_normal((7, 3)), rng.standard_normal((5, 3)), rng.standard_normal(5)
    target = np.array([0, 4, 2, 2, 1, 3, 0])

    def theirs(x, weight, target, bias, options):
        options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2)
        return F.linear_cross_entropy(
            x, weight, target, linear_bias=bias, options=options, reduction=reduction, ignore_index=2
        )

    def ours(x, weight, target, bias, options):
        return R.linear_cross_entropy(x, weight, target, bias, options=options, reduction=reduction, ignore_index=2)

    options = torchref.nn.LinearCrossEntropyOptions(batch_chunk_size=2)
    gradients_equal(ours, theirs, (x, weight, target, bias), options=options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert repr(torchref.nn.LinearCrossEntropyLoss(3, 5, options=options)) == repr(
            torch.nn.LinearCrossEntropyLoss(3, 5, options=torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2))
        )


# --- kinks and traps --------------------------------------------------------------------------------------------------


def test_stirlings_gradient_for_small_counts():
    """Where torch's mask meets log(0), it returns nan for the target; ours is the derivative of what is left."""
    x, target = np.array([0.5, 0.5, 0.5]), np.array([0.0, 1.0, 3.0])
    _, backward = R.poisson_nll_loss(x, target, full=True, reduction="sum")
    dx, dtarget = backward()
    np.testing.assert_allclose(dx, np.exp(0.5) - target)
    np.testing.assert_allclose(dtarget, [-0.5, -0.5, np.log(3.0) + 1 / 6 - 0.5])


def test_a_weighted_mean_divides_by_the_weights_of_the_labels_but_not_of_probabilities():
    """Catches the two divisors exchanged: the traps of cross-entropy's mean."""
    x, weight = np.zeros((3, 5)), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    labels = np.array([4, 4, 4])
    np.testing.assert_allclose(R.cross_entropy(x, labels, weight=weight)[0], np.log(5.0))
    np.testing.assert_allclose(R.cross_entropy(x, np.eye(5)[labels], weight=weight)[0], 5 * np.log(5.0))


@given(
    st.integers(0, 4),
    st.integers(1, 6),
    st.lists(st.integers(1, 3), max_size=2),
    st.sampled_from(["none", "mean", "sum"]),
    st.booleans(),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.integers(-1, 6),
    st.sampled_from([1.0, 30.0]),
    st.randoms(use_true_random=False),
)
def test_cross_entropy_for_any_arguments(n, classes, spatial, reduction, weighted, smoothing, ignored, scale, random):
    """Catches an argument that works alone but not with another: shapes, weights, smoothing, ignored labels."""
    rng = np.random.default_rng(random.randrange(2**32))
    x = scale * rng.standard_normal((n, classes, *spatial))
    target = rng.integers(0, classes, (n, *spatial))
    weight = rng.uniform(0.1, 2.0, classes) if weighted else None
    gradients_equal(
        R.cross_entropy,
        F.cross_entropy,
        (x, target),
        weight=weight,
        reduction=reduction,
        label_smoothing=smoothing,
        ignore_index=ignored,
    )


def test_the_blocks_of_rows_meet():
    """Catches a row left out, or computed twice, where one block of cross_entropy ends and the next begins."""
    classes = BLOCK_BYTES // (3 * 8) - 1  # a block has three rows of float64
    rng = np.random.default_rng(1)
    x = rng.standard_normal((8, classes))
    gradients_equal(R.cross_entropy, F.cross_entropy, (x, rng.integers(0, classes, 8)), reduction="none")


def test_huge_logits_of_one_row_do_not_swallow_another():
    """Catches one maximum for all rows: exp of every other row would be 0."""
    x = np.array([[1000.0, 999.0], [0.0, 1.0], [-1000.0, -1001.0]])
    gradients_equal(R.cross_entropy, F.cross_entropy, (x, np.array([1, 0, 1])), reduction="none")
