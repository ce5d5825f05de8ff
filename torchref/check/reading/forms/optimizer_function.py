"""An optimizer's step as a function: `f(w, dw, config)`, `f(w, dw, m, v, t, ...)`, `f(parameters, grads, v, s, ...)`.

A function keeps nothing: what it needs in the next step is handed to it and comes back, as one dictionary or as one
array for each moment.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.reading import arguments
from torchref.check.reading.arguments import CONFIG, normal
from torchref.check.reading.config import Config
from torchref.check.reading.forms.calling import CouldNotRun, guarded
from torchref.check.reading.forms.handed_parameters import (
    Dictionary,
    Each,
    Handed,
    Listed,
    Numbered,
    Tensors,
    TorchTensors,
)
from torchref.check.reading.forms.naming import returned_names
from torchref.check.reading.forms.optimizer import ALIASES, Settings, hyperparameters, role
from torchref.check.reading.forms.tensors import knows_torch
from torchref.check.reading.source import text_of
from torchref.nn.module import Array

MOMENTS = (
    "m", "v", "s", "u", "h", "n", "velocity", "cache", "vw", "sw", "mw", "mt", "vt", "gsum", "sum", "r", "e",
    "ex", "eg", "egrad", "edx", "square", "squares",
)  # fmt: skip


BATCH = "batchsize"  # by which some divide a gradient that was summed over a batch


def reads_grad(function: Any) -> bool:
    """Whether a step finds the gradients on its parameters: p.grad."""
    return re.search(r"\w\.grad\b", text_of(function)) is not None


class FunctionStep:
    """A function of a parameter, its gradient and a state that returns what it returns."""

    form = "optimizer"

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function, self.name = function, name
        self.roles: dict[str, str] = {}
        params = arguments.parameters(function)
        free = list(params)
        for kind in ("state", "w", "dw", "t"):
            for p in list(free):
                if kind not in self.roles.values() and normal(p.name) in ALIASES[kind] and role(name, p.name) is None:
                    self.roles[p.name] = kind
                    free.remove(p)
        self.roles.update(hyperparameters(name, [p.name for p in free], function))
        free = [p for p in free if p.name not in self.roles]
        self.on_tensors = "w" in self.roles.values() and "dw" not in self.roles.values() and reads_grad(function)
        for kind in () if self.on_tensors else ("w", "dw"):
            if kind not in self.roles.values() and free and (free[0].default is free[0].empty):
                self.roles[free.pop(0).name] = kind
        kept = [] if self.on_tensors else free
        kept = [p for p in kept if p.default is p.empty or (p.default is None and normal(p.name) in MOMENTS)]
        state = next((p for p, r in self.roles.items() if r == "state"), None)
        if kept and state:  # one array a moment
            kept = [p for p in params if p.name == state or p in kept]
            del self.roles[state]
        if len(kept) == 1 and not state and normal(kept[0].name) not in MOMENTS:
            self.roles[kept.pop().name] = "state"
        self.roles.update({p.name: f"moment {p.name}" for p in kept})
        self.moments = [p.name for p in kept]
        if self.on_tensors:
            self.hand_over_tensors(params)
        elif not {"w", "dw"} <= set(self.roles.values()):
            raise CouldNotRun(
                "the arguments of this optimizer's step cannot be matched: expected a parameter, its gradient, "
                f"a state or config, and hyperparameters; found ({', '.join(p.name for p in params)})"
            )
        self.taken = {r for r in self.roles.values() if not r.startswith("moment ")}
        self.asked: set[str] = set()
        self.empty: Any = None
        self.layout: type[Handed] = Each
        self.could_be_config = (
            not self.on_tensors and "state" in self.taken and not (self.taken & set(OPTIMIZERS[name].defaults))
        )
        self.as_config = self.could_be_config
        self.absent = False  # its dictionary: the code makes it where it is handed None
        self.options: dict[str, Any] = {}  # a dictionary of options that is handed over beside the state
        self.returned = returned_names(function)
        self.names = [normal(p) for p, r in self.roles.items() if r in OPTIMIZERS[name].defaults]

    def hand_over_tensors(self, params: list[inspect.Parameter]) -> None:
        """The arguments of a step on tensors that carry their gradients: params, states, a dictionary of options."""
        self.moments = []
        self.roles = {p: r for p, r in self.roles.items() if not r.startswith("moment ")}
        for p in [p for p in params if p.name not in self.roles and p.default is p.empty]:
            n = normal(p.name)
            taken = self.roles.values()
            self.roles[p.name] = (
                "batch" if n == BATCH else "options" if "state" in taken or CONFIG.match(n) else "state"
            )

    def takes_rate(self) -> bool:
        """Whether the learning rate can be given: as an argument, or in a dictionary that is asked for one."""
        if "lr" in self.taken:
            return True
        if self.on_tensors:
            return {"options", "state"} & set(self.roles.values()) != set() and self._reads(self.rates())
        return self.as_config and (not self.asked or self._reads(self.rates()))

    def _reads(self, keys: tuple[str, ...]) -> bool:
        """Whether the code has one of these keys in quotes; true where there is no code to read."""
        try:
            source = inspect.getsource(self.function)
        except (OSError, TypeError):
            return True
        return any(re.search(rf"""["']{key}["']""", source) for key in keys)

    def ways(self) -> list[dict[str, Any]]:
        """How state and parameters may be handed over, the likelier first."""
        if self.on_tensors:
            layout: type[Handed] = TorchTensors if knows_torch(self.function) else Tensors
            states = ["pairs", "zeros"] if layout is TorchTensors and "state" in self.roles.values() else ["zeros"]
            return [{"layout": layout, "empty": e, "as_config": False, "options": {}} for e in states]
        if self.could_be_config:
            return [{"as_config": True}, {"as_config": True, "absent": True}, {"as_config": False, "empty": "zeros"}]
        empty: list[Any] = ["zeros", None, {}] if self.moments else [{}, None, "zeros"]
        layouts: list[type[Handed]] = [Each, Numbered, Dictionary, Listed]
        return [{"layout": layout, "empty": e} for layout in layouts for e in empty]

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
        for alias in self.rates():
            table[alias] = lr
        for state_like in ("t", "v", "m", "step", "cache", *(("mu",) if self.name != "SGD" else ())):
            table.pop(state_like, None)
        return table

    def rates(self) -> tuple[str, ...]:
        """What a dictionary of options calls the learning rate."""
        own = ("lr", "learning_rate", "learningrate", "eta")
        return (*own, "alpha") if "betas" in OPTIMIZERS[self.name].defaults else own

    def run(
        self, settings: Settings, weights: list[Array], gradients: list[list[Array]], rates: list[float]
    ) -> tuple[list[list[Array]], bool]:
        handed = self.layout(weights)
        one_each = self.layout is Each
        states = [self.first_state(settings, rates[0], handed) for _ in (weights if one_each else [None])]
        watched = states[:]
        path = []
        touched = False
        for n, (gs, lr) in enumerate(zip(gradients, rates, strict=True)):
            copies = [g.copy() for g in gs]
            for i, call in enumerate(handed.calls(copies)):
                if self.as_config and isinstance(states[i], dict) and n and lr != rates[n - 1]:
                    for key in set(self.rates()) & set(dict.keys(states[i])):
                        dict.__setitem__(states[i], key, lr)
                values: dict[str, Any] = {**call, "t": n + 1, "lr": lr, "batch": 1}
                if self.on_tensors:
                    self.options.update(self.config(settings, lr), t=n + 1)
                    values["options"] = self.options
                if isinstance(states[i], dict) and self.moments:
                    values.update({f"moment {m}": states[i][m] for m in self.moments})
                else:
                    values["state"] = states[i]
                kwargs = {p: values[r] if r in values else settings.value(r) for p, r in self.roles.items()}
                states[i] = self.take(handed, i, guarded("the step", self.function, **kwargs), states[i])
            touched |= any(not np.array_equal(c, g) for c, g in zip(copies, gs, strict=True))
            path.append([w.copy() for w in handed.arrays()])
        for state in watched:
            if isinstance(state, Config):
                self.asked |= state.asked
        return path, touched

    def first_state(self, settings: Settings, lr: float, handed: Handed) -> Any:
        def empty() -> Any:
            if self.empty == "pairs" and isinstance(handed, TorchTensors):
                return handed.pairs()
            return handed.zeros() if isinstance(self.empty, str) else None if self.empty is None else {}

        if self.moments:
            return {m: empty() for m in self.moments}
        if self.as_config and self.absent:
            return self.made_by_the_code(self.config(settings, lr), handed)
        if self.as_config:
            return Config(self.config(settings, lr))
        return empty() if "state" in self.taken else None

    def made_by_the_code(self, options: dict[str, Any], handed: Handed) -> Config:
        """The dictionary that the code makes of None, as it is before the first step, with these options.

        A step with a gradient of zeros leaves the moments at zero; what it has counted goes back to zero.
        """
        there = type(handed)(handed.arrays())
        call = there.calls([np.zeros_like(w) for w in there.arrays()])[0]
        kwargs = {p: call[r] for p, r in self.roles.items() if r in call} | {
            p: None for p, r in self.roles.items() if r == "state"
        }
        result = guarded("the step", self.function, **kwargs)
        made = result[-1] if isinstance(result, tuple | list) else None
        if not isinstance(made, dict):
            raise CouldNotRun("the step makes no state of its own where it is handed none")
        first = {k: 0 if isinstance(v, int) and not isinstance(v, bool) else v for k, v in made.items()}
        return Config({**first, **{k: v for k, v in options.items() if k in first}})

    def take(self, handed: Handed, i: int, result: Any, state: Any) -> Any:
        """Take the new parameters from what the step has returned; the new state."""
        listed = isinstance(handed, Listed) and not isinstance(handed, Each) and isinstance(result, list)
        if self.on_tensors:
            return state
        if not isinstance(result, tuple | list) or listed:
            if result is not None and not isinstance(result, np.ndarray | dict | list):
                raise CouldNotRun(f"the step returned {type(result).__name__}: expected (parameter, state)")
            handed.take(i, result)
            return state
        handed.take(i, result[0])
        rest = list(result[1:])
        if self.moments:
            names = self.returned[1:] if len(self.returned) == len(result) else [""] * len(rest)
            own = {normal(m): m for m in self.moments}
            by_name = {own[k]: r for n, r in zip(names, rest, strict=True) if (k := normal(n)) in own}
            order = [m for m in self.moments if m not in by_name]
            left = [
                r for n, r in zip(names, rest, strict=True) if normal(n) not in own and normal(n) not in ALIASES["t"]
            ]
            return {**state, **by_name, **dict(zip(order, left, strict=False))}
        if rest and "state" in self.taken:
            return rest[0] if len(rest) == 1 else tuple(rest)
        return state
