"""Dropout: equal bits, and draws exactly where torch draws."""

import numpy as np
import pytest
import torch

import torchref
from torchref.nn.random import Tape, set_rng
from torchref.twin.draws import record_draws


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_equal_torch(p, dtype):
    """Catches x * mask / (1 - p) in place of x * (mask / (1 - p)): the same but for the last bit."""
    x = np.random.default_rng(0).standard_normal((101, 7)).astype(dtype)
    theirs, ours = torch.nn.Dropout(p), torchref.nn.Dropout(p)
    tx = torch.from_numpy(x.copy()).requires_grad_()
    with record_draws() as tape:
        expected = theirs(tx)
    expected.backward(torch.from_numpy(x))
    set_rng(ours, Tape(tape.draws))
    y, backward = ours(x)
    np.testing.assert_array_equal(y, expected.detach().numpy())
    np.testing.assert_array_equal(backward(x), tx.grad.numpy())
