"""A record made from the textbook: its formula, right and wrong, and what is shown of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from torchref.check.edits import Edit
from torchref.check.mistakes.base import Gradients, Mistake
from torchref.check.ops.record import Argument, Known, Op, Patch
from torchref.check.textbook.page import Page, page, shortened
from torchref.nn.module import Array


class FromTextbook:
    """The formula `formula(v, wrong)` of an operation: the textbook's function, with the changes `wrong` made to it."""

    def __init__(
        self,
        textbook: Callable[..., Any],
        arguments: tuple[Argument, ...],
        patches: tuple[Patch, ...] = (),
        slugs: Mapping[str, str] | None = None,
    ) -> None:
        self.textbook, self.arguments, self.slugs = textbook, arguments, slugs or {}
        self.patches = patches
        self.edits: dict[int, dict[str, Edit]] = {}  # by page

    @property
    def module(self) -> ModuleType:
        """The file of the textbook."""
        return sys.modules[self.textbook.__module__]

    def values(self, v: Any) -> dict[str, Any]:
        """The arguments, with what stands for an array that is absent in its place."""
        given = dict(vars(v))
        for a in self.arguments:
            if given.get(a.name) is None and a.neutral is not None:
                given[a.name] = np.full((), a.neutral)
        return given

    def page(self, v: Any) -> Page:
        return page(self.textbook, self.values(v))

    def __call__(
        self, v: Any, wrong: frozenset[str] = frozenset()
    ) -> tuple[tuple[Array, ...], Callable[..., Gradients]]:
        own = self.page(v)
        changes = [self.change(v, told) for told in sorted(wrong)]
        ran = own.run(self.values(v), changes)
        names = self.graded(own)

        def backward(*upstream: Any) -> Gradients:
            result = dict(zip(names, ran.backward(*upstream), strict=True))
            for name, variable in zip(names, own.gradients, strict=True):
                if variable in ran.sums:
                    result[name + "~"] = ran.sums[variable]
            return {n: g for n, g in result.items() if getattr(v, n.removesuffix("~"), None) is not None}

        return tuple(y for y in ran.outputs if y is not None), backward

    def graded(self, own: Page) -> list[str]:
        """The arguments that the page has gradients of: the record's arrays, and a target where it returns dt."""
        more = [a.name for a in self.arguments if a.kind == "data" and f"d{shortened(a.name)}" in own.gradients]
        return [*(a.name for a in self.arguments if a.kind == "array"), *more]

    def change(self, v: Any, told: str) -> Patch | Edit:
        """The change that puts the wrong line `told` in its place."""
        own = self.page(v)
        patches = [p for p in self.patches if p.told == told]
        fitting = next((p for p in patches if own.right_line(p)), None)
        return fitting or self.slips(v).get(told) or patches[0]

    def variables(self, v: Any, *upstream: Any) -> dict[str, Any]:
        """Every variable of the forward by name, and with an upstream gradient those of the backward."""
        own = self.page(v)
        ran = own.run(self.values(v))
        if upstream:
            ran.backward(*upstream)
        return {**own.scope, **ran.variables}

    def slips(self, v: Any) -> dict[str, Edit]:
        """The edits that make the formula wrong under these options, the likelier first, by the wrong line."""
        own = self.page(v)
        if id(own) not in self.edits:
            with np.errstate(all="ignore"):
                ran = own.run(self.values(v))
                ran.backward(*(np.ones_like(y) for y, _ in zip(ran.outputs, own.back.args.args, strict=False)))
            known = {ast.unparse(ast.parse(p.told)) for p in self.patches if own.right_line(p)}
            found = own.edits(self.slugs, ran.variables)
            self.edits[id(own)] = {e.told: e for e in found if e.told not in known}
        return self.edits[id(own)]

    def wrong(self, op: Op, v: Any) -> tuple[Mistake, ...]:
        """The wrong formulas under these options: the patches that have a line there, then the edits."""
        own = self.page(v)
        fitting = [p for p in self.patches if own.right_line(p)]
        every: list[Patch | Edit] = [*fitting, *self.slips(v).values()]
        return tuple(mistake(op, own, c) for c in every)


def mistake(op: Op, own: Page, change: Patch | Edit) -> Mistake:
    """A change of a page as a mistake: the gradient that it belongs to, and the right line as its correction."""
    right = change.right if isinstance(change, Edit) else own.right_line(change)
    told = own.leads_to(right)
    named = names(op, own)
    gradient = getattr(change, "gradient", "") or (named[told[0]] if told else "output")
    advice = getattr(change, "advice", "") or right
    return Mistake(change.told, change.slug, gradient, change.sentence, advice, getattr(change, "convention", ""))


def names(op: Op, own: Page) -> dict[str, str]:
    """The outputs and gradients of a page: variable -> torch's name."""
    assert isinstance(op.formula, FromTextbook)
    return dict(zip((*own.outputs, *own.gradients), (*op.outputs, *op.formula.graded(own)), strict=True))


def from_textbook(
    name: str,
    modules: tuple[str, ...],
    arguments: tuple[Argument, ...],
    textbook: Callable[..., Any],
    patches: tuple[Patch, ...] = (),
    slugs: Mapping[str, str] | None = None,
    **more: Any,
) -> Op:
    """The record of an operation whose formula stands in the textbook."""
    formula = FromTextbook(textbook, arguments, patches, slugs)
    op = Op(name, modules, arguments, formula, (), slugs=slugs or {}, **more)
    whole = page(textbook)
    for p in patches:
        if not whole.right_line(p):
            raise ValueError(f"{name}: not one line of {textbook.__name__} begins with {p.line!r}")
    return replace(op, mistakes=tuple({p.told: mistake(op, whole, p) for p in reversed(patches)}.values())[::-1])


def wrong_formulas(op: Op, v: Any) -> tuple[Mistake, ...]:
    """The wrong formulas of an operation at these values, the likelier first."""
    return op.formula.wrong(op, v) if isinstance(op.formula, FromTextbook) else op.mistakes


def shown_formula(op: Op, name: str, v: Any) -> str:
    """The lines that compute the gradient of `name`, or an output, under these options; they run as they stand."""
    assert isinstance(op.formula, FromTextbook)
    own = op.formula.page(v)
    named = {name: variable for variable, name in names(op, own).items()}
    if name not in named:
        return ""
    neutral = [
        f"{a.name} = {a.neutral:g}" for a in op.arguments if a.neutral is not None and getattr(v, a.name) is None
    ]
    lines = own.shown(named[name])
    used = [n for n in neutral if any(n.split()[0] in line for line in lines)]
    return "\n".join([*used, *lines])


def intermediates(op: Op, v: Any, upstream: Mapping[str, Any]) -> list[tuple[Known, tuple[Array, ...]]]:
    """The intermediates that people have names for, with their values."""
    if not isinstance(op.formula, FromTextbook) or not op.known:
        return []
    space = op.formula.variables(v, *(upstream[n] for n in op.outputs if n in upstream))
    return [(k, tuple(np.asarray(eval(e, dict(space))) for e in k.values)) for k in op.known if known_here(k, space)]


def known_here(k: Known, space: dict[str, Any]) -> bool:
    """Whether the intermediate occurs under these options."""
    wanted = {n.id for e in k.values for n in ast.walk(ast.parse(e)) if isinstance(n, ast.Name)}
    return wanted <= space.keys() | {"max", "min", "len"}


def saved(op: Op, k: Known, v: Any) -> Any:
    """What a gradient function gets that asks for an intermediate."""
    assert isinstance(op.formula, FromTextbook)
    return eval(k.saved, op.formula.variables(v))


__all__ = ["FromTextbook", "from_textbook", "intermediates", "saved", "shown_formula", "wrong_formulas"]
