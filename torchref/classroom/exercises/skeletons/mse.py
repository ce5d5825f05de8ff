"""8. Mean squared error: the forward is given. Write the backward."""


def mse(x, target):
    """loss = mean of (x - target)^2, over all entries. x and target (N, D), loss a number."""
    difference = x - target
    loss = (difference**2).mean()

    def backward(dloss=1.0):
        """Return dx. dloss is a number."""
        raise NotImplementedError("write dx")

    return loss, backward
