"""Devices: the way there and back, by a stand-in on the processor; what only CUDA runs, from its entries; CUDA itself.

The stand-in goes through the code of a device: the model is copied there, what the closure holds is copied when it is
met, and all is put back.
"""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.referee.runs import assert_equal, scalar
from torchref.cli.command_line import main
from torchref.nn import functional as ours
from torchref.referee import RefereeError, engines, judge
from torchref.referee.entries import find


class Network(nn.Module):
    """Convolution, batch norm, dropout, a constant that is no buffer, and an in-place write."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(48, 3)
        self.shift = torch.linspace(-1, 1, 16).reshape(4, 4)

    def forward(self, x):
        x = self.norm(self.conv(x)).relu_()
        x = F.dropout(x + self.shift + torch.zeros(4, 4), 0.3)
        return self.head(x.flatten(1))


def run(dtype=torch.float32):
    torch.manual_seed(0)
    model = Network().to(dtype)
    model.shift = model.shift.to(dtype)
    x, target = torch.randn(5, 2, 6, 6, dtype=dtype), torch.randint(0, 3, (5,))
    return model, lambda: F.cross_entropy(model(x * 1), target), (x, target, model.shift)


@pytest.fixture
def stand_in(monkeypatch):
    """The engine "cpu": another place by name alone. What the test says is on the host is not there yet."""
    host = set()
    monkeypatch.setitem(engines.DEVICES, "cpu", lambda: True)
    monkeypatch.setattr(engines, "ENGINES", (*engines.ENGINES, "cpu"))
    monkeypatch.setattr(engines.Moving, "elsewhere", lambda self, tensor: id(tensor) in host)
    return host


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_run_on_a_device_is_equal(stand_in, dtype):
    """Catches a false alarm, and a model that is left on the device, or with other buffers or gradients."""
    model, closure, held = run(dtype)
    stand_in.update(map(id, held))
    model.head.weight.grad = torch.ones_like(model.head.weight)
    before = {name: (value.data_ptr(), value.clone()) for name, value in model.state_dict().items()}
    generator = torch.get_rng_state()
    report = assert_equal(model, closure, engine="cpu")
    assert report.draws == 1
    assert {name: value.data_ptr() for name, value in model.state_dict().items()} == {
        n: p for n, (p, _) in before.items()
    }
    assert all(torch.equal(value, before[name][1]) for name, value in model.state_dict().items())
    assert torch.equal(model.head.weight.grad, torch.ones_like(model.head.weight))
    assert model.head.bias.grad is None
    assert torch.equal(torch.get_rng_state(), generator)


def test_what_the_closure_holds_is_copied_once(stand_in):
    """Catches an operation that meets a tensor where it was, a copy for each time, and a write that is lost."""
    torch.manual_seed(0)
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    stand_in.add(id(x))
    seen = []
    model.register_forward_pre_hook(lambda module, given: seen.append(given[0].data_ptr()))
    values = x.clone()

    def closure():
        y = model(x + 0).sum()
        x.mul_(2)
        return y + scalar(model(x * 1)) + x.mean()

    parameter = model.weight.data_ptr()
    model.register_forward_hook(lambda module, given, output: seen.append(module.weight.data_ptr()))
    report = assert_equal(model, closure, engine="cpu")
    assert x.data_ptr() not in seen
    assert parameter not in seen
    assert report.loss == pytest.approx((model(x).sum() + scalar(model(2 * x)) + 2 * x.mean()).item(), rel=1e-5)
    assert torch.equal(x, values)  # the write went into the copy


def test_a_gradient_goes_back_to_a_leaf_elsewhere(stand_in):
    """Catches a leaf of the closure's own that is cut off by its copy."""
    torch.manual_seed(0)
    model, x = nn.Linear(3, 2).double(), torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    stand_in.add(id(x))
    report = assert_equal(model, lambda: scalar(model(x * x)), engine="cpu")
    assert report.counts("input") == (1, 0, 0)


def test_moving_goes_by_the_device():
    """Catches a stand-in that shows nothing: `meta` is a device that is elsewhere."""
    moving = engines.Moving(torch.device("meta"))
    x = torch.ones(2)
    with moving:
        y = x + torch.stack([x, x])
    assert y.device.type == "meta"
    assert len(moving.copies) == 1


@pytest.mark.parametrize("engine", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_in_one_line(engine, monkeypatch, capsys, tmp_path):
    """Catches a traceback of torch's, and a run on the processor instead."""
    monkeypatch.setitem(engines.DEVICES, engine, lambda: False)
    model, closure, _ = run()
    with pytest.raises(RefereeError, match=f"the engine {engine} is not there: torch finds no {engine.upper()} device"):
        judge(model, closure, engine=engine)
    file = tmp_path / "mine.py"
    file.write_text("def make():\n    raise SystemExit('it ran')\n")
    assert main(["referee", f"{file}:make", "--engine", engine]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_float64_is_refused_on_mps(monkeypatch):
    """Catches the many lines that torch says."""
    monkeypatch.setitem(engines.DEVICES, "mps", lambda: True)
    model, closure, _ = run(torch.float64)
    with pytest.raises(RefereeError, match="mps has no float64"):
        judge(model, closure, engine="mps")
    assert {p.device.type for p in model.parameters()} == {"cpu"}


# --- what only CUDA runs ----------------------------------------------------------------------------------------------


def test_a_dropout_that_returns_its_mask():
    """Catches CUDA's dropout read as an output with a gradient, or with another mask than the run drew."""
    torch.manual_seed(0)
    model, x = nn.Linear(4, 6).double(), torch.randn(5, 4).double()
    for p, train in ((0.4, True), (1.0, True), (0.4, False)):
        assert_equal(model, lambda p=p, train=train: scalar(torch.native_dropout(model(x), p, train)[0].sin()))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("_scaled_dot_product_flash_attention", (0.0, True, False)),
        ("_scaled_dot_product_efficient_attention", ("bias", True, 0.0, False)),
        ("_scaled_dot_product_cudnn_attention", (None, True, 0.0, True, False)),
    ],
)
def test_attention_as_cuda_calls_it(name, arguments):
    """Catches an argument in another place than ATen's schema has it."""
    schema = getattr(torch.ops.aten, name).default._schema
    names = [argument.name for argument in schema.arguments][3:]
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, 3, 5, 4)) for _ in range(3))
    bias = rng.normal(size=(2, 3, 5, 5))
    given = dict(zip(names, [bias if a == "bias" else a for a in arguments], strict=False))
    mask = given.get("attn_bias")
    y, backward = find(name)(q, k, v, *given.values(), scale=0.3)
    wanted, wanted_backward = ours.scaled_dot_product_attention(q, k, v, mask, 0.0, given["is_causal"], scale=0.3)
    assert np.array_equal(y[0], wanted)
    dy = rng.normal(size=wanted.shape)
    for found, expected in zip(backward((dy, None, None)), wanted_backward(dy), strict=False):
        assert np.array_equal(found, expected)


def test_what_a_fused_kernel_draws_is_refused():
    """Catches a dropout whose mask nobody can see, that is judged, or refused only after minutes."""

    @torch.library.custom_op("devices_test::attention", mutates_args=(), tags=[torch.Tag.nondeterministic_seeded])
    def attention(x: torch.Tensor, dropout_p: float) -> torch.Tensor:
        return x * 2

    attention.register_autograd(lambda ctx, dy: (dy * 2, None))
    torch.manual_seed(0)
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    with pytest.raises(RefereeError, match=r"draws at random inside a fused kernel.*sdpa_kernel"):
        judge(model, lambda: attention(model(x), 0.1).sum())
    report = judge(model, lambda: attention(model(x), 0.0).sum())
    assert report.draws == 0


# --- CUDA -------------------------------------------------------------------------------------------------------------


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_run_on_cuda_is_equal(dtype):
    """Catches what a stand-in cannot show: other kernels, other names of operations, threads of the backward."""
    model, closure, _ = run(dtype)
    assert_equal(model, closure, engine="cuda")
    assert {p.device.type for p in model.parameters()} == {"cpu"}
