"""18. A step of a recurrent network: the forward is given. Write the backward."""

import numpy as np


def rnn_cell(x, h, weight_ih, weight_hh, bias):
    """h_next = tanh(x weight_ih^T + h weight_hh^T + bias).

    x (N, D), h and h_next (N, H), weight_ih (H, D), weight_hh (H, H), bias (H,).
    """
    h_next = np.tanh(x @ weight_ih.T + h @ weight_hh.T + bias)

    def backward(dh_next):
        """Return dx, dh, dweight_ih, dweight_hh and dbias."""
        raise NotImplementedError("write dx, dh, dweight_ih, dweight_hh and dbias")

    return h_next, backward
