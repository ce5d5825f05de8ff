# ruff: noqa: E501
"""A class with `forward` and `backward` that keeps what it needs on itself."""

from __future__ import annotations

import copy
import inspect
import re
from typing import Any

import numpy as np

from torchref.check import arguments
from torchref.check.arguments import aliases, normal
from torchref.check.forms.base import (  # fmt: skip
    CouldNotRun,
    Run,
    Snapshot,
    call,
    flatten,
    fresh,
    gradient_name,
    guarded,
    name_gradients,
    name_outputs,
    returned_names,
)
from torchref.check.forms.closure import Closure, copied, is_array, repeated, upstream_arguments
from torchref.check.ops import Op

SIZES = {
    "in_features": ("in_features", "input_size", "input_dim", "in_dim", "n_in", "nin", "fan_in", "n_inputs", "num_inputs", "in_size", "d_in", "input_features", "n_input", "inputs", "in_", "nx", "features_in", "indim", "din"),
    "out_features": ("out_features", "output_size", "output_dim", "out_dim", "n_out", "nout", "fan_out", "n_outputs", "num_outputs", "out_size", "d_out", "n_units", "units", "output_features", "n_neurons", "outputs", "n_output", "hidden_size", "outdim", "dout", "n_hidden"),
    "num_features": ("num_features", "dim", "d", "features", "n_features", "channels", "num_channels", "c", "size", "n", "input_dim", "hidden_size", "input_size", "n_channels", "input_shape"),
    "normalized_shape": ("normalized_shape", "dim", "d", "features", "n_features", "num_features", "hidden_size", "size", "shape", "n", "d_model", "embed_dim", "hidden_dim", "input_dim", "embedding_dim", "n_embd", "ndim", "feature_dim", "input_size"),
    "num_channels": ("num_channels", "channels", "c", "num_features", "n_channels"),
    "num_embeddings": ("num_embeddings", "vocab_size", "vocabulary", "v", "n", "num_tokens", "n_vocab", "vocab", "num_words", "vocabsize"),
    "embedding_dim": ("embedding_dim", "embed_dim", "dim", "d", "embedding_size", "embed_size", "emb_dim", "n_embd", "hidden_size", "d_model", "dims"),
    "in_channels": ("in_channels", "in_ch", "c_in", "cin", "input_channels", "channels_in", "n_in", "in_c", "input_depth", "in_planes", "inchannels", "channels", "nin", "ic"),
    "out_channels": ("out_channels", "out_ch", "c_out", "cout", "output_channels", "channels_out", "n_out", "n_filters", "num_filters", "out_c", "depth", "filters", "out_planes", "nout", "oc"),
    "kernel_size": ("kernel_size", "k", "filter_size", "ksize", "kernel", "f", "kernel_shape", "size", "ks"),
    "input_size": ("input_size", "input_dim", "in_features", "n_in", "d", "in_dim", "n_x", "d_in", "vocab_size", "embed_dim", "nx", "input_features"),
    "hidden_size": ("hidden_size", "hidden_dim", "n_hidden", "h", "units", "n_h", "d_h", "out_dim", "hidden", "nh", "hidden_features", "out_features", "n_out"),
    "num_parameters": ("num_parameters", "n", "channels", "dim", "num_features"),
    "embed_dim": ("embed_dim", "d_model", "dim", "d", "embedding_dim", "hidden_size", "n_embd", "e", "hidden_dim", "model_dim", "embed_size", "width"),
    "in1_features": ("in1_features", "in1"), "in2_features": ("in2_features", "in2"),
}  # fmt: skip
FORWARDS = (
    "forward",
    "__call__",
    "fwd",
    "forward_pass",
    "forward_propagation",
    "forward_prop",
    "forwardprop",
    "feed_forward",
    "feedforward",
    "fprop",
    "call",
    "apply",
    "compute",
    "loss",
)
BACKWARDS = (
    "backward",
    "bwd",
    "backward_pass",
    "backward_propagation",
    "backward_prop",
    "backprop",
    "back_prop",
    "backpropagate",
    "back_propagation",
    "bprop",
    "grad",
    "gradient",
)
RESULTS = ("output", "out", "outputs", "y", "result", "loss", "a", "z", "value", "activation", "activations")
ZERO = (
    "zero_grad",
    "zero_grads",
    "zerograd",
    "zero_gradients",
    "reset_grad",
    "reset_grads",
    "clear_grad",
    "clear_grads",
    "zero",
)
HOLDERS = ("params", "parameters", "weights", "param", "_params", "state", "p", "theta")
GRADS = ("grads", "gradients", "grad", "dparams", "_grads", "g", "d", "param_grads")


class Layer(Closure):
    """A class; a fresh instance for each run."""

    name = "class"
    torch_values: dict[str, Any] | None = None  # the probe's values in torch's convention
    either = False  # a loss's backward(what, target), where `what` may be the upstream gradient or the prediction
    prediction = False  # it is the prediction

    def __init__(self, cls: Any, op: Op, stated: list[str] | None = None) -> None:
        self.cls, self.op = cls, op
        self.is_class = inspect.isclass(cls)
        self.forward_name = next(
            (n for n in FORWARDS if n in dir(cls) and (n != "__call__" or calls(cls if self.is_class else type(cls)))),
            None,
        )
        self.backward_name = next(
            (n for n in BACKWARDS if callable(getattr(cls, n, None))),
            None,
        )
        if self.forward_name is None or self.backward_name is None:
            missing = "forward" if self.forward_name is None else "backward"
            raise CouldNotRun(
                f"the class {getattr(cls, '__name__', type(cls).__name__)} has no method {missing!r}; a class needs forward and backward"
            )
        self.with_momentum = True
        self.upstream = True
        self.own_shapes = {}
        params = arguments.parameters(cls.__init__)[1:] if self.is_class and cls.__init__ is not object.__init__ else []
        self.sizes: dict[str, tuple[str, int]] = {}
        free = []
        for p in params:
            size = next(
                (
                    s
                    for s in op.sizes
                    if s[0] not in [k for k, _ in self.sizes.values()]
                    and normal(p.name) in map(normal, SIZES.get(s[0], (s[0],)))
                ),
                None,
            )
            if isinstance(p.default, bool) and op.has(p.name) and op.argument(p.name).kind == "array":
                continue  # bias=True: whether there is one, not the array
            exact = op.has(p.name) and p.name != "normalized_shape"
            if size and not exact and not isinstance(p.default, np.ndarray):
                self.sizes[p.name] = (size[0], size[2])
            else:
                free.append(p)
        self.forward_method = getattr(cls, self.forward_name)
        self.backward_method = getattr(cls, self.backward_name)
        fparams = arguments.parameters(self.forward_method)
        if self.is_class and not isinstance(inspect.getattr_static(cls, self.forward_name), staticmethod | classmethod):
            fparams = fparams[1:]
        self.forward_params = fparams
        # the forward's arguments come first: the input is never the constructor's
        inputs = [
            a.name for a in op.arguments if a.name.startswith(("input", "target", "query", "key", "value", "x1", "x2"))
        ]
        self.calling = arguments.match(op, fparams, stated=stated)
        taken = tuple(dict.fromkeys((*self.calling.takes, *inputs)))
        unsized = [s for s in op.sizes if s[0] not in [k for k, _ in self.sizes.values()]]
        still = []
        for p in free:
            if (
                p.default is p.empty
                and unsized
                and not any(normal(p.name) in aliases(op, a.name) for a in op.arguments if a.name not in taken)
                and not arguments.CONFIG.match(p.name)
            ):
                size = unsized.pop(0)
                self.sizes[p.name] = (size[0], size[2])
            else:
                still.append(p)
        self.construction = arguments.match(op, still, skip=taken)
        self.takes = self.calling.takes | self.construction.takes
        self.matching = self.calling
        self.attributes: dict[str, tuple[str, Any]] = {}
        self.discover()

    # --- where the arrays are ----------------------------------------------------------------------------------------

    def size_arrays(self, values: dict[str, Any]) -> dict[str, int]:
        found = {}
        for parameter, (name, axis) in self.sizes.items():
            array = next(s[1] for s in self.op.sizes if s[0] == name)
            weight = (self.torch_values or values).get(array)  # sizes do not depend on how a weight is stored
            if weight is None:
                weight = self.fallback.get(array)
            if weight is not None:
                found[parameter] = int(np.shape(weight)[axis])
        return found

    def discover(self) -> None:
        """Which of the operation's arrays the class holds as attributes: look at an instance."""
        from torchref.check import probes

        everything = probes.make(self.op, 0, None).values
        self.fallback = everything
        try:
            instance = self.build(dict(everything))
        except CouldNotRun:
            self.fallback = everything
            return
        for a in self.op.arguments:
            if a.kind == "option" or a.name in self.takes:
                continue
            place = self.place(instance, a.name) or self.read_place(instance, a.name)
            key = place and (place[1] if isinstance(place[1], str) else str(place[1][-1]))
            if key and any(normal(key) == normal(q) and r != a.name for q, r in self.construction.roles.items()):
                continue  # the constructor's array of that name is another argument
            if place and place not in self.attributes.values():
                self.attributes[a.name] = place
        for a in self.op.options:
            if a.name in self.takes or a.name in ("training", "dim", "normalized_shape"):
                continue
        self.takes = self.takes | set(self.attributes)

    def strange(self) -> list[str]:
        """Arrays of the class's own making that match no argument: without them the forward cannot be judged."""
        try:
            instance = self.build(dict(self.fallback))
        except CouldNotRun:
            return []
        members = dict(vars(instance)) if hasattr(instance, "__dict__") else {}
        for key, value in list(members.items()):
            if isinstance(value, dict):
                members.update({f"{key}[{k!r}]": v for k, v in value.items()})
        mine = [get(instance, *place) for place in self.attributes.values()]
        handed = [v for v in self.fallback.values() if isinstance(v, np.ndarray)]
        return [
            k
            for k, v in members.items()
            if isinstance(v, np.ndarray) and v.dtype.kind == "f" and v.ndim and np.ptp(v) > 0 and (v != np.round(v)).any()
            and not any(v is a or np.array_equal(v, a) for a in (*mine, *handed))
        ]  # fmt: skip

    def build(self, values: dict[str, Any]) -> Any:
        if not self.is_class:
            return copy.deepcopy(self.cls)
        if self.cls.__init__ is object.__init__:
            return guarded("the constructor", self.cls)
        special = self.size_arrays(values)
        matching = arguments.Matching({**self.construction.roles, **{p: f"size {p}" for p in self.sizes}})
        return call(
            self.cls,
            matching,
            values,
            lambda: self.config(values),
            "the constructor",
            {f"size {p}": v for p, v in special.items()},
        )

    def place(self, instance: Any, name: str) -> tuple[str, Any] | None:
        """Where an instance holds the array `name`: ("attribute", key), ("dict", (holder, key)) or ("list", (holder, i))."""
        wanted = aliases(self.op, name)
        if name == "running_mean":
            wanted += ["runningmean"]
        members = vars(instance) if hasattr(instance, "__dict__") else {}
        reserved = {"input", "x", "output", "out", "cache", "y"}
        for alias in wanted:
            for key in members:
                value = members[key]
                if (
                    normal(key) == alias
                    and (isinstance(value, np.ndarray) or has_data(value) or value is None)
                    and normal(key) not in reserved
                ):
                    if value is None and name in ("bias", "weight", "mask", "attn_mask"):
                        if name == "mask":
                            continue
                        if name in ("bias", "weight"):
                            continue
                    return ("attribute", key)
        for holder, content in members.items():
            if isinstance(content, dict) and normal(holder) not in map(normal, GRADS):
                for alias in wanted:
                    for key, value in content.items():
                        if normal(str(key)) == alias and (isinstance(value, np.ndarray) or has_data(value)):
                            return ("dict", (holder, key))
        for holder, content in members.items():
            if (
                isinstance(content, list)
                and normal(holder) in map(normal, HOLDERS)
                and content
                and all(isinstance(c, np.ndarray) for c in content)
            ):
                order = [a.name for a in self.op.arrays if not a.name.startswith(("input", "hx", "cx"))]
                if name in order and order.index(name) < len(content):
                    return ("list", (holder, order.index(name)))
        return None

    def read_place(self, instance: Any, name: str) -> tuple[str, Any] | None:
        """Where the source expects the array `name`, if no attribute holds one yet: self.W, self.params["W"]."""
        if self.op.argument(name).kind != "array" or name.startswith("input"):
            return None
        try:
            source = inspect.getsource(self.cls if self.is_class else type(self.cls))
            for base in self.cls.__mro__[1:-1] if self.is_class else ():
                source += inspect.getsource(base)
        except (OSError, TypeError):
            return None
        read = list(dict.fromkeys(re.findall(r"self\.(\w+)\b(?!\s*=[^=]|\s*,.*=[^=]|\()", source)))
        set_later = set(re.findall(r"self\.(\w+)\s*(?:=[^=]|,)", source))
        set_to_none = set(re.findall(r"self\.(\w+)\s*=\s*None", source))
        members = vars(instance) if hasattr(instance, "__dict__") else {}
        for alias in aliases(self.op, name):
            for key in read:
                times = len(re.findall(rf"self\.{key}\s*=[^=]", source))
                free = (key not in set_later) or (key in set_to_none and times == 1)
                if (
                    normal(key) == alias
                    and free
                    and members.get(key) is None
                    and not callable(getattr(instance, key, None))
                ):
                    return ("attribute", key)
            for holder, key in re.findall(r"self\.(\w+)\[[\"'](\w+)[\"']\]", source):
                content = members.get(holder)
                if normal(key) == alias and isinstance(content, dict) and normal(holder) not in map(normal, GRADS):
                    return ("dict", (holder, key))
        return None

    def put(self, instance: Any, name: str, array: Any) -> None:
        kind, key = self.attributes[name]
        old = get(instance, kind, key)
        data = (
            old
            if isinstance(old, np.ndarray)
            else getattr(old, "data", getattr(old, "value", None))
            if has_data(old)
            else None
        )
        if self.op.name == "prelu" and not self.sizes and data is not None and np.size(data) == 1 < np.size(array):
            raise CouldNotRun("it has one slope for all channels")  # the next probe has one, too
        if (
            isinstance(data, np.ndarray)
            and data.size == np.size(array)
            and np.squeeze(data).shape == np.squeeze(array).shape
            and data.shape != np.shape(array)
        ):
            self.own_shapes[name] = data.shape
            array = np.reshape(array, data.shape)
        if isinstance(old, np.ndarray) or old is None:
            if kind == "list" and isinstance(old, np.ndarray) and old.shape == np.shape(array):
                old[...] = array
            elif kind == "attribute":
                same = [k for k, v in vars(instance).items() if v is old and old is not None]
                for k in same or [key]:
                    setattr(instance, k, array)
                for v in vars(instance).values():  # the same array may stand in a list or a dictionary, too
                    if isinstance(v, list):
                        for i, item in enumerate(v):
                            if item is old and old is not None:
                                v[i] = array
                    elif isinstance(v, dict):
                        for k, item in list(v.items()):
                            if item is old and old is not None:
                                v[k] = array
            elif kind == "dict":
                getattr(instance, key[0])[key[1]] = array
            else:
                getattr(instance, key[0])[key[1]] = array
        elif hasattr(old, "data") and isinstance(old.data, np.ndarray):
            old.data = array
        else:
            old.value = array

    def collect(self, instance: Any, shapes: dict[str, tuple[int, ...]], before: dict[str, Any]) -> dict[str, Any]:
        """The gradients that the instance holds after its backward."""
        found: dict[str, Any] = {}
        members = vars(instance) if hasattr(instance, "__dict__") else {}
        for key, value in members.items():
            if (
                isinstance(value, np.ndarray | np.generic | float)
                and not isinstance(value, bool)
                and (isinstance(value, np.ndarray) or value is not before.get(key))
            ):
                name = gradient_name(self.op, key)
                if name in shapes and name != "input" and stem_is_gradient(key):
                    found.setdefault(name, value)
        for key, value in members.items():
            if isinstance(value, dict) and normal(key) in map(normal, (*GRADS, *HOLDERS, "cache")):
                for inner, gradient in value.items():
                    name = None
                    if normal(key) in map(normal, GRADS):
                        name = next(
                            (a.name for a in self.op.arrays if normal(str(inner)) in aliases(self.op, a.name)), None
                        )
                    name = name or (gradient_name(self.op, str(inner)) if stem_is_gradient(str(inner)) else None)
                    if name in shapes and name != "input" and isinstance(gradient, np.ndarray | np.generic):
                        found.setdefault(name, gradient)
            elif isinstance(value, list | tuple) and normal(key) in map(normal, GRADS) and value:
                order = [n for n in shapes if n in self.takes and not n.startswith(("input", "hx", "cx"))]
                for name, gradient in zip(order, value, strict=False):
                    if isinstance(gradient, np.ndarray | np.generic):
                        found.setdefault(name, gradient)
        for name, (kind, place) in self.attributes.items():
            holder = get(instance, kind, place)
            gradient = getattr(holder, "grad", None) if not isinstance(holder, np.ndarray) else None
            if name in shapes and gradient is not None:
                found.setdefault(name, gradient)
        return found

    # --- running -----------------------------------------------------------------------------------------------------

    def prepared(self, values: dict[str, Any]) -> Any:
        instance = self.build(values)
        for name in self.attributes:
            if values.get(name) is not None:
                self.put(instance, name, values[name])
        for key, on in (
            ("training", True),
            ("train", True),
            ("is_training", True),
            ("mode", "train"),
            ("train_mode", True),
        ):
            current = getattr(instance, key, None)
            wanted = bool(values.get("training", True))
            if callable(current) and key == "train" and wanted:
                guarded("train()", current)
            elif isinstance(current, bool):
                setattr(instance, key, wanted)
            elif isinstance(current, str) and key == "mode":
                setattr(instance, key, on if wanted else "test")
        return instance

    def run(
        self,
        values: dict[str, Any],
        upstreams: list[dict[str, Any]],
        expected: dict[str, Any],
        shapes: dict[str, tuple[int, ...]],
    ) -> Run:
        run: Run | None = None
        instance: Any = None
        for i, upstream in enumerate(upstreams or [{}]):
            handed = fresh(upstream)
            again = run is not None and repeated(upstreams, i)
            if not again:
                current = fresh(values)
                instance = self.prepared(current)
                before = dict(vars(instance)) if hasattr(instance, "__dict__") else {}
                watched = {r: current[r] for r in self.takes if r in current and r not in self.attributes}
                snapshot = Snapshot(watched)
                result = self.go_forward(instance, current)
                items = list(result) if isinstance(result, tuple | list) else [result]
                leaves = [o for o in flatten(items) if is_array(o)]
                if not leaves:
                    raise CouldNotRun(f"the forward returned no array but {type(result).__name__}")
                outputs = name_outputs(self.op, leaves, expected, returned_names(self.forward_method)[: len(leaves)])
                for name in ("running_mean", "running_var"):
                    place = self.attributes.get(name)
                    if place is None and name in self.construction.takes:
                        place = self.place(instance, name)
                    if place is not None and name not in outputs:
                        outputs[name] = get(instance, *place)
                structure = (
                    items[0]
                    if len(items) == 1 and isinstance(items[0], tuple | list)
                    else tuple(items)
                    if len(leaves) > 1
                    else None
                )
                frozen = {
                    k: np.array(v).reshape(np.shape(values[k]))
                    if k in self.own_shapes and values.get(k) is not None
                    else np.array(v)
                    for k, v in outputs.items()
                    if is_array(v)
                }
                if run is None:
                    run = Run(frozen, [], snapshot.changed(), shapes=dict(self.own_shapes))
            else:
                zero = next((n for n in ZERO if callable(getattr(instance, n, None))), None)
                if zero:
                    guarded(zero, getattr(instance, zero))
            if not upstreams:
                assert run is not None
                return run
            backward = getattr(instance, self.backward_name or "backward")
            watch = Snapshot({f"d{k}": v for k, v in handed.items()})
            args, kwargs, names = self.backward_arguments(instance, backward, structure, handed, frozen, current)
            assert run is not None
            run.handed = names
            try:
                value = guarded("the backward", backward, *args, **kwargs)
            except CouldNotRun:
                if again:
                    run.refused = True
                    break
                if not args or not isinstance(args[0], tuple):
                    raise
                run.handed = ["output"]
                value = guarded("the backward", backward, handed["output"])
            order = [n for n in shapes if n in self.calling.takes] + [n for n in shapes if n not in self.calling.takes]
            inputs = [n for n in order if n in self.calling.takes]
            leaves_back = flatten(value) if isinstance(value, tuple | list) else [value]
            if len(leaves_back) <= len(inputs):
                order = inputs
            gradients = (
                name_gradients(self.op, value, returned_names(self.backward_method), order, shapes, self.calling)
                if value is not None
                else {}
            )
            held = self.collect(instance, shapes, before)
            for name, gradient in held.items():
                gradients.setdefault(name, gradient)
            if not gradients and "input" in shapes:
                for key in ("dx", "dX", "dinputs", "grad_input", "dinput", "d_input", "dlogits", "grad"):
                    if isinstance(getattr(instance, key, None), np.ndarray):
                        gradients["input"] = getattr(instance, key)
                        break
            if not gradients:
                raise CouldNotRun(
                    "no gradient was found: the backward returned None and no attribute like dW, grad_weight or grads['W'] was set"
                )
            run.gradients.append(copied(gradients))
            changed = snapshot.changed()
            run.changed += [n for n in (*changed, *watch.changed()) if n not in run.changed]
        assert run is not None
        run.shapes = dict(self.own_shapes)
        return run

    def go_forward(self, instance: Any, values: dict[str, Any]) -> Any:
        """What the forward returns; if that is nothing, what it has left on the instance."""
        forward = getattr(instance, self.forward_name or "forward")
        if self.forward_name == "forward" and calls(type(instance)) and only_any(type(instance).__call__):
            positional = [p.name for p in self.forward_params]

            def forward(*args: Any, **kwargs: Any) -> Any:  # a base class's __call__ keeps what the backward needs
                return instance(*args, *(kwargs[n] for n in positional[len(args) :] if n in kwargs))

            forward.__signature__ = inspect.Signature(self.forward_params)  # type: ignore[attr-defined]
        result = call(forward, self.calling, values, lambda: self.config(values), "the forward")
        if result is None:
            members = {normal(k): v for k, v in vars(instance).items()} if hasattr(instance, "__dict__") else {}
            result = next((members[n] for n in RESULTS if is_array(members.get(n))), None)
        return result

    def backward_arguments(
        self,
        instance: Any,
        backward: Any,
        structure: Any,
        handed: dict[str, Any],
        frozen: dict[str, Any],
        values: dict[str, Any],
    ) -> tuple[tuple[Any, ...], dict[str, Any], list[str]]:
        params = arguments.parameters(backward)
        dys = {normal(n) for n in arguments.ALIASES["dy"]}
        kwargs: dict[str, Any] = {}
        rest = []
        for p in params:
            n = normal(p.name)
            if n in ("lr", "learningrate", "stepsize", "eta") and len(params) > 1:
                kwargs[p.name] = 0.0
            elif (
                p.default is p.empty
                and n not in dys
                and not n.startswith("d")
                and (role := self.calling.roles.get(p.name))
                and (len(params) > 1 or self.op.loss)
            ):
                kwargs[p.name] = values.get(role)
            else:
                rest.append(p)
        self.upstream = bool(rest) or not self.op.loss
        if (
            self.op.loss
            and "input" not in [self.calling.roles.get(k) for k in kwargs]
            and len(kwargs) == 1 == len(rest)
        ):
            self.either = True  # backward(what, target): what may be the upstream gradient or the prediction
            if self.prediction:
                self.upstream = False
                own: Any = getattr(instance, "output", None)
                shown = own if np.shape(own) == np.shape(values["input"]) else values.get("input")
                return (), {**kwargs, rest[0].name: np.array(shown)}, ["output"]
        if kwargs:
            needed = [p for p in rest if p.default is p.empty or normal(p.name) in dys]
            return (), {**kwargs, **({needed[0].name: handed["output"]} if needed else {})}, ["output"]
        args, names = upstream_arguments(backward, structure, handed, frozen, self.op.loss)
        return args, {}, names


def calls(cls: type) -> bool:
    """Whether the user's class, or a base of it, has a `__call__`."""
    return any("__call__" in vars(base) for base in cls.__mro__[:-1])


def only_any(method: Any) -> bool:
    """Whether a method hands on whatever it is given: `def __call__(self, *args)`."""
    kinds = [p.kind for p in inspect.signature(method).parameters.values()]
    return inspect.Parameter.VAR_POSITIONAL in kinds


def has_data(value: Any) -> bool:
    return not isinstance(value, np.ndarray | np.generic) and (
        isinstance(getattr(value, "data", None), np.ndarray) or isinstance(getattr(value, "value", None), np.ndarray)
    )


def get(instance: Any, kind: str, key: Any) -> Any:
    if kind == "attribute":
        return getattr(instance, key, None)
    holder = getattr(instance, key[0])
    return holder.get(key[1]) if isinstance(holder, dict) else holder[key[1]]


def stem_is_gradient(key: str) -> bool:
    n = normal(key)
    return n.startswith(("d", "grad", "g", "delta", "nabla")) or n.endswith(
        ("grad", "grads", "gradient", "gradients", "bar")
    )
