"""The edits of a syntax tree: each changes one place, and has a slug and a sentence.

An edit of a formula of the textbook (`slips`) gives a wrong formula, and its slug says what is wrong. An edit of a
user's code (`repairs`) may give the right one, and its slug says what was wrong. Signs, axes, sums and means,
transposes, comparisons and exchanged variables undo themselves, so they serve both. What a slip leaves out a repair
adds, and the reverse.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torchref.check.operators import OPPOSITE, opposite, other_comparisons, untransposed, without_operand, without_sign
from torchref.check.ops.record import Op
from torchref.check.textbook.flow import writes

REDUCERS = ("sum", "mean", "max", "var", "std", "amax", "prod")
AXES = ("0", "1", "-1", "-2", "(0, 2, 3)", "(2, 3)", "(1, 2, 3)", "(0, 1)")
UNSIGNED = (ast.Constant, ast.Tuple, ast.List, ast.Compare)
COUNT = re.compile(r"(self\.)?([nmNM]|(n|num|batch)_\w+|\w+\.size)$")  # what a sum is divided by
STRENGTH = re.compile(r"\b(self\.)?(reg|lamb?d?a?|lmbda?|weight_decay|l2)\w*\b")  # of a penalty
FLIPPED = {"convolve2d": "correlate2d", "correlate2d": "convolve2d", "convolve": "correlate", "correlate": "convolve"}
SLUGS = {  # of each kind of edit; `Op.slugs` has those with another slug at an operation; "": there is no such edit
    "sign": "wrong-sign",
    "axis": "summed-over-wrong-axis",
    "mean": "mean-instead-of-sum",
    "transpose": "transposed",
    "assignment": "overwritten-not-accumulated",
    "comparison": "wrong-mask",
    "flip": "",
    "place": "",
    "name": "derivative-at-wrong-tensor",
    "factor": "local-derivative-missing",
    "term": "local-derivative-missing",
    "constant": "scale-forgotten",
    "mask": "wrong-mask",
    "upstream": "upstream-not-multiplied",
    "whole": "local-derivative-missing",
    "share": "derivative-at-wrong-tensor",
    "eps": "eps-or-bessel-misplaced",
    "branch": "wrong-mask",
    "function": "derivative-at-wrong-tensor",
    "sample": "overwritten-not-accumulated",
    "again": "overwritten-not-accumulated",
    "index": "repeated-index-overwritten",
    "key": "derivative-at-wrong-tensor",
    "derivative": "local-derivative-missing",
    "stale": "derivative-at-wrong-tensor",
    "pair": "transposed",
    "divisor": "wrong-reduction",
    "window": "kernel-flipped",
    "twice": "softmax-jacobian-twice",
}


@dataclass
class Edit:
    """One change of one node: `apply` makes it and returns the function that undoes it."""

    rank: int  # the likeliest kinds first
    slug: str
    line: int
    before: str
    after: str
    apply: Callable[[], Callable[[], None]]
    sentence: str = ""  # what is wrong where the edit is a slip
    wrong: str = ""  # of a slip: the wrong line
    right: str = ""  # of a slip: the right one


@dataclass
class Slot:
    """Where a node stands in its parent."""

    parent: ast.AST
    field: str
    index: int | None
    node: Any

    @property
    def current(self) -> Any:
        held = getattr(self.parent, self.field)
        return held if self.index is None else held[self.index]

    def put(self, new: Any) -> None:
        if self.index is None:
            setattr(self.parent, self.field, new)
        else:
            getattr(self.parent, self.field)[self.index] = new


def _slots(root: ast.AST) -> Iterator[Slot]:
    for field, value in ast.iter_fields(root):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield Slot(root, field, index, child)
                yield from _slots(child)


def _edit(rank: int, slug: str, slot: Slot, new: Any, sentence: str = "") -> Edit:
    """The change that replaces the node in `slot` by `new`."""
    line = getattr(slot.node, "lineno", getattr(slot.parent, "lineno", 0))
    for part in ast.walk(new):
        if hasattr(part, "_attributes"):
            ast.copy_location(part, slot.node if hasattr(slot.node, "lineno") else slot.parent)
    before, after = (show(n) for n in (slot.node, new))

    def apply() -> Callable[[], None]:
        slot.put(new)
        return lambda: slot.put(slot.node)

    return Edit(rank, slug, line, before, after, apply, sentence)


def show(node: ast.AST) -> str:
    """The node as code; its type's name if it cannot be written."""
    try:
        return ast.unparse(node)
    except (AttributeError, ValueError, RecursionError):
        return type(node).__name__


Slugs = Mapping[str, str]


def _slug_of(slugs: Slugs, kind: str) -> str:
    """The slug of a kind of edit at an operation; empty if the operation has no such edit."""
    return slugs.get(kind, SLUGS[kind])


def repairs(functions: list[ast.FunctionDef], op: Op, upstreams: set[str]) -> Iterator[Edit]:
    """Every edit of these functions that may undo a mistake."""
    yield from _added_everywhere(functions, op)
    seen: set[int] = set()
    names, counts_here, numbers = _atoms(functions), _sizes_in(functions), _floats_in(functions)
    for nth, function in enumerate(functions):
        own = names.get(id(function), [])
        in_loop = {id(n) for loop in ast.walk(function) if isinstance(loop, ast.For) for n in ast.walk(loop)}
        if op.own:
            counting = {
                n.id for loop in ast.walk(function) if isinstance(loop, ast.For) for n in _names_in(loop.target)
            }
            own = [n for n in own if n not in counting]
        steps = _loop_variables_at(function)
        assigned, keys, computed = _assigned_again(function), _keys_of(function), _computed_in(function)
        looked_up = _looked_up_in(function)
        indices = {id(n) for s in ast.walk(function) if isinstance(s, ast.Subscript) for n in ast.walk(s.slice)}
        for index, statement in enumerate(function.body):
            for slot in (Slot(function, "body", index, statement), *_slots(statement)):
                if id(slot.node) in seen or _plain(slot):
                    continue
                seen.add(id(slot.node))
                loops = steps.get(id(slot.node), ())
                within = (*_places(slot, op), *_stale(slot, op.slugs, loops))
                found = within if id(slot.node) in indices else _mends(slot, op, own, upstreams, in_loop)
                if op.own:
                    found = itertools.chain(
                        found,
                        _of_networks(slot, op.slugs, computed, assigned, keys),
                        _of_own(slot, op.slugs, looked_up, numbers, loops),
                    )
                for e in found:
                    if {e.before, e.after} <= counts_here:  # n for d: it divides by the wrong number
                        e.slug = _slug_of(op.slugs, "divisor")
                    e.rank = 100 * e.rank + nth
                    yield e
        for e in (*_negated(function, op.slugs), *_strided(function, op.slugs)):
            e.rank = 100 * e.rank + nth
            yield e


def _sizes_in(functions: list[ast.FunctionDef]) -> set[str]:
    """The variables that hold a length: N, D = x.shape; n = len(x); m = x.shape[1]."""
    found: set[str] = set()
    for n in (n for f in functions for n in ast.walk(f) if isinstance(n, ast.Assign)):
        value = n.value.value if isinstance(n.value, ast.Subscript) else n.value
        if show(value).endswith((".shape", ".size")) or show(value).startswith("len("):
            found |= {show(t) for target in n.targets for t in getattr(target, "elts", [target])}
    return found


def _negated(function: ast.FunctionDef, slugs: Slugs) -> Iterator[Edit]:
    """The sign of a variable wherever it is read: a rotation turned the other way."""
    found: dict[str, list[Slot]] = {}
    for slot in _slots(function):
        if isinstance(slot.node, ast.Name) and isinstance(slot.node.ctx, ast.Load):
            found.setdefault(slot.node.id, []).append(slot)
    stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for name, places in found.items():
        if name in stored and len(places) > 1:
            edits = [_edit(2, _slug_of(slugs, "sign"), s, ast.UnaryOp(ast.USub(), s.node)) for s in places]
            yield replace(edits[0], before=name, after=f"-{name}", apply=_all_of(edits))


def _strided(function: ast.FunctionDef, slugs: Slugs) -> Iterator[Edit]:
    """Windows that start at i where they start at i * stride: x[:, i * s : i * s + k] for x[:, i : i + k]."""
    counters = {v.id for n in ast.walk(function) if isinstance(n, ast.For) for v in _names_in(n.target)}
    found: list[Slot] = []
    for s in (n for n in ast.walk(function) if isinstance(n, ast.Slice)):
        lower, upper = s.lower, s.upper
        if not isinstance(lower, ast.Name) or lower.id not in counters or not isinstance(upper, ast.BinOp):
            continue
        if show(upper.left) == lower.id and isinstance(upper.op, ast.Add) and show(upper.right) != "1":
            found += [Slot(s, "lower", None, lower), Slot(upper, "left", None, upper.left)]
    steps = {show(n) for n in ast.walk(function) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript)}
    for step in sorted(n for n in steps if n in ("s", "S") or "stride" in n.lower()) if found else ():
        value = ast.parse(step, mode="eval").body
        edits = [_edit(3, _slug_of(slugs, "window"), s, ast.BinOp(s.node, ast.Mult(), value)) for s in found]
        yield replace(edits[0], apply=_all_of(edits))


def _all_of(edits: list[Edit]) -> Callable[[], Callable[[], None]]:
    """All of these changes at once."""

    def apply() -> Callable[[], None]:
        undo = [e.apply() for e in edits]

        def back() -> None:
            for one in reversed(undo):
                one()

        return back

    return apply


def _mends(slot: Slot, op: Op, names: list[str], upstreams: set[str], in_loop: set[int]) -> Iterator[Edit]:
    """What may undo a mistake at one node."""
    yield from _reversible(slot, op.slugs, AXES)
    yield from _turned(slot, op.slugs)
    yield from _pairs(slot, op.slugs)
    yield from _without_number(slot, op.slugs)
    if id(slot.node) in in_loop:
        yield from _accumulated(slot, op.slugs)
    yield from _exchanges(slot, op, names, upstreams)


def _of_networks(slot: Slot, slugs: Slugs, names: list[str], again: set[int], keys: list[str]) -> Iterator[Edit]:
    """Further edits, for a function that has forward and backward in one."""
    node = slot.node
    if id(node) in again:  # the second path to a weight overwrites the first
        target = node.targets[0]
        yield _edit(1, _slug_of(slugs, "again"), slot, ast.AugAssign(target, ast.Add(), node.value))
    if isinstance(node, ast.AugAssign | ast.Assign) and isinstance(slot.parent, ast.stmt | ast.mod):
        yield from _added_at(slot, slugs)
        yield from _divided(slot, slugs, names)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and isinstance(slot.parent, ast.Subscript):
        for key in keys:
            if key != node.value:
                yield _edit(4, _slug_of(slugs, "key"), slot, ast.Constant(key))
    if isinstance(node, ast.BinOp) and _multiplied(slot):  # the left or the right of a product of matrices
        for name in names:
            kind = "mask" if "mask" in name.lower() or "drop" in name.lower() else "factor"
            new = ast.BinOp(node, ast.Mult(), ast.parse(name, mode="eval").body)
            yield _edit(5, _slug_of(slugs, kind), slot, new)
    assigned = slot.field == "value" and isinstance(slot.parent, ast.Assign) and not isinstance(node, ast.Tuple)
    if assigned or (isinstance(node, ast.BinOp) and _multiplied(slot)):  # X.T @ (d2 @ W2.T)
        for name, how in itertools.product(names, ("({0} > 0)", "(1 - {0} ** 2)", "({0} * (1 - {0}))")):
            value = ast.parse(how.format(name), mode="eval").body
            yield _edit(3, _slug_of(slugs, "derivative"), slot, ast.BinOp(node, ast.Mult(), value))


def _of_own(
    slot: Slot, slugs: Slugs, looked_up: list[str], numbers: list[float], loops: Iterable[str]
) -> Iterator[Edit]:
    """Further edits, for code that is judged by its own forward: its variables, its numbers and its steps."""
    node, parent = slot.node, slot.parent
    if isinstance(parent, ast.Compare) and slot.field == "left" and isinstance(node, ast.Name):
        for name in looked_up:  # cache["A1"] > 0 for dA1 > 0
            yield _edit(3, _slug_of(slugs, "mask"), slot, ast.parse(name, mode="eval").body)
    if isinstance(node, ast.Constant) and type(node.value) is float:
        for value in numbers:  # the forward's 0.2 for 0.25
            if value != node.value:
                yield _edit(4, _slug_of(slugs, "constant"), slot, ast.Constant(value))
    yield from _once(slot, slugs)
    yield from _of_the_output(slot, slugs)
    yield from _added_to(slot, slugs)
    yield from _a_step_before(slot, slugs, loops)


def _of_the_output(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """a * (1 - a) for sigmoid_grad(a), where a is the activation and the function takes what was before it."""
    node = slot.node
    if isinstance(node, ast.Call) and len(node.args) == 1 and re.search("prime|deriv|grad", show(node.func)):
        for how in ("{0} * (1 - {0})", "1 - {0} ** 2"):
            value = ast.parse(f"({how.format(f'({show(node.args[0])})')})", mode="eval").body
            yield _edit(3, _slug_of(slugs, "stale"), slot, value)


def _once(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """What stands twice: f(f(a)), and (a - y) * sigmoid_prime(z) where a - y holds the derivative."""
    node = slot.node
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Call):
        inner = node.args[0]
        if show(inner.func) == show(node.func) and len(inner.args) == 1:
            new = ast.Call(node.func, [inner.args[0], *node.args[1:]], node.keywords)
            yield _edit(2, _slug_of(slugs, "stale"), slot, new)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        for kept, lost in ((node.left, node.right), (node.right, node.left)):
            if isinstance(lost, ast.Call) and re.search("prime|deriv|grad", show(lost.func)):
                yield _edit(3, _slug_of(slugs, "twice"), slot, kept)


def _added_to(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """self.grad = self.grad + g for self.grad = g, which loses what another use of the tensor has given."""
    node = slot.node
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    if isinstance(target, ast.Attribute) and target.attr in GRADIENTS and show(target) not in show(node.value):
        held = ast.parse(show(target), mode="eval").body
        yield _edit(1, _slug_of(slugs, "again"), slot, ast.Assign([target], ast.BinOp(held, ast.Add(), node.value)))


def _added_everywhere(functions: list[ast.FunctionDef], op: Op) -> Iterator[Edit]:
    """All of these at once, wherever one value's gradient is made of another's: each operator of an engine sets it."""
    every = functions if op.own else []
    slots = {id(s.node): s for f in every for s in _slots(f) if isinstance(s.node, ast.Assign)}
    found = [e for s in slots.values() if _HELD_GRADIENT.search(show(s.node.value)) for e in _added_to(s, op.slugs)]
    if len(found) > 1:
        yield replace(found[0], rank=100 * found[0].rank, apply=_all_of(found))


def _a_step_before(slot: Slot, slugs: Slugs, loops: Iterable[str]) -> Iterator[Edit]:
    """The state before the step for the one after it: h[t - 1] for h[t], and 0 where there is none."""
    node = slot.node
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return
    counted = [n for n in _names_in(node.slice) if n.id in loops]
    if len(counted) == 1:
        before = copy.deepcopy(node)
        for n in _names_in(before.slice):
            n.id = f"({n.id} - 1)" if n.id == counted[0].id else n.id
        new = ast.parse(f"({show(before)} if {counted[0].id} > 0 else 0 * {show(node)})", mode="eval").body
        yield _edit(4, _slug_of(slugs, "stale"), slot, new)


def _divided(slot: Slot, slugs: Slugs, names: list[str]) -> Iterator[Edit]:
    """A gradient divided as the loss is: dW /= n beside loss /= n."""
    node = slot.node
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div):
        for name in (n for n in names if n != show(node.target)):
            also = ast.parse(f"{name} = {name} / {show(node.value)}").body[0]
            e = _edit(2, _slug_of(slugs, "divisor"), slot, ast.If(ast.Constant(True), [node, also], []))
            e.after = f"{show(node)}; {show(also)}"
            yield e


def _added_at(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """np.add.at(a, index, b) for a[index] += b, which keeps one of the terms that meet at an index."""
    target = slot.node.target if isinstance(slot.node, ast.AugAssign) else slot.node.targets[0]
    if isinstance(target, ast.Subscript) and not isinstance(getattr(slot.node, "op", ast.Add()), ast.Sub):
        place = copy.deepcopy(target.value)
        call = ast.Call(ast.parse("np.add.at", mode="eval").body, [place, target.slice, slot.node.value], [])
        yield _edit(2, _slug_of(slugs, "index"), slot, ast.Expr(call))


def _assigned_again(function: ast.FunctionDef) -> set[int]:
    """The assignments to a place that has been assigned before, by id."""
    seen: dict[str, int] = {}
    found = set()
    for n in sorted((n for n in ast.walk(function) if isinstance(n, ast.Assign)), key=lambda n: n.lineno):
        place = show(n.targets[0])
        if len(n.targets) == 1 and place in seen and not isinstance(n.targets[0], ast.Tuple):
            found.add(id(n))
        seen[place] = n.lineno
    return found


def _names_in(target: ast.expr) -> list[ast.Name]:
    return [n for n in ast.walk(target) if isinstance(n, ast.Name)]


def _computed_in(function: ast.FunctionDef) -> list[str]:
    """The variables that a function assigns, and the attributes of self that it reads or assigns."""
    targets = [t for n in ast.walk(function) if isinstance(n, ast.Assign) for t in n.targets]
    parts = [p for t in targets for p in (t.elts if isinstance(t, ast.Tuple) else [t])]
    named = [show(p) for p in parts if isinstance(p, ast.Name | ast.Attribute)]
    read = [show(n) for n in ast.walk(function) if isinstance(n, ast.Attribute) and show(n.value) == "self"]
    return list(dict.fromkeys([*named, *read]))


def _looked_up_in(function: ast.FunctionDef) -> list[str]:
    """What a function reads under a key: cache["A1"]."""
    found = (n for n in ast.walk(function) if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Load))
    return list(dict.fromkeys(show(n) for n in found if isinstance(getattr(n.slice, "value", None), str)))


def _floats_in(functions: list[ast.FunctionDef]) -> list[float]:
    """The numbers that are neither whole nor such that they stand everywhere."""
    every = [n.value for f in functions for n in ast.walk(f) if isinstance(n, ast.Constant)]
    return list(dict.fromkeys(v for v in every if type(v) is float and v not in (0.0, 1.0)))


def _keys_of(function: ast.FunctionDef) -> list[str]:
    """The words in square brackets: the keys of a cache, of a dictionary of weights."""
    held = (n.slice for n in ast.walk(function) if isinstance(n, ast.Subscript))
    words = (n.value for n in held if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return list(dict.fromkeys(words))


def _places(slot: Slot, op: Op) -> Iterator[Edit]:
    """Another step of a recurrence, another crop of a convolution."""
    slug = _slug_of(op.slugs, "stale" if op.own else "place")
    if slug and isinstance(slot.node, ast.BinOp) and isinstance(slot.node.op, ast.Add | ast.Sub):
        yield _edit(3, slug, slot, opposite(slot.node))
        yield _edit(3, slug, slot, slot.node.left)


def _stale(slot: Slot, slugs: Slugs, loops: Iterable[str]) -> Iterator[Edit]:
    """The present step's for that of one step in all of them: caches[t] for caches[0]."""
    node = slot.node
    if isinstance(node, ast.Constant) and type(node.value) is int and isinstance(slot.parent, ast.Subscript):
        for name in loops:
            yield _edit(2, _slug_of(slugs, "stale"), slot, ast.Name(name, ast.Load()))


def _loop_variables_at(function: ast.FunctionDef) -> dict[int, list[str]]:
    """The variables of the loops that a node stands in, by its id."""
    found: dict[int, list[str]] = {}
    for loop in (n for n in ast.walk(function) if isinstance(n, ast.For)):
        for n in (n for s in loop.body for n in ast.walk(s)):
            found.setdefault(id(n), []).extend(v.id for v in _names_in(loop.target))
    return found


def _plain(slot: Slot) -> bool:
    """What cannot be the mistake: documentation, annotations, sizes of ranges."""
    return slot.field in ("annotation", "returns", "decorator_list") or isinstance(slot.node, ast.expr_context)


def _reversible(slot: Slot, slugs: Slugs, axes: tuple[str, ...]) -> Iterator[Edit]:
    """The edits that undo themselves: signs, axes, sums and means, transposes, flips, comparisons."""
    yield from _signs(slot, slugs)
    if isinstance(slot.node, ast.Call):
        yield from _reductions(slot, slugs, axes)
    yield from _transposes(slot, slugs)
    yield from _flips(slot, slugs)
    yield from _comparisons(slot, slugs)


def _signs(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    node, slug = slot.node, _slug_of(slugs, "sign")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield _edit(0, slug, slot, opposite(node), f"The sign of `{show(node.right)}` is wrong.")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and (bare := without_sign(node)):
        yield _edit(0, slug, slot, bare, f"The minus before `{show(bare)}` is lost.")
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        new = ast.AugAssign(node.target, OPPOSITE[type(node.op)](), node.value)
        yield _edit(0, slug, slot, new, f"The sign of what is added to `{show(node.target)}` is wrong.")
    if isinstance(node, ast.expr) and not isinstance(node, UNSIGNED) and _signed(slot):
        yield _edit(1, slug, slot, ast.UnaryOp(ast.USub(), node), f"The sign of `{show(node)}` is wrong.")


def _turned(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """b - a for a - b, where no sign may stand before the whole."""
    node = slot.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and not _signed(slot):
        yield _edit(1, _slug_of(slugs, "sign"), slot, ast.BinOp(node.right, ast.Sub(), node.left))


def _pairs(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """Row and column exchanged where an index is taken apart: col, row = np.unravel_index(...)."""
    node, parent = slot.node, slot.parent
    if (
        isinstance(parent, ast.Assign)
        and slot.field == "targets"
        and isinstance(node, ast.Tuple)
        and len(node.elts) == 2
    ):
        called = show(parent.value.func) if isinstance(parent.value, ast.Call) else ""
        if called.endswith(("unravel_index", "divmod", "where", "nonzero")):
            yield _edit(1, _slug_of(slugs, "pair"), slot, ast.Tuple(node.elts[::-1], ast.Store()))


def _transposes(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    node, slug = slot.node, _slug_of(slugs, "transpose")
    if (bare := untransposed(node)) is not None:
        yield _edit(2, slug, slot, bare, f"`{show(bare)}` must be transposed here.")
    elif isinstance(node, ast.Name | ast.Attribute) and _multiplied(slot):
        new = ast.Attribute(node, "T", ast.Load())
        yield _edit(2, slug, slot, new, f"`{show(node)}` must not be transposed here.")


def _without_number(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """g for 0.5 * g and g / 2: a constant that the formula has not."""
    node = slot.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        for number, left in ((node.right, node.left), (node.left, node.right)):
            divides = isinstance(node.op, ast.Div) and number is node.left
            if isinstance(number, ast.Constant) and not divides:
                yield _edit(3, _slug_of(slugs, "constant"), slot, left)


def _accumulated(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """+= for = in a loop."""
    node = slot.node
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name | ast.Subscript):
        yield _edit(2, _slug_of(slugs, "assignment"), slot, ast.AugAssign(node.targets[0], ast.Add(), node.value))


def _flips(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    node, slug = slot.node, _slug_of(slugs, "flip")
    if not slug:
        return
    if isinstance(node, ast.Subscript) and "::-1" in show(node.slice).replace(" ", ""):
        yield _edit(2, slug, slot, node.value, f"`{show(node.value)}` must be turned round here.")
    if isinstance(node, ast.Name) and node.id in FLIPPED:
        yield _edit(2, slug, slot, ast.Name(FLIPPED[node.id], ast.Load()))
    if isinstance(node, ast.Attribute) and node.attr in FLIPPED:
        yield _edit(2, slug, slot, ast.Attribute(node.value, FLIPPED[node.attr], ast.Load()))


def _comparisons(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    for new in other_comparisons(slot.node):
        sentence = f"`{show(new)}` stands where `{show(slot.node)}` belongs."
        yield _edit(3, _slug_of(slugs, "comparison"), slot, new, sentence)


def _reductions(slot: Slot, slugs: Slugs, axes: tuple[str, ...]) -> Iterator[Edit]:
    """A sum for a mean, and the other axes of a sum."""
    node = slot.node
    called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if called not in REDUCERS:
        return
    module = isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "numpy", "torch")
    if called in ("sum", "mean"):
        new = copy.copy(node)
        other = "mean" if called == "sum" else "sum"
        new.func = ast.Attribute(node.func.value, other, ast.Load())
        yield _edit(
            2, _slug_of(slugs, "mean"), slot, new, f"A {other} stands where the {called} `{show(node)}` belongs."
        )
    first = 1 if module else 0
    key = next((k for k in node.keywords if k.arg in ("axis", "dim")), None)
    given = key.value if key else node.args[first] if len(node.args) > first else None
    if given is None:
        return
    sentence = f"`{show(node)}` runs over the wrong axis."
    for axis in axes:
        if axis == show(given):
            continue
        value = ast.parse(axis, mode="eval").body
        for keep in (False, True):
            new = copy.copy(node)
            rest = [k for k in node.keywords if k.arg not in ("axis", "dim") and not (keep and k.arg == "keepdims")]
            new.args = list(node.args[:first])
            new.keywords = [*rest, ast.keyword("axis" if not key else key.arg, value)]
            if keep:
                new.keywords.append(ast.keyword("keepdims", ast.Constant(True)))
            yield _edit(1, _slug_of(slugs, "axis"), slot, new, sentence)


def _signed(slot: Slot) -> bool:
    """Whether a sign may stand before the node: in a sum, in a call, on the right of an assignment."""
    parent = slot.parent
    if isinstance(parent, ast.BinOp):
        return slot.field == "left" and isinstance(parent.op, ast.Add | ast.Sub)
    if isinstance(parent, ast.Call):
        first = slot.field == "args" and slot.index == 0 and not isinstance(slot.node, ast.Starred)
        return first and not show(parent.func).endswith(("where", ".at"))  # a condition, a place to add to
    return isinstance(parent, ast.Assign | ast.AugAssign) and slot.field == "value"


def _multiplied(slot: Slot) -> bool:
    """Whether the node is an operand of a matrix product."""
    parent = slot.parent
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.MatMult)
    if isinstance(parent, ast.Call) and slot.field == "args" and isinstance(parent.func, ast.Attribute):
        return parent.func.attr in ("dot", "matmul", "mm")
    return False


def _atoms(functions: list[ast.FunctionDef]) -> dict[int, list[str]]:
    """The variables, attributes and numbers that may replace a name in each function, its own first."""
    every: list[str] = []
    own: dict[int, list[str]] = {}
    numbers: list[Any] = [n.value for f in functions for n in ast.walk(f) if isinstance(n, ast.Constant)]
    numbers = [v for v in numbers if type(v) in (int, float) and abs(v) not in (0, 1)]
    for function in functions:
        called = {id(n.func) for n in ast.walk(function) if isinstance(n, ast.Call)}
        bases = {id(n.value) for n in ast.walk(function) if isinstance(n, ast.Attribute)}
        found = [a.arg for a in function.args.args if a.arg not in ("self", "ctx")]
        for n in ast.walk(function):
            if isinstance(n, ast.Name) and id(n) not in bases and id(n) not in called:
                found.append(n.id)
            if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and id(n) not in called:
                found += [f"{n.value.id}.{held}" for held in HELD if n.attr in HELD]
                found += [show(n)] * (n.value.id == "self")
        own[id(function)] = list(dict.fromkeys(found))
        every += found
    everywhere = [e for e in dict.fromkeys(every) if e.startswith("self.") or e.isupper()]
    constants = [repr(n) for n in dict.fromkeys((2, *numbers))][:6]
    return {k: [*list(dict.fromkeys([*v, *everywhere]))[:24], *constants] for k, v in own.items()}


GRADIENTS = ("grad", "g", "gradient", "_grad", "adjoint")  # what the gradient of a value of an engine is called
_HELD_GRADIENT = re.compile(rf"\.({'|'.join(GRADIENTS)})\b")
HELD = ("data", "grad")  # of a value of an engine: other.data, out.grad
ELSEWHERE = ("func", "targets", "target", "slice", "test", "iter", "keywords")


def _exchanges(slot: Slot, op: Op, names: list[str], upstreams: set[str]) -> Iterator[Edit]:
    """Another variable instead of one, and a missing factor."""
    if not isinstance(slot.node, ast.expr) or slot.field in ELSEWHERE or not _slug_of(op.slugs, "name"):
        return
    stored = isinstance(getattr(slot.node, "ctx", None), ast.Store | ast.Del)
    of_another = isinstance(slot.parent, ast.Attribute) and slot.parent.attr != "T"
    if stored or of_another or isinstance(slot.parent, ast.keyword | ast.arguments):
        return
    yield from _other_variables(slot, op, names, upstreams)
    if _factor(slot):
        yield from _factors(slot, op, names, upstreams)


def _other_variables(slot: Slot, op: Op, names: list[str], upstreams: set[str]) -> Iterator[Edit]:
    """Another variable instead of one. Switches and upstream gradients are never exchanged."""
    old = show(slot.node)
    if not isinstance(slot.node, ast.Name | ast.Attribute) or old not in names or old in upstreams:
        return
    switches = {n for o in op.options if isinstance(o.default, bool) for n in (o.name, *o.aliases)}
    slug = SLUGS["comparison"] if isinstance(slot.parent, ast.Compare) else _slug_of(op.slugs, "name")
    for name in names:
        if {name, name.removeprefix("self.")} & switches or name[0].isdigit() or name == old or name in upstreams:
            continue
        yield _edit(4, slug, slot, ast.parse(name, mode="eval").body)


def _factors(slot: Slot, op: Op, names: list[str], upstreams: set[str]) -> Iterator[Edit]:
    """A missing factor or divisor."""
    for name in names:
        value = ast.parse(name, mode="eval").body
        slug = _slug_of(op.slugs, "upstream" if name in upstreams else "factor")
        constant = ("gamma", "weight", "alpha", "beta", "scale")
        if isinstance(value, ast.Constant) or name.isupper() or name.rpartition(".")[2].lower() in constant:
            slug = _slug_of(op.slugs, "constant")
        if "mask" in name.lower() or "keep" in name.lower():
            slug = _slug_of(op.slugs, "mask")
        for operation in (ast.Mult(), ast.Div()):
            divides = isinstance(operation, ast.Div) and COUNT.match(name)
            kind = "constant" if divides and STRENGTH.search(show(slot.node)) else "divisor" if divides else ""
            yield _edit(5, _slug_of(op.slugs, kind) if kind else slug, slot, ast.BinOp(slot.node, operation, value))


def _factor(slot: Slot) -> bool:
    """Whether a factor may be missing here: a term of a sum, the right of an assignment, what is returned."""
    parent = slot.parent
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.Add | ast.Sub)
    if isinstance(parent, ast.Assign | ast.AugAssign | ast.Return):
        return slot.field == "value" and not isinstance(slot.node, ast.Tuple)
    return isinstance(parent, ast.Tuple | ast.List) or (isinstance(parent, ast.Lambda) and slot.field == "body")


@dataclass(frozen=True)
class Scope:
    """The variables of a formula that a slip may exchange."""

    shapes: dict[str, tuple[int, ...]]  # of those that are arrays
    fixed: frozenset[str]  # those that do not depend on the data: parameters, options, sizes
    upstream: frozenset[str]
    moved: frozenset[str]  # those that depend on the upstream gradient
    axes: tuple[str, ...]  # what a sum may run over


def slips(body: list[ast.stmt], slugs: Slugs, whole: Scope) -> Iterator[Edit]:
    """Every edit that makes a formula wrong, with the wrong line and the right one."""
    every = list(lines(body))
    for i, (statement, slot) in enumerate(every):
        if not writes(statement) & whole.shapes.keys():
            continue
        later = {name for s, _ in every[i:] for name in writes(s)} | _loop_variables(body, statement)
        scope = replace(whole, shapes={n: s for n, s in whole.shapes.items() if n not in later})
        held, parts = _in_brackets(statement), [slot] if isinstance(statement, ast.AugAssign) else []
        compared = _in_comparisons(statement)
        for part in (*parts, *_slots(statement)):
            if isinstance(part.node, ast.expr | ast.AugAssign) and id(part.node) not in held:
                own = {**slugs, "name": _slug_of(slugs, "comparison")} if id(part.node) in compared else slugs
                found = (
                    *_reversible(part, own, scope.axes),
                    *_drops(part, own, scope),
                    *_mistaken(part, own, scope),
                    *_branches(part, own),
                    *_functions(part, own),
                    *_samples(part, own),
                )
                yield from _with_lines(found, slot)
        yield from _everywhere([statement], slugs, scope)
    yield from _everywhere([s for s, _ in every], slugs, whole)


def _loop_variables(body: list[ast.stmt], outside: ast.stmt) -> set[str]:
    """The variables of the loops that `outside` does not stand in."""
    loops = [n for s in body for n in ast.walk(s) if isinstance(n, ast.For) and outside not in ast.walk(n)]
    return {n.id for loop in loops for n in ast.walk(loop.target) if isinstance(n, ast.Name)}


def forward_slips(body: list[ast.stmt], slugs: Slugs) -> Iterator[Edit]:
    """The edits of a forward that a verdict can name: eps and Bessel's correction in the wrong place."""
    for statement, slot in lines(body):
        for part in _slots(statement):
            yield from _with_lines((*_epsilons(part, slugs), *_bessel(part, slugs)), slot)


def _with_lines(found: Iterable[Edit], line: Slot) -> Iterator[Edit]:
    """The edits of a line, each with the right line and the wrong one."""
    right = show(line.node)
    for e in found:
        if not e.slug:  # the operation has no such edit
            continue
        undo = e.apply()
        e.wrong, e.right = show(line.current), right
        undo()
        yield e


def lines(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, Slot]]:
    """The lines that compute something, those in loops and branches among them."""
    for slot in _statements(ast.Module(body, [])):
        if isinstance(slot.node, ast.Assign | ast.AugAssign) or (
            isinstance(slot.node, ast.Expr) and isinstance(slot.node.value, ast.Call)
        ):
            yield slot.node, slot


def _statements(root: ast.AST) -> Iterator[Slot]:
    """Where the _statements stand, those in loops and branches among them."""
    for field in ("body", "orelse"):
        for index, child in enumerate(getattr(root, field, ())):
            yield Slot(root, field, index, child)
            yield from _statements(child)


def _in_brackets(statement: ast.stmt) -> set[int]:
    """The nodes that stand in square brackets, among the axes of a sum or the numbers of a shape, by id."""
    held: list[ast.AST] = [n.slice for n in ast.walk(statement) if isinstance(n, ast.Subscript)]
    held += [k.value for n in ast.walk(statement) if isinstance(n, ast.Call) for k in n.keywords]
    for n in ast.walk(statement):
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in (*REDUCERS, "reshape"):
            held += n.args
    return {id(part) for root in held for part in ast.walk(root)}


def _in_comparisons(statement: ast.stmt) -> set[int]:
    """The nodes of comparisons, by id."""
    held = [n for n in ast.walk(statement) if isinstance(n, ast.Compare)]
    return {id(part) for root in held for part in ast.walk(root)}


def _everywhere(_statements: list[ast.stmt], slugs: Slugs, scope: Scope) -> Iterator[Edit]:
    """One variable exchanged for another everywhere: in a line that has it twice, or in several lines."""
    held = {part for s in _statements for part in _in_brackets(s)}
    compared = {part for s in _statements for part in _in_comparisons(s)}
    found: dict[str, list[tuple[ast.stmt, ast.Name]]] = {}
    for s in _statements:
        for n in ast.walk(s):
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and id(n) not in held:
                found.setdefault(n.id, []).append((s, n))
    bound = {name for s in _statements for name in writes(s)}
    for name, places in found.items():
        changed = list({id(s): s for s, _ in places}.values())
        if name not in scope.shapes or name in bound or (len(changed) == 1) != (len(_statements) == 1):
            continue
        nodes = [n for _, n in places]
        for other in sorted(scope.shapes.keys() - bound - {name}) if len(nodes) > 1 else ():
            if scope.shapes[other] == scope.shapes[name]:
                masks = {id(n) for n in nodes} <= compared
                slug = _slug_of(slugs, "comparison" if masks else "name")
                if name in scope.moved and other not in scope.moved:
                    slug = _slug_of(slugs, "upstream")
                if slug:
                    yield _renamed(changed, nodes, other, slug)


def _renamed(_statements: list[ast.stmt], nodes: list[ast.Name], other: str, slug: str) -> Edit:
    """The change that renames all these nodes to `other`."""
    name, right = nodes[0].id, show(_statements[0])

    def apply() -> Callable[[], None]:
        for n in nodes:
            n.id = other

        def undo() -> None:
            for n in nodes:
                n.id = name

        return undo

    undo = apply()
    wrong = "; ".join(show(s) for s in _statements)
    undo()
    sentence = f"`{other}` stands where `{name}` belongs."
    return Edit(4, slug, nodes[0].lineno, name, other, apply, sentence, wrong, right)


def _branches(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """np.where with 0 for a branch, with one branch everywhere, with both exchanged."""
    node, slug = slot.node, _slug_of(slugs, "branch")
    if not isinstance(node, ast.Call) or show(node.func) != "np.where" or len(node.args) != 3 or not slug:
        return
    test, first, second = node.args
    for i, old in ((1, first), (2, second)):
        if show(old) != "0":
            new = [ast.Constant(0) if i == k else a for k, a in enumerate(node.args)]
            sentence = f"0 stands where `{show(old)}` belongs."
            yield _edit(3, slug, slot, ast.Call(node.func, new, []), sentence)
    for kept in (first, second):
        yield _edit(3, slug, slot, kept, f"`{show(kept)}` stands everywhere, whatever `{show(test)}` says.")
    sentence = f"`{show(first)}` and `{show(second)}` are exchanged."
    yield _edit(3, slug, slot, ast.Call(node.func, [test, second, first], []), sentence)


def _functions(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """x for exp(x): a function of one argument is forgotten."""
    node, slug = slot.node, _slug_of(slugs, "function")
    if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords or not slug:
        return
    if isinstance(getattr(np, show(node.func).removeprefix("np."), None), np.ufunc):
        yield _edit(5, slug, slot, node.args[0], f"`{show(node.args[0])}` stands where `{show(node)}` belongs.")


def _samples(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """The first or the last sample alone, for a sum over the batch."""
    node, slug = slot.node, _slug_of(slugs, "sample")
    if (
        not isinstance(node, ast.Call)
        or not isinstance(node.func, ast.Attribute)
        or node.func.attr != "sum"
        or not slug
    ):
        return
    if [show(a) for a in node.args] == ["0"] and not node.keywords:
        for index, word in ((-1, "last"), (0, "first")):
            new = ast.Subscript(node.func.value, ast.Constant(index), ast.Load())
            yield _edit(3, slug, slot, new, f"Only the {word} sample reaches `{show(node)}`.")


def _drops(slot: Slot, slugs: Slugs, scope: Scope) -> Iterator[Edit]:
    """An operand is left out, or = stands for +=."""
    node = slot.node
    if isinstance(node, ast.AugAssign):
        sentence = f"`{show(node.target)}` is overwritten where it must be added to."
        yield _edit(2, _slug_of(slugs, "assignment"), slot, ast.Assign([node.target], node.value), sentence)
    if not isinstance(node, ast.BinOp):
        return
    for kept, lost in without_operand(node):
        names = {n.id for n in ast.walk(lost) if isinstance(n, ast.Name)} & (scope.fixed | scope.shapes.keys())
        if isinstance(node.op, ast.Add | ast.Sub):
            kind, word = "term", "term"
        elif isinstance(node.op, ast.BitAnd | ast.BitOr):
            kind, word = "mask", "condition"
        elif isinstance(node.op, ast.Pow):
            kind, word = "factor", "exponent"
        else:
            moving = "upstream" if names <= scope.upstream else "factor"
            kind = "mean" if _counts(lost) else "constant" if names <= scope.fixed else moving
            word = "divisor" if isinstance(node.op, ast.Div) else "factor"
        yield _edit(3, _slug_of(slugs, kind), slot, kept, f"The {word} `{show(lost)}` is missing.")


def _counts(node: ast.AST) -> bool:
    """Whether it is a number of entries, x.size, x.shape[1], len(x), n, or a sum of weights, total."""
    sized = node.value if isinstance(node, ast.Subscript) else node
    return show(node) in ("n", "total") or show(node).startswith("len(") or show(sized).endswith((".size", ".shape"))


def _mistaken(slot: Slot, slugs: Slugs, scope: Scope) -> Iterator[Edit]:
    """Another variable of the same shape, an extra factor, half or twice a term."""
    node = slot.node
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in scope.shapes:
        for name, shape in scope.shapes.items():
            if name != node.id and shape == scope.shapes[node.id]:
                sentence = f"`{name}` stands where `{node.id}` belongs."
                lost = node.id in scope.moved and name not in scope.moved
                whole = node.id in scope.moved and name in scope.upstream  # the upstream gradient, not its share
                constants = {node.id, name} <= scope.fixed
                kind = "upstream" if lost else "share" if whole else "constant" if constants else "name"
                slug = _slug_of(slugs, kind)
                if slug:
                    rank = (
                        6 if {node.id, name} <= scope.moved else 4
                    )  # dx_hat for dy: a factor too much, in other words
                    yield _edit(rank, slug, slot, ast.Name(name, ast.Load()), sentence)
    if not isinstance(node, ast.expr) or isinstance(getattr(node, "ctx", None), ast.Store):
        return
    if not _factor(slot) and not _branch(slot):
        return
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    assigned = isinstance(slot.parent, ast.Assign)
    counted = _slug_of(slugs, "whole" if assigned else "constant" if names and names <= scope.fixed else "factor")
    for value in (2, 0.5):
        sentence = f"`{show(node)}` counts {'twice' if value == 2 else 'half'}."
        yield _edit(5, counted, slot, ast.BinOp(node, ast.Mult(), ast.Constant(value)), sentence)
    for name in sorted(scope.fixed & scope.shapes.keys()):
        for operation, word in ((ast.Mult(), "factor"), (ast.Div(), "divisor")):
            new = ast.BinOp(node, operation, ast.Name(name, ast.Load()))
            yield _edit(5, _slug_of(slugs, "constant"), slot, new, f"The {word} `{name}` is too much.")


def _branch(slot: Slot) -> bool:
    """Whether the node is a branch of np.where."""
    parent = slot.parent
    return isinstance(parent, ast.Call) and show(parent.func) == "np.where" and slot.index in (1, 2)


def _epsilons(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """eps outside the root, lost, or squared."""
    node, slug = slot.node, _slug_of(slugs, "eps")
    if not isinstance(node, ast.Call) or not show(node.func).endswith("sqrt") or not slug:
        return
    inside = node.args[0]
    if isinstance(inside, ast.BinOp) and isinstance(inside.op, ast.Add) and show(inside.right) == "eps":
        bare = ast.Call(node.func, [inside.left], [])
        square = ast.BinOp(inside.right, ast.Pow(), ast.Constant(2))
        squared = ast.Call(node.func, [ast.BinOp(inside.left, ast.Add(), square)], [])
        yield _edit(6, slug, slot, ast.BinOp(bare, ast.Add(), inside.right), "eps is added outside the root.")
        yield _edit(6, slug, slot, bare, "eps is forgotten.")
        yield _edit(6, slug, slot, squared, "eps stands squared under the root.")


def _bessel(slot: Slot, slugs: Slugs) -> Iterator[Edit]:
    """The mean of squares over n - 1."""
    node, slug = slot.node, _slug_of(slugs, "eps")
    if (
        not isinstance(node, ast.Call)
        or not isinstance(node.func, ast.Attribute)
        or node.func.attr != "mean"
        or not slug
    ):
        return
    if isinstance(node.func.value, ast.BinOp) and isinstance(node.func.value.op, ast.Pow):
        total = ast.Call(ast.Attribute(node.func.value, "sum", ast.Load()), node.args, node.keywords)
        count = ast.parse(f"({show(node.func.value)}).size // {show(total)}.size - 1", mode="eval").body
        sentence = "The variance divides by n - 1, with Bessel's correction; here it is the biased one, by n."
        yield _edit(6, slug, slot, ast.BinOp(total, ast.Div(), count), sentence)
