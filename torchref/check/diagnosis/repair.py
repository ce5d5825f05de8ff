"""Which one change of the user's code makes its gradient right: a sign, an axis, a name, a factor.

The last resort, for what no wrong formula and no signature has explained. The functions that the gradient runs through
are read as syntax trees, changed in one place at a time and run again on the same probe. A change that leaves the
forward and every right gradient as they are, and makes the wrong ones right, on a second probe too, is the mistake.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torchref.check.diagnosis.example import smallest
from torchref.check.diagnosis.forward import wrong_outputs
from torchref.check.diagnosis.found import Found
from torchref.check.edits import Edit, repairs
from torchref.check.ops.probe import Probe
from torchref.check.reading.arguments import ALIASES, normal
from torchref.check.reading.forms.calling import CouldNotRun, TimeOut
from torchref.check.reading.forms.form import Form
from torchref.check.reading.reading import Reading
from torchref.check.report.verdict import SLUGS, Confidence, Finding
from torchref.check.running.counted import counting
from torchref.check.running.trial import Trial, attempt

CANDIDATES = 600  # changes that are tried, the likelier kinds first: the corpus's longest search ends at 204
GRADIENT = r"d(?!ata|im|ist|iff|ec)|grad|delta|nabla|G\d|g[A-Z]"
ENDLESS = 10  # times as many lines as it ran unchanged
OF_A_NETWORK = 4000  # of a function that goes forward and back


@dataclass(frozen=True)
class Repair:
    """A change that makes the gradients `healed` right."""

    edit: Edit
    line: str  # the source line as the user wrote it
    number: int
    healed: list[str]


def look_for_repair(found: Found, trial: Trial, third: Trial) -> None:
    """Put the mistake that one change undoes in the place of findings that are unknown, or in doubt."""
    doubtful = all(f.confidence < Confidence.LIKELY and f.gradient in trial.gradients for f in found.findings)
    if not found.findings or not doubtful:
        return  # beside another mistake, no one change makes the rest right
    wrong = list(dict.fromkeys(g for f in found.findings for g in (f.gradient, *f.consequences)))
    change = repair(trial, third, wrong)
    if change is not None:
        found.findings = [f for f in found.findings if f.gradient not in change.healed]
        found.findings.append(finding(change))


def one_change(trial: Trial, problem: Exception, spoilt: Sequence[str] = ()) -> Finding | None:
    """The one change with which a backward that raises runs, and is right.

    `spoilt` are the gradients that are wrong where all sizes are equal, and it does not raise.
    """
    try:
        third = attempt(trial.reading, trial.reading.probe(1), [])
    except CouldNotRun:
        return None
    change = repair(trial, third, list(trial.reference))
    if change is None:
        return None
    healed = [n for n in change.healed if n in spoilt] or change.healed
    return finding(replace(change, healed=healed), f"; as it stands, {problem}")


def finding(change: Repair, extra: str = "") -> Finding:
    """The change as a finding: the line, and what stands there before and after it."""
    slug, (first, *others) = change.edit.slug, change.healed
    evidence = f"line {change.number}: with `{change.edit.after}` for `{change.edit.before}` it is right{extra}"
    instead = f"line {change.number}, `{change.line}`: `{change.edit.after}`"
    return Finding(first, slug, evidence, Confidence.LIKELY, SLUGS[slug], instead, others, line=change.number)


def repair(trial: Trial, third: Trial, wrong: list[str]) -> Repair | None:
    """The first change, the likelier kinds first, that makes the gradients `wrong` right."""
    source = Source.of(trial.form)
    if source is None:
        return None
    good = [n for n in trial.reference if n in trial.gradients and n not in wrong]
    cuttable = not trial.op.normalised and all(n in trial.gradients for n in wrong)
    small = smallest(trial, wrong, simple=not trial.op.own).probe if cuttable else trial.probe
    edits: Iterable[Edit] = repairs(source.functions(), trial.op, source.upstream_names())
    if trial.op.own and trial.op.loss and (lines_back := gradient_lines(source.functions())):
        edits = [e for e in edits if e.line in lines_back]
    count = OF_A_NETWORK if trial.op.own else CANDIDATES
    bounded = at_most(trial, small) if source.loops() else nullcontext
    for edit in sorted(edits, key=lambda e: e.rank)[:count]:
        form = source.changed(edit, trial.form)
        if form is None:
            continue
        reading = replace(trial.reading, form=form)
        with bounded():
            if small is not trial.probe and not heals(reading, small, good, wrong):
                continue  # loops take a hundredth of the time there
            healed = heals(reading, trial.probe, good, wrong)
            confirmed = healed and heals(reading, third.probe, good, healed) == healed
        if confirmed:
            lines = source.text.splitlines()
            return Repair(edit, lines[edit.line - 1].strip() if edit.line <= len(lines) else "", edit.line, healed)
    return None


def at_most(trial: Trial, small: Probe) -> Callable[[], Any]:
    """What ends a changed code that runs many times as many lines as it did unchanged."""
    with counting() as lines, suppress(CouldNotRun):
        for p in (small, trial.probe, trial.probe):
            attempt(trial.reading, p, [p.upstream])
    return lambda: counting(ENDLESS * max(lines.count, 100))


def heals(reading: Reading, p: Probe, good: list[str], wrong: list[str]) -> list[str]:
    """The gradients in `wrong` that are right now; none if the forward or a gradient in `good` is not."""
    try:
        now = attempt(reading, p, [p.upstream])
        if now.outputs and wrong_outputs(now):
            return []
        if now.op.own and not now.expected.keys() <= now.outputs.keys():
            return []  # a return of something else: what no longer is an output has no upstream gradient
        if any(n in now.reference and not same(now, n) for n in (*now.gradients, *good)):
            return []
        return [n for n in wrong if same(now, n)]
    except TimeOut:
        raise
    except Exception:  # noqa: BLE001 -- the user's code, changed, may raise anything
        return []


def same(trial: Trial, name: str) -> bool:
    """Whether a gradient is there, and close to the reference's."""
    g, reference = trial.gradients.get(name), trial.reference.get(name)
    if g is None or reference is None or np.shape(g) != np.shape(reference):
        return False
    return trial.close(np.asarray(g, dtype=float), reference)


class Source:
    """The functions and classes of a file that a form's code runs through, and how to run them changed."""

    def __init__(self, text: str, filename: str, scope: dict[str, Any], roots: list[str]) -> None:
        self.text, self.filename, self.scope, self.roots = text, filename, scope, roots
        tops: dict[str, ast.stmt] = {}
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                tops[node.name] = node
        self.nodes: list[ast.stmt] = []
        waiting = [r.partition(".")[0] for r in roots]
        while waiting:
            node_of = tops.get(waiting.pop(0))
            if node_of is None or node_of in self.nodes:
                continue
            self.nodes.append(node_of)
            waiting += [n.id for n in ast.walk(node_of) if isinstance(n, ast.Name) and n.id in tops]

    @staticmethod
    def of(form: Form) -> Source | None:
        """What a form runs, if its source can be read and stands at the top of its file."""
        targets = form.code()
        try:
            filename = inspect.getsourcefile(targets[0])
            roots = [t.__qualname__ for t in targets]
            scope = vars(sys.modules[targets[0].__module__])
            if filename is None or any("<" in r for r in roots):
                return None
            linecache.checkcache(filename)  # of a file that was edited meanwhile
            source = Source("".join(linecache.getlines(filename)), filename, scope, roots)
        except (OSError, TypeError, AttributeError, KeyError, SyntaxError, UnicodeDecodeError):
            return None
        return source if source.nodes else None

    def loops(self) -> bool:
        """Whether a change may make the code run for ever."""
        return any(isinstance(n, ast.While) for node in self.nodes for n in ast.walk(node))

    def functions(self) -> list[ast.FunctionDef]:
        """Every function and method, those that lead back first."""
        found = [f for node in self.nodes for f in ast.walk(node) if isinstance(f, ast.FunctionDef)]
        return sorted(found, key=lambda f: not leads_back(f))

    def upstream_names(self) -> set[str]:
        """The parameters of the functions that lead back which look like an upstream gradient."""
        known = {normal(a) for a in ALIASES["dy"]}
        return {a.arg for f in self.functions() for a in f.args.args if normal(a.arg) in known}

    def changed(self, edit: Edit, form: Form) -> Form | None:
        """The form with the changed code in it; None where that cannot be compiled."""
        undo = edit.apply()
        try:
            return self.compiled(self.nodes, form)  # `edit` has given each new node its place
        finally:
            undo()

    def compiled(self, nodes: list[ast.stmt], form: Form, more: Mapping[str, Any] | None = None) -> Form | None:
        """The form that runs these statements in the place of its own; None where they cannot be compiled."""
        try:
            scope = {**self.scope, **(more or {})}
            exec(compile(ast.Module(list(nodes), []), self.filename, "exec"), scope)  # the user's own code, changed
        except (Exception, RecursionError):  # noqa: BLE001 -- the user's code, run again, may raise anything
            return None
        return form.running(*(look_up(scope, root) for root in self.roots))


def leads_back(function: ast.FunctionDef) -> bool:
    """Whether a function is a backward by its name."""
    return any(w in function.name.lower() for w in ("back", "bwd", "grad", "deriv", "bprop", "prime"))


def gradient_lines(functions: list[ast.FunctionDef]) -> set[int]:
    """The lines of a function that goes forward and back from its first gradient on; all of one that leads back."""
    found: set[int] = set()
    for f in functions:
        targets = [t for n in ast.walk(f) for t in targets_of(n)]
        starts = [t.lineno for t in targets if re.match(GRADIENT, ast.unparse(t).removeprefix("self.")) or held(t)]
        if leads_back(f) or starts:
            found |= set(range(f.lineno if leads_back(f) else min(starts), (f.end_lineno or f.lineno) + 1))
        slopes = [n for n in ast.walk(f) if isinstance(n, ast.Lambda) and n.args.args]  # (x, lambda g: g * 2)
        found |= {n.lineno for n in slopes if all(re.match(GRADIENT + "|g$", a.arg) for a in n.args.args)}
    return found


def held(target: ast.expr) -> bool:
    """Whether an assignment sets a gradient that a value holds: a.grad."""
    return isinstance(target, ast.Attribute) and re.match(GRADIENT, target.attr) is not None


def targets_of(node: ast.AST) -> list[ast.expr]:
    """What an assignment binds, its tuples taken apart; nothing for another node."""
    if isinstance(node, ast.Assign):
        return [p for t in node.targets for p in (t.elts if isinstance(t, ast.Tuple) else [t])]
    return [node.target] if isinstance(node, ast.AugAssign) else []


def look_up(scope: dict[str, Any], path: str) -> Any:
    """What a scope holds under a dotted name: a function, a class, or its method."""
    first, *rest = path.split(".")
    found = scope[first]
    for part in rest:
        found = getattr(found, part)
    return found
