"""What the backward takes for a constant: the part of the user's forward whose derivative is missing.

The last resort for a gradient that fits no known mistake. Each part of the forward in turn keeps the value that it has
at the probe, while the arguments move. If the slope of that forward is the user's gradient, on two probes, then the
backward has left out the way through this part: a factor, a mean, a weight of the attention.
"""

from __future__ import annotations

import ast
import copy
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from torchref.check.diagnosis.example import smallest
from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.own_forward import beside, own_slope
from torchref.check.diagnosis.repair import Source, leads_back
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.report.verdict import SLUGS, Confidence, Finding
from torchref.check.running.trial import Trial, outputs_at
from torchref.check.tolerance.closeness import TOLERANCE

HOLD = "_held_constant"
STATISTICS = re.compile(r"\b(mean|average|var|std)\b")
WILL_NOT = (CouldNotRun, ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RuntimeError)


A_WAY = "What is used in several places gets the sum of their gradients: one is missing."
Parts = frozenset[int]


@dataclass
class Hold:
    """Stands in the forward around each of its parts, and lets one of them keep its values."""

    values: dict[int, list[Any]] = field(default_factory=dict)  # by part, in the order of its runs
    active: frozenset[int] = frozenset()
    recording: bool = False
    counts: Counter[int] = field(default_factory=Counter)  # of the runs of each part that is held

    def __call__(self, part: int, value: Any) -> Any:
        if self.recording:
            kept = copied(value)
            if kept is not None:
                self.values.setdefault(part, []).append(kept)
        elif part in self.active:
            held = self.values[part]
            value = copied(held[self.counts[part] % len(held)])
            self.counts[part] += 1
        return value


@dataclass(frozen=True)
class Part:
    """One expression of the forward."""

    node: ast.expr
    carried: bool  # from one step of a loop to the next
    added: bool  # as it stands, x + f(x), or a factor of a product of matrices: a weight that is used twice

    @property
    def shifts(self) -> bool:
        """Whether it is a maximum, as softmax subtracts it: no gradient goes through that, if the sum is not held."""
        called = self.node.func if isinstance(self.node, ast.Call) else None
        return isinstance(called, ast.Attribute) and called.attr in ("max", "amax")

    @property
    def slug(self) -> str:
        if STATISTICS.search(ast.unparse(self.node)):
            return "statistics-as-constants"
        if self.carried:
            return "recurrence-truncated"
        return "overwritten-not-accumulated" if self.added else "local-derivative-missing"


def copied(value: Any) -> Any:
    """A copy of an array, a tensor or a number of floats; None of anything else."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.copy()
    if isinstance(value, float | np.floating):
        return value
    floats = type(value).__module__ == "torch" and getattr(value, "is_floating_point", lambda: False)()
    return value.clone() if floats else None


def look_for_held(found: Found, trial: Trial, third: Trial) -> None:
    """Put the part that the backward takes for a constant in the place of a finding that is unknown."""
    unknown = [f for f in found.findings if f.slug == "unknown" and f.gradient in trial.gradients]
    source = Source.of(trial.form) if unknown and trial.reading.tolerance <= TOLERANCE else None
    if source is None or not trial.outputs or trial.op.draws is not None:
        return
    wrong = [n for f in unknown for n in (f.gradient, *f.consequences)]
    if any(np.asarray(trial.gradients.get(n)).shape != np.asarray(trial.probe.values.get(n)).shape for n in wrong):
        return
    part, of_others = held_part(source, [smallest(trial, wrong), trial, third], wrong)
    if part is None:
        return
    shown, line = ast.unparse(part.node), part.node.lineno
    slug = "overwritten-not-accumulated" if of_others else part.slug
    if slug == "overwritten-not-accumulated" and trial.op.recurrent:
        slug = "recurrence-truncated"
    sentence = A_WAY if slug == "overwritten-not-accumulated" else SLUGS[slug]
    first, *others = wrong
    evidence = f"it is right for a forward in which `{shown}` (line {line}) is a constant"
    instead = f"add what comes back through `{shown}`"
    found.findings = [f for f in found.findings if f not in unknown]
    found.findings.append(Finding(first, slug, evidence, Confidence.LIKELY, sentence, instead, others, line=line))


def held_part(source: Source, trials: list[Trial], wrong: list[str]) -> tuple[Part | None, bool]:
    """The first part, the outermost first, with which held the wrong gradients are the forward's on all these probes.

    And whether another gradient, which is right, comes back through that part.
    """
    hold = Hold()
    parts, nodes = wrapped(source)
    form = source.compiled(nodes, trials[0].form, {HOLD: hold})
    if form is None:
        return None, False
    shifts = frozenset(i for i, p in enumerate(parts) if p.shifts)
    left = [frozenset({i}) for i in range(len(parts))]
    left += [frozenset({i}) | shifts for i in range(len(parts)) if shifts and i not in shifts]
    trials = [replace(t, reading=replace(t.reading, form=form)) for t in trials]
    for seed, trial in enumerate(trials):
        left = [held for held in left if held <= known] if (known := recorded(hold, trial, seed)) else []
        there, _ = beside(trial, seed) if left else (trial, None)
        if left and explains(hold, frozenset(), there, wrong, seed):
            return None, False  # too small a difference for a slope to show: whatever is held explains it
        left = [held for held in left if explains(hold, held, there, wrong, seed)]
    if not left:
        return None, False
    right = [n for n, g in there.gradients.items() if g is not None and n in there.reference and n not in wrong]
    return parts[min(left[0] - shifts or left[0])], not explains(hold, left[0], there, right, 0)


def recorded(hold: Hold, trial: Trial, seed: int) -> Parts:
    """The parts that a trial runs through, beside its kinks; their values are kept."""
    hold.values = {}
    try:
        there, _ = beside(trial, seed)
        hold.recording = True
        outputs_at(there, there.probe)
    except WILL_NOT:
        return frozenset()
    finally:
        hold.recording = False
    return frozenset(hold.values)


def explains(hold: Hold, held: Parts, trial: Trial, names: list[str], seed: int) -> bool:
    """Whether these gradients are the forward's, of which these parts are held."""
    hold.active, hold.counts = held, Counter()
    try:
        return all(own_slope(trial, n, np.random.default_rng(seed)) for n in names)
    except WILL_NOT:
        return False
    finally:
        hold.active = frozenset()


def wrapped(source: Source) -> tuple[list[Part], list[ast.stmt]]:
    """The parts of the functions that go forward, and the source with a `Hold` around each."""
    nodes = copy.deepcopy(source.nodes)
    parts: list[Part] = []
    for function in (f for node in nodes for f in ast.walk(node) if isinstance(f, ast.FunctionDef)):
        if not leads_back(function):
            carried = carried_by_loops(function)
            for statement in function.body:
                _Wrap(parts, carried).visit(statement)
    return parts, [ast.fix_missing_locations(node) for node in nodes]


def carried_by_loops(function: ast.FunctionDef) -> set[str]:
    """What a loop of the function takes over from the step before: h, read before it is assigned, or hs[t - 1]."""
    found: set[str] = set()
    for loop in (n for n in ast.walk(function) if isinstance(n, ast.For | ast.While)):
        read: set[str] = set()
        for statement in loop.body:
            names = [n for n in ast.walk(statement) if isinstance(n, ast.Name)]
            read |= {n.id for n in names if isinstance(n.ctx, ast.Load)}
            found |= {n.id for n in names if isinstance(n.ctx, ast.Store)} & read
            former = [n for n in ast.walk(statement) if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.BinOp)]
            found |= {ast.unparse(n) for n in former}
        found |= last_of_lists(loop)
    return found


def last_of_lists(loop: ast.For | ast.While) -> set[str]:
    """The last entries of the lists that a loop appends to: h[-1], where h.append(...) ends the step."""
    calls = [n.func for n in ast.walk(loop) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    return {f"{ast.unparse(f.value)}[-1]" for f in calls if f.attr == "append"}


class _Wrap(ast.NodeTransformer):
    """Puts HOLD(i, part) in the place of each part: what is computed, not what is called or chosen by an index."""

    def __init__(self, parts: list[Part], carried: set[str]) -> None:
        self.parts, self.carried = parts, carried
        self.added: set[int] = set()

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.JoinedStr):
            return node  # a function inside is one of its own
        computed = isinstance(node, ast.BinOp | ast.Call | ast.UnaryOp | ast.Name | ast.Attribute | ast.Subscript)
        if not computed or not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            visited: ast.AST = super().visit(node)
            return visited
        assert isinstance(node, ast.expr)
        number = len(self.parts)
        self.parts.append(Part(copy.deepcopy(node), ast.unparse(node) in self.carried, id(node) in self.added))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.MatMult):
            self.added |= {id(n) for n in (node.left, node.right) if isinstance(n, ast.Name | ast.Attribute)}
        inner = super().visit(node)
        call = ast.Call(ast.Name(HOLD, ast.Load()), [ast.Constant(number), inner], [])
        return ast.copy_location(call, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.args = [self.inside(a) for a in node.args]
        if isinstance(node.func, ast.Attribute):  # x.mean(): x is a part, np is none
            node.func.value = self.inside(node.func.value)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        node.value = self.inside(node.value)
        return node

    def inside(self, node: ast.expr) -> Any:
        return node if isinstance(node, ast.Name) and node.id in ("np", "torch", "F", "math") else self.visit(node)
