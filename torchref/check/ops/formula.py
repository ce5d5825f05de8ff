"""A record from a page of the textbook: its formula, its wrong formulas, and the lines that a user sees."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import numpy as np

from torchref.check.edits import Edit
from torchref.check.ops.mistake import Evaluated, Gradients, Mistake, Values
from torchref.check.ops.record import Argument, Known, Op, Patch
from torchref.check.textbook.page import Page, Ran, page, shortened, torchs
from torchref.nn.module import Array


class FromTextbook:
    """The formula `formula(v, wrong)` of an operation: the textbook's function, with the changes `wrong` made to it."""

    def __init__(
        self,
        textbook: Callable[..., Any],
        arguments: tuple[Argument, ...],
        patches: tuple[Patch, ...] = (),
        slugs: Mapping[str, str] | None = None,
        homes: Mapping[str, str] | None = None,
        beyond: Callable[[Values], bool] = lambda v: False,
    ) -> None:
        self.textbook, self.arguments, self.slugs = textbook, arguments, slugs or {}
        self.homes = homes or {}  # the beginning of a line: the gradient to which a mistake there belongs
        self.patches = patches
        known = inspect.signature(textbook).parameters
        self.of_other_axes = beyond  # whether the textbook has not these numbers of axes
        self.beyond = [a for a in arguments if a.kind == "option" and not {a.name, shortened(a.name)} & known.keys()]
        self.edits: dict[int, dict[str, Edit]] = {}  # by page
        self.known: tuple[Mistake, ...] | None = None

    @property
    def module(self) -> ModuleType:
        """The file of the textbook."""
        return sys.modules[self.textbook.__module__]

    def values(self, v: Values) -> dict[str, Any]:
        """The arguments; an absent array is replaced by its neutral number."""
        given = {**dict.fromkeys(a.name for a in self.arguments), **vars(v)}
        for a in self.arguments:
            if given[a.name] is None and a.neutral is not None:
                given[a.name] = np.full((), a.neutral)
        return given

    def page(self, v: Values) -> Page:
        return page(self.textbook, self.values(v))

    def is_beyond(self, v: Values) -> bool:
        """Whether an option that the textbook has not is off its default, or the arrays have other axes than there."""
        return any(getattr(v, a.name, a.default) != a.default for a in self.beyond) or self.of_other_axes(v)

    def by_library(self, v: Values) -> Evaluated:
        """torchref's own function, for options that the textbook has not: no wrong formulas are known of it."""
        from torchref.nn import functional

        arrays = [a for a in self.arguments if a.kind != "option"]
        options = {a.name: getattr(v, a.name) for a in self.arguments if a.kind == "option"}
        if options.get("size") is not None and "scale_factor" in options:
            options["scale_factor"] = None  # torch takes the one or the other
        name = self.textbook.__name__
        function = getattr(functional, name, None) or getattr(functional, f"{name}{v.input.ndim - 2}d")
        y, function_backward = function(*(getattr(v, a.name) for a in arrays), **options)

        def backward(dy: Any) -> Gradients:
            found = function_backward(dy)  # None for an argument of integers
            each = found if isinstance(found, tuple) else (found,)
            return {a.name: g for a, g in zip(arrays, each, strict=True) if g is not None}

        return (y,), backward

    def __call__(self, v: Values, wrong: frozenset[str] = frozenset()) -> Evaluated:
        if self.is_beyond(v):
            return self.by_library(v)
        own = self.page(v)
        changes = [self.change(v, line) for line in sorted(wrong)]
        ran = own.run(self.values(v), changes)
        names = self.graded(own)

        def backward(*upstream: Any) -> Gradients:
            result = dict(zip(names, ran.backward(*_received(own, ran, upstream)), strict=True))
            for name, variable in zip(names, own.gradients, strict=True):
                if variable in ran.sums:
                    result[name + "~"] = ran.sums[variable]
            live = {a for a in names if getattr(v, a, None) is not None} - own.unread
            return {n: g for n, g in result.items() if n.removesuffix("~") in live}

        return tuple(y for y in ran.outputs if y is not None), backward

    def graded(self, own: Page) -> list[str]:
        """The arguments whose gradients the page returns: the record's arrays, and the target if it returns dt."""
        more = [a.name for a in self.arguments if a.kind == "data" and f"d{shortened(a.name)}" in own.gradients]
        return [*(a.name for a in self.arguments if a.kind == "array"), *more]

    def change(self, v: Values, wrong: str) -> Patch | Edit:
        """The change that makes the wrong line `wrong`."""
        own = self.page(v)
        patches = [p for p in self.patches if p.wrong == wrong]
        fitting = next((p for p in patches if own.right_line(p)), None)
        return fitting or self.slips(v).get(wrong) or patches[0]

    def variables(self, v: Values, *upstream: Any) -> dict[str, Any]:
        """Every variable of the forward by name; with upstream gradients also those of the backward."""
        if self.is_beyond(v):
            return {}
        own = self.page(v)
        ran = own.run(self.values(v))
        if upstream:
            ran.backward(*_received(own, ran, upstream))
        return {**own.scope, **ran.variables}

    def slips(self, v: Values) -> dict[str, Edit]:
        """The edits that make the formula wrong under these options, by their wrong line, the likeliest first."""
        own = self.page(v)
        if id(own) not in self.edits:
            with np.errstate(all="ignore"):
                ran = own.run(self.values(v))
                ran.backward(*(np.ones_like(y) for y, _ in zip(ran.outputs, own.back.args.args, strict=False)))
            known = {ast.unparse(ast.parse(p.wrong)) for p in self.patches if own.right_line(p)}
            found = own.edits(self.slugs, ran.variables)
            self.edits[id(own)] = {e.wrong: e for e in found if e.wrong not in known}
        return self.edits[id(own)]

    def listed(self, op: Op) -> tuple[Mistake, ...]:
        """The wrong formulas that no edit makes, under whatever options."""
        if self.known is None:  # made late: a verdict needs those of one operation
            whole = page(self.textbook)
            every = {p.wrong: _mistake(op, whole, p, self.homes) for p in reversed(self.patches)}
            self.known = tuple(every.values())[::-1]
        return self.known

    def wrong(self, op: Op, v: Values) -> tuple[Mistake, ...]:
        """The wrong formulas under these options: the patches that have a line there, then the edits."""
        if self.is_beyond(v):
            return ()
        own = self.page(v)
        fitting = [p for p in self.patches if own.right_line(p)]
        every: list[Patch | Edit] = [*fitting, *self.slips(v).values()]
        return tuple(_mistake(op, own, c, self.homes) for c in every)

    def shown(self, op: Op, name: str, v: Values) -> str:
        """The lines that compute the gradient of `name`, or an output; empty where there are none."""
        if self.is_beyond(v):
            return ""
        own = self.page(v)
        named = {torch: variable for variable, torch in _names(op, own).items()}
        if name not in named:
            return ""
        absent = (a for a in op.arguments if a.neutral is not None and getattr(v, a.name, None) is None)
        neutral = [f"{a.name} = {a.neutral:g}" for a in absent]
        lines = own.shown(named[name])
        used = [n for n in neutral if any(n.split()[0] in line for line in lines)]
        return "\n".join([*used, *lines])


def _received(own: Page, ran: Ran, upstream: tuple[Any, ...]) -> list[Any]:
    """An upstream gradient for each parameter of the backward; zeros for an output that has none."""
    parameters = own.back.args.args
    every = (*upstream, *(None for _ in parameters[len(upstream) :]))
    return [np.zeros_like(y) if dy is None else dy for y, dy, _ in zip(ran.outputs, every, parameters, strict=False)]


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Adapted:
    """The formula of `inner` for code with other arguments or outputs: both are translated."""

    inner: Op
    values: Callable[[Any], Any] = _same  # the values under the names of this code -> those of `inner`
    outputs: Callable[[tuple[Array, ...]], tuple[Array, ...]] = _same
    upstream: Callable[[tuple[Any, ...], tuple[Array, ...]], tuple[Any, ...]] = lambda dys, outputs: dys
    gradients: Callable[[Gradients], Gradients] = _same  # those of `inner` -> those under the names of this code
    home: Mapping[str, str] = field(
        default_factory=dict
    )  # an array of this code: the one of `inner` that it is part of
    made: Mapping[str, str] = field(default_factory=dict)  # an array of `inner`: how this code's arrays make it

    def __call__(self, v: Values, wrong: frozenset[str] = frozenset()) -> Evaluated:
        outputs, inner_backward = self.inner.formula(self.values(v), wrong)

        def backward(*dys: Any) -> Gradients:
            return self.gradients(inner_backward(*self.upstream(dys, outputs)))

        return self.outputs(outputs), backward

    def listed(self, _: Op) -> tuple[Mistake, ...]:
        return self.inner.mistakes

    def wrong(self, _: Op, v: Values) -> tuple[Mistake, ...]:
        return wrong_formulas(self.inner, self.values(v))

    def shown(self, _: Op, name: str, v: Values) -> str:
        lines = shown_formula(self.inner, self.home.get(name, name), self.values(v))
        made = [f"{n} = {how}\n" for n, how in self.made.items() if re.search(rf"\b{n}\b", lines)]
        return "".join(made) + lines

    def variables(self, v: Values, *dys: Any) -> dict[str, Any]:
        inner = self.inner.formula
        assert isinstance(inner, Written)
        outputs, _ = inner(self.values(v))
        return inner.variables(self.values(v), *(self.upstream(dys, outputs) if dys else ()))


Written = FromTextbook | Adapted


def _mistake(op: Op, own: Page, change: Patch | Edit, homes: Mapping[str, str]) -> Mistake:
    """A change of a page as a mistake: the gradient to which it belongs, and the right line as the correction."""
    right = change.right if isinstance(change, Edit) else own.right_line(change)
    spoiled = own.leads_to(right)
    named = _names(op, own)
    home = next((g for line, g in homes.items() if right.startswith(line)), "")
    gradient = getattr(change, "gradient", "") or home or (named[spoiled[0]] if spoiled else "output")
    advice = getattr(change, "advice", "") or right
    return Mistake(change.wrong, change.slug, gradient, change.sentence, advice, getattr(change, "convention", ""))


def _names(op: Op, own: Page) -> dict[str, str]:
    """The outputs and gradients of a page: variable -> torch's name."""
    assert isinstance(op.formula, FromTextbook)
    return dict(zip((*own.outputs, *own.gradients), (*op.outputs, *op.formula.graded(own)), strict=True))


def from_textbook(  # noqa: PLR0913 -- a formula and all that is known of its mistakes
    name: str,
    modules: tuple[str, ...],
    arguments: tuple[Argument, ...],
    textbook: Callable[..., Any],
    patches: tuple[Patch, ...] = (),
    slugs: Mapping[str, str] | None = None,
    homes: Mapping[str, str] | None = None,
    beyond: Callable[[Values], bool] = lambda v: False,
    **more: Any,
) -> Op:
    """The record of an operation whose formula stands in the textbook; `beyond` says for which values it does not."""
    formula = FromTextbook(textbook, arguments, patches, slugs, homes, beyond)
    return Op(name, modules, arguments, formula, slugs=slugs or {}, **more)


def wrong_formulas(op: Op, v: Values) -> tuple[Mistake, ...]:
    """The wrong formulas of an operation at these values, the likelier first; none of a user's own function."""
    return op.formula.wrong(op, v) if isinstance(op.formula, Written) else ()


def shown_formula(op: Op, name: str, v: Values) -> str:
    """The lines that compute the gradient of `name`, or an output, under these options; they run as they stand."""
    return op.formula.shown(op, name, v) if isinstance(op.formula, Written) else ""


def right_line(formula: str) -> str:
    """The line of a shown formula that makes its last variable; if it only renames another, the line of that one."""
    lines = [line.strip() for line in formula.splitlines() if not line.lstrip().startswith("#")]
    line = lines[-1] if lines else ""
    while renamed := re.fullmatch(r"\w+ = (\w+)", line):
        earlier = lines[: lines.index(line)]
        made = [e for e in earlier if re.match(rf"{renamed[1]}(\[.*\])? \W?= ", e)]
        if not made:
            break
        line = made[-1]
    return line


def intermediates(op: Op, v: Values, upstream: Mapping[str, Any]) -> list[tuple[Known, tuple[Array, ...]]]:
    """The intermediates that have a usual name, with their values."""
    if not isinstance(op.formula, Written) or not op.known:
        return []
    space = op.formula.variables(v, *(upstream.get(n) for n in op.outputs))
    return [
        (k, tuple(np.asarray(eval(e, dict(space))) for e in k.values))
        for k in op.known
        if k.values and _known_here(k, space)
    ]


def _known_here(k: Known, space: dict[str, Any]) -> bool:
    """Whether the intermediate occurs under these options."""
    wanted = {n.id for e in k.values for n in ast.walk(ast.parse(e)) if isinstance(n, ast.Name)}
    return wanted <= space.keys() | {"max", "min", "len"}


def handed(op: Op, k: Known, v: Values) -> Any:
    """The value of an intermediate for a gradient function that asks for it."""
    assert isinstance(op.formula, Written)
    if isinstance(op.formula, FromTextbook):
        own, given = op.formula.page(v), op.formula.values(v)
        arguments = {p: given[torchs(p, given)] for p in own.parameters}
        if _known_here(replace(k, values=(k.handed,)), arguments):  # a size: it needs no run
            return eval(k.handed, arguments)
    return eval(k.handed, op.formula.variables(v))


__all__ = [
    "Adapted",
    "FromTextbook",
    "Written",
    "from_textbook",
    "handed",
    "intermediates",
    "shown_formula",
    "wrong_formulas",
]
