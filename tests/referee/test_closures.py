"""What a closure may do, and what it is told where it may not."""

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.referee.runs import assert_equal
from torchref.referee import judge
from torchref.referee.errors import RefereeError


@pytest.fixture
def x():
    torch.manual_seed(1)
    return torch.randn(5, 4)


@pytest.fixture
def linear():
    torch.manual_seed(2)
    return nn.Linear(4, 3)


def test_a_loss_of_one_entry_may_have_axes(linear, x):
    """Catches a report that can't say a loss of the shape (1, 1), which torch differentiates."""
    report = assert_equal(linear, lambda: linear(x).sum().reshape(1, 1))
    assert report.loss == pytest.approx(linear(x).sum().item())


@pytest.mark.parametrize("foreach", [False, True])
def test_an_optimizer_s_step_inside_is_taken_back(linear, x, foreach):
    """Catches a judgement after which the model is not what it was: the closure's own step has changed it."""
    optimizer = torch.optim.Adam(linear.parameters(), foreach=foreach)

    def closure():
        optimizer.zero_grad()
        linear(x).square().sum().backward()
        optimizer.step()
        return linear(x).square().sum()

    before = [p.detach().clone() for p in linear.parameters()]
    assert_equal(linear, closure)
    assert all(torch.equal(a, b) for a, b in zip(before, linear.parameters(), strict=True))


def test_a_step_before_the_forward(x):
    """Catches a replay of the weights as they were before the step, and an alarm for every gradient."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(x.shape[1], 5), nn.Tanh(), nn.Linear(5, 3)).to(x.dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def closure():
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
        return model(x).square().sum()

    before = [p.detach().clone() for p in model.parameters()]
    assert_equal(model, closure)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_norm_that_is_cut_in_the_forward_is_taken_back():
    """Catches an embedding whose rows the forward rescales in place, and that stays so."""
    torch.manual_seed(0)
    model = nn.Embedding(5, 4, max_norm=1.0)
    before = model.weight.detach().clone()
    assert_equal(model, lambda: model(torch.tensor([1, 1, 3])).pow(3).sum())
    assert torch.equal(before, model.weight)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_scripted_module_is_followed(x):
    """Catches hooks that a ScriptModule does not take: torch's error came instead of a verdict."""
    torch.manual_seed(0)
    model = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    assert_equal(model, lambda: model(x).square().sum())


def in_a_thread(linear, x):
    found = {}
    thread = threading.Thread(target=lambda: found.update(y=linear(x).sum()))
    thread.start()
    thread.join()
    return found["y"] + linear(x).sum()


def after_a_backward(linear, x):
    loss = linear(x).square().sum()
    loss.backward()
    return loss


REFUSED = {
    "thread": (in_a_thread, "or in another thread"),
    "backward": (after_a_backward, "let the closure return the loss without calling backward"),
    "sparse": (lambda m, x: torch.sparse.mm(torch.eye(5).to_sparse(), m(x)).sum(), "the layout sparse_coo"),
    "meta": (lambda m, x: m(x).sum() + torch.ones((), device="meta"), "the device meta has no numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_said_in_one_line(name, linear, x):
    """Catches a traceback, or a line that does not say what to do."""
    closure, said = REFUSED[name]
    with pytest.raises(RefereeError, match=said) as caught:
        judge(linear, lambda: closure(linear, x))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(3))
def test_no_alarm_where_float16_ends(seed):
    """Catches an alarm where gradients are below 2^-14: float16 rounds them by 2^-25, whatever they are."""
    torch.manual_seed(seed)
    model, x, target = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5)), torch.randn(64, 6), torch.zeros(64)
    assert_equal(model, lambda: F.cross_entropy(model(x) * 0.01, target.long()) * 1e-3, engine="autocast-fp16")


@pytest.mark.parametrize("on", ["parameter", "accumulated", "tensor"])
def test_a_hook_is_the_first_suspect(on, linear, x):
    """Catches an innocent operation that is named alone, where a hook of the user's has changed the gradient."""

    def grow(gradient):
        return gradient * 1.5

    def grow_grad(parameter):
        parameter.grad.mul_(1.5)

    if on == "parameter":
        linear.weight.register_hook(grow)
    if on == "accumulated":
        linear.weight.register_post_accumulate_grad_hook(grow_grad)

    def closure():
        y = linear(x)
        if on == "tensor":
            y.register_hook(grow)
        return y.square().sum()

    report = judge(linear, closure)
    assert report.first.coefficient == pytest.approx(1.5, rel=1e-6)
    assert report.first.diagnosis.startswith("a hook on this tensor may have changed it"), report.text()
    assert "test_closures.py" in report.first.diagnosis
