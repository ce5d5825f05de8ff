# ruff: noqa: E501
"""The forms in which a user writes an optimizer's step, and the hyperparameters that it is run with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.reading import arguments
from torchref.check.reading.arguments import normal
from torchref.check.reading.config import Config
from torchref.check.reading.forms.calling import CouldNotRun, guarded
from torchref.nn.module import Array

ALIASES: dict[str, tuple[str, ...]] = {
    "lr": ("lr", "learningrate", "eta", "stepsize", "rate"),
    "momentum": ("momentum", "mu", "rho", "mom", "beta"),
    "dampening": ("dampening",),
    "weight_decay": ("weightdecay", "wd", "decay", "l2", "lambda", "lam", "reg", "l2reg", "lmbda"),
    "nesterov": ("nesterov",),
    "beta1": ("beta1", "b1"),
    "beta2": ("beta2", "b2"),
    "betas": ("betas",),
    "eps": ("eps", "epsilon"),
    "alpha": ("alpha", "decayrate", "rho", "beta", "gamma", "decay", "beta2"),
    "centered": ("centered",),
    "lr_decay": ("lrdecay",),
    "initial_accumulator_value": ("initialaccumulatorvalue", "initialaccumulator"),
    "rho": ("rho", "decayrate", "decay", "gamma", "beta", "alpha"),
    "momentum_decay": ("momentumdecay", "psi", "scheduledecay"),
    "amsgrad": ("amsgrad",),
    "maximize": ("maximize",),
    "decoupled_weight_decay": ("decoupledweightdecay", "decoupled"),
    "w": ("w", "param", "params", "parameters", "x", "theta", "weights", "weight", "p", "parameter"),
    "dw": ("dw", "grad", "grads", "gradient", "gradients", "g", "dx", "dtheta", "dparams", "dparam", "dweights"),
    "state": ("state", "config", "cache", "optimstate", "optstate", "s", "memory", "states", "cfg", "conf", "buffers", "opt"),
    "t": ("t", "step", "timestep", "iteration", "it", "nstep"),
}  # fmt: skip

RATES = ("lr", "learning_rate", "learningrate", "eta")


def role(name: str, parameter: str) -> str | None:
    """What a hyperparameter of the user's is."""
    n = normal(parameter)
    options = OPTIMIZERS[name].defaults
    known = [*options, *(("beta1", "beta2") if "betas" in options else ())]
    averages = [k for k in ("alpha", "rho") if k in options]  # the weight of an average: its aliases come first
    if n == "alpha" and not averages:
        return "lr"
    order = [*averages, *known]
    return next((k for k in order if n in ALIASES.get(k, ()) and (k in known)), None)


class Settings:
    """The hyperparameters of one check: from `--against`, else the probe's where the user's code takes them."""

    def __init__(self, name: str, given: dict[str, Any], taken: set[str]) -> None:
        self.name, self.given = name, given
        taken = {"betas" if t in ("beta1", "beta2") else t for t in taken}
        record = OPTIMIZERS[name]
        o = record.defaults
        for key in o:
            if key in given:
                o[key] = given[key]
            elif key in taken:
                o[key] = record.probe[key]
        if o.get("nesterov"):
            o["dampening"] = 0.0
        if "nesterov" in taken and "nesterov" not in given and o.get("momentum") and not o.get("dampening"):
            o["nesterov"] = True
        if "lr" not in given:
            o["lr"] = record.probe["lr"]
        self.o = SimpleNamespace(**o)

    def value(self, key: str) -> Any:
        if key in ("beta1", "beta2"):
            return self.o.betas[key == "beta2"]
        return getattr(self.o, key)


class Gone:
    """What a forward would have left: a parameter with its gradient, for optimizers that look like torch's."""

    def __init__(self, data: Array) -> None:
        self.data = data
        self.value = data
        self.grad: Any = np.zeros_like(data)
        self.requires_grad = True
        self.shape = data.shape


class FunctionStep:
    """`f(w, dw, config) -> (w, config)` or `f(param, grad, state, lr, ...) -> (param, state)`."""

    form = "optimizer"

    def __init__(self, function: Any, name: str) -> None:
        self.function, self.name = function, name
        self.roles: dict[str, str] = {}
        params = arguments.parameters(function)
        free = list(params)
        for kind in ("state", "w", "dw", "t"):
            for p in list(free):
                if kind not in self.roles.values() and normal(p.name) in ALIASES[kind] and role(name, p.name) is None:
                    self.roles[p.name] = kind
                    free.remove(p)
        for p in list(free):
            found = role(name, p.name)
            if found and found not in self.roles.values():
                self.roles[p.name] = found
                free.remove(p)
        for kind in ("w", "dw", "state"):
            if kind not in self.roles.values() and free and (free[0].default is free[0].empty):
                self.roles[free.pop(0).name] = kind
        left = [p.name for p in free if p.default is p.empty]
        if left or not {"w", "dw"} <= set(self.roles.values()):
            raise CouldNotRun(
                f"the arguments of this optimizer's step cannot be matched: expected a parameter, its gradient, a state or config, and hyperparameters; found ({', '.join(p.name for p in params)})"
            )
        self.taken = set(self.roles.values())
        self.asked: set[str] = set()
        self.empty: Any = None
        self.as_config = bool(set(self.roles.values()) & {"state"}) and not (
            self.taken & set(OPTIMIZERS[name].defaults)
        )

    def config(self, settings: Settings, lr: float) -> Any:
        table: dict[str, Any] = {}
        options = OPTIMIZERS[self.name].defaults
        for key in options:
            for alias in ALIASES.get(key, (key,)):
                if key != "betas":
                    table.setdefault(alias, settings.value(key))
        names_ = {"learning_rate": "lr", "weight_decay": "weight_decay", "decay_rate": "alpha", "lr_decay": "lr_decay"}
        table.update({k: settings.value(v) for k, v in names_.items() if v in options})
        if "betas" in options:
            table.update(beta1=settings.value("beta1"), beta2=settings.value("beta2"), betas=settings.o.betas)
        for alias in RATES:
            table[alias] = lr
        if "betas" in options:
            table["alpha"] = lr
        for state_like in (
            ("t", "v", "m", "step", "cache", "mu") if self.name != "SGD" else ("t", "v", "m", "step", "cache")
        ):
            table.pop(state_like, None)
        return table

    def run(
        self, settings: Settings, weights: list[Array], gradients: list[list[Array]], rates: list[float]
    ) -> tuple[list[list[Array]], bool]:
        """The weights after each step, and whether a gradient was changed."""
        weights = [w.copy() for w in weights]
        states = self.first_states(settings, len(weights), rates[0])
        watched = states[:]
        path = []
        touched = False
        for n, (gs, lr) in enumerate(zip(gradients, rates, strict=True)):
            for i, g in enumerate(gs):
                handed = g.copy()
                if n and lr != rates[n - 1]:
                    self.set_rate(states[i], lr)
                values: dict[str, Any] = {"w": weights[i], "dw": handed, "state": states[i], "t": n + 1, "lr": lr}
                kwargs = {p: values[r] if r in values else settings.value(r) for p, r in self.roles.items()}
                result = guarded("the step", self.function, **kwargs)
                if isinstance(result, tuple | list):
                    weights[i] = np.array(result[0])
                    if len(result) > 1 and "state" in self.taken:
                        states[i] = result[1] if len(result) == 2 else tuple(result[1:])
                elif isinstance(result, np.ndarray):
                    weights[i] = np.array(result)
                elif result is not None:
                    raise CouldNotRun(f"the step returned {type(result).__name__}: expected (parameter, state)")
                touched |= not np.array_equal(handed, g)
            path.append([w.copy() for w in weights])
        for state in watched:
            if isinstance(state, Config):
                self.asked |= state.asked
        return path, touched

    def first_states(self, settings: Settings, count: int, lr: float) -> list[Any]:
        """What each parameter's first step gets as its state."""
        if self.as_config:
            return [Config(self.config(settings, lr)) for _ in range(count)]
        if "state" in self.taken:
            return [self.empty if self.empty is None else {} for _ in range(count)]
        return [None] * count

    def set_rate(self, state: Any, lr: float) -> None:
        """A rate that the code keeps in its dictionary falls with the others."""
        if not self.as_config or not isinstance(state, dict):
            return
        for key in (*RATES, *(("alpha",) if "betas" in OPTIMIZERS[self.name].defaults else ())):
            if key in dict.keys(state):
                dict.__setitem__(state, key, lr)


class ClassStep:
    """A class with `update(params, grads)` on dictionaries, or `step()` on parameters that it was given."""

    form = "optimizer"

    def __init__(self, cls: Any, name: str) -> None:
        self.cls, self.name = cls, name
        self.method = next(
            (
                m
                for m in ("update", "step", "apply", "update_params", "apply_gradients", "optimize", "__call__")
                if callable(getattr(cls, m, None)) and (m != "__call__" or "__call__" in vars(cls))
            ),
            None,
        )
        if self.method is None:
            raise CouldNotRun(f"the class {cls.__name__} has no method update(params, grads) or step()")
        self.construction: dict[str, str] = {}
        self.given_parameters: str | None = None
        for p in arguments.parameters(cls.__init__)[1:] if cls.__init__ is not object.__init__ else []:
            found = role(name, p.name)
            if found and found not in self.construction.values():
                self.construction[p.name] = found
            elif normal(p.name) in ALIASES["w"]:
                self.given_parameters = p.name
            elif p.default is p.empty:
                raise CouldNotRun(
                    f"the constructor's argument {p.name!r} cannot be matched with one of {name}: {', '.join(OPTIMIZERS[name].defaults)}"
                )
        self.taken = set(self.construction.values())
        self.arguments = arguments.parameters(getattr(cls, self.method))[1:]
        self.layout = "dict"
        self.asked: set[str] = set()

    def run(
        self, settings: Settings, weights: list[Array], gradients: list[list[Array]], rates: list[float]
    ) -> tuple[list[list[Array]], bool]:
        """The weights after each step, and whether a gradient was changed."""
        keys = [f"W{i + 1}" for i in range(len(weights))]
        kwargs = {p: settings.value(r) for p, r in self.construction.items()}
        holders = [Gone(w.copy()) for w in weights]
        params: Any = {k: w.copy() for k, w in zip(keys, weights, strict=True)}
        if self.layout == "list":
            params = [w.copy() for w in weights]
        if self.given_parameters:
            kwargs[self.given_parameters] = holders if self.holds_parameters else params
        optimizer = guarded("the constructor", self.cls, **kwargs)
        path, touched = [], False
        for n, (gs, lr) in enumerate(zip(gradients, rates, strict=True)):
            if n and lr != rates[n - 1]:
                self.set_rate(optimizer, lr)
            copies = [g.copy() for g in gs]
            grads: Any = dict(zip(keys, copies, strict=True)) if self.layout == "dict" else copies
            kinds = self.kinds()
            if self.given_parameters and "dw" not in kinds.values():
                for h, g in zip(holders, copies, strict=True):
                    h.grad = g
            values = {"w": params, "dw": grads, "t": n + 1}
            final = {p: lr if role(self.name, p) == "lr" else values.get(kind) for p, kind in kinds.items()}
            result = guarded("the step", getattr(optimizer, self.method or "step"), **final)
            if self.given_parameters and self.holds_parameters:
                path.append([np.array(h.data) for h in holders])
            else:
                if returned_parameters(result, keys):
                    params = result if isinstance(result, dict) else list(result)
                path.append([np.array(params[k]) for k in (keys if isinstance(params, dict) else range(len(params)))])
            touched |= any(not np.array_equal(c, g) for c, g in zip(copies, gs, strict=True))
        return path, touched

    @property
    def holds_parameters(self) -> bool:
        """Whether it was given parameters with .data and .grad, and its step takes nothing, as torch's."""
        return self.layout == "dict" and not self.arguments

    def kinds(self) -> dict[str, str]:
        """What each argument of the step is: by its name, else in the order parameters, gradients."""
        named: dict[str, str] = {}
        for p in self.arguments:
            free = [k for k in ("w", "dw", "t") if k not in named.values()]
            kind = next((k for k in free if normal(p.name) in ALIASES[k]), None)
            if kind is not None or p.default is p.empty:
                named[p.name] = kind or "?"
        left = [k for k in ("w", "dw") if k not in named.values()]
        return {p: left.pop(0) if kind == "?" and left else kind for p, kind in named.items()}

    def set_rate(self, optimizer: Any, lr: float) -> None:
        for key, value in vars(optimizer).items():
            if role(self.name, key) == "lr" and isinstance(value, float):
                setattr(optimizer, key, lr)


def returned_parameters(result: Any, keys: list[str]) -> bool:
    """Whether a step returns the parameters, as a dictionary or a list."""
    if isinstance(result, dict):
        return set(result) == set(keys)
    return (
        isinstance(result, list | tuple) and len(result) == len(keys) and all(isinstance(r, np.ndarray) for r in result)
    )
