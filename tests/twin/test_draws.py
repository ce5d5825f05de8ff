"""Recording leaves torch as it is, and a replayed tape drops the same units."""

import numpy as np
import pytest
import torch

import torchref
from torchref.nn.random import Tape, set_rng
from torchref.twin.draws import drawing, record_draws
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


def attention(need_weights, dropout=0.0):
    """Self-attention of both engines: modules of one input, of (5, 2, 6)."""

    class Numpy(torchref.nn.Module):
        def __init__(self):
            self.attention = torchref.nn.MultiheadAttention(6, 2, dropout)

        def forward(self, x):
            (y, _), _ = self.attention(x, x, x, need_weights=need_weights)
            return y, None

    class Torch(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = torch.nn.MultiheadAttention(6, 2, dropout)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=need_weights)[0]

    return Numpy(), Torch()


def dot_product(dropout):
    """Scaled dot products of both engines, which are functions."""

    class Numpy(torchref.nn.Module):
        def __init__(self):
            self.rng = None

        def forward(self, x):
            attend = torchref.nn.functional.scaled_dot_product_attention
            return attend(x, x, x, dropout_p=dropout if self.training else 0.0, rng=self.rng)[0], None

    class Torch(torch.nn.Module):
        def forward(self, x):
            attend = torch.nn.functional.scaled_dot_product_attention
            return attend(x, x, x, dropout_p=dropout if self.training else 0.0)

    return Numpy(), Torch()


def pair(name, *arguments, **options):
    return getattr(torchref.nn, name)(*arguments, **options), getattr(torch.nn, name)(*arguments, **options)


REPLAYED = {
    "scaled_dot_product_attention": (lambda p: dot_product(p), (5, 2, 6)),
    "MultiheadAttention": (lambda p: attention(True, p), (5, 2, 6)),
    "MultiheadAttention, need_weights=False": (lambda p: attention(False, p), (5, 2, 6)),
    "TransformerEncoderLayer": (lambda p: pair("TransformerEncoderLayer", 6, 2, 11, dropout=p), (5, 2, 6)),
    "LSTM": (lambda p: pair("LSTM", 6, 3, 3, dropout=p), (5, 2, 6)),
    "GRU": (lambda p: pair("GRU", 6, 3, 3, dropout=p), (5, 2, 6)),
    "Dropout": (lambda p: pair("Dropout", p), (5, 2, 6)),
    "Dropout2d": (lambda p: pair("Dropout2d", p), (5, 2, 6, 3)),
    "AlphaDropout": (lambda p: pair("AlphaDropout", p), (5, 2, 6)),
    "FeatureAlphaDropout": (lambda p: pair("FeatureAlphaDropout", p), (5, 2, 6)),
    "RReLU": (lambda p: pair("RReLU"), (5, 2, 6)),
    "FractionalMaxPool2d": (lambda p: pair("FractionalMaxPool2d", 2, output_size=3), (2, 3, 7, 7)),
    "Linear": (lambda p: pair("Linear", 6, 3), (5, 2, 6)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize("name", REPLAYED)
def test_only_draws_are_on_the_tape_and_all_are_replayed(name, p, training):
    """Catches a result of attention that is taken for a draw: the replay takes it for a mask, or leaves it over."""
    make, shape = REPLAYED[name]
    torch.manual_seed(0)
    ours, theirs = make(p)
    ours.to(np.float64).train(training)
    theirs.double().train(training)
    copy_from_torch(ours, theirs)
    x = np.random.default_rng(2).standard_normal(shape)
    before = torch.get_rng_state()
    with record_draws() as tape:
        expected = theirs(torch.from_numpy(x))
    assert bool(tape.draws) != torch.equal(before, torch.get_rng_state())
    set_rng(ours, tape)
    output, _ = ours(x)
    output, expected = (y[0] if isinstance(y, tuple) else y for y in (output, expected))
    np.testing.assert_allclose(output, expected.detach().numpy(), rtol=0, atol=1e-14)
    assert tape.position == len(tape.draws)


@pytest.mark.parametrize(
    ("draw", "shape"),
    [
        (lambda: torch.rand(3), (3,)),
        (lambda: torch.randn_like(torch.zeros(2, 3)), (2, 3)),
        (lambda: torch.normal(torch.zeros(3), torch.ones(3)), (3,)),
        (lambda: torch.poisson(torch.ones(3)), (3,)),
        (lambda: torch.binomial(torch.ones(3), torch.full((3,), 0.5)), (3,)),
        (lambda: torch.distributions.Dirichlet(torch.ones(3)).sample(), (3,)),
        (lambda: torch.randperm(5), (5,)),
        (lambda: torch.multinomial(torch.ones(5), 2), (2,)),
    ],
)
def test_draws_of_every_kind_are_on_the_tape(draw, shape):
    """Catches a draw that torch does not tag as one (binomial, Dirichlet), and a copy that a twin may write over."""
    with record_draws() as tape:
        drawn = draw()
    assert [each.shape for each in tape.draws] == [shape]
    np.testing.assert_array_equal(tape.draws[0], drawn.numpy())
    assert not tape.draws[0].flags.writeable


def test_a_kernel_that_hides_its_draws_is_refused():
    """Catches a tape without the draws that were made (on CUDA; here the kernel's schema is called with a stand-in)."""
    q = torch.zeros(1, 1, 2, 2)
    kernel = torch.ops.aten._scaled_dot_product_flash_attention.default
    assert drawing(kernel, (q, q, q, 0.3), {}) == "hidden"
    assert drawing(kernel, (q, q, q), {"dropout_p": 0.3}) == "hidden"
    assert drawing(kernel, (q, q, q), {}) == ""
    assert drawing(torch.ops.aten.bernoulli_.float, (q, 0.3), {}) == "shown"

    @torch.library.custom_op("draws_test::kernel", mutates_args=(), tags=[torch.Tag.nondeterministic_seeded])
    def fused(x: torch.Tensor, dropout_p: float) -> torch.Tensor:
        return x * 2

    with record_draws() as tape:
        fused(q, 0.0)
    assert not tape.draws
    with record_draws(), pytest.raises(RuntimeError, match="draws_test::kernel hides its draws"):
        fused(q, 0.3)


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
