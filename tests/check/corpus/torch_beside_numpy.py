# ruff: noqa  (written as students write)
"""Code on torch's tensors in files that import NumPy, too: arrays fail, and tensors do not."""

import numpy as np
import torch

from tests.check.corpus import right, wrong


@right("softmax")
class Softmax:
    def forward(self, x):
        e = (x - x.max(-1, keepdim=True).values).exp()
        self.p = e / e.sum(-1, keepdim=True)
        return self.p

    def backward(self, d):
        return self.p * (d - (d * self.p).sum(-1, keepdim=True))


@wrong("softmax", "softmax-elementwise", "input")
class SoftmaxElementwise(Softmax):
    def backward(self, d):
        return self.p * (1 - self.p) * d


@right("linear")
class Linear:
    def __init__(self, fan_in, fan_out):
        self.weight, self.bias = torch.randn((fan_in, fan_out)), torch.zeros(fan_out)

    def __call__(self, x):
        self.x = x
        return torch.addmm(self.bias, x, self.weight)

    def backward(self, dout):
        self.weight.grad = self.x.t() @ dout
        self.bias.grad = dout.sum(dim=0)
        return dout @ self.weight.t()
