"""A search over readings changes nothing: neither the form that it starts from, nor what the next one finds."""

import copy

import numpy as np
import pytest
import torch

from torchref.check.diagnosis.judge import judge
from torchref.check.ops.find import find
from torchref.check.reading.forms.recognise import recognise


def pool(x, pool_param):
    """Options from a dictionary: which of them are read has to be found out."""
    size, stride = pool_param["pool_height"], pool_param["stride"]
    n, c, h, w = x.shape
    rows, columns = (h - size) // stride + 1, (w - size) // stride + 1
    y = np.empty((n, c, rows, columns))
    for i in range(rows):
        for j in range(columns):
            y[:, :, i, j] = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size].mean((2, 3))

    def backward(dy):
        dx = np.zeros_like(x)
        for i in range(rows):
            for j in range(columns):
                window = dx[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
                window += dy[:, :, i, j, None, None] / size**2
        return dx

    return y, backward


def of_the_output(da, a):
    """`a` may be the input or the output."""
    return da * (1 - a * a)


class Mean:
    """A loss whose arguments stand the other way round."""

    def forward(self, truth, guess):
        self.difference = guess - truth
        return (self.difference**2).mean()

    def backward(self):
        return 2 * self.difference / self.difference.size


class Tanh(torch.autograd.Function):
    """Judged in four precisions."""

    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * (1 - y * y)


@pytest.mark.parametrize(
    ("code", "against"), [(pool, "avg_pool2d"), (of_the_output, "tanh"), (Mean, "mse_loss"), (Tanh, "tanh")]
)
def test_a_search_changes_nothing(code, against):
    """Catches a search that leaves the form as its last try needed it, and a verdict that depends on the one before."""
    form = recognise(code, find(against))
    before = {name: copy.copy(value) for name, value in vars(form).items()}
    first = judge(form).as_dict()
    after = dict(vars(form))
    assert before.keys() == after.keys()
    for name, value in before.items():
        same = value is after[name] or value == after[name]
        assert same, f"{name} was {value}, it is {after[name]}"
    assert judge(form).as_dict() == first
