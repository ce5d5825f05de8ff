"""4. Hyperbolic tangent: the forward is given. Write the backward."""

import numpy as np


def tanh(x):
    """y = tanh(x), entry by entry. x and y have one shape."""
    y = np.tanh(x)

    def backward(dy):
        """Return dx."""
        raise NotImplementedError("write dx")

    return y, backward
