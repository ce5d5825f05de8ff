"""RNN, LSTM, GRU: cells over whole sequences, in layers and in both directions; backpropagation through time."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn import init
from torchref.nn.any_array import takes_any_array
from torchref.nn.dropout import dropout as drop
from torchref.nn.errors import check_arrays, check_device, check_floating
from torchref.nn.module import Array, Backward, Module, Parameter, bind
from torchref.nn.packed import PackedSequence, data_of
from torchref.nn.random import Source
from torchref.nn.recurrent_cell import State, gru_gates, lstm_gates, relu_gates, tanh_gates

Gates: TypeAlias = Callable[..., tuple[State, Backward]]


def through_time(  # noqa: C901, PLR0915 (one recurrence there and back: its halves make sense side by side)
    gates: Gates,
    x: Array,
    state: State,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array | None,
    bias_hh: Array | None,
    weight_hr: Array | None,
    *,
    batch_sizes: Sequence[int],
    reverse: bool = False,
    needs_input_grad: bool = True,
) -> tuple[tuple[Array, State], Backward]:
    """One layer in one direction: the gates at every time, each time's state handed on to the next.

        a_x_t = weight_ih x_t + bias_ih    a_h_t = weight_hh h_(t-1) + bias_hh
        h_t (, c_t) = gates(a_x_t, a_h_t, h_(t-1) (, c_(t-1)))      with weight_hr: h_t <- weight_hr h_t
        y_t = h_t

    Shapes: x (R, in), the rows of all times one time after the other, `batch_sizes[t]` of them for time t, never more
    than the time before (a plain batch has N rows at every time); state: h (N, H) and c (N, hidden), weight_ih (G, in),
    weight_hh (G, H), weight_hr (H, hidden), y (R, H). At time t the first `batch_sizes[t]` sequences take their step
    and the others stand still: their state is already the last one, or (`reverse`) still the first one. Returns
    (y, last state).

    Backward, through time. h_t reaches the loss through y_t and through everything at later times, so with dh the
    gradient that comes back from time t + 1 (at the last time that of the last state itself), from the last t to the
    first:
        dh_t = dy_t + dh
        da_x_t, da_h_t, dh_direct, dc = backward of the gates at t (dh_t, dc)
        dh = da_h_t weight_hh + dh_direct
    The weights are the same at all times, so their gradients are sums over all times and sequences, and those sums,
    like weight_ih x, are one matrix product over all R rows:
        dweight_ih = da_x^T x    dweight_hh = da_h^T h_before    dbias = column sums of da    dx = da_x weight_ih
    `backward(dy, *dstate)` returns dx, *dstate (of the first state), dweight_ih, dweight_hh, dbias_ih, dbias_hh,
    dweight_hr. Werbos 1990.
    """
    only_sum = gates is not gru_gates  # a_x and a_h count through their sum: only a gru's r scales a part of a_h alone
    a_x = x @ weight_ih.T  # (R, G), for all times at once
    if bias_ih is not None:
        a_x += bias_ih
    if bias_hh is not None and only_sum:
        a_x += bias_hh
    ends = np.cumsum(batch_sizes).tolist()
    steps = [(slice(end - n, end), n) for end, n in zip(ends, batch_sizes, strict=True)]  # the rows of time t
    if reverse:
        steps.reverse()
    # Inside the loop a sequence is a column: each gate is a block of rows then, without gaps, and as quick as can be.
    h, *c = (s.T.copy() for s in state)  # (H, N) and (hidden, N)
    y = np.empty_like(x, shape=(len(x), len(h)), order="C")
    h_before = np.empty_like(y)  # the state h that each row started from
    unprojected = None if weight_hr is None else np.empty_like(x, shape=(len(x), weight_hr.shape[1]), order="C")
    gates_backwards = []
    for rows, n in steps:
        h_before[rows] = h[:, :n].T
        a_h = weight_hh @ h[:, :n]  # (G, n)
        if bias_hh is not None and not only_sum:
            a_h += bias_hh[:, None]
        (h_new, *c_new), gates_backward = gates(a_x[rows].T, a_h, h[:, :n], *(s[:, :n] for s in c))
        gates_backwards.append(gates_backward)
        if weight_hr is not None and unprojected is not None:
            unprojected[rows] = h_new.T
            h_new = weight_hr @ h_new
        y[rows] = h_new.T
        h = beside(h_new, h)
        c = [beside(new, s) for new, s in zip(c_new, c, strict=True)]
    last_state = (h.T, *(s.T for s in c))

    def backward(dy: Array | None, *dstate: Array | None) -> tuple[Array | None, ...]:
        dh, *dc = (
            np.zeros_like(s.T, order="C") if ds is None else ds.T.copy()
            for s, ds in zip(last_state, dstate, strict=True)
        )
        da_x = np.empty_like(a_x)  # (R, G)
        da_h = da_x if only_sum else np.empty_like(a_x)
        dh_projected = np.empty_like(y)
        for (rows, n), gates_backward in zip(reversed(steps), reversed(gates_backwards), strict=True):
            dh_new = dh[:, :n] if dy is None else dh[:, :n] + dy[rows].T
            if weight_hr is not None:
                dh_projected[rows] = dh_new.T
                dh_new = weight_hr.T @ dh_new
            da_x_t, da_h_t, dh_direct, *dc_old = gates_backward(dh_new, *(ds[:, :n] for ds in dc))
            da_x[rows] = da_x_t.T
            if da_h is not da_x:
                da_h[rows] = da_h_t.T
            dh_old = weight_hh.T @ da_h_t
            if dh_direct is not None:
                dh_old += dh_direct
            dh = beside(dh_old, dh)
            dc = [beside(old, ds) for old, ds in zip(dc_old, dc, strict=True)]
        dx = da_x @ weight_ih if needs_input_grad else None
        dweight_ih = da_x.T @ x  # (G, in)
        dweight_hh = da_h.T @ h_before  # (G, H)
        dbias_ih = None if bias_ih is None else da_x.sum(axis=0)
        if bias_hh is None:
            dbias_hh = None
        else:  # the same sum as dbias_ih where da_h is da_x, taken once
            dbias_hh = da_h.sum(axis=0) if da_h is not da_x or dbias_ih is None else dbias_ih.copy()
        dweight_hr = None if unprojected is None else dh_projected.T @ unprojected
        return dx, dh.T, *(ds.T for ds in dc), dweight_ih, dweight_hh, dbias_ih, dbias_hh, dweight_hr

    return (y, last_state), backward


def beside(first: Array, columns: Array) -> Array:
    """`columns` with the first of them replaced, in a new array where there are others."""
    n = first.shape[1]
    return first if n == columns.shape[1] else np.concatenate([first, columns[:, n:]], axis=1)


Group: TypeAlias = tuple[Array, Array, Array | None, Array | None, Array | None]


def grouped(function: str, weights: tuple[Array, ...], count: int) -> list[Group]:
    """(weight_ih, weight_hh, bias_ih, bias_hh, weight_hr) for each layer and direction; None for what it has not."""
    size, rest = divmod(len(weights), count)
    if rest or size not in (2, 3, 4, 5):
        raise RuntimeError(f"{function}(): {len(weights)} weights cannot belong to {count} layers and directions")
    groups = []
    for k in range(count):
        weight_ih, weight_hh, *others = weights[k * size : (k + 1) * size]
        weight_hr = others.pop() if size in (3, 5) else None
        bias_ih, bias_hh = others or (None, None)
        groups.append((weight_ih, weight_hh, bias_ih, bias_hh, weight_hr))
    return groups


def widths(group: Group) -> tuple[int, int]:
    """How many features h and c have."""
    weight_hh, weight_hr = group[1], group[4]
    return weight_hh.shape[1], weight_hh.shape[1] if weight_hr is None else weight_hr.shape[1]


@dataclass(frozen=True)
class Layout:
    """How torch lays out sequences and states, and how `through_time` reads them: as rows, one time after the other.

    Sequences: (T, N, H), (N, T, H) with `batch_first`, (T, H) where they are not `batched`, (R, H) where packed.
    Rows: (R, H), with R = T N. States: (layers, N, H), not batched (layers, H), packed in the order of the caller.
    """

    batched: bool
    batch_first: bool
    shape: tuple[int, ...]  # (T, N), and (R,) where it is packed
    sorted_indices: Array | None = None
    unsorted_indices: Array | None = None

    def rows(self, sequences: Array) -> Array:
        """The rows of all times."""
        swapped = self.batched and self.batch_first and len(self.shape) == 2
        timed = sequences.swapaxes(0, 1) if swapped else sequences
        return timed.reshape(math.prod(self.shape), sequences.shape[-1])

    def sequences(self, rows: Array) -> Array:
        """The inverse of `rows`."""
        if len(self.shape) == 1:
            return rows
        timed = rows.reshape(*self.shape, rows.shape[1])
        return timed[:, 0] if not self.batched else timed.swapaxes(0, 1) if self.batch_first else timed

    def state(self, given: Array) -> Array:
        """(layers, N, H), the sequences in the order of the rows."""
        if not self.batched:
            return given[:, None]
        return given if self.sorted_indices is None else given[:, self.sorted_indices]

    def given(self, states: Sequence[Array]) -> Array:
        """The inverse of `state`, from the state (N, H) of each layer and direction."""
        stacked = np.stack(states)  # (layers, N, H)
        if not self.batched:
            return stacked[:, 0]
        return stacked if self.unsorted_indices is None else stacked[:, self.unsorted_indices]


def layers(
    function: str,
    gates: Gates,
    x: Array,
    state: tuple[Array | None, ...],
    weights: tuple[Array, ...],
    *,
    num_layers: int = 1,
    bidirectional: bool = False,
    batch_first: bool = False,
    dropout: float = 0.0,
    training: bool = True,
    rng: Source | None = None,
    batch_sizes: Array | None = None,
    sorted_indices: Array | None = None,
    unsorted_indices: Array | None = None,
    needs_input_grad: bool = True,
) -> tuple[tuple[Array, tuple[Array, ...]], Backward]:
    """`through_time` for every layer and direction: each layer reads the outputs of both directions of the one below.

    `state` is (h0,) or (h0, c0), (num_layers * directions, N, H), None for zeros; direction 1 goes from the last time
    to the first. Between layers there is dropout. Returns (y, last state); `backward(dy, *dstate)` returns dx,
    the gradients of `state` and those of `weights`.
    """
    names = ("hx[0]", "hx[1]") if len(state) > 1 else ("hx",)
    check_floating(function, input=x, optional=dict(zip(names, state, strict=True)))
    directions = 2 if bidirectional else 1
    groups = grouped(function, weights, num_layers * directions)
    if x.shape[-1] != groups[0][0].shape[1]:
        raise RuntimeError(f"{function}(): input has {x.shape[-1]} features, but weight_ih {groups[0][0].shape}")
    shape = (len(x),) if batch_sizes is not None else times_and_batch(x, batch_first)
    layout = Layout(batch_sizes is not None or x.ndim == 3, batch_first, shape, sorted_indices, unsorted_indices)
    sizes = [shape[1]] * shape[0] if batch_sizes is None else [int(n) for n in batch_sizes]
    if not sizes:
        raise RuntimeError(f"{function}(): Expected sequence length to be larger than 0, but input is {x.shape}")
    first = first_states(function, x, dict(zip(names, state, strict=True)), layout, sizes[0], groups)

    rows = layout.rows(x)
    last: list[State] = []
    backwards, drop_backwards = [], []
    for layer in range(num_layers):
        if layer > 0:
            timed = rows.reshape(*layout.shape, rows.shape[1])
            dropped, drop_backward = drop(timed, p=dropout, training=training, rng=rng)
            drop_backwards.append(drop_backward)
            rows = dropped.reshape(rows.shape)
        own = slice(layer * directions, (layer + 1) * directions)
        (rows, lasts), layer_backward = both_directions(
            gates,
            rows,
            tuple(s[own] for s in first),
            groups[own],
            batch_sizes=sizes,
            needs_input_grad=needs_input_grad or layer > 0,
        )
        last += lasts
        backwards.append(layer_backward)
    last_states = tuple(layout.given([s[i] for s in last]) for i in range(len(state)))

    def backward(dy: Array | None, *dstate: Array | None) -> tuple[Array | None, ...]:
        drows = None if dy is None else layout.rows(dy)
        dlast = [None if ds is None else layout.state(ds) for ds in dstate]
        dfirst: list[tuple[Array, ...]] = []
        dweights: list[Array] = []
        for layer in reversed(range(num_layers)):
            own = slice(layer * directions, (layer + 1) * directions)
            drows, dstates, dgroups = backwards[layer](drows, *(None if ds is None else ds[own] for ds in dlast))
            dfirst = dstates + dfirst
            dweights = dgroups + dweights
            if layer > 0 and drows is not None:
                ddropped = drows.reshape(*layout.shape, drows.shape[1])
                drows = drop_backwards[layer - 1](ddropped).reshape(drows.shape)
        dx = None if drows is None else layout.sequences(drows)
        dgiven = [None if s is None else layout.given([d[i] for d in dfirst]) for i, s in enumerate(state)]
        return dx, *dgiven, *dweights

    return (layout.sequences(rows), last_states), backward


def times_and_batch(x: Array, batch_first: bool) -> tuple[int, ...]:
    """T and N."""
    if x.ndim == 2:
        return len(x), 1
    return x.shape[1::-1] if batch_first else x.shape[:2]


def first_states(
    function: str, x: Array, given: dict[str, Array | None], layout: Layout, batch: int, groups: Sequence[Group]
) -> list[Array]:
    """The states that the layers start from, zeros where none is given. RuntimeError for one that does not fit."""
    first = []
    for (name, s), width in zip(given.items(), widths(groups[0]), strict=False):
        expected = (len(groups), batch, width) if layout.batched else (len(groups), width)
        if s is not None and s.shape != expected:
            raise RuntimeError(f"{function}(): Expected {name} size {expected}, got {s.shape}")
        s = np.zeros_like(x, shape=expected, order="C") if s is None else s
        first.append(layout.state(s))
    return first


def both_directions(
    gates: Gates,
    x: Array,
    state: State,
    groups: Sequence[Group],
    *,
    batch_sizes: Sequence[int],
    needs_input_grad: bool,
) -> tuple[tuple[Array, list[State]], Backward]:
    """One layer: `through_time` from the first time to the last and, with two groups, from the last to the first.

    Shapes: x (R, in), each of `state` (directions, N, H). Returns (y (R, directions H), last states), the outputs of
    both directions beside each other. `backward(dy, *dstate)` returns dx, the sum over the directions, and for each
    direction the gradients of its first states, and those of the weights that there are.
    """
    ys, last, backwards = [], [], []
    for direction, group in enumerate(groups):
        (y, last_state), y_backward = through_time(
            gates,
            x,
            tuple(s[direction] for s in state),
            *group,
            batch_sizes=batch_sizes,
            reverse=direction == 1,
            needs_input_grad=needs_input_grad,
        )
        ys.append(y)
        last.append(last_state)
        backwards.append(y_backward)
    width = y.shape[1]

    def backward(dy: Array | None, *dstate: Array | None) -> tuple[Array | None, list[tuple[Array, ...]], list[Array]]:
        dx: Array | None = None
        dstates: list[tuple[Array, ...]] = []
        dweights: list[Array] = []
        for k, group in enumerate(groups):
            dy_k = None if dy is None else dy[:, k * width : (k + 1) * width]
            dx_k, *gradients = backwards[k](dy_k, *(None if ds is None else ds[k] for ds in dstate))
            dx = dx_k if dx is None or dx_k is None else dx + dx_k
            dstates.append(tuple(gradients[: len(state)]))
            dweights += [d for d, w in zip(gradients[len(state) :], group, strict=True) if w is not None]
        return dx, dstates, dweights

    return (np.concatenate(ys, axis=1) if len(ys) > 1 else y, last), backward


@takes_any_array
def lstm(
    x: Array, h0: Array | None, c0: Array | None, *weights: Array, **options: Any
) -> tuple[tuple[Array, tuple[Array, Array]], Backward]:
    """Long short-term memory over a sequence: y, (h_n, c_n). The step is `lstm_gates`, the recurrence `through_time`.

    Shapes, with D = 1 or 2 directions, H features in h (those of weight_hr, else hidden): x (T, N, in), with
    `batch_first` (N, T, in), unbatched (T, in), packed (R, in) with its `batch_sizes` and indices; h0, h_n (num_layers
    D, N, H), c0, c_n (num_layers D, N, hidden), None for zeros; y as x with D H features. `weights`: for each layer and
    direction weight_ih (4 hidden, in or D H), weight_hh (4 hidden, H), bias_ih, bias_hh (4 hidden, both or none) and,
    for a projection h = weight_hr (o tanh(c)), weight_hr (H, hidden). `options`: those of `layers`.

    Backward: `backward((dy, (dh_n, dc_n)))`, any of them None, returns dx, dh0, dc0 and the weights' gradients.
    Errors: RuntimeError if the shapes do not fit or for an empty sequence. Equals `torch.lstm`.
    Hochreiter & Schmidhuber 1997; projection: Sak et al. 2014.
    """
    (y, (h_n, c_n)), layers_backward = layers("lstm", lstm_gates, x, (h0, c0), weights, **options)

    def backward(doutput: Any) -> tuple[Array | None, ...]:
        dy, dlast = doutput
        return layers_backward(dy, *(dlast or (None, None)))

    return (y, (h_n, c_n)), backward


@takes_any_array
def gru(x: Array, h0: Array | None, *weights: Array, **options: Any) -> tuple[tuple[Array, Array], Backward]:
    """Gated recurrent units over a sequence: y, h_n. The step is `gru_gates`, the recurrence `through_time`.

    Shapes and `weights` as in `lstm`, with three gates for four and without c0 and projection. `options`: of `layers`.
    Backward: `backward((dy, dh_n))`, either may be None, returns dx, dh0 and the weights' gradients.
    Errors: RuntimeError if the shapes do not fit or for an empty sequence. Equals `torch.gru`. Cho et al. 2014.
    """
    (y, (h_n,)), layers_backward = layers("gru", gru_gates, x, (h0,), weights, **options)

    def backward(doutput: tuple[Array | None, Array | None]) -> tuple[Array | None, ...]:
        return layers_backward(*doutput)

    return (y, h_n), backward


@takes_any_array
def rnn_tanh(x: Array, h0: Array | None, *weights: Array, **options: Any) -> tuple[tuple[Array, Array], Backward]:
    """h_t = tanh(a_x_t + a_h_t) over a sequence: y, h_n.

    Shapes, backward and errors as in `gru`, with one gate for three. Equals `torch.rnn_tanh`. Elman 1990.
    """
    (y, (h_n,)), layers_backward = layers("rnn_tanh", tanh_gates, x, (h0,), weights, **options)

    def backward(doutput: tuple[Array | None, Array | None]) -> tuple[Array | None, ...]:
        return layers_backward(*doutput)

    return (y, h_n), backward


@takes_any_array
def rnn_relu(x: Array, h0: Array | None, *weights: Array, **options: Any) -> tuple[tuple[Array, Array], Backward]:
    """h_t = max(a_x_t + a_h_t, 0) over a sequence: y, h_n. All else as in `rnn_tanh`. Equals `torch.rnn_relu`."""
    (y, (h_n,)), layers_backward = layers("rnn_relu", relu_gates, x, (h0,), weights, **options)

    def backward(doutput: tuple[Array | None, Array | None]) -> tuple[Array | None, ...]:
        return layers_backward(*doutput)

    return (y, h_n), backward


class RNNBase(Module):
    """The parameters and arguments of RNN, LSTM and GRU; weights are drawn evenly from +-1 / sqrt(hidden_size).

    For layer k they are weight_ih_l{k}, weight_hh_l{k}, bias_ih_l{k}, bias_hh_l{k} and (`proj_size`) weight_hr_l{k},
    with `_reverse` at the end for the second direction. `rng` is the source of the dropout between layers.
    """

    functions: ClassVar[dict[str, Callable[..., Any]]] = {
        "RNN_TANH": rnn_tanh,
        "RNN_RELU": rnn_relu,
        "GRU": gru,
        "LSTM": lstm,
    }
    gates: ClassVar[dict[str, int]] = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_device(device)
        check_arguments(type(self).__name__, input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        if mode not in self.gates:
            raise ValueError(f"Unrecognized RNN mode: {mode!r}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.rng: Source | None = None
        output_size = proj_size or hidden_size
        directions = 2 if bidirectional else 1
        rows = self.gates[mode] * hidden_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in (f"_l{layer}", f"_l{layer}_reverse")[:directions]:
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (rows, input_size if layer == 0 else directions * output_size),
                    "weight_hh": (rows, output_size),
                }
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    setattr(self, name + suffix, Parameter(np.empty(shape, dtype or np.float32)))
                self._all_weights.append([name + suffix for name in shapes])
        self.reset_parameters()

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter.data, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do: in torch this moves the weights into one block for cuDNN."""

    def run(self, input: Array | PackedSequence, *state: Array | None) -> tuple[Any, Backward]:
        """Call the function of this mode, with the data of a packed sequence unwrapped and the output wrapped again."""
        packed = isinstance(input, PackedSequence)
        x = data_of(input)
        self.check_input(x, state, packed)
        (y, last), function_backward = bind(
            self.functions[self.mode],
            x,
            *state,
            *(parameter for group in self.all_weights for parameter in group),
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            batch_first=self.batch_first,
            dropout=self.dropout,
            training=self.training,
            rng=self.rng,
            needs_input_grad=self.needs_input_grad,
            **({"batch_sizes": input[1], "sorted_indices": input[2], "unsorted_indices": input[3]} if packed else {}),
        )

        def backward(doutput: Any) -> Any:
            dy, dlast = doutput
            return function_backward((data_of(dy), dlast))

        return (PackedSequence(y, *input[1:]) if packed else y, last), backward

    def check_input(self, x: Array, state: tuple[Array | None, ...], packed: bool) -> None:
        name = type(self).__name__
        check_arrays(name, input=x)
        check_floating(name, optional={f"hx[{i}]" if len(state) > 1 else "hx": s for i, s in enumerate(state)})
        if not packed and x.ndim not in (2, 3):
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {x.ndim}D instead: {x.shape}")
        weight = self.all_weights[0][0]
        if x.dtype != weight.dtype:
            raise ValueError(f"{name}: input dtype ({x.dtype}) does not match weight dtype ({weight.dtype})")
        if packed and x.ndim != 2:
            raise RuntimeError(f"{name}: the data of a packed input must have 2 dimensions, got {x.ndim}: {x.shape}")
        dimensions = 3 if packed else x.ndim
        for s in state:
            if s is not None and s.ndim != dimensions:
                raise RuntimeError(f"{name}: with an input {x.shape} hx must be {dimensions}-D, but it is {s.shape}")

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0}
        defaults["bidirectional"] = False
        for name, default in defaults.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text


def check_arguments(
    name: str,
    input_size: int,
    hidden_size: int,
    num_layers: int,
    bias: bool,
    batch_first: bool,
    dropout: float,
    proj_size: int,
) -> None:
    """TypeError and ValueError as torch raises them, and its warning for a dropout with no layers around it."""
    if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
        raise ValueError(f"{name}: dropout should be a number in range [0, 1], got {dropout!r}")
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            f"{name}: dropout stands between layers, so it needs num_layers greater than 1, but got "
            f"dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
    for argument, flag in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(flag, bool):
            raise TypeError(f"{name}: {argument} should be of type bool, got {flag!r}")
    sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
    for argument, size in sizes.items():
        if not isinstance(size, int):
            raise TypeError(f"{name}: {argument} should be of type int, got {size!r}")
        if size <= 0:
            raise ValueError(f"{name}: {argument} must be greater than zero, got {size}")
    if num_layers <= 0:
        raise ValueError(f"{name}: num_layers must be greater than zero, got {num_layers}")
    if not 0 <= proj_size < hidden_size:
        raise ValueError(f"{name}: proj_size must be at least 0 and smaller than hidden_size, got {proj_size}")


class RNN(RNNBase):
    """`rnn_tanh`, or `rnn_relu`, as a module; without `hx` the state starts at zero. Equals `torch.nn.RNN`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: Unknown nonlinearity {nonlinearity!r}. Select from 'tanh' or 'relu'.")
        self.nonlinearity = nonlinearity
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )

    def forward(self, input: Array | PackedSequence, hx: Array | None = None) -> tuple[Any, Backward]:
        return self.run(input, hx)


class LSTM(RNNBase):
    """`lstm` as a module: hx is (h_0, c_0), zeros without it; returns y, (h_n, c_n). Equals `torch.nn.LSTM`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )

    def forward(self, input: Array | PackedSequence, hx: tuple[Array, Array] | None = None) -> tuple[Any, Backward]:
        if hx is not None and not isinstance(hx, tuple | list | np.ndarray):
            raise TypeError(f"LSTM: hx must be a tuple (h, c), not {type(hx).__name__}")
        return self.run(input, *((None, None) if hx is None else hx))


class GRU(RNNBase):
    """`gru` as a module; without `hx` the state starts at zero. Equals `torch.nn.GRU`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )

    def forward(self, input: Array | PackedSequence, hx: Array | None = None) -> tuple[Any, Backward]:
        return self.run(input, hx)
