"""What any gradient must keep: shape, dtype, its arguments, the same answer twice."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.diagnosis.found import Found
from torchref.check.reading.forms.autograd import Function
from torchref.check.reading.forms.layer import Layer
from torchref.check.report.verdict import Confidence
from torchref.check.running.trial import Trial

CERTAIN = Confidence.CERTAIN
LOWER = "The gradient has a lower precision than its argument."
COMPLEX = "The gradient is complex; its argument is real."
REAL = "take the real part of what is complex by the way: np.real(...), torch.real(...)"
REFUSED = "which torch's engine refuses: it raises a RuntimeError"
NO_TENSOR = "What is no tensor has no gradient."
RETURN_NONE = "return None in its place"
KEEP = "make arrays with np.zeros_like(x) or dtype=x.dtype"


def judge_contract(found: Found, trial: Trial) -> None:
    """Judge each promise of a gradient: arguments kept, the count, the dtypes, the same answer twice."""
    judge_arguments(found, trial)
    judge_count(found, trial)
    if not isinstance(trial.form, Function):
        judge_dtypes(found, trial)
    judge_repeats(found, trial)


def judge_arguments(found: Found, trial: Trial) -> None:
    """Nothing that was handed over is changed."""
    for name in dict.fromkeys(trial.run.changed):
        upstream = name in ("doutput", "dh_n", "dc_n")
        what = "the upstream gradient" if upstream else name
        found.add(
            "grad_output" if upstream else name,
            "argument-changed",
            f"{what} has other values after the call",
            CERTAIN,
            "The code changes an array that belongs to its caller.",
            "work on a copy, or write y = ... instead of y += ...",
        )


def judge_count(found: Found, trial: Trial) -> None:
    """An autograd.Function returns one gradient for each argument, in the argument's precision."""
    extras = trial.run.extras
    if "count" in extras:
        lost = extras["lost"]
        found.add(
            lost[0] if lost else trial.op.arrays[0].name,
            "wrong-shape",
            extras["count"],
            CERTAIN,
            "A gradient is missing."
            if lost
            else f"There are {'fewer' if extras['fewer'] else 'more'} gradients than arguments.",
            "return one gradient for each argument of forward, None where there is none",
            lost[1:],
        )
    for key, told in extras.items():
        if key.startswith("none ") and trial.op.own:
            found.notes.append(f"{told}: it is not judged")
        elif key.startswith("none ") and not trial.op.loss:
            found.add(key[5:], "unknown", told, Confidence.POSSIBLE, "A gradient is missing.")
        if key.startswith("for no tensor "):
            role, absent = key.removeprefix("for no tensor "), told.endswith("=None")
            slug = "absent-argument" if absent else "wrong-shape"
            found.add(role, slug, f"{told}, {REFUSED}", CERTAIN, NO_TENSOR, RETURN_NONE)
        if key.startswith("dtype "):
            found.add(key[6:], "wrong-dtype", f"the gradient is {told}", CERTAIN, LOWER, KEEP)


def judge_dtypes(found: Found, trial: Trial) -> None:
    """Find results that are complex, or of a lower precision than float64; a note where all is float32, or float16."""
    output = np.asarray(trial.outputs.get("output", 0.0))
    if output.dtype in (np.float32, np.float16) and not trial.reading.strict:
        told = f"the code computes in {output.dtype}, whatever it is given; torch keeps the input's precision"
        found.notes.append(told)
        return
    for name, g in trial.gradients.items():
        if name not in trial.reference or g is None:
            continue
        dtype = np.asarray(g).dtype
        if dtype.kind == "c":
            found.add(name, "wrong-dtype", f"the gradient is {dtype}, its argument float64", CERTAIN, COMPLEX, REAL)
        elif dtype.kind != "f" or (dtype.kind == "f" and dtype.itemsize < 8):
            found.add(
                name,
                "wrong-dtype",
                f"the gradient is {dtype}, its argument float64",
                CERTAIN,
                LOWER,
                KEEP,
            )
    if output.dtype.kind == "c" and not found.findings:
        found.add("output", "wrong-dtype", f"the output is {output.dtype}, the input float64", CERTAIN, COMPLEX, REAL)
    if output.dtype.kind == "f" and output.dtype.itemsize < 8 and not found.findings:
        evidence = f"the output is {output.dtype}, the input float64"
        found.add("output", "wrong-dtype", evidence, CERTAIN, "The output has a lower precision than the input.", KEEP)


def judge_repeats(found: Found, trial: Trial) -> None:
    """Two backwards of one forward agree."""
    if len(trial.run.gradients) < 2 or trial.run.changed:
        return
    first, second = trial.run.gradients[:2]
    apart = [n for n, g in first.items() if n in second and differ(trial, g, second[n])]
    if apart and trial.op.draws:
        found.add(
            "input",
            "dropout-mask-or-scale",
            "the backward drops other units in each call: it draws a mask of its own",
            CERTAIN,
            "The backward must use the forward's mask.",
            "keep the mask of the forward",
        )
    elif apart and adds_up(trial, apart):
        names = ", ".join("d" + a for a in apart)
        found.notes.append(f"{names} adds up over the calls, as torch's gradients do: set it to zero before each step")
    elif apart:
        found.add(
            apart[0],
            "not-repeatable",
            f"two backwards of one forward disagree in {', '.join('d' + a for a in apart)}",
            CERTAIN,
            "The second backward gives another answer: something is kept or changed between the calls.",
            "leave what the forward has kept unchanged; start gradients afresh (zero_grad)",
            consequences=apart[1:],
        )


def adds_up(trial: Trial, names: list[str]) -> bool:
    """Whether a class adds its gradients to what it holds: two backwards give twice the gradient of one."""
    first, second = trial.run.gradients[:2]
    held = isinstance(trial.form, Layer) and not trial.reading.strict and not set(names) & trial.form.calling.takes
    return held and all(trial.close(second[n], 2 * np.asarray(first[n], dtype=float)) for n in names)


def differ(trial: Trial, one: Any, other: Any) -> bool:
    """Whether two gradients of one shape have different values."""
    return np.shape(one) == np.shape(other) and not trial.close(other, np.asarray(one))
