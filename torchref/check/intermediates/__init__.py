"""The reference's named intermediates, in the order in which a backward meets them: what it has kept, then its own.

A user's variable that carries one of these names is compared with the value of that name. Names mean different things
to different people, so that a step lists every value that usually goes by its name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.intermediates import recurrent, rows, simple
from torchref.check.intermediates.step import Step, plain
from torchref.check.ops.formula import intermediates
from torchref.check.probes import Probe
from torchref.nn.module import Array

BY_NAME: dict[str, Any] = {
    "linear": simple.linear,
    "softmax": rows.softmax,
    "softmin": rows.softmax,
    "log_softmax": rows.log_softmax,
    "scaled_dot_product_attention": rows.attention,
    **{f"conv{n}d": simple.conv for n in (1, 2, 3)},
}
RECURRENT: dict[str, Any] = {"rnn": recurrent.rnn, "lstm": recurrent.lstm, "gru": recurrent.gru}


def steps(p: Probe, upstream: dict[str, Any], outputs: dict[str, Any], reference: dict[str, Array]) -> list[Step]:
    """The named intermediates of a probe, in backward order."""
    v: Any = p.namespace()
    dy: Any = upstream.get("output")
    kind = p.op.name.removesuffix("_cell")
    with np.errstate(all="ignore"):
        if p.op.known and dy is not None:
            return [
                Step(k.name, k.meaning, tuple(k.names.split()), values, k.feeds)
                for k, values in intermediates(p.op, v, upstream)
            ]
        if kind in RECURRENT:
            more = [upstream.get(n) for n in p.op.outputs[1:]]
            cell = {"cell": True} if p.op.name == "lstm_cell" else {}
            found: list[Step] = RECURRENT[kind](v, dy, *more, **cell)
        elif p.op.family == "elementwise":
            found = simple.elementwise(p.op.name, v, dy, outputs["output"], reference["input"])
        elif p.op.name in BY_NAME and dy is not None:
            found = BY_NAME[p.op.name](v, dy)
        else:
            found = []
    return found


__all__ = ["Step", "plain", "steps"]
