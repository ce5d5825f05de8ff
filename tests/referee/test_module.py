"""A torch module as one of torchref's: output, gradients and buffers are torch's, and the conventions are kept."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.referee import gallery
from torchref.check.tolerance.rounding import noisy, rounding_noise
from torchref.nn.random import set_rng
from torchref.referee import Replay
from torchref.referee.errors import RefereeError
from torchref.twin.draws import record_draws

IDS = gallery.IDS.numpy()
IMAGE = gallery.image().double().numpy()


class Branching(nn.Module):
    """A residual block with a view, a write in place, a tied weight and a branch on the data."""

    def __init__(self):
        super().__init__()
        self.norm, self.linear, self.again = nn.BatchNorm1d(6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.again.weight = self.linear.weight
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        y = self.norm(x)
        y[:, 2:4] *= 2
        h = y.view(-1, 2, 3).transpose(1, 2).reshape(-1, 6)
        layer = self.linear if h.sum() > 0 else self.again
        return F.dropout(x + layer(h).tanh(), 0.4, self.training), self.again(h)


def tokens(model):
    return model.double(), IDS


def pair(make):
    torch.manual_seed(0)
    return make()


CASES = {
    "branching": lambda: (Branching().double(), np.random.default_rng(0).normal(size=(5, 6))),
    "resnet": lambda: (gallery.resnet()[0].double(), IMAGE),
    "densenet": lambda: (gallery.densenet()[0].double(), IMAGE),
    "convnext": lambda: (gallery.convnext()[0].double(), IMAGE),
    "gpt": lambda: tokens(gallery.ARCHITECTURES["gpt"]()[0]),
    "llama": lambda: tokens(gallery.ARCHITECTURES["llama"]()[0]),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_a_replay_is_torch(name, training):
    """Catches an output, a gradient of input or parameter, a buffer or a name that is not torch's."""
    model, x = pair(CASES[name])
    model.train(training)
    replay = Replay(model)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    given = torch.from_numpy(x.copy())
    given.requires_grad_(given.is_floating_point())
    with record_draws() as tape:
        y = model(given)
    if tape.draws:
        set_rng(replay, tape)
    assert {key: v.shape for key, v in replay.state_dict().items()} == {k: tuple(v.shape) for k, v in state.items()}
    after = {key: value.numpy().copy() for key, value in model.state_dict().items()}
    frozen = x.copy()
    frozen.flags.writeable = False
    ours, backward = replay(frozen)
    outputs, theirs = (ours, y) if isinstance(y, tuple) else ((ours,), (y,))
    dys = [np.cos(np.arange(a.size)).reshape(a.shape) for a in outputs]
    for a, b in zip(outputs, theirs, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-10, atol=1e-12)
    torch.autograd.backward(theirs, [torch.from_numpy(d) for d in dys])
    for _ in range(2):  # a backward may be called twice
        replay.zero_grad()
        dx = backward(tuple(dys) if isinstance(y, tuple) else dys[0])
    if given.requires_grad:
        np.testing.assert_allclose(dx, given.grad.numpy(), rtol=1e-9, atol=1e-11)
    parameters = dict(replay.named_parameters())
    assert list(parameters) == [key for key, _ in model.named_parameters()]
    for key, parameter in model.named_parameters():
        if parameter.grad is None:
            assert parameters[key].grad is None, key
        else:
            np.testing.assert_allclose(parameters[key].grad, parameter.grad.numpy(), rtol=1e-9, atol=1e-11, err_msg=key)
    for key, value in replay.state_dict().items():
        np.testing.assert_allclose(value, after[key], rtol=1e-12, atol=1e-14, err_msg=key)


def test_a_replay_computes_with_its_own_weights():
    """Catches torch's values where the replay's are wanted: rounding at random must move every output and gradient."""
    model, x = pair(CASES["resnet"])
    replay = Replay(model)
    exact, backward = replay(x)
    backward(np.ones_like(exact))
    gradients = {name: parameter.grad for name, parameter in replay.named_parameters()}
    for parameter in replay.parameters():
        parameter.grad = None
        parameter.data = noisy(parameter.data)
    with rounding_noise(2.0**-20, 0):
        moved, backward = replay(noisy(x))
        backward(np.ones_like(exact))
    assert 0 < np.abs(np.asarray(moved) - exact).max() < 1e-3
    assert all(np.abs(np.asarray(p.grad) - gradients[name]).max() > 0 for name, p in replay.named_parameters())


def test_draws_are_the_tape_s_and_torch_s_generator_stays():
    """Catches a mask of the replay's own, and a training whose torch twin draws otherwise beside a replay."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 40), nn.Dropout(0.5)).double()
    x = np.random.default_rng(0).normal(size=(3, 4))
    with record_draws() as tape:
        wanted = model(torch.from_numpy(x)).detach().numpy()
    replay = Replay(model)
    set_rng(replay, tape)
    generator = torch.get_rng_state()
    np.testing.assert_allclose(replay(x)[0], wanted, rtol=0, atol=1e-14)
    assert torch.equal(generator, torch.get_rng_state())
    with pytest.raises(RuntimeError, match="all 1 recorded draws are used"):
        replay(x)


def test_float32_and_evaluation():
    """Catches a dtype that is not kept, and a mode that is torch's and not the module's."""
    model, x = pair(CASES["branching"])
    replay = Replay(model).to(np.float32)
    output, backward = replay(x.astype(np.float32))
    assert [part.dtype for part in output] == [np.float32] * 2
    assert backward(output).dtype == np.float32
    assert {parameter.grad.dtype for parameter in replay.parameters() if parameter.grad is not None} == {np.dtype("f4")}
    assert not np.array_equal(replay.predict(x.astype(np.float32))[1], output[1])
    assert replay.training
    assert "Branching" in repr(replay)


@pytest.mark.parametrize(
    ("said", "forward"),
    [
        ("no entry for it", lambda x: torch.linalg.eigvals(x).abs()),
        ("computes in torch.float32", lambda x: x.float() * 2),
        ("a tensor or a tuple of them", lambda x: {"y": x}),
        ("no gradient goes back", lambda x: x.detach()),
    ],
)
def test_what_cannot_be_replayed_is_refused(said, forward):
    """Catches torch's own numbers in place of the replay's."""
    model = nn.Linear(3, 3).double()
    plain = model.forward
    model.forward = lambda x: forward(plain(x))
    with pytest.raises(RefereeError, match=said):
        Replay(model)(np.ones((3, 3)))
