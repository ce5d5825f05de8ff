"""What SymPy proves (`tests.certify.proof`): every function of the library that can be written down, at small size.

A loop over time or a network of layers is proven in its parts: the cell, two steps of the recurrence, the layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.certify.proof import prove
from tests.certify.tensor_theorems import tensor_claims
from torchref.nn import batchnorm, distance, instancenorm, recurrent, recurrent_cell
from torchref.nn import functional as F
from torchref.nn.communicator import Communicator, in_threads
from torchref.nn.module import Array
from torchref.nn.sync_batchnorm import sync_batch_norm_train
from torchref.nn.utils import parametrizations


class Theorem(NamedTuple):
    module: str  # the module whose function this is
    function: Callable[..., Any]
    arrays: tuple[Any, ...]  # the samples of its symbols; integer arrays as they are
    options: dict[str, Any]

    def prove(self) -> int:
        """How many entries of gradients are proven. AssertionError for one that is wrong."""
        return prove(self.function, *self.arrays, **self.options)


def theorems() -> list[Theorem]:  # noqa: PLR0915 (one claim after the other)
    rng = np.random.default_rng(7)
    normal, uniform = rng.standard_normal, rng.uniform
    pieces = np.array([-4.1, -1.3, -0.4, 0.3, 0.7, 1.9, 3.6, 7.2])  # every branch of every activation
    found: list[Theorem] = []

    def claim(module: str, function: Callable[..., Any], *arrays: Any, **options: Any) -> None:
        found.append(Theorem(module, function, arrays, options))

    claim("Linear", F.linear, normal((2, 3)), normal((2, 3)), normal(2))
    for name in (
        "ReLU", "LeakyReLU", "ReLU6", "Hardtanh", "Hardswish", "Hardshrink", "Softshrink", "ELU", "SELU",
        "CELU", "Sigmoid", "Tanh", "SiLU", "Mish", "Softplus", "LogSigmoid", "Softsign", "Tanhshrink", "GELU",
    ):  # fmt: skip
        # Not Hardsigmoid: torch's slope is 1/6 rounded to float32, in float64 too, and ours equals it.
        function = getattr(F, {"LeakyReLU": "leaky_relu"}.get(name, name.lower()))
        claim(name, function, pieces)
    claim("Threshold", F.threshold, pieces, threshold=0.5, value=2.0)
    claim("GELU", F.gelu, pieces, approximate="tanh")
    claim("CELU", F.celu, pieces, alpha=1.5)
    claim("Softplus", F.softplus, pieces, beta=2.0, threshold=6.0)
    claim("PReLU", F.prelu, normal((2, 3)), normal(3))
    claim("GLU", F.glu, normal((2, 4)))
    claim("Softmax", F.softmax, normal((2, 3)), dim=1)
    claim("LogSoftmax", F.log_softmax, normal((2, 3)), dim=1)
    claim("Softmin", F.softmin, normal((2, 3)), dim=0)
    claim("Softmax2d", F.softmax, normal((1, 2, 1, 2)), dim=1)

    claim("LayerNorm", _layer_norm, normal((2, 2)), normal(2), normal(2))
    claim("LayerNorm", _layer_norm, normal((1, 3)), normal(3), normal(3))
    claim("RMSNorm", _rms_norm, normal((2, 2)), normal(2))
    claim("BatchNorm1d", _first(batchnorm.batch_norm_train), normal((3, 2)), normal(2), normal(2))
    claim("SyncBatchNorm", _on_two_processes, normal((3, 1)), normal(1), normal(1))
    claim("GroupNorm", _group_norm, normal((1, 4)), normal(4), normal(4))
    claim("InstanceNorm1d", _first(instancenorm.instance_norm_train), normal((1, 2, 2)), normal(2), normal(2))
    for d in (2, 3):
        claim(f"BatchNorm{d}d", _first(batchnorm.batch_norm_train), normal((2, 1, *(1,) * d)), normal(1), normal(1))
        alone = normal((1, 1, *(1,) * (d - 1), 2))
        claim(f"InstanceNorm{d}d", _first(instancenorm.instance_norm_train), alone, normal(1), normal(1))
    claim(
        "BatchNorm1d",
        batchnorm.batch_norm_eval,
        normal((2, 2)),
        normal(2),
        normal(2),
        running_mean=normal(2),
        running_var=uniform(0.5, 2, 2),
    )

    for reduction in ("mean", "sum", "none"):
        claim("MSELoss", F.mse_loss, normal((2, 2)), normal((2, 2)), reduction=reduction)
        claim("L1Loss", F.l1_loss, normal((2, 2)), normal((2, 2)), reduction=reduction)
        claim("NLLLoss", F.nll_loss, normal((3, 3)), np.array([0, 2, 1]), reduction=reduction)
    far = np.array([[3.1, -0.2, 0.4], [-2.5, 0.1, 1.7]])
    claim("HuberLoss", F.huber_loss, far, 0.1 * normal((2, 3)), delta=0.5)
    claim("SmoothL1Loss", F.smooth_l1_loss, far, 0.1 * normal((2, 3)), beta=0.5)
    claim("BCELoss", F.binary_cross_entropy, uniform(0.1, 0.9, 3), uniform(0.1, 0.9, 3))
    claim("BCEWithLogitsLoss", F.binary_cross_entropy_with_logits, normal(3), uniform(0.1, 0.9, 3))
    claim("CrossEntropyLoss", F.cross_entropy, normal((2, 3)), np.array([2, 0]), label_smoothing=0.1)
    claim("CrossEntropyLoss", F.cross_entropy, normal((2, 2)), uniform(0.1, 0.9, (2, 2)))
    claim("KLDivLoss", F.kl_div, normal((2, 2)), uniform(0.1, 0.9, (2, 2)))
    claim("KLDivLoss", F.kl_div, normal((2, 2)), normal((2, 2)), log_target=True)
    claim("PoissonNLLLoss", F.poisson_nll_loss, normal(3), uniform(0.5, 3, 3))
    claim("SoftMarginLoss", F.soft_margin_loss, normal(3), np.array([1.0, -1.0, 1.0]), constants=(1,))
    claim(
        "HingeEmbeddingLoss",
        F.hinge_embedding_loss,
        np.array([0.3, 1.7, -0.4]),
        np.array([1.0, -1.0, -1.0]),
        constants=(1,),
    )
    claim(
        "MarginRankingLoss",
        F.margin_ranking_loss,
        normal(3),
        normal(3),
        np.array([1.0, -1.0, 1.0]),
        constants=(2,),
        margin=0.5,
    )
    claim("MultiMarginLoss", F.multi_margin_loss, normal((2, 3)), np.array([2, 0]))
    claim("MultiLabelSoftMarginLoss", F.multilabel_soft_margin_loss, normal((2, 2)), uniform(0, 1, (2, 2)))
    claim("CosineEmbeddingLoss", F.cosine_embedding_loss, normal((2, 2)), normal((2, 2)), SIGNS, constants=(2,))
    claim("GaussianNLLLoss", F.gaussian_nll_loss, normal(2), normal(2), uniform(0.5, 2, 2), full=True)
    claim("MultiLabelMarginLoss", F.multilabel_margin_loss, normal((2, 3)), np.array([[2, 0, -1], [1, -1, -1]]))
    for swap in (False, True):
        claim("TripletMarginLoss", F.triplet_margin_loss, *(normal((1, 2)) for _ in range(3)), swap=swap)
    claim(
        "TripletMarginWithDistanceLoss",
        F.triplet_margin_with_distance_loss,
        *(normal((1, 2)) for _ in range(3)),
    )
    # with a weight for each class, whose array holds symbols too
    weighted = np.array([1, 0]), uniform(0.5, 2, 2)
    claim("CrossEntropyLoss", _weighted(F.cross_entropy, 2), normal((2, 2)), *weighted, constants=(2,))
    claim(
        "LinearCrossEntropyLoss",
        _weighted(F.linear_cross_entropy, 3),
        normal((2, 2)),
        normal((2, 2)),
        *weighted,
        constants=(3,),
    )
    for weight in ("MSELoss", "L1Loss", "HuberLoss"):
        name = weight.removesuffix("Loss").lower() + "_loss"
        function = _weighted(getattr(F, name), 2, reduction="sum")
        claim(f"functional.{name}", function, normal((2, 2)), normal((2, 2)), uniform(0.5, 2, (2, 2)))
    multilabel = _weighted(F.multilabel_soft_margin_loss, 2)
    claim("MultiLabelSoftMarginLoss", multilabel, normal((2, 2)), uniform(0, 1, (2, 2)), uniform(0.5, 2, 2))

    claim("PairwiseDistance", distance.pairwise_distance, normal((2, 2)), normal((2, 2)))
    claim("CosineSimilarity", distance.cosine_similarity, normal((1, 2)), normal((1, 2)))
    claim("functional.pdist", distance.pdist, normal((3, 2)))
    for p in (1.0, 2.0, 3.0):
        claim("functional.normalize", F.normalize, normal((1, 2)), p=p)
    claim("Bilinear", F.bilinear, normal((2, 2)), normal((2, 2)), normal((2, 2, 2)), normal(2))
    for form in ("utils", "utils.parametrizations"):
        claim(f"{form}.weight_norm", parametrizations.scaled_direction, normal((2, 1)), normal((2, 2)))
        vectors = normal(2), normal(2)
        claim(f"{form}.spectral_norm", _divided_by_sigma, normal((2, 2)), *vectors, constants=(1, 2))

    attention = F.scaled_dot_product_attention
    for name in ("MultiheadAttention", "functional.scaled_dot_product_attention"):
        claim(name, attention, normal((2, 2)), normal((2, 2)), normal((2, 2)), None)
        claim(name, attention, normal((2, 2)), normal((2, 2)), normal((2, 2)), None, is_causal=True)
    claim(name, attention, *(normal((2, 2)) for _ in range(4)))

    _windows(claim, normal)
    _places(claim, normal)
    _draws(claim, normal, pieces)
    _recurrences(claim, normal)
    found += [Theorem(*claimed) for claimed in tensor_claims()]
    return found


Claim = Callable[..., None]
SIGNS = np.array([1.0, -1.0])


def _windows(claim: Claim, normal: Callable[..., Array]) -> None:
    """Convolutions and pooling in one, two and three dimensions."""
    sizes = {1: (4,), 2: (2, 3), 3: (2, 1, 2)}
    kernels = {1: (2,), 2: (1, 2), 3: (2, 1, 1)}
    for d, size in sizes.items():
        x, kernel = normal((1, 1, *size)), kernels[d]
        claim(f"Conv{d}d", getattr(F, f"conv{d}d"), x, normal((1, 1, *kernel)), normal(1), stride=2, padding=1)
        transposed = getattr(F, f"conv_transpose{d}d")
        claim(f"ConvTranspose{d}d", transposed, x, normal((1, 1, *kernel)), normal(1), stride=2)
        claim(f"AvgPool{d}d", getattr(F, f"avg_pool{d}d"), x, kernel_size=kernel, stride=1)
        claim(f"MaxPool{d}d", getattr(F, f"max_pool{d}d"), x, kernel_size=kernel, stride=1)
        claim(f"LPPool{d}d", getattr(F, f"lp_pool{d}d"), x, norm_type=2.0, kernel_size=kernel)
        for kind in ("avg", "max"):
            function = getattr(F, f"adaptive_{kind}_pool{d}d")
            claim(f"Adaptive{kind.title()}Pool{d}d", function, x, output_size=(2, *(1,) * (d - 1)))
        places = np.array([1, 2]).reshape(1, 1, *(1,) * (d - 1), 2)
        unpool = getattr(F, f"max_unpool{d}d")
        claim(f"MaxUnpool{d}d", unpool, normal(places.shape), places, kernel_size=(1,) * (d - 1) + (2,))
        if d > 1:
            function = getattr(F, f"fractional_max_pool{d}d")
            options = {"kernel_size": 2, "output_size": 2, "rng": np.random.default_rng(0)}
            claim(f"FractionalMaxPool{d}d", function, normal((1, 1, *(4,) * d)), **options)
    claim("Unfold", F.unfold, normal((1, 1, 3, 3)), kernel_size=2)
    claim("Fold", F.fold, normal((1, 4, 4)), output_size=(3, 3), kernel_size=2)
    claim("LocalResponseNorm", F.local_response_norm, normal((1, 3, 1)), size=2, alpha=0.5, k=1.0)


def _places(claim: Claim, normal: Callable[..., Array]) -> None:
    """What only moves entries, or adds those of several places."""
    pads = {1: (1, 2), 2: (1, 1, 1, 0), 3: (1, 0, 1, 0, 0, 1)}
    modes = {"Constant": "constant", "Zero": "constant", "Reflection": "reflect"}
    modes |= {"Replication": "replicate", "Circular": "circular"}
    for d, pad in pads.items():
        for name, mode in modes.items():
            claim(f"{name}Pad{d}d", F.pad, normal((1, 1, *(3, 2, 2)[:d])), pad=pad, mode=mode)
    claim("Embedding", F.embedding, np.array([0, 2, 0]), normal((3, 2)))

    def bag(x: Array, weight: Array, offsets: Array, factors: Array | None) -> Any:
        mode = "mean" if factors is None else "sum"
        return F.embedding_bag(x, weight, offsets, mode=mode, per_sample_weights=factors)

    for factors in (None, normal(4)):
        claim("EmbeddingBag", bag, np.array([0, 2, 0, 1]), normal((3, 2)), np.array([0, 3]), factors)
    claim("PixelShuffle", F.pixel_shuffle, normal((1, 4, 1, 1)), upscale_factor=2)
    claim("PixelUnshuffle", F.pixel_unshuffle, normal((1, 1, 2, 2)), downscale_factor=2)
    claim("ChannelShuffle", F.channel_shuffle, normal((1, 4, 1)), groups=2)
    claim("functional.affine_grid", F.affine_grid, normal((1, 2, 3)), size=(1, 1, 2, 2), align_corners=False)
    for mode, padding_mode in (("bilinear", "zeros"), ("bilinear", "reflection"), ("nearest", "border")):
        options = {"mode": mode, "padding_mode": padding_mode, "align_corners": False}
        claim("functional.grid_sample", F.grid_sample, normal((1, 2, 2, 2)), normal((1, 1, 2, 2)), **options)
    points = np.array([[[[0.3, -0.6]]]])
    claim("functional.grid_sample", F.grid_sample, normal((1, 1, 3, 3)), points, mode="bicubic", align_corners=True)
    claim("Flatten", F.flatten, normal((2, 2, 1)))
    claim("Unflatten", F.unflatten, normal((1, 4)), dim=1, sizes=(2, 2))
    claim("Upsample", F.interpolate, normal((1, 1, 3)), size=5, mode="linear")
    claim("functional.upsample", F.interpolate, normal((1, 1, 3)), size=5, mode="linear")
    claim("functional.upsample_nearest", F.interpolate, normal((1, 1, 2, 2)), size=(3, 3))
    aligned = {"size": (3, 3), "mode": "bilinear", "align_corners": True}
    claim("functional.upsample_bilinear", F.interpolate, normal((1, 1, 2, 2)), **aligned)
    claim("UpsamplingBilinear2d", F.interpolate, normal((1, 1, 2, 2)), size=(3, 3), mode="bilinear", align_corners=True)
    claim("UpsamplingNearest2d", F.interpolate, normal((1, 1, 2, 2)), size=(3, 3))


def _draws(claim: Claim, normal: Callable[..., Array], pieces: Array) -> None:
    """What draws, given its draws."""
    for name, shape in {
        "dropout": (2, 3), "dropout1d": (2, 3, 2), "dropout2d": (2, 3, 1, 2), "dropout3d": (2, 3, 1, 1, 2),
        "alpha_dropout": (2, 3), "feature_alpha_dropout": (2, 3, 2),
    }.items():  # fmt: skip
        module = "".join(map(str.capitalize, name.split("_")))
        claim(module, getattr(F, name), normal(shape), p=0.3, rng=np.random.default_rng(0))
    claim("RReLU", F.rrelu, pieces, training=True, rng=np.random.default_rng(0))
    claim("RReLU", F.rrelu, pieces)
    claim("functional.gumbel_softmax", F.gumbel_softmax, normal((2, 2)), tau=0.7, rng=np.random.default_rng(0))


def _recurrences(claim: Claim, normal: Callable[..., Array]) -> None:
    """The cells, and two steps of time."""
    for name, gates in (("rnn_tanh", 1), ("lstm", 4), ("gru", 3)):
        module = name.removesuffix("_tanh").upper()
        states = 2 if name == "lstm" else 1
        cell = getattr(recurrent_cell, f"{name}_cell")
        weights = normal((gates, 1)), normal((gates, 1))
        claim(
            f"{module}Cell", cell, *(normal((1, 1)) for _ in range(1 + states)), *weights, normal(gates), normal(gates)
        )
        steps = getattr(recurrent, name)
        claim(module, _outputs(steps), normal((2, 1, 1)), *(normal((1, 1, 1)) for _ in range(states)), *weights)


def _first(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function without the statistics that it hands out beside its output."""

    def alone(*arrays: Array) -> Any:
        (y, _, _), backward = function(*arrays)
        return y, backward

    return alone


def _on_two_processes(x: Array, weight: Array, bias: Array) -> Any:
    """The synchronised batch norm of a batch whose first row lies on one process, and the others on another."""
    shares = x[:1], x[1:]

    def forward(rank: int, group: Communicator) -> Any:
        (y, *_), rank_backward = sync_batch_norm_train(shares[rank], weight, bias, process_group=group)
        return y, rank_backward

    (y_0, backward_0), (y_1, backward_1) = in_threads(2, forward)

    def backward(dy: Array) -> tuple[Array, ...]:
        parts = (backward_0, dy[:1]), (backward_1, dy[1:])
        (dx_0, *ours), (dx_1, *theirs) = in_threads(2, lambda rank, _: parts[rank][0](parts[rank][1]))
        return np.concatenate([dx_0, dx_1]), *(a + b for a, b in zip(ours, theirs, strict=True))

    return np.concatenate([y_0, y_1]), backward


def _layer_norm(x: Array, weight: Array, bias: Array) -> Any:
    return F.layer_norm(x, weight.shape, weight, bias)


def _rms_norm(x: Array, weight: Array) -> Any:
    return F.rms_norm(x, weight.shape, weight, 1e-5)


def _group_norm(x: Array, weight: Array, bias: Array) -> Any:
    return F.group_norm(x, 2, weight, bias)


def _weighted(function: Callable[..., Any], place: int, **options: Any) -> Callable[..., Any]:
    """The function with its option `weight` as the last of its arrays."""

    def weighted(*arrays: Array) -> Any:
        loss, loss_backward = function(*arrays[:place], weight=arrays[place], **options)

        def backward(dloss: Array) -> Any:
            gradients = loss_backward(dloss)
            return *gradients[:place], gradients[-1]  # the weight's, where it has one

        return loss, backward

    return weighted


def _divided_by_sigma(weight: Array, u: Array, v: Array) -> Any:
    y, sigma_backward = parametrizations.divided_by_sigma(weight, u=u, v=v)

    def backward(dy: Array) -> Any:
        return sigma_backward(dy), None, None

    return y, backward


def _outputs(function: Callable[..., Any]) -> Callable[..., Any]:
    """A recurrence's output at all times alone, without its last state."""

    def alone(*arrays: Array) -> Any:
        (y, _last, *more), function_backward = function(*arrays)

        def backward(dy: Array) -> Any:
            return function_backward((dy, None, *(None for _ in more)))

        return y, backward

    return alone
