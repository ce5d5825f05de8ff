"""`NAME_forward` returns its output and a cache, `NAME_backward` takes the upstream gradient and the cache."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from torchref.check.ops import Op
from torchref.check.reading import arguments
from torchref.check.reading.arguments import ALIASES, normal
from torchref.check.reading.config import Values
from torchref.check.reading.forms.calling import CouldNotRun, Run, Snapshot, fresh, guarded
from torchref.check.reading.forms.closure import Closure, copied, is_array, repeated, running
from torchref.check.reading.forms.form import SWAP
from torchref.check.reading.forms.naming import flatten, name_gradients, name_outputs, returned_names

CACHE = {normal(n) for n in ALIASES["cache"]}
DY = {normal(n) for n in ALIASES["dy"]}

NO_CACHE = object()  # in the place of what a forward returns beside its output


class Pair(Closure):
    """`forward(*arrays) -> (output, cache)` and `backward(doutput, cache) -> gradients`."""

    name = "pair"

    def __init__(
        self, pair: tuple[Callable[..., Any], Callable[..., Any]], op: Op, stated: list[str] | None = None
    ) -> None:
        super().__init__(pair[0], op, stated)
        self.back = pair[1]
        params = arguments.parameters(self.back)
        roles: dict[str, str] = {}
        for p in params:
            n = normal(p.name)
            if n in CACHE and "cache" not in roles.values():
                roles[p.name] = "cache"
        by_result = "cache" not in roles.values() and self.results_by_name(params)
        roles |= by_result or {}
        free = [p for p in params if p.name not in roles and (p.default is p.empty or normal(p.name) in DY)]
        own = [p for p in free if normal(p.name) not in DY]
        by_name = len(own) > 1 and all(p.name in self.matching.roles for p in own)  # backward(a, y) of forward(a, y)
        if "cache" not in roles.values() and not by_name and not by_result:
            names = [p for p in free if normal(p.name) in DY or normal(p.name).startswith("d")]
            others = [p for p in free if p not in names]
            if len(others) == 1 and len(free) > 1:
                roles[others[0].name] = "cache"
            elif len(free) == 1 and op.loss:
                roles[free[0].name] = "cache" if not names else "dy"
            elif len(free) == 2:
                roles[free[1].name] = "cache"
            elif not others and len(free) > 2:
                roles[free[-1].name] = "cache"
        free = [p for p in free if p.name not in roles]
        # what is left takes upstream gradients in the order of the outputs, or arguments by their names
        named = {
            p.name: r
            for p in free
            if (r := self.matching.roles.get(p.name))
            and normal(p.name) not in DY
            and not normal(p.name).startswith("d")
        }
        if not named and "cache" not in roles.values() and not by_result:
            rest = [p for p in free if normal(p.name) not in DY]
            if len(rest) > 1:
                named = dict(arguments.match(op, rest, ("output",)).roles.items())
        roles.update(named)
        self.upstreams = [p.name for p in free if p.name not in named]
        self.roles = roles

    def results_by_name(self, params: list[inspect.Parameter]) -> dict[str, str]:
        """What it takes of the results: backward(dout, inp, mean, rstd) of return out, mean, rstd."""
        kept = {normal(n): i for i, n in enumerate(returned_names(self.function)) if i and n}
        held = [p for p in params if normal(p.name) in kept and normal(p.name) not in DY]
        return {p.name: f"result {kept[normal(p.name)]}" for p in held if p.name not in self.matching.roles}

    def code(self) -> list[Any]:
        return [self.back, self.function]

    def running(self, *code: Any) -> Self:
        return self.changed(back=code[0], function=code[1])

    def exchanged(self) -> Self:
        other = super().exchanged()
        return other.changed(roles={p: SWAP.get(r, r) for p, r in self.roles.items()})

    def split(self, result: Any) -> tuple[list[Any], Any, Any]:
        if any(r.startswith("result ") for r in self.roles.values()):
            items = flatten(list(result)) if isinstance(result, tuple | list) else [result]
            return items[:1], None, items
        if "cache" not in self.roles.values():
            items = flatten(result) if isinstance(result, tuple | list) else [result]
            return [i for i in items if is_array(i)][:1], None, items
        if not isinstance(result, tuple | list) or len(result) < 2:
            if all(p in self.matching.roles for p, r in self.roles.items() if r == "cache"):
                return [result], None, NO_CACHE  # backward(dy, x): what it calls x is the forward's x
            if is_array(result) and not any(normal(p) in CACHE for p in self.roles):
                return [result], None, result  # backward(dy, y): what it keeps is the output
            raise CouldNotRun("the forward returned no cache: expected (output, cache)")
        outputs = flatten(list(result[:-1]))
        return [o for o in outputs if is_array(o)], None, result[-1]

    def takes_upstream(self) -> bool:
        """Whether the backward takes an upstream gradient; a loss's may take none."""
        return bool(self.upstreams) or not self.op.loss

    def handed_back(self, role: str, values: Values, frozen: Values) -> Any:
        """What the backward is handed for one of its arguments, the cache and the upstream gradients aside."""
        return frozen["output"] if role == "output" else values.get(role)

    def run(
        self,
        values: Values,
        upstreams: list[Values],
        expected: Values,
        shapes: dict[str, tuple[int, ...]],
    ) -> Run:
        values = fresh(values)
        snapshot = Snapshot({r: values[r] for r in self.takes if r in values})
        result, config = self.forward(values)
        leaves, _, cache = self.split(result)
        outputs = name_outputs(self.op, leaves, expected, returned_names(self.function)[: len(leaves)])
        running(outputs, values, config, self.op)
        frozen = {k: np.array(v) for k, v in outputs.items() if is_array(v)}
        run = Run(frozen, [], snapshot.changed())
        order = [r for r in dict.fromkeys(self.matching.roles.values()) if r in shapes] or list(shapes)
        names = returned_names(self.back)
        self.upstream = self.takes_upstream()
        if cache is NO_CACHE:
            cache = next(values.get(self.matching.roles[p]) for p, r in self.roles.items() if r == "cache")
        live = [n for n in frozen if not n.startswith(("running_", "weights"))]
        for i, upstream in enumerate(upstreams):
            handed = fresh(upstream)
            watch = Snapshot({f"d{k}": v for k, v in handed.items()})
            given = [handed.get(n) if handed.get(n) is not None else np.zeros_like(frozen[n]) for n in live]
            kwargs = dict(zip(self.upstreams, given, strict=False))
            run.handed = live[: len(self.upstreams)] or ["output"]
            for parameter, role in self.roles.items():
                if role == "cache":
                    kwargs[parameter] = cache
                elif role.startswith("result "):
                    kwargs[parameter] = cache[int(role.split()[1])]
                else:
                    kwargs[parameter] = self.handed_back(role, values, frozen)
            try:
                places = [p.name for p in arguments.parameters(self.back) if p.kind == p.POSITIONAL_ONLY]
                args = [kwargs.pop(n) for n in places if n in kwargs]
                value = guarded("the backward", self.back, *args, **kwargs)
            except CouldNotRun:
                if repeated(upstreams, i):
                    break
                raise
            self.gradient_count(value)
            self.note_surplus(value, values, run)
            run.gradients.append(copied(name_gradients(self.op, value, names, order, shapes, self.matching)))
            run.changed += [n for n in (*snapshot.changed(), *watch.changed()) if n not in run.changed]
        return run
