"""Mutation testing: every `backward` is changed a little, in every way that a slip would, and the tests must notice.

A mutant is one change of the syntax tree of a function's `backward`: an operator, a comparison or a condition turned
round, a constant or an axis moved by one, a term or factor dropped, a factor 1 + 1e-6 put in, a name exchanged for
another, arguments exchanged, a statement left out. It is compiled in memory and takes the place of the function's code
while its context lasts; nothing on disk changes. DeMillo, Lipton & Sayward 1978.

What a slip makes of one node is written in `torchref.check.operators`, which the checker's edits share. Here stands
what only a test must notice: a student would not do it, or no sentence could say what is wrong.

One slip more is planted in every function, with a backward or without: the memory order of a new array forgotten.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from torchref.check.operators import (
    CONTRARY,
    OPPOSITE,
    opposite,
    other_comparisons,
    untransposed,
    without_operand,
    without_sign,
)

SLIGHT = 1 + 1e-6
# Changes that no test can notice are not made: arguments of what commutes exchanged, arrays of zeros or without values
# scaled, zip's strict, a reshape's -1 replaced by another negative number.
COMMUTATIVE = {"swapaxes", "maximum", "minimum", "max", "min", "logaddexp", "plus", "channel_dot", "row_dot"}
WITHOUT_VALUE = {"zeros_like", "empty_like"}


@dataclass(frozen=True)
class Owner:
    """A function or method that holds a `backward`, or states the memory order of an array."""

    module: str  # for instance "torchref.nn.linear"
    name: str  # "linear", or "ReLU.forward"
    lines: range  # of the whole function in its file


@dataclass(frozen=True)
class Mutant:
    """One change, as it reads in the source, and the function's code with it."""

    owner: Owner
    before: str  # the statement
    after: str
    code: CodeType

    @property
    def name(self) -> str:
        return f"{self.owner.module.removeprefix('torchref.nn.')}.{self.owner.name}: {self.before} -> {self.after}"


def owners(module: str) -> list[Owner]:
    """The functions of a module that hold a `backward`, methods among them."""
    return _owners(module, _backwards)


def mutants(owner: Owner) -> Iterator[Mutant]:
    """Every mutant of a function's `backward`."""
    return _mutants(owner, lambda function: (c for backward in _backwards(function) for c in _changes(backward)))


def ordered(module: str) -> list[Owner]:
    """The functions of a module, methods among them, that state the memory order of an array they make."""
    return _owners(module, lambda function: list(_orders(function)))


def forgotten_orders(owner: Owner) -> Iterator[Mutant]:
    """Every mutant of a function that makes an array without saying in which order its memory goes."""
    return _mutants(owner, _orders)


def _owners(module: str, holds: Callable[[ast.FunctionDef], list[Any]]) -> list[Owner]:
    found = ((name, f) for name, f, _ in _functions(_tree(module)) if holds(f))
    return [Owner(module, name, range(f.lineno, (f.end_lineno or 0) + 1)) for name, f in found]


def _mutants(owner: Owner, changes: Callable[[ast.FunctionDef], Iterable[Change]]) -> Iterator[Mutant]:
    found = {name: (function, scope) for name, function, scope in _functions(_tree(owner.module))}
    function, scope = found[owner.name]
    tree = ast.Module([scope], [])
    if isinstance(scope, ast.ClassDef):  # the method alone, in its class for super()
        scope.body, scope.decorator_list = [function], []
    original = ast.unparse(tree)
    seen = {original}
    for statement, parent, field, index, new in changes(function):
        before = ast.unparse(statement)
        old = _put(parent, field, index, new)
        try:
            ast.fix_missing_locations(tree)
            text = ast.unparse(tree)
            if text in seen:  # two ways to the same change
                continue
            seen.add(text)
            after = "(nothing)" if isinstance(new, ast.Pass) else ast.unparse(statement)
            try:
                code = compile(tree, f"<mutant of {owner.name}>", "exec", _FUTURE, dont_inherit=True)
            except (SyntaxError, ValueError):  # no program: a target that cannot be assigned to
                continue
            replacement = _code_of(code, function.name)
        finally:
            _put(parent, field, index, old)
        yield Mutant(owner, " ".join(before.split()), " ".join(after.split()), replacement)


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Within this context the function is the mutant."""
    function = _live(mutant.owner)
    kept = function.__code__
    function.__code__ = mutant.code
    try:
        yield
    finally:
        function.__code__ = kept


def _live(owner: Owner) -> FunctionType:
    thing: Any = importlib.import_module(owner.module)
    for part in owner.name.split("."):
        thing = inspect.getattr_static(thing, part)
    thing = inspect.unwrap(thing)  # a decorator calls it by a name of its own
    if not isinstance(thing, FunctionType):
        raise TypeError(f"{owner.module}.{owner.name} is a {type(thing).__name__}, not a plain function")
    return thing


_FUTURE = 0x1000000  # from __future__ import annotations: what the files themselves say


def _tree(module: str) -> ast.Module:
    path = importlib.import_module(module).__file__
    assert path is not None
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef, ast.stmt]]:
    """(name, function, what stands at the top level) for functions and methods."""
    for top in tree.body:
        if isinstance(top, ast.FunctionDef):
            yield top.name, top, top
        if isinstance(top, ast.ClassDef):
            for method in list(top.body):
                if isinstance(method, ast.FunctionDef):
                    yield f"{top.name}.{method.name}", method, top


def _backwards(function: ast.FunctionDef) -> list[ast.FunctionDef]:
    """The backwards in a function, the outer ones alone."""
    found = []
    places = list(function.body)
    for node in places:
        if isinstance(node, ast.FunctionDef) and "backward" in node.name:
            found.append(node)
        else:
            places.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))
    return found


def _code_of(code: CodeType, name: str) -> CodeType:
    """The code of the function `name`, found in that of the module or class around it."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_name == name:
                return constant
            if "<" not in constant.co_name:
                return _code_of(constant, name)
    raise LookupError(name)


def _put(parent: ast.AST, field: str, index: int | None, new: Any) -> Any:
    """Put a node in the place of another; returns the other."""
    if index is None:
        old = getattr(parent, field)
        setattr(parent, field, new)
        return old
    place = getattr(parent, field)
    old, place[index] = place[index], new
    return old


Change = tuple[ast.stmt, ast.AST, str, "int | None", Any]  # statement, parent, field, index, what is put there


def _changes(backward: ast.FunctionDef) -> Iterator[Change]:
    names = _values(backward)
    for statement in _statements(backward):
        if isinstance(statement[1], ast.AugAssign | ast.Expr) and not _is_text(statement[1]):
            yield statement[1], *statement[0], ast.Pass()
        for parent, field, index, node in _expressions(statement[1]):
            for new in _variants(node, names, field):
                yield statement[1], parent, field, index, new
        for parent, field, index, node in _results(statement[1]):
            yield statement[1], parent, field, index, ast.BinOp(node, ast.Mult(), ast.Constant(SLIGHT))


def _orders(function: ast.FunctionDef) -> Iterator[Change]:
    """The memory order left out of each call that makes an array from another, `empty_like` and its kin."""
    for statement in ast.walk(function):
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr | ast.Return):
            for node in ast.walk(statement):
                if isinstance(node, ast.Call) and _called(node).endswith("_like"):
                    others = [keyword for keyword in node.keywords if keyword.arg != "order"]
                    if len(others) < len(node.keywords):
                        yield statement, node, "keywords", None, others


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _statements(backward: ast.FunctionDef) -> Iterator[tuple[tuple[ast.AST, str, int], ast.stmt]]:
    """Each statement and its place."""
    places: list[ast.AST] = [backward]
    for parent in places:
        for field in ("body", "orelse"):
            for index, statement in enumerate(getattr(parent, field, [])):
                if isinstance(statement, ast.stmt):
                    yield (parent, field, index), statement
                    places.append(statement)


def _expressions(statement: ast.stmt) -> Iterator[tuple[ast.AST, str, int | None, ast.expr]]:
    """Each expression of one statement (not of those within it) and its place."""
    places: list[ast.AST] = [statement]
    for parent in places:
        for field, value in ast.iter_fields(parent):
            if field == "annotation" or (field in ("returns", "args") and isinstance(parent, ast.FunctionDef)):
                continue
            for index, node in enumerate(value) if isinstance(value, list) else ((None, value),):
                if isinstance(node, ast.expr):
                    yield parent, field, index, node
                if isinstance(parent, ast.Call) and _called(parent) == "reshape" and isinstance(node, ast.UnaryOp):
                    continue
                if isinstance(node, ast.keyword) and node.arg == "strict":
                    continue
                if isinstance(node, ast.expr | ast.keyword | ast.comprehension | ast.withitem):
                    places.append(node)


def _results(statement: ast.stmt) -> Iterator[tuple[ast.AST, str, int | None, ast.expr]]:
    """What a statement computes: the value of an assignment, each part of what is returned."""
    value = getattr(statement, "value", None)
    if isinstance(statement, ast.Return | ast.Assign | ast.AugAssign) and isinstance(value, ast.expr):
        if isinstance(value, ast.Tuple):
            for index, part in enumerate(value.elts):
                if _has_value(part):
                    yield value, "elts", index, part
        elif _has_value(value):
            yield statement, "value", None, value


def _has_value(node: ast.expr) -> bool:
    """Whether a factor can make a difference."""
    if isinstance(node, ast.IfExp):
        return _has_value(node.body) or _has_value(node.orelse)
    return not isinstance(node, ast.Constant | ast.List) and _called(node) not in WITHOUT_VALUE


def _called(node: ast.AST) -> str:
    """The last part of the name of what is called."""
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _values(backward: ast.FunctionDef) -> list[str]:
    """The names that a backward reads as values: neither called nor looked into as a module."""
    not_values = {"np", "None", "math", "random", "self", "int", "float", "len", "range", "tuple", "slice"}
    for node in ast.walk(backward):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            not_values.add(node.func.id)
    loaded = [n.id for n in ast.walk(backward) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    return [name for name in dict.fromkeys(loaded) if name not in not_values and name[0].islower()]


def _variants(node: ast.expr, names: list[str], field: str) -> Iterator[ast.expr]:
    for kind, changed in CHANGED.items():
        if isinstance(node, kind):
            yield from changed(node)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        other = names[(names.index(node.id) + 1) % len(names)]
        if other != node.id:
            yield ast.Name(other, ast.Load())
    if isinstance(node, ast.Tuple) and field == "value" and len(node.elts) > 1:  # returned or assigned
        yield ast.Tuple([node.elts[1], node.elts[0], *node.elts[2:]], ast.Load())


def _of_operation(node: ast.BinOp) -> Iterator[ast.expr]:
    if type(node.op) in OPPOSITE:
        yield opposite(node)
        yield from (kept for kept, _ in without_operand(node))
        if isinstance(node.op, ast.Sub):
            yield ast.UnaryOp(ast.USub(), node.right)
    if isinstance(node.op, ast.Div | ast.Sub | ast.MatMult | ast.Pow | ast.FloorDiv | ast.Mod):
        yield ast.BinOp(node.right, node.op, node.left)


def _of_comparison(node: ast.Compare) -> Iterator[ast.expr]:
    yield from itertools.islice(other_comparisons(node), 1)  # the edge; the others are far from it
    if len(node.ops) == 1 and type(node.ops[0]) in CONTRARY:
        yield ast.Compare(node.left, [CONTRARY[type(node.ops[0])]()], node.comparators)


def _of_both(node: ast.BoolOp) -> Iterator[ast.expr]:
    yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def _of_choice(node: ast.IfExp) -> Iterator[ast.expr]:
    yield node.body
    yield node.orelse


def _of_constant(node: ast.Constant) -> Iterator[ast.expr]:
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)


def _of_call(node: ast.Call) -> Iterator[ast.expr]:
    starred = any(isinstance(a, ast.Starred) for a in node.args)
    if len(node.args) > 1 and not starred and _called(node) not in COMMUTATIVE:
        yield ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)


def _if_any(change: Callable[[Any], ast.expr | None]) -> Callable[[Any], Iterator[ast.expr]]:
    def changed(node: ast.expr) -> Iterator[ast.expr]:
        new = change(node)
        if new is not None:
            yield new

    return changed


CHANGED: dict[type[ast.expr], Callable[[Any], Iterator[ast.expr]]] = {
    ast.BinOp: _of_operation,
    ast.UnaryOp: _if_any(without_sign),
    ast.Compare: _of_comparison,
    ast.BoolOp: _of_both,
    ast.IfExp: _of_choice,
    ast.Constant: _of_constant,
    ast.Attribute: _if_any(untransposed),
    ast.Call: _of_call,
}
