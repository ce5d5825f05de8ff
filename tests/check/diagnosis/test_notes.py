"""What is no mistake, and said all the same: precisions, more axes, devices."""

import numpy as np
import pytest
import torch

from torchref.check import check
from torchref.check.api import Asked, judge


def matmul(x, weight, bias):
    def backward(dy):
        rows = dy.reshape(-1, dy.shape[-1])
        return dy @ weight, rows.T @ x.reshape(-1, x.shape[-1]), rows.sum(0)

    return x @ weight.T + bias, backward


class ScaledTanh(torch.autograd.Function):
    """Right in float64; wrong by a sign in half precision alone."""

    flaw = True

    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        sign = -1 if y.dtype == torch.bfloat16 else 1
        return sign * dy * (1 - y * y)


class Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * (1 - y * y)


def judged(target, against, device=None):
    return judge(target, Asked(against, device=device), "it")


def test_promotion_is_a_note():
    """float32 in, float64 out: right, with a note; code that keeps float32 has none."""

    def doubles(x):
        y = np.zeros(x.shape)
        y[...] = np.tanh(x)
        return y, lambda dy: dy * (1 - y * y)

    verdict = check(doubles, against="tanh")
    assert verdict.ok
    assert "float32 inputs give float64 results (output, dinput)" in " ".join(verdict.notes)
    assert not check(lambda x: (np.tanh(x), lambda dy: dy * (1 - np.tanh(x) ** 2)), against="tanh").notes


def test_half_precision_is_always_tried():
    """Would catch half precision that is tried only where float64 fails."""
    verdict = judged(Tanh, "tanh")
    assert verdict.ok
    assert "right in float32, float16, bfloat16, too" in " ".join(verdict.notes)
    wrong = judged(ScaledTanh, "tanh")
    assert wrong.findings[0].slug == "wrong-sign"
    assert "in bfloat16, not in float64" in wrong.findings[0].evidence


def test_more_axes():
    """A backward that follows its forward to (N, T, D) hears nothing; one that does not is right, with a note."""
    assert not check(matmul, against="linear").notes

    def flat(x, weight, bias):
        return x @ weight.T + bias, lambda dy: (dy @ weight, dy.T @ x, dy.sum(0))

    verdict = check(flat, against="linear")
    assert verdict.ok
    assert "where the backward raises ValueError" in " ".join(verdict.notes)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_no_cuda():
    """--device cuda without CUDA, on NumPy code, and a device that does not exist: errors that say so."""
    assert "no CUDA device" in judged(Tanh, "tanh", "cuda").error
    assert "autograd.Function" in judged(matmul, "linear", "cuda").error
    assert "'tpu'" in judged(matmul, "linear", "tpu").error
    assert judged(Tanh, "tanh", "cpu").ok


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda():
    """On a machine with CUDA the function is judged there."""
    verdict = judged(Tanh, "tanh", "cuda")
    assert verdict.ok, verdict.text()
