# ruff: noqa: E501
"""A user's optimizer step against torch's: several steps, the rate changed, decay, a large eps, small gradients."""

from __future__ import annotations

import ast
import inspect
import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check import arguments
from torchref.check.arguments import normal
from torchref.check.closeness import close, size
from torchref.check.forms.base import CouldNotRun, UserError, guarded
from torchref.check.mistakes import steps
from torchref.check.mistakes.base import Mistake
from torchref.check.verdict import COULD_NOT_RUN, RIGHT, WRONG, Finding, Verdict
from torchref.nn.module import Array

STEPS = 8
DEFAULTS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 1e-3, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False},
    "Adam": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "AdamW": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01},
    "RMSprop": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "centered": False},
    "Adagrad": {"lr": 1e-2, "lr_decay": 0.0, "weight_decay": 0.0, "eps": 1e-10},
}
PROBE: dict[str, Any] = {
    "momentum": 0.8,
    "dampening": 0.3,
    "weight_decay": 0.1,
    "betas": (0.8, 0.95),
    "eps": 1e-3,
    "alpha": 0.85,
    "lr_decay": 0.2,
}
CONSTANT_EPS = (1e-5, 1e-6, 1e-7, 1e-8)
MISTAKES = {
    "SGD": steps.SGD,
    "Adam": steps.ADAM,
    "AdamW": steps.ADAMW,
    "RMSprop": steps.RMSPROP,
    "Adagrad": steps.ADAGRAD,
}

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
    "w": ("w", "param", "params", "parameters", "x", "theta", "weights", "weight", "p", "parameter"),
    "dw": ("dw", "grad", "grads", "gradient", "gradients", "g", "dx", "dtheta", "dparams", "dparam", "dweights"),
    "state": ("state", "config", "cache", "optimstate", "optstate", "s", "memory", "states", "cfg", "conf", "buffers", "opt"),
    "t": ("t", "step", "timestep", "iteration", "it", "nstep"),
}  # fmt: skip


def names(against: str) -> str | None:
    """The optimizer that `against` names, if it names one."""
    stem = against.split("(")[0].strip().split(".")[-1].lower()
    return next((n for n in DEFAULTS if stem == n.lower()), None)


def role(name: str, parameter: str) -> str | None:
    """What a hyperparameter of the user's is."""
    n = normal(parameter)
    known = [*DEFAULTS[name], *(("beta1", "beta2") if "betas" in DEFAULTS[name] else ())]
    if name in ("Adam", "AdamW", "SGD", "Adagrad") and n == "alpha":
        return "lr"
    order = ["alpha", *known] if name == "RMSprop" else known
    return next((k for k in order if n in ALIASES.get(k, ()) and (k in known)), None)


def options_of(name: str, against: str) -> dict[str, Any]:
    tree = ast.parse(against.strip(), mode="eval").body
    given: dict[str, Any] = {}
    if isinstance(tree, ast.Call):
        given = {k.arg: ast.literal_eval(k.value) for k in tree.keywords if k.arg}
        order = list(DEFAULTS[name])
        given.update({order[i]: ast.literal_eval(a) for i, a in enumerate(tree.args)})
    unknown = [k for k in given if k not in DEFAULTS[name] and k not in ("foreach", "fused", "maximize")]
    if unknown:
        raise CouldNotRun(f"{name} has no option {unknown[0]!r}; it takes {', '.join(DEFAULTS[name])}")
    return {k: v for k, v in given.items() if k in DEFAULTS[name]}


class Settings:
    """The hyperparameters of one check: from `--against`, else the probe's where the user's code takes them."""

    def __init__(self, name: str, given: dict[str, Any], taken: set[str]) -> None:
        self.name, self.given = name, given
        taken = {"betas" if t in ("beta1", "beta2") else t for t in taken}
        o = dict(DEFAULTS[name])
        for key in o:
            if key in given:
                o[key] = given[key]
            elif key in taken and key in PROBE and not (key == "dampening" and "dampening" not in taken):
                o[key] = PROBE[key]
        if o.get("nesterov"):
            o["dampening"] = 0.0
        if "nesterov" in taken and "nesterov" not in given and o.get("momentum") and not o.get("dampening"):
            o["nesterov"] = True
        if "lr" not in given:
            o["lr"] = 0.05 if name in ("SGD", "Adagrad") else 1e-2
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
        self.as_config = bool(set(self.roles.values()) & {"state"}) and not (self.taken & set(DEFAULTS[name]))

    def config(self, settings: Settings, lr: float) -> Any:
        table: dict[str, Any] = {}
        for key in DEFAULTS[self.name]:
            for alias in ALIASES.get(key, (key,)):
                if key != "betas":
                    table.setdefault(alias, settings.value(key))
        names_ = {"learning_rate": "lr", "weight_decay": "weight_decay", "decay_rate": "alpha", "lr_decay": "lr_decay"}
        table.update({k: settings.value(v) for k, v in names_.items() if v in DEFAULTS[self.name]})
        if "betas" in DEFAULTS[self.name]:
            table.update(beta1=settings.value("beta1"), beta2=settings.value("beta2"), betas=settings.o.betas)
        for alias in ("lr", "learning_rate", "learningrate", "eta"):
            table[alias] = lr
        if self.name in ("Adam", "AdamW"):
            table["alpha"] = lr
        for state_like in (
            ("t", "v", "m", "step", "cache", "mu") if self.name != "SGD" else ("t", "v", "m", "step", "cache")
        ):
            table.pop(state_like, None)
        return table

    def run(
        self, settings: Settings, weights: list[Array], gradients: list[list[Array]], rates: list[float]
    ) -> tuple[list[list[Array]], bool]:
        weights = [w.copy() for w in weights]
        states: list[Any] = [None] * len(weights)
        if self.as_config:
            states = [arguments.Config(self.config(settings, rates[0])) for _ in weights]
        elif "state" in self.taken:
            states = [self.empty if self.empty is None else {} for _ in weights]
        watched = states[:]
        path = []
        touched = False
        for n, (gs, lr) in enumerate(zip(gradients, rates, strict=True)):
            for i, g in enumerate(gs):
                handed = g.copy()
                values: dict[str, Any] = {"w": weights[i], "dw": handed, "state": states[i], "t": n + 1, "lr": lr}
                if self.as_config and isinstance(states[i], dict) and n and lr != rates[n - 1]:
                    for key in (
                        "lr",
                        "learning_rate",
                        "learningrate",
                        "eta",
                        *(("alpha",) if self.name in ("Adam", "AdamW") else ()),
                    ):
                        if key in dict.keys(states[i]):
                            dict.__setitem__(states[i], key, lr)
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
            if isinstance(state, arguments.Config):
                self.asked |= state.asked
        return path, touched


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
                    f"the constructor's argument {p.name!r} cannot be matched with one of {name}: {', '.join(DEFAULTS[name])}"
                )
        self.taken = set(self.construction.values())
        self.arguments = arguments.parameters(getattr(cls, self.method))[1:]
        self.layout = "dict"
        self.asked: set[str] = set()

    def run(
        self, settings: Settings, weights: list[Array], gradients: list[list[Array]], rates: list[float]
    ) -> tuple[list[list[Array]], bool]:
        keys = [f"W{i + 1}" for i in range(len(weights))]
        kwargs = {p: settings.value(r) for p, r in self.construction.items()}
        holders = [Gone(w.copy()) for w in weights]
        params: Any = {k: w.copy() for k, w in zip(keys, weights, strict=True)}
        if self.layout == "list":
            params = [w.copy() for w in weights]
        if self.given_parameters:
            kwargs[self.given_parameters] = holders if self.layout == "dict" and not self.arguments else params
        optimizer = guarded("the constructor", self.cls, **kwargs)
        path, touched = [], False
        for n, (gs, lr) in enumerate(zip(gradients, rates, strict=True)):
            if n and lr != rates[n - 1]:
                for key, value in vars(optimizer).items():
                    if role(self.name, key) == "lr" and isinstance(value, float):
                        setattr(optimizer, key, lr)
            copies = [g.copy() for g in gs]
            grads: Any = dict(zip(keys, copies, strict=True)) if self.layout == "dict" else copies
            call: dict[str, Any] = {}
            for p in self.arguments:
                kind = next(
                    (k for k in ("w", "dw", "t") if normal(p.name) in ALIASES[k] and k not in call.values()), None
                )
                if p.default is not p.empty and kind is None:
                    continue
                call[p.name] = kind or "?"
            order = [k for k in ("w", "dw") if k not in call.values()]
            values = {"w": params, "dw": grads, "t": n + 1}
            final = {}
            for p_name, kind in call.items():
                kind = order.pop(0) if kind == "?" and order else kind
                final[p_name] = lr if role(self.name, p_name) == "lr" else values.get(kind)
            if self.given_parameters and not any(k in ("dw",) for k in call.values()):
                for h, g in zip(holders, copies, strict=True):
                    h.grad = g
            result = guarded("the step", getattr(optimizer, self.method or "step"), **final)
            if self.given_parameters and self.layout == "dict" and not self.arguments:
                path.append([np.array(h.data) for h in holders])
            else:
                if isinstance(result, dict) and set(result) == set(keys):
                    params = result
                elif (
                    isinstance(result, list | tuple)
                    and len(result) == len(weights)
                    and all(isinstance(r, np.ndarray) for r in result)
                ):
                    params = list(result)
                path.append(
                    [np.array(params[k]) for k in keys] if isinstance(params, dict) else [np.array(w) for w in params]
                )
            touched |= any(not np.array_equal(c, g) for c, g in zip(copies, gs, strict=True))
        return path, touched


def problem(seed: int, rate: float) -> tuple[list[Array], list[list[Array]], list[float]]:
    """Two parameters, gradients of ordinary size and near 1e-3, a rate that falls after half of the steps."""
    rng = np.random.default_rng([seed, 77])
    shape = (5, 3)
    weights = [rng.normal(size=shape), rng.normal(size=shape)]
    scale = np.where(rng.random(shape) < 0.5, 1e-3, 1.0)
    gradients = [
        [rng.uniform(0.3, 1.7, shape) * rng.choice([-1.0, 1.0], shape) * scale for _ in weights] for _ in range(STEPS)
    ]
    rates = [rate if n < STEPS // 2 else 0.3 * rate for n in range(STEPS)]
    return weights, gradients, rates


def same(a: list[list[Array]], b: list[list[Array]], start: list[Array], tolerance: float = 1e-6) -> bool:
    """Whether two paths agree, measured against the way gone."""
    for i in range(len(start)):
        x, y = np.stack([s[i] for s in a]), np.stack([s[i] for s in b])
        if x.shape != y.shape or not np.array_equal(np.isfinite(x), np.isfinite(y)):
            return False
        if size(x - y) > tolerance * max(size(y - start[i]), 1e-12):
            return False
    return True


def diagnose(function: Any, against: str, stated: list[str] | None, name: str) -> Verdict:
    """The verdict on an optimizer's step."""
    verdict = Verdict(COULD_NOT_RUN, against=against, name=name, form="optimizer")
    try:
        judge(function, against, verdict)
    except UserError as error:
        from torchref.check.tracebacks import last_lines

        verdict.error = f"{error.where} raised an exception:\n{last_lines(error)}"
    except (CouldNotRun, SyntaxError, ValueError) as error:
        verdict.error = str(error)
    return verdict


def attempt(step: Any, settings: Settings, seed: int = 0) -> tuple[Any, ...]:
    weights, gradients, rates = problem(seed, settings.o.lr)
    with np.errstate(all="ignore"):
        path, touched = step.run(settings, weights, gradients, rates)
    return path, touched, weights, gradients, rates


def runnable(step: Any, settings: Settings) -> tuple[Any, ...]:
    """Run it, trying the ways in which state and parameters may be handed over."""
    ways: list[tuple[str, Any]] = (
        [("empty", {}), ("empty", None)] if isinstance(step, FunctionStep) else [("layout", "dict"), ("layout", "list")]
    )
    if isinstance(step, FunctionStep) and step.as_config:
        ways = [("as_config", True), ("as_config", False)]
    first: Exception | None = None
    for attribute, value in ways:
        setattr(step, attribute, value)
        try:
            return attempt(step, settings)
        except CouldNotRun as error:
            first = first or error
    assert first is not None
    raise first


def judge(function: Any, against: str, verdict: Verdict) -> None:
    name = names(against)
    assert name is not None
    given = options_of(name, against)
    target = function
    step: Any = ClassStep(target, name) if inspect.isclass(target) else FunctionStep(target, name)
    settings = Settings(name, given, step.taken)
    first = runnable(step, settings)
    if isinstance(step, FunctionStep) and step.as_config:
        asked = {r for key in step.asked if (r := role(name, key))}
        step.taken |= asked
        settings = Settings(name, given, step.taken)
        first = attempt(step, settings)
    path, touched, weights, gradients, rates = first
    o = settings.o
    if np.shape(path[0][0]) != np.shape(weights[0]):
        raise CouldNotRun(
            f"the step returned a parameter of shape {np.shape(path[0][0])}, expected {np.shape(weights[0])}"
        )

    def reference(wrong: frozenset[str] = frozenset(), options: Any = o) -> list[list[Array]]:
        try:
            with np.errstate(all="ignore"):
                return steps.simulate(name, options, weights, gradients, rates, wrong)
        except ZeroDivisionError:  # two mistakes at once may exclude each other
            return [[np.full_like(w, np.nan) for w in weights] for _ in rates]

    right = reference()
    if touched:
        verdict.verdict = WRONG
        verdict.findings.append(
            Finding(
                "param",
                "optimizer-state",
                "the gradient has other values after the step",
                0.95,
                "The step changes the gradient that it was given.",
                "g = g + weight_decay * w, not g += ...",
            )
        )
        return
    if same(path, right, weights):
        verdict.verdict = RIGHT
        verdict.right = {
            "param": max(
                size(np.subtract(p[i], r[i])) for p, r in zip(path, right, strict=True) for i in range(len(weights))
            )
            / max(1e-6 * size(np.subtract(right[-1][0], weights[0])), 1e-300)
        }
        return
    if getattr(o, "momentum", 0) and same(path, reference(frozenset({"rate in the velocity"})), weights):
        verdict.verdict = RIGHT
        verdict.notes.append(
            "a difference of convention: the learning rate is inside the velocity (v = momentum * v - lr * g); it differs from torch only after the rate has changed"
        )
        return
    # an eps that stands as a constant in the user's code is theirs to choose
    fixed = "eps" in DEFAULTS[name] and "eps" not in step.taken and "eps" not in given
    candidates = [o.eps, *(e for e in CONSTANT_EPS if e != o.eps)] if fixed else [getattr(o, "eps", 0.0)]
    for o.eps in candidates[1:]:
        if same(path, reference(), weights):
            verdict.verdict, verdict.right = RIGHT, {"param": 0.0}
            verdict.notes.append(f"eps is {o.eps:g} in this code; torch's default is {DEFAULTS[name]['eps']:g}")
            return
    verdict.verdict = WRONG
    moved = next((n for n, (p, r) in enumerate(zip(path, right, strict=True)) if not same([p], [r], weights)), 0)
    told = f"the parameters differ from step {moved + 1} on"
    mistakes = MISTAKES[name]
    convention = frozenset({"rate in the velocity"}) if getattr(o, "momentum", 0) else frozenset()
    for o.eps in candidates:
        right = reference()
        known = {m.flag: reference(frozenset({m.flag})) for m in mistakes}
        for extra in (frozenset[str](), convention) if convention else (frozenset[str](),):
            for m in mistakes:
                if same(known[m.flag], right, weights):
                    continue
                if same(path, known[m.flag] if not extra else reference(frozenset({m.flag}) | extra), weights):
                    found(verdict, m, told, 0.97)
                    return
    o.eps = candidates[0]
    right = reference()
    known = {m.flag: reference(frozenset({m.flag})) for m in mistakes}
    for a, b in itertools.combinations(mistakes, 2):
        if same(path, reference(frozenset({a.flag, b.flag})), weights) and not (
            same(known[a.flag], right, weights) or same(known[b.flag], right, weights)
        ):
            found(verdict, a, told, 0.8)
            if b.slug != a.slug:
                found(verdict, b, told, 0.75)
            return
    verdict.findings.append(
        Finding(
            "param",
            "unknown",
            told + ", and fit no known mistake",
            0.3,
            "The step is wrong in a way that fits no known mistake.",
        )
    )


def found(verdict: Verdict, m: Mistake, told: str, confidence: float) -> None:
    verdict.findings.append(
        Finding(
            "param",
            m.slug,
            f"{told}, exactly as with this mistake ({m.flag})",
            confidence,
            m.sentence,
            m.correction,
            derivation=f"the docstring of torchref.optim.{names(verdict.against)}",
        )
    )


__all__ = ["close", "diagnose", "names"]
