"""Where one of torch's own kernels is wrong, the report names the operation, and which mistake its backward makes."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.referee.runs import Holding, assert_found, scalar
from tests.referee.sabotage import sabotaged
from torchref.referee import formulas, judge
from torchref.referee.assignment import assign_entries
from torchref.referee.formulas import Returned, mistake_of_operation
from torchref.referee.globally import Globally
from torchref.referee.opaque import judge_opaquely
from torchref.referee.report import Report
from torchref.referee.run import run_and_record


def layer_norm(dy, x, shape, mean, rstd, weight, bias, mask):
    x_hat, g = (x - mean) * rstd, dy * weight
    dx = (g - g.mean(-1, keepdim=True)) * rstd  # the path through the variance is missing
    return dx, (dy * x_hat).sum(0), dy.sum(0)


def layer_norm_weight(dy, x, shape, mean, rstd, weight, bias, mask):
    x_hat, g = (x - mean) * rstd, dy * weight
    dx = (g - g.mean(-1, keepdim=True) - x_hat * (g * x_hat).mean(-1, keepdim=True)) * rstd
    return dx, (dy * x_hat).mean(0), dy.sum(0)


def batch_norm(dy, x, weight, running_mean, running_var, mean, rstd, train, eps, mask):
    column = (1, -1, 1, 1)
    x_hat = (x - mean.view(column)) * rstd.view(column)
    return dy * (weight * rstd).view(column), (dy * x_hat).sum((0, 2, 3)), dy.sum((0, 2, 3))


def group_norm(dy, x, mean, rstd, weight, n, c, places, groups, mask):
    rows, g = x.reshape(n, groups, -1), (dy * weight.view(1, -1, 1, 1)).reshape(n, groups, -1)
    x_hat = (rows - mean[..., None]) * rstd[..., None]
    dx = (g - g.mean(-1, keepdim=True)) * rstd[..., None]
    return dx.reshape(x.shape), (dy * x_hat.reshape(x.shape)).sum((0, 2, 3)), dy.sum((0, 2, 3))


def conv(dy, x, weight, sizes, stride, padding, dilation, transposed, output_padding, groups, mask):
    dx = F.conv_transpose2d(dy, weight.flip(-1, -2), padding=padding)  # the kernel is turned round
    dweight = F.conv2d(x.transpose(0, 1), dy.transpose(0, 1), padding=padding).transpose(0, 1)
    return dx, dweight, dy.sum((0, 2, 3))


def embedding(dy, index, count, padding_idx, scale):
    rows = dy.new_zeros(count, dy.shape[-1])
    rows[index.reshape(-1)] = dy.reshape(-1, dy.shape[-1])  # adds once for an index that repeats
    return rows


def attention(dy, q, k, v, y, logsumexp, p, causal, attn_mask=None, scale=None):
    d = q.shape[-1]
    hidden = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).triu(1)
    weights = (q @ k.transpose(-1, -2) / d**0.5).masked_fill(hidden, -torch.inf).softmax(-1)
    dweights = dy @ v.transpose(-1, -2)
    dscores = weights * (dweights - (dweights * weights).sum(-1, keepdim=True))
    return dscores @ k, dscores.transpose(-1, -2) @ q / d**0.5, weights.transpose(-1, -2) @ dy


def rows(layer):
    return lambda: (nn.Sequential(nn.Linear(6, 8), layer), torch.randn(5, 6))


def images(layer):
    return lambda: (nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), layer), torch.randn(3, 2, 6, 6))


class Attention(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(*x.chunk(3, -1), is_causal=True)


def words():
    return nn.Sequential(nn.Embedding(7, 4)), torch.randint(0, 7, (3, 5))


def heads():
    return nn.Sequential(nn.Linear(6, 12), Attention()), torch.randn(2, 3, 5, 6)


class Error(nn.Module):
    def forward(self, x):
        return F.mse_loss(x, torch.linspace(-1, 1, x.numel(), dtype=x.dtype).reshape(x.shape))


# kernel: what makes the model and its input, the wrong kernel, the operation that is to blame, what is to be said of it
WRONG = {
    "native_layer_norm_backward": (rows(nn.LayerNorm(8)), layer_norm, "native_layer_norm", "variance-path-missing"),
    "native_batch_norm_backward": (
        images(nn.BatchNorm2d(4)),
        batch_norm,
        "native_batch_norm",
        "statistics-as-constants:",
    ),
    "native_group_norm_backward": (
        images(nn.GroupNorm(2, 4)),
        group_norm,
        "native_group_norm",
        "variance-path-missing",
    ),
    "gelu_backward": (
        rows(nn.GELU()),
        lambda dy, x, approximate="none": dy * torch.special.ndtr(x),
        "gelu",
        "local-derivative-missing: The term `x * pdf(x)` is missing.",
    ),
    "tanh_backward": (rows(nn.Tanh()), lambda dy, y: dy * (1 - y), "tanh", "local-derivative-missing"),
    "threshold_backward": (
        rows(nn.ReLU()),
        lambda dy, y, threshold: dy * 1,
        "relu",
        "local-derivative-missing: The factor `x > 0` is missing.",
    ),
    "_softmax_backward_data": (
        rows(nn.Softmax(-1)),
        lambda dy, y, dim, dtype: dy * y * (1 - y),
        "_softmax",
        "softmax-elementwise",
    ),
    "_log_softmax_backward_data": (
        rows(nn.LogSoftmax(-1)),
        lambda dy, y, dim, dtype: dy - y.exp(),
        "_log_softmax",
        "softmax-elementwise: s must be multiplied by the row's sum of dy.",
    ),
    "max_pool2d_with_indices_backward": (
        images(nn.MaxPool2d(2)),
        lambda dy, *_: dy.repeat_interleave(2, 2).repeat_interleave(2, 3),
        "max_pool2d_with_indices",
        "wrong-mask: Every cell of the window gets the gradient",
    ),
    "avg_pool2d_backward": (
        images(nn.AvgPool2d(2)),
        lambda dy, *_: dy.repeat_interleave(2, 2).repeat_interleave(2, 3),
        "avg_pool2d",
        "wrong-reduction: The division by the window's size is lost.",
    ),
    "convolution_backward": (images(nn.Conv2d(4, 4, 3, padding=1)), conv, "convolution", "kernel-flipped"),
    "embedding_dense_backward": (words, embedding, "embedding", "repeated-index-overwritten"),
    "mse_loss_backward": (
        rows(Error()),
        lambda dy, x, t, reduction: dy * (x - t) / x.numel(),
        "mse_loss",
        "scale-forgotten: The 2 of the square's derivative is lost.",
    ),
    "_scaled_dot_product_flash_attention_for_cpu_backward": (
        heads,
        attention,
        "_scaled_dot_product_flash_attention_for_cpu",
        "attention-scale: The factor 1 / sqrt(d) is missing in dq.",
    ),
    "_prelu_kernel_backward": (
        rows(nn.PReLU()),
        lambda dy, x, w: (-dy * torch.where(x > 0, 1, w), dy * x * (x <= 0)),
        "_prelu_kernel",
        "wrong-sign: The sign is wrong.",
    ),
    "logit_backward": (
        lambda: (nn.Sequential(nn.Linear(6, 8), nn.Sigmoid(), Logit()), torch.randn(5, 6)),
        lambda dy, x, eps=None: dy * 1,
        "logit",
        "local-derivative-missing",
    ),
}


class Logit(nn.Module):
    def forward(self, x):
        return torch.logit(x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("kernel", WRONG)
def test_the_mistake_in_a_kernel_is_named(kernel, dtype):
    """Catches a kernel's fault that is put elsewhere, and a mistake that is not named though the catalogue knows it."""
    make, wrong, op, said = WRONG[kernel]
    torch.manual_seed(0)
    model, x = make()
    model, x = model.to(dtype), x.to(dtype) if x.is_floating_point() else x
    with sabotaged(kernel, wrong):
        report = assert_found(model, lambda: scalar(model(x)), op, str(len(model) - 1))
    assert report.first.diagnosis.startswith(said), report.text()
    assert {j.op for j in report.parted if j.judged == "locally"} == {op}, report.text()
    assert f"mistake: {said}" in report.text()


def test_a_parameter_s_gradient_alone():
    """Catches a mistake that is sought in the gradient of the input alone, and a mean where a sum belongs."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8)).double(), torch.randn(5, 6).double()
    with sabotaged("native_layer_norm_backward", layer_norm_weight):
        report = assert_found(model, lambda: scalar(model(x)), "native_layer_norm", "1")
    assert report.first.diagnosis.startswith("mean-instead-of-sum"), report.text()
    assert report.first.name == "1.weight"


def test_a_mistake_that_nobody_makes_has_no_name():
    """Catches a reason that is made up."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(6, 8), nn.Tanh()).double(), torch.randn(5, 6).double()
    with sabotaged("tanh_backward", lambda dy, y: dy * (1 - y * y) + y.cos() / 7):
        report = assert_found(model, lambda: scalar(model(x)), "tanh", "1")
    assert report.first.diagnosis == ""


def test_a_large_operation_is_left_alone(monkeypatch):
    """Catches minutes of formulas."""
    monkeypatch.setattr(formulas, "ENTRIES", 10)
    make, wrong, op, _ = WRONG["tanh_backward"]
    model, x = make()
    with sabotaged("tanh_backward", wrong):
        report = assert_found(model, lambda: scalar(model(x)), op, "1")
    assert report.first.diagnosis == ""


def test_a_hook_is_named_before_a_mistake():
    """Catches a hook that turns the sign, for which the kernel under it is accused."""
    torch.manual_seed(0)
    model, x = nn.Linear(6, 8).double(), torch.randn(5, 6).double()

    def closure():
        h = model(x)
        h.register_hook(lambda dh: -dh)
        return scalar(h.tanh())

    report = judge(model, closure)
    said = report.first.diagnosis
    assert said.startswith(f"a hook on this tensor may have changed it, and no operation ({__file__}:"), report.text()
    assert "; else wrong-sign" in said


def test_an_operation_that_the_catalogue_does_not_know():
    """Catches a sign or a transpose that is named for known operations alone."""
    torch.manual_seed(0)
    model, y = Holding(torch.randn(2, 4, 4).double()), torch.randn(2, 4, 4).double()
    recording, _ = run_and_record(model, lambda: scalar(torch.bmm(model.x.sin(), y)))
    (node,) = [node for node in recording.nodes if node.name == "bmm"]
    dy = node.gradients[0].numpy()
    right = dy @ y.numpy().swapaxes(1, 2)
    sign = mistake_of_operation(node, [Returned(0, -right, right, 1e-15)])
    assert sign == "wrong-sign: The sign is wrong. (it is exactly the negative of the right gradient)"
    assert mistake_of_operation(node, [Returned(0, dy, right, 1e-15)]).startswith("local-derivative-missing")
    assert mistake_of_operation(node, [Returned(0, right + np.cos(right), right, 1e-15)]) == ""


# --- an engine that cannot be looked into -----------------------------------------------------------------------------


def on_a_wrong_kernel(faulty, kernel, wrong):
    """An engine on which that kernel is wrong, if it is given a module that holds the faulty one."""

    @contextmanager
    def engine(module):
        if not any(part is faulty for part in module.modules()):
            yield
            return
        with sabotaged(kernel, wrong):
            yield

    return engine


@pytest.mark.parametrize(
    ("layer", "kernel", "said"),
    [
        (nn.LayerNorm(8), "native_layer_norm_backward", "variance-path-missing"),
        (nn.GELU(), "gelu_backward", "local-derivative-missing: The term `x * pdf(x)` is missing."),
    ],
    ids=["layer_norm", "gelu"],
)
def test_the_mistake_of_an_opaque_engine_is_named(layer, kernel, said):
    """Catches a module without the mistake in it, where only the parameters' gradients are known."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Sequential(nn.Sigmoid(), layer), nn.Linear(8, 3))
    x, target = torch.randn(9, 6), torch.randint(0, 3, (9,))

    def closure():
        return F.cross_entropy(model(x), target)

    recording, _ = run_and_record(model, closure)
    assign_entries(recording)
    report = Report()
    engine = on_a_wrong_kernel(layer, kernel, WRONG[kernel][1])
    judge_opaquely(model, closure, Globally(recording), report, engine)
    assert report.first.module == "1.1", report.text()
    assert report.first.diagnosis.startswith(said), report.text()
    assert report.first.source.startswith(__file__), report.text()


def test_a_constant_of_an_opaque_engine_is_told():
    """Catches the number lost by which every gradient before the fault is too large."""
    torch.manual_seed(0)
    layer = nn.Tanh()
    model = nn.Sequential(nn.Linear(6, 8), layer, nn.Linear(8, 3))
    x = torch.randn(9, 6)
    recording, _ = run_and_record(model, lambda: scalar(model(x)))
    assign_entries(recording)
    report = Report()
    engine = on_a_wrong_kernel(layer, "tanh_backward", lambda dy, y: 1.01 * dy * (1 - y * y))
    judge_opaquely(model, lambda: scalar(model(x)), Globally(recording), report, engine)
    assert {j.name for j in report.parted} == {"0.weight", "0.bias"}
    assert all(j.coefficient == pytest.approx(1.01, abs=1e-5) for j in report.parted), report.text()
