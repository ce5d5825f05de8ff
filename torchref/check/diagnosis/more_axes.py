"""More axes than the basic rank, where a forward takes them."""

from __future__ import annotations

import numpy as np

from torchref.check.diagnosis.forward import wrong_outputs
from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.gradients import wrong_gradients
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.reading.forms.gradient import Gradient
from torchref.check.reading.reading import Reading
from torchref.check.running.trial import attempt

WILL_NOT = (CouldNotRun, ArithmeticError, LookupError, ValueError, TypeError, AttributeError)


def judge_more_axes(found: Found, reading: Reading) -> None:
    """(N, T, D) in place of (N, D): a backward that does not follow there is worth a note.

    It is no mistake: a gradient that is right for (N, D) is right, and NumPy's forward takes more axes by itself.
    """
    if found.findings or isinstance(reading.form, Gradient) or reading.variant != "rich" or not reading.op.deeper:
        return
    try:
        p = reading.deeper_probe(1)
        if wrong_outputs(attempt(reading, p, [])):
            return
    except WILL_NOT:
        return
    where = f"right for (N, D); the forward takes {np.shape(p.values['input'])} as well, where the backward"
    try:
        trial = attempt(reading, p, [p.upstream])
    except UserError as problem:
        found.notes.append(f"{where} raises {type(problem.original).__name__}")
        return
    except WILL_NOT:
        return
    wrong = wrong_gradients(trial)
    if wrong:
        found.notes.append(f"{where} returns other gradients than the right d{', d'.join(wrong)}")
