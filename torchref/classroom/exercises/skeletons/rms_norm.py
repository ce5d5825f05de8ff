"""15. RMS norm: the forward is given. Write the backward."""

import numpy as np


def rms_norm(x, weight, eps=1e-5):
    """y = weight x / rms, rms = sqrt(mean of x^2 + eps) for each row. x and y (N, D), weight (D,)."""
    rms = np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps)
    x_hat = x / rms
    y = weight * x_hat

    def backward(dy):
        """Return dx (N, D) and dweight (D,). rms depends on x, too."""
        raise NotImplementedError("write dx and dweight")

    return y, backward
