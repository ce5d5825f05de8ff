"""The changes of one node of a syntax tree, each written once.

`edits` gives them a slug and a sentence. The tests that prove the library plant them in its own code, and a test must
notice each. Both have further changes of their own. An edit is a mistake that a student makes: another variable of the
same shape, another axis of the same sum, half or twice a term. A planted change may be unlikely: one added to a
constant, arguments exchanged, a statement left out, a factor 1 + 1e-6.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

OPPOSITE: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
BOTH, FIRST = (0, 1), (0,)
LEFT_OVER: dict[type[ast.operator], tuple[int, ...]] = {  # the operands that can stand alone
    ast.Mult: BOTH,
    ast.Add: BOTH,
    ast.BitAnd: BOTH,
    ast.BitOr: BOTH,
    ast.Div: FIRST,
    ast.Sub: FIRST,
    ast.Pow: FIRST,
}
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {  # with the edge or without it, then the other side
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
}
CONTRARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


def opposite(node: ast.BinOp) -> ast.BinOp:
    """a - b for a + b, a / b for a b, and the other way round."""
    return ast.BinOp(node.left, OPPOSITE[type(node.op)](), node.right)


def without_operand(node: ast.BinOp) -> Iterator[tuple[ast.expr, ast.expr]]:
    """a for a + b, and b for a + b: the operand that stays, and the one that is lost."""
    sides = (node.left, node.right)
    for k in LEFT_OVER.get(type(node.op), ()):
        yield sides[k], sides[1 - k]


def without_sign(node: ast.expr) -> ast.expr | None:
    """a for -a, and for ~a."""
    if isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        return node.operand
    return None


def untransposed(node: ast.expr) -> ast.expr | None:
    """a for a.T."""
    return node.value if isinstance(node, ast.Attribute) and node.attr in ("T", "mT") else None


def other_comparisons(node: ast.expr) -> Iterator[ast.Compare]:
    """a >= b for a > b, then a < b."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for order in COMPARISONS.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [order()], node.comparators)
