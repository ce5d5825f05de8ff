# ruff: noqa  (written as students write)
"""Spatial transformers."""

import numpy as np

from tests.check.corpus import conventional, right, wrong


class Sampler:
    def forward(self, x, grid):
        self.x = x
        N, C, H, W = x.shape
        self.size = H, W
        ix = (grid[..., 0] + 1) * W / 2 - 0.5
        iy = (grid[..., 1] + 1) * H / 2 - 0.5
        x0, y0 = np.floor(ix).astype(int), np.floor(iy).astype(int)
        self.corners = []
        out = 0
        n = np.arange(N)[:, None, None]
        for dy_ in (0, 1):
            for dx_ in (0, 1):
                r, c = y0 + dy_, x0 + dx_
                ok = (r >= 0) & (r < H) & (c >= 0) & (c < W)
                wy = (1 - abs(iy - r)) * ok
                wx = (1 - abs(ix - c)) * ok
                r, c = r.clip(0, H - 1), c.clip(0, W - 1)
                value = x[n, :, r, c]
                out = out + value * (wy * wx)[..., None]
                self.corners.append((n, r, c, wy, wx, (2 * dy_ - 1) * ok, (2 * dx_ - 1) * ok, value))
        return out.transpose(0, 3, 1, 2)

    def add(self, dx, n, r, c, value):
        np.add.at(dx, (n, slice(None), r, c), value)

    def join(self, gx, gy):
        H, W = self.size
        return np.stack([gx * W / 2, gy * H / 2], -1)

    def backward(self, dout):
        d = dout.transpose(0, 2, 3, 1)
        dx = np.zeros_like(self.x)
        gx = gy = 0
        for n, r, c, wy, wx, sy, sx, value in self.corners:
            self.add(dx, n, r, c, d * (wy * wx)[..., None])
            s = (d * value).sum(-1)
            gx = gx + s * wy * sx
            gy = gy + s * wx * sy
        return dx, self.join(gx, gy)


right("grid_sample")(Sampler)


@wrong("grid_sample", "overwritten-not-accumulated", "input")
class SamplerOverwrites(Sampler):
    def add(self, dx, n, r, c, value):
        dx[n, :, r, c] = value


@wrong("grid_sample", "overwritten-not-accumulated", "input")
class SamplerAddsOnce(Sampler):
    def add(self, dx, n, r, c, value):
        dx[n, :, r, c] += value


@wrong("grid_sample", "transposed", "grid")
class SamplerExchanged(Sampler):
    def join(self, gx, gy):
        H, W = self.size
        return np.stack([gy * H / 2, gx * W / 2], -1)


@wrong("grid_sample", "scale-forgotten", "grid")
class SamplerInPixels(Sampler):
    def join(self, gx, gy):
        return np.stack([gx, gy], -1)


@wrong("grid_sample", "scale-forgotten", "grid")
class SamplerOfCorners(Sampler):
    def join(self, gx, gy):
        H, W = self.size
        return np.stack([gx * (W - 1) / 2, gy * (H - 1) / 2], -1)


def base(size):
    N, C, H, W = size
    xs = (2 * np.arange(W) + 1) / W - 1
    ys = (2 * np.arange(H) + 1) / H - 1
    X, Y = np.meshgrid(xs, ys)
    return np.stack([X, Y, np.ones_like(X)], -1)


@right("affine_grid")
def affine(theta, size):
    p = base(size)
    return np.einsum("nij,hwj->nhwi", theta, p), lambda d: np.einsum("nhwi,hwj->nij", d, p)


@wrong("affine_grid", "mean-instead-of-sum", "theta")
def affine_averaged(theta, size):
    p = base(size)
    return np.einsum("nij,hwj->nhwi", theta, p), lambda d: np.einsum("nhwi,hwj->nij", d, p) / (size[2] * size[3])


@wrong("affine_grid", "local-derivative-missing", "theta")
def affine_without_shift(theta, size):
    p = base(size)

    def backward(d):
        g = np.zeros_like(theta)
        g[:, :, :2] = np.einsum("nhwi,hwj->nij", d, p[..., :2])
        return g

    return np.einsum("nij,hwj->nhwi", theta, p), backward


@conventional("affine_grid", "forward-differs", "output")
def affine_at_the_corners(theta, size):
    N, C, H, W = size
    X, Y = np.meshgrid(np.linspace(-1, 1, W), np.linspace(-1, 1, H))
    p = np.stack([X, Y, np.ones_like(X)], -1)
    return np.einsum("nij,hwj->nhwi", theta, p), lambda d: np.einsum("nhwi,hwj->nij", d, p)


@right("affine_grid(align_corners=True)")
def affine_of_corners(theta, size):
    N, C, H, W = size
    X, Y = np.meshgrid(np.linspace(-1, 1, W), np.linspace(-1, 1, H))
    p = np.stack([X, Y, np.ones_like(X)], -1)
    return np.einsum("nij,hwj->nhwi", theta, p), lambda d: np.einsum("nhwi,hwj->nij", d, p)
