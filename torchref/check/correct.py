# ruff: noqa: E501
"""The right formula of every gradient, in one line, for the verdict; its derivation stands where `derivations` says.

dy is the upstream gradient (dloss of a loss), y the output, N the batch, n the number of entries of a mean.
"""

from __future__ import annotations

from typing import Any

from torchref.check.ops import Op
from torchref.check.ops.formula import Written, shown_formula

CONV = {
    "input": "every output position adds sum over the filters of dy * weight to its window of dx; then the padding is cut off",
    "weight": "dweight = sum over N and the output positions of dy * (the window of x)",
    "bias": "dbias = sum of dy over N and the positions",
}
TRANSPOSED = {
    "input": "dx = the plain convolution of dy with weight",
    "weight": "dweight = sum over N and the input positions of x * (the window of dy)",
    "bias": "dbias = sum of dy over N and the positions",
}


def formula(op: Op, name: str, v: Any) -> str:
    """The right formula of the gradient of `name`, or of a running statistic, under the options `v`; empty: unknown."""
    if isinstance(op.formula, Written):
        return shown_formula(op, name, v)
    if op.family == "conv":
        return (TRANSPOSED if "transpose" in op.name else CONV).get(name, "")
    if op.family == "pool" and name == "input":
        if "max" in op.name:
            return "dx[first maximum of each window] += dy"
        return "dx[each window] += dy / (the number of its entries)"
    return ""
