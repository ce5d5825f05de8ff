# ruff: noqa: E501
"""torch's names for the outputs and gradients that a user's code returns."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.reading.arguments import Matching, aliases, normal
from torchref.check.reading.config import Values
from torchref.check.reading.source import tree_of

NAMES: dict[Any, list[str]] = {}  # by code: one piece of code runs many times, and reading its source is slow


def returned_names(function: Any) -> list[str]:
    """The names in the last `return a, b, c` of a function's source, if it can be read."""
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if code is None:
        return read_returned_names(function)
    if code not in NAMES:
        NAMES[code] = read_returned_names(function)
    return NAMES[code]


def read_returned_names(function: Any) -> list[str]:
    """The names in a function's return statement, read from its source; none where it has no source."""
    tree = tree_of(function)
    if tree is None:
        return []
    top = next((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.Lambda)), None)
    if top is None or isinstance(top, ast.Lambda):
        return []

    def own_returns(node: ast.AST) -> list[ast.Return]:
        found = []
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):
                continue
            if isinstance(child, ast.Return):
                found.append(child)
            found += own_returns(child)
        return found

    returns = [r for r in own_returns(top) if r.value is not None]
    if not returns:
        return []
    value = returns[-1].value
    items: list[Any] = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
    flat: list[Any] = []
    for item in items:
        flat += item.elts if isinstance(item, ast.Tuple | ast.List) else [item]
    return [called(n) for n in flat]


SAME_ENTRIES = ("reshape", "copy", "astype", "squeeze", "view", "transpose", "item", "ravel", "flatten")  # methods
SAME_VALUE = ("float", "squeeze", "asarray", "array", "copy", "float64", "reshape", "ravel", "ascontiguousarray")


def called(node: ast.expr) -> str:
    """What an expression is called: a name, also one that is divided, multiplied or reshaped, as in dw.reshape(s) / m."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SAME_ENTRIES:
        return called(node.func.value)
    if isinstance(node, ast.Call) and node.args and last_name(node.func) in SAME_VALUE:  # float(cost), np.squeeze(cost)
        return called(node.args[0])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Mult):
        return called(node.left)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def last_name(node: ast.expr) -> str:
    """What a function is called, less the module that it stands in."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


PREFIXES = ("dld", "gradientof", "gradof", "gradient", "gradients", "gradw", "grad", "delta", "d", "g", "nabla")
SUFFIXES = ("gradients", "gradient", "grads", "grad", "bar", "g")


def stem(name: str) -> list[str]:
    """What a gradient's name may be the gradient of: dW, grad_weight, weight_grad -> w, weight."""
    name = normal(name)
    found = [name[len(p) :] for p in PREFIXES if name.startswith(p) and len(name) > len(p)]
    found += [name[: -len(s)] for s in SUFFIXES if name.endswith(s) and len(name) > len(s)]
    return found


def gradient_name(op: Op, name: str, matching: Matching | None = None) -> str | None:
    """torch's argument whose gradient the variable `name` holds."""
    for s in stem(name):
        if matching:
            for parameter, role in matching.roles.items():
                if normal(parameter) == s and op.has(role) and op.argument(role).kind != "option":
                    return role
        for a in op.arrays:
            if normal(a.name) == s:
                return a.name
    for s in stem(name):
        for a in op.arrays:
            if s in aliases(op, a.name):
                return a.name
    return None


def flatten(value: Any) -> list[Any]:
    """The leaves of nested tuples and lists, in order."""
    if isinstance(value, tuple | list):
        return [leaf for item in value for leaf in flatten(item)]
    return [value]


Shapes = dict[str, tuple[int, ...]]


def name_gradients(
    op: Op,
    value: Any,
    names: list[str],
    order: list[str],
    shapes: Shapes,
    matching: Matching | None = None,
) -> Values:
    """Give the returned gradients torch's names: by key, by the names in the return statement, by order, by shape."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return by_key(op, value, shapes, matching)
    if isinstance(value, tuple | list) and any(isinstance(v, dict) for v in value):  # (dx, {"W": dW, "b": db})
        held: Values = {}
        for part in value:
            if isinstance(part, dict):
                held.update(by_key(op, part, shapes, matching))
        left = [v for v in value if not isinstance(v, dict)]
        free = [n for n in order if n not in held]
        return {**name_gradients(op, left, [], free, shapes, matching), **held} if left else held
    leaves = flatten(value)
    if "target" in order and len([g for g in leaves if g is not None]) < len(order):  # its gradient may be left out
        order = [n for n in order if n != "target"]
    named = by_returned_name(op, leaves, names, shapes, matching)
    if named is not None:
        return named
    return by_order(leaves, order, shapes)


def by_key(op: Op, value: dict[Any, Any], shapes: Shapes, matching: Matching | None) -> Values:
    """A dictionary's gradients."""
    named: Values = {}
    for key, gradient in value.items():
        if isinstance(gradient, dict):  # grads[layer]["W"]
            named.update(by_key(op, gradient, shapes, matching))
            continue
        role = (matching.roles.get(key) if matching else None) or gradient_name(op, str(key), matching)
        if role is None and isinstance(key, str):
            role = next((a.name for a in op.arrays if normal(key) in aliases(op, a.name)), None)
        if role in shapes:
            named.setdefault(role, gradient)
    return named


def by_returned_name(
    op: Op, leaves: list[Any], names: list[str], shapes: Shapes, matching: Matching | None
) -> Values | None:
    """By the names in the return statement, where they say it for every gradient."""
    if len(leaves) != len(names):
        return None
    by_name = [gradient_name(op, n, matching) if n else None for n in names]
    known = [n for n in by_name if n]
    if len(leaves) == 1:
        return {known[0]: leaves[0]} if known and known[0] in shapes else None
    if len(known) < len(by_name) or len(set(known)) < len(known):
        return None
    return {n: g for n, g in zip(known, leaves, strict=True) if n in shapes}


def by_order(leaves: list[Any], order: list[str], shapes: Shapes) -> Values:
    """In torch's order; by their shapes where these say more."""
    if len(leaves) == 1:
        fit = [n for n in order if shapes.get(n) == np.shape(leaves[0])]
        return {fit[0] if len(fit) == 1 else order[0]: leaves[0]} if order else {}
    there = [g for g in leaves if g is not None]
    if len(leaves) != len(order):
        leaves = there if len(there) == len(order) else leaves[: len(order)] if len(leaves) > len(order) else leaves
    pairs = dict(zip(order, leaves, strict=False))
    fits = sum(np.shape(g) == shapes.get(n) for n, g in pairs.items())
    if fits < len(pairs) and len(set(shapes.values())) == len(shapes):
        by_shape: Values = {}
        for gradient in leaves:
            role = next((n for n, s in shapes.items() if s == np.shape(gradient) and n not in by_shape), None)
            if role:
                by_shape[role] = gradient
        if len(by_shape) == len(leaves):
            return by_shape
    return {n: g for n, g in pairs.items() if n in shapes}


def name_outputs(op: Op, leaves: list[Any], expected: Values, names: list[str] | None = None) -> Values:
    """Name the forward's outputs: the first is the output; the others are what their names say, else what they equal."""
    result: Values = {}
    rest = [n for n in expected if n not in ("output", "weights")]
    hints = names if names and len(names) >= len(leaves) else [""] * len(leaves)
    for leaf, hint in zip(leaves, hints, strict=False):
        if "output" not in result:
            result["output"] = leaf
            continue
        free = [n for n in rest if n not in result]
        hinted = normal(hint).removeprefix("new").removesuffix("new")
        known = next((n for n in free if hint and hinted in aliases(op, n)), None)
        known = known or next((n for n in free if equal(leaf, expected[n])), None)
        result.setdefault(known or f"extra {len(result)}", leaf)
    return result


def equal(leaf: Any, expected: Any) -> bool:
    """Whether two arrays have one shape and, but for rounding, the same entries."""
    return np.shape(leaf) == np.shape(expected) and np.allclose(leaf, expected, rtol=1e-6, atol=1e-9)
