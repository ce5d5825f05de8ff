"""Entries of the fused recurrences. What else a model's recurrence is made of has its own entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.nn.module import Array, Backward
from torchref.nn.recurrent import gru, lstm, rnn_relu, rnn_tanh
from torchref.nn.recurrent_cell import gru_gates, lstm_gates
from torchref.referee.entries.table import entry

RNN_RELU, RNN_TANH, LSTM, GRU = range(4)  # ATen's numbers


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


@entry("_cudnn_rnn")
def cudnn_rnn(
    x: Array,
    weights: list[Array],
    weight_stride0: int,
    weight_buffer: Array | None,
    h: Array,
    c: Array | None,
    mode: int,
    hidden_size: int,
    proj_size: int,
    num_layers: int,
    batch_first: bool,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_sizes: Any = (),
    dropout_state: Array | None = None,
) -> tuple[tuple[Array, ...], Backward]:
    """A whole recurrence of cuDNN's, x (T, N, in): weight_ih, weight_hh, bias_ih, bias_hh of each layer and direction.

    The memory that cuDNN keeps for its backward, and its own copy of the weights, have no gradient.
    """
    if batch_sizes or proj_size or (dropout and train):
        raise NotImplementedError("only sequences of equal length, without projection and without cuDNN's own dropout")
    options: dict[str, Any] = {"num_layers": num_layers, "bidirectional": bidirectional, "batch_first": batch_first}
    before = [None] * (weight_buffer is not None)  # what stands between the weights and the states
    if mode == LSTM:
        (y, (h_n, c_n)), lstm_backward = lstm(x, h, c, *weights, **options)

        def backward(doutputs: tuple[Array | None, ...]) -> list[Any]:
            dy, dh_n, dc_n = (*doutputs, None, None)[:3]
            dx, dh, dc, *dweights = lstm_backward((dy, (dh_n, dc_n)))
            return [dx, *dweights, *before, dh, dc]

        return (y, h_n, c_n), backward
    recurrence = {RNN_RELU: rnn_relu, RNN_TANH: rnn_tanh, GRU: gru}[mode]
    (y, h_n), recurrence_backward = recurrence(x, h, *weights, **options)

    def backward_of_one_state(doutputs: tuple[Array | None, ...]) -> list[Any]:
        dy, dh_n = (*doutputs, None)[:2]
        dx, dh, *dweights = recurrence_backward((dy, dh_n))
        return [dx, *dweights, *before, dh]

    return (y, h_n), backward_of_one_state


def with_bias(gates: Array, bias: Array | None) -> Array:
    return gates if bias is None else gates + bias


def biases(da_x: Array, da_h: Array, *given: Array | None) -> list[Array]:
    """The gradients of the two biases, those that are there: each was added to every row."""
    return [da.sum(0) for da, bias in zip((da_x, da_h), given, strict=True) if bias is not None]


@entry("_thnn_fused_lstm_cell")
def fused_lstm_cell(
    a_x: Array, a_h: Array, c: Array, bias_x: Array | None = None, bias_h: Array | None = None
) -> tuple[tuple[Array, Array], Backward]:
    """One step of an LSTM from its gates a_x, a_h (N, 4 hidden), as CUDA fuses it; `lstm_gates` derives it."""
    (h_new, c_new), gates_backward = lstm_gates(with_bias(a_x, bias_x).T, with_bias(a_h, bias_h).T, c.T, c.T)

    def backward(doutputs: tuple[Array | None, ...]) -> list[Array]:
        dh, dc = (np.zeros_like(c) if d is None else d for d in (*doutputs, None)[:2])
        da_x, da_h, _, dc_before = gates_backward(dh.T, dc.T)
        return [da_x.T, da_h.T, dc_before.T, *biases(da_x.T, da_h.T, bias_x, bias_h)]

    return (h_new.T, c_new.T), backward


@entry("_thnn_fused_gru_cell")
def fused_gru_cell(
    a_x: Array, a_h: Array, h: Array, bias_x: Array | None = None, bias_h: Array | None = None
) -> tuple[tuple[Array], Backward]:
    """One step of a GRU from its gates a_x, a_h (N, 3 hidden), as CUDA fuses it; `gru_gates` derives it."""
    (h_new,), gates_backward = gru_gates(with_bias(a_x, bias_x).T, with_bias(a_h, bias_h).T, h.T)

    def backward(doutputs: tuple[Array, ...]) -> list[Array]:
        da_x, da_h, dh = gates_backward(doutputs[0].T)
        return [da_x.T, da_h.T, dh.T, *biases(da_x.T, da_h.T, bias_x, bias_h)]

    return (h_new.T,), backward
