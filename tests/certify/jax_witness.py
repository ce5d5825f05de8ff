"""JAX as a second framework: its own functions and its own differentiation (the optional extra `[jax]`)."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.nn import functional as F

SHAPE = (7, 5)
BOUND = 2e-14  # of the largest entry: float64 on both sides


def compared(modules: set[str]) -> list[str]:
    """The modules, among these, that JAX has too; none where JAX is not installed."""
    if importlib.util.find_spec("jax") is None:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [name for name in pairs() if name in modules]


def pairs() -> dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]]:
    """By module: our function, JAX's, and the arrays that both are given."""
    import jax
    import jax.numpy as jnp
    from jax import nn

    rng = np.random.default_rng(11)
    x, t = 2 * rng.standard_normal(SHAPE), rng.standard_normal(SHAPE)
    p, q = rng.uniform(0.1, 0.9, SHAPE), rng.uniform(0.1, 0.9, SHAPE)
    weight, bias, labels = rng.standard_normal((3, 5)), rng.standard_normal(3), rng.integers(0, 5, 7)
    gamma, beta = rng.standard_normal(5), rng.standard_normal(5)
    image, kernel = rng.standard_normal((2, 3, 7, 8)), rng.standard_normal((5, 3, 3, 2))
    row = np.arange(7)

    def standardized(x: Any, axis: int) -> Any:
        return (x - x.mean(axis, keepdims=True)) / jnp.sqrt(x.var(axis, keepdims=True) + 1e-5)

    def convolved(x: Any, w: Any) -> Any:
        return jax.lax.conv_general_dilated(x, w, (2, 1), ((1, 1), (0, 0)), precision="highest")

    def pooled(x: Any) -> Any:
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 3, 2), (1, 1, 2, 2), "VALID")

    def attended(q: Any, k: Any, v: Any) -> Any:
        return nn.softmax(q @ k.T / jnp.sqrt(5.0), axis=-1) @ v

    def batch_normed(x: Any, w: Any, b: Any) -> Any:
        return F.batch_norm(x, None, None, w, b, training=True)

    found: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
        "Linear": (F.linear, lambda x, w, b: x @ w.T + b, (x, weight, bias)),
        "ReLU": (F.relu, nn.relu, (x,)),
        "ReLU6": (F.relu6, nn.relu6, (x,)),
        "LeakyReLU": (F.leaky_relu, nn.leaky_relu, (x,)),
        "ELU": (F.elu, nn.elu, (x,)),
        "CELU": (F.celu, nn.celu, (x,)),
        "SELU": (F.selu, nn.selu, (x,)),
        "GELU": (F.gelu, lambda x: nn.gelu(x, approximate=False), (x,)),
        "SiLU": (F.silu, nn.silu, (x,)),
        "Mish": (F.mish, nn.mish, (x,)),
        "Sigmoid": (F.sigmoid, nn.sigmoid, (x,)),
        "Tanh": (F.tanh, jnp.tanh, (x,)),
        "Softplus": (F.softplus, nn.softplus, (x,)),
        "Softsign": (F.softsign, nn.soft_sign, (x,)),
        "LogSigmoid": (F.logsigmoid, nn.log_sigmoid, (x,)),
        "Hardtanh": (F.hardtanh, nn.hard_tanh, (x,)),
        "Hardswish": (F.hardswish, nn.hard_swish, (x,)),
        "GLU": (F.glu, nn.glu, (rng.standard_normal((7, 6)),)),
        "Softmax": (lambda x: F.softmax(x, dim=1), nn.softmax, (x,)),
        "LogSoftmax": (lambda x: F.log_softmax(x, dim=1), nn.log_softmax, (x,)),
        "LayerNorm": (
            lambda x, w, b: F.layer_norm(x, (5,), w, b),
            lambda x, w, b: standardized(x, -1) * w + b,
            (x, gamma, beta),
        ),
        "RMSNorm": (
            lambda x, w: F.rms_norm(x, (5,), w, 1e-5),
            lambda x, w: x / jnp.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w,
            (x, gamma),
        ),
        "BatchNorm1d": (batch_normed, lambda x, w, b: standardized(x, 0) * w + b, (x, gamma, beta)),
        "MSELoss": (F.mse_loss, lambda x, t: ((x - t) ** 2).mean(), (x, t)),
        "L1Loss": (F.l1_loss, lambda x, t: jnp.abs(x - t).mean(), (x, t)),
        "CrossEntropyLoss": (F.cross_entropy, lambda x, t: -nn.log_softmax(x)[row, t].mean(), (x, labels)),
        "NLLLoss": (F.nll_loss, lambda x, t: -x[row, t].mean(), (x, labels)),
        "BCELoss": (
            F.binary_cross_entropy,
            lambda p, q: -(q * jnp.log(p) + (1 - q) * jnp.log(1 - p)).mean(),
            (p, q),
        ),
        "BCEWithLogitsLoss": (
            F.binary_cross_entropy_with_logits,
            lambda x, q: (nn.softplus(x) - q * x).mean(),
            (x, q),
        ),
        "KLDivLoss": (F.kl_div, lambda x, q: (q * (jnp.log(q) - x)).mean(), (x, q)),
        "Embedding": (F.embedding, lambda i, w: w[i], (labels, rng.standard_normal((5, 3)))),
        "Conv2d": (lambda x, w: F.conv2d(x, w, stride=(2, 1), padding=(1, 0)), convolved, (image, kernel)),
        "MaxPool2d": (lambda x: F.max_pool2d(x, (3, 2), 2), pooled, (image,)),
        "MultiheadAttention": (F.scaled_dot_product_attention, attended, (x, t, q)),
    }
    return found


def confirm(name: str) -> None:
    """AssertionError where JAX's output or gradients are not ours."""
    import jax

    jax.config.update("jax_enable_x64", True)
    ours, theirs, arrays = pairs()[name]
    output, backward = ours(*arrays)
    expected, pull = jax.vjp(theirs, *arrays)
    dy = np.random.default_rng(12).standard_normal(output.shape)
    close(f"{name}: output", output, expected)
    gradients = backward(dy)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    for i, (array, gradient, other) in enumerate(zip(arrays, gradients, pull(jax.numpy.asarray(dy)), strict=False)):
        if array.dtype.kind == "f":
            close(f"{name}: gradient {i}", gradient, other)


def close(what: str, ours: Any, theirs: Any) -> None:
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{what}: {ours.shape} instead of {theirs.shape}"
    error, scale = np.abs(ours - theirs).max(), max(np.abs(theirs).max(), 1.0)
    assert error <= BOUND * scale, f"{what}: off by {error:.3g}"
