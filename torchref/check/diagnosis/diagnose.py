# ruff: noqa: E501
"""The verdict on a piece of code, over the ways in which its arguments may be read."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from torchref.check.diagnosis.judge import judge as judge_subject
from torchref.check.ops import Op
from torchref.check.reading import arguments, other_signatures, separate_gates
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.report.verdict import COULD_NOT_RUN, RIGHT, Verdict
from torchref.check.running.subject import Subject
from torchref.check.running.tracebacks import last_lines


def names_in(target: Any) -> list[str]:
    """The names that a user's code may hold its arrays under: parameters, attributes, keys of dictionaries."""
    names: list[str] = []
    for part in target if isinstance(target, tuple | list) else (target,):
        names += [p.name for p in arguments.parameters(part)]
        try:
            source = inspect.getsource(part) if inspect.isclass(part) else ""
        except (OSError, TypeError):
            source = ""
        names += re.findall(r"self\.(\w+)", source) + re.findall(r"\[[\"'](\w+)[\"']\]", source)
    return names


def other_readings(form: Any, verdict: Verdict) -> Iterator[Any]:
    """The arguments read otherwise: a loss's prediction second, or handed to the backward in place of the upstream gradient;
    a recurrence's first state left at zero.

    The two arguments change places only where the forward (or that the code does not run) says so: a difference of
    sign in a symmetric loss is a mistake.
    """

    def swap(other: Any) -> None:
        for matching in (other.matching.roles, getattr(other, "roles", {})):
            for parameter, role in list(matching.items()):
                matching[parameter] = {"input": "target", "target": "input"}.get(role, role)

    def predict(other: Any) -> None:
        other.prediction = True

    def start_at_zero(other: Any) -> None:
        """A class that sets its first state to zero whatever it held."""
        other.attributes = {k: v for k, v in other.attributes.items() if k not in ("hx", "cx")}
        other.takes = other.takes - {"hx", "cx"}

    forward = verdict.verdict == COULD_NOT_RUN or any(f.gradient == "output" for f in verdict.findings)
    unnamed = form.name == "function" and form.matching.user("input") in form.matching.guessed
    if (forward or unnamed) and {"input", "target"} <= form.matching.takes:
        yield swap
    if getattr(form, "either", False):
        yield predict
    states = {"hx", "cx"} & set(getattr(form, "attributes", {}))
    if states and forward:
        yield start_at_zero


def better(other: Verdict, verdict: Verdict) -> bool:
    """Whether a reading says more: it runs and names the mistake, where the first did not."""

    def vague(v: Verdict) -> bool:
        return v.verdict == COULD_NOT_RUN or any(
            f.slug == "unknown" or (f.gradient == "output" and f.slug != "wrong-reduction") for f in v.findings
        )

    return vague(verdict) and not vague(other)


def diagnose(
    target: Any,
    op: Op,
    form: str | None = None,
    stated: list[str] | None = None,
    module: Any = None,
    name: str = "",
    device: str | None = None,
) -> Verdict:
    """The verdict on `target`, in this process."""
    from torchref.check.reading.forms.recognise import recognise

    if op.has("weight_hh") and not stated and not inspect.isclass(target):
        letters = {
            p.name.lower(): p.name for p in arguments.parameters(target[0] if isinstance(target, tuple) else target)
        }
        if {"w", "u"} <= set(letters):  # texts differ in which of W and U meets the input
            ways = [
                diagnose(target, op, form, [f"{letters[a]}=weight_ih", f"{letters[b]}=weight_hh"], module, name, device)
                for a, b in ("wu", "uw")
            ]
            return next(
                (v for v in ways if v.error == "" and not any(f.slug == "forward-differs" for f in v.findings)), ways[0]
            )
    parts = separate_gates.split_names(op, names_in(target)) if op.gates else None
    if parts:
        op = separate_gates.per_gate(op, parts)
    form_of: Any = None

    def judge(reading: Any = None) -> Verdict:
        """The verdict, in another reading of the code's arguments if `reading` changes its form."""
        nonlocal form_of, op
        try:
            form_of = recognise(target, op, form, stated, module, device)
            if reading is not None:
                reading(form_of)
            alone = {"query", "key", "value"} & form_of.takes == {"query"}
            if alone and not op.argument("key").optional:  # one x is query, key and value
                form_of.op = op = other_signatures.self_attention(op)
            return judge_subject(Subject(form_of, op, stated))
        except arguments.Unmatched as problem:
            return Verdict(COULD_NOT_RUN, error=str(problem))
        except UserError as problem:
            return Verdict(COULD_NOT_RUN, error=f"{problem.where} raised an exception:\n{last_lines(problem)}")
        except CouldNotRun as problem:
            return Verdict(COULD_NOT_RUN, error=str(problem))

    verdict = judge()
    first = form_of
    if (op.loss or op.has("hx")) and verdict.verdict != RIGHT and not stated and first is not None:
        for reading in other_readings(first, verdict):
            other = judge(reading)
            if other.verdict == RIGHT or better(other, verdict):
                verdict, first = other, form_of
                break
    form_of = first
    for f in verdict.findings if parts else ():
        torchs = separate_gates.home(parts or {})
        f.consequences = [
            c for c in dict.fromkeys(torchs.get(c, c) for c in f.consequences) if c != torchs.get(f.gradient)
        ]
        f.gradient = torchs.get(f.gradient, f.gradient)
    verdict.name, verdict.against = name, op.name
    verdict.form = verdict.form or getattr(form_of, "name", form or "")
    return verdict
