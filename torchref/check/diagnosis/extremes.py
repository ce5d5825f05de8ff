"""Does the result stay finite where the right one does?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.diagnosis.found import Found
from torchref.check.ops import Op
from torchref.check.ops.probe import Probe
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.reading import Reading
from torchref.check.report.verdict import Confidence
from torchref.check.running.trial import Trial, attempt
from torchref.nn.module import Array

CERTAIN = Confidence.CERTAIN
OVERFLOWS = "The code overflows or divides by zero where the right result is finite."
SUBTRACT = "subtract the row's maximum before the exponential"


def judge_extremes(found: Found, reading: Reading) -> None:
    """Logits of +-900, a row entirely below -900, rows of zeros: the result must stay finite."""
    op = reading.op
    p = extreme(reading.probe(2)) if not found.findings and (op.logits or op.zero_rows) else None
    if p is None:
        return
    try:
        trial = attempt(reading, p, [p.upstream])
    except CouldNotRun as problem:
        found.notes.append(f"at extreme inputs (+-900, rows of zeros) it could not be run: {problem}")
        return
    what = "rows of zeros" if op.zero_rows else "logits of +-900"
    output = trial.outputs.get("output")
    beyond = output is not None and overflows(output, trial.expected["output"])
    if beyond and op.zero_rows and not reading.strict:
        found.notes.append(
            "a convention that differs from torch's: the code has no eps, so rows of zeros give nan; torch's are finite"
        )
        return
    for n, g in trial.gradients.items():
        if n in trial.reference and overflows(g, trial.reference[n]):
            instead = SUBTRACT if op.logits else "guard the division as torch does (eps)"
            found.add(n, "not-finite", f"at {what} d{n} has nan or infinite entries", CERTAIN, OVERFLOWS, instead)
            return
    if beyond:
        judge_output(found, trial, what)


def judge_output(found: Found, trial: Trial, what: str) -> None:
    """The output is not finite: in a loss of probabilities that is many textbooks', and a note."""
    op = trial.op
    if op.loss and not op.finite:  # -sum(onehot * log p)
        found.notes.append(f"at {what} the loss is not finite, though its gradient is")
        return
    of_a_loss = "The loss overflows, or takes 0 times the logarithm of 0, where the right one is finite."
    instead = "from the logits: max(x, 0) - x t + log(1 + exp(-|x|))" if op.finite else SUBTRACT
    evidence = f"at {what} the output has nan or infinite entries"
    found.add("output", "not-finite", evidence, CERTAIN, of_a_loss if op.loss else OVERFLOWS, instead)


def extreme(p: Probe) -> Probe | None:
    """The probe with an extreme input; None where the input has no rows that could be zero."""
    name = "query" if p.op.has("query") else "x1" if p.op.has("x1") else "input"
    x = np.array(p.values[name])
    values = pushed(p.op, name, x)
    return None if values is None else replace(p, values={**p.values, name: values})


def pushed(op: Op, name: str, x: Any) -> Array | None:
    """The input with extreme entries: +-900 and beyond, or a row of zeros; None where it has no rows."""
    if name == "query":
        return np.asarray(x * 900)
    if op.logits and x.ndim >= 2:
        x[0] = np.where(x[0] > 0, 900.0, -900.0)
        x[1] = -900.0 - np.arange(x[1].size).reshape(x[1].shape)
        x[2] = 900.0 + np.arange(x[2].size).reshape(x[2].shape)
    elif op.logits:
        x[:] = -900.0 - np.arange(x.size)
    elif x.ndim >= 2:
        x[1] = 0.0
    else:
        return None
    return np.asarray(x)


def overflows(mine: Any, right: Any) -> bool:
    """Whether a result has nan or infinite entries where the right one has none."""
    return bool(np.isfinite(right).all() and not np.isfinite(np.asarray(mine, dtype=float)).all())
