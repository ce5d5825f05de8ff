"""Batch norm over several processes, here threads: the whole batch through BatchNorm is the judge."""

import numpy as np
import pytest
import torch

import torchref
from tests.errors import assert_same_error
from torchref.nn.communicator import in_threads
from torchref.nn.sync_batchnorm import sync_batch_norm_train

SEED = 17
SHARES = [(8, 4), (6, 6), (1, 10), (0, 7), (5, 3, 4)]  # examples on each process


def assert_near(name, actual, expected, where):
    """Within the rounding of sums: 64 u of the largest entry."""
    limit = 64 * np.finfo(expected.dtype).eps / 2 * np.abs(expected).max()
    error = np.abs(actual - expected)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), f"{where}: {name}"
    if not (error <= limit).all():
        index = tuple(int(i) for i in np.argwhere(~(error <= limit))[0])
        raise AssertionError(f"{where}: {name}{list(index)}: error {error[index]:.3g}, bound {limit:.3g}, seed {SEED}")


def trained(module, x, dy):
    """A step in training mode: output, gradient of the input, module."""
    y, backward = module(x)
    return y, backward(dy), module


def made(group=None, dtype=np.float64, name="SyncBatchNorm", **options):
    rng = np.random.default_rng(SEED)
    options |= {"process_group": group} if name == "SyncBatchNorm" else {}
    module = getattr(torchref.nn, name)(5, 1e-2, 0.3, **options).to(dtype)
    module.weight.data, module.bias.data = (rng.standard_normal(5).astype(dtype) for _ in range(2))
    return module


def on_shares(shares, x, dy, make=made, dtype=np.float64):
    """Each rank's results, by rank."""
    ends = np.cumsum(shares)[:-1]
    xs, dys = np.split(x, ends), np.split(dy, ends)
    return in_threads(len(shares), lambda rank, group: trained(make(group, dtype), xs[rank], dys[rank]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("positions", [(), (3,)])
@pytest.mark.parametrize("shares", SHARES)
def test_the_shares_of_a_batch_are_the_whole_batch(shares, positions, dtype):
    """Catches statistics, or one of the backward's two sums, of a rank's own values; and a mean of the ranks' means."""
    rng = np.random.default_rng(SEED)
    shape = (sum(shares), 5, *positions)
    x, dy = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    name = "BatchNorm1d"
    y, dx, whole = trained(made(None, dtype, name), x, dy)
    ranks = on_shares(shares, x, dy, dtype=dtype)
    where = f"shares {shares}, {np.dtype(dtype)}"
    assert_near("output", np.concatenate([r[0] for r in ranks]), y, where)
    assert_near("gradient of the input", np.concatenate([r[1] for r in ranks]), dx, where)
    for parameter in ("weight", "bias"):
        total = sum(getattr(r[2], parameter).grad for r in ranks)
        assert_near(f"gradient of {parameter}", total, getattr(whole, parameter).grad, where)
    for _, _, module in ranks:
        for buffer in ("running_mean", "running_var"):
            assert_near(buffer, getattr(module, buffer), getattr(whole, buffer), where)
        assert module.num_batches_tracked == 1


def test_batch_norm_of_each_rank_is_not_the_whole_batch():
    """Catches a judge that accepts everything: without the group the gradients are far from the whole batch's."""
    rng = np.random.default_rng(SEED)
    x, dy = rng.standard_normal((12, 5)), rng.standard_normal((12, 5))
    _, dx, _ = trained(made(name="BatchNorm1d"), x, dy)
    alone = np.concatenate([r[1] for r in on_shares((8, 4), x, dy, lambda _, dtype: made(None, dtype))])
    assert np.linalg.norm(alone - dx) / np.linalg.norm(dx) > 0.1


def test_the_variance_is_no_difference_of_large_numbers():
    """Catches E[x^2] - E[x]^2, which loses everything where the mean is 1e8 times the spread."""
    rng = np.random.default_rng(SEED)
    x, dy = 1e8 + rng.standard_normal((12, 5)), rng.standard_normal((12, 5))
    y, _, _ = trained(made(name="BatchNorm1d"), x, dy)
    ours = np.concatenate([r[0] for r in on_shares((8, 4), x, dy)])
    assert np.abs(ours - y).max() <= 1e-6, f"seed {SEED}: {np.abs(ours - y).max():.3g}"


@pytest.mark.parametrize("shape", [(7, 5), (3, 5, 2, 7)])
def test_a_process_alone_has_batch_norm_bit_for_bit(shape):
    """Catches another order of the operations than batch norm's."""
    rng = np.random.default_rng(SEED)
    x, dy = rng.standard_normal(shape), rng.standard_normal(shape)
    ours = trained(made(), x, dy)
    theirs = trained(made(name=f"BatchNorm{max(len(shape) - 2, 1)}d"), x, dy)
    for name, a, b in zip(("output", "gradient of the input"), ours, theirs, strict=False):
        assert np.array_equal(a, b), f"{name}, seed {SEED}"
    for name in ("weight", "bias"):
        assert np.array_equal(getattr(ours[2], name).grad, getattr(theirs[2], name).grad), f"{name}, seed {SEED}"
    for name, array in theirs[2].state_dict().items():
        assert np.array_equal(ours[2].state_dict()[name], array), f"{name}, seed {SEED}"


def test_evaluation_asks_no_other_process():
    """Catches a rank that evaluates alone and waits for the others."""

    class Silent:
        def all_reduce(self, array):
            raise AssertionError("evaluation asked the group")

    x = np.random.default_rng(SEED).standard_normal((7, 5))
    for tracked in (True, False):
        module = made(Silent(), track_running_stats=tracked)
        module.predict(x)
        with pytest.raises(AssertionError):
            module(x)


def test_converted_batch_norms_keep_their_state():
    """Catches a converted layer with parameters of its own, which the optimizer would not move, or a lost option."""

    def network(nn):
        return nn.Sequential(
            nn.Linear(5, 3), nn.BatchNorm1d(3, 1e-2, None), nn.Sequential(nn.BatchNorm2d(4, affine=False)).eval()
        )

    group = object()
    ours = network(torchref.nn)
    parameters, before = list(ours.parameters()), ours.state_dict()
    ours = torchref.nn.SyncBatchNorm.convert_sync_batchnorm(ours, group)
    theirs = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network(torch.nn))
    assert repr(ours) == repr(theirs)
    assert [m.training for m in ours.modules()] == [m.training for m in theirs.modules()]
    assert [id(p) for p in ours.parameters()] == [id(p) for p in parameters]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(np.array_equal(array, before[name]) for name, array in ours.state_dict().items())
    assert [m.process_group for m in ours.modules() if isinstance(m, torchref.nn.SyncBatchNorm)] == [group, group]


@pytest.mark.parametrize(
    ("shape", "options", "fragments"),
    [((5,), {}, ["1D"]), ((1, 5), {}, ["(1, 5)"]), ((7, 5), {"eps": 0.0}, ["eps=0.0"]), ((7, 3), {}, ["(7, 3)"])],
)
def test_errors(shape, options, fragments):
    """Catches another exception type than torch's, or a message that hides the offending value."""
    x = np.ones(shape, np.float32)
    assert_same_error(
        lambda: torchref.nn.SyncBatchNorm(5, **options)(x),
        lambda: torch.nn.SyncBatchNorm(5, **options)(torch.from_numpy(x)),
        *fragments,
    )
    with pytest.raises(ValueError, match=r"non-zero.*\(2, 0\)"):
        torchref.nn.SyncBatchNorm(1)(np.ones((2, 0), np.float32))


def test_one_value_in_all_is_refused_on_every_process():
    """Catches a rank that goes on, and waits, where another has refused the batch; an empty share is none."""
    seen = []

    def rank(number, group):
        try:
            sync_batch_norm_train(np.ones((number, 5)), process_group=group)
        except ValueError as error:
            seen.append(str(error))
        return number

    in_threads(2, rank)
    assert ["more than 1 value" in line for line in seen] == [True, True]


def test_a_rank_that_fails_ends_the_others():
    """Catches threads that wait for ever for one that has raised."""

    def rank(number, group):
        if number == 1:
            raise RuntimeError("rank 1 has failed")
        return group.all_reduce(np.ones(3))

    with pytest.raises(RuntimeError, match="rank 1 has failed"):
        in_threads(3, rank)
