"""A function that returns its output and its backward."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from torchref.check.ops import Op
from torchref.check.reading import arguments
from torchref.check.reading.config import Values, make_config
from torchref.check.reading.forms.calling import CouldNotRun, Run, Snapshot, call, fresh, guarded
from torchref.check.reading.forms.form import Form
from torchref.check.reading.forms.naming import flatten, name_gradients, name_outputs, returned_names


def upstream_arguments(
    function: Callable[..., Any],
    structure: Any,
    upstream: Values,
    outputs: Values,
    loss: bool,
    skip: int = 0,
) -> tuple[tuple[Any, ...], list[str]]:
    """The upstream gradients as `function` takes them, and the outputs they belong to.

    None at all, the main one, one for each output, or all of them in the output's structure.
    """
    params = arguments.parameters(function)[skip:]
    needed = [p for p in params if p.default is p.empty]
    if not params:
        return ((upstream["output"],) if takes_any(function) and not loss else ()), ["output"]
    names = [n for n in outputs if not n.startswith("running_")]
    order = [upstream.get(n) if upstream.get(n) is not None else np.zeros_like(outputs[n]) for n in names]
    own = len(params) > 1 and all(arguments.normal(q.name).startswith(("d", "g")) for q in params)
    if len(order) > 1 and (len(needed) > 1 or own):  # an argument for each, defaults or not
        return tuple(order[: len(params)]), names[: len(params)]
    if sum(upstream.get(n) is not None for n in names) > 1 and isinstance(structure, tuple):
        iterator = iter(order)

        def shaped(s: Any) -> Any:
            return tuple(shaped(i) for i in s) if isinstance(s, tuple | list) else next(iterator, None)

        return (shaped(structure),), names
    return (upstream["output"],), ["output"]


def takes_any(function: Callable[..., Any]) -> bool:
    """Whether a function takes *args, or does not say what it takes: generator.send."""
    try:
        kinds = [p.kind for p in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return True
    return inspect.Parameter.VAR_POSITIONAL in kinds


class Closure(Form):
    """`function(*arrays)` returns `(output, backward)`."""

    name = "closure"

    def __init__(self, function: Callable[..., Any], op: Op, stated: list[str] | None = None) -> None:
        self.function, self.op = function, op
        self.matching = arguments.match(
            op, arguments.parameters(function), stated=stated, keyed=arguments.read_by_key(function)
        )
        self.takes = self.matching.takes
        self.with_momentum = False

    def code(self) -> list[Any]:
        return [self.function]

    def running(self, *code: Any) -> Self:
        return self.changed(function=code[0])

    def functions(self) -> list[Any]:
        return [self.function]

    def config(self, values: Values) -> Values:
        named = self.matching.takes | self.construction.takes
        self.asked = make_config(self.op, values, self.with_momentum, named)
        return self.asked

    def forward(self, values: Values) -> tuple[Any, Values]:
        holder: Values = {}

        def config() -> Values:
            nonlocal holder
            holder = self.config(values)
            return holder

        try:
            result = call(self.function, self.matching, values, config, "the forward")
        except CouldNotRun as error:
            if (
                not self.with_momentum
                and isinstance(getattr(error, "original", None), KeyError)
                and "momentum" in str(error)
            ):
                self.with_momentum = True
                return self.forward(values)
            raise
        return result, holder

    def split(self, result: Any) -> tuple[list[Any], Any, Any]:
        """The outputs, their structure, the backward."""
        items = list(result) if isinstance(result, tuple | list) else [result]
        callables = [i for i in items if callable(i) and not isinstance(i, np.ndarray)]
        if not callables:
            raise CouldNotRun(
                "the function returned no backward: expected (output, backward) with a callable backward, "
                f"found {describe(result)}; is it another form? (--form pair, class, function)"
            )
        outputs = [i for i in items if i is not callables[-1] and not (isinstance(i, dict) or i is None or callable(i))]
        structure = (
            outputs[0]
            if len(outputs) == 1 and isinstance(outputs[0], tuple | list)
            else tuple(outputs)
            if len(outputs) > 1
            else None
        )
        return flatten(outputs), structure, callables[-1]

    def run(
        self,
        values: Values,
        upstreams: list[Values],
        expected: Values,
        shapes: dict[str, tuple[int, ...]],
    ) -> Run:
        """One forward, then one backward for each of `upstreams` (by output)."""
        values = fresh(values)
        snapshot = Snapshot({r: values[r] for r in self.takes if r in values})
        result, config = self.forward(values)
        leaves, structure, backward = self.split(result)
        first = result[0] if isinstance(result, tuple) else result
        if isinstance(first, list) and all(isinstance(leaf, float | int) for leaf in flatten(first)):
            raise CouldNotRun("the forward's output is no array but a list: return np.array(...)")
        if not leaves or not is_array(leaves[0]):
            said = describe(leaves[0]) if leaves else "nothing"
            raise CouldNotRun(f"the forward's output is no array but {said}")
        outputs = name_outputs(self.op, leaves, expected, returned_names(self.function)[: len(leaves)])
        running(outputs, values, config, self.op)
        frozen = {k: np.array(v) for k, v in outputs.items() if is_array(v)}
        run = Run(frozen, [], snapshot.changed())
        backward_names = returned_names(backward)
        order = [r for r in dict.fromkeys(self.matching.roles.values()) if r in shapes] or list(shapes)
        self.upstream = bool(arguments.parameters(backward)) or not self.op.loss
        for i, upstream in enumerate(upstreams):
            handed = fresh(upstream)
            watch = Snapshot({f"d{k}": v for k, v in handed.items()})
            args, run.handed = upstream_arguments(backward, structure, handed, frozen, self.op.loss)
            try:
                value = guarded("the backward", backward, *args)
            except CouldNotRun:
                if i > 0 and repeated(upstreams, i):
                    break
                if not isinstance(args[0] if args else None, tuple):
                    raise
                run.handed = ["output"]
                value = guarded("the backward", backward, handed["output"])
            self.gradient_count(value)
            self.note_surplus(value, values, run)
            run.gradients.append(copied(name_gradients(self.op, value, backward_names, order, shapes, self.matching)))
            run.changed += [n for n in (*snapshot.changed(), *watch.changed()) if n not in run.changed]
        return run

    def gradient_count(self, value: Any) -> None:
        if value is None:
            raise CouldNotRun("the backward returned None: expected the gradients of the array arguments")

    def note_surplus(self, value: Any, values: Values, run: Run) -> None:
        """Note for the verdict that there are more gradients than arrays."""
        arrays = [r for r in self.takes if isinstance(values.get(r), np.ndarray)]
        gradients = [g for g in flatten(value) if isinstance(g, np.ndarray) and g.dtype.kind == "f" and g.ndim]
        if not isinstance(value, dict) and len(gradients) > len(arrays) and not self.op.recurrent:
            told = f"backward returned {len(gradients)} gradients for {len(arrays)} arrays: {', '.join(sorted(arrays))}"
            run.extras.update(count=told, lost=[], fewer=False)


def repeated(upstreams: list[Values], i: int) -> bool:
    return i > 0 and upstreams[i] is upstreams[i - 1]


def running(outputs: Values, values: Values, config: Values, op: Op) -> None:
    """The running statistics where the user's code updates them in place, or in its dictionary."""
    for name in ("running_mean", "running_var"):
        if not op.has(name) or name in outputs:
            continue
        if config:
            asked = getattr(config, "asked", {name})
            kept = dict.get(config, name)
            if kept is not None and (name in asked or kept is not values.get(name)):  # else the code keeps none
                outputs[name] = kept
        elif values.get(name) is not None and isinstance(values[name], np.ndarray):
            outputs[name + " in place"] = values[name]


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | float | int) and not isinstance(value, bool)


def copied(gradients: Values) -> Values:
    return {k: (v.copy() if isinstance(v, np.ndarray) else v) for k, v in gradients.items()}


def describe(value: Any) -> str:
    """What kind of value this is, for a message."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {', '.join(describe(v) for v in value[:5])}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"a {type(value).__name__}"


__all__ = ["Closure", "describe", "upstream_arguments"]
