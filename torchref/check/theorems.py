"""What SymPy proves (`torchref.check.proof`): the closed-form functions, small enough to write down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from torchref.check.proof import prove
from torchref.nn import batchnorm, distance, instancenorm
from torchref.nn import functional as F
from torchref.nn.module import Array


class Theorem(NamedTuple):
    module: str  # the module whose function this is
    function: Callable[..., Any]
    arrays: tuple[Any, ...]  # the samples of its symbols; integer arrays as they are
    options: dict[str, Any]

    def prove(self) -> int:
        """How many entries of gradients are proven. AssertionError for one that is wrong."""
        return prove(self.function, *self.arrays, **self.options)


def theorems() -> list[Theorem]:
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

    claim("LayerNorm", _layer_norm, normal((2, 2)), normal(2), normal(2))
    claim("LayerNorm", _layer_norm, normal((1, 3)), normal(3), normal(3))
    claim("RMSNorm", _rms_norm, normal((2, 2)), normal(2))
    claim("BatchNorm1d", _first(batchnorm.batch_norm_train), normal((3, 2)), normal(2), normal(2))
    claim("GroupNorm", _group_norm, normal((1, 4)), normal(4), normal(4))
    claim("InstanceNorm1d", _first(instancenorm.instance_norm_train), normal((1, 2, 2)), normal(2), normal(2))

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
    claim("PairwiseDistance", distance.pairwise_distance, normal((2, 2)), normal((2, 2)))
    claim("CosineSimilarity", distance.cosine_similarity, normal((1, 2)), normal((1, 2)))

    attention = F.scaled_dot_product_attention
    claim("MultiheadAttention", attention, normal((2, 2)), normal((2, 2)), normal((2, 2)), None)
    claim("MultiheadAttention", attention, normal((2, 2)), normal((2, 2)), normal((2, 2)), None, is_causal=True)
    return found


def _first(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function without the statistics that it hands out beside its output."""

    def alone(*arrays: Array) -> Any:
        (y, _, _), backward = function(*arrays)
        return y, backward

    return alone


def _layer_norm(x: Array, weight: Array, bias: Array) -> Any:
    return F.layer_norm(x, weight.shape, weight, bias)


def _rms_norm(x: Array, weight: Array) -> Any:
    return F.rms_norm(x, weight.shape, weight, 1e-5)


def _group_norm(x: Array, weight: Array, bias: Array) -> Any:
    return F.group_norm(x, 2, weight, bias)
