"""The verdict on a piece of code, over the forms and the orders in which its arguments may be read."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torchref.check.diagnosis.advice import option_that_helps
from torchref.check.diagnosis.extent import restricted
from torchref.check.diagnosis.judge import judge
from torchref.check.diagnosis.lines import texts
from torchref.check.ops import Op
from torchref.check.reading import joined_gates, other_signatures, separate_gates
from torchref.check.reading.arguments import Unmatched, parameters
from torchref.check.reading.forms.beside import forward_beside
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.reading.forms.calls import how_called, noting_calls
from torchref.check.reading.forms.form import Form
from torchref.check.reading.forms.gradient import Gradient
from torchref.check.reading.forms.layer import Layer
from torchref.check.reading.forms.recognise import recognise
from torchref.check.reading.other_layouts import (
    POSITIONS,
    batch_axes,
    bias_as_row,
    column_and_row,
    of_positions,
    on_sequences,
    one_example,
    one_row,
    square,
)
from torchref.check.reading.source import text_of
from torchref.check.report.verdict import COULD_NOT_RUN, RIGHT, Verdict
from torchref.check.running.tracebacks import last_lines

OF_SHAPE = ("wrong-shape", "summed-over-wrong-axis", "broadcast-axis-not-summed")
SEQUENCES = "it is judged on (N, T, D)"
BIAS_AS_ROW = "it is judged with its bias as a row, (1, out), as the gradient of the bias is"
COLUMN_AND_ROW = "it is judged on predictions (N, 1) and targets (N,)"
ONE_ROW = "it is judged on one example in a row, (1, D): on more it does not run"
SQUARE = "it is judged with as many features behind it as before it: its constructor takes one number"
ONE_EXAMPLE = "it is judged on one example, without the axis of the batch"


def diagnose(  # noqa: PLR0913 -- all that a user may say of the code
    target: Any,
    op: Op,
    form: str | None = None,
    stated: list[str] | None = None,
    name: str = "",
    device: str | None = None,
    only: list[str] | None = None,
    strict: bool = False,
) -> Verdict:
    """The verdict on `target`, in this process.

    `only` names the gradients to judge; `strict`: the conventions of other texts are mistakes.
    """
    if form is None and not stated and (forward := forward_beside(target)) is not None:
        target = forward, target
    ways = weights_told_apart(target, op) if not stated else []
    if ways:
        verdicts = (diagnose(target, op, form, way, name, device, only, strict) for way in ways)
        return which_meets_the_input(list(verdicts))
    names = names_in(target, op) if op.gates else []
    parts = separate_gates.split_names(op, names) if op.gates and op.has("weight_hh") else None
    joined = (
        joined_gates.joined_names(op, names)
        if op.gates and parts is None and not stated and op.has("weight_hh")
        else None
    )
    if joined:
        of_gates = (diagnose(target, o, form, [], name, device, only, strict) for o in joined_gates.joined(op, joined))
        verdict = which_meets_the_input(list(of_gates))
        under_torchs_names(verdict, joined_gates.home(joined))
        return verdict
    if parts:
        op = separate_gates.per_gate(op, parts)
    found: Form | None = None
    try:
        with noting_calls():
            found = restricted(recognised(target, op, form, stated, device), only or [])
        verdict = verdict_on(found, stated, strict)
    except (Unmatched, CouldNotRun) as problem:
        verdict = could_not_run(problem, None)
    otherwise = op.loss or op.has("hx") or op.joins_bias or op.by_rows or op.kernel
    if found is not None and otherwise and verdict.verdict != RIGHT and not stated:
        verdict = best_of_other_forms(found, verdict, strict)
    if parts:
        under_torchs_names(verdict, separate_gates.home(parts))
    verdict.notes += [r for r in op.remarks if r not in verdict.notes]
    verdict.name, verdict.against = name, op.name
    verdict.form = verdict.form or (found.name if found is not None else form or "")
    return verdict


def recognised(target: Any, op: Op, form: str | None, stated: list[str] | None, device: str | None) -> Form:
    """The form of the code; where one x is query, key and value, against attention of one x with itself."""
    found = recognise(target, op, form, stated, device)
    alone = {"query", "key", "value"} & found.takes == {"query"}
    return found.changed(op=other_signatures.self_attention(op)) if alone and not op.argument("key").optional else found


def verdict_on(form: Form, stated: list[str] | None, strict: bool) -> Verdict:
    """The verdict on one form; where the code cannot be judged, the verdict that says why."""
    try:
        return judge(form, tuple(stated or ()), strict)
    except (Unmatched, CouldNotRun) as problem:
        return could_not_run(problem, form)


def could_not_run(problem: Unmatched | CouldNotRun, form: Form | None = None) -> Verdict:
    """How the code was called, what it raised, and the option that may help."""
    told = str(problem)
    if isinstance(problem, UserError):
        told = f"{problem.where} raised an exception:\n{last_lines(problem)}"
    called = how_called(getattr(problem, "calls", ()), form is None or form.upstream)
    return Verdict(COULD_NOT_RUN, error=told, called=called, option=option_that_helps(problem, form))


def best_of_other_forms(form: Form, verdict: Verdict, strict: bool) -> Verdict:
    """The verdict on the first other way to read the arguments that says more, else the one that is there."""
    for other in other_forms(form, verdict):
        there = verdict_on(other, None, strict)
        fewer = SEQUENCES in other.op.remarks and less_is_wrong(there, verdict)
        if there.verdict == RIGHT or better(there, verdict) or fewer:
            there.notes += [r for r in other.op.remarks if r not in there.notes]
            return there
    return verdict


def other_forms(form: Form, verdict: Verdict) -> Iterator[Form]:
    """The arguments read otherwise: a loss's prediction second, or handed to the backward in place of the upstream
    gradient; a recurrence's first state left at zero.

    The two arguments change places only where the forward (or that the code does not run) says so: a difference of
    sign in a symmetric loss is a mistake.
    """
    forward = verdict.verdict == COULD_NOT_RUN or any(f.gradient == "output" for f in verdict.findings)
    unnamed = isinstance(form, Gradient) and form.matching.user("input") in form.matching.guessed
    if (forward or unnamed) and {"input", "target"} <= form.matching.takes:
        yield form.exchanged()
    if isinstance(form, Layer) and form.either:
        yield form.changed(prediction=True)
    yield from _of_other_shapes(form, verdict)
    if verdict.verdict == COULD_NOT_RUN and form.op.joins_bias:
        yield form.changed(op=replace(one_row(form.op), remarks=(ONE_ROW,)))
        if isinstance(form, Layer) and len(form.sizes) == 1 < len(form.op.sizes):  # Layer(size)
            yield Layer(form.cls, replace(square(form.op), remarks=(SQUARE,)))
    if verdict.verdict == COULD_NOT_RUN and form.op.by_rows:  # einsum("bto,btc->oc", dout, inp)
        yield form.changed(op=replace(on_sequences(form.op), remarks=(SEQUENCES,)))
    if isinstance(form, Layer) and forward and {"hx", "cx"} & form.attributes.keys():
        yield form.starting_at_zero()


def _of_other_shapes(form: Form, verdict: Verdict) -> Iterator[Form]:
    """The arguments in the shapes that those of the wrong gradients speak for."""
    kept = any(f.slug == "keepdims-left-on" and f.gradient == "bias" for f in verdict.findings)
    handed = isinstance(form, Layer) and "bias" in form.construction.takes and form.op.joins_bias
    if kept and handed and not says_vector(form):
        yield form.changed(op=replace(bias_as_row(form.op), remarks=(BIAS_AS_ROW,)))
    shaped = any(f.slug in ("keepdims-left-on", "wrong-shape") and f.gradient == "input" for f in verdict.findings)
    if shaped and form.op.loss and "column" in form.op.variants:
        yield form.changed(op=replace(column_and_row(form.op), remarks=(COLUMN_AND_ROW,)))
    if any(f.slug == "wrong-shape" for f in verdict.findings) and batch_axes(form.op):
        # W @ x + b runs on a batch in columns, np.outer(dy, x) does not
        yield form.changed(op=replace(one_example(form.op), remarks=(ONE_EXAMPLE,)))
    if form.op.kernel and any(f.slug in OF_SHAPE and f.gradient == "bias" for f in verdict.findings):
        # with one filter a bias of each position is added as one of each channel is
        yield form.changed(op=replace(of_positions(form.op), remarks=(POSITIONS,)))
    if form.op.by_rows and any(f.slug in OF_SHAPE and f.gradient != "output" for f in verdict.findings):
        # dy.sum((0, 1)) is for (N, T, D)
        yield form.changed(op=replace(on_sequences(form.op), remarks=(SEQUENCES,)))


def says_vector(form: Form) -> bool:
    """Whether the code says beside its bias that this is a vector: `self.bias = bias  # (out,)`."""
    user = form.users_names().get("bias", "bias")
    return any(re.search(rf"\b{re.escape(user)}\b.*\(\w+,\)", text) for text, _ in texts(form))


def better(other: Verdict, verdict: Verdict) -> bool:
    """Whether a reading says more: it runs and names the mistake, where the first did not."""
    return vague(verdict) and not vague(other)


def less_is_wrong(other: Verdict, verdict: Verdict) -> bool:
    """Whether a reading makes a gradient right that was wrong, and leaves no more of them wrong than there were.

    dbias = dy.sum((0, 1)) beside dweight = (dy * x_hat).sum(0): one of the two is wrong on (N, D), the other on
    (N, T, D); but nobody sums (N, D) over (0, 1).
    """
    there, here = ({n for f in v.findings for n in (f.gradient, *f.consequences)} for v in (other, verdict))
    runs = other.verdict != COULD_NOT_RUN and "output" not in there
    return runs and len(there) <= len(here) and not here <= there


def vague(verdict: Verdict) -> bool:
    """Whether a verdict leaves the mistake open: nothing ran, or a finding is unknown, of a shape or of the output."""
    return verdict.verdict == COULD_NOT_RUN or any(
        f.slug in ("unknown", "wrong-shape") or (f.gradient == "output" and f.slug != "wrong-reduction")
        for f in verdict.findings
    )


def weights_told_apart(target: Any, op: Op) -> list[list[str]]:
    """Of a recurrence with W and U, the two ways to say which meets the input: texts differ."""
    if not op.has("weight_hh") or inspect.isclass(target):
        return []
    function = target[0] if isinstance(target, tuple) else target
    letters = {p.name.lower(): p.name for p in parameters(function)}
    if not {"w", "u"} <= letters.keys():
        return []
    return [[f"{letters[a]}=weight_ih", f"{letters[b]}=weight_hh"] for a, b in ("wu", "uw")]


def which_meets_the_input(verdicts: list[Verdict]) -> Verdict:
    """The first way in which the forward is the recurrence's."""
    forward = (v for v in verdicts if v.error == "" and not any(f.slug == "forward-differs" for f in v.findings))
    return next(forward, verdicts[0])


def names_in(target: Any, op: Op) -> list[str]:
    """The names that a user's code may hold its arrays under: parameters, attributes, keys of dictionaries."""
    names: list[str] = []
    for part in target if isinstance(target, tuple | list) else (target,):
        names += [p.name for p in parameters(part)]
        source = text_of(part)
        names += re.findall(r"self\.(\w+)", source) + re.findall(r"[\"'](\w+)[\"']", source)
        names += by_letter(source, op)
    return names


def by_letter(source: str, op: Op) -> list[str]:
    """The arrays of dictionaries with a gate's letter as key: self.W[g] for g in "fico"."""
    letters = {letter for gate in op.gates for letter in gate}
    words = [w for w in re.findall(r"[\"'](\w+)[\"']", source) if len(w) == len(op.gates) and set(w) <= letters]
    return [holder + g for holder in re.findall(r"self\.(\w+)\[\w+\]", source) for g in (words or [""])[0]]


def under_torchs_names(verdict: Verdict, home: dict[str, str]) -> None:
    """Name torch's stacked arrays in the findings, for those of the single gates."""
    for f in verdict.findings:
        f.gradient, mine = home.get(f.gradient, f.gradient), f.consequences
        f.consequences = [c for c in dict.fromkeys(home.get(c, c) for c in mine) if c != f.gradient]
    verdict.not_judged = {home.get(n, n): why for n, why in verdict.not_judged.items()}
