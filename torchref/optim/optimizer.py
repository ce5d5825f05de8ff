"""Optimizer: parameter groups, state, and the walk over the parameters; an optimizer is its `update`."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, TypeAlias

import numpy as np

from torchref.nn.module import Array, Parameter

Group: TypeAlias = dict[str, Any]
Params: TypeAlias = Iterable[Parameter] | Iterable[Group] | Iterable[tuple[str, Parameter]]

ENGINE_FLAGS = ("foreach", "fused", "capturable", "differentiable")


class Optimizer:
    """The base of all optimizers: what to update, with which options, and what is remembered from step to step.

    `params` is an iterable of Parameters, of (name, Parameter) pairs, or of dicts with "params" and options of their
    own (parameter groups); `defaults` are the options of a group that does not set them. An optimizer defines
    `update(parameter, gradient, state, group)`, which changes the array `parameter` in place by the rule that its
    docstring states.

    The flags foreach, fused, capturable and differentiable choose one of torch's implementations; here there is one, so
    that they must be None or False (ValueError). Equals `torch.optim.Optimizer`, but for its hooks.
    """

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Parameter | np.ndarray):
            raise TypeError(
                f"{type(self).__name__}: params must be an iterable of Parameters or dicts, not {type(params).__name__}"
            )
        self.defaults = defaults
        self.stepped = False  # for schedulers, which must not come before the first step
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: params is empty")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Add a group of parameters; options that it does not set are the optimizer's defaults.

        TypeError for what is no Parameter and for a set (it has no order), ValueError for a parameter that another
        group has and for names that are there for some parameters only.
        """
        name = type(self).__name__
        if not isinstance(param_group, dict):
            raise TypeError(f"{name}: param_group must be a dict, but got {type(param_group).__name__}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(f"{name}: params must be ordered, but got a set; use a list")
        members, names = named_members(name, [params] if isinstance(params, Parameter) else list(params))
        if len(set(members)) != len(members):
            warnings.warn(f"{name}: a parameter group has a parameter twice, which updates it twice", stacklevel=3)
        group = self.defaults | param_group | {"params": members}
        if names:
            group["param_names"] = names
        for flag in ENGINE_FLAGS:
            if group.get(flag) not in (None, False):
                raise ValueError(f"{name}: {flag} must be None or False, but got {flag}={group[flag]!r}")
        for other in self.param_groups:
            if ("param_names" in other) != ("param_names" in group):
                raise ValueError(f"{name}: either all parameter groups have names or none")
            if not set(other["params"]).isdisjoint(members):
                raise ValueError(f"{name}: some parameters appear in more than one parameter group")
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; `set_to_none=False` replaces those that there are by zeros."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad = None if set_to_none else np.zeros_like(parameter.grad)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; one whose `grad` is None is skipped, state and all.

        `closure`, if given, is called first: it computes the gradients (it has called its loss's backward) and returns
        the loss, which is returned. RuntimeError, before anything is changed, for a gradient of another shape or dtype
        than its parameter's, and for a parameter whose entries share their memory; ValueError for a read-only one.
        """
        self.stepped = True
        loss = None if closure is None else closure()
        work = [(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        for parameter, _ in work:
            self.check(parameter.data, parameter.grad)
        with np.errstate(all="ignore"):  # an overflow is an inf and 0 / 0 a nan here, in silence, as in torch
            for parameter, group in work:
                self.update(parameter.data, parameter.grad, self.state[parameter], group)
                if not self.state[parameter]:
                    del self.state[parameter]
        return loss

    def check(self, param: Array, grad: Array) -> None:
        """Whether `param` can be changed by `grad`."""
        name = type(self).__name__
        if not isinstance(grad, np.ndarray):
            raise RuntimeError(f"{name}: a gradient must be a numpy.ndarray, not {type(grad).__name__}")
        if grad.shape != param.shape or grad.dtype != param.dtype:
            raise RuntimeError(
                f"{name}: a parameter of shape {param.shape} and dtype {param.dtype} has a gradient of shape "
                f"{grad.shape} and dtype {grad.dtype}"
            )
        check_writeable(name, param)

    def update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        """Change `parameter` in place by this optimizer's rule; `gradient` stays, `state` is the parameter's own."""
        raise NotImplementedError(f"{type(self).__name__} defines no update")

    def state_dict(self) -> dict[str, Any]:
        """{"state": {index: state}, "param_groups": [...]} in torch's format, parameters as indices.

        Arrays are copies: torch hands out the live tensors, which go on changing with every step. An index stands for
        the parameter; `torchref.twin.optimizer` turns the whole into torch's tensors and back.
        """
        index: dict[Parameter, int] = {}
        groups = []
        start = 0
        for group in self.param_groups:
            for i, parameter in enumerate(group["params"], start):
                index.setdefault(parameter, i)
            start += len(group["params"])
            options = {name: deepcopy(value) for name, value in group.items() if name != "params"}
            groups.append(options | {"params": [index[parameter] for parameter in group["params"]]})
        state = {
            index[key] if isinstance(key, Parameter) else key: deepcopy(value) for key, value in self.state.items()
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over groups' options and state, in copies; arrays but "step" get their parameter's dtype.

        ValueError if the numbers of groups or of parameters in a group differ; nothing is changed then.
        """
        name = type(self).__name__
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError(
                f"{name}: state_dict has {len(saved)} parameter groups, and the optimizer {len(self.param_groups)}"
            )
        parameters: dict[Any, Parameter] = {}
        groups = []
        for i, (old, new) in enumerate(zip(self.param_groups, saved, strict=True)):
            if len(old["params"]) != len(new["params"]):
                raise ValueError(
                    f"{name}: state_dict has {len(new['params'])} parameters in group {i}, and the optimizer "
                    f"{len(old['params'])}"
                )
            parameters.update(zip(new["params"], old["params"], strict=True))
            group = self.defaults | new | {"params": old["params"]}
            if "param_names" in old:
                group.setdefault("param_names", old["param_names"])
            groups.append(group)
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in parameters:
                parameter = parameters[key]
                state[parameter] = {k: copy_as(v, parameter.dtype if k != "step" else None) for k, v in value.items()}
            else:
                state[key] = deepcopy(value)
        self.param_groups = groups
        self.state = state

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


def copy_as(value: Any, dtype: Any) -> Any:
    """A copy of an array, a number, None, or a list of those; arrays in `dtype` (None: in their own)."""
    if isinstance(value, np.ndarray):
        return np.array(value, dtype)
    if isinstance(value, list | tuple):
        return type(value)(copy_as(member, dtype) for member in value)
    if value is None or isinstance(value, int | float | np.generic):
        return value
    raise TypeError(
        f"load_state_dict: state must hold numpy.ndarrays and numbers, not {type(value).__name__} "
        "(torchref.twin.optimizer.from_torch_state converts torch's)"
    )


def new_step() -> Array:
    """The count of a parameter's steps, 0: an array of float32, as torch keeps it."""
    return np.zeros((), np.float32)


def check_writeable(optimizer: str, param: Array) -> None:
    """ValueError for a read-only array, and torch's RuntimeError for one whose entries share their memory."""
    if not param.flags.writeable:
        raise ValueError(f"{optimizer}: a parameter of shape {param.shape} is read-only: its data cannot be updated")
    if not param.flags.c_contiguous and any(
        n > 1 and stride == 0 for n, stride in zip(param.shape, param.strides, strict=True)
    ):
        raise RuntimeError(
            f"{optimizer}: entries of a parameter of shape {param.shape} share their memory (strides {param.strides}): "
            "they cannot be updated one by one; give it a copy"
        )


def check_nonnegative(optimizer: str, **values: Any) -> None:
    """ValueError for an option below zero (or nan), as torch raises it."""
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{optimizer}: {name} must be at least 0, but got {name}={value}")


def check_betas(optimizer: str, betas: tuple[float, float]) -> None:
    """ValueError unless both of `betas` lie in [0, 1)."""
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"{optimizer}: betas[{i}] must be at least 0 and below 1, but got betas={betas}")


def named_members(optimizer: str, params: list[Any]) -> tuple[list[Parameter], list[str]]:
    """The parameters of a group, and their names where they have some. Raises what `add_param_group` raises."""
    names = [member[0] for member in params if isinstance(member, tuple)]
    members = [member[1] if isinstance(member, tuple) else member for member in params]
    if names and len(names) != len(members):
        raise ValueError(f"{optimizer}: {len(names)} of {len(members)} params have names; all or none must")
    for member in members:
        if not isinstance(member, Parameter):
            raise TypeError(f"{optimizer}: can only optimize Parameters, but one of params is {type(member).__name__}")
        if member.dtype.kind != "f":
            raise TypeError(
                f"{optimizer}: can only optimize floating-point Parameters, but one of params is {member.dtype}"
            )
    return members, names
