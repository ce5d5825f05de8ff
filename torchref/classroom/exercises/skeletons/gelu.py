"""5. GELU, by its approximation with tanh: the forward is given. Write the backward."""

import numpy as np


def gelu(x):
    """y = x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), entry by entry."""
    t = np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))
    y = x * (1 + t) / 2

    def backward(dy):
        """Return dx. x stands in y twice."""
        raise NotImplementedError("write dx")

    return y, backward
