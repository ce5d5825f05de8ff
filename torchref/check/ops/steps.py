"""The record of an optimizer; its step of the textbook, run right or wrong, and shown."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

from torchref.check.edits import lines, show
from torchref.check.ops.record import Argument, Patch
from torchref.check.textbook import steps as textbook
from torchref.check.textbook.flow import reads
from torchref.check.textbook.page import Fold, patch, source
from torchref.nn.module import Array


@dataclass(frozen=True)
class Slip:
    """A wrong step. `changes`: the beginning of a line of the step, or of the loop around it, and the wrong line instead."""

    slug: str
    sentence: str
    changes: Mapping[str, str]
    elsewhere: bool = False  # a convention of other texts

    @property
    def wrong(self) -> str:
        return "; ".join(self.changes.values())


def slip(slug: str, sentence: str, **values: str) -> Slip:
    """A wrong step in which variables have other values: name=value."""
    return Slip(slug, sentence, {f"{name} =": f"{name} = {value}" for name, value in values.items()})


def of_other_texts(s: Slip) -> Slip:
    """The same step as a convention of other texts: no mistake, unless the check is strict."""
    return replace(s, elsewhere=True)


@dataclass(frozen=True)
class Optimizer:
    """An optimizer of torch.optim: its options, its step, and how the step goes wrong."""

    name: str
    options: tuple[Argument, ...]  # in torch's order
    step: Callable[..., Array]  # of the textbook
    slips: tuple[Slip, ...]
    conventions: tuple[Slip, ...] = ()  # of other texts, no mistakes; the sentence is the note

    @property
    def defaults(self) -> dict[str, Any]:
        return {o.name: o.default for o in self.options}

    @property
    def probe(self) -> dict[str, Any]:
        return {o.name: o.probe for o in self.options}

    @property
    def switches(self) -> list[str]:
        """The options that are on or off."""
        return [o.name for o in self.options if isinstance(o.default, bool)]


AROUND = ("weights[i] =", "s =", "states =")  # lines of the loop
Chosen = tuple[tuple[str, Any], ...]
Changes = tuple[tuple[str, str], ...]


def _chosen(o: SimpleNamespace) -> Chosen:
    """The options of a step."""
    return tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in vars(o).items() if k != "lr")


@cache
def _page(function: Callable[..., Any], options: Chosen = ()) -> ast.FunctionDef:
    """The lines of a step, or of the loop, under these options."""
    tree = Fold(dict(options)).visit(copy.deepcopy(source(function)))
    assert isinstance(tree, ast.FunctionDef)
    return tree


@cache
def _compiled(function: Callable[..., Any], options: Chosen, changes: Changes) -> Callable[..., Any]:
    """The step, or the loop, with these changes. Errors: ValueError if there is no such line under these options."""
    tree = _page(function, options)
    undo: list[Callable[[], None]] = []
    try:
        for line, instead in changes:
            undo.append(patch(tree, Patch(line, instead, "", "")))
        scope: dict[str, Any] = dict(vars(textbook))
        exec(
            compile(ast.fix_missing_locations(ast.Module([tree], [])), f"<{tree.name} of the textbook>", "exec"), scope
        )
    finally:
        for back in reversed(undo):
            back()
    result: Callable[..., Any] = scope[tree.name]
    return result


def simulate(
    optimizer: Optimizer,
    o: SimpleNamespace,
    weights: list[Array],
    gradients: list[list[Array]],
    rates: list[float],
    wrong: Iterable[Slip] = (),
) -> list[list[Array]]:
    """The weights after each step: [step][weight]. Errors: ValueError if there is no such mistake under these options."""
    options, every = _chosen(o), [c for w in wrong for c in w.changes.items()]
    step = _compiled(optimizer.step, options, tuple(c for c in every if c[0] not in AROUND))
    train = _compiled(textbook.train, (), tuple(c for c in every if c[0] in AROUND))
    given = dict(options)
    path: list[list[Array]] = train(lambda w, g, s, lr: step(w, g, s, lr, **given), weights, gradients, rates)
    return path


def right_lines(optimizer: Optimizer, o: SimpleNamespace, wrong: Slip) -> str:
    """The right lines that the mistake replaces."""
    trees = _page(optimizer.step, _chosen(o)), _page(textbook.train)
    every = [show(s) for tree in trees for s, _ in lines(tree.body)]
    return "; ".join(line for line in every if line.startswith(tuple(wrong.changes)))


def shown_step(optimizer: Optimizer, o: SimpleNamespace) -> str:
    """The lines of the step under these options; they can be run as they stand, once for each weight."""
    body = _page(optimizer.step, _chosen(o)).body[:-1]
    read = reads(ast.Module(body, []))
    values = [f"{name} = {value!r}" for name, value in _chosen(o) if name in read]
    return "\n".join(["# w: the weight, g: its gradient, s: its state, {} at first", *values, *map(show, body)])


__all__ = ["Optimizer", "Slip", "of_other_texts", "right_lines", "shown_step", "simulate", "slip"]
