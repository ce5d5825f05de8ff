"""11. Embedding: the forward is given. Write the backward."""


def embedding(ids, weight):
    """y = weight[ids]: a row for each id. ids (N, T) whole numbers, weight (V, D), y (N, T, D)."""
    y = weight[ids]

    def backward(dy):
        """Return dweight. An id may occur more than once."""
        raise NotImplementedError("write dweight")

    return y, backward
