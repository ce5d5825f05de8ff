# ruff: noqa  (written as students write)
"""torch.autograd Functions, held out when written: buffers in place, depthwise kernels, options that the backward forgets."""

import numpy as np

from tests.check.corpus import conventional_made, right_made, wrong_made


def bntrain_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class BNTrain(Function):
        """running statistics are updated in place, as a buffer is"""

        @staticmethod
        def forward(ctx, x, running_mean, running_var, weight, bias):
            n = x.shape[0]
            mean = x.mean(0)
            var = x.var(0, unbiased=False)
            with torch.no_grad():
                running_mean.mul_(0.9).add_(mean, alpha=0.1)
                running_var.mul_(0.9).add_(var * n / (n - 1), alpha=0.1)
            inv = (var + 1e-3).rsqrt()
            xh = (x - mean) * inv
            ctx.save_for_backward(xh, inv, weight)
            return xh * weight + bias

        @staticmethod
        def backward(ctx, dy):
            xh, inv, weight = ctx.saved_tensors
            db, dw = dy.sum(0), (dy * xh).sum(0)
            n = dy.shape[0]
            return weight * inv / n * (n * dy - db - xh * dw), None, None, dw, db

    return BNTrain


right_made("batch_norm(training=True, momentum=0.1, eps=1e-3)", bntrain_made)


def bntrain_w1_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class BNTrain(Function):
        """running statistics are updated in place, as a buffer is"""

        @staticmethod
        def forward(ctx, x, running_mean, running_var, weight, bias):
            n = x.shape[0]
            mean = x.mean(0)
            var = x.var(0, unbiased=False)
            with torch.no_grad():
                running_mean.mul_(0.9).add_(mean, alpha=0.1)
                running_var.mul_(0.9).add_(var, alpha=0.1)
            inv = (var + 1e-3).rsqrt()
            xh = (x - mean) * inv
            ctx.save_for_backward(xh, inv, weight)
            return xh * weight + bias

        @staticmethod
        def backward(ctx, dy):
            xh, inv, weight = ctx.saved_tensors
            db, dw = dy.sum(0), (dy * xh).sum(0)
            n = dy.shape[0]
            return weight * inv / n * (n * dy - db - xh * dw), None, None, dw, db

    return BNTrain


conventional_made(
    "batch_norm(training=True, momentum=0.1, eps=1e-3)", "running-statistics", "running_var", bntrain_w1_made
)


def depthwise_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class Depthwise(Function):
        @staticmethod
        def forward(ctx, x, w):
            N, C, H, W = x.shape
            M, R, S = w.shape[0] // C, w.shape[2], w.shape[3]
            P = x.unfold(2, R, 1).unfold(3, S, 1)  # (N, C, oh, ow, R, S)
            ctx.save_for_backward(P, w)
            ctx.x_shape = x.shape
            y = torch.einsum("ncijrs,cmrs->ncmij", P, w.view(C, M, R, S))
            return y.reshape(N, C * M, *y.shape[3:])

        @staticmethod
        def backward(ctx, g):
            P, w = ctx.saved_tensors
            N, C, H, W = ctx.x_shape
            R, S = w.shape[2:]
            g = g.view(N, C, -1, *g.shape[2:])
            dw = torch.einsum("ncmij,ncijrs->cmrs", g, P).reshape(w.shape)
            dx = g.new_zeros(ctx.x_shape)
            wv = w.view(C, -1, R, S)
            for r in range(R):
                for s in range(S):
                    dx[:, :, r : r + g.shape[3], s : s + g.shape[4]] += torch.einsum(
                        "ncmij,cm->ncij", g, wv[:, :, r, s]
                    )
            return dx, dw

    return Depthwise


right_made("conv2d(groups=3)", depthwise_made)


def depthwise_w2_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class Depthwise(Function):
        @staticmethod
        def forward(ctx, x, w):
            N, C, H, W = x.shape
            M, R, S = w.shape[0] // C, w.shape[2], w.shape[3]
            P = x.unfold(2, R, 1).unfold(3, S, 1)  # (N, C, oh, ow, R, S)
            ctx.save_for_backward(P, w)
            ctx.x_shape = x.shape
            y = torch.einsum("ncijrs,cmrs->ncmij", P, w.view(C, M, R, S))
            return y.reshape(N, C * M, *y.shape[3:])

        @staticmethod
        def backward(ctx, g):
            P, w = ctx.saved_tensors
            N, C, H, W = ctx.x_shape
            R, S = w.shape[2:]
            g = g.view(N, C, -1, *g.shape[2:])
            dw = torch.einsum("ncmij,ncijrs->cmrs", g, P).reshape(w.shape)
            dx = g.new_zeros(ctx.x_shape)
            wv = w.view(C, -1, R, S)
            for r in range(R):
                for s in range(S):
                    dx[:, :, r : r + g.shape[3], s : s + g.shape[4]] += torch.einsum(
                        "ncmij,cm->ncij", g, wv[:, :, R - 1 - r, S - 1 - s]
                    )
            return dx, dw

    return Depthwise


wrong_made("conv2d(groups=3)", "kernel-flipped", "input", depthwise_w2_made)


def elufn_w2_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class EluFn(Function):
        @staticmethod
        def forward(ctx, x, alpha=1.0):
            y = torch.where(x > 0, x, alpha * torch.expm1(x))
            ctx.alpha = alpha
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, dy):
            (y,) = ctx.saved_tensors
            return dy * torch.where(y > 0, torch.ones_like(y), y + 1), None

    return EluFn


wrong_made("elu", "scale-forgotten", "input", elufn_w2_made)


def elufn_w4_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class EluFn(Function):
        @staticmethod
        def forward(ctx, x, alpha=1.0):
            y = torch.where(x > 0, x, alpha * torch.expm1(x))
            ctx.alpha = alpha
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, dy):
            (y,) = ctx.saved_tensors
            return dy * 1.0, None

    return EluFn


wrong_made("elu", "local-derivative-missing", "input", elufn_w4_made)


def embpad_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class EmbPad(Function):
        @staticmethod
        def forward(ctx, input, weight, padding_idx=None):
            ctx.save_for_backward(input)
            ctx.num, ctx.padding_idx = weight.size(0), padding_idx
            return weight.index_select(0, input.reshape(-1)).view(*input.shape, -1)

        @staticmethod
        def backward(ctx, grad):
            (input,) = ctx.saved_tensors
            out = grad.new_zeros(ctx.num, grad.size(-1))
            out.index_add_(0, input.reshape(-1), grad.reshape(-1, grad.size(-1)))
            if ctx.padding_idx is not None:
                out[ctx.padding_idx] = 0
            return None, out, None

    return EmbPad


right_made("embedding", embpad_made)


def embpad_w1_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class EmbPad(Function):
        @staticmethod
        def forward(ctx, input, weight, padding_idx=None):
            ctx.save_for_backward(input)
            ctx.num, ctx.padding_idx = weight.size(0), padding_idx
            return weight.index_select(0, input.reshape(-1)).view(*input.shape, -1)

        @staticmethod
        def backward(ctx, grad):
            (input,) = ctx.saved_tensors
            out = grad.new_zeros(ctx.num, grad.size(-1))
            out.index_add_(0, input.reshape(-1), grad.reshape(-1, grad.size(-1)))
            return None, out, None

    return EmbPad


wrong_made("embedding", "wrong-mask", "weight", embpad_w1_made)


def flashcausal_w1_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class FlashCausal(Function):
        @staticmethod
        def forward(ctx, q, k, v):
            L, S = q.shape[-2], k.shape[-2]
            allowed = torch.ones(L, S, dtype=torch.bool).tril()
            s = (q @ k.transpose(-1, -2)) / q.shape[-1] ** 0.5
            s = s.masked_fill(~allowed, float("-inf"))
            lse = torch.logsumexp(s, -1, keepdim=True)
            ctx.save_for_backward(q, k, v, lse, allowed)
            return torch.exp(s - lse) @ v

        @staticmethod
        def backward(ctx, do):
            q, k, v, lse, allowed = ctx.saved_tensors
            s = (q @ k.transpose(-1, -2)) / q.shape[-1] ** 0.5
            p = torch.exp(s - lse)
            dp = torch.einsum("...id,...jd->...ij", do, v)
            ds = p * (dp - torch.einsum("...ij,...ij->...i", dp, p)[..., None])
            ds = ds / q.shape[-1] ** 0.5
            return ds @ k, torch.einsum("...ij,...id->...jd", ds, q), torch.einsum("...ij,...id->...jd", p, do)

    return FlashCausal


wrong_made("scaled_dot_product_attention(is_causal=True)", "wrong-mask", "query", flashcausal_w1_made)


def glufn_w3_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class GluFn(Function):
        @staticmethod
        def forward(ctx, x, dim=-1):
            a, b = x.chunk(2, dim)
            s = torch.sigmoid(b)
            ctx.dim = dim
            ctx.save_for_backward(a, s)
            return a * s

        @staticmethod
        def backward(ctx, g):
            a, s = ctx.saved_tensors
            return torch.cat([g * s, g * s * a * (1 - a)], ctx.dim), None

    return GluFn


wrong_made("glu", "derivative-at-wrong-tensor", "input", glufn_w3_made)


def lnfn_w7_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class LNFn(Function):
        @staticmethod
        def forward(ctx, x, weight, bias, eps=1e-5):
            mu = x.mean(-1, keepdim=True)
            rstd = torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + eps)
            ctx.save_for_backward(x, weight, mu, rstd)
            return (x - mu) * rstd * weight + bias

        @staticmethod
        def backward(ctx, dy):
            x, weight, mu, rstd = ctx.saved_tensors
            D = x.shape[-1]
            xhat = (x - mu) * rstd
            wdy = weight * dy
            c1 = (xhat * wdy).sum(-1, keepdim=True) / D
            c2 = wdy.mean(0, keepdim=True)
            dx = (wdy - (xhat * c1 + c2)) * rstd
            return dx, (dy * xhat).sum(0), dy.sum(0), None

    return LNFn


wrong_made("layer_norm", "summed-over-wrong-axis", "input", lnfn_w7_made)


def msefn_w3_made():
    import torch
    from torch.autograd import Function
    from torch.autograd.function import once_differentiable
    import torch.nn.functional as F

    class MseFn(Function):
        @staticmethod
        def forward(ctx, y_pred, y):
            ctx.save_for_backward(y_pred, y)
            return ((y_pred - y) ** 2).mean()

        @staticmethod
        def backward(ctx, grad_output):
            y_pred, y = ctx.saved_tensors
            grad_input = 2 * (y_pred - y) / y_pred.numel() * grad_output
            return grad_input, grad_input

    return MseFn


wrong_made("mse_loss", "wrong-sign", "target", msefn_w3_made)


def conv_of_tuples():
    def conv_of_tuples(x, w, b, stride=(1, 1), padding=(0, 0)):
        (sh, sw), (ph, pw) = stride, padding
        xp = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
        v = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], (2, 3))[:, :, ::sh, ::sw]

        def backward(dy):
            dxp = np.zeros_like(xp)
            h, k = sh * dy.shape[2], sw * dy.shape[3]
            for r, s in np.ndindex(w.shape[2:]):
                dxp[:, :, r : r + h : sh, s : s + k : sw] += np.einsum("nkij,kc->ncij", dy, w[:, :, r, s])
            dx = dxp[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]]
            return dx, np.einsum("nkij,ncijrs->kcrs", dy, v), dy.sum((0, 2, 3))

        return np.einsum("ncijrs,kcrs->nkij", v, w) + b[:, None, None], backward

    return conv_of_tuples


right_made("conv2d", conv_of_tuples)
