"""Does the result stay finite where the right one does?"""

from __future__ import annotations

import numpy as np

from torchref.check.ops.probe import make_probe
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.running.subject import Subject


def judge_extremes(code: Subject) -> None:
    """Logits of +-900, a row entirely below -900, rows of zeros: the result must stay finite."""
    if code.findings or not (code.op.logits or code.op.zero_rows):
        return
    p = make_probe(code.op, 2, code.form.takes, code.variant)
    name = "query" if code.op.has("query") else "x1" if code.op.has("x1") else "input"
    x = np.array(p.values[name])
    if name == "query":
        x = x * 900
    elif code.op.logits and x.ndim >= 2:
        x[0] = np.where(x[0] > 0, 900.0, -900.0)
        x[1] = -900.0 - np.arange(x[1].size).reshape(x[1].shape)
        x[2] = 900.0 + np.arange(x[2].size).reshape(x[2].shape)
    elif code.op.logits:
        x[:] = -900.0 - np.arange(x.size)
    elif x.ndim >= 2:
        x[1] = 0.0
    else:
        return
    p.values[name] = x
    try:
        trial = code.attempt(p, code.convention, [p.upstream])
    except CouldNotRun as problem:
        code.notes.append(f"at extreme inputs (+-900, rows of zeros) it could not be run: {problem}")
        return
    what = "rows of zeros" if code.op.zero_rows else "logits of +-900"
    for n, g in trial.gradients.items():
        if (
            n in trial.reference
            and np.isfinite(trial.reference[n]).all()
            and not np.isfinite(np.asarray(g, dtype=float)).all()
        ):
            code.add(
                n,
                "not-finite",
                f"at {what} d{n} has nan or infinite entries",
                0.95,
                "The code overflows or divides by zero where the right result is finite.",
                "subtract the row's maximum before the exponential"
                if code.op.logits
                else "guard the division as torch does (eps)",
            )
            return
    output = trial.outputs.get("output")
    if (
        output is not None
        and np.isfinite(trial.expected["output"]).all()
        and not np.isfinite(np.asarray(output, dtype=float)).all()
    ):
        if code.op.loss and not code.op.finite:  # -sum(onehot * log p) is many textbooks'
            code.notes.append(f"at {what} the loss is not finite, though its gradient is")
        else:
            code.add(
                "output",
                "not-finite",
                f"at {what} the output has nan or infinite entries",
                0.9,
                "The loss overflows, or takes 0 times the logarithm of 0, where the right one is finite."
                if code.op.loss
                else "The code overflows or divides by zero where the right result is finite.",
                "from the logits: max(x, 0) - x t + log(1 + exp(-|x|))"
                if code.op.finite
                else "subtract the row's maximum before the exponential",
            )
