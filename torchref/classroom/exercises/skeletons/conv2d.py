"""16. Convolution: the forward is given. Write the backward."""

import numpy as np


def conv2d(x, weight, bias, stride=1, padding=0):
    """y[n, o] = bias[o] + sum over c of x[n, c] under the moving weight[o, c].

    x (N, C, H, W), weight (O, C, I, J), bias (O,), y (N, O, P, Q).
    """
    frame = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    padded = np.pad(x, frame)  # (N, C, H + 2 padding, W + 2 padding)
    high, wide = weight.shape[2:]
    p = (padded.shape[2] - high) // stride + 1
    q = (padded.shape[3] - wide) // stride + 1
    y = np.zeros((len(x), len(weight), p, q), x.dtype) + bias[:, None, None]
    for i in range(high):
        for j in range(wide):  # what meets weight[:, :, i, j], for all places at once
            seen = padded[:, :, i : i + stride * p : stride, j : j + stride * q : stride]  # (N, C, P, Q)
            y += np.einsum("ncpq,oc->nopq", seen, weight[:, :, i, j])

    def backward(dy):
        """Return dx (N, C, H, W), dweight (O, C, I, J) and dbias (O,). The loops of the forward help."""
        raise NotImplementedError("write dx, dweight and dbias")

    return y, backward
