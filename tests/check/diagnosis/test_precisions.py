"""An autograd.Function that is right in float64 and wrong in bfloat16: what is said of it."""

import numpy as np
import pytest
import torch

from torchref.check.api import Asked, judge_as


def sigmoid_wrong_in_bfloat16(change):
    class Sigmoid(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = torch.sigmoid(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, dy):
            (y,) = ctx.saved_tensors
            dx = dy * y * (1 - y)
            return change(dx) if dy.dtype == torch.bfloat16 else dx

    return Sigmoid


@pytest.mark.parametrize("against", ["sigmoid", "forward"])
def test_a_turned_sign(against):
    """Catches a sign that is wrong in one precision alone and is put down to rounding, with a known formula or none."""
    verdict = judge_as(sigmoid_wrong_in_bfloat16(lambda dx: -dx), Asked(against), "Sigmoid")
    assert [f.slug for f in verdict.findings] == ["wrong-sign"], verdict.text()
    assert "in bfloat16, not in float64" in verdict.findings[0].evidence


@pytest.mark.parametrize("against", ["sigmoid", "forward"])
@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda dx: dx * 0.7, "differs by 0.3 of its largest entry"),
        (lambda dx: dx * float("nan"), "has nan or infinite entries"),
        (lambda dx: dx[:1], "has shape (1, 7), expected (5, 7)"),
    ],
    ids=["scale", "nan", "shape"],
)
def test_what_no_known_mistake_explains_is_a_note(against, change, note):
    """Catches a gradient wrong in bfloat16 alone that no note names, and one of another shape that ends in an error."""
    verdict = judge_as(sigmoid_wrong_in_bfloat16(change), Asked(against), "Sigmoid")
    assert any(line.startswith("in bfloat16 d") and note in line for line in verdict.notes), verdict.text()


def relu_in_half(x):
    x = x.astype(np.float16)
    return np.maximum(x, 0), lambda dy: (dy * (x > 0)).astype(np.float16)


def relu_in_half_turned(x):
    x = x.astype(np.float16)
    return np.maximum(x, 0), lambda dy: (dy * (x < 0)).astype(np.float16)


def test_code_in_half_precision_alone():
    """Catches half precision taken for another forward, and a mistake that its tolerance hides."""
    right, wrong = (judge_as(f, Asked("relu"), "relu") for f in (relu_in_half, relu_in_half_turned))
    assert right.verdict == "right", right.text()
    assert any("computes in float16" in note for note in right.notes)
    assert [f.slug for f in wrong.findings] == ["wrong-mask"], wrong.text()
