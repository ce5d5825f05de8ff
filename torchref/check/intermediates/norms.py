# ruff: noqa: E501
"""The way back through a normalisation: dx_hat, then the paths through the variance and the mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.intermediates.step import Step, step
from torchref.nn.module import Array

X_HAT = "xhat xnorm xn normed normalized normx xnormalized xh"
DX_HAT = "dxhat dxnorm dxn dnorm dnormed dnormalized dxh dxnormalized"


def batch_norm(v: Any, dy: Array) -> list[Step]:
    if not v.training:
        return []
    shape = [1, v.input.shape[1]] + [1] * (v.input.ndim - 2)
    return standardised(v.input, dy, weight(v, shape), (0, *range(2, v.input.ndim)), v.eps)


def layer_norm(v: Any, dy: Array) -> list[Step]:
    return standardised(v.input, dy, weight(v, v.normalized_shape), (-1,), v.eps)


def weight(v: Any, shape: Any) -> Array:
    return np.ones(shape) if v.weight is None else np.asarray(v.weight).reshape(shape)


def standardised(x: Array, dy: Array, gamma: Array, axes: tuple[int, ...], eps: float) -> list[Step]:
    """x_hat = (x - mean) / sqrt(var + eps), gradient by gradient."""
    n = int(np.prod([x.shape[a] for a in axes]))
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    centred, std = x - mean, np.sqrt(var + eps)
    x_hat, dx_hat = centred / std, dy * gamma
    along = (dx_hat * centred).sum(axes, keepdims=True)  # through 1 / std
    dstd = -along / std**2
    dvar = dstd / (2 * std)
    direct = dx_hat / std
    dsquare = dvar * np.ones_like(x) / n
    through = 2 * centred * dvar / n  # the path through the variance
    dcentred = direct + through
    dmean = -dcentred.sum(axes, keepdims=True)
    m1, m2 = dx_hat.mean(axes, keepdims=True), (dx_hat * x_hat).mean(axes, keepdims=True)
    one = "input"
    return [
        step("mean", "the mean", "mean mu samplemean batchmean m", one, mean),
        step("centred", "x - mean", "xmu xcentered xcentred centered centred xc xminusmu xm", "input weight", centred),
        step("var", "the biased variance", "var variance samplevar sigma2 batchvar v", one, var, var + eps, var * n / max(n - 1, 1)),
        step("std", "sqrt(var + eps)", "std sqrtvar sigma stddev sd", one, std, var + eps, np.sqrt(var), 1 / std),
        step("1 / std", "1 / sqrt(var + eps)", "rstd ivar invstd istd invvar invsqrtvar inv stdinv", one, 1 / std, std),
        step("x_hat", "(x - mean) / std", X_HAT, "input weight", x_hat),
        step("dx_hat", "dy * gamma", DX_HAT, one, dx_hat),
        step("d(1 / std)", "the gradient of 1 / std: the sum of dx_hat * (x - mean)", "divar drstd dinvstd distd dinvvar", one, along),
        step("dstd", "the gradient of the standard deviation", "dstd dsqrtvar dsigma dsd", one, dstd, dvar),
        step("dvar", "the gradient of the variance", "dvar dvariance dsigma2 dsamplevar dbatchvar dv", one, dvar, dstd, along),
        step("dsq", "the gradient of the squares (x - mean)^2", "dsq dsquare", one, dsquare),
        step("dx_hat / std", "the direct path", "dxmu1 dxmu dcentered dcentred dxc dxcentered dxm dxminusmu", one, direct, dcentred, through),
        step("2 (x - mean) dvar / n", "the path through the variance", "dxmu2", one, through),
        step("dmean", "the gradient of the mean", "dmean dmu dsamplemean dm dbatchmean", one, dmean, -m1 / std, -direct.sum(axes, keepdims=True)),
        step("mean of dx_hat", "dx_hat averaged over the axes of the statistics", "m1 meandxhat mdxhat dxhatmean", one, m1, n * m1),
        step("mean of dx_hat * x_hat", "dx_hat * x_hat averaged over the axes of the statistics", "m2 meandxhatxhat dxhatxhatmean", one, m2, n * m2),
        step("sum of dx_hat", "dx_hat summed over the axes of the statistics", "sumdxhat sdxhat s1 sum1 dxhatsum", one, n * m1, m1),
        step("sum of dx_hat * x_hat", "dx_hat * x_hat summed over the axes of the statistics", "sumdxhatxhat s2 sum2 dxhatxhatsum", one, n * m2, m2),
    ]  # fmt: skip


def rms_norm(v: Any, dy: Array) -> list[Step]:
    """x_hat = x / rms."""
    x = v.input
    eps = np.finfo(np.float64).eps if v.eps is None else v.eps
    square = (x * x).mean(-1, keepdims=True)
    rms = np.sqrt(square + eps)
    x_hat, dx_hat = x / rms, dy * weight(v, v.normalized_shape)
    along = (dx_hat * x).sum(-1, keepdims=True)
    drms = -along / rms**2
    d, one = x.shape[-1], "input"
    dot = (dx_hat * x_hat).mean(-1, keepdims=True)
    return [
        step("mean of x^2", "the mean square", "ms meansquare meansq var variance sq", one, square, square + eps, x * x),
        step("rms", "sqrt(mean of x^2 + eps)", "rms std norm r sigma", one, rms, 1 / rms, square, square + eps),
        step("1 / rms", "1 / sqrt(mean of x^2 + eps)", "rrms rstd invrms inv irms scale", one, 1 / rms, rms),
        step("x_hat", "x / rms", X_HAT, "input weight", x_hat),
        step("dx_hat", "dy * weight", DX_HAT, one, dx_hat),
        step("d(1 / rms)", "the gradient of 1 / rms: the sum of dx_hat * x", "drrms dinvrms dirms drstd dinv", one, along),
        step("drms", "the gradient of the root mean square", "drms dr dstd", one, drms, along),
        step("d(mean of x^2)", "the gradient of the mean square", "dms dmeansquare dmeansq dvar", one, drms / (2 * rms), drms),
        step("mean of dx_hat * x_hat", "dx_hat * x_hat averaged over the row", "dot mean m meandxhatxhat inner proj", one, dot, d * dot, along, along / d),
    ]  # fmt: skip
