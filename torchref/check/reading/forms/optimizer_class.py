"""An optimizer as a class: `update(params, grads)`, `update(w, grad)`, `step(layer)`, or `step()` on what it was given.

opt = Adam(lr=1e-3)                     one optimizer for a dictionary or a list of arrays
opt.update(params, grads)

self.w = self.opt.update(self.w, dw)    one optimizer for each array; it returns the new one

step = sgd(params, lr=0.1)              a function that returns its step
step(grads)

w = optimizer.send(dw)                  a generator that yields the new array

opt.update_params(layer)                layer.weights, layer.dweights, layer.biases, layer.dbiases
"""

from __future__ import annotations

import inspect
import re
from types import CodeType
from typing import Any

import numpy as np

from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.reading import arguments
from torchref.check.reading.arguments import normal
from torchref.check.reading.forms.calling import CouldNotRun, guarded
from torchref.check.reading.forms.handed_parameters import (
    Dictionary,
    Each,
    Handed,
    Layers,
    Listed,
    Numbered,
    OneLayer,
    Tensors,
    TorchTensors,
)
from torchref.check.reading.forms.naming import returned_names
from torchref.check.reading.forms.optimizer import ALIASES, Settings, hyperparameters, role
from torchref.nn.module import Array

METHODS = ("update", "step", "apply", "update_params", "apply_gradients", "optimize", "__call__")
WORDS = ("update", "step", "apply", "optimi", "minimize")
AROUND = ("pre_update_params", "pre_update"), ("post_update_params", "post_update")
LAYER = ("layer", "l", "module", "node")
LAYERS = ("layers", "model", "net", "network", "modules")
KEYS = ("key", "name", "id", "index", "idx", "i", "k", "paramname", "layername", "layerid")


def class_of_closure(function: Any) -> Any:
    """sgd(params, lr) that returns its step(grads), as a class with a constructor and a step; None for another code."""
    code = getattr(function, "__code__", None)
    names = returned_names(function) if code is not None else []
    inner = (
        next((c for c in code.co_consts if isinstance(c, CodeType) and [c.co_name] == names), None) if code else None
    )
    if inner is None or inner.co_flags & inspect.CO_VARARGS:
        return None

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        self.inner = function(*args, **kwargs)

    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self.inner(*args, **kwargs)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = inspect.Parameter("self", kind)
    taken = [inspect.Parameter(n, kind) for n in inner.co_varnames[: inner.co_argcount]]
    every = [p.replace(kind=kind) for p in inspect.signature(function).parameters.values()]
    __init__.__signature__ = inspect.Signature([own, *every])  # type: ignore[attr-defined]
    step.__signature__ = inspect.Signature([own, *taken])  # type: ignore[attr-defined]
    return type(function.__name__, (), {"__init__": __init__, "step": step, "__module__": function.__module__})


def class_of_generator(function: Any) -> Any:
    """momentum(w, lr), which is sent gradients and yields weights, as a class with a step; None for another code."""
    if not inspect.isgeneratorfunction(function):
        return None
    first, *options = inspect.signature(function).parameters.values()

    def __init__(self: Any, **kwargs: Any) -> None:
        self.options, self.running = kwargs, None

    def step(self: Any, w: Any, dw: Any) -> Any:
        if self.running is None:
            self.running = function(w, **self.options)
            next(self.running)
        return self.running.send(dw)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = inspect.Signature([own, *options])  # type: ignore[attr-defined]
    taken = [first.replace(name=n, default=first.empty) for n in ("w", "dw")]
    step.__signature__ = inspect.Signature([own, *taken])  # type: ignore[attr-defined]
    members = {"__init__": __init__, "step": step, "__module__": function.__module__, "steady_rate": True}
    return type(function.__name__, (), members)  # nothing changes the rate of a generator that runs


class ClassStep:
    """A class whose instances keep their state from step to step."""

    form = "optimizer"

    def __init__(self, cls: Any, name: str) -> None:
        self.cls, self.name = cls, name
        self.method = step_method(cls)
        self.given_parameters: str | None = None
        params = arguments.parameters(cls.__init__)[1:] if cls.__init__ is not object.__init__ else []
        self.construction = hyperparameters(name, [p.name for p in params], cls)
        self.shape: str | None = None
        for p in [p for p in params if p.name not in self.construction]:
            if normal(p.name) in (*ALIASES["w"], *LAYERS):
                self.given_parameters = p.name
            elif p.default is p.empty and normal(p.name) in ("shape", "size", "dim"):
                self.shape = p.name
            elif p.default is p.empty:
                options = ", ".join(OPTIMIZERS[name].defaults)
                raise CouldNotRun(
                    f"the constructor's argument {p.name!r} cannot be matched with one of {name}: {options}"
                )
        self.taken = set(self.construction.values())
        self.names = [normal(p) for p in self.construction]
        self.roles = self.match(arguments.parameters(getattr(cls, self.method))[1:])
        self.layout: type[Handed] = Dictionary
        self.one_each = False  # one optimizer for each array
        self.asked: set[str] = set()

    def takes_rate(self) -> bool:
        """Whether the learning rate can be given: to the constructor, to the step, or as an attribute."""
        if "lr" in {*self.taken, *self.roles.values()}:
            return True
        try:
            held = re.findall(r"self\.(\w+)", inspect.getsource(self.cls))
        except (OSError, TypeError):
            return True
        return any(self.is_rate(name) for name in held)

    def is_rate(self, name: str) -> bool:
        return role(self.name, name) == "lr" or normal(name).endswith("learningrate")

    def match(self, params: list[inspect.Parameter]) -> dict[str, str]:
        """The roles of the step's arguments: "w", "dw", "t", "lr", "key"."""
        roles: dict[str, str] = {}
        for p in params:
            kinds = [k for k in ("w", "dw", "t") if normal(p.name) in ALIASES[k] and k not in roles.values()]
            if normal(p.name) in (*LAYER, *LAYERS) and "w" not in roles.values():
                kinds = ["w"]
            if not kinds and role(self.name, p.name) == "lr":
                kinds = ["lr"]
            if not kinds and normal(p.name) in KEYS and p.default is p.empty and len(params) > 1:
                kinds = ["key"]
            if kinds:
                roles[p.name] = kinds[0]
        order = [k for k in ("w", "dw") if k not in roles.values()]
        for p in params:
            if p.name not in roles and p.default is p.empty and order:
                roles[p.name] = order.pop(0)
        return {p.name: roles[p.name] for p in params if p.name in roles}

    def ways(self) -> list[dict[str, Any]]:
        """How the parameters may be handed over, the likelier first."""
        kinds = set(self.roles.values())
        if "key" in kinds:
            return [{"layout": Each, "one_each": False}]
        if "dw" not in kinds:
            named = normal(next((p for p, r in self.roles.items() if r == "w"), self.given_parameters or ""))
            layouts: list[type[Handed]] = (
                [Layers, OneLayer, Tensors] if named in LAYERS else [OneLayer, Layers, Tensors]
            )
            if not kinds or named not in (*LAYER, *LAYERS):
                layouts = [Tensors, OneLayer, Layers]
            if of_torch(self.cls):
                layouts = [TorchTensors]
            elif self.given_parameters:
                layouts = [*layouts, TorchTensors]
            return [{"layout": layout, "one_each": False} for layout in layouts]
        shared: list[type[Handed]] = [Dictionary, Listed, Numbered]
        return [*({"layout": layout, "one_each": False} for layout in shared), {"layout": Each, "one_each": True}]

    def build(self, settings: Settings, handed: Handed, shape: tuple[int, ...]) -> Any:
        kwargs = {p: settings.value(r) for p, r in self.construction.items()}
        if self.given_parameters:
            kwargs[self.given_parameters] = handed.calls([np.zeros_like(w) for w in handed.arrays()])[0]["w"]
        if self.shape:
            kwargs[self.shape] = shape
        return guarded("the constructor", self.cls, **kwargs)

    def run(
        self, settings: Settings, weights: list[Array], gradients: list[list[Array]], rates: list[float]
    ) -> tuple[list[list[Array]], bool]:
        groups = [[w] for w in weights] if self.one_each else [weights]
        all_handed = [self.layout(g) for g in groups]
        optimizers = [self.build(settings, h, np.shape(weights[0])) for h in all_handed]
        path, touched = [], False
        for n, (gs, lr) in enumerate(zip(gradients, rates, strict=True)):
            copies = [g.copy() for g in gs]
            own = [[c] for c in copies] if self.one_each else [copies]
            for optimizer, handed, now in zip(optimizers, all_handed, own, strict=True):
                if (n and lr != rates[n - 1]) or (n == 0 and "lr" not in self.taken):
                    self.set_rate(optimizer, lr)
                self.step(optimizer, handed, now, {"t": n + 1, "lr": lr})
            path.append([np.array(w) for handed in all_handed for w in handed.arrays()])
            touched |= any(not np.array_equal(c, g) for c, g in zip(copies, gs, strict=True))
        return path, touched

    def step(self, optimizer: Any, handed: Handed, gradients: list[Array], values: dict[str, Any]) -> None:
        before, after = (next((m for m in names if hasattr(optimizer, m)), None) for names in AROUND)
        if before:
            guarded(before, getattr(optimizer, before))
        for i, call in enumerate(handed.calls(gradients)):
            known = {**values, **call}
            result = guarded(
                "the step", getattr(optimizer, self.method), **{p: known.get(r) for p, r in self.roles.items()}
            )
            handed.take(i, result[0] if isinstance(result, tuple) and self.layout is Each else result)
        if after:
            guarded(after, getattr(optimizer, after))

    def set_rate(self, optimizer: Any, lr: float) -> None:
        """Change the learning rate between two steps, as a schedule does."""
        if of_torch(self.cls):
            for group in optimizer.param_groups:
                group["lr"] = lr
            return
        for key, value in vars(optimizer).items():
            if self.is_rate(key) and isinstance(value, float):
                setattr(optimizer, key, lr)
        inner = getattr(optimizer, "inner", None)  # of a closure: what it holds
        for key, cell in zip(inner.__code__.co_freevars, inner.__closure__ or (), strict=True) if inner else ():
            if self.is_rate(key) and isinstance(cell.cell_contents, float):
                cell.cell_contents = lr


def of_torch(cls: Any) -> bool:
    """Whether a class is an optimizer of torch's kind: class Mine(torch.optim.Optimizer)."""
    return any(base.__module__.startswith("torch.optim") for base in getattr(cls, "__mro__", ()))


def step_method(cls: Any) -> str:
    """The method that makes the step."""
    found = next(
        (m for m in METHODS if callable(getattr(cls, m, None)) and (m != "__call__" or "__call__" in dir(cls))), None
    )
    if found in (None, "__call__"):
        around = [m for names in AROUND for m in names]
        own = [m for m in dir(cls) if not m.startswith("_") and m not in around and callable(getattr(cls, m))]
        likely = [m for m in own if any(w in normal(m) for w in WORDS)]
        found = (likely or [found if found and calls(cls) else "", *(own if len(own) == 1 else [])])[0]
    if not found:
        raise CouldNotRun(f"the class {cls.__name__} has no method update(params, grads) or step()")
    return found


def calls(cls: Any) -> bool:
    """Whether a base of the class, or itself, has a `__call__` of its own."""
    return any("__call__" in vars(base) for base in cls.__mro__[:-1])
