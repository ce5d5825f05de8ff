"""Scalar graphs for the blackboard: values forward, gradients backward, drawn as text or SVG.

    x = Value(-1.0, "x")
    y = 1 / (1 + (-x).exp())
    y.backward()
    print(x.grad)
    print(text(y))

Each operation is elementary: its value, and its derivative with respect to each operand fit into one line. A value that
is used twice receives the sum of what comes back along both ways.
"""

from __future__ import annotations

import math
from html import escape

__all__ = ["Value", "graph", "svg", "text"]


class Value:
    """A number in a graph, with the operation and the operands it comes from; `backward` fills in `grad`."""

    def __init__(
        self, data: float, name: str = "", operands: tuple[Value, ...] = (), local: tuple[float, ...] = ()
    ) -> None:
        self.data, self.name, self.operands = float(data), name, operands
        self.local = local  # the derivative with respect to each operand
        self.grad = 0.0

    def __repr__(self) -> str:
        return f"Value({self.data:g}, {self.name!r}, grad={self.grad:g})"

    def _repr_svg_(self) -> str:
        """In a notebook: the graph that leads to it."""
        return svg(self)

    def __add__(self, other: Value | float) -> Value:
        other = as_value(other)
        return Value(self.data + other.data, "+", (self, other), (1.0, 1.0))

    def __mul__(self, other: Value | float) -> Value:
        other = as_value(other)
        return Value(self.data * other.data, "*", (self, other), (other.data, self.data))

    def __pow__(self, exponent: float) -> Value:
        return Value(self.data**exponent, f"^{exponent:g}", (self,), (exponent * self.data ** (exponent - 1),))

    def __neg__(self) -> Value:
        return Value(-self.data, "*-1", (self,), (-1.0,))

    def __sub__(self, other: Value | float) -> Value:
        return self + -as_value(other)

    def __rsub__(self, other: float) -> Value:
        return as_value(other) + -self

    def __truediv__(self, other: Value | float) -> Value:
        return self * as_value(other).reciprocal()

    def __rtruediv__(self, other: float) -> Value:
        return self.reciprocal() if other == 1 else as_value(other) * self.reciprocal()

    def reciprocal(self) -> Value:
        """1 / x; derivative -1 / x^2."""
        return Value(1 / self.data, "1/x", (self,), (-1 / self.data**2,))

    def exp(self) -> Value:
        """e^x; derivative e^x."""
        return Value(math.exp(self.data), "exp", (self,), (math.exp(self.data),))

    def tanh(self) -> Value:
        """tanh x; derivative 1 - tanh^2 x."""
        return Value(math.tanh(self.data), "tanh", (self,), (1 - math.tanh(self.data) ** 2,))

    def relu(self) -> Value:
        """max(x, 0); derivative 1 for x > 0, else 0."""
        return Value(max(self.data, 0.0), "relu", (self,), (float(self.data > 0),))

    __radd__ = __add__
    __rmul__ = __mul__

    def backward(self, upstream: float = 1.0) -> None:
        """d self / d v for every value v of the graph: upstream times local derivative, summed over all uses."""
        order = graph(self)
        for value in order:
            value.grad = 0.0
        self.grad = float(upstream)
        for value in reversed(order):  # a value's grad is whole before it is passed on
            for operand, local in zip(value.operands, value.local, strict=True):
                operand.grad += local * value.grad


def as_value(x: Value | float) -> Value:
    """A constant as a value; its name is what it is."""
    return x if isinstance(x, Value) else Value(x, f"{x:g}")


def graph(result: Value) -> list[Value]:
    """Every value that `result` depends on, operands before what is made of them."""
    order: list[Value] = []
    seen: set[int] = set()
    stack = [(result, False)]
    while stack:
        value, done = stack.pop()
        if done:
            order.append(value)
        elif id(value) not in seen:
            seen.add(id(value))
            stack.append((value, True))
            stack += [(operand, False) for operand in reversed(value.operands)]
    return order


def text(result: Value) -> str:
    """A line per value, in the order of computation: what it is made of, its value, its gradient."""
    order = graph(result)
    number = {id(value): f"v{i}" for i, value in enumerate(order)}
    rows = []
    for value in order:
        made_of = f"{value.name} ({', '.join(number[id(o)] for o in value.operands)})" if value.operands else value.name
        rows.append((number[id(value)], made_of, f"{value.data:.2f}", f"{value.grad:.2f}"))
    rows.insert(0, ("", "made of", "value", "gradient"))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows)


def svg(result: Value) -> str:
    """The graph from left to right: in each box the operation, above it the value, below it the gradient."""
    order = graph(result)
    column: dict[int, int] = {}
    for value in order:
        column[id(value)] = max((column[id(o)] + 1 for o in value.operands), default=0)
    for value in reversed(order):  # an input stands directly before its first use
        for operand in value.operands:
            if not operand.operands:
                users = [v for v in order if any(o is operand for o in v.operands)]
                column[id(operand)] = min(column[id(user)] for user in users) - 1
    rows: dict[int, int] = {}
    place: dict[int, tuple[int, int]] = {}
    for value in order:
        x = column[id(value)]
        y = rows.get(x, 0)
        if value.operands:  # beside its first operand, unless that place is taken
            y = max(y, place[id(value.operands[0])][1])
        place[id(value)] = (x, y)
        rows[x] = y + 1
    width, height, box = 120, 70, 54
    lines, boxes = [], []
    for value in order:
        x, y = (place[id(value)][0] * width + 20, place[id(value)][1] * height + 30)
        for operand in value.operands:
            ox, oy = place[id(operand)][0] * width + 20 + box, place[id(operand)][1] * height + 42
            lines.append(f'<line x1="{ox}" y1="{oy}" x2="{x}" y2="{y + 12}" stroke="gray"/>')
        boxes.append(
            f'<rect x="{x}" y="{y}" width="{box}" height="24" rx="5" fill="white" stroke="black"/>'
            f'<text x="{x + box / 2}" y="{y + 16}" text-anchor="middle">{escape(value.name)}</text>'
            f'<text x="{x + box / 2}" y="{y - 4}" text-anchor="middle" fill="#1f9d63">{value.data:.2f}</text>'
            f'<text x="{x + box / 2}" y="{y + 37}" text-anchor="middle" fill="#e04a68">{value.grad:.2f}</text>'
        )
    wide, high = max(column.values()) * width + box + 40, max(rows.values()) * height + 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
        f'font-family="sans-serif" font-size="13">\n' + "\n".join(lines + boxes) + "\n</svg>\n"
    )
