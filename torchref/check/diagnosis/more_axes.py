"""More axes than the basic rank, where a forward takes them."""

from __future__ import annotations

import numpy as np

from torchref.check.diagnosis.forward import wrong_outputs
from torchref.check.diagnosis.gradients import wrong_gradients
from torchref.check.ops.probe import deeper_probe
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.running.subject import Subject


def judge_ranks(code: Subject) -> None:
    """(N, T, D) in place of (N, D): a backward that does not follow there is worth a note.

    It is no mistake: a gradient that is right for (N, D) is right, and NumPy's forward takes more axes by itself.
    """
    if code.findings or code.form.name == "function" or code.variant != "rich":
        return
    if not code.op.deeper:
        return
    try:
        p = deeper_probe(code.op, 1, code.form.takes, code.variant)
        trial = code.attempt(p, code.convention, [])
        if wrong_outputs(code, trial):
            return
    except (CouldNotRun, ArithmeticError, LookupError, ValueError, TypeError, AttributeError):
        return
    where = f"right for (N, D); the forward takes {np.shape(p.values['input'])} as well, where the backward"
    try:
        trial = code.attempt(p, code.convention, [p.upstream])
    except UserError as problem:
        code.notes.append(f"{where} raises {type(problem.original).__name__}")
        return
    except (CouldNotRun, ArithmeticError, LookupError, ValueError, TypeError, AttributeError):
        return
    wrong = wrong_gradients(code, trial)
    if wrong:
        code.notes.append(f"{where} returns other gradients than the right d{', d'.join(wrong)}")
