"""12. Dropout: the forward is given. Write the backward."""


def dropout(x, mask, p=0.5):
    """y = x mask / (1 - p). The mask is 1 where an entry is kept; that has the probability 1 - p."""
    y = x * mask / (1 - p)

    def backward(dy):
        """Return dx."""
        raise NotImplementedError("write dx")

    return y, backward
