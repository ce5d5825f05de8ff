"""A function that trains and returns its weights alone, as one that returns the loss of its first step beside them.

def train(X, y, w, b, lr=0.1, epochs=100):
    for _ in range(epochs):                     left after its first pass
        ...
        loss = (error ** 2).mean()              what is returned beside the weights
        w = w - lr * dw                         the gradient is (w before - w after) / lr
    return w, b
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.naming import returned_names
from torchref.check.reading.source import made, tree_of
from torchref.check.reference.network.names import OF_LOSS, RATE

ASKED = (
    "{name} returns its weights alone, and what it minimises has no name of a loss in it: write loss = ... before the "
    "step, or return the loss and the gradients, return loss, dw, db"
)


def returns_weights_alone(function: Any) -> bool:
    """Whether a function takes a learning rate, and all that it returns are arguments of its own."""
    if not inspect.isfunction(function):
        return False
    own = {p.name for p in parameters(function)}
    names = returned_names(function)
    rated = any(normal(p.name) in RATE for p in parameters(function))
    return rated and bool(names) and all(n in own for n in names)


def with_its_loss(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function with its loss before the weights in what it returns; None where no variable is called a loss."""
    tree = tree_of(function)
    if tree is None:
        return None
    (top,) = tree.body
    last = top.body[-1] if isinstance(top, ast.FunctionDef) else None
    assigned = [t.id for n in ast.walk(tree) if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
    loss = next((n for n in assigned if OF_LOSS.match(n)), None)
    if not isinstance(top, ast.FunctionDef) or not isinstance(last, ast.Return) or loss is None:
        return None
    returned = last.value.elts if isinstance(last.value, ast.Tuple) else [last.value]
    last.value = ast.Tuple([ast.Name(loss, ast.Load()), *(r for r in returned if r is not None)], ast.Load())
    for loop in (n for n in ast.walk(top) if isinstance(n, ast.For | ast.While)):
        if loss in {n.id for n in ast.walk(loop) if isinstance(n, ast.Name)}:
            loop.body.append(ast.Break())
    top.decorator_list = []
    source = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    return made(source, top.name, f"<{function.__name__} with its loss>", function.__globals__)
