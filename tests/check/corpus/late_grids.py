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


@right("affine_grid")
def of_a_volume(theta, size):
    n, _, d, h, w = size
    z, y, x = np.meshgrid(*((2 * np.arange(k) + 1) / k - 1 for k in (d, h, w)), indexing="ij")
    points = np.stack([x, y, z, np.ones_like(x)], -1).reshape(-1, 4)
    grid = np.einsum("pk,njk->npj", points, theta).reshape(n, d, h, w, 3)

    def backward(dgrid):
        return np.einsum("npj,pk->njk", dgrid.reshape(n, -1, 3), points)

    return grid, backward


@wrong("affine_grid", "wrong-sign", "theta")
def of_a_volume_turned(theta, size):
    grid, right_backward = of_a_volume(theta, size)
    return grid, lambda dgrid: -right_backward(dgrid)


def corners(x, grid):
    """The eight voxels about each place, with their weights and what these weights depend on."""
    sides = [(grid[..., k] + 1) * n / 2 - 0.5 for k, n in enumerate(x.shape[:1:-1])]
    for shift in np.ndindex(2, 2, 2):
        index, weights, ok = [], [], True
        for s, b, n in zip(sides, shift, x.shape[:1:-1]):
            i = np.floor(s).astype(int) + b
            weights.append(s - np.floor(s) if b else 1 - s + np.floor(s))
            ok = ok * (i >= 0) * (i < n)
            index.append(np.clip(i, 0, n - 1))
        yield index, weights, ok, shift


@right("grid_sample")
def voxels_read(x, grid):
    n, c = x.shape[:2]
    image = np.arange(n).reshape(-1, 1, 1, 1)
    y = np.zeros((n, c, *grid.shape[1:4]))
    for (i, j, k), (a, b, d), ok, _ in corners(x, grid):
        y += (x[image, :, k, j, i] * (a * b * d * ok)[..., None]).transpose(0, 4, 1, 2, 3)

    def backward(dy):
        dx, dgrid = np.zeros_like(x), np.zeros_like(grid)
        for (i, j, k), (a, b, d), ok, shift in corners(x, grid):
            for ch in range(c):
                np.add.at(dx[:, ch], (image, k, j, i), dy[:, ch] * a * b * d * ok)
            read = (dy.transpose(0, 2, 3, 4, 1) * x[image, :, k, j, i]).sum(-1) * ok
            for axis, (others, length) in enumerate(zip((b * d, a * d, a * b), x.shape[:1:-1])):
                dgrid[..., axis] += read * others * (1 if shift[axis] else -1) * length / 2
        return dx, dgrid

    return y, backward
