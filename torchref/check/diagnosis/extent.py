"""How far a judgement reaches: which gradients it leaves out and why, what was not run."""

from __future__ import annotations

import numpy as np

from torchref.check.diagnosis.allowance import allowance
from torchref.check.diagnosis.found import Found
from torchref.check.reading.arguments import parameters
from torchref.check.reading.forms.autograd import Function
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.forms.form import Form
from torchref.check.reading.forms.gradient import Gradient
from torchref.check.running.trial import Trial

ILL = "rounding alone moves it as far as a mistake would"


def restricted(form: Form, only: list[str]) -> Form:
    """The form whose gradients are judged in `only` alone: torch's names, or the user's. CouldNotRun: no such name."""
    if not only:
        return form
    own = {theirs: name for name, theirs in form.users_names().items()}
    known = [a.name for a in form.op.arrays]
    chosen = [own.get(n, n) for n in only]
    strange = next((n for n, c in zip(only, chosen, strict=True) if c not in known), None)
    if strange is not None:
        raise CouldNotRun(f"--only names {strange!r}, but the gradients of {form.op.name} are {', '.join(known)}")
    return form.changed(only=frozenset(chosen))


def missing(trial: Trial) -> list[str]:
    """The arrays that the code takes and whose gradient was not found. A gradient function owes what it returns."""
    if isinstance(trial.form, Gradient | Function) or not trial.gradients:
        return []
    arrays = [a.name for a in trial.op.arrays if a.name in trial.reading.takes and trial.form.judges(a.name)]
    return [n for n in arrays if trial.probe.values.get(n) is not None and trial.gradients.get(n) is None]


def not_judged(found: Found, trial: Trial, ill: list[str]) -> dict[str, str]:
    """The gradients that are neither right nor wrong, each with the reason."""
    lost = missing(trial)
    if lost:
        found.notes.append(f"no gradient was found for {', '.join(lost)}: it is not judged")
    return {**dict.fromkeys(ill, ILL), **dict.fromkeys(lost, "no gradient was found")}


def zero(trial: Trial, name: str) -> bool:
    """Whether a gradient is zero in mathematics: all that the reference has of it is rounding."""
    reference = trial.reference[name]
    return bool(np.all(np.abs(reference) <= allowance(trial)[name]))


def switches(form: Form) -> list[str]:
    """What the code can be switched to besides, and no option of the operation's is: affine=False."""
    known = {*form.matching.roles, *form.construction.roles, form.switch}
    every = [p for f in form.functions() for p in parameters(f)]
    return [f"{p.name}={not p.default}" for p in every if isinstance(p.default, bool) and p.name not in known]


def not_run(trial: Trial, ran: list[str]) -> list[str]:
    """What the code takes, and was not run with: other values of its options, a second derivative, CUDA."""
    values = trial.probe.values
    told = []
    for a in trial.op.options:
        if a.name not in trial.reading.takes or a.name in trial.op.given or not a.vary:
            continue
        others = [v for v in dict.fromkeys((a.default, *a.vary)) if v != values.get(a.name)]
        told += [f"{a.name}={v}" for v in others]
    told += switches(trial.form)
    if isinstance(trial.form, Function):
        told.append("a second derivative")
        told += ["CUDA"] if trial.form.device == "cpu" else []
    return [t for t in told if t not in ran]
