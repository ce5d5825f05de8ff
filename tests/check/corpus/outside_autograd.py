"""autograd.Functions as engines and kernels meet them: blocks, frozen inputs, second derivatives."""

import torch

from tests.check.corpus import conventional, right, wrong

BLOCK = 16


class NormInBlocks(torch.autograd.Function):
    """The sums over the rows go block by block."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps=1e-5):
        rstd = (x.var(-1, unbiased=False, keepdim=True) + eps).rsqrt()
        x_hat = (x - x.mean(-1, keepdim=True)) * rstd
        ctx.save_for_backward(x_hat, rstd, weight)
        return x_hat * weight + bias

    @staticmethod
    def rows_of(n):
        return [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]

    @classmethod
    def gradients(cls, ctx, dy):
        x_hat, rstd, weight = ctx.saved_tensors
        d = dy * weight
        dx = rstd * (d - d.mean(-1, keepdim=True) - x_hat * (d * x_hat).mean(-1, keepdim=True))
        dw, db = torch.zeros_like(weight), torch.zeros_like(weight)
        for rows in cls.rows_of(len(dy)):
            dw += (dy[rows] * x_hat[rows]).sum(0)
            db += dy[rows].sum(0)
        return dx, dw, db, None


@right("layer_norm")
class NormInAllBlocks(NormInBlocks):
    @staticmethod
    def backward(ctx, dy):
        return NormInAllBlocks.gradients(ctx, dy)


@wrong("layer_norm", "block-remainder", "weight")
class NormInWholeBlocks(NormInBlocks):
    @staticmethod
    def rows_of(n):
        return [slice(i * BLOCK, (i + 1) * BLOCK) for i in range(max(1, n // BLOCK))]

    @staticmethod
    def backward(ctx, dy):
        return NormInWholeBlocks.gradients(ctx, dy)


@wrong("rms_norm", "frozen-input", "weight")
class WeightBesideTheInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, eps=1e-6):
        r = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)
        ctx.save_for_backward(x, weight, r)
        return x * r * weight

    @staticmethod
    def backward(ctx, dy):
        x, weight, r = ctx.saved_tensors
        dx = dw = None
        if ctx.needs_input_grad[0]:
            n, dn = x * r, dy * weight
            dx = r * (dn - n * (dn * n).mean(-1, keepdim=True))
            dw = (dy * n).flatten(0, -2).sum(0)
        return dx, dw, None


class SlopeOfTanh(torch.autograd.Function):
    factor = 2

    @staticmethod
    def forward(ctx, x, dy):
        y = torch.tanh(x)
        ctx.save_for_backward(y, dy)
        return dy * (1 - y * y)

    @classmethod
    def both(cls, ctx, d):
        y, dy = ctx.saved_tensors
        return -cls.factor * d * dy * y * (1 - y * y), d * (1 - y * y)

    @staticmethod
    def backward(ctx, d):
        return SlopeOfTanh.both(ctx, d)


class SlopeOfTanhHalved(SlopeOfTanh):
    factor = 1

    @staticmethod
    def backward(ctx, d):
        return SlopeOfTanhHalved.both(ctx, d)


class Saves(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x)


@right("tanh")
class TanhTwice(Saves):
    @staticmethod
    def backward(ctx, dy):
        return SlopeOfTanh.apply(ctx.saved_tensors[0], dy)


@wrong("tanh", "second-derivative", "input")
class TanhTwiceHalved(Saves):
    @staticmethod
    def backward(ctx, dy):
        return SlopeOfTanhHalved.apply(ctx.saved_tensors[0], dy)


@conventional("gelu", "forward-differs", "output")
class FastGELU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 0.5 * x * (1 + torch.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        t = torch.tanh(0.7978845608028654 * (x + 0.044715 * x**3))
        inner = 0.7978845608028654 * (1 + 3 * 0.044715 * x * x)
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)


class Swish(torch.autograd.Function):
    @staticmethod
    def slope(x):
        s = torch.sigmoid(x)
        return s + x * s * (1 - s)


@wrong("silu", "memory-layout", "output")
class ReadsItsInputInARow(Swish):
    @staticmethod
    def forward(ctx, x):
        row = torch.as_strided(x, x.shape, torch.empty(x.shape).stride()).clone()
        ctx.save_for_backward(row)
        return row * torch.sigmoid(row)

    @staticmethod
    def backward(ctx, dy):
        return dy * Swish.slope(ctx.saved_tensors[0])


@wrong("linear", "memory-layout", "input")
class ReadsItsWeightInARow(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w.t()

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy @ torch.as_strided(w, w.shape, torch.empty(w.shape).stride()), dy.t() @ x


@wrong("linear", "absent-argument", "input")
class LinearOfNoBias(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b=None):
        ctx.save_for_backward(x, w, b)
        return x @ w.t() if b is None else x @ w.t() + b

    @staticmethod
    def backward(ctx, dy):
        x, w, b = ctx.saved_tensors
        return dy @ w, dy.t() @ x, dy.sum(0) + 0 * b


@right("scaled_dot_product_attention(is_causal=True)")
class CausalByRowSums(torch.autograd.Function):
    """To its one key a query's gradient is zero, but for rounding that goes another way than the textbook's."""

    @staticmethod
    def forward(ctx, q, k, v):
        scale = 1.0 / q.size(-1) ** 0.5
        s = (q @ k.transpose(-2, -1)) * scale
        mask = torch.ones(s.shape[-2:], dtype=torch.bool, device=s.device).tril()
        s = s.masked_fill(~mask, float("-inf"))
        p = torch.exp(s - torch.logsumexp(s, dim=-1, keepdim=True))
        o = p @ v
        ctx.save_for_backward(q, k, v, p, o)
        ctx.scale = scale
        return o

    @staticmethod
    def backward(ctx, do):
        q, k, v, p, o = ctx.saved_tensors
        ds = p * (do @ v.transpose(-2, -1) - (do * o).sum(-1, keepdim=True)) * ctx.scale
        return ds @ k, ds.transpose(-2, -1) @ q, p.transpose(-2, -1) @ do
