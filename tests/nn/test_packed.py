"""Packed and padded sequences against torch, and back again."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchref.nn.utils import rnn

LENGTHS = st.lists(st.integers(1, 5), min_size=1, max_size=5)
FEATURES = st.sampled_from([(), (3,), (2, 3)])


def leaf(array):
    return torch.from_numpy(array.copy()).requires_grad_()


def same(packed, theirs):
    """Whether every field of a PackedSequence is equal to torch's."""
    for ours_field, theirs_field in zip(packed, theirs, strict=True):
        if theirs_field is None:
            assert ours_field is None
        else:
            np.testing.assert_array_equal(ours_field, theirs_field.detach().numpy())
            assert str(ours_field.dtype) == str(theirs_field.dtype).removeprefix("torch.")


@given(LENGTHS, FEATURES, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2))
def test_pack_and_pad(lengths, features, batch_first, enforce_sorted, as_array, longer):
    """Catches a permutation the wrong way round, a gradient in the padding, an ignored batch_first or total_length."""
    if enforce_sorted:
        lengths = sorted(lengths, reverse=True)
    rng = np.random.default_rng(sum(lengths))
    x = rng.standard_normal((max(lengths) + 1, len(lengths), *features))
    x = np.ascontiguousarray(x.swapaxes(0, 1)) if batch_first else x
    x_torch = leaf(x)
    given_lengths = np.array(lengths) if as_array else lengths
    packed, pack_backward = rnn.pack_padded_sequence(x, given_lengths, batch_first, enforce_sorted)
    packed_torch = torch.nn.utils.rnn.pack_padded_sequence(x_torch, torch.tensor(lengths), batch_first, enforce_sorted)
    same(packed, packed_torch)

    total = max(lengths) + longer
    (y, back), pad_backward = rnn.pad_packed_sequence(packed, batch_first, 7.0, total)
    y_torch, back_torch = torch.nn.utils.rnn.pad_packed_sequence(packed_torch, batch_first, 7.0, total)
    np.testing.assert_array_equal(y, y_torch.detach().numpy())
    np.testing.assert_array_equal(back, back_torch.numpy())
    dy = rng.standard_normal(y.shape)
    y_torch.backward(torch.from_numpy(dy))
    ddata = pad_backward((dy, None))
    np.testing.assert_array_equal(pack_backward(ddata), x_torch.grad.numpy())
    np.testing.assert_array_equal(pack_backward(packed._replace(data=ddata)), x_torch.grad.numpy())
    assert not np.any(pad_backward((None, None)))


@given(LENGTHS, FEATURES, st.booleans(), st.sampled_from(["left", "right"]))
def test_pad_sequence(lengths, features, batch_first, padding_side):
    """Catches padding on the wrong side, and a gradient that is longer than its sequence."""
    rng = np.random.default_rng(len(lengths))
    sequences = [rng.standard_normal((n, *features)) for n in lengths]
    leaves = [leaf(sequence) for sequence in sequences]
    y, backward = rnn.pad_sequence(sequences, batch_first, 7.0, padding_side)
    y_torch = torch.nn.utils.rnn.pad_sequence(leaves, batch_first, 7.0, padding_side)
    np.testing.assert_array_equal(y, y_torch.detach().numpy())
    dy = rng.standard_normal(y.shape)
    y_torch.backward(torch.from_numpy(dy))
    for dsequence, sequence_leaf in zip(backward(dy), leaves, strict=True):
        np.testing.assert_array_equal(dsequence, sequence_leaf.grad.numpy())


@given(LENGTHS, FEATURES)
def test_pack_sequence_and_unpack_sequence(lengths, features):
    """Catches sequences that come back in another order or length, and gradients given to another sequence."""
    rng = np.random.default_rng(len(lengths))
    sequences = [rng.standard_normal((n, *features)) for n in lengths]
    packed, pack_backward = rnn.pack_sequence(sequences, enforce_sorted=False)
    same(packed, torch.nn.utils.rnn.pack_sequence([torch.from_numpy(s) for s in sequences], enforce_sorted=False))
    unpacked, unpack_backward = rnn.unpack_sequence(packed)
    assert all(np.array_equal(a, b) for a, b in zip(unpacked, sequences, strict=True))
    # There and back is the identity, so the gradients come back as they are; a None counts as zero.
    dsequences = [rng.standard_normal(s.shape) for s in sequences]
    returned = pack_backward(unpack_backward([None, *dsequences[1:]]))
    assert not np.any(returned[0])
    assert all(np.array_equal(a, b) for a, b in zip(returned[1:], dsequences[1:], strict=True))


@pytest.mark.parametrize("batch_first", [False, True])
def test_unpad_sequence(batch_first):
    """Catches a transposed batch; torch transposes its argument in place here, we leave it alone."""
    x = np.random.default_rng(8).standard_normal((2, 4, 3) if batch_first else (4, 2, 3))
    kept, backward = rnn.unpad_sequence(x, [2, 3], batch_first)
    expected = torch.nn.utils.rnn.unpad_sequence(torch.from_numpy(x.copy()), torch.tensor([2, 3]), batch_first)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(kept, expected, strict=True))
    dx = backward([np.ones((2, 3)), np.ones((3, 3))])
    assert dx.shape == x.shape
    assert dx.sum() == 15


def test_invert_permutation():
    """Catches the permutation itself instead of its inverse."""
    assert rnn.invert_permutation(np.array([2, 0, 1])).tolist() == [1, 2, 0]
    assert rnn.invert_permutation(None) is None


def z(*shape):
    return np.zeros(shape)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda r, z: r.pack_padded_sequence(z(4, 2, 3), [2, 3]), r"enforce_sorted.*\[2, 3\]"),
        (lambda r, z: r.pack_padded_sequence(z(4, 2, 3), [3, 0]), r"lengths.*\[3, 0\]"),
        (lambda r, z: r.pack_padded_sequence(z(4, 2, 3), [3]), r"lengths.*\(1,\)"),
        (lambda r, z: r.pack_padded_sequence(z(0, 2, 3), [1, 1]), r"empty.*\(0, 2, 3\)"),
        (lambda r, z: r.pack_padded_sequence(z(4), [3]), r"input.*\(4,\)"),
        (lambda r, z: r.pad_sequence([]), "empty list"),
        (lambda r, z: r.pad_sequence([z(2, 3), z(3, 4)]), r"\(3, 4\)"),
        (lambda r, z: r.pad_sequence([z(2, 3)], padding_side="up"), "padding_side.*up"),
        (lambda r, z: r.pad_sequence(3), "3"),
        (lambda r, z: r.pack_sequence([z(2, 3), z(3, 3)]), r"enforce_sorted.*\[2, 3\]"),
    ],
)
def test_errors(call, named):
    """Catches an argument that torch refuses and we take, and another exception type."""
    with pytest.raises(Exception) as theirs:
        call(torch.nn.utils.rnn, lambda *shape: torch.zeros(shape))
    with pytest.raises(type(theirs.value), match=named):
        call(rnn, z)


def test_total_length_below_the_longest_is_refused():
    """Catches a sequence that is cut off in silence."""
    with pytest.raises(ValueError, match="total_length"):
        torch.nn.utils.rnn.pad_packed_sequence(torch.nn.utils.rnn.pack_sequence([torch.zeros(3)]), total_length=2)
    packed, _ = rnn.pack_sequence([z(3)])
    with pytest.raises(ValueError, match=r"longest sequence, 3.*total_length=2"):
        rnn.pad_packed_sequence(packed, total_length=2)


def test_lengths_beyond_the_array_are_refused():
    """Catches what torch does: it reads behind the array's end."""
    with pytest.raises(RuntimeError, match=r"lengths.*from 1 to 4.*\[5, 3\]"):
        rnn.pack_padded_sequence(z(4, 2, 3), [5, 3])
