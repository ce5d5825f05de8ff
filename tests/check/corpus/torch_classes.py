# ruff: noqa  (written as students write)
"""Classes and functions on torch's tensors that are no autograd.Function; gradients left on the tensors, x.g, w.g."""

import torch

from tests.check.corpus import right, wrong


class Module:
    def __call__(self, *args):
        self.args = args
        self.out = self.forward(*args)
        return self.out

    def backward(self):
        self.bwd(self.out, *self.args)


@right("linear")
class Lin(Module):
    def __init__(self, w, b):
        self.w, self.b = w, b

    def forward(self, inp):
        return inp @ self.w + self.b

    def bwd(self, out, inp):
        inp.g = out.g @ self.w.t()
        self.w.g = inp.t() @ out.g
        self.b.g = out.g.sum(0)


@wrong("linear", "broadcast-axis-not-summed", "bias")
class LinRows(Lin):
    def bwd(self, out, inp):
        inp.g = out.g @ self.w.t()
        self.w.g = inp.t() @ out.g
        self.b.g = out.g


@right("relu")
class Clamp:
    def __call__(self, inp):
        self.inp, self.out = inp, inp.clamp_min(0.0)
        return self.out

    def backward(self):
        self.inp.g = (self.inp > 0).float() * self.out.g


@right("mse_loss")
class Squares(Module):
    def forward(self, inp, targ):
        return (inp - targ).pow(2).mean()

    def bwd(self, out, inp, targ):
        inp.g = 2 * (inp - targ) / targ.numel()


class Bessel:
    def __init__(self, dim, eps=1e-5):
        self.eps, self.gamma, self.beta = eps, torch.ones(dim), torch.zeros(dim)

    def forward(self, x):
        self.inv = (x.var(0, keepdim=True) + self.eps) ** -0.5
        self.raw = (x - x.mean(0, keepdim=True)) * self.inv
        return self.gamma * self.raw + self.beta


@right("batch_norm")
class BatchNormTensors(Bessel):
    def forward(self, x):
        self.inv = (x.var(0, keepdim=True, unbiased=False) + self.eps) ** -0.5
        self.raw = (x - x.mean(0, keepdim=True)) * self.inv
        return self.gamma * self.raw + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (self.raw * dout).sum(0), dout.sum(0)
        d = self.gamma * dout
        return self.inv * (d - d.mean(0) - self.raw * (d * self.raw).mean(0))


@wrong("batch_norm", "eps-or-bessel-misplaced")
class BatchNormBessel(Bessel):
    def backward(self, dout):
        self.dgamma, self.dbeta = (self.raw * dout).sum(0), dout.sum(0)
        d = self.gamma * dout
        return self.inv * (d - d.mean(0) - self.raw * (d * self.raw).mean(0))


@right("linear")
def lin_grad(inp, out, w, b):
    inp.g = out.g @ w.t()
    w.g = inp.t() @ out.g
    b.g = out.g.sum(0)


@wrong("linear", "mean-instead-of-sum", "bias")
def lin_grad_mean(inp, out, w, b):
    inp.g = out.g @ w.t()
    w.g = inp.t() @ out.g
    b.g = out.g.mean(0)


@right("Adam")
def adam(params, states, hyperparams):
    for p, (v, s) in zip(params, states):
        with torch.no_grad():
            v[:] = 0.9 * v + 0.1 * p.grad
            s[:] = 0.999 * s + 0.001 * torch.square(p.grad)
            m = v / (1 - 0.9 ** hyperparams["t"])
            r = s / (1 - 0.999 ** hyperparams["t"])
            p[:] -= hyperparams["lr"] * m / (torch.sqrt(r) + 1e-8)
        p.grad.data.zero_()
    hyperparams["t"] += 1


@right("SGD")
def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()


@wrong("SGD", "unknown")
def sgd_twice(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= 2 * lr * p.grad / batch_size


@right("Adam")
class OfTorchsKind(torch.optim.Optimizer):
    """A subclass of torch's own optimizer: groups of parameters, a state for each."""

    uncorrected = False

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                state["t"] += 1
                g = p.grad + group["weight_decay"] * p
                state["m"].mul_(beta1).add_(g, alpha=1 - beta1)
                state["v"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
                first = 1 if self.uncorrected else 1 - beta1 ** state["t"]
                second = 1 - beta2 ** state["t"]
                p.sub_(group["lr"] * state["m"] / first / ((state["v"] / second).sqrt() + group["eps"]))


@wrong("Adam", "optimizer-bias-correction", "param")
class OfTorchsKindUncorrected(OfTorchsKind):
    uncorrected = True
