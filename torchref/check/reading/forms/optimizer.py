# ruff: noqa: E501
"""The hyperparameters of an optimizer's step: what users call them, and the values that a check runs them with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.reading.arguments import normal
from torchref.check.reading.source import text_of

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


def hyperparameters(name: str, parameters: Iterable[str], code: Any) -> dict[str, str]:
    """The user's parameters that are hyperparameters of the optimizer, each with torch's name."""
    free, found = list(parameters), {}
    if "decay" in free and decays_rate(code):  # decay=0.: of the learning rate, not of the weights
        free.remove("decay")
        if "lr_decay" in OPTIMIZERS[name].defaults:
            found["decay"] = "lr_decay"
    for parameter in sorted(free, key=lambda p: alias_rank(name, p)):
        torchs = role(name, parameter)
        if torchs and torchs not in found.values():
            found[parameter] = torchs
    return found


def alias_rank(name: str, parameter: str) -> int:
    """How likely a name is the hyperparameter that it is read as; the likeliest first."""
    torchs = role(name, parameter)
    aliases = ALIASES.get(torchs or "", ())
    return aliases.index(normal(parameter)) if normal(parameter) in aliases else len(aliases)


def decays_rate(code: Any) -> bool:
    """Whether the code divides its learning rate by 1 + decay * iterations."""
    source = text_of(code)
    return re.search(r"1(\.0*)?\s*\+\s*(self\.)?decay\b", source) is not None


class Settings:
    """The hyperparameters of one check: from `--against`, else the probe's where the user's code takes them."""

    def __init__(self, name: str, given: dict[str, Any], taken: set[str], own_rate: bool = False) -> None:
        self.name, self.given = name, given
        self.own_rate = own_rate  # the code takes no learning rate: it stays torch's default
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
        if "lr" not in given and not own_rate:
            o["lr"] = record.probe["lr"]
        self.o = SimpleNamespace(**o)

    def value(self, key: str) -> Any:
        if key in ("beta1", "beta2"):
            return self.o.betas[key == "beta2"]
        return getattr(self.o, key)
