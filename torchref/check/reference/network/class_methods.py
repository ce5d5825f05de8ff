"""The methods of a class that make one pass: a forward, a loss, and what goes back."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from typing import Any

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.class_names import BACKWARDS as LAYERS_BACKWARDS
from torchref.check.reading.forms.class_names import FORWARDS
from torchref.check.reading.forms.methods import called_one_of, class_of, methods_of
from torchref.check.reading.forms.naming import returned_names
from torchref.check.reference.network.calling import OUTPUT, needed
from torchref.check.reference.network.names import (
    BACKWARDS,
    LABELS,
    LOSSES,
    OF_LOSS,
)

Orders = list[tuple[tuple[str, ...], int]]  # methods to call, and which of them gives the loss


def method_orders(cls: Any) -> Iterator[tuple[tuple[str, ...], int]]:
    """The methods to call, and which gives the loss: the loss, a forward before it, what goes back behind it."""
    names = [n for n in dir(cls) if not n.startswith("__") and callable(getattr(cls, n, None))]
    by_name = {normal(n): n for n in names}
    losses = [by_name[normal(n)] for n in LOSSES if normal(n) in by_name]
    every = [by_name[normal(n)] for n in BACKWARDS if normal(n) in by_name]
    forward = next((by_name[normal(n)] for n in FORWARDS if normal(n) in by_name and n != "loss"), None)
    for loss in dict.fromkeys(losses):
        first = next((p.name for p in parameters(getattr(cls, loss)) if p.name != "self"), "")
        takes = [p for p in parameters(getattr(cls, loss)) if p.name != "self" and p.default is p.empty]
        alone = len(takes) == 1 and normal(first) in LABELS
        of_output = forward is not None and (OUTPUT.match(first) or not first or alone)
        ahead = (forward,) if of_output else ()
        backs = [b for b in every or _of_the_same_arguments(cls, loss) if b not in (loss, forward)]
        for back in backs:
            if forward is not None and not ahead and _asks_for_results(getattr(cls, back), getattr(cls, forward)):
                yield (forward, loss, back), 1
            yield (*ahead, loss, back), len(ahead)
        yield (*ahead, loss), len(ahead)
    if forward is not None and any(OF_LOSS.match(n) for n in returned_names(getattr(cls, forward)) if n):
        yield from (((forward, back), 0) for back in every)
    layer = forward is not None and called_one_of(cls, LAYERS_BACKWARDS) is not None
    if not losses and not layer:
        yield from _orders_of_other_names(cls)


def _of_the_same_arguments(cls: Any, loss: str) -> list[str]:
    """The methods of any name that take what the loss takes, and return several things."""
    own = {m.name: [p.name for p in parameters(getattr(cls, m.name))] for m in methods_of(class_of(cls))}
    return [n for n, names in own.items() if names == own.get(loss) and len(returned_names(getattr(cls, n))) > 1]


def _asks_for_results(backward: Any, forward: Any) -> bool:
    """Whether a backward takes what the forward returns, by its names: backward(x, a_h, a_out, y)."""
    returned = {normal(n) for n in returned_names(forward) if n}
    return any(normal(p.name) in returned for p in parameters(backward) if p.default is p.empty)


def _orders_of_other_names(cls: Any) -> Iterator[tuple[tuple[str, ...], int]]:
    """Methods of any names: one of (X, y) that returns two things, or two of the same (X, y) with one return each.

    Else three: one keeps what two others of the same arguments read, the loss and the way back.
    """
    own = [m.name for m in methods_of(class_of(cls)) if m.takes == 2]
    for name in own:
        if len(returned_names(getattr(cls, name))) == 2:
            yield (name,), 0
    for loss, back in itertools.permutations(own, 2):
        both = [[p.name for p in parameters(getattr(cls, n)) if p.name != "self"] for n in (loss, back)]
        if both[0] == both[1] and len(returned_names(getattr(cls, loss))) == 1:
            yield (loss, back), 0
    for ahead, cost, behind in itertools.permutations(methods_of(class_of(cls)), 3):
        takes = [[p.name for p in parameters(getattr(cls, m.name)) if p.name != "self"] for m in (cost, behind)]
        reads = ahead.keeps & cost.reads and ahead.keeps & behind.reads
        if ahead.takes and reads and not cost.keeps and takes[0] and takes[0] == takes[1]:
            yield (ahead.name, cost.name, behind.name), 1


def looks_like_network(target: Any) -> bool:
    """Whether a class, or an instance, computes a loss of its own from examples."""
    if inspect.isroutine(target) or inspect.ismodule(target) or isinstance(target, tuple | list):
        return False
    for steps, with_loss in method_orders(target):
        takes = needed([getattr(target, n) for n in steps[: with_loss + 1]])
        if takes and (with_loss or not OUTPUT.match(takes[0].name)):
            return True
        own = returned_names(getattr(target, steps[with_loss]))
        if not takes and len(own) > 1 and any(OF_LOSS.match(n) for n in own if n):
            return True  # it keeps its data: self.X, self.y
    return False
