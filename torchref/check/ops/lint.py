"""What a given probe cannot see: the coincidences that hide mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def lint(inputs: Mapping[str, Any], upstream: Any = None) -> list[str]:
    """Say what `inputs` (arrays and options by torch's names; `upstream` or a "dy" among them) cannot show.

    An empty list: none of the coincidences that commonly hide a mistake was found.
    """
    told: list[str] = []
    dy = (
        upstream
        if upstream is not None
        else next((inputs[k] for k in ("dy", "grad_output", "upstream", "dout") if k in inputs), None)
    )
    arrays = {k: np.asarray(v) for k, v in inputs.items() if isinstance(v, np.ndarray) and v is not dy}
    if dy is not None:
        dy = np.asarray(dy, dtype=float)
        if dy.size and np.all(dy == 1):
            told.append("upstream of ones hides a missing factor dy, the variance path, and softmax's whole gradient")
        elif dy.size > 1 and np.all(dy == dy.flat[0]):
            told.append("a constant upstream hides sums over the wrong axis and the paths through mean and variance")
        elif dy.size and np.all(dy > 0):
            told.append("an upstream of one sign makes a mask that is taken from it look like no mask")
    for name, a in arrays.items():
        if a.ndim == 2 and a.shape[0] == a.shape[1]:
            told.append(f"square {name} {a.shape} hides a transpose")
    x = arrays.get("input", next(iter(arrays.values()), np.zeros(0)))
    if len(set(x.shape)) < x.ndim:
        told.append(f"equal sizes in {x.shape} hide a sum over the wrong axis and a wrong divisor")
    if x.ndim and x.shape[0] == 1:
        told.append("a batch of 1 hides a mean instead of a sum")
    named = {"N": float(x.shape[0])} if x.ndim else {}
    if x.ndim > 1:
        named["D"] = float(x.shape[-1])
    for name, value in inputs.items():
        if isinstance(value, float | int) and not isinstance(value, bool) and value:
            named[name] = float(value)
    if "p" in named and 0 < named["p"] < 1:
        p = named["p"]
        if p == 0.5:
            told.append("p = 0.5 hides 1/p in place of 1/(1-p)")
        odds = (1 - p) / p
        for one, va in named.items():
            for two, vb in named.items():
                if one != "p" and two != "p" and one != two and (abs(odds - va / vb) < 1e-9):
                    told.append(f"(1-p)/p = {one}/{two}: 1/p in place of 1/(1-p) looks like a wrong divisor")
    if x.dtype.kind == "f" and x.size:
        if not np.any(x == 0):
            told.append("no exact zeros: the choice at a kink stays unseen")
        if np.all(x > 0) or np.all(x < 0):
            told.append("an input of one sign hides every mask")
        if np.unique(x).size == x.size and x.size > 1:
            told.append("no ties: what a maximum does with them stays unseen")
    if x.dtype.kind in "iu" and x.size and np.unique(x).size == x.size:
        told.append("unique indices hide a repeated index that is overwritten")
    for name in ("weight", "bias"):
        if name in arrays and arrays[name].ndim == 1 and arrays[name].size:
            if name == "weight" and np.all(arrays[name] == 1):
                told.append("weight (gamma) of ones hides a forgotten gamma")
            if name == "bias" and np.all(arrays[name] == 0):
                told.append("bias (beta) of zeros hides the output taken for x_hat")
    if "eps" in named and named["eps"] < 1e-4:
        told.append(f"eps = {named['eps']:g} hides where eps stands")
    if "weight" in arrays and arrays["weight"].ndim >= 3:
        kernel = arrays["weight"]
        if np.allclose(kernel, np.flip(kernel, tuple(range(2, kernel.ndim)))):
            told.append("a symmetric kernel hides a flipped one")
        if inputs.get("stride", 1) == 1:
            told.append("stride 1 hides a wrong crop and windows that do not step")
    if any(name.startswith("weight_hh") for name in arrays) and x.ndim == 3 and x.shape[0] == 1:
        told.append("one time step hides every mistake of the recurrence")
    if "negative_slope" in named and named["negative_slope"] in (0.0, 1.0):
        told.append("a slope of 0 or 1 hides a lost one")
    for name in ("alpha", "beta", "delta"):
        if named.get(name) == 1:
            told.append(f"{name} = 1 hides a forgotten {name}")
    return told
