# ruff: noqa  (written as students write)
"""autograd.Functions for one precision alone."""

import numpy as np

from tests.check.corpus import right_made, wrong_made


def ag_bf16only_ok():
    import torch, math
    from torch.autograd import Function
    import torch.nn.functional as F

    class LayerNormFn(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight, bias, eps):
            assert x.dtype == torch.bfloat16
            xf = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
            mu = xf.mean(-1, keepdim=True)
            rstd = torch.rsqrt(xf.var(-1, unbiased=False, keepdim=True) + eps)
            xhat = (xf - mu) * rstd
            ctx.save_for_backward(xhat, rstd, weight)
            ctx.dt = x.dtype
            return (xhat * weight + bias).to(x.dtype)

        @staticmethod
        def backward(ctx, dy):
            xhat, rstd, w = ctx.saved_tensors
            dyf = dy.to(xhat.dtype)
            wdy = dyf * w
            c1 = (xhat * wdy).mean(-1, keepdim=True)
            c2 = wdy.mean(-1, keepdim=True)
            dx = (wdy - (xhat * c1 + c2)) * rstd
            return dx.to(ctx.dt), (dyf * xhat).sum(0).to(w.dtype), dyf.sum(0).to(w.dtype), None

    return LayerNormFn


right_made("layer_norm", ag_bf16only_ok)


def ag_bf16only_const():
    import torch, math
    from torch.autograd import Function
    import torch.nn.functional as F

    class LayerNormFn(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight, bias, eps):
            assert x.dtype == torch.bfloat16
            xf = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
            mu = xf.mean(-1, keepdim=True)
            rstd = torch.rsqrt(xf.var(-1, unbiased=False, keepdim=True) + eps)
            xhat = (xf - mu) * rstd
            ctx.save_for_backward(xhat, rstd, weight)
            ctx.dt = x.dtype
            return (xhat * weight + bias).to(x.dtype)

        @staticmethod
        def backward(ctx, dy):
            xhat, rstd, w = ctx.saved_tensors
            dyf = dy.to(xhat.dtype)
            wdy = dyf * w
            c1 = (xhat * wdy).mean(-1, keepdim=True)
            c2 = wdy.mean(-1, keepdim=True)
            dx = wdy * rstd
            return dx.to(ctx.dt), (dyf * xhat).sum(0).to(w.dtype), dyf.sum(0).to(w.dtype), None

    return LayerNormFn


wrong_made("layer_norm", "statistics-as-constants", "input", ag_bf16only_const)


def ag_f16only_ok():
    import torch, math
    from torch.autograd import Function
    import torch.nn.functional as F

    class LinearFunction(Function):
        @staticmethod
        def forward(ctx, input, weight, bias=None):
            assert input.dtype == torch.float16
            ctx.save_for_backward(input, weight, bias)
            output = input.mm(weight.t())
            if bias is not None:
                output += bias.unsqueeze(0).expand_as(output)
            return output

        @staticmethod
        def backward(ctx, grad_output):
            input, weight, bias = ctx.saved_tensors
            grad_input = grad_weight = grad_bias = None
            if ctx.needs_input_grad[0]:
                grad_input = grad_output.mm(weight)
            if ctx.needs_input_grad[1]:
                grad_weight = grad_output.t().mm(input)
            if bias is not None and ctx.needs_input_grad[2]:
                grad_bias = grad_output.sum(0)
            return grad_input, grad_weight, grad_bias

    return LinearFunction


right_made("linear", ag_f16only_ok)


def ag_lin_none():
    import torch, math
    from torch.autograd import Function
    import torch.nn.functional as F

    class LinearFunction(Function):
        @staticmethod
        def forward(ctx, input, weight, bias=None):
            ctx.save_for_backward(input, weight, bias)
            output = input.mm(weight.t())
            if bias is not None:
                output += bias.unsqueeze(0).expand_as(output)
            return output

        @staticmethod
        def backward(ctx, grad_output):
            input, weight, bias = ctx.saved_tensors
            grad_input = grad_weight = grad_bias = None
            if ctx.needs_input_grad[0]:
                grad_input = grad_output.mm(weight)
            if ctx.needs_input_grad[1]:
                grad_weight = grad_output.t().mm(input)
            if bias is not None and ctx.needs_input_grad[2]:
                grad_bias = grad_output.sum(0)
            return grad_input, grad_weight, None

    return LinearFunction


wrong_made("linear", "unknown", "bias", ag_lin_none)
