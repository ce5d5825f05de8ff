# ruff: noqa  (written as students write)
"""Convolutions, pooling and padding, as courses and libraries write them."""

import numpy as np

from tests.check.corpus import right_made, wrong_made


def conv_dlai():
    def zero_pad(X, pad):
        return np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="constant", constant_values=(0, 0))

    def conv_forward(A_prev, W, b, hparameters):
        (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
        (f, f, n_C_prev, n_C) = W.shape
        stride = hparameters["stride"]
        pad = hparameters["pad"]
        n_H = int((n_H_prev - f + 2 * pad) / stride) + 1
        n_W = int((n_W_prev - f + 2 * pad) / stride) + 1
        Z = np.zeros((m, n_H, n_W, n_C))
        A_prev_pad = zero_pad(A_prev, pad)
        for i in range(m):
            a = A_prev_pad[i]
            for h in range(n_H):
                for w in range(n_W):
                    for c in range(n_C):
                        s = a[h * stride : h * stride + f, w * stride : w * stride + f, :]
                        Z[i, h, w, c] = np.sum(s * W[:, :, :, c]) + float(b[0, 0, 0, c])
        return Z, (A_prev, W, b, hparameters)

    def conv_backward(dZ, cache):
        (A_prev, W, b, hparameters) = cache
        (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
        (f, f, n_C_prev, n_C) = W.shape
        stride = hparameters["stride"]
        pad = hparameters["pad"]
        (m, n_H, n_W, n_C) = dZ.shape
        dA_prev = np.zeros((m, n_H_prev, n_W_prev, n_C_prev))
        dW = np.zeros((f, f, n_C_prev, n_C))
        db = np.zeros((1, 1, 1, n_C))
        A_prev_pad = zero_pad(A_prev, pad)
        dA_prev_pad = zero_pad(dA_prev, pad)
        for i in range(m):
            a = A_prev_pad[i]
            da = dA_prev_pad[i]
            for h in range(n_H):
                for w in range(n_W):
                    for c in range(n_C):
                        s = a[h * stride : h * stride + f, w * stride : w * stride + f, :]
                        da[h * stride : h * stride + f, w * stride : w * stride + f, :] += (
                            W[:, :, :, c] * dZ[i, h, w, c]
                        )
                        dW[:, :, :, c] += s * dZ[i, h, w, c]
                        db[:, :, :, c] += dZ[i, h, w, c]
            dA_prev[i] = da[pad:-pad, pad:-pad, :]
        return dA_prev, dW, db

    return (conv_forward, conv_backward)


right_made("conv2d(stride=2, padding=1)", conv_dlai)


def maxpool_dlfs_ok():
    class Pooling:
        def __init__(self, pool_h, pool_w, stride=2, pad=0):
            self.pool_h, self.pool_w, self.stride, self.pad = pool_h, pool_w, stride, pad
            self.x = None
            self.arg_max = None

        def forward(self, x):
            N, C, H, W = x.shape
            oh = int(1 + (H - self.pool_h) / self.stride)
            ow = int(1 + (W - self.pool_w) / self.stride)
            col = np.empty((N, C, self.pool_h, self.pool_w, oh, ow), x.dtype)
            for i in range(self.pool_h):
                for j in range(self.pool_w):
                    col[:, :, i, j] = x[
                        :, :, i : i + self.stride * oh : self.stride, j : j + self.stride * ow : self.stride
                    ]
            col = col.transpose(0, 4, 5, 1, 2, 3).reshape(-1, self.pool_h * self.pool_w)
            self.arg_max = np.argmax(col, axis=1)
            self.x = x
            self.oh, self.ow = oh, ow
            return np.max(col, axis=1).reshape(N, oh, ow, C).transpose(0, 3, 1, 2)

        def backward(self, dout):
            dout = dout.transpose(0, 2, 3, 1)
            size = self.pool_h * self.pool_w
            dmax = np.zeros((dout.size, size))
            dmax[np.arange(self.arg_max.size), self.arg_max.flatten()] = dout.flatten()
            N, C, H, W = self.x.shape
            col = dmax.reshape(N, self.oh, self.ow, C, self.pool_h, self.pool_w).transpose(0, 3, 4, 5, 1, 2)
            dx = np.zeros(self.x.shape)
            s = self.stride
            for i in range(self.pool_h):
                for j in range(self.pool_w):
                    dx[:, :, i : i + s * self.oh : s, j : j + s * self.ow : s] += col[:, :, i, j]
            return dx

    return Pooling


right_made("max_pool2d(kernel_size=3, stride=2)", maxpool_dlfs_ok)


def maxpool_dlfs_over():
    class Pooling:
        def __init__(self, pool_h, pool_w, stride=2, pad=0):
            self.pool_h, self.pool_w, self.stride, self.pad = pool_h, pool_w, stride, pad
            self.x = None
            self.arg_max = None

        def forward(self, x):
            N, C, H, W = x.shape
            oh = int(1 + (H - self.pool_h) / self.stride)
            ow = int(1 + (W - self.pool_w) / self.stride)
            col = np.empty((N, C, self.pool_h, self.pool_w, oh, ow), x.dtype)
            for i in range(self.pool_h):
                for j in range(self.pool_w):
                    col[:, :, i, j] = x[
                        :, :, i : i + self.stride * oh : self.stride, j : j + self.stride * ow : self.stride
                    ]
            col = col.transpose(0, 4, 5, 1, 2, 3).reshape(-1, self.pool_h * self.pool_w)
            self.arg_max = np.argmax(col, axis=1)
            self.x = x
            self.oh, self.ow = oh, ow
            return np.max(col, axis=1).reshape(N, oh, ow, C).transpose(0, 3, 1, 2)

        def backward(self, dout):
            dout = dout.transpose(0, 2, 3, 1)
            size = self.pool_h * self.pool_w
            dmax = np.zeros((dout.size, size))
            dmax[np.arange(self.arg_max.size), self.arg_max.flatten()] = dout.flatten()
            N, C, H, W = self.x.shape
            col = dmax.reshape(N, self.oh, self.ow, C, self.pool_h, self.pool_w).transpose(0, 3, 4, 5, 1, 2)
            dx = np.zeros(self.x.shape)
            s = self.stride
            for i in range(self.pool_h):
                for j in range(self.pool_w):
                    dx[:, :, i : i + s * self.oh : s, j : j + s * self.ow : s] = col[:, :, i, j]
            return dx

    return Pooling


wrong_made("max_pool2d(kernel_size=3, stride=2)", "overwritten-not-accumulated", "input", maxpool_dlfs_over)


def maxpool_cs231n_fast():
    def max_pool_forward_reshape(x, pool_param):
        N, C, H, W = x.shape
        ph, pw = pool_param["pool_height"], pool_param["pool_width"]
        assert ph == pw == pool_param["stride"] and H % ph == 0 and W % pw == 0
        xr = x.reshape(N, C, H // ph, ph, W // pw, pw)
        out = xr.max(axis=3).max(axis=4)
        return out, (x, xr, out)

    def max_pool_backward_reshape(dout, cache):
        x, xr, out = cache
        dxr = np.zeros_like(xr)
        mask = xr == out[:, :, :, None, :, None]
        d = np.broadcast_to(dout[:, :, :, None, :, None], dxr.shape)
        dxr[mask] = d[mask]
        dxr /= np.sum(mask, axis=(3, 5), keepdims=True)
        return dxr.reshape(x.shape)

    return (max_pool_forward_reshape, max_pool_backward_reshape)


wrong_made("max_pool2d", "pool-ties", "input", maxpool_cs231n_fast)


def gap_flat():
    def global_avg_pool(x):
        out = x.mean(axis=(2, 3))

        def backward(dout):
            n, c, h, w = x.shape
            return np.repeat(np.repeat(dout[:, :, None, None], h, 2), w, 3) / (h * w)

        return out, backward

    return global_avg_pool


right_made("adaptive_avg_pool2d(output_size=1)", gap_flat)


def gap_nodiv():
    class GlobalAveragePooling2D:
        def forward(self, x):
            self.shape = x.shape
            return x.mean(axis=(2, 3), keepdims=True)

        def backward(self, dy):
            n, c, h, w = self.shape
            return np.ones(self.shape) * dy

    return GlobalAveragePooling2D


wrong_made("adaptive_avg_pool2d(output_size=1)", "wrong-reduction", "input", gap_nodiv)


def avgpool_crop():
    class AvgPool2d:
        def __init__(self, kernel_size, stride=None, padding=0):
            self.k = kernel_size
            self.s = stride or kernel_size
            self.p = padding

        def __call__(self, x):
            return self.forward(x)

        def forward(self, x):
            k, s, p = self.k, self.s, self.p
            self.shape = x.shape
            xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
            self.ps = xp.shape
            Ho, Wo = (xp.shape[2] - k) // s + 1, (xp.shape[3] - k) // s + 1
            out = np.zeros(x.shape[:2] + (Ho, Wo), x.dtype)
            for a in range(k):
                for b in range(k):
                    out += xp[:, :, a : a + s * Ho : s, b : b + s * Wo : s][:, :, :Ho, :Wo]
            return out / (k * k)

        def backward(self, grad):
            k, s, p = self.k, self.s, self.p
            dx = np.zeros(self.ps, grad.dtype)
            Ho, Wo = grad.shape[2:]
            for i in range(Ho):
                for j in range(Wo):
                    dx[:, :, i * s : i * s + k, j * s : j * s + k] += grad[:, :, i : i + 1, j : j + 1] / (k * k)
            return dx[:, :, : self.shape[2], : self.shape[3]]

    return AvgPool2d


wrong_made("AvgPool2d", "kernel-flipped", "input", avgpool_crop)


def pad_swap():
    class ZeroPad2d:
        def __init__(self, padding):
            self.l, self.r, self.t, self.b = padding

        def forward(self, x):
            return np.pad(x, ((0, 0), (0, 0), (self.t, self.b), (self.l, self.r)))

        def backward(self, g):
            return g[:, :, self.b : g.shape[2] - self.t, self.r : g.shape[3] - self.l]

    return ZeroPad2d


wrong_made("ZeroPad2d(padding=(2, 1, 1, 3))", "kernel-flipped", "input", pad_swap)


def convT_over():
    class ConvTranspose2d:
        def __init__(self, weight, bias, stride=1, padding=0):
            self.weight, self.bias, self.stride, self.padding = weight, bias, stride, padding

        def forward(self, x):
            self.x = x
            s, p = self.stride, self.padding
            N, C, H, W = x.shape
            _, F, kh, kw = self.weight.shape
            out = np.zeros((N, F, (H - 1) * s + kh, (W - 1) * s + kw), dtype=x.dtype)
            for i in range(H):
                for j in range(W):
                    out[:, :, i * s : i * s + kh, j * s : j * s + kw] += np.einsum(
                        "nc,cfuv->nfuv", x[:, :, i, j], self.weight
                    )
            out = out[:, :, p : out.shape[2] - p, p : out.shape[3] - p]
            return out + self.bias[:, None, None]

        def backward(self, dout):
            s, p = self.stride, self.padding
            N, C, H, W = self.x.shape
            _, F, kh, kw = self.weight.shape
            self.grad_bias = dout.sum(axis=(0, 2, 3))
            d = np.pad(dout, ((0, 0), (0, 0), (p, p), (p, p)))
            self.grad_weight = np.zeros_like(self.weight)
            dx = np.empty_like(self.x)
            for i in range(H):
                for j in range(W):
                    w = d[:, :, i * s : i * s + kh, j * s : j * s + kw]
                    dx[:, :, i, j] = np.einsum("nfuv,cfuv->nc", w, self.weight)
                    self.grad_weight = np.einsum("nc,nfuv->cfuv", self.x[:, :, i, j], w)
            return dx

    return ConvTranspose2d


wrong_made("conv_transpose2d", "overwritten-not-accumulated", "weight", convT_over)


def convT_swap():
    class ConvTranspose2d:
        def __init__(self, weight, bias, stride=1, padding=0):
            self.weight, self.bias, self.stride, self.padding = weight, bias, stride, padding

        def forward(self, x):
            self.x = x
            s, p = self.stride, self.padding
            N, C, H, W = x.shape
            _, F, kh, kw = self.weight.shape
            out = np.zeros((N, F, (H - 1) * s + kh, (W - 1) * s + kw), dtype=x.dtype)
            for i in range(H):
                for j in range(W):
                    out[:, :, i * s : i * s + kh, j * s : j * s + kw] += np.einsum(
                        "nc,cfuv->nfuv", x[:, :, i, j], self.weight
                    )
            out = out[:, :, p : out.shape[2] - p, p : out.shape[3] - p]
            return out + self.bias[:, None, None]

        def backward(self, dout):
            s, p = self.stride, self.padding
            N, C, H, W = self.x.shape
            _, F, kh, kw = self.weight.shape
            self.grad_bias = dout.sum(axis=(0, 2, 3))
            d = np.pad(dout, ((0, 0), (0, 0), (p, p), (p, p)))
            self.grad_weight = np.zeros_like(self.weight)
            dx = np.empty_like(self.x)
            for i in range(H):
                for j in range(W):
                    w = d[:, :, i * s : i * s + kh, j * s : j * s + kw]
                    dx[:, :, i, j] = np.einsum("nfuv,cfuv->nc", w, self.weight)
                    self.grad_weight += np.einsum("nc,nfuv->cfvu", self.x[:, :, i, j], w)
            return dx

    return ConvTranspose2d


wrong_made("conv_transpose2d", "transposed", "weight", convT_swap)


def conv_sw_rot1():
    from numpy.lib.stride_tricks import as_strided, sliding_window_view

    def conv2d(x, weight, bias=None, stride=1, padding=0):
        s, p = stride, padding
        xp = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)])
        kh, kw = weight.shape[2:]
        win = sliding_window_view(xp, (kh, kw), axis=(2, 3))[:, :, ::s, ::s]
        out = np.einsum("nchwij,fcij->nfhw", win, weight, optimize=True)
        if bias is not None:
            out = out + bias[None, :, None, None]

        def backward(dout):
            db = np.einsum("nfhw->f", dout) if bias is not None else None
            dw = np.einsum("nchwij,nfhw->fcij", win, dout, optimize=True)
            N, F, OH, OW = dout.shape
            H, W = xp.shape[2:]
            dil = np.zeros((N, F, H - kh + 1, W - kw + 1), dtype=dout.dtype)
            dil[:, :, ::s, ::s] = dout
            full = np.pad(dil, [(0, 0), (0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1)])
            fw = sliding_window_view(full, (kh, kw), axis=(2, 3))
            dxp = np.einsum("nfhwij,fcij->nchw", fw, weight[:, :, ::-1, :], optimize=True)
            dx = dxp[:, :, p : H - p, p : W - p]
            return dx, dw, db

        return out, backward

    return conv2d


wrong_made("conv2d", "kernel-flipped", "input", conv_sw_rot1)


def conv_naive_dwmean3():
    def conv_forward_naive(x, w, b, conv_param):
        stride = conv_param["stride"]
        pad = conv_param["pad"]
        N, C, H, W = x.shape
        F, _, HH, WW = w.shape
        xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
        Hout = 1 + (H + 2 * pad - HH) // stride
        Wout = 1 + (W + 2 * pad - WW) // stride
        out = np.zeros((N, F, Hout, Wout))
        for n in range(N):
            for f in range(F):
                for i in range(Hout):
                    for j in range(Wout):
                        out[n, f, i, j] = (
                            np.sum(xp[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW] * w[f]) + b[f]
                        )
        cache = (x, w, b, conv_param)
        return out, cache

    def conv_backward_naive(dout, cache):
        x, w, b, conv_param = cache
        stride = conv_param["stride"]
        pad = conv_param["pad"]
        N, C, H, W = x.shape
        F, _, HH, WW = w.shape
        _, _, Hout, Wout = dout.shape
        xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
        dxp = np.zeros_like(xp)
        dw = np.zeros_like(w)
        db = dout.sum(axis=(0, 2, 3))
        for n in range(N):
            for f in range(F):
                for i in range(Hout):
                    for j in range(Wout):
                        win = xp[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
                        dw[f] += win * dout[n, f, i, j]
                        dxp[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW] += w[f] * dout[n, f, i, j]
        dx = dxp[:, :, pad : pad + H, pad : pad + W]
        return dx, dw / (N * Hout * Wout), db

    return (conv_forward_naive, conv_backward_naive)


wrong_made("conv2d(stride=2, padding=1)", "mean-instead-of-sum", "weight", conv_naive_dwmean3)
