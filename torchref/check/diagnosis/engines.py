"""What an engine does with an autograd.Function: it hands over gradients in other layouts, and freezes inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.diagnosis.forward import wrong_outputs
from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.gradients import wrong_gradients
from torchref.check.diagnosis.second_derivative import judge_second
from torchref.check.reading.forms.autograd import Function
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.report.verdict import Confidence
from torchref.check.running.trial import Trial, attempt
from torchref.nn.module import Array


def judge_engines(found: Found, trial: Trial) -> None:
    """Judge the code as engines call it: an autograd.Function as torch's does."""
    judge_arrays(found, trial)
    if not found.findings and isinstance(trial.form, Function):
        judge_layouts(found, trial)
        judge_frozen(found, trial)
        judge_second(found, trial)


def as_slice(dy: Array) -> Array:
    """The same values, every second entry of a wider array's rows."""
    wide = np.zeros((*dy.shape[:-1], 2 * dy.shape[-1]))
    wide[..., ::2] = dy
    return wide[..., ::2]


def transposed(dy: Array) -> Array:
    """The same values, the last axis outermost in memory."""
    return np.ascontiguousarray(np.moveaxis(dy, -1, 0)).transpose(*range(1, dy.ndim), 0)


def expanded(dy: Array) -> Array:
    """The first row everywhere: what the backward of a sum hands over, with a stride of 0."""
    return np.lib.stride_tricks.as_strided(dy[:1].copy(), dy.shape, (0, *dy.strides[1:]))


def contiguous(array: Array) -> Array:
    """A copy without gaps in memory."""
    return np.array(array)


class Laid(np.ndarray):
    """An array whose copies, as they are handed to a user's code, lie in memory in another way."""

    layout: Callable[[Array], Array] = staticmethod(contiguous)

    def copy(self, order: Any = "C") -> Array:  # type: ignore[override]  # noqa: ARG002 -- NumPy's signature
        """The copy that the user's code gets."""
        return self.layout(np.array(self))


def laid(layout: Callable[[Array], Array]) -> Callable[[Any], Any]:
    """What lays every array of floats out in this way when it is copied for a call."""

    def wrap(value: Any) -> Any:
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.ndim < 2 or not value.size:
            return value
        other = np.array(value).view(Laid)
        other.layout = layout
        return other

    return wrap


def judge_arrays(found: Found, trial: Trial) -> None:
    """A forward and a backward must not depend on how the arrays lie in memory that they are handed."""
    upstream = trial.probe.upstream
    turned = {n: laid(transposed)(dy) for n, dy in upstream.items()}
    ways = (
        ("the arguments are slices of wider arrays", upstream, laid(as_slice)),
        ("the arguments are transposed in memory", upstream, laid(transposed)),
        ("the upstream gradient is transposed in memory", turned, lambda value: value),
    )
    for told, dys, wrap in ways:
        if found.findings or trial.form.dtype != "float64" or trial.form.name == "network":
            return
        try:
            there = attempt(trial.reading, trial.probe, [dys], wrap)
        except (CouldNotRun, ArithmeticError, LookupError, ValueError, TypeError, AttributeError):
            continue  # it says so: nothing is wrong without a word
        wrong = wrong_outputs(there) or wrong_gradients(there)
        if wrong:
            what = wrong[0] if wrong[0] in there.outputs else f"d{wrong[0]}"
            evidence = f"{told}: {what} is another than for the same values, contiguous"
            sentence = "The code reads an array that it is handed as if it were contiguous."
            instead = "read by index, or make it contiguous first: np.ascontiguousarray(x), x.contiguous()"
            found.add(wrong[0], "memory-layout", evidence, Confidence.CERTAIN, sentence, instead, wrong[1:])


LAYOUTS = {"a slice of a wider array": as_slice, "transposed in memory": transposed, "expanded (stride 0)": expanded}


def judge_layouts(found: Found, trial: Trial) -> None:
    """A backward must not depend on how the upstream gradient lies in memory."""
    p = trial.probe
    for told, laid_out in LAYOUTS.items():
        upstream = {n: laid_out(dy) if np.ndim(dy) else dy for n, dy in p.upstream.items()}
        if not any(np.ndim(dy) for dy in upstream.values()):
            return
        try:
            there = attempt(trial.reading, p, [upstream])
        except CouldNotRun as problem:
            wrong, evidence = list(trial.reference)[:1], f"the upstream gradient is {told}: {problem}"
        else:
            wrong = wrong_gradients(there)
            evidence = (
                f"the upstream gradient is {told}: d{', d'.join(wrong)} is another than for the same values, contiguous"
            )
        if wrong:
            found.add(wrong[0], "memory-layout", evidence, Confidence.CERTAIN, consequences=wrong[1:])
            return


def judge_frozen(found: Found, trial: Trial) -> None:
    """An input that needs no gradient takes none from the others."""
    form = trial.form
    names = [n for n in trial.reference if trial.gradients.get(n) is not None]
    combinations = [{n} for n in names] + [set(names) - {n} for n in names if len(names) > 2]
    for frozen in combinations if len(names) > 1 and not found.findings else ():
        reading = replace(trial.reading, form=form.changed(frozen=frozenset(frozen)))
        there = f"{', '.join(sorted(frozen))} needs no gradient"
        try:
            run = attempt(reading, trial.probe, [trial.probe.upstream])
        except CouldNotRun as problem:
            sentence = "The backward fails where an input is frozen."
            left = next(n for n in names if n not in frozen)
            found.add(left, "frozen-input", f"{there}: {problem}", Confidence.CERTAIN, sentence)
            return
        wrong = [n for n in wrong_gradients(run) if n not in frozen]
        wrong += [n for n in names if n not in frozen and run.gradients.get(n) is None]
        if wrong:
            sentence = "The gradient depends on which other inputs need one."
            advice = "ask ctx.needs_input_grad[i] for the i-th argument's own gradient alone"
            evidence = f"{there}: d{wrong[0]} is missing or another"
            found.add(wrong[0], "frozen-input", evidence, Confidence.CERTAIN, sentence, advice, wrong[1:])
            return
