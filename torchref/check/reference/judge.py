"""The course of a verdict against a function of the user's own."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.diagnosis.diagnose import diagnose, recognised
from torchref.check.diagnosis.extent import restricted
from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.gradients import judge_gradients
from torchref.check.diagnosis.search import best_trial
from torchref.check.diagnosis.sizes import name_remainder
from torchref.check.ops import Op, slugs
from torchref.check.reading.arguments import Unmatched
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.reading.forms.naming import stem
from torchref.check.reading.forms.recognise import is_autograd
from torchref.check.reading.reading import Reading
from torchref.check.reading.source import text_of
from torchref.check.reference.inputs import BIAS, ENTRIES, Recipe, Sizes, axes_sizes, is_bias, larger
from torchref.check.reference.own import Inputs, Witnessed, other_recipes, own_op
from torchref.check.reference.witness import NoWitness
from torchref.check.report.verdict import COULD_NOT_RUN, RIGHT, SLUGS, WRONG, Verdict
from torchref.check.running.trial import Trial, attempt

OF_SHAPE = ("broadcast-axis-not-summed", "wrong-shape", "summed-over-wrong-axis")
OF_A_FACTOR = (slugs.SCALE, slugs.LOCAL, "wrong-mask", "upstream-not-multiplied")
SHAPES = 4  # sets of other shapes that are tried where the code does not run on the first
MEANT = 400  # sets of shapes on which the forward runs, in search of one where the backward fits
SPREAD = re.compile(r"(b|bias|beta|shift|offset|gamma|gain|scale)\w?$", re.I)  # of course broadcast


def judge_against(  # noqa: PLR0913 -- all after the third have names
    target: Any,
    function: Callable[..., Any],
    label: str,
    *,
    given: dict[str, Any] | None = None,
    form: str | None = None,
    stated: list[str] | None = None,
    name: str = "",
    device: str | None = None,
    sizes: Sizes | None = None,
    make: Callable[..., Any] | None = None,
    only: list[str] | None = None,
) -> Verdict:
    """The verdict on `target`, which should compute what `function` computes."""
    graded = _graded_by_name(target)
    try:
        op = own_op(function, label, given, sizes, make, is_autograd(target), (), graded)
    except NoWitness as problem:
        return Verdict(COULD_NOT_RUN, name=name, against=label, error=str(problem))

    def diagnosed(op: Op) -> Verdict:
        return diagnose(target, op, form, stated, name, device, only)

    if make is None:
        op = _on_which_it_goes_back(target, op, form, stated, sizes or {})
    verdict = diagnosed(op)
    _name_of_dropout(verdict, name)
    if verdict.verdict == COULD_NOT_RUN and make is None:
        again = functools.partial(own_op, function, label, given, sizes, None, is_autograd(target), arrays=graded)
        verdict, op = _on_other_shapes(verdict, op, again, diagnosed)
    if verdict.verdict == WRONG and make is None:
        verdict, op = _unless_shapes_were_meant(verdict, op, diagnosed)
    verdict.against = label
    if verdict.verdict == COULD_NOT_RUN:
        return _with_advice(verdict, op)
    trial = _same_trial(target, op, form, stated, device, only)
    if trial is not None:
        verdict.notes.insert(0, _how_it_was_judged(op, trial))
        if verdict.verdict == RIGHT and make is None:
            _judge_sizes(verdict, trial, stated=sizes or {})
    return verdict


def _graded_by_name(target: Any) -> frozenset[str]:
    """The arguments whose gradients a code returns by name or sets, as dalpha of alpha: these are arrays."""
    found: set[str] = set()
    for part in target if isinstance(target, tuple | list) else (target,):
        source = text_of(part if callable(part) else type(part))
        returned = re.findall(r"return (.+)", source) + re.findall(r"lambda[^:]*: *\((.+)\)", source)
        names = [n for text in returned if "," in text for n in re.findall(r"[A-Za-z_]\w*", text)]
        found |= {s for n in (*names, *re.findall(r"self\.(\w+) *\+?= ", source)) for s in stem(n)}
    return frozenset(found)


def _name_of_dropout(verdict: Verdict, name: str) -> None:
    """A lost factor of what is called a dropout is its mask's, or its scale."""
    for f in verdict.findings:
        if "drop" in name.lower() and f.slug in OF_A_FACTOR:
            f.slug, f.sentence = slugs.DROPOUT, SLUGS[slugs.DROPOUT]


def _goes_back(target: Any, op: Op, form: str | None, stated: list[str] | None, exactly: bool = False) -> bool:
    """Whether the code runs, forward and back, on the first recipe, and each gradient has its argument's shape.

    Not `exactly`: that of a bias may be larger. That is a mistake, not a guess.
    """
    try:
        found = recognised(target, op, form, stated, None)
        reading = Reading(found, op.variants[0], found.tolerance)
        p = reading.probe(0)
        shapes = {a.name: p.values[a.name].shape for a in op.arguments if isinstance(p.values.get(a.name), np.ndarray)}
        with np.errstate(all="ignore"):
            run = found.run(p.values, [p.upstream], p.evaluate()[0], shapes)
    except (CouldNotRun, Unmatched):
        return False
    alike = all(
        np.shape(g) == shapes[n] or (not exactly and SPREAD.match(n) and np.size(g) > np.prod(shapes[n]))
        for n, g in run.gradients[0].items()
        if n in shapes
    )
    return alike and "count" not in run.extras and not any(n.startswith("?") for n in run.gradients[0])


def _on_which_it_goes_back(target: Any, op: Op, form: str | None, stated: list[str] | None, sizes: Sizes) -> Op:
    """The record with other shapes of the arguments, if the code goes back to all of them there: shapes are guessed."""
    assert isinstance(op.formula, Witnessed)
    fits = op.formula.torch or _goes_back(target, op, form, stated)
    for recipe in () if fits else itertools.islice(other_recipes(op, sizes), MEANT):
        other = replace(op, make=Inputs(op.arguments, [recipe]), variants=("0",))
        if _goes_back(target, other, form, stated, exactly=True):
            return other
    return op


def _on_other_shapes(
    verdict: Verdict, op: Op, again: Callable[[Sequence[Recipe]], Op], judged: Callable[[Op], Verdict]
) -> tuple[Verdict, Op]:
    """The verdict on the first other shapes on which the code runs, forward and back: the first were guessed.

    x @ w is a product for w of shape (D,) and (D, M), and the backward is one for the shape that was meant.
    """
    failed: list[Recipe] = []
    other = op
    for _ in range(SHAPES):
        assert isinstance(other.make, Inputs)
        failed += other.make.recipes
        try:
            other = again(failed)
        except NoWitness:
            break
        there = judged(other)
        if there.verdict != COULD_NOT_RUN:
            return there, other
    return verdict, op


def _unless_shapes_were_meant(verdict: Verdict, op: Op, again: Callable[[Op], Verdict]) -> tuple[Verdict, Op]:
    """The verdict with arrays of equal shapes, if the code is right there and its only fault was not to sum.

    The shapes were guessed: only of a bias, or of a norm's parameters, is it sure that the forward spreads them.
    """
    assert isinstance(op.make, Inputs)
    if not op.make.recipes or not all(f.slug in OF_SHAPE for f in verdict.findings):
        return verdict, op
    recipe = op.make.recipes[0]
    named = {n for f in verdict.findings for n in (f.gradient, *f.consequences)}
    if any(n not in recipe.shapes or (SPREAD.match(n) and not _beside_a(n, recipe)) for n in named):
        return verdict, op
    first = next(iter(recipe.shapes.values()))
    equal = replace(recipe, shapes={n: first if n in named else s for n, s in recipe.shapes.items()})
    other = replace(op, make=Inputs(op.arguments, [equal], None), variants=("0",))
    try:
        there = again(other)
    except Exception:  # noqa: BLE001 -- the reference does not take these shapes
        return verdict, op
    if there.verdict != RIGHT:
        return verdict, op
    there.notes.append(
        f"the forward also takes {_described(recipe)}, where the backward does not sum what was spread: "
        f"d{', d'.join(sorted(named))} would have another shape; if that is meant, say so with --inputs"
    )
    return there, other


def _beside_a(name: str, recipe: Recipe) -> bool:
    """Whether b stands beside a: then it is no bias."""
    return BIAS.match(name) is not None and not is_bias(name, recipe.shapes)


def _with_advice(verdict: Verdict, op: Op) -> Verdict:
    """The verdict on code that ran on no inputs, with those that were tried and the options that give others."""
    recipes = op.make.recipes if isinstance(op.make, Inputs) else []
    if recipes:
        tried = "; ".join(dict.fromkeys(_described(r) for r in recipes))
        verdict.error += f"\ntried: {tried}; --inputs FILE.py:make gives it other arrays, --sizes N=64,D=32 other sizes"
    return verdict


def _described(recipe: Recipe) -> str:
    """The shapes of a recipe, for a message."""
    return ", ".join(f"{n} {recipe.shape(n)}" for n in recipe.shapes)


def _same_trial(
    target: Any, op: Op, form: str | None, stated: list[str] | None, device: str | None, only: list[str] | None
) -> Trial | None:
    """The trial that the verdict was found on."""
    try:
        return best_trial(restricted(recognised(target, op, form, stated, device), only or []), tuple(stated or ()))
    except (CouldNotRun, Unmatched):
        return None


def _how_it_was_judged(op: Op, trial: Trial) -> str:
    """Which witness, and on which inputs."""
    assert isinstance(op.formula, Witnessed)
    how = " and ".join(sorted(op.formula.how)) or "its output alone"
    shown = [f"{n} {np.shape(v)}" for n, v in trial.probe.values.items() if isinstance(v, np.ndarray)]
    whose = "its own forward's gradient" if op.by_itself else f"the gradient of {op.name}"
    return f"{whose} by {how}; inputs {', '.join(shown)}"


def _makes_sense(output: Any, size: str) -> bool:
    """Whether the reference does something on these sizes: an odd axis may end empty, a mean of nothing is nan."""
    finite = output.dtype.kind not in "fc" or bool(np.isfinite(output).all())
    return finite and (output.size > 0 or size.endswith("= 0"))


def _of_other_axes(trial: Trial) -> bool:
    """Whether gradients show, at length 1, that two lengths were equal by accident: larger ones, or turned ones.

    The shapes were guessed. Of the first argument they are sure, and that a forward spreads biases is, too.
    """
    first = trial.op.arguments[0].name
    shapes = {n: (np.shape(g), trial.probe.values[n].shape) for n, g in trial.gradients.items() if g is not None}
    other = {n: (mine, own) for n, (mine, own) in shapes.items() if mine != own}
    return bool(other) and all(
        n != first and not SPREAD.match(n) and (np.prod(mine) > np.prod(own) or sorted(mine) == sorted(own))
        for n, (mine, own) in other.items()
    )


def _judge_sizes(verdict: Verdict, trial: Trial, stated: Sizes) -> None:
    """The code on other sizes: beyond every block, of length 1, empty; on those that the reference takes."""
    make, formula = trial.op.make, trial.op.formula
    assert isinstance(make, Inputs)
    assert isinstance(formula, Witnessed)
    recipe = make.recipes[int(trial.reading.variant)]
    kept = axes_sizes(stated)
    seen: list[str] = []
    for size, other in larger(recipe, None if formula.torch else ENTRIES):
        if size.split()[0] in kept:
            continue
        make.others[size] = other
        found = Found()
        try:
            p = replace(trial.reading, variant=size).probe(1)
        except Exception:  # noqa: BLE001 -- the reference does not take this size
            continue
        if not _makes_sense(p.evaluate()[0]["output"], size):
            continue
        try:
            there = attempt(trial.reading, p, [p.upstream])
            if size.endswith("= 1") and _of_other_axes(there):
                continue
            judge_gradients(found, there, there, there, told=f"at {size}, not at {_described(recipe)}")
            name_remainder(found, size)
        except CouldNotRun as problem:
            original = problem.original if isinstance(problem, UserError) else problem
            said = str(original).splitlines()[0] if str(original) else type(original).__name__
            verdict.notes.append(f"at {size} it could not be run: {said}")
            continue
        if found.findings:
            verdict.verdict = WRONG
            verdict.findings += found.findings
            verdict.right = {n: s for n, s in verdict.right.items() if n not in {f.gradient for f in found.findings}}
            return
        seen.append(size)
    if seen:
        verdict.notes.append(f"right at other sizes, too: {', '.join(seen)}")
