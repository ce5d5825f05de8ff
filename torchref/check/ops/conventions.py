"""Ways to write an operation that differ from torch's: weights transposed, axes and gates in another order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.nn.module import Array

Change = Callable[[Array], Array]


@dataclass(frozen=True)
class Convention:
    """One way to write an operation: how its arrays are changed before the user's code gets them, and back afterwards."""

    sentence: str
    there: Mapping[str, Any]  # torch's array (or option, or output) -> the user's
    back: Mapping[str, Any]  # the user's gradient or output -> torch's
    stated: str = ""  # how a user can ask for it
    of_values: bool = False  # other values, not the same values in another layout

    def to_user(self, name: str, value: Any) -> Any:
        return self.there[name](value) if name in self.there and value is not None else value

    def to_torch(self, name: str, value: Any) -> Any:
        return self.back[name](value) if name in self.back and value is not None else value


TORCH = Convention("", {}, {})


def both(a: Convention, b: Convention) -> Convention:
    """First `a`, then `b`; back in the reverse order."""
    there = {n: (lambda v, n=n: b.to_user(n, a.to_user(n, v))) for n in {**a.there, **b.there}}
    back = {n: (lambda v, n=n: a.to_torch(n, b.to_torch(n, v))) for n in {**a.back, **b.back}}
    sentence = "; ".join(s for s in (a.sentence, b.sentence) if s)
    return Convention(sentence, there, back, of_values=a.of_values or b.of_values)


def swap(a: Array) -> Array:
    """The first two axes exchanged: (N, T, D) for (T, N, D)."""
    return np.ascontiguousarray(np.swapaxes(a, 0, 1)) if np.ndim(a) >= 2 else a


def flip_T(a: Array) -> Array:
    """The transpose of a matrix; anything else as it is."""
    return np.ascontiguousarray(a.T) if np.ndim(a) == 2 else a


def gate_order(names: str, order: str) -> Convention:
    """The gates' blocks, `names` in torch's order, stand in the order `order`."""
    forth = [names.index(c) for c in order]
    home = [order.index(c) for c in names]

    def permute(block: list[int], axis: int = 0) -> Change:
        def change(a: Array) -> Array:
            parts = np.split(a, len(names), axis=axis)
            return np.concatenate([parts[i] for i in block], axis=axis)

        return change

    keys = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return Convention(f"the gates come in the order {', '.join(order)} (torch: {', '.join(names)})",
                      {k: permute(forth) for k in keys}, {k: permute(home) for k in keys}, f"gates={order}")  # fmt: skip


def update_gate(values: Mapping[str, Any]) -> Convention:
    """GRU's z and 1 - z are exchanged. sigmoid(-a) = 1 - sigmoid(a), so the block of z changes its sign."""

    def negate(a: Array) -> Array:
        r, z, n = np.split(a, 3)
        return np.concatenate([r, -z, n])

    keys: dict[str, Any] = dict.fromkeys(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), negate)
    if "weight_ih" not in values:  # one array for each gate: r, z, n, and again
        own = [n for n in values if n not in ("input", "hx")]
        keys = dict.fromkeys(own[1::3], np.negative)
    return Convention("the update gate weighs the new state, z n + (1 - z) h (torch: (1 - z) n + z h)", keys, keys)


def forget_plus_one(bias: str, gates: int = 4) -> Convention:
    """The code adds 1 to the sum of LSTM's forget gate, so its bias is torch's less 1. With gates=1 the bias is that gate's."""

    def less(b: Array) -> Array:
        parts = np.split(b, gates)
        parts[min(1, gates - 1)] = parts[min(1, gates - 1)] - 1
        return np.concatenate(parts)

    return Convention("1 is added to the forget gate's sum (torch: nothing)", {bias: less}, {}, of_values=True)


def channels_last() -> Convention:
    """Images as (N, H, W, C), kernels as (h, w, in, out), a bias as (1, 1, 1, out) or (out,)."""
    last, first = (lambda a: np.moveaxis(a, 1, -1)), (lambda a: np.moveaxis(a, -1, 1))
    there = {
        "input": last,
        "output": last,
        "weight": lambda w: w.transpose(2, 3, 1, 0),
        "bias": lambda b: b.reshape(1, 1, 1, -1),
    }
    back = {"input": first, "output": first, "weight": lambda w: w.transpose(3, 2, 0, 1),
            "bias": lambda b: b.reshape(-1) if np.shape(b)[:-1] == (1, 1, 1) else b}  # fmt: skip
    return Convention("the channels come last, (N, H, W, C) and kernels (h, w, in, out)", there, back)


def in_columns() -> Convention:
    """A recurrence's samples in columns: (D, N), or (D, N, T) for a sequence; the bias as (H, 1)."""

    def turn(a: Array) -> Array:
        return np.ascontiguousarray(np.transpose(a))

    names = ("input", "hx", "output", "h_n")
    there = {**dict.fromkeys(names, turn), **dict.fromkeys(("bias_ih", "bias_hh"), lambda b: b.reshape(-1, 1))}
    back = {**dict.fromkeys(names, turn), **dict.fromkeys(("bias_ih", "bias_hh"), _column)}
    return Convention("the samples stand in columns, (D, N) or (D, N, T)", there, back)


def _column(b: Array) -> Array:
    return np.reshape(b, -1) if np.ndim(b) == 2 and np.shape(b)[1] == 1 else b
