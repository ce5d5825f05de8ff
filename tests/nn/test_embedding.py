"""Embedding and EmbeddingBag: max_norm, frequencies, sparse, from_pretrained, errors."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

import torchref
import torchref.nn.functional as F
from torchref.nn.embedding import add_rows

TABLE = np.random.default_rng(1).standard_normal((11, 3))
INDEX = np.array([4, 1, 4, 7, 4, 1])


def twins(name, *args, **kwargs):
    theirs = getattr(torch.nn, name)(11, 3, *args, dtype=torch.float64, **kwargs)
    ours = getattr(torchref.nn, name)(11, 3, *args, dtype=np.float64, **kwargs)
    theirs.load_state_dict({"weight": torch.from_numpy(TABLE.copy())})
    ours.load_state_dict({"weight": TABLE})
    return ours, theirs


@pytest.mark.parametrize("norm_type", [0.5, 1.0, 2.0, 3.0, np.inf])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag"])
def test_max_norm(name, norm_type, training):
    """Catches rows that are renormalised though they are not looked up, by another norm, or in training only."""
    ours, theirs = twins(name, max_norm=0.7, norm_type=norm_type)
    ours.train(training), theirs.train(training)
    held = ours.weight.data
    index = INDEX.reshape(2, 3)
    dy = np.random.default_rng(2).standard_normal((2, 3, 3) if name == "Embedding" else (2, 3))
    for _ in range(2):  # the second time nothing is left to shrink
        expected = theirs(torch.from_numpy(index))
        y, backward = ours(index)
        np.testing.assert_allclose(y, expected.detach(), rtol=1e-14)
        np.testing.assert_allclose(ours.weight.data, theirs.weight.detach(), rtol=1e-14)
    expected.backward(torch.from_numpy(dy))
    backward(dy)
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad, rtol=1e-14)
    np.testing.assert_array_equal(held, TABLE, err_msg="the old array was written into")
    np.testing.assert_array_equal(ours.weight.data[[0, 2, 10]], TABLE[[0, 2, 10]])


def test_max_norm_that_nothing_exceeds_keeps_the_array():
    """Catches a copy of the whole table in every step."""
    ours, _ = twins("Embedding", max_norm=100.0)
    held = ours.weight.data
    ours(INDEX)
    assert ours.weight.data is held


def test_bag_frequencies():
    """Catches a gradient that is not divided by how often its index comes (torch 2.13's own is, by another's)."""
    offsets = np.array([0, 2])
    dy = np.random.default_rng(3).standard_normal((2, 3))
    _, backward = F.embedding_bag(INDEX, TABLE, offsets=offsets, mode="sum", scale_grad_by_freq=True)
    dweight = backward(dy)[1]
    _, backward = F.embedding(INDEX, TABLE, scale_grad_by_freq=True)
    _, expected = backward(dy[[0, 0, 1, 1, 1, 1]])
    np.testing.assert_allclose(dweight, expected, rtol=1e-14)
    weight = torch.from_numpy(TABLE.copy()).requires_grad_()
    torch.nn.functional.embedding_bag(
        torch.from_numpy(INDEX), weight, torch.from_numpy(offsets), mode="sum", scale_grad_by_freq=True
    ).backward(torch.from_numpy(dy))
    assert not np.allclose(dweight, weight.grad), f"torch {torch.__version__} divides right: change the docstring"


@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag"])
def test_sparse_is_the_same_gradient(name):
    """Catches `sparse=True` that changes a number, or the repr."""
    kwargs = {"mode": "sum"} if name == "EmbeddingBag" else {}
    ours, theirs = twins(name, sparse=True, **kwargs)
    index = INDEX.reshape(2, 3)
    y, backward = ours(index)
    dy = np.random.default_rng(4).standard_normal(y.shape)
    backward(dy)
    theirs(torch.from_numpy(index)).backward(torch.from_numpy(dy))
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad.to_dense(), rtol=1e-14)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("freeze", [True, False])
@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("Embedding", {"padding_idx": -1, "max_norm": 0.7, "norm_type": 1.0, "scale_grad_by_freq": True}),
        ("EmbeddingBag", {"mode": "sum", "padding_idx": 2, "max_norm": 0.7, "norm_type": 1.0, "sparse": True}),
    ],
)
def test_from_pretrained(name, kwargs, freeze):
    """Catches a lost argument, a table that is trained though frozen, and one that shares the caller's memory."""
    ours = getattr(torchref.nn, name).from_pretrained(TABLE, freeze, **kwargs)
    theirs = getattr(torch.nn, name).from_pretrained(torch.from_numpy(TABLE.copy()), freeze, **kwargs)
    assert repr(ours) == repr(theirs)
    assert ours.weight.requires_grad is theirs.weight.requires_grad is not freeze
    np.testing.assert_array_equal(ours.weight.data, TABLE)
    assert not np.shares_memory(ours.weight.data, TABLE)
    for attribute in ("num_embeddings", "embedding_dim", "sparse", "scale_grad_by_freq", *kwargs):
        assert getattr(ours, attribute) == getattr(theirs, attribute)


def test_padding_row_starts_at_zero():
    """Catches a padding vector that is drawn like the others."""
    for module in (torchref.nn.Embedding(5, 3, padding_idx=-2), torchref.nn.EmbeddingBag(5, 3, padding_idx=3)):
        np.testing.assert_array_equal(module.weight.data[3], 0)
        assert np.all(module.weight.data[[0, 1, 2, 4]] != 0)


@given(length=st.integers(1, 7), n=st.integers(0, 30), seed=st.integers(0, 999))
def test_add_rows(length, n, seed):
    """Catches a row that is overwritten, or lost, where an index comes twice or more often."""
    rng = np.random.default_rng(seed)
    rows, index = rng.standard_normal((n, 3)), rng.integers(0, length, n)
    expected = np.zeros((length, 3))
    np.add.at(expected, index, rows)
    np.testing.assert_allclose(add_rows(rows, index, length), expected, rtol=1e-12, atol=1e-14)


@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    mode=st.sampled_from(["sum", "mean", "max"]),
    padding_idx=st.sampled_from([None, 0, 2]),
    seed=st.integers(0, 999),
)
def test_any_bags(sizes, mode, padding_idx, seed):
    """Catches bags of a wrong length: empty ones in front, inside, at the end, and those that are all padding."""
    rng = np.random.default_rng(seed)
    index = rng.integers(0, 4, sum(sizes))
    offsets = np.cumsum([0, *sizes[:-1]])
    weight = torch.from_numpy(TABLE.copy()).requires_grad_()
    expected = torch.nn.functional.embedding_bag(
        torch.from_numpy(index), weight, torch.from_numpy(offsets), mode=mode, padding_idx=padding_idx
    )
    dy = rng.standard_normal((len(sizes), 3))
    expected.backward(torch.from_numpy(dy))
    y, backward = F.embedding_bag(index, TABLE, offsets=offsets, mode=mode, padding_idx=padding_idx)
    dweight = backward(dy)[1]
    np.testing.assert_allclose(y, expected.detach(), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(dweight, weight.grad, rtol=1e-13, atol=1e-15)


def call(ours, x, weight=TABLE, *args, **kwargs):
    """The same call of our function and of torch's, as two functions without arguments."""

    def tensor(a):
        return torch.from_numpy(a) if isinstance(a, np.ndarray) else a

    theirs = getattr(torch.nn.functional, ours.__name__)
    tensors = {name: tensor(value) for name, value in kwargs.items()}
    return lambda: ours(x, weight, *args, **kwargs), lambda: theirs(*map(tensor, (x, weight, *args)), **tensors)


FLAT, OFFSETS = np.array([1, 2]), np.array([0])

ERRORS = [
    (call(F.embedding, np.array([1, 11])), IndexError, "embedding.*11.*11 rows"),
    (call(F.embedding, np.array([1, -1])), IndexError, "embedding.*-1"),
    (call(F.embedding, np.array([1.0])), RuntimeError, "embedding.*float64"),
    (call(F.embedding, np.array([1], np.int16)), RuntimeError, "embedding.*int16"),
    (call(F.embedding, FLAT, TABLE[0]), RuntimeError, r"embedding.*weight.*\(3,\)"),
    (call(F.embedding, [1]), TypeError, "embedding.*input.*list"),
    (call(F.embedding, FLAT, padding_idx=11), AssertionError, "padding_idx=11"),
    (call(F.embedding, FLAT, padding_idx=-12), AssertionError, "padding_idx=-12"),
    (call(F.embedding_bag, FLAT), ValueError, "offsets=None"),
    (call(F.embedding_bag, FLAT[None], offsets=OFFSETS), ValueError, r"2D.*offsets.*\(1,\)"),
    (call(F.embedding_bag, FLAT[None, None]), ValueError, r"input.*\(1, 1, 2\)"),
    (call(F.embedding_bag, FLAT, offsets=OFFSETS[None]), ValueError, "offsets"),
    (call(F.embedding_bag, FLAT, offsets=np.array([1])), RuntimeError, r"offsets \[1\]"),
    (call(F.embedding_bag, FLAT, offsets=np.array([0, 3])), RuntimeError, r"offsets \[0 3\].*2"),
    (call(F.embedding_bag, FLAT, offsets=OFFSETS[:0], include_last_offset=True), RuntimeError, "offsets"),
    (call(F.embedding_bag, FLAT, offsets=OFFSETS, mode="min"), ValueError, "mode='min'"),
    (
        call(F.embedding_bag, FLAT, TABLE, OFFSETS, per_sample_weights=np.ones(3), mode="sum"),
        ValueError,
        r"\(3,\).*\(2,\)",
    ),
    (
        call(F.embedding_bag, FLAT, TABLE, OFFSETS, per_sample_weights=np.ones(2), mode="mean"),
        NotImplementedError,
        "mode='mean'",
    ),
    (
        call(F.embedding_bag, FLAT, TABLE, OFFSETS, per_sample_weights=np.ones(2, np.float32), mode="sum"),
        RuntimeError,
        "per_sample_weights.*float32",
    ),
    (call(F.embedding_bag, FLAT, offsets=OFFSETS, mode="max", scale_grad_by_freq=True), ValueError, "mode='max'"),
    (call(F.embedding_bag, np.array([1, 11]), offsets=OFFSETS), RuntimeError, "11.*11 rows"),
    (call(F.embedding_bag, np.array([1.0]), offsets=OFFSETS), RuntimeError, "float64"),
    (call(F.embedding_bag, FLAT, offsets=OFFSETS, padding_idx=11), RuntimeError, "padding_idx=11"),
    (
        (lambda: torchref.nn.Embedding(11, 3, 11), lambda: torch.nn.Embedding(11, 3, 11)),
        AssertionError,
        "Embedding.*padding_idx=11",
    ),
    (
        (
            lambda: torchref.nn.EmbeddingBag(11, 3, padding_idx=-12),
            lambda: torch.nn.EmbeddingBag(11, 3, padding_idx=-12),
        ),
        AssertionError,
        "EmbeddingBag.*padding_idx=-12",
    ),
    (
        (
            lambda: torchref.nn.Embedding(11, 2, _weight=TABLE),
            lambda: torch.nn.Embedding(11, 2, _weight=torch.from_numpy(TABLE)),
        ),
        AssertionError,
        r"_weight.*\(11, 3\).*\(11, 2\)",
    ),
    (
        (
            lambda: torchref.nn.Embedding.from_pretrained(TABLE[0]),
            lambda: torch.nn.Embedding.from_pretrained(torch.from_numpy(TABLE[0])),
        ),
        AssertionError,
        r"2-dimensional.*\(3,\)",
    ),
    (
        (
            lambda: torchref.nn.Embedding(11, 3, max_norm=1.0)(np.array([11])),
            lambda: torch.nn.Embedding(11, 3, max_norm=1.0)(torch.tensor([11])),
        ),
        IndexError,
        "11.*11 rows",
    ),
]


@pytest.mark.parametrize(("calls", "error", "message"), ERRORS)
def test_errors(calls, error, message):
    """Catches a wrong argument that is computed with (a negative index!), or refused with another exception."""
    ours, theirs = calls
    with pytest.raises(error):
        theirs()
    with pytest.raises(error, match=message):
        ours()


def test_last_offset_must_be_the_length():
    """Catches entries after the last offset: torch sums up to it and averages past it, so we refuse."""
    with pytest.raises(RuntimeError, match=r"offsets \[0 1\].*2"):
        F.embedding_bag(FLAT, TABLE, offsets=np.array([0, 1]), include_last_offset=True)
    with pytest.raises(RuntimeError, match=r"offsets \[0 2 1\] must rise"):
        F.embedding_bag(FLAT, TABLE, offsets=np.array([0, 2, 1]))
