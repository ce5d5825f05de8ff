"""The first named intermediate of the user's backward that differs from the reference's.

A user's variable that carries one of the reference's names is compared with the value of that name. Names mean
different things to different people, so that a step lists every value that usually goes by its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any

import numpy as np

from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.gradients import right
from torchref.check.diagnosis.lines import line_that_binds
from torchref.check.ops.formula import intermediates
from torchref.check.ops.probe import Probe
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.running.observed import observing
from torchref.check.running.right_value import with_value
from torchref.check.running.trial import Trial
from torchref.check.tolerance.closeness import error
from torchref.nn.module import Array


@dataclass(frozen=True)
class Step:
    """An intermediate of the reference: what carries its name in a user's code should have its value."""

    name: str
    meaning: str
    names: tuple[str, ...]  # what users call it, in the form of `plain`
    values: tuple[Array, ...]  # the usual meaning first; the others go by the same name elsewhere
    feeds: tuple[str, ...]  # the gradients in whose formula it stands


def name_first_wrong(found: Found, trial: Trial) -> None:
    """Tell the finding that it belongs to which variable is the first that goes wrong, if one is known by its name.

    A variable may bear a name and mean another thing. So it is named only where every gradient that it feeds is wrong,
    and said to be no more than the first that differs from the reference's value of that name, unless the right value
    in its place makes everything right.
    """
    findings = [f for f in found.findings if f.gradient in trial.reference]
    if not findings:
        return
    try:
        with observing() as observer:
            again = trial.again()
        known = steps(trial.probe, again.upstream)
    except (CouldNotRun, ArithmeticError, LookupError, ValueError, TypeError, AttributeError):
        return
    for step in known:
        for name, value in observer.values.items():
            if plain(name) not in step.names or not differs(again, value, plain(name), known):
                continue
            wrong = [n for n in step.feeds if n in again.gradients and not right(again, n)]
            fed = [n for n in step.feeds if n in again.gradients]
            if not wrong or wrong != fed or np.size(value) != step.values[0].size:
                continue
            finding = next((f for f in findings if {f.gradient, *f.consequences} & set(wrong)), None)
            if finding is not None:
                finding.intermediate = sentence(again, observer.code, step, name, value)
                finding.line = finding.line or line_that_binds(trial.form, name)
                return


def differs(trial: Trial, value: Array, name: str, known: list[Step]) -> bool:
    """Whether a variable has none of the values that go by its name; what a forward keeps may go by any name."""
    meant = [step for step in known if name in step.names or not name.startswith("d")]
    return not any(same(trial, value, v) for step in meant for v in step.values)


def same(trial: Trial, mine: Array, reference: Array) -> bool:
    """Equal, however the axes lie: broadcast, transposed, in another order."""
    if mine.size != reference.size:
        try:
            return trial.close(mine, np.broadcast_to(reference, mine.shape))
        except ValueError:
            return False
    if np.squeeze(mine).shape == np.squeeze(reference).shape and trial.close(mine.reshape(reference.shape), reference):
        return True
    return trial.close(np.sort(mine, axis=None), np.sort(reference, axis=None))


def sentence(trial: Trial, code: CodeType | None, step: Step, name: str, value: Array) -> str:
    """How the variable `name` of the user's backward differs, and what the right value in its place makes right."""
    reference = step.values[0]
    told = f"{name!r} is the first named intermediate that differs from the reference's {step.name} ({step.meaning})"
    if np.squeeze(value).shape == np.squeeze(reference).shape:
        shaped = value.reshape(reference.shape)
        c = trial.ratio(shaped, reference)
        apart = f"it differs by up to {error(shaped, reference):.3g} of its largest entry"
        told += f": {apart if c is None else f'it is {c:.6g} times that'}"
    wrong = [n for n in trial.reference if n in trial.gradients and not right(trial, n)]
    for meant in step.values:
        healed = heals(trial, code, name, meant, wrong) if meant.size == value.size else []
        if healed:
            those = "everything" if healed == wrong else "d" + ", d".join(healed)
            return f"{told}; with the right value in its place {those} comes out right"
    return told


def heals(trial: Trial, code: CodeType | None, name: str, reference: Array, wrong: list[str]) -> list[str]:
    """The wrong gradients that the right value in the place of this variable makes right."""
    try:
        form = with_value(trial.form, code, name, reference) if code is not None else None
        if form is None:
            return []
        other = trial.again(replace(trial.reading, form=form))
        return [n for n in wrong if n in other.gradients and right(other, n)]
    except Exception:  # noqa: BLE001 -- the user's source, changed, may raise anything: nothing is said
        return []


def steps(p: Probe, upstream: dict[str, Any]) -> list[Step]:
    """The named intermediates of a probe, in backward order."""
    with np.errstate(all="ignore"):
        return [
            Step(k.name, k.meaning, tuple(k.names.split()), values, k.gradients)
            for k, values in intermediates(p.op, p.namespace(), upstream)
        ]


def plain(name: str) -> str:
    """A name without case and underscores, its prefix of a gradient shortened to d: grad_x_hat -> dxhat."""
    name = name.replace("_", "").lower()
    return re.sub(r"^(dld|dloss|gradientof|gradof|gradient|grad|delta(?=.))", "d", name)
