"""Every entry, at work: runs that call the operations of ATen, each with another form of its arguments."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.referee.runs import assert_equal, scalar
from torchref.referee import judge
from torchref.referee.entries import find

# What 62 architectures of torchvision, timm, transformers, PyG and diffusers are made of, views left away.
CENSUS = [
    "convolution", "native_batch_norm", "native_layer_norm", "native_group_norm", "addmm", "mm", "bmm", "baddbmm",
    "_grouped_mm", "relu", "gelu", "silu", "sigmoid", "tanh", "hardtanh", "hardswish", "hardsigmoid", "leaky_relu",
    "elu", "softplus", "glu", "mish", "_softmax", "_log_softmax", "_safe_softmax",
    "_scaled_dot_product_flash_attention_for_cpu", "embedding", "max_pool2d_with_indices", "avg_pool2d",
    "_adaptive_avg_pool2d", "nll_loss_forward", "mse_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits",
    "upsample_nearest2d", "upsample_bilinear2d", "grid_sampler_2d", "constant_pad_nd", "mkldnn_rnn_layer",
    "pixel_shuffle", "im2col", "col2im", "add", "mul", "clone", "div", "mean", "_unsafe_view", "cat", "pow", "index",
    "sub", "_to_copy", "neg", "masked_fill", "exp", "where", "rsqrt", "sum", "sin", "cos", "abs", "copy", "fill",
    "repeat", "stack", "gather", "index_select", "cumsum", "clamp", "scatter_add", "max", "log", "roll", "tril",
    "scatter", "scatter_reduce", "masked_select", "minimum", "maximum", "linalg_vector_norm", "rsub", "sqrt", "zero",
    "clamp_min", "index_put", "unsafe_split", "native_dropout", "rrelu_with_noise", "_prelu_kernel",
]  # fmt: skip


def test_the_census_has_entries():
    """Catches an operation of common architectures that would not be judged."""
    assert not [name for name in CENSUS if find(name) is None]


def image(*shape):
    return torch.randn(*shape, dtype=torch.float64)


INDEX = torch.tensor([[0, 2, 1], [3, 0, 0]])
CALLS = {
    "add alpha": lambda x: torch.add(x, x[0], alpha=2) - torch.sub(x, x.exp(), alpha=0.5) + (3 - x),
    "div": lambda x: x / (x * x + 1) + 1 / (2 + x.cos()) + torch.div(x, 3) + torch.reciprocal(x + 9),
    "pow": lambda x: x**2 + x.abs() ** 1.5 + 2**x + (x * x + 1) ** x,
    "exponentials": lambda x: (x * x + 1).log() + x.exp() + torch.expm1(x) + torch.log1p(x * x) + (x * x + 1).sqrt(),
    "trigonometry": lambda x: x.sin() + x.cos() + x.atan() + torch.atan2(x, x * x + 1) + x.sinh() + torch.tan(x / 9),
    "norms": lambda x: x.norm() + x.norm(dim=1) + torch.linalg.vector_norm(x, 3, dim=-1, keepdim=True) + x.norm(p=1),
    "selection": lambda x: torch.where(x > 0, x, x * 2) + x.clamp(-1, 1) + x.clamp_min(0.1) + x.abs() + x.maximum(-x),
    "minimum": lambda x: torch.minimum(x, x.flip(0)) + torch.maximum(x, x * x) + x.masked_fill(x > 0.5, 2.0),
    "erf": lambda x: torch.erf(x) + torch.special.ndtr(x) + torch.lgamma(x * x + 1) + torch.logit(x.sigmoid()),
    "lerp": lambda x: torch.lerp(x, x.exp(), 0.3) + torch.addcmul(x, x, x, value=2) + torch.addcdiv(x, x, x * x + 1),
    "sum": lambda x: x.sum() + x.sum(1) + x.sum((0, 1), keepdim=True) + x.mean() + x.mean(-1, keepdim=True),
    "var": lambda x: x.var() + x.var(1, unbiased=False) + x.std(-1, keepdim=True) + torch.var_mean(x, dim=1)[0],
    "extremes": lambda x: x.max() + x.max(1)[0] + x.amax(1) + x.min() + x.amin(-1) + x.median(1)[0],
    "topk": lambda x: x.topk(2, 1)[0] + x.sort(1)[0][:, 1:3] + x.kthvalue(2, 1)[0][:, None],
    "scans": lambda x: x.cumsum(1) + x.cumprod(0) + torch.logcumsumexp(x, 1) + x.cummax(1)[0],
    "logsumexp": lambda x: x.logsumexp(1) + x.prod(1) + torch.softmax(x, 1).sum(0)[:4] + x.log_softmax(0).sum(1),
    "products": lambda x: (x @ x.T).mv(x[:, 0]) + x.mm(x.T)[0] + torch.outer(x[0], x[1]).sum() + x[0].dot(x[1]),
    "batches": lambda x: torch.baddbmm(x[None, :, :4], x[None], x.T[None], beta=0.5)[0],
    "einsum": lambda x: torch.einsum("ij,kj->ik", x, x) + torch.einsum("ii->i", x[:4, :4]),
    "joining": lambda x: (
        torch.cat([x, x.exp()], 1).sum() + torch.stack([x, x * 2], -1).sum((0, 1))[0] + x.repeat(2, 1).sum()
    ),
    "order": lambda x: x.roll(1, 0).tril() + x.flip(1).triu(-1) + torch.diag_embed(x[0])[:4, :5] * 1.5,
    "index": lambda x: x[[0, 2]].sum(0) + x[:, [1, 1, 3]].sum() + x[x > 0].sum() + x[torch.tensor([1, 1]), 2:4].sum(),
    "gather": lambda x: (
        x.gather(1, INDEX).sum() + x.index_select(0, INDEX[0]).sum(0) + x[:2].take_along_dim(INDEX, 1)[0, 0]
    ),
    "scatter": lambda x: (
        x.scatter(1, INDEX, x[:2, :3]) + x.scatter(1, INDEX, 2.0) + x.scatter_add(1, INDEX, x[1:3, :3])
    ),
    "scatter_reduce": lambda x: (
        x.scatter_reduce(1, INDEX, x[:2, :3], "mean")
        + x.scatter_reduce(1, INDEX, x[:2, :3], "amax", include_self=False)
    ),
    "index_put": lambda x: (
        x.index_put((INDEX[0], INDEX[1]), x[0, :3]) + x.index_put((INDEX[0],), x[:3], accumulate=True)
    ),
    "index_add": lambda x: (
        x.index_add(0, INDEX[0], x[:3], alpha=2) + x.masked_select(x > 0).sum() + x.index_fill(0, INDEX[0], 1.0)
    ),
    "rectifiers": lambda x: (
        F.relu(x) + F.relu6(x * 4) + F.leaky_relu(x, 0.2) + F.threshold(x, 0.1, 2.0) + F.hardtanh(x)
    ),
    "units": lambda x: F.elu(x, 0.7) + F.selu(x) + F.celu(x, 1.5) + F.softplus(x, 2) + F.logsigmoid(x) + F.softsign(x),
    "gates": lambda x: (
        F.gelu(x) + F.gelu(x, approximate="tanh") + F.silu(x) + F.mish(x) + F.hardswish(x) + F.hardsigmoid(x)
    ),
    "shrinks": lambda x: F.hardshrink(x) + F.softshrink(x) + F.tanhshrink(x) + F.prelu(x, x[0, 0]) + F.rrelu(x),
    "glu": lambda x: F.glu(x[:, :4], 1) * F.softmin(x, 1)[:, :2],
    "casts": lambda x: x.float().double() + x.to(torch.float64) + x.contiguous().clone(),
    "fill": lambda x: torch.fill(x, x[0, 0]) * torch.zeros(4, 5).double().copy_(x) + x.nan_to_num(),
    "mse": lambda x: (
        F.mse_loss(x, x * 0.5) + F.l1_loss(x, x.exp()) + F.smooth_l1_loss(x, x * 3) + F.huber_loss(x, x * 3)
    ),
    "bce": lambda x: (
        F.binary_cross_entropy(x.sigmoid(), x.cos() ** 2) + F.binary_cross_entropy_with_logits(x, x.sin() ** 2)
    ),
    "nll": lambda x: (
        F.cross_entropy(x, INDEX.flatten()[:4], label_smoothing=0.1)
        + F.cross_entropy(x, INDEX.flatten()[:4], weight=torch.arange(5).double(), ignore_index=0, reduction="none")
    ),
    "kl": lambda x: (
        F.kl_div(x.log_softmax(1), x.flip(0).softmax(1), reduction="batchmean") + F.poisson_nll_loss(x, x.exp())
    ),
    "margins": lambda x: (
        F.soft_margin_loss(x, x.detach().sign())
        + F.multi_margin_loss(x, INDEX.flatten()[:4])
        + (F.triplet_margin_loss(x, x * 2, x + 1) + F.cosine_embedding_loss(x, x.exp(), torch.ones(4).double()))
    ),
    "distances": lambda x: F.cosine_similarity(x, x.exp()) + F.normalize(x).sum(1) + F.pairwise_distance(x, x * 2),
}


@pytest.mark.parametrize("call", CALLS)
def test_plain_operations(call):
    """Catches an adapter that hands on the wrong argument, and a gradient that lands at the wrong one."""
    torch.manual_seed(3)
    model = nn.Linear(5, 5).double()
    x = image(4, 5)
    assert_equal(model, lambda: scalar(CALLS[call](model(x))))


LAYERS = {
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 9)),
    "conv2d": (lambda: nn.Conv2d(4, 6, (3, 2), padding="same", dilation=2), (2, 4, 6, 6)),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2, bias=False), (1, 2, 4, 4, 4)),
    "conv_transpose": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2), (2, 4, 5, 5)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4, padding_mode="reflect", padding=1), (2, 4, 5, 5)),
    "batch_norm": (lambda: nn.BatchNorm2d(4), (3, 4, 5, 5)),
    "batch_norm eval": (lambda: nn.BatchNorm1d(4).eval(), (3, 4)),
    "instance_norm": (lambda: nn.InstanceNorm2d(4, affine=True), (3, 4, 5, 5)),
    "group_norm": (lambda: nn.GroupNorm(2, 4), (3, 4, 5)),
    "layer_norm": (lambda: nn.LayerNorm((5, 6)), (3, 4, 5, 6)),
    "layer_norm without bias": (lambda: nn.LayerNorm(6, bias=False), (3, 4, 6)),
    "rms_norm": (lambda: nn.RMSNorm(6, eps=1e-5), (3, 4, 6)),
    "local_response_norm": (lambda: nn.LocalResponseNorm(3), (2, 5, 4, 4)),
    "bilinear": (lambda: nn.Bilinear(6, 6, 3), (4, 6)),
    "max_pool": (lambda: nn.MaxPool2d(3, 2, 1), (2, 3, 7, 7)),
    "max_pool3d": (lambda: nn.MaxPool3d(2), (1, 2, 4, 4, 4)),
    "avg_pool": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 7, 7)),
    "lp_pool": (lambda: nn.LPPool2d(2, 2), (2, 3, 6, 6)),
    "adaptive_avg": (lambda: nn.AdaptiveAvgPool2d((3, 2)), (2, 3, 7, 5)),
    "adaptive_max": (lambda: nn.AdaptiveMaxPool2d(2), (2, 3, 7, 5)),
    "nearest": (lambda: nn.Upsample(scale_factor=2), (2, 3, 4, 4)),
    "bilinear upsampling": (lambda: nn.Upsample(size=(7, 9), mode="bilinear"), (2, 3, 4, 4)),
    "bicubic": (lambda: nn.Upsample(scale_factor=1.5, mode="bicubic", align_corners=True), (1, 2, 4, 4)),
    "linear upsampling": (lambda: nn.Upsample(scale_factor=3, mode="linear"), (2, 3, 4)),
    "pixel_shuffle": (lambda: nn.PixelShuffle(2), (1, 8, 3, 3)),
    "unfold": (lambda: nn.Unfold(2, padding=1), (1, 2, 4, 4)),
    "fold": (lambda: nn.Fold((4, 4), 2), (1, 8, 9)),
    "pads": (lambda: nn.Sequential(nn.ReflectionPad2d(1), nn.ReplicationPad2d(1), nn.ZeroPad2d(1)), (1, 2, 4, 4)),
    "alpha_dropout": (lambda: nn.Sequential(nn.AlphaDropout(0.3), nn.Dropout2d(0.3)), (2, 3, 4, 4)),
    "prelu": (lambda: nn.PReLU(3), (2, 3, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    """Catches the same in what layers call; a layer of its own weights is behind a scale that has one."""
    build, shape = LAYERS[name]
    torch.manual_seed(4)
    layer = build().double()
    model = nn.ParameterDict({"scale": torch.ones(shape[-1]).double()})
    model.layer = layer
    x = image(*shape)

    def closure():
        given = x * model["scale"]
        return scalar(layer(given, given) if isinstance(layer, nn.Bilinear) else layer(given))

    assert_equal(model, closure)


def test_a_rounding_of_torch_itself_is_found():
    """Catches a bound that lets pass what it should see: torch's backward of celu takes alpha in float32."""
    torch.manual_seed(3)
    model = nn.Linear(5, 5).double()
    x = image(4, 5)
    report = judge(model, lambda: scalar(F.celu(model(x), 1.3)))
    assert report.first.op == "celu"
    assert 1e-10 < report.first.error < 1e-6


def test_lookups():
    """Catches embeddings: a padding, bags with a mean, a maximum and weights."""
    torch.manual_seed(5)
    rows = nn.Embedding(6, 3, padding_idx=0).double()
    mean, largest, weighted = (nn.EmbeddingBag(6, 3, mode=mode).double() for mode in ("mean", "max", "sum"))
    model = nn.ModuleList([rows, mean, largest, weighted])
    weights = image(2, 3).requires_grad_()
    assert_equal(
        model,
        lambda: scalar(rows(INDEX), mean(INDEX), largest(INDEX), weighted(INDEX, per_sample_weights=weights)),
    )


def test_grid_sampling_and_ctc():
    """Catches the sampler's two gradients, and a loss that is a sum over paths."""
    torch.manual_seed(6)
    model = nn.Linear(5, 6).double()
    x = image(1, 2, 4, 4).requires_grad_()

    def closure():
        grid = F.affine_grid(model.weight[None, :2, :3] * 0.1, (1, 2, 3, 3), align_corners=False)
        logits = model(x[0, 0, :, :1].expand(4, 5))[:, None].log_softmax(-1)
        loss = F.ctc_loss(logits, torch.tensor([[1, 2]]), torch.tensor([4]), torch.tensor([2]))
        return scalar(F.grid_sample(x, grid, align_corners=False)) + loss

    assert_equal(model, closure)


DECOMPOSED = {
    "_euclidean_dist": lambda x: torch.cdist(x, x * 2 + 1, compute_mode="use_mm_for_euclid_dist"),
    "renorm": lambda x: x.renorm(2, 0, 1.0),
    "dist": lambda x: x.dist(x.sin()),
    "special_xlog1py": lambda x: torch.special.xlog1py(x, x * x),
    "mvlgamma": lambda x: torch.mvlgamma(x * x + 3, 2),
    "slice_scatter": lambda x: torch.slice_scatter(x, x[:, :2] * 2, 1, 1, 3),
    "select_scatter": lambda x: torch.select_scatter(x, x[0] * 2, 0, 1),
    "_upsample_nearest_exact3d": lambda x: F.interpolate(x[None, None, None], size=(1, 3, 7), mode="nearest-exact"),
    "ldexp": lambda x: torch.ldexp(x, torch.arange(5)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", DECOMPOSED)
def test_an_operation_without_entry_is_taken_apart(name, dtype):
    """Catches a decomposition that is not asked for, replayed wrongly, or not said."""
    assert find(name) is None
    torch.manual_seed(3)
    model = nn.Linear(5, 5).to(dtype)
    x = image(4, 5).to(dtype)
    report = assert_equal(model, lambda: scalar(DECOMPOSED[name](model(x)).to(dtype)))
    assert report.decomposed == 1
    assert "by torch's decomposition: 1 operations" in report.text()


def test_what_torch_takes_apart_into_the_unknown_is_not_judged():
    """Catches a pass for an operation whose decomposition ends in what has no entry."""
    torch.manual_seed(3)
    model = nn.Linear(5, 5).double()
    x = image(4, 5)
    report = judge(model, lambda: scalar(torch.special.erfcx(model(x))))
    assert report.verdict == "NOT JUDGED"
    assert report.decomposed == 0
    assert any("prims::erfcx" in j.reason for j in report.not_judged), report.text()
