"""RNNCell, LSTMCell, GRUCell: one step of a recurrent network. The gates here serve the whole sequences, too."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import init
from torchref.nn.any_array import takes_any_array
from torchref.nn.errors import check_device, check_floating, check_sizes
from torchref.nn.linear import linear
from torchref.nn.module import Array, Backward, Module, Parameter, bind

State: TypeAlias = tuple[Array, ...]  # (h,) or (h, c), each (N, hidden)

# --- the gates: from a_x = W_ih x + b_ih and a_h = W_hh h + b_hh to the new state -----------------------------------
#
# Each takes (a_x, a_h, *state) and returns the new state and its backward, which takes the new state's gradients and
# returns (da_x, da_h, *dstate). There dh is what reaches h directly; what reaches it through a_h is the caller's. It
# is None where h is used through a_h alone. A sequence is a column in all of these arrays, (hidden, N), and each gate
# a block of rows.


def tanh_gates(a_x: Array, a_h: Array, h: Array) -> tuple[State, Backward]:  # noqa: ARG001 (as all gates)
    """h' = tanh(a_x + a_h). Backward, with tanh' = 1 - tanh^2:  da = dh' (1 - h' h'). Elman 1990."""
    h_new = np.tanh(a_x + a_h)

    def backward(dh_new: Array) -> tuple[Array, Array, None]:
        da = dh_new * (1 - h_new * h_new)
        return da, da, None

    return (h_new,), backward


def relu_gates(a_x: Array, a_h: Array, h: Array) -> tuple[State, Backward]:  # noqa: ARG001 (as all gates)
    """h' = max(a_x + a_h, 0). Backward:  da = dh' [h' > 0]."""
    h_new = np.maximum(a_x + a_h, 0)

    def backward(dh_new: Array) -> tuple[Array, Array, None]:
        da = dh_new * (h_new > 0)
        return da, da, None

    return (h_new,), backward


def lstm_gates(a_x: Array, a_h: Array, h: Array, c: Array) -> tuple[State, Backward]:  # noqa: ARG001 (as all gates)
    """One step of a long short-term memory, a_x and a_h (4 hidden, N) holding the parts of i, f, g, o in this order.

        i = sigma(a_i)   f = sigma(a_f)   g = tanh(a_g)   o = sigma(a_o)      a = a_x + a_h
        c' = f c + i g                                                        the cell's memory
        h' = o tanh(c')

    Backward. The new memory reaches the loss by itself (dc') and through h':
        dc = dc' + dh' o (1 - tanh(c')^2)
        da_i = dc g i (1 - i)    da_f = dc c f (1 - f)    da_g = dc i (1 - g^2)    da_o = dh' tanh(c') o (1 - o)
        the old memory gets dc f
    `backward(dh', dc')` returns da, da, None (h counts through a_h alone) and dc f. Hochreiter & Schmidhuber 1997;
    forget gate: Gers, Schmidhuber & Cummins 2000.
    """
    hidden = len(c)
    gates = a_x + a_h  # (4 hidden, N)
    i, f, g, o = split(gates, 4)
    sigma_(gates[: 2 * hidden])  # i and f
    np.tanh(g, out=g)
    sigma_(o)
    kept, new = f * c, i * g
    c_new = kept + new
    tanh_c = np.tanh(c_new)
    h_new = o * tanh_c

    def backward(dh_new: Array, dc_new: Array) -> tuple[Array, Array, None, Array]:
        dh_h = dh_new * h_new
        dc = dh_new * o
        dc -= dh_h * tanh_c  # dh' o (1 - tanh^2) = dh' o - dh' (o tanh) tanh
        dc += dc_new
        da = 1 - gates  # (4 hidden, N), what the derivatives of the three sigmoids share
        da_i, da_f, da_g, da_o = split(da, 4)
        da_i *= dc * new
        da_f *= dc * kept
        np.multiply(dc, i - new * g, out=da_g)
        da_o *= dh_h
        return da, da, None, dc * f

    return (h_new, c_new), backward


def gru_gates(a_x: Array, a_h: Array, h: Array) -> tuple[State, Backward]:
    """One step of a gated recurrent unit, a_x and a_h (3 hidden, N) holding the parts of r, z, n in this order.

        r = sigma(ax_r + ah_r)   z = sigma(ax_z + ah_z)   n = tanh(ax_n + r ah_n)
        h' = (1 - z) n + z h

    Backward.
        da_n = dh' (1 - z) (1 - n^2)    da_z = dh' (h - n) z (1 - z)    da_r = da_n ah_n r (1 - r)
    ax and ah share da_r and da_z; n's part is da_n in ax, but da_n r in ah, which r scales. h itself gets dh' z.
    Cho et al. 2014, with torch's reset: r scales W_hn h + b_hn, not h.
    """
    hidden = len(h)
    gates = a_x[: 2 * hidden] + a_h[: 2 * hidden]
    r, z = split(sigma_(gates), 2)
    ah_n = a_h[2 * hidden :]
    n = np.tanh(a_x[2 * hidden :] + r * ah_n)
    h_new = n + z * (h - n)

    def backward(dh_new: Array) -> tuple[Array, Array, Array]:
        da_x, da_h = (np.empty_like(a, order="C") for a in (a_x, a_h))
        da_r, da_z, da_n = split(da_x, 3)
        np.multiply(dh_new * (1 - z), 1 - n * n, out=da_n)
        np.multiply(dh_new * (h - n), z - z * z, out=da_z)
        np.multiply(da_n * ah_n, r - r * r, out=da_r)
        da_h[: 2 * hidden] = da_x[: 2 * hidden]
        da_h[2 * hidden :] = da_n * r
        return da_x, da_h, dh_new * z

    return (h_new,), backward


def sigma_(a: Array) -> Array:
    """1 / (1 + exp(-a)) = (1 + tanh(a / 2)) / 2 in place: NumPy's tanh is vectorised, and nothing overflows."""
    a *= 0.5
    np.tanh(a, out=a)
    a *= 0.5
    a += 0.5
    return a


def split(array: Array, parts: int) -> list[Array]:
    """Views of `parts` equal blocks of rows."""
    height = len(array) // parts
    return [array[k * height : (k + 1) * height] for k in range(parts)]


# --- the cells ------------------------------------------------------------------------------------------------------


def cell(
    gates: Callable[..., tuple[State, Backward]],
    x: Array,
    state: State,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None,
    bias_hh: Array | None,
) -> tuple[State, Backward]:
    """a_x = x weight_ih^T + bias_ih, a_h = h weight_hh^T + bias_hh, then the gates. Backward: the chain rule.

    `backward(*dstate)` returns dx, *dstate (of the old state), dweight_ih, dweight_hh, dbias_ih, dbias_hh.
    """
    a_x, input_backward = linear(x, weight_ih, bias_ih)
    a_h, hidden_backward = linear(state[0], weight_hh, bias_hh)
    columns, gates_backward = gates(a_x.T, a_h.T, *(s.T for s in state))
    new_state = tuple(s.T for s in columns)

    def backward(*dstate: Array | None) -> tuple[Array | None, ...]:
        filled = (np.zeros_like(s) if ds is None else ds.T for s, ds in zip(columns, dstate, strict=True))
        da_x, da_h, dh_direct, *dc = gates_backward(*filled)
        dx, dweight_ih, dbias_ih = input_backward(da_x.T)
        dh, dweight_hh, dbias_hh = hidden_backward(da_h.T)
        if dh_direct is not None:
            dh = dh + dh_direct.T
        return dx, dh, *(ds.T for ds in dc), dweight_ih, dweight_hh, dbias_ih, dbias_hh

    return new_state, backward


@takes_any_array
def rnn_tanh_cell(
    x: Array,
    h: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None = None,
    bias_hh: Array | None = None,
) -> tuple[Array, Backward]:
    """h' = tanh(weight_ih x + bias_ih + weight_hh h + bias_hh).

    Shapes: x (N, in) or (in), h and h' (N, hidden) or (hidden), weight_ih (hidden, in), weight_hh (hidden, hidden).
    Backward: see `tanh_gates` and `linear`. `backward(dh')` returns dx, dh, dweight_ih, dweight_hh, dbias_ih, dbias_hh.
    Errors: RuntimeError if the shapes do not fit. Equals `torch.rnn_tanh_cell`.
    """
    return one_state_cell("rnn_tanh_cell", tanh_gates, 1, x, h, weight_ih, weight_hh, bias_ih, bias_hh)


@takes_any_array
def rnn_relu_cell(
    x: Array,
    h: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None = None,
    bias_hh: Array | None = None,
) -> tuple[Array, Backward]:
    """h' = max(weight_ih x + bias_ih + weight_hh h + bias_hh, 0); all else as in `rnn_tanh_cell`.

    Equals `torch.rnn_relu_cell`.
    """
    return one_state_cell("rnn_relu_cell", relu_gates, 1, x, h, weight_ih, weight_hh, bias_ih, bias_hh)


@takes_any_array
def gru_cell(
    x: Array,
    h: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None = None,
    bias_hh: Array | None = None,
) -> tuple[Array, Backward]:
    """One step of a gated recurrent unit; formula and backward in `gru_gates`, with a_x = weight_ih x + bias_ih, ...

    Shapes: x (N, in) or (in), h and h' (N, hidden) or (hidden), weight_ih (3 hidden, in), weight_hh (3 hidden, hidden),
    the rows in the order r, z, n. `backward(dh')` returns dx, dh, dweight_ih, dweight_hh, dbias_ih, dbias_hh.
    Errors: RuntimeError if the shapes do not fit. Equals `torch.gru_cell`.
    """
    return one_state_cell("gru_cell", gru_gates, 3, x, h, weight_ih, weight_hh, bias_ih, bias_hh)


@takes_any_array
def lstm_cell(
    x: Array,
    h: Array | None,
    c: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None = None,
    bias_hh: Array | None = None,
) -> tuple[tuple[Array, Array], Backward]:
    """One step of a long short-term memory; formula and backward in `lstm_gates`, with a_x = weight_ih x + bias_ih, ...

    Shapes: x (N, in) or (in), h, c, h', c' (N, hidden) or (hidden), weight_ih (4 hidden, in), weight_hh (4 hidden,
    hidden), the rows in the order i, f, g, o. `backward((dh', dc'))` returns dx, dh, dc, dweight_ih, dweight_hh,
    dbias_ih, dbias_hh. Errors: RuntimeError if the shapes do not fit. Equals `torch.lstm_cell`.
    """
    check_cell("lstm_cell", 4, x, (h, c), weight_ih, weight_hh, bias_ih, bias_hh)
    h0, c0 = state_or_zeros(x, h, weight_hh), state_or_zeros(x, c, weight_hh)
    state = as_rows(h0), as_rows(c0)
    new_state, cell_backward = cell(lstm_gates, as_rows(x), state, weight_ih, weight_hh, bias_ih, bias_hh)
    output = new_state[0].reshape(h0.shape), new_state[1].reshape(c0.shape)

    def backward(doutput: tuple[Array | None, Array | None]) -> tuple[Array | None, ...]:
        dh_new, dc_new = (None if d is None else as_rows(d) for d in doutput)
        dx, dh, dc, *dweights = cell_backward(dh_new, dc_new)
        dh = None if h is None else dh.reshape(h.shape)
        dc = None if c is None else dc.reshape(c.shape)
        return dx.reshape(x.shape), dh, dc, *dweights

    return output, backward


def one_state_cell(
    function: str,
    gates: Callable[..., tuple[State, Backward]],
    blocks: int,
    x: Array,
    h: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None,
    bias_hh: Array | None,
) -> tuple[Array, Backward]:
    """A cell whose state is h alone (None: zeros), with or without a batch dimension."""
    check_cell(function, blocks, x, (h,), weight_ih, weight_hh, bias_ih, bias_hh)
    h0 = state_or_zeros(x, h, weight_hh)
    (h_new,), cell_backward = cell(gates, as_rows(x), (as_rows(h0),), weight_ih, weight_hh, bias_ih, bias_hh)

    def backward(dh_new: Array) -> tuple[Array | None, ...]:
        dx, dh, *dweights = cell_backward(as_rows(dh_new))
        return dx.reshape(x.shape), None if h is None else dh.reshape(h.shape), *dweights

    return h_new.reshape(h0.shape), backward


def state_or_zeros(x: Array, h: Array | None, weight_hh: Array) -> Array:
    """h, or zeros (N, hidden) or (hidden) to go with x if h is None."""
    return np.zeros_like(x, shape=(*x.shape[:-1], weight_hh.shape[1]), order="C") if h is None else h


def as_rows(x: Array) -> Array:
    """(N, D) as it is, (D) as (1, D)."""
    return x[None] if x.ndim == 1 else x


def check_cell(
    function: str,
    blocks: int,
    x: Array,
    state: tuple[Array | None, ...],
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None,
    bias_hh: Array | None,
) -> None:
    """The dtypes and shapes of a cell's input, state, weights and biases, with torch's exception types."""
    names = dict(zip(("hx[0]", "hx[1]") if len(state) == 2 else ("hx",), state, strict=True))
    optional = {**names, "bias_ih": bias_ih, "bias_hh": bias_hh}
    check_floating(function, input=x, weight_ih=weight_ih, weight_hh=weight_hh, optional=optional)
    if x.shape[-1] != weight_ih.shape[1]:
        raise RuntimeError(
            f"{function}(): input has inconsistent input_size: got {x.shape[-1]}, expected {weight_ih.shape[1]}"
        )
    hidden = weight_hh.shape[1]
    if weight_ih.shape[0] != blocks * hidden or weight_hh.shape[0] != blocks * hidden:
        raise RuntimeError(
            f"{function}(): weight_ih {weight_ih.shape} and weight_hh {weight_hh.shape} must have "
            f"{blocks} hidden_size = {blocks * hidden} rows"
        )
    for name, s in names.items():
        if s is not None and s.shape != (*x.shape[:-1], hidden):
            raise RuntimeError(
                f"{function}(): {name} has shape {s.shape}, but input {x.shape} and hidden_size {hidden} need "
                f"{(*x.shape[:-1], hidden)}"
            )


class RNNCellBase(Module):
    """The parameters of a cell with `num_chunks` gates, all drawn evenly from +-1 / sqrt(hidden_size)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_device(device)
        check_sizes(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows, dtype = num_chunks * hidden_size, dtype or np.float32
        self.weight_ih = Parameter(np.empty((rows, input_size), dtype))
        self.weight_hh = Parameter(np.empty((rows, hidden_size), dtype))
        self.bias_ih = Parameter(np.empty(rows, dtype)) if bias else None
        self.bias_hh = Parameter(np.empty(rows, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for parameter in self.parameters():
            init.uniform_(parameter.data, -bound, bound)

    def check_dimensions(self, **arrays: Any) -> None:
        """ValueError unless the input and the state have one or two dimensions."""
        for name, array in arrays.items():
            if isinstance(array, np.ndarray) and array.ndim not in (1, 2):
                raise ValueError(
                    f"{type(self).__name__}: Expected {name} to be 1D or 2D, got {array.ndim}D instead: {array.shape}"
                )

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        if nonlinearity != "tanh":
            text += f", nonlinearity={nonlinearity}"
        return text


class RNNCell(RNNCellBase):
    """`rnn_tanh_cell`, or `rnn_relu_cell`, as a module; without `hx` the state starts at zero.

    Errors: RuntimeError for another `nonlinearity`, when it is used. Equals `torch.nn.RNNCell`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Array, hx: Array | None = None) -> tuple[Array, Backward]:
        self.check_dimensions(input=input, hidden=hx)
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"RNNCell: Unknown nonlinearity: {self.nonlinearity!r}")
        function = rnn_tanh_cell if self.nonlinearity == "tanh" else rnn_relu_cell
        return bind(function, input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class LSTMCell(RNNCellBase):
    """`lstm_cell` as a module: hx is (h, c), zeros without it; returns (h', c'). Equals `torch.nn.LSTMCell`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Array, hx: tuple[Array, Array] | None = None) -> tuple[tuple[Array, Array], Backward]:
        if hx is not None and not isinstance(hx, tuple | list):
            raise TypeError(f"LSTMCell: hx must be a tuple (h, c), not {type(hx).__name__}")
        if hx is not None and len(hx) != 2:
            raise RuntimeError(f"LSTMCell: hx must be a tuple (h, c), but has {len(hx)} members")
        h, c = (None, None) if hx is None else hx
        self.check_dimensions(input=input, **{"hx[0]": h, "hx[1]": c})
        return bind(lstm_cell, input, h, c, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class GRUCell(RNNCellBase):
    """`gru_cell` as a module; without `hx` the state starts at zero. Equals `torch.nn.GRUCell`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Array, hx: Array | None = None) -> tuple[Array, Backward]:
        self.check_dimensions(input=input, hidden=hx)
        return bind(gru_cell, input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
