"""More axes than the basic rank, where a forward takes them."""

from __future__ import annotations

import re

import numpy as np

from torchref.check.diagnosis.forward import wrong_outputs
from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.gradients import judge_gradients, wrong_gradients
from torchref.check.diagnosis.lines import texts
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.reading.forms.gradient import Gradient
from torchref.check.reading.reading import Reading
from torchref.check.running.trial import Trial, attempt

THREE_AXES = re.compile(r"\((N|B|batch(_size)?|bs), *(T|S|L|seq\w*|time\w*|tokens), *\w+\)", re.I)  # (B, T, C)
WILL_NOT = (CouldNotRun, ArithmeticError, LookupError, ValueError, TypeError, AttributeError)


def judge_more_axes(found: Found, reading: Reading) -> None:
    """(N, T, D) in place of (N, D): a backward that does not follow there is worth a note.

    It is no mistake: a gradient that is right for (N, D) is right, and NumPy's forward takes more axes by itself. Where
    the code itself says that it is meant for more, it is one.
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
    meant = made_for_more_axes(trial, wrong)
    if meant:
        found.notes.append(f"judged on {np.shape(p.values['input'])} besides, {meant}")
        judge_gradients(found, trial, trial, trial)
    elif wrong:
        found.notes.append(f"{where} returns other gradients than the right d{', d'.join(wrong)}")


def made_for_more_axes(trial: Trial, wrong: list[str]) -> str:
    """What says that the code is meant for more axes than (N, D): another parameter's gradient, or a comment; else "".

    dbeta = dy.sum(tuple(range(dy.ndim - 1))) beside dgamma = (dy * x_hat).sum(0): nobody sums (N, D) so.
    """
    follows = [n for n in trial.gradients if n in trial.reference and n not in wrong and n != "input"]
    if not wrong or "input" in wrong:
        return ""
    if follows:
        return f"for which d{follows[0]} is made"
    said = next((m[0] for text, _ in texts(trial.form) if (m := THREE_AXES.search(text))), "")
    return f"as `{said}` says" if said else ""
