"""Attention by blocks of queries is attention: the same outputs and gradients, whatever the blocks, in less memory."""

import tracemalloc

import numpy as np
import pytest
import torch

import torchref
from torchref.nn import attention, attention_in_blocks
from torchref.nn.functional import scaled_dot_product_attention

SEED = 0


@pytest.fixture(params=[1, 3, 1000], ids=lambda rows: f"{rows} queries a block")
def rows(request, monkeypatch):
    """Every attention in blocks of so many queries, however small it is."""
    monkeypatch.setattr(attention, "LARGE_BYTES", -1)
    monkeypatch.setattr(attention_in_blocks, "SCORE_BYTES", request.param * 7 * 8)  # of 7 keys in float64
    return request.param


def against_torch(query, key, value, attn_mask=None, **options):
    """Output and gradients beside torch's, in float64."""
    leaves = [torch.from_numpy(a.copy()).requires_grad_() for a in (query, key, value)]
    mask = None if attn_mask is None else torch.from_numpy(attn_mask.copy())
    expected = torch.nn.functional.scaled_dot_product_attention(*leaves, mask, **options)
    dy = np.random.default_rng(SEED + 1).normal(size=expected.shape)
    expected.backward(torch.from_numpy(dy))
    y, backward = scaled_dot_product_attention(query, key, value, attn_mask, **options)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=0, atol=1e-12)
    *gradients, dmask = backward(dy)
    assert dmask is None
    for name, gradient, tensor in zip(("query", "key", "value"), gradients, leaves, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=0, atol=1e-12, err_msg=f"{name}, seed {SEED}")


def arrays(*shapes):
    rng = np.random.default_rng(SEED)
    return [rng.normal(size=shape) for shape in shapes]


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lengths", [(7, 7), (5, 7), (9, 7), (1, 7), (0, 7)])
def test_every_length(lengths, causal):
    """Catches a last block that is shorter, keys that a causal block must not see or leaves out, no query at all."""
    L, S = lengths
    against_torch(*arrays((2, 3, L, 4), (2, 3, S, 4), (2, 3, S, 5)), is_causal=causal)


@pytest.mark.usefixtures("rows")
def test_masks_batches_and_groups():
    """Catches a mask that is read in the wrong batch, a row without keys, a batch that is broadcast, shared heads."""
    query, key, value = arrays((2, 4, 6, 3), (2, 4, 7, 3), (2, 4, 7, 3))
    mask = np.random.default_rng(SEED).random((2, 1, 6, 7)) < 0.6
    mask[0, 0, 2] = False
    against_torch(query, key, value, mask)
    against_torch(query, key[:, :2], value[:, :2], enable_gqa=True)
    against_torch(query.swapaxes(1, 2).copy().swapaxes(1, 2), key[::-1], value, mask[:, :, ::-1])
    y, backward = scaled_dot_product_attention(query, key[:1], value[:, :1], scale=0.3)
    monolith, monolith_backward = attention.attend(
        query, key[:1], value[:, :1], None, scale=0.3, dropout_p=0.0, rng=None
    )
    np.testing.assert_allclose(y, monolith[0], rtol=0, atol=1e-12)
    for ours, theirs in zip(backward(y)[:3], monolith_backward(y)[:3], strict=True):
        over = tuple(i for i, (a, b) in enumerate(zip(ours.shape, theirs.shape, strict=True)) if a != b)
        np.testing.assert_allclose(ours, theirs.sum(axis=over, keepdims=True), rtol=0, atol=1e-11)


@pytest.mark.usefixtures("rows")
def test_multihead_attention_without_weights():
    """Catches a module that takes another path where nobody asks for its weights."""
    torch.manual_seed(SEED)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    ours = torchref.nn.MultiheadAttention(8, 2, batch_first=True, dtype=np.float64)
    ours.load_state_dict({name: value.numpy().copy() for name, value in theirs.state_dict().items()})
    (x,) = arrays((3, 7, 8))
    hidden = np.zeros((3, 7), bool)
    hidden[1, 4:] = True
    tensor = torch.from_numpy(x.copy()).requires_grad_()
    expected, _ = theirs(tensor, tensor, tensor, key_padding_mask=torch.from_numpy(hidden), need_weights=False)
    expected.backward(torch.from_numpy(x))
    (y, weights), backward = ours(x, x, x, key_padding_mask=hidden, need_weights=False)
    assert weights is None
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=0, atol=1e-13)
    dx = sum(gradient for gradient in backward((x, None)) if gradient is not None and gradient.shape == x.shape)
    np.testing.assert_allclose(dx, tensor.grad.numpy(), rtol=0, atol=1e-13)
    for name, parameter in theirs.named_parameters():
        ours_grad = dict(ours.named_parameters())[name].grad
        np.testing.assert_allclose(ours_grad, parameter.grad.numpy(), rtol=0, atol=1e-12, err_msg=name)


def test_the_matrix_of_all_pairs_is_never_there():
    """Catches an array of L x S in forward or backward, and a large attention that is not done in blocks."""
    query, key, value = (a.astype(np.float32) for a in arrays((2, 2048, 4), (2, 2048, 4), (2, 2048, 4)))
    tracemalloc.start()
    try:
        y, backward = scaled_dot_product_attention(query, key, value)
        backward(y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 2048 * 2048 * 4 / 4, f"{peak} bytes"
