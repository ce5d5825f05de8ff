"""The changes that a wrong backward may need: one at a time, each with the mistake that it undoes."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torchref.check.ops import Op

REDUCERS = ("sum", "mean", "max", "var", "std", "amax", "prod")
AXES = ("0", "1", "-1", "-2", "(0, 2, 3)", "(2, 3)", "(1, 2, 3)", "(0, 1)")
ORDER = {ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE), ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE)}
FLIPPED = {"convolve2d": "correlate2d", "correlate2d": "convolve2d", "convolve": "correlate", "correlate": "convolve"}
SOFTMAX = ("softmax", "softmin", "log_softmax", "cross_entropy", "scaled_dot_product_attention", "multi_head_attention")


@dataclass
class Edit:
    """One change of one node: `apply` makes it and returns what takes it back."""

    rank: int  # the likelier kinds first
    slug: str
    line: int
    before: str
    after: str
    apply: Callable[[], Callable[[], None]]


@dataclass
class Slot:
    """Where a node stands in its parent."""

    parent: ast.AST
    field: str
    index: int | None
    node: Any

    def put(self, new: Any) -> None:
        if self.index is None:
            setattr(self.parent, self.field, new)
        else:
            getattr(self.parent, self.field)[self.index] = new


def slots(root: ast.AST) -> Iterator[Slot]:
    for field, value in ast.iter_fields(root):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield Slot(root, field, index, child)
                yield from slots(child)


def edit(rank: int, slug: str, slot: Slot, new: Any) -> Edit:
    """The change that puts `new` in the place of the node in `slot`."""
    line = getattr(slot.node, "lineno", getattr(slot.parent, "lineno", 0))
    for part in ast.walk(new):
        if hasattr(part, "_attributes"):
            ast.copy_location(part, slot.node if hasattr(slot.node, "lineno") else slot.parent)
    before, after = (show(n) for n in (slot.node, new))

    def apply() -> Callable[[], None]:
        slot.put(new)
        return lambda: slot.put(slot.node)

    return Edit(rank, slug, line, before, after, apply)


def show(node: ast.AST) -> str:
    try:
        return ast.unparse(node)
    except (AttributeError, ValueError, RecursionError):
        return type(node).__name__


def edits(functions: list[ast.FunctionDef], op: Op, upstreams: set[str]) -> Iterator[Edit]:
    """Every change of every function, each node once."""
    seen: set[int] = set()
    names = atoms(functions)
    for nth, function in enumerate(functions):
        own = names.get(id(function), [])
        in_loop = {id(n) for loop in ast.walk(function) if isinstance(loop, ast.For) for n in ast.walk(loop)}
        indices = {id(n) for s in ast.walk(function) if isinstance(s, ast.Subscript) for n in ast.walk(s.slice)}
        for index, statement in enumerate(function.body):
            for slot in (Slot(function, "body", index, statement), *slots(statement)):
                if id(slot.node) in seen or plain(slot):
                    continue
                seen.add(id(slot.node))
                found = (*simple(slot, op, id(slot.node) in in_loop), *exchanges(slot, op, own, upstreams))
                for e in found if id(slot.node) not in indices else places(slot, op):
                    e.rank = 100 * e.rank + nth
                    yield e


def places(slot: Slot, op: Op) -> Iterator[Edit]:
    """Another step of a recurrence, another crop of a convolution."""
    slug = {"recurrent": "recurrence-truncated", "conv": "kernel-flipped"}.get(op.family)
    if slug and isinstance(slot.node, ast.BinOp) and isinstance(slot.node.op, ast.Add | ast.Sub):
        other = ast.Sub() if isinstance(slot.node.op, ast.Add) else ast.Add()
        yield edit(3, slug, slot, ast.BinOp(slot.node.left, other, slot.node.right))
        yield edit(3, slug, slot, slot.node.left)


def plain(slot: Slot) -> bool:
    """What cannot be the mistake: documentation, annotations, sizes of ranges."""
    return slot.field in ("annotation", "returns", "decorator_list") or isinstance(slot.node, ast.expr_context)


def simple(slot: Slot, op: Op, in_loop: bool) -> Iterator[Edit]:
    """Signs, axes, sums and means, transposes, assignments, flips, comparisons."""
    node = slot.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield edit(0, "wrong-sign", slot, ast.BinOp(node.left, other, node.right))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield edit(0, "wrong-sign", slot, node.operand)
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield edit(0, "wrong-sign", slot, ast.AugAssign(node.target, other, node.value))
    if isinstance(node, ast.expr) and not isinstance(node, ast.Constant | ast.Tuple | ast.List) and signed(slot):
        yield edit(1, "wrong-sign", slot, ast.UnaryOp(ast.USub(), node))
    if isinstance(node, ast.Call):
        yield from reductions(slot, op)
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield edit(2, "transposed", slot, node.value)
    elif isinstance(node, ast.Name | ast.Attribute) and multiplied(slot):
        yield edit(2, "transposed", slot, ast.Attribute(node, "T", ast.Load()))
    if isinstance(node, ast.Assign) and in_loop and isinstance(node.targets[0], ast.Name | ast.Subscript):
        slug = {"recurrent": "recurrence-truncated", "embedding": "repeated-index-overwritten"}.get(
            op.family, "overwritten-not-accumulated"
        )
        yield edit(2, slug, slot, ast.AugAssign(node.targets[0], ast.Add(), node.value))
    if isinstance(node, ast.Subscript) and "::-1" in show(node.slice).replace(" ", "") and op.family == "conv":
        yield edit(2, "kernel-flipped", slot, node.value)
    if isinstance(node, ast.Name) and node.id in FLIPPED and op.family == "conv":
        yield edit(2, "kernel-flipped", slot, ast.Name(FLIPPED[node.id], ast.Load()))
    if isinstance(node, ast.Attribute) and node.attr in FLIPPED and op.family == "conv":
        yield edit(2, "kernel-flipped", slot, ast.Attribute(node.value, FLIPPED[node.attr], ast.Load()))
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for order in ORDER.get(type(node.ops[0]), ()):
            slug = "pool-ties" if op.family == "pool" else "wrong-mask"
            yield edit(3, slug, slot, ast.Compare(node.left, [order()], node.comparators))


def reductions(slot: Slot, op: Op) -> Iterator[Edit]:
    """The other axes of a sum, and a sum for a mean."""
    node = slot.node
    called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if called not in REDUCERS:
        return
    module = isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "numpy", "torch")
    if called in ("sum", "mean"):
        new = copy.copy(node)
        new.func = ast.Attribute(node.func.value, "mean" if called == "sum" else "sum", ast.Load())
        slug = "wrong-reduction" if op.loss or op.family == "pool" else "mean-instead-of-sum"
        yield edit(2, slug, slot, new)
    first = 1 if module else 0
    key = next((k for k in node.keywords if k.arg in ("axis", "dim")), None)
    given = key.value if key else node.args[first] if len(node.args) > first else None
    if given is None:
        return
    slug = "softmax-wrong-axis" if op.name in SOFTMAX else "summed-over-wrong-axis"
    for axis in AXES:
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
            yield edit(1, slug, slot, new)


def signed(slot: Slot) -> bool:
    """Whether a sign may stand before the node: in a sum, in a call, on the right of an assignment."""
    parent = slot.parent
    if isinstance(parent, ast.BinOp):
        return slot.field == "left" and isinstance(parent.op, ast.Add | ast.Sub)
    if isinstance(parent, ast.Call):
        return slot.field == "args" and slot.index == 0 and not isinstance(slot.node, ast.Starred)
    return isinstance(parent, ast.Assign | ast.AugAssign) and slot.field == "value"


def multiplied(slot: Slot) -> bool:
    """Whether the node is an operand of a matrix product."""
    parent = slot.parent
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.MatMult)
    if isinstance(parent, ast.Call) and slot.field == "args" and isinstance(parent.func, ast.Attribute):
        return parent.func.attr in ("dot", "matmul", "mm")
    return False


def atoms(functions: list[ast.FunctionDef]) -> dict[int, list[str]]:
    """The variables and attributes that each function reads or sets, its own first: what a name may stand for."""
    every: list[str] = []
    own: dict[int, list[str]] = {}
    numbers: list[Any] = [n.value for f in functions for n in ast.walk(f) if isinstance(n, ast.Constant)]
    numbers = [v for v in numbers if type(v) in (int, float) and abs(v) not in (0, 1)]
    for function in functions:
        called = {id(n.func) for n in ast.walk(function) if isinstance(n, ast.Call)}
        bases = {id(n.value) for n in ast.walk(function) if isinstance(n, ast.Attribute)}
        found = [a.arg for a in function.args.args if a.arg not in ("self", "ctx")]
        for n in ast.walk(function):
            alone = isinstance(n, ast.Name) and id(n) not in bases
            of_self = isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "self"
            if (alone or of_self) and id(n) not in called:
                found.append(show(n))
        own[id(function)] = list(dict.fromkeys(found))
        every += found
    held = [e for e in dict.fromkeys(every) if e.startswith("self.") or e.isupper()]
    constants = [repr(n) for n in dict.fromkeys((2, *numbers))][:6]
    return {k: [*list(dict.fromkeys([*v, *held]))[:24], *constants] for k, v in own.items()}


def exchanges(slot: Slot, op: Op, names: list[str], upstreams: set[str]) -> Iterator[Edit]:
    """Another variable in the place of one, and a factor that is missing."""
    node = slot.node
    elsewhere = ("func", "targets", "target", "slice", "test", "iter", "keywords")
    if not isinstance(node, ast.expr) or slot.field in elsewhere:
        return
    context = getattr(node, "ctx", None)
    if isinstance(context, ast.Store | ast.Del) or isinstance(slot.parent, ast.keyword | ast.Attribute | ast.arguments):
        return
    if op.family == "recurrent":
        return  # which step a variable belongs to is not what another name says
    switches = {n for o in op.options if isinstance(o.default, bool) for n in (o.name, *o.aliases)}
    if isinstance(node, ast.Name | ast.Attribute) and show(node) in names:
        compared = isinstance(slot.parent, ast.Compare)
        for name in names:
            if name in switches or name.removeprefix("self.") in switches:
                continue
            if name != show(node) and not name[0].isdigit() and name not in upstreams and show(node) not in upstreams:
                slug = "wrong-mask" if compared else "derivative-at-wrong-tensor"
                yield edit(4, slug, slot, ast.parse(name, mode="eval").body)
    if not factor(slot):
        return
    for name in names:
        value = ast.parse(name, mode="eval").body
        slug = "upstream-not-multiplied" if name in upstreams else "local-derivative-missing"
        constant = ("gamma", "weight", "alpha", "beta", "scale")
        if isinstance(value, ast.Constant) or name.isupper() or name.rpartition(".")[2].lower() in constant:
            slug = "attention-scale" if op.family == "attention" else "scale-forgotten"
        if "mask" in name.lower() or "keep" in name.lower():
            slug = "wrong-mask"
        if op.name == "dropout":
            slug = "dropout-mask-or-scale"
        for operation in (ast.Mult(), ast.Div()):
            yield edit(5, slug, slot, ast.BinOp(node, operation, value))


def factor(slot: Slot) -> bool:
    """Whether a factor may be missing here: a term of a sum, the right of an assignment, what is returned."""
    parent = slot.parent
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.Add | ast.Sub)
    if isinstance(parent, ast.Assign | ast.AugAssign | ast.Return):
        return slot.field == "value" and not isinstance(slot.node, ast.Tuple)
    return isinstance(parent, ast.Tuple | ast.List) or (isinstance(parent, ast.Lambda) and slot.field == "body")
