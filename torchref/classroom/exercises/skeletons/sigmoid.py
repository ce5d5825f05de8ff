"""3. Sigmoid: the forward is given. Write the backward."""

import numpy as np


def sigmoid(x):
    """y = 1 / (1 + exp(-x)), entry by entry. x and y have one shape."""
    e = np.exp(-np.abs(x))  # at most 1: it cannot overflow
    y = np.where(x >= 0, 1, e) / (1 + e)

    def backward(dy):
        """Return dx."""
        raise NotImplementedError("write dx")

    return y, backward
