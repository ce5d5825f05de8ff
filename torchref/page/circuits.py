"""Scalar graphs for the circuit player, as data: what `torchref.circuit` computes, value by value."""

from __future__ import annotations

from typing import Any

from torchref.circuit import Value, graph

__all__ = ["circuits", "described"]


def circuits() -> list[dict[str, Any]]:
    """The examples of the blackboard, from the least to the one with a loss."""
    return [described(title, says, build()) for title, says, build in EXAMPLES]


def described(title: str, says: str, result: Value) -> dict[str, Any]:
    """A graph in the order of computation; operands are numbers of earlier values."""
    result.backward()
    order = graph(result)
    number = {id(value): i for i, value in enumerate(order)}
    values = [
        {
            "name": value.name,
            "operands": [number[id(operand)] for operand in value.operands],
            "data": value.data,
            "grad": value.grad,
            "local": list(value.local),
        }
        for value in order
    ]
    return {"title": title, "says": says, "values": values}


def product_and_sum() -> Value:
    """(x + y) z."""
    x, y, z = Value(-2.0, "x"), Value(5.0, "y"), Value(-4.0, "z")
    return (x + y) * z


def used_twice() -> Value:
    """x^2 + 3 x: two ways lead back to x."""
    x = Value(2.0, "x")
    return x * x + 3 * x


def sigmoid_neuron() -> Value:
    """1 / (1 + exp(-(w0 x0 + w1 x1 + b)))."""
    w0, x0, w1, x1 = Value(2.0, "w0"), Value(-1.0, "x0"), Value(-3.0, "w1"), Value(-2.0, "x1")
    return 1 / (1 + (-(w0 * x0 + w1 * x1 + Value(-3.0, "b"))).exp())


def squared_error() -> Value:
    """(relu(w x + b) - t)^2."""
    w, x, b, t = Value(0.5, "w"), Value(3.0, "x"), Value(-0.5, "b"), Value(2.0, "t")
    return ((w * x + b).relu() - t) ** 2


def two_layers() -> Value:
    """v tanh(w x + b) + c: the product of the layers' derivatives."""
    x, w, b = Value(0.5, "x"), Value(1.5, "w"), Value(0.1, "b")
    v, c = Value(-2.0, "v"), Value(0.3, "c")
    return v * (w * x + b).tanh() + c


EXAMPLES = (
    ("A sum and a product", "(x + y) z: a sum hands its gradient on, a product swaps its operands", product_and_sum),
    ("Used twice", "x x + 3 x: what comes back along both ways is added", used_twice),
    ("A sigmoid neuron", "1 / (1 + exp(-(w0 x0 + w1 x1 + b)))", sigmoid_neuron),
    ("A neuron and its loss", "(relu(w x + b) - t)^2", squared_error),
    ("Two layers", "v tanh(w x + b) + c: one factor a layer", two_layers),
)
