"""What a backward promises and no case asks of it. Mutants that only these tests notice are listed as theirs."""

import numpy as np

from torchref.nn import functional as F
from torchref.nn.attention import attend
from torchref.nn.packed import PackedSequence, pad_packed_sequence
from torchref.nn.recurrent import rnn_tanh


def drawn(*shapes):
    rng = np.random.default_rng(5)
    return [rng.standard_normal(shape) for shape in shapes]


def test_a_gradient_that_nobody_asks_for_is_not_computed():
    """Catches the product of a first layer that costs as much as its weight's gradient and is thrown away."""
    for function, shapes in (
        (F.linear, ((7, 5), (3, 5), (3,))),
        (F.conv1d, ((2, 5, 7), (3, 5, 2), (3,))),
        (F.conv_transpose1d, ((2, 5, 7), (5, 3, 2), (3,))),
    ):
        arrays = drawn(*shapes)
        for needs in (True, False):
            y, backward = function(*arrays, needs_input_grad=needs)
            assert (backward(np.ones_like(y))[0] is not None) is needs
    weights = drawn((2, 5), (2, 2), (2,), (2,))
    for needs in (True, False):
        (y, last), backward = rnn_tanh(*drawn((7, 3, 5), (1, 3, 2)), *weights, needs_input_grad=needs)
        assert (backward((np.ones_like(y), np.ones_like(last)))[0] is not None) is needs


def test_attention_without_a_gradient_of_its_output():
    """Catches an absent gradient that is taken for anything but zeros: the weights alone have one here."""
    query, key, value, dp = drawn((2, 5, 3), (2, 7, 3), (2, 7, 11), (2, 5, 7))
    (y, _), backward = attend(query, key, value, None, scale=0.3, dropout_p=0.0, rng=None)
    for absent, zeros in zip(backward(None, dp), backward(np.zeros_like(y), dp), strict=True):
        np.testing.assert_array_equal(absent, zeros)


def test_padding_without_a_gradient():
    """Catches an absent gradient of the padded array that is not zeros of the data's shape and dtype."""
    data, sizes = np.ones((5, 3), np.float32), np.array([2, 2, 1])
    for batch_first in (True, False):
        _, backward = pad_packed_sequence(PackedSequence(data, sizes), batch_first)
        zeros = backward((None, None))
        assert zeros.shape == data.shape
        assert zeros.dtype == data.dtype
        assert not zeros.any()
