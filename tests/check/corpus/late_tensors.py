# ruff: noqa  (written as students write)
"""A step on tensors that has no rate: the states come in pairs."""

import torch

from tests.check.corpus import right


@right("Adadelta(lr=1, rho=0.9, eps=1e-5)")
def adadelta_on_tensors(params, states, hyperparams):
    rho, eps = hyperparams["rho"], 1e-5
    for p, (s, delta) in zip(params, states):
        with torch.no_grad():
            s[:] = rho * s + (1 - rho) * torch.square(p.grad)
            g = (torch.sqrt(delta + eps) / torch.sqrt(s + eps)) * p.grad
            p[:] -= g
            delta[:] = rho * delta + (1 - rho) * g * g
        p.grad.data.zero_()
