"""Entries of arithmetic, exponentials, trigonometry and selection."""

from __future__ import annotations

from typing import Any

from torchref import tensor
from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import bind, entry

bind(
    abs=tensor.abs,
    acos=tensor.acos,
    acosh=tensor.acosh,
    addcdiv=tensor.addcdiv,
    addcmul=tensor.addcmul,
    asin=tensor.asin,
    asinh=tensor.asinh,
    atan=tensor.atan,
    atan2=tensor.atan2,
    atanh=tensor.atanh,
    ceil=tensor.ceil,
    clamp=tensor.clamp,
    clamp_max=tensor.clamp_max,
    clamp_min=tensor.clamp_min,
    copysign=tensor.copysign,
    cos=tensor.cos,
    cosh=tensor.cosh,
    deg2rad=tensor.deg2rad,
    div=tensor.div,
    erf=tensor.erf,
    erfc=tensor.erfc,
    erfinv=tensor.erfinv,
    exp=tensor.exp,
    exp2=tensor.exp2,
    expm1=tensor.expm1,
    float_power=tensor.float_power,
    floor=tensor.floor,
    fmax=tensor.fmax,
    fmin=tensor.fmin,
    fmod=tensor.fmod,
    frac=tensor.frac,
    hypot=tensor.hypot,
    lerp=tensor.lerp,
    lgamma=tensor.lgamma,
    log=tensor.log,
    log10=tensor.log10,
    log1p=tensor.log1p,
    log2=tensor.log2,
    logaddexp=tensor.logaddexp,
    logaddexp2=tensor.logaddexp2,
    logit=tensor.logit,
    maximum=tensor.maximum,
    minimum=tensor.minimum,
    mul=tensor.mul,
    nan_to_num=tensor.nan_to_num,
    neg=tensor.neg,
    pow=tensor.pow,
    rad2deg=tensor.rad2deg,
    reciprocal=tensor.reciprocal,
    remainder=tensor.remainder,
    round=tensor.round,
    rsqrt=tensor.rsqrt,
    sgn=tensor.sign,
    sigmoid=tensor.sigmoid,
    sign=tensor.sign,
    sin=tensor.sin,
    sinc=tensor.sinc,
    sinh=tensor.sinh,
    special_entr=tensor.entr,
    special_i0=tensor.i0,
    special_ndtr=tensor.ndtr,
    special_xlogy=tensor.xlogy,
    sqrt=tensor.sqrt,
    square=tensor.square,
    tan=tensor.tan,
    tanh=tensor.tanh,
    trunc=tensor.trunc,
    where=tensor.where,
    xlogy=tensor.xlogy,
)


@entry("add")
def add(x: Any, other: Any, alpha: float = 1) -> tuple[Array, Backward]:
    return tensor.add(x, other, alpha=alpha)


@entry("sub")
def sub(x: Any, other: Any, alpha: float = 1) -> tuple[Array, Backward]:
    return tensor.sub(x, other, alpha=alpha)


@entry("rsub")
def rsub(x: Any, other: Any, alpha: float = 1) -> tuple[Array, Backward]:
    return tensor.rsub(x, other, alpha=alpha)


@entry("masked_fill")
def masked_fill(x: Array, mask: Array, value: Any) -> tuple[Array, Backward]:
    return tensor.masked_fill(x, mask, value)
