"""SiLU as a Triton kernel, right, and with a term of its derivative missing; TRITON_INTERPRET=1 runs it anywhere."""

import torch
import triton
import triton.language as tl

BLOCK = 128


@triton.jit
def silu_forward(x_pointer, y_pointer, count, block: tl.constexpr):
    at = tl.program_id(0) * block + tl.arange(0, block)
    inside = at < count
    x = tl.load(x_pointer + at, mask=inside, other=0.0)
    tl.store(y_pointer + at, x / (1 + tl.exp(-x)), mask=inside)


@triton.jit
def silu_backward(x_pointer, dy_pointer, dx_pointer, count, faulty: tl.constexpr, block: tl.constexpr):
    at = tl.program_id(0) * block + tl.arange(0, block)
    inside = at < count
    x = tl.load(x_pointer + at, mask=inside, other=0.0)
    dy = tl.load(dy_pointer + at, mask=inside, other=0.0)
    s = 1 / (1 + tl.exp(-x))
    slope = s if faulty else s * (1 + x * (1 - s))
    tl.store(dx_pointer + at, dy * slope, mask=inside)


class Silu(torch.autograd.Function):
    """y = x sigmoid(x); dx = dy s (1 + x (1 - s)), s = sigmoid(x)."""

    faulty = False

    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        silu_forward[(triton.cdiv(x.numel(), BLOCK),)](x, y, x.numel(), BLOCK)
        ctx.save_for_backward(x)
        return y

    @classmethod
    def backward_of(cls, ctx, dy, faulty):
        (x,) = ctx.saved_tensors
        dy, dx = dy.contiguous(), torch.empty_like(x)
        silu_backward[(triton.cdiv(x.numel(), BLOCK),)](x, dy, dx, x.numel(), faulty, BLOCK)
        return dx

    @staticmethod
    def backward(ctx, dy):
        return Silu.backward_of(ctx, dy, False)


class FaultySilu(Silu):
    """The term s x (1 - s) is missing."""

    @staticmethod
    def backward(ctx, dy):
        return Silu.backward_of(ctx, dy, True)
