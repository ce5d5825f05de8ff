"""A network that is a script: its weights, its loss and their gradients are variables of a file, in no function.

    W1 = rng.normal(size=(5, 4))                    a weight, made once
    for step in range(1000):                        one pass of the loop is judged
        h = np.tanh(x @ W1)
        loss = ((h @ W2 - t) ** 2).mean()           the loss, by the name of one
        ...
        dW1 = x.T @ dz                              the gradient of W1, by its name

What does not depend on the weights runs once. The rest becomes a function of the weights, with one pass of the loop.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import linecache
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal
from torchref.check.reading.forms.tensors import Tensors, in_float64, is_tensor
from torchref.check.reading.source import made
from torchref.check.reference.network.calling import fresh
from torchref.check.reference.network.form import Passed
from torchref.check.reference.network.names import LABELS, OF_LOSS, RATE, weight_of
from torchref.check.reference.network.of_class import EXAMPLES
from torchref.check.reference.network.weight_shapes import WEIGHT
from torchref.check.reference.own import seeded
from torchref.check.reference.witness import NoWitness
from torchref.nn.module import Array

Names = frozenset[str]
SCRIPT = "the script"  # its name in a verdict, where no variable is named
FIRST = ("loss", "cost", "J", "total_loss", "L")  # of several variables with names of losses
DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


@dataclass(frozen=True)
class _Script:
    """What the source of a script shows."""

    gradients: dict[str, str]  # of each weight: the variable that is its gradient
    losses: tuple[str, ...]  # variables with names of losses, the likelier first
    once: list[ast.stmt]  # what runs before the pass: it depends on no weight
    each: list[ast.stmt]  # the pass


@dataclass
class _OfScript:
    """The pass of a script as a function, and its weights as the script makes them."""

    function: Callable[[], Any]
    weights: dict[str, Array]
    bound: Names  # the variables that a pass binds
    data: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    left: dict[str, Array] = field(default_factory=dict)

    def code(self) -> list[Any]:
        return [self.function]

    def goes_back(self) -> Callable[..., Any]:
        return self.function

    def with_weights(self, weights: dict[str, Array], left: dict[str, Array]) -> _OfScript:
        return replace(self, weights=weights, left=left)

    def without_gradient(self) -> list[str]:
        return list(self.left)

    def passed(self, weights: dict[str, Any], code: list[Any], loss_alone: bool = False) -> Passed:
        scope = code[-1].__globals__
        before = {n: fresh(scope[n]) for n in self.bound if n in scope}
        tensors = Tensors()
        for n, w in {**self.left, **weights}.items():
            old = scope[n]
            own = tensors.tensor(np.asarray(w)) if is_tensor(old) else np.array(w, subok=True)
            scope[n] = own if is_tensor(old) or isinstance(old, np.ndarray) else own.reshape(())[()]
        on_tensors = any(is_tensor(scope[n]) for n in self.weights)
        try:
            with in_float64() if on_tensors else contextlib.nullcontext():
                loss, found = code[-1]()
        finally:
            scope.update(before)
        loss = _plain(loss)
        gradients = {} if loss_alone else {n: _plain(g) for n, g in found.items() if g is not None}
        return Passed(loss[()] if np.size(loss) == 1 and np.ndim(loss) == 0 else loss, gradients)


def _plain(value: Any) -> Any:
    """An array, whatever the script holds: a tensor, a number."""
    return value.detach().numpy() if is_tensor(value) else np.asarray(value)


def is_script(path: str, name: str = SCRIPT) -> bool:
    """Whether the variables of a file are a network, and `name`, if it is stated, is one that may be its loss."""
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        script = _script_in(ast.parse(Path(path).read_text(encoding="utf-8", errors="replace")))
        return script is not None and (name == SCRIPT or name in script.losses)
    return False


def _script_in(tree: ast.Module) -> _Script | None:
    """The script of a file; None where its variables hold no loss and no gradient of a weight."""
    statements = _with_named_gradients(list(_flat(tree.body)))
    every = list(dict.fromkeys(n for s in statements if not isinstance(s, DEFINITIONS) for n in _bound(s)))
    losses = [n for n in every if OF_LOSS.match(n)]
    pairs = {
        w: g for g in every if (w := weight_of(g, every)) is not None and w != g and every.index(w) < every.index(g)
    }
    sizes = {n for s in statements for n in _sizes(s)}
    candidates = frozenset(w for w in pairs if normal(w) not in (*LABELS, *EXAMPLES) and w not in sizes)
    depends = _dependencies(statements, candidates)
    leaves = frozenset(w for w in candidates if not depends.get(w, frozenset()) - {w})
    gradients = {w: pairs[w] for w in every if w in leaves}
    if not losses or not gradients:
        return None
    ends = frozenset((*gradients.values(), *losses))
    last = max(i for i, s in enumerate(statements) if ends & set(_bound(s)))
    once, each = _split(statements[: last + 1], leaves, ends)
    each = [_OnePass(frozenset(gradients.values()), each).visit(s) for s in each]
    first = [n for n in FIRST if n in losses]
    return _Script(gradients, (*first, *(n for n in reversed(losses) if n not in first)), once, each)


def _sizes(statement: ast.stmt) -> list[str]:
    """The variables that a statement sets to a whole number other than 0: n, vocab, emb = 32, 27, 10."""
    if not isinstance(statement, ast.Assign):
        return []
    whole = isinstance(statement.value, ast.Tuple) and isinstance(statement.targets[0], ast.Tuple)
    pairs = (
        list(zip(statement.targets[0].elts, statement.value.elts, strict=False))  # type: ignore[attr-defined]
        if whole
        else [(t, statement.value) for t in statement.targets]
    )
    numbers = [(t, v.value) for t, v in pairs if isinstance(v, ast.Constant) and isinstance(t, ast.Name)]
    return [t.id for t, value in numbers if type(value) is int and value]


def _with_named_gradients(statements: list[ast.stmt]) -> list[ast.stmt]:
    """The statements in which each step without a named gradient gives it a name: dw = rate * g / rate."""
    every = [n for s in statements if not isinstance(s, DEFINITIONS) for n in _bound(s)]
    named = frozenset(w for g in every if (w := weight_of(g, every)) is not None and w != g)
    naming = _Steps(named | frozenset(n for n in every if f"d{n}" in every), frozenset(every))
    return [s if isinstance(s, DEFINITIONS) else naming.visit(copy.deepcopy(s)) for s in statements]


class _Steps(ast.NodeTransformer):
    """w -= lr * g becomes dw = lr * g / lr, for a weight whose gradient has no name; so does w = w - lr * g."""

    def __init__(self, named: Names, known: Names) -> None:
        self.named, self.known = named, known  # the weights whose gradients have names, and every variable

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if isinstance(node.target, ast.Name) and isinstance(node.op, ast.Sub | ast.Add):
            return self.gradient(node, node.target.id, node.value, isinstance(node.op, ast.Add))
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        target, value = node.targets[0], node.value
        difference = isinstance(target, ast.Name) and isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub)
        if difference and ast.unparse(value.left) == target.id:  # type: ignore[attr-defined]
            return self.gradient(node, target.id, value.right, False)  # type: ignore[attr-defined]
        return node

    def gradient(self, node: ast.stmt, weight: str, step: ast.expr, added: bool) -> ast.AST:
        rate = next((n.id for n in ast.walk(step) if isinstance(n, ast.Name) and normal(n.id) in RATE), None)
        plain = isinstance(node, ast.AugAssign) and WEIGHT.match(weight) is not None  # syn += layer.T @ delta
        if weight in self.named or weight_of(weight, self.known) != weight or not (rate or plain):
            return node
        rate = rate or "1"
        sign = "-" if added else ""
        made = ast.parse(f"d{weight} = {sign}({ast.unparse(step)}) / {rate}").body[0]
        for part in ast.walk(made):
            ast.copy_location(part, node)
        return made

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a file, those under `if __name__ == "__main__":` among them."""
    for s in body:
        main = isinstance(s, ast.If) and isinstance(s.test, ast.Compare) and "__name__" in _read(s.test)
        if main and isinstance(s, ast.If):
            yield from s.body
        else:
            yield s


def _bound(node: ast.AST) -> list[str]:
    """The variables that a statement binds, in order; those of a function's inside are its own."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
        return [node.name] if not isinstance(node, ast.Lambda) else []
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return [_filled(node.value)] if _filled(node.value) else []
    own = [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []
    inner = [n for child in ast.iter_child_nodes(node) for n in _bound(child)]
    if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
        root = _root(node)
        return [*inner, root] if root else inner
    return [*inner, *own]


def _filled(call: ast.Call) -> str:
    """The variable that a call changes in place: np.add.at(dW, i, d), dW.index_add_(0, i, d), losses.append(loss)."""
    if not isinstance(call.func, ast.Attribute):
        return ""
    if call.func.attr in ("at", "put", "copyto", "put_along_axis", "place"):
        return _root(call.args[0]) if call.args else ""
    own = call.func.attr.endswith("_") or call.func.attr in ("fill", "append", "extend", "update", "insert")
    return _root(call.func.value) if own else ""


def _root(node: ast.expr) -> str:
    """The variable of which an entry or an attribute is set: dW of dW[i, j]."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _read(node: ast.AST) -> set[str]:
    """The variables that a statement reads, or changes in place."""
    changed = {_root(n.target) for n in ast.walk(node) if isinstance(n, ast.AugAssign)}
    return changed | {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _dependencies(statements: list[ast.stmt], candidates: Names) -> dict[str, Names]:
    """Each variable: the candidates that it was made of, where it was first made."""
    found: dict[str, Names] = {}
    for s in statements:
        of = frozenset().union(*(found.get(n, frozenset()) | ({n} & candidates) for n in _read(s)))
        for n in _bound(s):
            found.setdefault(n, frozenset(of - {n}) if not isinstance(s, ast.For | ast.While) else of)
    return found


def _split(statements: list[ast.stmt], leaves: Names, ends: Names) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """What depends on no weight, and what does; a weight is made by the first alone."""
    once: list[ast.stmt] = []
    each: list[ast.stmt] = []
    touched = set(leaves)
    started = False
    for s in statements:
        bound, read = set(_bound(s)), _read(s)
        makes = bound and bound <= leaves and not read & touched - bound and not started
        if isinstance(s, DEFINITIONS):
            touched |= bound if read & touched else set()
            once.append(s)
        elif makes or not (read & touched or bound & (ends | touched)):
            once.append(s)
        else:
            touched |= bound
            started = started or bool(bound & ends)
            each.append(s)
    return once, each


class _OnePass(ast.NodeTransformer):
    """Loops that hold every line which makes a gradient are left after their first pass."""

    def __init__(self, gradients: Names, statements: list[ast.stmt]) -> None:
        self.gradients = gradients
        self.lines = self.made(statements)

    def made(self, statements: list[ast.stmt]) -> set[int]:
        kinds = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)
        nodes = [n for s in statements for n in ast.walk(s) if isinstance(n, kinds)]
        return {n.lineno for n in nodes if self.gradients & set(_bound(n))}

    def leave(self, node: ast.For | ast.While) -> ast.AST:
        self.generic_visit(node)
        if self.made(node.body) >= self.lines:
            node.body.append(ast.copy_location(ast.Break(), node.body[-1]))
            node.orelse = []
        return node

    visit_For = visit_While = leave

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node


def of_script(path: str, name: str = SCRIPT) -> Iterator[_OfScript]:
    """The ways to run a script, one for each variable that may be its loss. Errors: NoWitness.

    What its first part raises comes out as it is.
    """
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    script = _script_in(ast.parse(text))
    if script is None:
        raise NoWitness(ADVICE)
    scope = _ran_once(script.once, path)
    held = {n: _number(scope.get(n)) for n in script.gradients}
    weights = {n: w for n, w in held.items() if w is not None}
    bound = frozenset(n for s in script.each for n in _bound(s)) | frozenset(weights)
    for loss in script.losses if name == SCRIPT else (name,):
        function = _function(script, weights, loss, bound, scope, path)
        yield _OfScript(
            function, weights, bound, description=f"the variable {loss} after one pass of {Path(path).name}"
        )


ADVICE = (
    "a file without functions is judged by its variables: write loss = ..., a number, and dW = ... for the gradient of "
    "W, both after the line that makes W; a loop is judged by its first pass"
)


def _ran_once(statements: list[ast.stmt], path: str) -> dict[str, Any]:
    """The variables of the file after the statements that depend on no weight."""
    module = ModuleType(Path(path).stem)
    module.__file__ = path
    sys.modules.setdefault(module.__name__, module)
    scope = vars(module)
    scope["print"] = lambda *_, **__: None
    tree = ast.fix_missing_locations(ast.Module(statements, []))
    with in_float64() if any(map(_imports_torch, statements)) else contextlib.nullcontext():
        seeded(lambda: exec(compile(tree, path, "exec"), scope))
    return scope


def _imports_torch(statement: ast.stmt) -> bool:
    """Whether a statement imports torch."""
    names = [a.name for a in statement.names] if isinstance(statement, ast.Import) else []
    names += [str(statement.module)] if isinstance(statement, ast.ImportFrom) else []
    return any(n.partition(".")[0] == "torch" for n in names)


def _number(value: Any) -> Array | None:
    """A weight as an array of floats; None for what is none."""
    if is_tensor(value):
        value = value.detach().numpy()
    zero = type(value) is int and value == 0  # b = 0, to begin with
    number = (
        zero or isinstance(value, float | np.floating) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")
    )
    return np.array(value, dtype=float) if number else None


def _function(
    script: _Script, weights: dict[str, Array], loss: str, bound: Names, scope: dict[str, Any], path: str
) -> Callable[[], Any]:
    """The pass as a function without arguments, on the variables of the file; its source can be read."""
    gradients = {n: g for n, g in script.gradients.items() if n in weights}
    returned = f"return {loss}, {{{', '.join(f'{n!r}: {g}' for n, g in gradients.items())}}}"
    lines = [f"global {', '.join(sorted(bound))}", *(ast.unparse(s) for s in script.each), returned]
    body = "\n".join(f"    {line}" for part in lines for line in part.splitlines())
    source = f"def one_pass():\n{body}\n"
    return made(source, "one_pass", f"<one pass of {path}: {loss}>", scope)


def line_in(path: str, gradient: str) -> int:
    """The line of the file that makes a weight's gradient, the last; 0 where there is none."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8", errors="replace"))
    script = _script_in(tree)
    variable = script.gradients.get(gradient) if script is not None else None
    kinds = (ast.Assign, ast.AugAssign, ast.Expr)
    made = [n.lineno for n in ast.walk(tree) if isinstance(n, kinds) and variable in _bound(n)]
    return max(made or [n.lineno for n in ast.walk(tree) if isinstance(n, kinds) and gradient in _bound(n)], default=0)


def in_the_file(path: str, told: str) -> str:
    """What is told of a line of the pass, told of the file's own; without a number where that is not seen."""
    own = [line.strip() for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines()]
    passes = [lines for name, (_, _, lines, _) in _cached() if name.startswith(f"<one pass of {path}:")]

    def number(found: re.Match[str]) -> str:
        at = int(found[1]) - 1
        there = next((own.index(ls[at].strip()) + 1 for ls in passes if at < len(ls) and ls[at].strip() in own), None)
        return f"line {there}" if there else "a line"

    return re.sub(r"\bline (\d+)", number, told)


def _cached() -> list[tuple[str, Any]]:
    """The sources that are kept whole, by the name of their file."""
    return [(n, entry) for n, entry in linecache.cache.items() if len(entry) == 4]
