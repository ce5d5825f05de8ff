"""14. Layer norm: the forward is given. Write the backward."""

import numpy as np


def layer_norm(x, weight, bias, eps=1e-5):
    """y = weight x_hat + bias, x_hat the rows with mean 0 and variance 1. x and y (N, D), weight and bias (D,)."""
    mean = x.mean(axis=-1, keepdims=True)
    std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    x_hat = (x - mean) / std
    y = weight * x_hat + bias

    def backward(dy):
        """Return dx (N, D), dweight (D,) and dbias (D,)."""
        raise NotImplementedError("write dx, dweight and dbias")

    return y, backward
