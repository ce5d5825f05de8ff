"""The record of an operation whose formula is a function of the user's: witnessed, not derived."""

from __future__ import annotations

import functools
import itertools
import random
import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check.ops.mistake import Gradients, Mistake
from torchref.check.ops.record import Argument, Op
from torchref.check.reading.arguments import normal
from torchref.check.reference import by_torch, inputs
from torchref.check.reference.by_use import by_use
from torchref.check.reference.inputs import Recipe, Sizes
from torchref.check.reference.signature import arguments, call
from torchref.check.reference.witness import Jacobian, NoWitness, jacobian
from torchref.check.running.tracebacks import last_lines
from torchref.check.tolerance.bound import bound
from torchref.check.tolerance.rounding import MARGIN, UNIT_ROUNDOFF, plain
from torchref.nn.module import Array

SEED = 7
STATE = re.compile(r"(h|c|s)(0|prev|old|init|tm1)$|(prev|init)(h|c|s|state|hidden|cell)$|(hidden|state|hx|cx)$")
SAMPLES = 3  # of rounded arguments
KEPT = 8  # answers that are remembered: a search asks for the same probe hundreds of times


@contextmanager
def seeded_generators() -> Iterator[None]:
    """Within this context a generator that is made without a seed has one."""
    made = np.random.default_rng
    np.random.default_rng = lambda seed=None: made(SEED if seed is None else seed)
    try:
        yield
    finally:
        np.random.default_rng = made


def seeded(function: Callable[[], Any]) -> Any:
    """`function()` with the global generators in one state, so that what it draws repeats."""
    np.random.seed(SEED)
    random.seed(SEED)
    if "torch" in sys.modules:  # torch.manual_seed queues itself for CUDA, with a traceback, at every call
        sys.modules["torch"].default_generator.manual_seed(SEED)
    with np.errstate(all="ignore"):
        return function()


class Answer:
    """The reference on one set of values: its outputs, and its gradients once they are asked for."""

    def __init__(self, formula: Witnessed, values: dict[str, Any]) -> None:
        self.formula, self.values = formula, values
        self.names = [n for n in formula.graded if isinstance(values.get(n), np.ndarray)]
        self.jacobians: dict[str, Jacobian] = {}
        if formula.torch:
            self.tensors, self.given = seeded(lambda: by_torch.forward(self.call, values, self.names))
            self.outputs = tuple(
                t.detach().double().numpy().copy() if t.is_floating_point() else t.numpy() for t in self.tensors
            )
        else:
            self.outputs = _arrays_of(seeded(lambda: self.call(values)))

    def call(self, values: dict[str, Any]) -> Any:
        return self.formula.call(values)

    def vector(self, values: dict[str, Any]) -> Array:
        """Every output, one behind the other; complex where an argument is."""
        return np.concatenate([np.ravel(y) for y in _arrays_of(seeded(lambda: self.call(values)))])

    def jacobian(self, name: str) -> Jacobian:
        if name not in self.jacobians:
            self.jacobians[name] = jacobian(self.vector, self.values, name, self.names)
            self.formula.how.add(self.jacobians[name].how)
        return self.jacobians[name]

    def backward(self, *upstream: Any) -> tuple[Gradients, Gradients]:
        """The gradients, and how far off each may be."""
        if self.formula.torch:
            self.formula.how.add("autograd in float64")
            found = seeded(lambda: by_torch.backward(self.tensors, self.given, self.names, list(upstream)))
            terms = max((float(np.abs(y).max(initial=0.0)) for y in self.outputs), default=0.0)
            return found, {
                n: np.full(g.shape, bound(np.abs(g).max(initial=0.0), np.dtype(float), terms) / MARGIN)
                for n, g in found.items()
            }
        every = (*upstream, *(None for _ in self.outputs[len(upstream) :]))
        u = np.concatenate(
            [np.zeros(y.size) if dy is None else np.ravel(dy) for y, dy in zip(self.outputs, every, strict=False)]
        )
        gradients, noise = {}, {}
        for n in self.names:
            j = self.jacobian(n)
            gradients[n] = (j.slopes @ u).reshape(self.values[n].shape)
            noise[n] = (j.noise @ np.abs(u)).reshape(self.values[n].shape)
        return gradients, noise


class Witnessed:
    """The formula `formula(v, wrong)` of a reference: `function` itself, its gradients from a witness."""

    draws = SEED  # of the global generators, whenever it runs

    def __init__(self, function: Callable[..., Any], label: str, arguments: tuple[Argument, ...], torch: bool) -> None:
        self.function, self.label = function, label
        self.names = [a.name for a in arguments]
        self.graded = [a.name for a in arguments if a.kind == "array"]
        self.torch = by_torch.in_torch(function, torch)
        self.how: set[str] = set()
        self.answers: dict[Any, Answer] = {}

    def made(self, values: dict[str, Any]) -> Answer:
        return Answer(self, values)

    def call(self, values: dict[str, Any]) -> Any:
        """What the function returns for these values."""
        return call(self.function, values)

    def tried(self, values: dict[str, Any]) -> Answer:
        """The answer on these values; by the other library where it does not take the likelier one's arrays."""
        try:
            answer = Answer(self, values)
            if answer.outputs or "torch" not in sys.modules:
                return answer
        except NoWitness:
            raise
        except Exception:  # whatever NumPy raises on tensors, or torch on these sizes
            if "torch" not in sys.modules:
                raise
        self.torch = not self.torch
        try:
            return Answer(self, values)
        except Exception:  # noqa: BLE001 -- neither library takes them: the first one's error is raised
            self.torch = not self.torch
            return Answer(self, values)

    def answer(self, v: Any) -> Answer:
        values = {n: plain(getattr(v, n, None)) for n in self.names}
        key = tuple((n, a.shape, a.tobytes()) if isinstance(a, np.ndarray) else (n, repr(a)) for n, a in values.items())
        if key not in self.answers:
            while len(self.answers) >= KEPT:
                del self.answers[next(iter(self.answers))]
            self.answers[key] = self.made(values)
        return self.answers[key]

    def __call__(
        self,
        v: Any,
        wrong: frozenset[str] = frozenset(),  # noqa: ARG002 -- Op.formula
    ) -> tuple[tuple[Array, ...], Callable[..., Gradients]]:
        answer = self.answer(v)
        return answer.outputs, lambda *upstream: answer.backward(*upstream)[0]

    def spread(self, v: Any, upstream: list[Any], precision: str) -> dict[str, Array]:
        """How far the witness itself may be off; in a lower precision also how far rounded arguments move it."""
        gradients, noise = self.answer(v).backward(*upstream)
        u = UNIT_ROUNDOFF[precision]
        found = {n: noise[n] + u * np.abs(g).max(initial=0.0) for n, g in gradients.items()}
        rng = np.random.default_rng(0)
        for _ in range(0 if precision == "float64" else SAMPLES):
            there = SimpleNamespace(**{n: _rounded(rng, getattr(v, n, None), u) for n in self.names})
            moved = self.answer(there).backward(*(_rounded(rng, dy, u) for dy in upstream))[0]
            for n, g in moved.items():
                apart = np.abs(g - gradients[n])
                found[n] = np.fmax(found[n], 2 * (apart + np.sqrt((apart * apart).sum() / max(apart.size, 1))))
        return found

    def listed(self, op: Op) -> tuple[Mistake, ...]:  # noqa: ARG002 -- Op.formula
        """No wrong formula is known of a function that is seen for the first time."""
        return ()


def _rounded(rng: Any, value: Any, u: float) -> Any:
    """A value rounded at random to the unit roundoff `u`."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    return value * (1 + rng.uniform(-u, u, value.shape))


def _arrays_of(result: Any) -> tuple[Array, ...]:
    """The arrays among what a function returned; a closure's backward and a pair's cache are none."""
    items = result if isinstance(result, tuple | list) else [result]
    return tuple(np.asarray(y) for y in items if isinstance(y, np.ndarray | np.generic | float | complex))


class Inputs:
    """What makes the arrays of the probe: one of several recipes, or the user's own function."""

    def __init__(
        self, arguments: tuple[Argument, ...], recipes: list[Recipe], own: Callable[[int], dict[str, Any]] | None = None
    ) -> None:
        self.arguments, self.recipes, self.own = arguments, recipes, own
        self.others: dict[str, Recipe] = {}  # of other sizes, by what is said of them

    def __call__(self, rng: Any, options: dict[str, Any], variant: str) -> dict[str, Any]:  # noqa: ARG002 -- Op.make
        """The arrays. Errors: KeyError for a variant that there is not."""
        if self.own is not None:
            return self.own(int(rng.integers(1 << 16)))
        if variant in self.others:
            recipe = self.others[variant]
        else:
            recipe = self.recipes[0 if variant == "rich" else {str(i): i for i in range(len(self.recipes))}[variant]]
        return recipe(rng, self.arguments)


def own_op(  # noqa: PLR0913 -- what is known of the code, and what the user has said
    function: Callable[..., Any],
    label: str,
    given: dict[str, Any] | None = None,
    sizes: Sizes | None = None,
    make: Callable[..., Any] | None = None,
    torch: bool = False,
    failed: Sequence[Recipe] = (),
    arrays: Collection[str] = (),
) -> Op:
    """The record; `torch` says which library is meant where the function runs with both.

    The shapes of recipes that have `failed` are not taken again. `arrays` names arguments that are no options.

    Errors: NoWitness if the function does not run, draws at random, or returns no array.
    """
    args = arguments(function, label, given or {}, arrays)
    if make is not None:
        args, own = _by_inputs(args, make)
        formula = Witnessed(function, label, args, torch)
        recipes: list[Recipe] = []
        values = {**{a.name: a.default for a in args}, **own(0)}
    else:
        formula, own = Witnessed(function, label, args, torch), None
        settled = {n: v.shape for n, v in getattr(function, "held", {}).items()}
        recipes, values = _found_recipes(formula, args, sizes or {}, settled, failed)
    answer = _checked(formula, values, label)
    outputs = ("output", *(f"output {i}" for i in range(2, len(answer.outputs) + 1)))
    scalar = len(answer.outputs) == 1 and answer.outputs[0].ndim == 0
    variants = tuple(str(i) for i in range(max(len(recipes), 1)))
    return Op(
        label, (), args, formula, Inputs(args, recipes, own), outputs=outputs, loss=scalar, variants=variants,
        sizes=getattr(function, "constructor_sizes", lambda: _constructor_sizes(args, recipes))(), own=True,
        family="recurrent" if _has_a_state([normal(a.name) for a in args]) else "elementwise",
    )  # fmt: skip


def _has_a_state(names: list[str]) -> bool:
    """Whether one of these arguments is the state of a recurrence: h0, prev_c; h beside x."""
    return any(map(STATE.match, names)) or {"x", "h"} <= set(names)


def _by_inputs(
    args: tuple[Argument, ...], make: Callable[..., Any]
) -> tuple[tuple[Argument, ...], Callable[[int], dict[str, Any]]]:
    """The arguments as the user's own arrays say what they are, and what makes these arrays."""
    names, label = [a.name for a in args], getattr(make, "__name__", "--inputs")

    def own(seed: int) -> dict[str, Any]:
        return _seeded_make(make, seed, names, label)

    first = own(0)

    def kind(a: Argument) -> Argument:
        value = first.get(a.name)
        if not isinstance(value, np.ndarray):
            default = value if a.name in first else a.default
            return Argument(a.name, "option", default, default, True, a.aliases)
        return Argument(a.name, "array" if value.dtype.kind == "f" else "data", aliases=a.aliases)

    return tuple(map(kind, args)), own


def _seeded_make(make: Callable[..., Any], seed: int, names: list[str], label: str) -> dict[str, Any]:
    """What `make` returns for this seed. Errors: NoWitness, whatever it raises."""
    try:
        return inputs.made(make, seed, names, label)
    except NoWitness:
        raise
    except Exception as problem:  # noqa: BLE001 -- whatever the user's function raises
        raise NoWitness(f"{label} of --inputs raised an exception:\n{last_lines(problem)}") from None


def _found_recipes(
    formula: Witnessed,
    args: tuple[Argument, ...],
    sizes: Sizes,
    settled: dict[str, inputs.Shape],
    failed: Sequence[Recipe] = (),
) -> tuple[list[Recipe], dict[str, Any]]:
    """The recipes on which the reference runs, and the values of the first. Errors: NoWitness if there is none."""
    options = {a.name: a.default for a in args if a.kind == "option"}
    first: list[Exception] = []

    def works(arrays: dict[str, Any]) -> bool | None:
        values = {**dict.fromkeys(formula.names), **options, **arrays}
        try:
            outputs = formula.tried(values).outputs
        except NoWitness:
            raise
        except Exception as problem:  # noqa: BLE001 -- whatever the user's function raises on other sizes
            first.append(problem)
            return None
        return _are_finite(outputs)

    stated = inputs.axes_sizes(sizes)
    recipes = inputs.find_recipes(args, works, stated, settled, failed)
    if not recipes:
        more = by_use(args, functools.partial(_runs, formula, options), stated, settled)
        recipes = list(itertools.islice((r for r in more if all(r.shapes != f.shapes for f in failed)), 1))
    if not recipes:
        said = f"; its first exception:\n{last_lines(first[0])}" if first else ": it returned no finite array"
        raise NoWitness(
            f"{formula.label} runs on none of the inputs that were tried; --inputs FILE.py:make gives it yours, "
            f"--sizes N=64,D=32 other sizes{said}"
        )
    return recipes, {**dict.fromkeys(formula.names), **options, **recipes[0](np.random.default_rng(0), args)}


def _are_finite(outputs: tuple[Array, ...]) -> bool:
    """Whether there are outputs, all with entries, all finite."""
    return bool(outputs) and all(y.size and np.isfinite(y).all() for y in outputs if y.dtype.kind in "fc")


def _runs(formula: Witnessed, options: dict[str, Any], arrays: dict[str, Any]) -> bool:
    """Whether the function runs on these arrays, in NumPy."""
    try:
        with np.errstate(all="ignore"):
            return _are_finite(_arrays_of(formula.function(**options, **arrays)))
    except Exception:  # noqa: BLE001 -- whatever the user's function raises on other sizes
        return False


def other_recipes(op: Op, sizes: Sizes) -> Iterator[Recipe]:
    """More recipes on which the reference runs, beyond those that the record holds."""
    assert isinstance(op.formula, Witnessed)
    settled: dict[str, inputs.Shape] = {n: v.shape for n, v in getattr(op.formula.function, "held", {}).items()}
    options = {a.name: a.default for a in op.arguments if a.kind == "option"}
    return by_use(op.arguments, functools.partial(_runs, op.formula, options), inputs.axes_sizes(sizes), settled)


def _checked(formula: Witnessed, values: dict[str, Any], label: str) -> Answer:
    """The answer on these values, if a second call gives the same one. Errors: NoWitness."""
    values = {**dict.fromkeys(formula.names), **values}
    try:
        first, second = formula.tried(values), formula.tried(values)
    except NoWitness:
        raise
    except Exception as problem:  # noqa: BLE001 -- whatever the user's function raises
        raise NoWitness(f"{label} raised an exception:\n{last_lines(problem)}") from None
    if not first.outputs:
        raise NoWitness(f"{label} returned no array; a reference returns its output, an array or a tensor")
    if any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(first.outputs, second.outputs, strict=True)):
        raise NoWitness(
            f"{label} is not deterministic: two calls on the same arrays differ; seed what it draws, inside it"
        )
    if formula.torch and not any(t.requires_grad for t in first.tensors):
        raise NoWitness(
            f"autograd finds no way from the output of {label} to its arguments; does it call detach or numpy?"
        )
    if not formula.graded:
        raise NoWitness(f"{label} takes no array of floats, so that there is no gradient to compare")
    return first


def _constructor_sizes(args: tuple[Argument, ...], recipes: list[Recipe]) -> tuple[tuple[str, str, int], ...]:
    """What a class that holds the parameters may ask for in its constructor: features in and out."""
    found: dict[str, tuple[str, str, int]] = {}
    shapes = recipes[0].shapes if recipes else {}
    for a in args[1:]:
        for axis, letter in enumerate(shapes.get(a.name, ())):
            name = {"D": "in_features", "M": "out_features", "C": "in_channels", "K": "kernel_size"}.get(str(letter))
            if name is not None and a.kind == "array":
                found.setdefault(name, (name, a.name, axis))
    if set(found) == {"in_features"}:
        _, array, axis = found["in_features"]
        return (("num_features", array, axis),)
    return tuple(found[n] for n in ("in_features", "in_channels", "out_features", "kernel_size") if n in found)
