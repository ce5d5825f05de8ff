"""A page of the textbook: one formula under given options, whose lines can be run, changed and shown."""

from __future__ import annotations

import ast
import copy
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np

from torchref.check.edits import Edit, Scope, Slugs, forward_slips, lines, show, slips
from torchref.check.ops.mistake import Unreduced
from torchref.check.ops.record import Patch
from torchref.check.textbook.flow import needed, reached, reads
from torchref.nn.module import Array

SHORT = {  # a parameter: torch's name of it
    "x": "input",
    "x1": "input1",
    "x2": "input2",
    "t": "target",
    "q": "query",
    "k": "key",
    "v": "value",
}
SEEN, SUM = "_seen", "_sum"  # a page that runs calls these with its variables and its sums
DATA = ("input", "target", "hx", "cx", "var", "anchor", "positive", "negative")  # not the parameters of a layer
SIZES = ("shape", "size", "ndim")


@dataclass
class Ran:
    """The results of a run."""

    outputs: tuple[Array | None, ...]
    backward: Callable[..., tuple[Any, ...]]
    variables: dict[str, Any]  # of the forward, and after its call of the backward
    sums: dict[str, Unreduced]  # the terms of each gradient that is a sum


@dataclass
class Page:
    """A function of the textbook under given options: every `if` about an option is decided."""

    tree: ast.FunctionDef
    scope: dict[str, Any]  # the module's names
    compiled: dict[tuple[str, ...], Any] = field(default_factory=dict)  # by the changes that are made to it
    leading: dict[str, list[str]] = field(default_factory=dict)  # a line: the outputs or gradients that need it

    @property
    def parameters(self) -> list[str]:
        return [a.arg for a in self.tree.args.args]

    @cached_property
    def unread(self) -> set[str]:
        """torch's names of the parameters that no line reads under these options; they have no gradient."""
        return {torchs(p, {}) for p in self.parameters if p not in reads(ast.Module(self.tree.body, []))}

    @property
    def forward(self) -> list[ast.stmt]:
        return [s for s in self.tree.body[:-1] if s is not self.back]

    @property
    def back(self) -> ast.FunctionDef:
        return next(s for s in self.tree.body if isinstance(s, ast.FunctionDef) and s.name == "backward")

    @property
    def outputs(self) -> list[str]:
        """The variables that are the outputs."""
        returned = self.tree.body[-1]
        assert isinstance(returned, ast.Return)
        assert isinstance(returned.value, ast.Tuple)
        return _names_of(returned.value.elts[0])

    @property
    def gradients(self) -> list[str]:
        """The variables that are the gradients."""
        returned = self.back.body[-1]
        assert isinstance(returned, ast.Return)
        return _names_of(returned.value)

    def run(self, arguments: dict[str, Any], changes: Iterable[Patch | Edit] = ()) -> Ran:
        """Run the formula, with these changes, on arguments under torch's names."""
        variables: dict[str, Any] = {}
        sums: dict[str, Unreduced] = {}

        def summed(name: str, terms: Any, axes: Any) -> Any:
            sums[name] = Unreduced(terms, (axes,) if isinstance(axes, int) else tuple(axes))
            return terms.sum(axes)

        scope = {**self.scope, SEEN: variables.update, SUM: summed}
        exec(self.code(tuple(changes)), scope)
        outputs, backward = scope[self.tree.name](*(arguments[torchs(p, arguments)] for p in self.parameters))
        return Ran(outputs if isinstance(outputs, tuple) else (outputs,), backward, variables, sums)

    def code(self, changes: tuple[Patch | Edit, ...]) -> Any:
        key = tuple(c.wrong for c in changes)
        if key not in self.compiled:
            undo: list[Callable[[], None]] = []
            try:
                for c in changes:
                    undo.append(c.apply() if isinstance(c, Edit) else patch(self.tree, c, self.texts))
                tree = self.tree if changes else _observed(self.tree, self.gradients)
                self.compiled[key] = _compiled(ast.Module([tree], []), f"<{tree.name} of the textbook>")
            finally:
                for back in reversed(undo):
                    back()
        return self.compiled[key]

    @cached_property
    def right_lines(self) -> list[str]:
        """Every line that computes something, before any change."""
        return list(self.texts.values())

    @cached_property
    def texts(self) -> dict[int, str]:
        """Every line that computes something, before any change, by the id of its statement."""
        return {id(s): show(s) for s, _ in lines(self.tree.body)}

    def right_line(self, change: Patch) -> str:
        """The right line that a patch replaces; empty if there is none under these options."""
        found = [line for line in self.right_lines if line.startswith(change.line)]
        return found[0] if len(found) == 1 else ""

    def leads_to(self, line: str) -> list[str]:
        """The outputs that need the right line `line`, or the gradients if it stands in the backward."""
        if not self.leading:
            for names, body in ((self.outputs, self.forward), (self.gradients, self.back.body)):
                every = [s for s, _ in lines(body)]
                for s in every:
                    found = reached(every, s)
                    self.leading[show(s)] = [n for n in names if n in found]
        return self.leading[line]

    def shown(self, wanted: str) -> list[str]:
        """The lines that compute the variable `wanted` from the arguments."""
        names = {wanted}
        inner = needed(self.back.body[:-1], names) if wanted in self.gradients else []
        every = (*needed(self.forward, names), *inner)
        return [*self.helpers(every), *(line for s in every for line in show(s).splitlines())]

    def helpers(self, every: Iterable[ast.stmt]) -> list[str]:
        """A comment for each function of the textbook that these lines call: name, arguments, meaning."""
        called = sorted({name for s in every for name in reads(s)} - set(self.parameters))
        own = [f for n in called if inspect.isfunction(f := self.scope.get(n)) and "torchref.check" in f.__module__]
        return [f"# {f.__name__}({', '.join(inspect.signature(f).parameters)}): {_first_line(f)}" for f in own]

    def edits(self, slugs: Slugs, variables: dict[str, Any]) -> list[Edit]:
        """The wrong formulas that one edit makes, the likeliest first; `variables` are those of a run."""
        numbers = {n: v for n, v in variables.items() if isinstance(v, np.ndarray | np.floating | float)}
        arrays = {n: np.shape(v) for n, v in numbers.items() if np.asarray(v).dtype != bool}  # masks have no sign
        data = {p for p in self.parameters if torchs(p, {}) in DATA or p in SHORT}
        moving = set(data) | {a.arg for a in self.back.args.args}
        for s, _ in lines([*self.forward, *self.back.body]):
            moving |= reached([s], s) if reads(s, SIZES) & moving else set()
        tuples = tuple(n for n, v in variables.items() if _axes(v) and n != "column" and "shape" not in n)
        upstream = frozenset(a.arg for a in self.back.args.args)
        inside = [s for s, _ in lines(self.back.body)]
        moved = upstream | {n for s in inside if reads(s) & upstream for n in reached(inside, s)}
        fixed = frozenset((*self.parameters, *arrays)) - moving
        scope = Scope(arrays, fixed, upstream, moved, (*tuples, "0", "-1", "1"))
        found: dict[str, Edit] = {}
        every = [*slips(self.back.body, slugs, scope), *forward_slips(self.forward, slugs)]
        for e in sorted(every, key=lambda e: e.rank):
            found.setdefault(e.wrong, e)
        return list(found.values())


def _axes(value: Any) -> bool:
    """Whether a value may be the axes of a sum."""
    return isinstance(value, tuple) and all(isinstance(a, int) for a in value) and len({*value}) == len(value)


def torchs(parameter: str, arguments: dict[str, Any]) -> str:
    """torch's name of a parameter."""
    return parameter if parameter in arguments else SHORT.get(parameter, parameter)


def shortened(name: str) -> str:
    """The parameter that stands for torch's name."""
    return next((short for short, long in SHORT.items() if long == name), name)


def _names_of(node: ast.expr | None) -> list[str]:
    return [n.id for n in (node.elts if isinstance(node, ast.Tuple) else [node]) if isinstance(n, ast.Name)]


def _first_line(function: Any) -> str:
    return (function.__doc__ or "").strip().splitlines()[0]


def _compiled(module: ast.Module, name: str) -> Any:
    """The code of a changed tree: what a change adds has its place already, as a rule."""
    try:
        return compile(module, name, "exec")
    except TypeError:  # a node without a line
        return compile(ast.fix_missing_locations(module), name, "exec")


def patch(tree: ast.FunctionDef, change: Patch, texts: Mapping[int, str] | None = None) -> Callable[[], None]:
    """Put the wrong lines in the place of the right one; returns what puts it back. `texts`: known lines."""
    known = texts or {}
    found = [slot for s, slot in lines(tree.body) if (known.get(id(s)) or show(s)).startswith(change.line)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} lines of {tree.name} begin with {change.line!r}")
    (slot,) = found
    assert slot.index is not None
    wrong = ast.parse(change.wrong.replace("; ", "\n")).body
    body, start, end = getattr(slot.parent, slot.field), slot.index, slot.index + len(wrong)
    body[start : start + 1] = wrong

    def undo() -> None:
        body[start:end] = [slot.node]

    return undo


def _observed(tree: ast.FunctionDef, gradients: list[str]) -> ast.FunctionDef:
    """The right formula with calls that report its variables, and the terms of its gradients that are sums."""
    tree = copy.deepcopy(tree)
    back = next(s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == "backward")
    for s in back.body:
        if isinstance(s, ast.Assign) and show(s.targets[0]) in gradients and isinstance(s.value, ast.Call):
            holder: Any = s
            if isinstance(s.value.func, ast.Attribute) and s.value.func.attr == "reshape":
                holder = s.value.func  # a sum in another shape
            call = holder.value
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "sum"
                and len(call.args) == 1
                and not call.keywords
            ):
                name = ast.Constant(show(s.targets[0]))
                holder.value = ast.Call(ast.Name(SUM, ast.Load()), [name, call.func.value, call.args[0]], [])
    for function in (back, tree):
        function.body.insert(-1, ast.parse(f"{SEEN}(locals())").body[0])
    return tree


class Fold(ast.NodeTransformer):
    """Decide every `if` whose test needs known arguments alone."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.known = known

    def decided(self, test: ast.expr) -> bool | None:
        if not {n.id for n in ast.walk(test) if isinstance(n, ast.Name)} <= self.known.keys():
            return None
        return bool(eval(compile(ast.Expression(test), "<option>", "eval"), {**self.known}))

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        answer = self.decided(node.test)
        return node if answer is None else node.body if answer else node.orelse

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        self.generic_visit(node)
        answer = self.decided(node.test)
        return node if answer is None else node.body if answer else node.orelse


class _Plain(ast.NodeTransformer):
    """Remove the annotations of assignments."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        return ast.copy_location(ast.Assign([node.target], node.value), node) if node.value else node


@cache
def source(function: Callable[..., Any]) -> ast.FunctionDef:
    """The syntax tree of a function, without annotations and docstring."""
    tree = _Plain().visit(ast.parse(textwrap.dedent(inspect.getsource(function)))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    for node in ast.walk(tree):  # annotations are not for the reader of a formula
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for a in node.args.args:
                a.annotation = None
    if ast.get_docstring(tree):
        del tree.body[0]
    return tree


PAGES: dict[Any, Page] = {}


def page(function: Callable[..., Any], arguments: dict[str, Any] | None = None) -> Page:
    """The page of a function under these arguments: their options and numbers of axes decide. None: all its lines."""
    known = {} if arguments is None else {p: arguments[torchs(p, arguments)] for p in _parameters(function)}
    key = (
        function,
        *(
            (n, ("array", v.ndim, v.dtype.kind == "b") if isinstance(v, np.ndarray) else repr(v))
            for n, v in known.items()
        ),
    )
    if key not in PAGES:
        tree = copy.deepcopy(source(function))
        if arguments is not None:
            tree = Fold(known).visit(tree)
        PAGES[key] = Page(tree, vars(sys.modules[function.__module__]))
    return PAGES[key]


def _parameters(function: Callable[..., Any]) -> list[str]:
    return [a.arg for a in source(function).args.args]
