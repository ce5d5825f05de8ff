"""Entries of the fused recurrences. What else a model's recurrence is made of has its own entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array, Backward
from torchref.nn.recurrent import lstm
from torchref.referee.entries.table import entry

LSTM = 2  # ATen's number


@entry("mkldnn_rnn_layer")
def mkldnn_rnn_layer(
    x: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array,
    bias_hh: Array,
    h: Array,
    c: Array,
    reverse: bool,
    batch_sizes: Any,
    mode: int,
    hidden_size: int,
    num_layers: int,
    has_biases: bool,
    bidirectional: bool,
    batch_first: bool,
    train: bool,
) -> tuple[tuple[Array, Array, Array], Backward]:
    """One layer of an LSTM in one direction, x (T, N, in). A reversed one reads, and writes, from the end."""
    if mode != LSTM or batch_sizes:
        raise NotImplementedError("only one layer of an LSTM, of sequences of equal length")
    biases = (bias_ih, bias_hh) if has_biases else ()
    state = (1, *h.shape[-2:])
    given = x[::-1] if reverse else x
    (y, (h_n, c_n)), lstm_backward = lstm(
        given, h.reshape(state), c.reshape(state), weight_ih, weight_hh, *biases, num_layers=1
    )

    def backward(doutputs: tuple[Array | None, ...]) -> list[Any]:
        dy, dh_n, dc_n = (*doutputs, None, None)[:3]
        dy = np.zeros_like(y) if dy is None else dy
        dstate = (
            np.zeros(state) if dh_n is None else dh_n.reshape(state),
            np.zeros(state) if dc_n is None else dc_n.reshape(state),
        )
        dx, dh, dc, *dweights = lstm_backward((dy[::-1] if reverse else dy, dstate))
        dweights = [*dweights, None, None][:4]
        return [dx[::-1] if reverse else dx, *dweights, dh.reshape(h.shape), dc.reshape(c.shape)]

    return (y[::-1] if reverse else y, h_n.reshape(h.shape), c_n.reshape(c.shape)), backward
