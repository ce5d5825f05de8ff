"""Entries of reductions and scans."""

from __future__ import annotations

from typing import Any

from torchref import tensor
from torchref.nn.module import Array, Backward
from torchref.referee.entries.table import bind, entry

bind(
    amax=tensor.amax,
    amin=tensor.amin,
    aminmax=tensor.aminmax,
    cummax=tensor.cummax,
    cummin=tensor.cummin,
    cumprod=tensor.cumprod,
    cumsum=tensor.cumsum,
    kthvalue=tensor.kthvalue,
    linalg_vector_norm=tensor.vector_norm,
    logcumsumexp=tensor.logcumsumexp,
    logsumexp=tensor.logsumexp,
    max=tensor.max,
    mean=tensor.mean,
    median=tensor.median,
    min=tensor.min,
    nanmedian=tensor.nanmedian,
    nansum=tensor.nansum,
    prod=tensor.prod,
    sort=tensor.sort,
    sum=tensor.sum,
    topk=tensor.topk,
    trace=tensor.trace,
)


@entry("norm")
def norm(x: Array, p: float | None = 2, dim: Any = None, keepdim: bool = False) -> tuple[Array, Backward]:
    return tensor.vector_norm(x, 2 if p is None else p, dim, keepdim)


def spread(function: Any) -> Any:
    """The entry of a variance: without a correction, torch's is 1."""

    def entered(x: Array, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
        return function(x, dim, correction=1.0 if correction is None else float(correction), keepdim=keepdim)

    return entered


bind(
    std=spread(tensor.std),
    std_mean=spread(tensor.std_mean),
    var=spread(tensor.var),
    var_mean=spread(tensor.var_mean),
)
