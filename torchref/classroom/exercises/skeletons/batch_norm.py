"""13. Batch norm: the forward is given. Write the backward."""

import numpy as np


def batch_norm(x, weight, bias, eps=1e-5):
    """y = weight x_hat + bias, x_hat the columns with mean 0 and variance 1. x and y (N, D), weight and bias (D,)."""
    mean = x.mean(axis=0)
    std = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - mean) / std
    y = weight * x_hat + bias

    def backward(dy):
        """Return dx (N, D), dweight (D,) and dbias (D,). mean and std depend on x, too."""
        raise NotImplementedError("write dx, dweight and dbias")

    return y, backward
