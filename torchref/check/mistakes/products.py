"""Linear, bilinear, embedding, and the gates that multiply (glu, prelu)."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes.base import Gradients, Mistake, Unreduced, sigmoid
from torchref.nn.module import Array

M = Mistake


def linear(v: Any, wrong: frozenset[str]) -> Any:
    y = v.input @ v.weight.T + (0 if v.bias is None else v.bias)
    rows = v.input.reshape(-1, v.input.shape[-1])

    def backward(dy: Array) -> Gradients:
        dy_rows = dy.reshape(-1, dy.shape[-1])
        dx = dy @ (v.weight.T if "weight for its transpose" in wrong else v.weight)
        dweight = dy_rows.T @ rows
        if "weight of the first sample" in wrong:
            dweight = np.outer(dy_rows[0], rows[0])
        if "weight of the last sample" in wrong:
            dweight = np.outer(dy_rows[-1], rows[-1])
        if "operands transposed" in wrong:
            dweight = dy_rows @ rows.T
        if "x by dy" in wrong:
            dweight = rows.T @ dy_rows
        if "input times weight" in wrong:
            dx = dy * v.input
        dbias = dy_rows.sum(0)
        if "bias of the last sample" in wrong:
            dbias = dy_rows[-1]
        if "bias of the first sample" in wrong:
            dbias = dy_rows[0]
        return {"input": dx, "weight": dweight, "bias": dbias, "bias~": Unreduced(dy_rows, (0,))}

    return (y,), backward


LINEAR = (
    M(
        "weight for its transpose",
        "transposed",
        "input",
        "dx multiplies with the transpose of the matrix it needs; only a square weight hides the shape error.",
        "dx = dy @ weight (weight stored as (out, in))",
    ),
    M(
        "x by dy",
        "transposed",
        "weight",
        "dweight is the transpose of what it should be.",
        "dweight = dy.T @ x (weight stored as (out, in))",
    ),
    M("operands transposed", "transposed", "weight", "The transposes in dweight's product stand on the wrong factors."),
    M("weight of the last sample", "overwritten-not-accumulated", "weight", "Only the last sample reaches dweight."),
    M("weight of the first sample", "overwritten-not-accumulated", "weight", "Only the first sample reaches dweight."),
    M("bias of the last sample", "overwritten-not-accumulated", "bias", "Only the last sample reaches dbias."),
    M("bias of the first sample", "overwritten-not-accumulated", "bias", "Only the first sample reaches dbias."),
)


def bilinear(v: Any, wrong: frozenset[str]) -> Any:
    y = np.einsum("ni,oij,nj->no", v.input1, v.weight, v.input2) + (0 if v.bias is None else v.bias)

    def backward(dy: Array) -> Gradients:
        weight2 = v.weight.swapaxes(1, 2) if "weight transposed" in wrong else v.weight
        return {
            "input1": np.einsum("no,oij,nj->ni", dy, weight2, v.input2),
            "input2": np.einsum("no,oij,ni->nj", dy, weight2, v.input1),
            "weight": np.einsum("no,ni,nj->oij", dy, v.input1, v.input2),
            "bias": dy.sum(0),
            "bias~": Unreduced(dy, (0,)),
        }

    return (y,), backward


BILINEAR = (M("weight transposed", "transposed", "input1", "The weight is used with its two input axes exchanged."),)


def embedding(v: Any, wrong: frozenset[str]) -> Any:
    y = v.weight[v.input]

    def backward(dy: Array) -> Gradients:
        index, rows = v.input.reshape(-1), dy.reshape(-1, v.weight.shape[1])
        dweight = np.zeros_like(v.weight)
        if "overwritten" in wrong:
            dweight[index] = rows
        elif "first occurrence" in wrong:
            dweight[index[::-1]] = rows[::-1]
        elif "last batch row" in wrong and v.input.ndim == 2:
            np.add.at(dweight, v.input[-1], dy[-1])
        elif "mean over occurrences" in wrong:
            np.add.at(dweight, index, rows)
            dweight /= np.maximum(np.bincount(index, minlength=len(dweight)), 1)[:, None]
        else:
            np.add.at(dweight, index, rows)
            if "repeats added again" in wrong:
                dweight *= np.bincount(index, minlength=len(dweight))[:, None]
        if v.padding_idx is not None and "padding row" not in wrong:
            dweight[v.padding_idx] = 0
        return {"weight": dweight}

    return (y,), backward


def embedding_bag(v: Any, wrong: frozenset[str]) -> Any:
    """The sum, mean or maximum of the rows that each bag (N, L) names."""
    rows = v.weight[v.input]
    bag = v.input.shape[1]
    if v.mode == "max":
        y = rows.max(1)
    else:
        y = rows.sum(1) / (bag if v.mode == "mean" else 1)

    def backward(dy: Array) -> Gradients:
        d = np.broadcast_to(dy[:, None], rows.shape)
        if v.mode == "mean" and "1 / L lost" not in wrong:
            d = d / bag
        if v.mode == "max":
            first = np.eye(bag, dtype=bool)[rows.argmax(1)].swapaxes(1, 2)  # the first of equals
            d = d * ((rows == y[:, None]) if "every tie" in wrong else first)
        dweight = np.zeros_like(v.weight)
        if "overwritten" in wrong:
            dweight[v.input] = d
        else:
            np.add.at(dweight, v.input, d)
        return {"weight": dweight}

    return (y,), backward


EMBEDDING_BAG = (
    M("1 / L lost", "mean-instead-of-sum", "weight", "The bag's mean divides by its length: so does its gradient."),
    M("overwritten", "repeated-index-overwritten", "weight", "A repeated index keeps only one of its gradients."),
    M("every tie", "pool-ties", "weight", "A repeated index ties with itself: the gradient goes to the first."),
)  # fmt: skip

EMBEDDING = (
    M(
        "overwritten",
        "repeated-index-overwritten",
        "weight",
        "An index that occurs more than once keeps only its last gradient: `dweight[index] += dy` adds once.",
        "np.add.at(dweight, index, dy)",
    ),
    M(
        "first occurrence",
        "repeated-index-overwritten",
        "weight",
        "An index that occurs more than once keeps only its first gradient.",
        "np.add.at(dweight, index, dy)",
    ),
    M(
        "last batch row",
        "overwritten-not-accumulated",
        "weight",
        "Only the last row of the indices reaches dweight.",
        "accumulate over all rows",
    ),
    M(
        "mean over occurrences",
        "mean-instead-of-sum",
        "weight",
        "The gradients of a repeated index are averaged where they must be summed.",
    ),
    M("padding row", "wrong-mask", "weight", "The row of padding_idx must get no gradient."),
)


def glu(v: Any, wrong: frozenset[str]) -> Any:
    a, b = np.split(v.input, 2, axis=v.dim)
    s = sigmoid(b)
    if "forward halves swapped" in wrong:
        a, b = b, a
        s = sigmoid(b)

    def backward(dy: Array) -> Gradients:
        da, db = dy * s, dy * a * s * (1 - s)
        if "gate's derivative missing" in wrong:
            db = dy * a
        if "gate's derivative at b" in wrong:
            db = dy * a * b * (1 - b)
        if "gate's derivative at a" in wrong:
            db = dy * s * a * (1 - a)
        if "value's derivative at a" in wrong:
            db = dy * a * sigmoid(a) * (1 - sigmoid(a))
        if "gate's sign" in wrong:
            db = -db
        if "value's sign" in wrong:
            da = -da
        if "s for s'" in wrong:
            db = dy * a * s
        if "only s'" in wrong:
            db = dy * s * (1 - s)
        if "1 - s lost in the value" in wrong:
            da = dy * b
        if "value's gate missing" in wrong:
            da = dy
        parts = [db, da] if "halves swapped" in wrong else [da, db]
        return {"input": np.concatenate(parts, axis=v.dim)}

    return (a * s,), backward


GLU = (
    M("gate's derivative missing", "local-derivative-missing", "input", "The gate's sigmoid is not differentiated."),
    M("s for s'", "local-derivative-missing", "input", "The gate's derivative is s (1 - s), not s."),
    M("only s'", "local-derivative-missing", "input", "The gate's gradient lacks the value that it multiplies."),
    M("value's gate missing", "local-derivative-missing", "input", "The value's gradient lacks the gate."),
    M(
        "1 - s lost in the value",
        "derivative-at-wrong-tensor",
        "input",
        "The value is multiplied by b, not sigmoid(b).",
    ),
    M(
        "gate's derivative at b",
        "derivative-at-wrong-tensor",
        "input",
        "s (1 - s) is evaluated at b, not at sigmoid(b).",
    ),
    M(
        "gate's derivative at a",
        "derivative-at-wrong-tensor",
        "input",
        "s (1 - s) is evaluated at the value a, not at sigmoid(b).",
    ),
    M(
        "value's derivative at a",
        "derivative-at-wrong-tensor",
        "input",
        "The sigmoid of the value a is differentiated; the gate is sigmoid(b).",
    ),
    M("gate's sign", "wrong-sign", "input", "The gate's half of the gradient has the wrong sign."),
    M("value's sign", "wrong-sign", "input", "The value's half of the gradient has the wrong sign."),
    M("halves swapped", "unknown", "input", "The two halves of the gradient are exchanged."),
    M("forward halves swapped", "forward-differs", "output", "The wrong half goes through the sigmoid."),
)


def prelu(v: Any, wrong: frozenset[str]) -> Any:
    x = v.input
    shape = [1] * x.ndim
    shape[1 if x.ndim > 1 else 0] = v.weight.size
    weight = v.weight.reshape(shape)
    axes = tuple(i for i in range(x.ndim) if shape[i] == 1)

    def backward(dy: Array) -> Gradients:
        dx = dy * np.where(x > 0, 1, weight)
        if "slope forgotten" in wrong:
            dx = dy * (x > 0)
        if "x >= 0" in wrong:
            dx = dy * np.where(x >= 0, 1, weight)
        if "nothing at 0" in wrong:
            dx = dy * np.where(x > 0, 1, weight * (x < 0))
        if "no mask" in wrong:
            dx = dy
        terms = dy * x * (x <= 0)
        if "weight without x" in wrong:
            terms = dy * (x <= 0)
        if "weight without mask" in wrong:
            terms = dy * x
        if "weight on the positive side" in wrong:
            terms = dy * x * (x > 0)
        if "weight at y" in wrong:
            terms = dy * x * weight * (x <= 0)
        return {
            "input": dx,
            "weight": terms.sum(axes).reshape(v.weight.shape),
            "weight~": Unreduced(terms, axes),
        }

    return (np.where(x > 0, x, weight * x),), backward


PRELU = (
    M("slope forgotten", "scale-forgotten", "input", "The slope of the negative side is lost."),
    M("x >= 0", "wrong-mask", "input", "At x = 0 torch takes the negative side."),
    M("nothing at 0", "wrong-mask", "input", "At x = 0 torch takes the negative side: the slope, not 0."),
    M("weight without x", "local-derivative-missing", "weight", "The slope's gradient lacks the factor x."),
    M("weight without mask", "wrong-mask", "weight", "The slope's gradient must count the negative side only."),
    M("weight on the positive side", "wrong-mask", "weight", "The slope's gradient counts the positive side."),
    M("weight at y", "derivative-at-wrong-tensor", "weight", "The slope's gradient uses the output where x belongs."),
)
