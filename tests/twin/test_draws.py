"""Recording leaves torch as it is, and a replayed tape drops the same units."""

import numpy as np
import pytest
import torch

import torchref
from torchref.nn.random import Tape, set_rng
from torchref.twin.draws import record_draws
from torchref.twin.weights import copy_from_torch, copy_to_torch, to_array


def networks():
    """Stock torch modules that draw, and an input for each."""
    nn = torch.nn
    return {
        "Dropout": (nn.Dropout(0.3), (7, 5)),
        "Dropout2d": (nn.Dropout2d(0.3), (7, 5, 3, 2)),
        "AlphaDropout": (nn.AlphaDropout(0.3), (7, 5)),
        "RReLU": (nn.RReLU(), (7, 5)),
        "FractionalMaxPool2d": (nn.FractionalMaxPool2d(2, output_size=3), (2, 3, 7, 7)),
        "LSTM": (nn.LSTM(5, 3, num_layers=3, dropout=0.3), (7, 2, 5)),
        "TransformerEncoderLayer": (nn.TransformerEncoderLayer(6, 2, 11, dropout=0.3), (5, 2, 6)),
    }


@pytest.mark.parametrize("name", networks())
def test_recording_changes_no_bit_and_misses_no_draw(name):
    """Catches a recorder that draws, copies late (in-place draws are scaled afterwards) or disturbs the backward."""
    module, shape = networks()[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    results, left = [], []
    for recording in (False, True):
        leaf = x.clone().requires_grad_()
        torch.manual_seed(7)
        if recording:
            with record_draws() as tape:
                output = module(leaf)
        else:
            output = module(leaf)
        output = output[0] if isinstance(output, tuple) else output
        output.square().sum().backward()
        results.append((to_array(output), to_array(leaf.grad)))
        left.append(torch.get_rng_state())
    assert torch.equal(*left)
    for plain, recorded in zip(*results, strict=True):
        np.testing.assert_array_equal(plain, recorded)
    assert tape.draws


def test_a_tape_is_replayed_in_order_and_checked():
    draws = [np.array([True, False]), np.array([[1.0], [0.0]])]
    tape = Tape(draws)
    np.testing.assert_array_equal(tape.next((2,)), draws[0])
    with pytest.raises(RuntimeError, match=r"draw 1 has shape \(2, 1\), and one of \(2,\) is wanted"):
        tape.next((2,))
    tape.next((2, 1))
    with pytest.raises(RuntimeError, match=r"all 2 recorded draws are used"):
        tape.next((2,))


def test_dropout_replays_the_mask_that_torch_drew_and_never_its_generator():
    """Catches masks that are drawn anew: units dropped by torch and by NumPy are the same ones."""
    theirs, ours = torch.nn.Dropout(0.3), torchref.nn.Dropout(0.3)
    x = np.random.default_rng(0).standard_normal((31, 17))
    with record_draws() as tape:
        expected = theirs(torch.from_numpy(x)).numpy()
    set_rng(ours, tape)
    np.testing.assert_array_equal(ours(x)[0], expected)
    assert 0.2 < (expected == 0).mean() < 0.4


def test_weights_are_copied_and_never_shared():
    """Catches a twin that moves with torch's step, and so agrees with it whatever it computes."""
    make = lambda nn: nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))  # noqa: E731
    ours, theirs = make(torchref.nn), make(torch.nn)
    copy_from_torch(ours, theirs)
    before = ours.state_dict()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(1)
    for name, value in ours.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    copy_to_torch(ours, theirs)
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
        assert not any(np.shares_memory(value.numpy(), p.data) for p in ours.parameters())


def test_weights_of_another_shape_are_refused():
    with pytest.raises(
        RuntimeError, match=r"size mismatch for weight: state_dict has shape \(4, 5\), the module \(3, 5\)"
    ):
        copy_from_torch(torchref.nn.Linear(5, 3), torch.nn.Linear(5, 4))
