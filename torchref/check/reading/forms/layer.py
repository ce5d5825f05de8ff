# ruff: noqa: E501
"""A class with `forward` and `backward` that keeps what it needs on itself."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from torchref.check.ops import Op
from torchref.check.ops.probe import make_probe
from torchref.check.reading import arguments
from torchref.check.reading.arguments import aliases, normal
from torchref.check.reading.config import Values
from torchref.check.reading.forms.attributes import Place, collect, get, members, place, plain_number, put, read_place
from torchref.check.reading.forms.calling import CouldNotRun, Run, Snapshot, UserError, call, fresh, guarded
from torchref.check.reading.forms.class_names import RESULTS, SIDES, SIZES, ZERO
from torchref.check.reading.forms.closure import Closure, copied, is_array, repeated, upstream_arguments
from torchref.check.reading.forms.late_parameters import SHAPES, complete
from torchref.check.reading.forms.methods import calls, forward_and_backward, what_is_missing
from torchref.check.reading.forms.modes import switch
from torchref.check.reading.forms.naming import flatten, name_gradients, name_outputs, returned_names
from torchref.check.reading.forms.tensors import class_on_tensors, tensors_of
from torchref.check.reading.forms.unnamed import Rate, entries, made_since, places_by_shape, rates_of_steps
from torchref.check.reading.forms.updating import RATE, changes, held_weights, is_rate
from torchref.check.reading.forms.values import array_of, class_of_arguments, wrapped
from torchref.check.reading.source import text_of
from torchref.check.reading.unused import ACTIVATIONS, OPTIMIZERS, UNUSED, Descent

FAILED_AGAIN = object()  # in the place of what a backward returns
INPUT_GRADIENTS = ("dx", "dX", "dinputs", "grad_input", "dinput", "d_input", "dlogits", "grad")


@dataclass(frozen=True)
class Gone:
    """An instance after its forward."""

    instance: Any
    before: Values  # its attributes before
    snapshot: Snapshot  # of the arrays that it was handed
    weights: dict[str, np.ndarray]  # copies of the arrays that it holds
    structure: Any  # of what came back, where that is more than one array
    frozen: dict[str, np.ndarray]  # the outputs, copied
    values: Values
    result: Any  # what the forward returned
    kept: dict[int, Any] = field(default_factory=dict)  # the arrays that it holds, by their identity


class Layer(Closure):
    """A class; a fresh instance for each run."""

    name = "class"
    torch_values: Values | None = None  # the probe's values in torch's convention
    late = False  # its parameters are made after its constructor
    prediction = False  # of a loss's backward(what, target): `what` is the prediction, no upstream gradient
    switched: Mapping[str, bool] = MappingProxyType({})  # the constructor's switches that are off: affine=False

    def __init__(self, cls: Any, op: Op, stated: list[str] | None = None) -> None:
        self.cls = cls
        self.is_class = inspect.isclass(cls)
        self.tensors = hasattr(cls, "_on_tensors")
        self.forward_name, self.backward_name = self.methods()
        self.forward_method = getattr(cls, self.forward_name)
        self.backward_method = getattr(cls, self.backward_name)
        self.with_momentum = True
        self.own_shapes: dict[str, tuple[int, ...]] = {}
        self.forward_params = self.own_parameters(self.forward_name)
        self.read(op, stated)

    def read(self, op: Op, stated: list[str] | None) -> None:
        """Match the arguments of the constructor and of the forward, and see what an instance holds."""
        self.op, self.stated = op, stated
        self.sizes: dict[str, tuple[str, int]] = {}  # a constructor's parameter: torch's size, and its axis
        free = self.sizes_by_name()
        # the forward's arguments come first: the input is never the constructor's
        first = ("input", "target", "query", "key", "value", "x1", "x2")
        inputs = [a.name for a in op.arguments if a.name.startswith(first)]
        self.calling = self.matching = arguments.match(op, self.forward_params, stated=stated)
        taken = tuple(dict.fromkeys((*self.calling.takes, *inputs)))
        self.constructed = self.constructor_of_arrays(self.sizes_in_order(free, taken), taken)
        self.takes = self.calling.takes | self.construction.takes
        self.either = self.takes_what_and_target(self.own_parameters(self.backward_name))
        self.attributes: dict[str, tuple[str, Any]] = {}
        self.discover()

    def methods(self) -> tuple[str, str]:
        """The names of the methods that go forward and back."""
        forward, backward = forward_and_backward(self.cls)
        if forward is None or backward is None:
            raise CouldNotRun(what_is_missing(self.cls, forward, backward))
        hands_on = self.is_class and not arguments.parameters(getattr(self.cls, forward))[1:]
        if forward == "forward" and hands_on and calls(self.cls) and arguments.parameters(self.cls.__call__)[1:]:
            forward = "__call__"  # def forward(self, *args): return self(*args)
        return forward, backward

    def own_parameters(self, method: str) -> list[inspect.Parameter]:
        """The parameters of a method without self."""
        params = arguments.parameters(getattr(self.cls, method))
        static = isinstance(inspect.getattr_static(self.cls, method), staticmethod | classmethod)
        return params[1:] if self.is_class and not static else params

    def unsized(self) -> list[tuple[str, str, int]]:
        return [s for s in self.op.sizes if s[0] not in [k for k, _ in self.sizes.values()]]

    def sizes_by_name(self) -> list[inspect.Parameter]:
        """Find the sizes among the constructor's parameters by their names; the parameters that are left."""
        cls, op = self.cls, self.op
        params = arguments.parameters(cls.__init__)[1:] if self.is_class and cls.__init__ is not object.__init__ else []
        free = []
        for p in params:
            if isinstance(p.default, bool) and op.has(p.name) and op.argument(p.name).kind == "array":
                continue  # bias=True: whether there is one, not the array
            if p.default is p.empty and normal(p.name) in SHAPES and (op.kernel or op.pools or op.has("kernel_size")):
                self.sizes[p.name] = ("input_shape", 0)
                continue
            if p.default is p.empty and normal(p.name) in SIDES and op.kernel:
                self.sizes[p.name] = ("side", SIDES[normal(p.name)])
                continue
            named = (s for s in self.unsized() if normal(p.name) in map(normal, SIZES.get(s[0], (s[0],))))
            size = next(named, None)
            exact = (op.has(p.name) and p.name != "normalized_shape") or self.is_an_array(p, params)
            if size and not exact and not isinstance(p.default, np.ndarray):
                self.sizes[p.name] = (size[0], size[2])
            else:
                free.append(p)
        return free

    def is_an_array(self, p: inspect.Parameter, params: list[inspect.Parameter]) -> bool:
        """Whether `filters` or `kernel` is the array of the weights: no other parameter says how many or how large."""
        known = {normal(n) for name, _, _ in self.op.sizes for n in SIZES.get(name, (name,))}
        others = [q for q in params if q is not p and normal(q.name) in known]
        return self.op.kernel and p.default is p.empty and not others and normal(p.name) in aliases(self.op, "weight")

    def sizes_in_order(self, free: list[inspect.Parameter], taken: tuple[str, ...]) -> list[inspect.Parameter]:
        """The sizes that no name tells, in torch's order; the parameters that are left."""
        unsized, still = self.unsized(), []
        names = {n for a in self.op.arguments if a.name not in taken for n in aliases(self.op, a.name)}
        for p in free:
            known = normal(p.name) in names or arguments.CONFIG.match(p.name)
            if p.default is p.empty and unsized and not known:
                size = unsized.pop(0)
                self.sizes[p.name] = (size[0], size[2])
            else:
                still.append(p)
        return still

    def constructor_of_arrays(self, params: list[inspect.Parameter], taken: tuple[str, ...]) -> arguments.Matching:
        """The constructor's arguments. A number `scale=0.01` is no weight, where an instance makes its own without it."""
        whole = arguments.match(self.op, params, skip=taken)
        names = {n: a.name for a in self.op.arrays for n in aliases(self.op, a.name)}
        scalars = [p for p in params if type(p.default) in (int, float) and normal(p.name) in names]
        if not scalars:
            return whole
        self.constructed = arguments.match(self.op, [p for p in params if p not in scalars], skip=taken)
        self.fallback = make_probe(self.op, 0, None).values
        try:
            instance = self.build(dict(self.fallback))
        except CouldNotRun:
            return whole
        roles = {names[normal(p.name)] for p in scalars}
        makes = all(place(self.op, instance, r) or read_place(self.op, self.cls, instance, r) for r in roles)
        return self.constructed if makes else whole

    @property
    def construction(self) -> arguments.Matching:
        return self.constructed

    def code(self) -> list[Any]:
        return [self.cls]

    def running(self, *code: Any) -> Self:
        (cls,) = code
        if self.tensors and not hasattr(cls, "_on_tensors"):
            cls = class_on_tensors(cls)
        methods = {
            "forward_method": getattr(cls, self.forward_name),
            "backward_method": getattr(cls, self.backward_name),
        }
        return self.changed(cls=cls, **methods)

    def functions(self) -> list[Any]:
        return [self.cls, self.forward_method]

    def for_probe(self, values: Values) -> Self:
        return self.changed(torch_values=values, own_shapes={})

    def against(self, op: Op) -> Self:
        """A copy that is judged against `op`; of kernels with other axes it is seen once more what holds them."""
        other = self.changed(op=op)
        if op.kernel:
            other.read(op, self.stated)
        return other

    def exchanged(self) -> Self:
        other = super().exchanged()
        return other.changed(calling=other.matching)

    def starting_at_zero(self) -> Self:
        """A copy for a class that sets its first state to zero whatever it held."""
        left = {k: v for k, v in self.attributes.items() if k not in ("hx", "cx")}
        return self.changed(attributes=left, takes=self.takes - {"hx", "cx"})

    # --- where the arrays are ----------------------------------------------------------------------------------------

    def size_arrays(self, values: Values) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for parameter, (name, axis) in self.sizes.items():
            if name == "input_shape":  # of one image
                found[parameter] = np.shape(values["input"])[-(1 + self.op.argument("input").axes.count("W") + 1) :]
                continue
            if name == "side":
                found[parameter] = np.shape(values["input"])[axis]
                continue
            array = next(s[1] for s in self.op.sizes if s[0] == name)
            weight = (self.torch_values or values).get(array)  # sizes do not depend on how a weight is stored
            if weight is None:
                weight = self.fallback.get(array)
            if weight is not None and axis < np.ndim(weight):  # of one example, hx may lack its axis
                found[parameter] = int(np.shape(weight)[axis])
        return found

    def discover(self) -> None:
        """Which of the operation's arrays the class holds as attributes: look at an instance."""

        everything = make_probe(self.op, 0, None).values
        self.fallback = everything
        try:
            instance = self.made(dict(everything))
        except CouldNotRun:
            return
        for a in self.op.arguments:
            if a.kind == "option" or a.name in self.takes or a.name in ("query", "key", "value"):
                continue  # query, key and value are handed to the forward, if at all
            at = place(self.op, instance, a.name) or read_place(self.op, self.cls, instance, a.name)
            if at is None and np.size(everything.get(a.name, ())) == 1:
                at = plain_number(self.op, instance, a.name)
            key = at and (at[1] if isinstance(at[1], str) else str(at[1][-1]))
            if key and any(normal(key) == normal(q) and r != a.name for q, r in self.construction.roles.items()):
                continue  # the constructor's array of that name is another argument
            if at and at not in self.attributes.values():
                self.attributes[a.name] = at
        self.attributes |= self.unnamed_places(instance, everything)
        if self.late:
            self.attributes = {n: at for n, at in self.attributes.items() if self.lasts(instance, at)}
        self.takes = self.takes | set(self.attributes)
        if self.op.has("training") and switch(instance, True):
            self.takes = self.takes | {"training"}
        empty = any(get(instance, *at) is None for at in self.attributes.values())
        if not self.late and (empty or any(a.name not in self.takes for a in self.op.arrays)):
            self.discover_late_parameters()

    def unnamed_places(self, instance: Any, values: Values) -> dict[str, Place]:
        """Where the arrays are that no name tells: those that have a gradient first."""
        handed = ("input", "query", "key", "value", "hx", "cx")
        missing = [a for a in self.op.arguments if a.kind != "option" and not a.name.startswith(handed)]
        names = [a.name for a in sorted(missing, key=lambda a: a.kind != "array") if a.name in self.holds()]
        return places_by_shape(self.op, instance, names, values, self.attributes.values())

    def holds(self) -> set[str]:
        """The arrays that an instance may hold, and that are not found yet."""
        known = {*self.takes, *self.attributes, *self.construction.takes}
        return {a.name for a in self.op.arguments if a.name not in known and a.name not in ("target", "mask")}

    def discover_late_parameters(self) -> None:
        """Look again at an instance that was told to make its parameters, and that has gone forward once."""
        known = self.attributes
        self.late, self.attributes, self.takes = True, {}, self.takes - set(known)
        self.discover()
        if len(self.attributes) < max(len(known), 1) or not self.made_late():
            self.late, self.attributes = False, known
            self.takes = self.takes | set(known)

    def lasts(self, instance: Any, at: Place) -> bool:
        """Whether what an instance holds at a place is still there after another forward: a state is another one."""
        before = get(instance, *at)
        with contextlib.suppress(CouldNotRun):
            self.go_forward(instance, fresh(self.fallback))
        with contextlib.suppress(AttributeError, KeyError, IndexError, TypeError):
            return get(instance, *at) is before
        return False

    def made_late(self) -> bool:
        """Whether the instance that has gone forward holds arrays where there were none before."""
        before, after = self.build(dict(self.fallback)), self.made(dict(self.fallback))

        def there(instance: Any, at: Place) -> bool:
            with contextlib.suppress(AttributeError, KeyError, IndexError, TypeError):
                return get(instance, *at) is not None
            return False

        return any(there(after, at) and not there(before, at) for at in self.attributes.values())

    def made(self, values: dict[str, Any]) -> Any:
        """An instance with its parameters."""
        instance = self.build(values)
        for key in members(instance):
            if normal(key) in OPTIMIZERS and getattr(instance, key) is None:
                setattr(instance, key, Descent())
        if self.late and self.is_class:
            with contextlib.suppress(CouldNotRun):
                complete(instance, values.get(self.op.arguments[0].name))
                self.go_forward(instance, fresh(values))
        return instance

    def strange(self) -> list[str]:
        """Arrays of the class's own making that match no argument: without them the forward cannot be judged."""
        try:
            instance = self.build(dict(self.fallback))
        except CouldNotRun:
            return []
        own = members(instance)
        for key, value in list(own.items()):
            if isinstance(value, dict):
                own.update({f"{key}[{k!r}]": v for k, v in value.items()})
        mine = [get(instance, *at) for at in self.attributes.values()]
        handed = [v for v in self.fallback.values() if isinstance(v, np.ndarray)]
        return [
            k
            for k, v in own.items()
            if isinstance(v, np.ndarray) and v.dtype.kind == "f" and v.ndim and np.ptp(v) > 0 and (v != np.round(v)).any()
            and not any(v is a or np.array_equal(v, a) for a in (*mine, *handed))
        ]  # fmt: skip

    def build(self, values: Values) -> Any:
        if not self.is_class:
            return copy.deepcopy(self.cls)
        if self.cls.__init__ is object.__init__:
            return guarded("the constructor", self.cls)
        sizes = {**self.size_arrays(values), **self.switched}
        try:
            return self.constructed_with(sizes, values)
        except UserError:
            kernel = {p: sizes[p] for p, (name, _) in self.sizes.items() if name == "kernel_size" and p in sizes}
            sides = sum(axis.startswith("k") for axis in self.op.argument("weight").axes) if kernel else 0
            with contextlib.suppress(CouldNotRun):  # it may want a tuple: np.random.rand(*kernel_size)
                if sides:
                    return self.constructed_with({**sizes, **{p: (n,) * sides for p, n in kernel.items()}}, values)
            raise

    def constructed_with(self, sizes: dict[str, Any], values: Values) -> Any:
        """An instance, its constructor handed these sizes."""
        matching = arguments.Matching({**self.construction.roles, **{p: f"size {p}" for p in sizes}})
        special = {f"size {p}": v for p, v in sizes.items()}
        return call(self.cls, matching, values, lambda: self.config(values), "the constructor", special)

    def held(self) -> arguments.Matching:
        """The class's own names of its arrays: a PReLU's `a` is no input."""
        named = {str(key if isinstance(key, str) else key[1]): name for name, (_, key) in self.attributes.items()}
        return arguments.Matching({**self.construction.roles, **named})

    def prepared(self, values: Values) -> Any:
        instance = self.made(values)
        rates = [*rates_of_steps(instance, self.backward_name), *(k for k in members(instance) if is_rate(k))]
        for key in rates:
            if isinstance(getattr(instance, key), float):
                setattr(instance, key, RATE)
        for name in self.attributes:
            if values.get(name) is not None:
                own = put(
                    instance, self.attributes[name], values[name], "one slope" in self.op.variants and not self.sizes
                )
                if own is not None:
                    self.own_shapes[name] = own
        switch(instance, bool(values.get("training", True)))
        return instance

    def run(
        self,
        values: Values,
        upstreams: list[Values],
        expected: Values,
        shapes: dict[str, tuple[int, ...]],
    ) -> Run:
        there = self.gone_forward(values, expected)
        run = Run(there.frozen, [], there.snapshot.changed(), shapes=dict(self.own_shapes))
        for i, upstream in enumerate(upstreams):
            again = repeated(upstreams, i)
            if again:
                zero = next((n for n in ZERO if callable(getattr(there.instance, n, None))), None)
                if zero:
                    guarded(zero, getattr(there.instance, zero))
            elif i > 0:
                there = self.gone_forward(values, expected)
            handed = fresh(upstream)
            watch = Snapshot({f"d{k}": v for k, v in handed.items()})
            there.kept.update({id(data): data for _, _, data in entries(there.instance)})
            value = self.go_back(there, handed, run, again)
            if value is FAILED_AGAIN:
                break
            updates = changes(there.instance, self.places(there.instance), there.weights)
            run.updates = run.updates or bool(updates)
            run.gradients.append(copied(self.gradients(there, value, shapes, updates)))
            changed = [n for n in there.snapshot.changed() if n not in updates]
            run.changed += [n for n in (*changed, *watch.changed()) if n not in run.changed]
            if updates and i + 1 < len(upstreams) and repeated(upstreams, i + 1):
                break  # its weights are others now
        run.shapes = dict(self.own_shapes)
        return run

    def gone_forward(self, values: Values, expected: Values) -> Gone:
        """A fresh instance after its forward."""
        current = fresh(values)
        instance = self.prepared(current)
        before = members(instance)
        snapshot = Snapshot({r: current[r] for r in self.takes if r in current and r not in self.attributes})
        weights = held_weights(instance, self.places(instance))
        result = self.go_forward(instance, current)
        items = list(result) if isinstance(result, tuple | list) else [result]
        leaves = [o for o in map(array_of, flatten(items)) if is_array(o)]
        if not leaves:
            raise CouldNotRun(f"the forward returned no array but {type(result).__name__}")
        outputs = name_outputs(self.op, leaves, expected, returned_names(self.forward_method)[: len(leaves)])
        for name in ("running_mean", "running_var"):
            at = self.attributes.get(name)
            if at is None and name in self.construction.takes:
                at = place(self.op, instance, name)
            if at is not None and name not in outputs:
                outputs[name] = get(instance, *at)
        nested = len(items) == 1 and isinstance(items[0], tuple | list)
        structure = items[0] if nested else tuple(items) if len(leaves) > 1 else None
        frozen = {k: self.in_torchs_shape(k, v, values) for k, v in outputs.items() if is_array(v)}
        return Gone(instance, before, snapshot, weights, structure, frozen, current, items[0])

    def places(self, instance: Any) -> dict[str, Place]:
        """Where an instance holds the operation's arrays, its own and those that its constructor was handed."""
        arrays = {a.name for a in self.op.arrays}
        handed = {n: place(self.op, instance, n) for n in arrays & self.construction.takes}
        own = {n: at for n, at in self.attributes.items() if n in arrays}
        return {**{n: at for n, at in handed.items() if at is not None}, **own}

    def in_torchs_shape(self, name: str, value: Any, values: Values) -> np.ndarray:
        """A copy, without the axes of length 1 that the class has given to an array of its own."""
        own = name in self.own_shapes and values.get(name) is not None
        return np.array(value).reshape(np.shape(values[name])) if own else np.array(value)

    def go_back(self, there: Gone, handed: Values, run: Run, again: bool) -> Any:
        """What the backward returns; FAILED_AGAIN if it raises, called a second time after one forward."""
        backward = getattr(there.instance, self.backward_name)
        tensors = tensors_of(there.instance)
        if tensors is not None and not self.op.loss and not arguments.parameters(backward):
            tensors.hand_over(there.result, handed["output"])
        args, kwargs, run.handed = self.backward_arguments(
            there.instance, backward, there.structure, handed, there.frozen, there.values
        )
        try:
            return guarded("the backward", backward, *args, **kwargs)
        except CouldNotRun:
            if again:
                return FAILED_AGAIN
            if not args or not isinstance(args[0], tuple):
                raise
            run.handed = ["output"]
            return guarded("the backward", backward, handed["output"])

    def gradients(self, there: Gone, value: Any, shapes: dict[str, tuple[int, ...]], updates: Values) -> Values:
        """The gradients that the backward has returned, has left on the instance, or has taken off the weights."""
        inputs = [n for n in shapes if n in self.calling.takes]
        order = inputs + [n for n in shapes if n not in inputs]
        if len(flatten(value) if isinstance(value, tuple | list) else [value]) <= len(inputs):
            order = inputs
        gradients: Values = {}
        if value is not None:
            names = returned_names(self.backward_method)
            value, names = self.without_absent(value, names)
            gradients = name_gradients(self.op, value, names, order, shapes, self.calling)
        held = collect(self.op, there.instance, shapes, there.before, self.takes, self.attributes, self.held())
        on_tensors = self.left_on_tensors(there, shapes)
        gradients = {**{n: g for n, g in updates.items() if n in shapes}, **on_tensors, **held, **gradients}
        for name in [n for n in self.attributes if n in shapes and n not in gradients]:
            new = made_since(there.instance, there.kept, shapes[name])
            before = there.weights.get(name)
            same = new is not None and before is not None and np.array_equal(new, before)  # a step of length zero
            gradients |= {} if new is None or same else {name: new}
        if value is None and "input" in shapes and "input" not in gradients:
            left = (getattr(there.instance, key, None) for key in INPUT_GRADIENTS)
            array = next((g for g in left if isinstance(g, np.ndarray)), None)
            gradients.update({} if array is None else {"input": array})
        if not gradients:
            raise CouldNotRun(
                "no gradient was found: "
                "the backward returned None and no attribute like dW, grad_weight or grads['W'] was set"
            )
        return gradients

    def without_absent(self, value: Any, names: list[str]) -> tuple[Any, list[str]]:
        """What came back less the gradients of arrays that were left out: (dx, dh, dc) without an h."""
        arrays = {a.name for a in self.op.arguments if a.kind != "option"}
        asked = [r for r in self.calling.roles.values() if r in arrays]
        left = [i for i, r in enumerate(asked) if r not in self.op.absent]
        if not isinstance(value, tuple | list) or len(value) != len(asked) or len(left) == len(asked):
            return value, names
        return [value[i] for i in left], [names[i] for i in left] if len(names) == len(asked) else []

    def left_on_tensors(self, there: Gone, shapes: Iterable[str]) -> Values:
        """What the code has left on the tensors that it was handed and that it holds: x.g, w.grad."""
        tensors = tensors_of(there.instance)
        if tensors is None:
            return {}
        held = {n: get(there.instance, *at) for n, at in self.places(there.instance).items()}
        found = {n: tensors.left_on({**there.values, **held}.get(n)) for n in shapes}
        return {n: g for n, g in found.items() if g is not None}

    def go_forward(self, instance: Any, values: Values) -> Any:
        """What the forward returns; if that is nothing, what it has left on the instance."""
        forward = getattr(instance, self.forward_name)
        if self.forward_name == "forward" and calls(type(instance)) and hands_to_forward(type(instance).__call__):
            positional = [p.name for p in self.forward_params]
            own = class_of_arguments(type(instance).__call__)

            def forward(*args: Any, **kwargs: Any) -> Any:  # a base class's __call__ keeps what the backward needs
                given = [*args, *(kwargs[n] for n in positional[len(args) :] if n in kwargs)]
                return instance(*(given if own is None else [wrapped(own, a) for a in given]))

            forward.__signature__ = inspect.Signature(self.forward_params)  # type: ignore[attr-defined]
        result = call(forward, self.calling, values, lambda: self.config(values), "the forward")
        if result is None:
            left = {normal(k): v for k, v in members(instance).items()}
            result = next((left[n] for n in RESULTS if is_array(left.get(n))), None)
        return result

    def by_name(self, params: list[inspect.Parameter], values: Values) -> tuple[Values, list[inspect.Parameter]]:
        """The arguments of a backward that are arguments of the forward, and the parameters that are left."""
        dys = {normal(n) for n in arguments.ALIASES["dy"]}
        kwargs: Values = {}
        rest = []
        for p in params:
            n = normal(p.name)
            role = self.calling.roles.get(p.name) if n not in dys and not n.startswith("d") else None
            if is_rate(n) and len(params) > 1:
                kwargs[p.name] = RATE
            elif p.default is p.empty and role and (len(params) > 1 or self.op.loss):
                kwargs[p.name] = values.get(role)
            else:
                rest.append(p)
        return kwargs, rest

    def takes_what_and_target(self, params: list[inspect.Parameter]) -> bool:
        """Whether a loss has backward(what, target): what may be the upstream gradient or the prediction."""
        kwargs, rest = self.by_name(params, {})
        handed = [self.calling.roles.get(k) for k in kwargs]
        return self.op.loss and "input" not in handed and len(kwargs) == 1 == len(rest)

    def backward_arguments(
        self,
        instance: Any,
        backward: Any,
        structure: Any,
        handed: Values,
        frozen: Values,
        values: Values,
    ) -> tuple[tuple[Any, ...], Values, list[str]]:
        kwargs, rest = self.by_name(arguments.parameters(backward), values)
        self.upstream = bool(rest) or not self.op.loss
        if self.either and self.prediction:
            self.upstream = False
            own: Any = getattr(instance, "output", None)
            shown = own if np.shape(own) == np.shape(values["input"]) else values.get("input")
            return (), {**kwargs, rest[0].name: np.array(shown)}, ["output"]
        dys = {normal(n) for n in arguments.ALIASES["dy"]}
        if kwargs:
            needed = [p for p in rest if p.default is p.empty or normal(p.name) in dys]
            activations = {p.name: UNUSED[normal(p.name)] for p in needed if normal(p.name) in ACTIVATIONS}
            needed = [p for p in needed if p.name not in activations]
            whole = self.op.loss and {"input", "target"} <= {self.calling.roles.get(k) for k in kwargs}
            z = whole and activations and needed  # grad(y, y_pred, z, act_fn): the prediction is act_fn(z)
            first = values["input"] if z else handed["output"]
            self.upstream = self.upstream and not (whole and activations)
            return (), {**kwargs, **activations, **({needed[0].name: first} if needed else {})}, ["output"]
        args, names = upstream_arguments(backward, structure, handed, frozen, self.op.loss)
        asked = [p.name for p in rest if p.default is p.empty][len(args) :]
        return args, dict.fromkeys(asked, Rate(RATE)), names


def hands_to_forward(method: Any) -> bool:
    """Whether a `__call__` hands on whatever it is given, or calls the forward itself: it keeps something of the call."""
    kinds = [p.kind for p in inspect.signature(method).parameters.values()]
    return inspect.Parameter.VAR_POSITIONAL in kinds or "self.forward(" in text_of(method)
