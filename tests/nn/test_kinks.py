"""The derivative at points that have none, or where float arithmetic ends: the one that torch returns.

One table per torch version. It is regenerated here: torch is asked first, so that a release that changes a row
(hardswish did) is noticed and named; then ours must return the same.
"""

from typing import NamedTuple

import numpy as np
import pytest
import torch

import torchref

INF, NAN = np.inf, np.nan


class Row(NamedTuple):
    module: str
    kwargs: dict
    points: list[float]
    gradient: list[float]  # what torch 2.13 on CPU returns there for an upstream gradient of 1


TABLE = [
    Row("ReLU", {}, [-0.0, 0.0, NAN], [0, 0, 1]),
    Row("LeakyReLU", {"negative_slope": 0.3}, [-0.0, 0.0, NAN], [0.3, 0.3, 0.3]),
    Row("RReLU", {}, [-0.0, 0.0, NAN], [11 / 48] * 3),
    Row("ELU", {"alpha": 2.0}, [-0.0, 0.0, -INF, INF], [2, 2, 0, 1]),
    Row("CELU", {"alpha": 2.0}, [-0.0, 0.0, -INF, INF], [1, 1, 0, 1]),
    Row("SELU", {}, [-0.0, 0.0, -INF], [1.7580993408473766, 1.7580993408473766, 0]),
    Row("GELU", {}, [0.0, -INF, INF, NAN], [0.5, NAN, NAN, NAN]),
    Row("GELU", {"approximate": "tanh"}, [0.0, -INF, INF, NAN], [0.5, NAN, NAN, NAN]),
    Row("SiLU", {}, [0.0, -INF, INF, NAN], [0.5, NAN, NAN, NAN]),
    Row("Mish", {}, [0.0, -INF, INF, NAN], [0.6, NAN, NAN, NAN]),
    Row("Hardtanh", {}, [-1.0, 1.0, NAN], [0, 0, 1]),
    Row("ReLU6", {}, [-0.0, 0.0, 6.0], [0, 0, 0]),
    Row("Hardsigmoid", {}, [-3.0, 3.0, 0.0, NAN], [0, 0, float(np.float32(1 / 6)), 0]),
    Row("Hardswish", {}, [-3.0, 3.0, -INF, INF], [0, 1, 0, 1]),
    Row("Hardshrink", {"lambd": 0.5}, [-0.5, 0.5, NAN], [0, 0, 1]),
    Row("Softshrink", {"lambd": 0.5}, [-0.5, 0.5, NAN], [0, 0, 1]),
    Row("Threshold", {"threshold": 1.0, "value": 2.0}, [1.0, NAN], [0, 1]),
    Row("Softplus", {}, [20.0, 20.5, 1000.0, -1000.0, NAN], [1 / (1 + np.exp(-20)), 1, 1, 0, NAN]),
    Row("LogSigmoid", {}, [-1000.0, 1000.0, -INF, INF], [1, 0, 1, 0]),
    Row("Sigmoid", {}, [-1000.0, 1000.0, -INF, INF, NAN], [0, 0, 0, 0, NAN]),
    Row("Tanh", {}, [-1000.0, 1000.0, -INF, INF, NAN], [0, 0, 0, 0, NAN]),
    Row("Softsign", {}, [-0.0, 0.0], [1, 1]),
    Row("Tanhshrink", {}, [0.0, -INF, INF], [0, 1, 1]),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.module}{row.kwargs or ''}")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_elementwise(row, dtype):
    """Catches > instead of >=, a clamp instead of a mask, and a torch release that returns something else."""
    x = np.array(row.points, dtype)
    tx = torch.tensor(row.points, dtype=getattr(torch, x.dtype.name), requires_grad=True)
    theirs = getattr(torch.nn, row.module)(**row.kwargs).eval()
    y = theirs(tx)
    y.backward(torch.ones_like(y))
    rtol = 1e-12 if dtype is np.float64 else 1e-6
    message = f"torch {torch.__version__} returns something else: change this table and the function"
    np.testing.assert_allclose(tx.grad.numpy(), np.array(row.gradient, dtype), rtol, atol=1e-8, err_msg=message)

    ours = getattr(torchref.nn, row.module)(**row.kwargs).eval()
    with np.errstate(all="ignore"):  # the table is about infinities, too
        _, backward = ours(x)
        dx = backward(np.ones_like(x))
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol, atol=1e-20)


def test_prelu_weight():
    """Catches a slope that learns from x = 0: torch gives x the slope there, and the slope nothing."""
    x = np.array([[-0.0, 0.0, -2.0, 3.0]])
    theirs, ours = torch.nn.PReLU(init=0.3, dtype=torch.float64), torchref.nn.PReLU(init=0.3, dtype=np.float64)
    tx = torch.from_numpy(x.copy()).requires_grad_()
    theirs(tx).sum().backward()
    np.testing.assert_array_equal(tx.grad, [[0.3, 0.3, 0.3, 1]])
    np.testing.assert_array_equal(theirs.weight.grad, [-2])
    _, backward = ours(x)
    np.testing.assert_array_equal(backward(np.ones_like(x)), tx.grad)
    np.testing.assert_array_equal(ours.weight.grad, theirs.weight.grad)


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax", "Softmin"])
@pytest.mark.parametrize(
    "row", [[-INF, 0.0, 1.0], [-INF, -INF, -INF], [INF, 0.0, 1.0], [NAN, 0.0, 1.0], [1000.0, 1000.0, -1000.0]]
)
def test_softmax_of_infinities(name, row):
    """Catches another treatment of masked logits: -inf is a probability of 0; all -inf, +inf or nan give nan."""
    x = np.array([row])
    dy = np.array([[0.3, -0.7, 1.1]])
    tx = torch.from_numpy(x.copy()).requires_grad_()
    y = getattr(torch.nn, name)(1)(tx)
    y.backward(torch.from_numpy(dy))
    with np.errstate(all="ignore"):
        ours, backward = getattr(torchref.nn, name)(1)(x)
        dx = backward(dy)
    np.testing.assert_allclose(ours, y.detach(), rtol=1e-14)
    np.testing.assert_allclose(dx, tx.grad, rtol=1e-14, atol=1e-16)


def test_embedding_padding_and_norm():
    """Catches a gradient for the padding row, and a looked-up row that stays longer than max_norm."""
    index = np.array([2, 1, 2, 4])
    theirs = torch.nn.Embedding(5, 3, padding_idx=2, max_norm=1.0, dtype=torch.float64)
    table = np.random.default_rng(3).standard_normal((5, 3)) * 2
    theirs.load_state_dict({"weight": torch.from_numpy(table.copy())})
    ours = torchref.nn.Embedding(5, 3, padding_idx=2, max_norm=1.0, dtype=np.float64)
    ours.load_state_dict({"weight": table})
    theirs(torch.from_numpy(index)).sum().backward()
    _, backward = ours(index)
    backward(np.ones((4, 3)))
    np.testing.assert_array_equal(theirs.weight.grad[2], [0, 0, 0])
    np.testing.assert_array_equal(ours.weight.grad, theirs.weight.grad)
    np.testing.assert_allclose(ours.weight.data, theirs.weight.detach(), rtol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(ours.weight.data[[1, 2, 4]], axis=1), 1, rtol=1e-6)
