"""Find the operation, and its options, that `--against` names."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from torchref.check.ops import constructor
from torchref.check.ops.catalogue import CATALOGUE
from torchref.check.ops.option_values import refused
from torchref.check.ops.record import Op
from torchref.nearest import nearest


class UnknownOp(ValueError):
    """There is no such operation or option; the message names the nearest ones."""


def normal(name: str) -> str:
    """The name in lower case, without underscores and dots."""
    return name.lower().replace("_", "").replace(".", "")


def find(against: str) -> Op:
    """The operation that `against` names: "layer_norm", "LayerNorm", "nn.LayerNorm" or "conv2d(stride=2)"."""
    name, positional, options = _read(against)
    op = _named(name)
    sizes, known = [s[0] for s in op.sizes], [a.name for a in op.options]
    for a in op.options:  # an option's other names
        for alias in a.aliases:
            if alias in options and a.name not in options and not op.has(alias):
                options[a.name] = options.pop(alias)
    own = positional[len(sizes) :]  # a constructor's sizes follow from the probe
    if len(own) > len(known):
        raise UnknownOp(f"{op.name} takes at most {len(sizes) + len(known)} options by position, not {len(positional)}")
    options |= dict(zip(known, own, strict=False))
    unknown = [k for k in options if k not in known and not constructor.is_known(op, k)]
    if unknown:
        raise UnknownOp(f"{op.name} has no option {unknown[0]!r}: {nearest(unknown[0], known)}")
    if reason := constructor.refusal(op, options) or refused(op, options):
        raise UnknownOp(reason)
    remarks = constructor.remarks(op, options, len(positional[: len(sizes)]))
    op = constructor.without_parameters(op, options)
    return replace(op, given={k: v for k, v in options.items() if k in known}, remarks=remarks)


def _read(against: str) -> tuple[str, list[Any], dict[str, Any]]:
    """The name, the arguments by position, those by name. Errors: UnknownOp if `against` is no call with literals."""
    try:
        tree = ast.parse(against.strip(), mode="eval").body
    except SyntaxError:
        raise UnknownOp(
            f"cannot read --against {against!r}: expected a name such as conv2d or conv2d(stride=2)"
        ) from None
    options: dict[str, Any] = {}
    positional: list[Any] = []
    if isinstance(tree, ast.Call):
        try:
            options = {k.arg: _literal(k.value) for k in tree.keywords if k.arg}
            positional = [_literal(a) for a in tree.args]
        except ValueError:
            raise UnknownOp(f"cannot read the options of --against {against!r}: only literals are allowed") from None
        tree = tree.func
    return ast.unparse(tree).split(".")[-1], positional, options


def _literal(node: ast.expr) -> Any:
    """The value of a literal; a bare word is a string: gelu(approximate=tanh), as a shell leaves it."""
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)


def _named(name: str) -> Op:
    """The operation of this name or alias."""
    table: dict[str, Op] = {}
    for op in CATALOGUE:
        for alias in (op.name, *op.modules):
            table.setdefault(normal(alias), op)
    found = table.get(normal(name)) or table.get(normal(name.removeprefix("F.").removesuffix("_loss")))
    if found is None:
        names = sorted({op.name for op in CATALOGUE} | {m for op in CATALOGUE for m in op.modules})
        raise UnknownOp(f"there is no operation {name!r}: {nearest(name, names)}")
    return found
