# ruff: noqa: E501
"""Convolutions and pooling, for any number of spatial dimensions, written offset by offset."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from torchref.check.mistakes.base import Gradients, Mistake, Unreduced
from torchref.nn.module import Array

Index: Any = lambda *parts: parts  # noqa: E731  # an index tuple whose type checkers ask nothing of

M = Mistake


def spread(value: Any, n: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * n


def padded(x: Array, padding: tuple[int, ...], fill: float = 0.0) -> Array:
    return np.pad(x, [(0, 0)] * (x.ndim - len(padding)) + [(p, p) for p in padding], constant_values=fill)


def crop(dx: Array, padding: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    return dx[Index(..., *(slice(p, p + n) for p, n in zip(padding, shape, strict=True)))]


def slices(offset: Any, stride: Any, dilation: Any, out: Any) -> tuple[Any, ...]:
    return (
        ...,
        *(slice(o * d, o * d + s * (n - 1) + 1, s) for o, s, d, n in zip(offset, stride, dilation, out, strict=True)),
    )


def flat(a: Array) -> Array:
    """The spatial dimensions as one."""
    return a.reshape(*a.shape[:3], -1)


def conv(v: Any, wrong: frozenset[str]) -> Any:
    x, w = v.input, v.weight
    nd = w.ndim - 2
    stride, padding, dilation = (spread(getattr(v, k), nd) for k in ("stride", "padding", "dilation"))
    groups, kernel = v.groups, w.shape[2:]
    n, cin, size = x.shape[0], x.shape[1], x.shape[2:]
    out = tuple((size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(nd))
    flip = (slice(None), slice(None), *(slice(None, None, -1),) * nd)
    if "forward flipped" in wrong:
        w = w[flip]
    xp = padded(x, padding)
    grouped_x = xp.reshape(n, groups, cin // groups, *xp.shape[2:])
    grouped_w = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    offsets = list(itertools.product(*(range(k) for k in kernel)))
    y = np.zeros((n, groups, w.shape[0] // groups, *out), x.dtype)
    for o in offsets:
        part = grouped_x[slices(o, stride, dilation, out)]
        y += np.einsum("ngc...,gfc->ngf...", part, grouped_w[Index(..., *o)])
    y = y.reshape(n, w.shape[0], *out)
    if v.bias is not None:
        y = y + v.bias.reshape(-1, *[1] * nd)

    def backward(dy: Array) -> Gradients:
        d = dy.reshape(n, groups, -1, *out)
        dxp = np.zeros_like(grouped_x)
        dw = np.zeros_like(grouped_w)
        used = v.weight[flip] if "kernel flipped in dx" in wrong else w
        for axis in range(2, w.ndim):
            if f"kernel flipped in dx along axis {axis}" in wrong and nd > 1:
                used = np.flip(v.weight, axis)
        used = used.reshape(grouped_w.shape)
        reach = (1,) * nd if "stride ignored" in wrong else stride
        for o in offsets:
            where = slices(o, reach, dilation, out)
            part = np.einsum("ngf...,gfc->ngc...", d, used[Index(..., *o)])
            if "last offset" in wrong:
                dxp[where] = part
            elif "last filter" in wrong:
                dxp[where] += np.einsum("ng...,gc->ngc...", d[:, :, -1], used[:, -1][Index(..., *o)])
            else:
                dxp[where] += part
            products = grouped_x[slices(o, stride, dilation, out)]
            if "last sample" in wrong:
                dw[Index(..., *o)] = np.einsum("gfp,gcp->gfc", flat(d)[-1], flat(products)[-1])
            elif "last window" in wrong:
                last: Any = (..., *(-1,) * nd)
                dw[Index(..., *o)] = np.einsum("ngf,ngc->gfc", d[last], products[last])
            elif "last window of the last sample" in wrong:
                last = (-1, ..., *(-1,) * nd)
                dw[Index(..., *o)] = np.einsum("gf,gc->gfc", d[last], products[last])
            else:
                dw[Index(..., *o)] = np.einsum("ngfp,ngcp->gfc", flat(d), flat(products))
        if "last window in dx" in wrong or "last window and filter in dx" in wrong:
            dxp = np.zeros_like(grouped_x)
            for place in itertools.product(*(range(k) for k in out)):
                corner: Any = (..., *(slice(p * s, p * s + k) for p, s, k in zip(place, stride, kernel, strict=True)))
                if "last window in dx" in wrong:
                    dxp[corner] = np.einsum("ngf,gfc...->ngc...", d[Index(..., *place)], used)
                else:
                    dxp[corner] = np.einsum("ng,gc...->ngc...", d[Index(..., *place)][:, :, -1], used[:, -1])
        dxp = dxp.reshape(xp.shape)
        shift = {"crop one early": -1, "crop one late": 1}
        at = padding
        for flag, by in shift.items():
            if flag in wrong:
                at = tuple(p + by for p in padding)
                dxp = padded(dxp, (1,) * nd)
                at = tuple(a + 1 for a in at)
        if "no crop" in wrong:
            at = (0,) * nd
        if "crop from the end" in wrong:
            at = tuple(dxp.shape[2 + i] - size[i] for i in range(nd))
        dw = dw.reshape(w.shape)
        if "dweight flipped" in wrong or "forward flipped" in wrong:
            dw = dw[flip]
        if "dweight with its kernel axes exchanged" in wrong and nd == 2 and kernel[0] == kernel[1]:
            dw = dw.swapaxes(2, 3)
        axes = (0, *range(2, dy.ndim))
        return {
            "input": crop(dxp, at, size),
            "weight": dw,
            "bias": dy.sum(axes),
            "bias~": Unreduced(dy, axes),
        }

    return (y,), backward


CONV = (
    M("kernel flipped in dx", "kernel-flipped", "input", "dx spreads dy with the kernel turned round.", "dx_padded[window] += dy * weight, the kernel as it stands"),
    M("dweight flipped", "kernel-flipped", "weight", "dweight comes out turned round."),
    M("stride ignored", "kernel-flipped", "input", "The windows of dx do not step by the stride."),
    M("no crop", "kernel-flipped", "input", "The padding is not cut off at the start of dx.", "dx = dx_padded[..., p:p+H, p:p+W]"),
    M("crop one early", "kernel-flipped", "input", "dx is cut one cell too early."),
    M("crop one late", "kernel-flipped", "input", "dx is cut one cell too late."),
    M("crop from the end", "kernel-flipped", "input", "dx is cut from the end of the padded array."),
    M("dweight with its kernel axes exchanged", "transposed", "weight", "The kernel's height and width are exchanged in dweight."),
    M("last offset", "overwritten-not-accumulated", "input", "Overlapping windows overwrite each other in dx.", "dx[window] += ..., not ="),
    M("last window in dx", "overwritten-not-accumulated", "input", "Overlapping windows overwrite each other in dx.", "dx[window] += ..., not ="),
    M("last window and filter in dx", "overwritten-not-accumulated", "input", "Windows and filters overwrite each other in dx.", "dx[window] += ..., not ="),
    M("last filter", "overwritten-not-accumulated", "input", "Only the last filter reaches dx."),
    M("last sample", "overwritten-not-accumulated", "weight", "Only the last sample reaches dweight.", "dweight += ..., not ="),
    M("last window", "overwritten-not-accumulated", "weight", "Only the last window reaches dweight.", "dweight += ..., not ="),
    M("last window of the last sample", "overwritten-not-accumulated", "weight", "Only the last window of the last sample reaches dweight."),
    M("forward flipped", "forward-differs", "output", "The forward turns the kernel round (a convolution in the mathematical sense); torch correlates."),
)  # fmt: skip


def conv_mistakes(nd: int) -> tuple[Mistake, ...]:
    """A kernel of several axes may be turned round along one of them alone."""
    along = tuple(
        M(f"kernel flipped in dx along axis {axis}", "kernel-flipped", "input", f"dx spreads dy with the kernel turned round along axis {axis} alone.")
        for axis in range(2, 2 + nd)
    )  # fmt: skip
    return (*CONV, *along) if nd > 1 else CONV


def conv_transpose(v: Any, wrong: frozenset[str]) -> Any:
    x, w = v.input, v.weight
    nd = w.ndim - 2
    stride, padding, dilation, extra = (
        spread(getattr(v, k), nd) for k in ("stride", "padding", "dilation", "output_padding")
    )
    groups, kernel, size = v.groups, w.shape[2:], x.shape[2:]
    n, cin = x.shape[:2]
    full = tuple((size[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 for i in range(nd))
    out = tuple(full[i] - 2 * padding[i] + extra[i] for i in range(nd))
    flip = (slice(None), slice(None), *(slice(None, None, -1),) * nd)
    if "forward flipped" in wrong:
        w = w[flip]
    gx = x.reshape(n, groups, cin // groups, *size)
    gw = w.reshape(groups, cin // groups, *w.shape[1:])
    offsets = list(itertools.product(*(range(k) for k in kernel)))
    room = tuple(full[i] + extra[i] for i in range(nd))
    canvas = np.zeros((n, groups, w.shape[1], *room), x.dtype)
    for o in offsets:
        canvas[slices(o, stride, dilation, size)] += np.einsum("ngc...,gcf->ngf...", gx, gw[Index(..., *o)])
    y = crop(canvas.reshape(n, -1, *room), padding, out)
    if v.bias is not None:
        y = y + v.bias.reshape(-1, *[1] * nd)

    def backward(dy: Array) -> Gradients:
        d = np.zeros_like(canvas.reshape(n, -1, *room))
        middle: Any = (..., *(slice(p, p + k) for p, k in zip(padding, out, strict=True)))
        d[middle] = dy
        d = d.reshape(canvas.shape)
        dx, dw = np.zeros_like(gx), np.zeros_like(gw)
        used = w[flip].reshape(gw.shape) if "kernel flipped in dx" in wrong else gw
        for o in offsets:
            part = d[slices(o, stride, dilation, size)]
            one = np.einsum("ngf...,gcf->ngc...", part, used[Index(..., *o)])
            dx = one if "last offset" in wrong else dx + one
            last: Any = (..., *(-1,) * nd)
            if "last sample" in wrong:
                dw[Index(..., *o)] = np.einsum("gcp,gfp->gcf", flat(gx)[-1], flat(part)[-1])
            elif "last window" in wrong:
                dw[Index(..., *o)] = np.einsum("ngc,ngf->gcf", gx[last], part[last])
            elif "last window of the last sample" in wrong:
                dw[Index(..., *o)] = np.einsum("gc,gf->gcf", gx[last][-1], part[last][-1])
            else:
                dw[Index(..., *o)] = np.einsum("ngcp,ngfp->gcf", flat(gx), flat(part))
        dw = dw.reshape(w.shape)
        if "dweight flipped" in wrong or "forward flipped" in wrong:
            dw = dw[flip]
        axes = (0, *range(2, dy.ndim))
        return {"input": dx.reshape(x.shape), "weight": dw, "bias": dy.sum(axes), "bias~": Unreduced(dy, axes)}

    return (y,), backward


CONV_TRANSPOSE = tuple(
    m for m in CONV
    if m.flag in ("kernel flipped in dx", "dweight flipped", "last offset", "last sample", "last window", "last window of the last sample", "forward flipped")
)  # fmt: skip


def windows(v: Any, nd: int, x: Array) -> tuple[list[tuple[slice, ...]], tuple[int, ...], tuple[int, ...]]:
    """The windows of a pooling as slices into the padded array, in order; the padding; the output's sizes."""
    kernel = spread(v.kernel_size, nd)
    stride = kernel if v.stride is None else spread(v.stride, nd)
    padding = spread(v.padding, nd)
    out = tuple((x.shape[2 + i] + 2 * padding[i] - kernel[i]) // stride[i] + 1 for i in range(nd))
    boxes = [
        tuple(slice(p * s, p * s + k) for p, s, k in zip(place, stride, kernel, strict=True))
        for place in itertools.product(*(range(k) for k in out))
    ]
    return boxes, padding, out


def adaptive(v: Any, nd: int, x: Array) -> tuple[list[tuple[slice, ...]], tuple[int, ...], tuple[int, ...]]:
    out = spread(v.output_size, nd)
    size = x.shape[2:]
    boxes = [
        tuple(slice(p * n // o, -(-(p + 1) * n // o)) for p, n, o in zip(place, size, out, strict=True))
        for place in itertools.product(*(range(k) for k in out))
    ]
    return boxes, (0,) * nd, out


def pool(v: Any, wrong: frozenset[str]) -> Any:
    """Maximum or average (`v.kind`) over windows."""
    x, kind = v.input, v.kind
    nd = x.ndim - 2
    find = adaptive if v.adaptive else windows
    boxes, padding, out = find(v, nd, x)
    xp = padded(x, padding, -np.inf if kind == "max" else 0.0)
    axes = tuple(range(2, 2 + nd))
    if kind == "max":
        cells = [xp[Index(..., *box)].max(axes) for box in boxes]
    else:
        cells = [xp[Index(..., *box)].mean(axes) for box in boxes]
    if "forward sum" in wrong:
        cells = [xp[Index(..., *box)].sum(axes) for box in boxes]
    y = np.stack(cells, -1).reshape(*x.shape[:2], *out)

    def backward(dy: Array) -> Gradients:
        d = dy.reshape(*x.shape[:2], -1)
        dxp = np.zeros(xp.shape, dy.dtype)
        shares: list[Array] = []
        for i, box in enumerate(boxes):
            window = xp[Index(..., *box)]
            flat = window.reshape(*x.shape[:2], -1)
            up = np.broadcast_to(d[..., i].reshape(*x.shape[:2], *[1] * nd), window.shape)
            if kind == "avg":
                share = up / flat.shape[-1]
                if "1 / k^2 lost" in wrong:
                    share = up
                if "1 / k" in wrong:
                    share = up / box[-1].stop if v.adaptive else up / spread(v.kernel_size, nd)[-1]
                if "divided by H // oh" in wrong:
                    share = up / np.prod([n // o for n, o in zip(x.shape[2:], out, strict=True)])
                if "first cell only" in wrong:
                    share = np.where(np.arange(flat.shape[-1]).reshape(window.shape[2:]) == 0, up, 0)
                if "divided by stride" in wrong and not v.adaptive:
                    stride = spread(v.kernel_size if v.stride is None else v.stride, nd)
                    share = up / np.prod(stride)
            else:
                top = flat.max(-1, keepdims=True)
                tie = flat == top
                position = np.arange(flat.shape[-1])
                first = position == flat.argmax(-1)[..., None]
                if "ties all" in wrong:
                    first = tie
                if "ties shared" in wrong:
                    first = tie / tie.sum(-1, keepdims=True)
                if "ties none" in wrong:
                    first = tie & (tie.sum(-1, keepdims=True) == 1)
                if "ties last" in wrong:
                    first = position == flat.shape[-1] - 1 - flat[..., ::-1].argmax(-1)[..., None]
                if "times the maximum" in wrong:
                    first = tie * top
                if "every cell" in wrong:
                    first = np.ones_like(tie)
                if "mean over the window" in wrong:
                    first = np.ones_like(tie) / flat.shape[-1]
                if "minimum" in wrong:
                    first = position == flat.argmin(-1)[..., None]
                if "at x" in wrong:
                    first = np.where(first, flat, 0)
                share = first.reshape(window.shape) * up
            shares.append(share)
            if "overwritten" in wrong:
                dxp[Index(..., *box)] = share
            elif "overwritten at the maximum" in wrong:
                np.copyto(dxp[Index(..., *box)], share, where=share != 0)
            else:
                dxp[Index(..., *box)] += share
        if "overwritten offset by offset" in wrong and not v.adaptive:  # col2im with = for +=
            for o in itertools.product(*(range(k) for k in spread(v.kernel_size, nd))):
                for share, box in zip(shares, boxes, strict=True):
                    dxp[Index(..., *(b.start + k for b, k in zip(box, o, strict=True)))] = share[Index(..., *o)]
        at = (0,) * nd if "no crop" in wrong else padding
        return {"input": crop(dxp, at, x.shape[2:])}

    return (y,), backward


MAX_POOL = (
    M("ties all", "pool-ties", "input", "Every cell that equals the maximum gets the whole gradient; torch gives it to the first."),
    M("ties shared", "pool-ties", "input", "Ties share the gradient; torch gives it to the first."),
    M("ties none", "pool-ties", "input", "No cell of a tie gets the gradient; torch gives it to the first."),
    M("ties last", "pool-ties", "input", "The last cell of a tie gets the gradient; torch gives it to the first."),
    M("times the maximum", "derivative-at-wrong-tensor", "input", "The maximum's value is multiplied in; the slope of the maximum is 1."),
    M("at x", "derivative-at-wrong-tensor", "input", "The maximum's value is multiplied in; the slope of the maximum is 1."),
    M("every cell", "wrong-mask", "input", "Every cell of the window gets the gradient; only the maximum may."),
    M("mean over the window", "wrong-mask", "input", "The gradient is spread over the window, as average pooling does."),
    M("minimum", "wrong-mask", "input", "The gradient goes to the minimum."),
    M("overwritten", "overwritten-not-accumulated", "input", "Overlapping windows overwrite each other in dx.", "dx[window] += ..., not ="),
    M("overwritten at the maximum", "overwritten-not-accumulated", "input", "A cell that is the maximum of several windows keeps only the last gradient.", "dx[...] += ..., not ="),
    M("overwritten offset by offset", "overwritten-not-accumulated", "input", "col2im overwrites where windows overlap.", "image[...] += columns, not ="),
    M("no crop", "kernel-flipped", "input", "The padding is not cut off at the start of dx."),
)  # fmt: skip

AVG_POOL = (
    M("1 / k^2 lost", "wrong-reduction", "input", "The division by the window's size is lost."),
    M("1 / k", "wrong-reduction", "input", "The division is by one side of the window, not by its area."),
    M("divided by stride", "wrong-reduction", "input", "The division is by the stride, not by the window's size."),
    M("divided by H // oh", "wrong-reduction", "input", "The division is by H // oh; the windows of an adaptive pooling differ in size, and each divides by its own."),
    M("first cell only", "wrong-mask", "input", "Every cell of the window gets its share, not only the first."),
    M("overwritten", "overwritten-not-accumulated", "input", "Overlapping windows overwrite each other in dx.", "dx[window] += ..., not ="),
    M("overwritten offset by offset", "overwritten-not-accumulated", "input", "col2im overwrites where windows overlap.", "image[...] += columns, not ="),
    M("no crop", "kernel-flipped", "input", "The padding is not cut off at the start of dx."),
    M("forward sum", "wrong-reduction", "output", "The forward adds the window up; the mean divides by its size."),
)  # fmt: skip
