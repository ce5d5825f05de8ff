"""10. Softmax with cross-entropy: the forward is given. Write the backward."""

import numpy as np


def cross_entropy(x, target):
    """loss = mean over the rows of -log p[target], p the softmax of the row. x (N, C), target (N,) whole numbers."""
    shifted = x - x.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (N, C)
    loss = -log_p[np.arange(len(x)), target].mean()

    def backward(dloss=1.0):
        """Return dx."""
        raise NotImplementedError("write dx")

    return loss, backward
