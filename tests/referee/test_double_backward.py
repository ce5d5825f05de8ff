"""Gradients of gradients: a penalty runs torch's own backward operations forward, and each has a derivation here."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.referee.runs import assert_equal
from torchref.referee import judge

LAYERS = {
    "layer_norm": (lambda: nn.LayerNorm((5, 6)), (3, 4, 5, 6)),
    "layer_norm without bias": (lambda: nn.LayerNorm(6, bias=False), (3, 4, 6)),
    "layer_norm plain": (lambda: nn.LayerNorm(6, elementwise_affine=False), (3, 4, 6)),
    "batch_norm": (lambda: nn.BatchNorm2d(4), (3, 4, 5, 5)),
    "batch_norm plain": (lambda: nn.BatchNorm1d(4, affine=False), (7, 4)),
    "batch_norm eval": (lambda: nn.BatchNorm2d(4).eval(), (3, 4, 2, 3)),
    "group_norm": (lambda: nn.GroupNorm(2, 4), (3, 4, 5)),
    "instance_norm": (lambda: nn.InstanceNorm2d(4, affine=True), (3, 4, 5, 5)),
    "rms_norm": (lambda: nn.RMSNorm(6, eps=1e-5), (3, 4, 6)),
    "max_pool": (lambda: nn.MaxPool2d(3, 2, 1), (2, 3, 7, 7)),
    "max_pool3d": (lambda: nn.MaxPool3d(2), (1, 2, 4, 4, 4)),
    "avg_pool": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 7, 7)),
    "avg_pool3d": (lambda: nn.AvgPool3d(2), (1, 2, 4, 4, 4)),
    "adaptive_avg": (lambda: nn.AdaptiveAvgPool2d((3, 2)), (2, 3, 7, 5)),
    "adaptive_max": (lambda: nn.AdaptiveMaxPool2d(2), (2, 3, 7, 5)),
    "nearest": (lambda: nn.Upsample(scale_factor=2), (2, 3, 4, 4)),
    "bilinear": (lambda: nn.Upsample(size=(7, 9), mode="bilinear"), (2, 3, 4, 4)),
    "bicubic": (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), (1, 2, 4, 4)),
    "reflection_pad": (lambda: nn.ReflectionPad2d(1), (1, 2, 4, 4)),
    "replication_pad": (lambda: nn.ReplicationPad2d(1), (1, 2, 4, 4)),
    "conv_transpose": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1), (2, 4, 5, 5)),
    "unfold": (lambda: nn.Unfold(2, padding=1), (1, 2, 4, 4)),
    "pixel_shuffle": (lambda: nn.PixelShuffle(2), (1, 8, 3, 3)),
    "prelu": (lambda: nn.PReLU(3), (2, 3, 4)),
    "glu": (lambda: nn.GLU(1), (2, 4, 3)),
    "logsigmoid": (nn.LogSigmoid, (3, 5)),
    "mish": (nn.Mish, (3, 5)),
    "hardswish": (nn.Hardswish, (3, 5)),
    "hardshrink": (nn.Hardshrink, (3, 5)),
    "softshrink": (nn.Softshrink, (3, 5)),
    "celu": (lambda: nn.CELU(1.5), (3, 5)),
    "selu": (nn.SELU, (3, 5)),
    "dropout": (lambda: nn.Dropout(0.4), (3, 5)),
    "softmax": (lambda: nn.Softmax(1), (3, 5)),
    "log_softmax": (lambda: nn.LogSoftmax(1), (3, 5)),
    "weight_norm": (lambda: torch.nn.utils.parametrizations.weight_norm(nn.Linear(5, 3)), (2, 5)),
    "attention": (lambda: Attention(), (2, 4, 6)),
    "gru": (lambda: First(nn.GRU(4, 3)), (3, 2, 4)),
}  # fmt: skip


class Attention(nn.Module):
    """Of the plain form: torch's fused kernel has no second derivative."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(6, 18)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        return ((q @ k.mT / 6**0.5).softmax(-1) @ v).cumsum(1).logsumexp(-1)


class First(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


def penalized(loss_of, x):
    """A loss, and the square of its gradient with respect to x."""

    def closure():
        loss = loss_of()
        (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
        return loss + gradient.pow(2).sum()

    return closure


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_differentiated_twice(name):
    """Catches a backward operation without entry, and a wrong second derivative. The loss is curved, and so is what is
    in front of the layer: no term of the derivation is zero."""
    build, shape = LAYERS[name]
    torch.manual_seed(11)
    layer = build().double()
    model = nn.ParameterDict({"scale": torch.linspace(0.5, 1.5, shape[-1]).double()})
    model.layer = layer
    x = torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    def loss():
        y = layer((x * model["scale"]).sin() * 2)
        return (y * torch.linspace(0.5, 1.5, y.numel(), dtype=torch.float64).reshape(y.shape)).pow(2).sum()

    assert_equal(model, penalized(loss, x))


PAIRS = {
    "mse": F.mse_loss,
    "mse sum": lambda a, b: F.mse_loss(a, b, reduction="sum"),
    "mse none": lambda a, b: F.mse_loss(a, b, reduction="none").pow(2).sum(),
    "l1": F.l1_loss,
    "smooth_l1": lambda a, b: F.smooth_l1_loss(a * 2, b, beta=0.7),
    "huber": lambda a, b: F.huber_loss(a * 2, b, delta=0.7),
    "soft_margin": lambda a, b: F.soft_margin_loss(a, b.detach().sign()),
    "bce with logits": lambda a, b: F.binary_cross_entropy_with_logits(a, b.sigmoid().detach()),
    "kl": lambda a, b: F.kl_div(a.log_softmax(1), b.softmax(1), reduction="batchmean"),
    "nll": lambda a, b: F.cross_entropy(a * b, torch.tensor([1, 0, 2]), weight=torch.tensor([1.0, 2, 3, 4]).double()),
    "nll of images": lambda a, b: F.cross_entropy((a * b).T[None, :, None], torch.tensor([[[1, 0, 2]]])),
    "cosine": lambda a, b: F.cosine_similarity(a, b).sum(),
    "triplet": lambda a, b: F.triplet_margin_loss(a, b, a * b + 1),
    "embedding": lambda a, b: (F.embedding(torch.tensor([1, 0, 1]), a) * b).pow(2).sum(),
    "gather": lambda a, b: (a.gather(1, torch.tensor([[0, 0], [1, 2]])) * b[:2, :2]).pow(2).sum(),
    "index": lambda a, b: (a[[0, 0, 2]] * b).pow(2).sum() + a[:, 1:3].pow(3).sum() + a.roll(1, 0)[0].pow(3).sum(),
    "scatter": lambda a, b: torch.zeros_like(a).scatter_add(1, torch.arange(12).view(3, 4) % 3, a * b).exp().sum(),
    "extremes": lambda a, b: (a * b).amax(1).pow(2).sum() + (a * b).max().pow(3) + a.topk(2)[0].pow(2).sum(),
    "scans": lambda a, b: (a * b).cumsum(0).pow(2).sum() + a.cumprod(1).pow(2).sum() + a.logcumsumexp(1).pow(2).sum(),
    "norms": lambda a, b: (a * b).norm() * a.norm(dim=1).sum() * a.norm(p=3) + a.std() * b.var(1).sum(),
    "products": lambda a, b: (a @ b.T).mv(b[:, 0]).sum() * torch.einsum("ij,ij->i", a, b).pow(2).sum() + a.prod(),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_a_loss_is_differentiated_twice(name):
    """Catches the same in what takes two tensors."""
    torch.manual_seed(12)
    model = nn.Linear(4, 4).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert_equal(model, penalized(lambda: PAIRS[name](model(x).sin() + 0.1, (model(x * 0.5) + x).cos()), x))


def test_a_shift_in_torchs_own_second_derivative_is_found():
    """Catches a bound that lets pass what it should see: torch adds 1e-12 to p (1 - p) where the loss does not."""
    torch.manual_seed(12)
    model = nn.Linear(4, 4).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    report = judge(model, penalized(lambda: F.binary_cross_entropy(model(x).sigmoid(), x.detach().sigmoid()), x))
    assert report.first.op == "binary_cross_entropy_backward"
    assert 1e-14 < report.first.error < 1e-10


class Heads(nn.Module):
    """Attention whose saved tensors are views, written in place, and a gate."""

    def __init__(self):
        super().__init__()
        self.qkv, self.norm = nn.Linear(6, 18), nn.LayerNorm(6)

    def forward(self, x):
        q, k, v = (part.view(len(x), -1, 2, 3).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, -1))
        y = ((q @ k.mT / 3**0.5).softmax(-1) @ v).transpose(1, 2).reshape(x.shape)
        return y * y.tanh() + F.silu(x)


class InPlace(nn.Module):
    """Writes into parts of what it then reads whole: its saved tensors."""

    def forward(self, x):
        y = x.clone()
        y[1:].mul_(2)
        y.mT[:, 0].add_(x[:, :, 1])
        return y * y.sin()


CHECKPOINTED = {
    "tanh": lambda: nn.Sequential(nn.Tanh(), nn.Linear(6, 6), nn.SiLU()),
    "convolution": lambda: nn.Sequential(nn.Conv1d(4, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.GELU()),
    "attention": Heads,
    "writes in place": InPlace,
}


@pytest.mark.parametrize("name", CHECKPOINTED)
def test_a_penalty_through_a_checkpoint(name):
    """Catches a gradient that is looked for at what the checkpoint has computed once more: autograd passes it to what
    was computed at first."""
    torch.manual_seed(5)
    inner = CHECKPOINTED[name]()
    model = nn.Sequential(nn.Linear(6, 6), inner, nn.Linear(6, 1)).double()
    x = torch.randn(3, 4, 6, dtype=torch.float64, requires_grad=True)
    run = lambda: model[2](checkpoint(inner, model[0](x), use_reentrant=False)).sum()  # noqa: E731
    report = assert_equal(model, penalized(run, x))
    plain = assert_equal(model, penalized(lambda: model(x).sum(), x))
    assert report.loss == pytest.approx(plain.loss)
    assert report.counts("intermediate") == plain.counts("intermediate")  # what is computed again has no gradient
