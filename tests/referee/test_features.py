"""What makes a run more than a chain: views, writes in place, shared weights, cuts, draws, control flow."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.referee.runs import assert_equal, scalar
from torchref.referee import judge


@pytest.fixture
def x():
    torch.manual_seed(1)
    return torch.randn(2, 6, 8, dtype=torch.float64)


@pytest.fixture
def linear():
    torch.manual_seed(2)
    return nn.Linear(8, 8).double()


def write_rows(h):
    y = torch.zeros_like(h)
    for i in range(h.shape[1]):
        y[:, i] = h[:, i] * (i + 1)
    return y


def write_overlapping(h):
    y = h.clone()
    y[0, 1:3] += h[1, 2:4]
    y[:, 0].mul_(2)
    y.view(12, 8)[3].sin_()
    return y


def write_by_mask(h):
    y = h * 1
    y[h > 0] = 1.0
    y.masked_fill_(h < -1, 0.5)
    return y


def add_to_itself(h):
    y = h + 0
    y += y
    y.transpose(0, 1)[1].copy_(h[:, 2])
    return y * y


def expanded(h):
    return h[:, :1].expand(2, 5, 8) * h[:, 1:]


def overlapping_windows(h):
    return h.unfold(1, 3, 1).pow(2)


def strided(h):
    return h.as_strided((3, 4), (2, 1)).exp()


def detached(h):
    return (h - h.detach() * 0.5) ** 2


def without_grad(h):
    with torch.no_grad():
        w = h * 2
    return h * w


def under_data(h):
    return h * h.data


def branches(h):
    y = h
    while y.detach().norm() > 1:
        y = y * 0.5 if y.sum() > 0 else y / 3
    return y


def split(h):
    a, b = h.chunk(2, -1)
    q, k = torch.split(h, [3, 5], dim=-1)
    return torch.cat([a * b, q.sigmoid(), k.tanh()], -1)


def dropped(h):
    return F.dropout(F.dropout2d(h[None], 0.4)[0], 0.3)


def rolled(h):
    return torch.roll(h, 1, 1).flip(0).tril() + h.repeat(1, 1, 1)


def einsum(h):
    return torch.einsum("bij,bkj->bik", h, h)


class Cube(torch.autograd.Function):
    """In the style that torch.func asks for."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * 3 * x * x


class WrongCube(Cube):
    @staticmethod
    def backward(ctx, dy):
        return Cube.backward(ctx, dy) * 1.01


def custom_function(h):
    return Cube.apply(h)


def vectorized_custom_function(h):
    return torch.func.vmap(Cube.apply)(h)


def vectorized_gradient(h):
    return torch.func.vmap(torch.func.grad(lambda z: Cube.apply(z).sum()))(h)


def vectorized(h):
    return torch.func.vmap(lambda row: row.sin() * row.sum())(h)


def jacobian(h):
    return torch.func.jacrev(Cube.apply)(h[0, 0])


def rectified_at_random(h):
    return F.rrelu(F.rrelu(h, training=True), 0.2, 0.4, training=True)


def functional_gradient(h):
    return torch.func.grad(lambda z: z.sin().sum())(h)


FEATURES = [
    write_rows, write_overlapping, write_by_mask, add_to_itself, expanded, overlapping_windows, strided, detached,
    without_grad, under_data, branches, split, dropped, rolled, einsum, functional_gradient,
    custom_function, vectorized_custom_function, vectorized, rectified_at_random,
]  # fmt: skip


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.__name__)
def test_a_feature_is_followed(feature, linear, x):
    """Catches a gradient that goes astray at a view, a write in place, a cut, or a branch."""
    assert_equal(linear, lambda: scalar(feature(linear(x))))


@pytest.mark.parametrize("feature", [vectorized_gradient, jacobian])
def test_a_function_inside_a_gradient_of_the_run_is_followed(feature, linear, x):
    """Catches a gradient of a gradient that goes astray; the inner one is a custom Function's, and is not judged."""
    report = judge(linear, lambda: scalar(feature(linear(x))))
    assert [j.name for j in report.not_judged] == ["Cube"], report.text()
    assert not report.parted, report.text()


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8])
def test_memory_that_is_written_in_another_dtype(linear, x, dtype):
    """Catches bytes that are entered as numbers, far beyond the array's end."""

    def closure():
        h = linear(x) * 1
        with torch.no_grad():
            h.view(dtype).bitwise_or_(1)  # in the last bit of each number, or of each byte
        return scalar(h.sin())

    assert_equal(linear, closure)


@pytest.mark.parametrize("call", [lambda: WrongCube.apply, lambda: torch.func.vmap(WrongCube.apply)])
def test_a_custom_function_of_torch_func_is_judged(call, linear, x):
    """Catches a Function whose frame functorch hides, and that would pass unseen."""
    report = judge(linear, lambda: scalar(call()(linear(x))))
    assert report.first.op == "WrongCube", report.text()
    assert report.first.coefficient == pytest.approx(1.01)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_a_derivative_pushed_forward(linear, x):
    """Catches the tangents of forward mode, which are no tensors of the run's own, taken for constants."""

    def tangent(h):
        return torch.func.jvp(torch.sin, (h,), (torch.ones_like(h),))[1]

    assert_equal(linear, lambda: scalar(tangent(linear(x))))


def test_weights_as_arguments(linear, x):
    """Catches a gradient with respect to weights that are arguments, whose square is the loss."""

    def loss(weights):
        return torch.func.functional_call(linear, weights, (x,)).pow(3).sum()

    gradients = torch.func.grad(loss)
    assert_equal(linear, lambda: scalar(*gradients(dict(linear.named_parameters())).values()))


def test_tied_weights():
    """Catches a second use of a parameter whose gradient is lost."""
    torch.manual_seed(3)
    embedding = nn.Embedding(11, 8).double()
    ids = torch.randint(0, 11, (2, 5))
    report = assert_equal(embedding, lambda: F.cross_entropy((embedding(ids) @ embedding.weight.T)[0], ids[0]))
    assert report.counts("parameter") == (1, 0, 0)


@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpointing(linear, x, reentrant):
    """Catches a run that is recorded twice, or a Function of torch's own that is taken for an end."""
    given = x.clone().requires_grad_()
    assert_equal(linear, lambda: scalar(checkpoint(lambda z: linear(linear(z).tanh()), given, use_reentrant=reentrant)))


@pytest.mark.parametrize(
    "activation", [torch.tanh, torch.sigmoid, F.silu, F.gelu, F.softplus, F.elu, F.leaky_relu, F.relu, F.hardtanh]
)
def test_double_backward(linear, x, activation):
    """Catches a second derivative: a gradient penalty runs torch's backward operations forward."""
    given = x.clone().requires_grad_()

    def penalty():
        y = activation(linear(given)).sum()
        (gradient,) = torch.autograd.grad(y, given, create_graph=True)
        return gradient.pow(2).sum() + y

    assert_equal(linear, penalty)


def test_double_backward_of_a_network():
    """Catches the second derivatives of convolutions, softmax and losses."""
    torch.manual_seed(4)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 4)).double()
    x = torch.randn(2, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([1, 3])

    def penalty():
        loss = F.cross_entropy(model(x), target) + F.mse_loss(model(x).softmax(-1), torch.ones(2, 4).double())
        (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
        return loss + gradient.pow(2).sum()

    assert_equal(model, penalty)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_recurrent(kind, dtype, x):
    """Catches a recurrence, fused (LSTM in float32) or written in place into parts of its gates."""
    torch.manual_seed(5)
    model = kind(8, 5, num_layers=2, bidirectional=True, batch_first=True).to(dtype)
    assert_equal(model, lambda: scalar(model(x.to(dtype))[0]))


def test_packed_sequences(x):
    """Catches the packed form, whose batches shrink on the way."""
    torch.manual_seed(5)
    model = nn.LSTM(8, 5, batch_first=True).double()
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([6, 4]), batch_first=True)
    assert_equal(model, lambda: scalar(model(packed)[0].data))


@pytest.mark.parametrize(
    "norm", [torch.nn.utils.parametrizations.weight_norm, torch.nn.utils.parametrizations.spectral_norm]
)
def test_parametrizations(norm, linear, x):
    """Catches a weight that is computed anew in each forward."""
    model = norm(linear)
    assert_equal(model, lambda: scalar(model(x)))


@pytest.fixture
def normalized():
    """Batch norm in the given modes, one run after the other, as a closure."""
    torch.manual_seed(7)
    model = nn.BatchNorm1d(3).double()
    x = torch.randn(9, 3, dtype=torch.float64) * 3 + 2
    return model, lambda *modes: lambda: sum(scalar(model.train(mode)(x) ** 2) for mode in modes)


def test_statistics_are_read_as_they_were(normalized):
    """Catches running statistics that are read after they were put back."""
    model, closure = normalized
    assert_equal(model, closure(True, False))


def test_statistics_that_torch_itself_reads_too_late_are_found(normalized):
    """Catches an agreement in error: torch's batch norm overwrites in training what an earlier one in evaluation saved
    for its backward, and no version counter sees it. The gradient of the weight is silently wrong."""
    model, closure = normalized
    report = judge(model, closure(False, True))
    assert report.first is not None, report.text()
    assert (report.first.op, report.first.name) == ("native_batch_norm", "weight")


def test_the_model_is_left_as_it_was(x):
    """Catches gradients, buffers or random draws that the judgement changed."""
    torch.manual_seed(6)
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(8, 3)).double()
    model[2].weight.grad = torch.ones(3, 8).double()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    generator = torch.random.get_rng_state()
    assert_equal(model, lambda: scalar(model(x)))
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(model[2].weight.grad, torch.ones(3, 8).double())
    assert model[2].bias.grad is None
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
