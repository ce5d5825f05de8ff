# ruff: noqa: E501
"""Which form a piece of code is written in."""

from __future__ import annotations

import functools
import inspect
import itertools
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.ops.probe import make_probe
from torchref.check.reading import arguments
from torchref.check.reading.arguments import ALIASES, normal
from torchref.check.reading.conventions import possible_conventions
from torchref.check.reading.forms.autograd import Function
from torchref.check.reading.forms.beside import backward_beside, looks_like_gradient, pair_beside
from torchref.check.reading.forms.calling import CouldNotRun, call
from torchref.check.reading.forms.closure import Closure, describe
from torchref.check.reading.forms.derivative import Derivative, has_derivative
from torchref.check.reading.forms.form import Form
from torchref.check.reading.forms.gradient import Gradient
from torchref.check.reading.forms.layer import Layer
from torchref.check.reading.forms.lists import for_lists, on_lists
from torchref.check.reading.forms.pair import Pair
from torchref.check.reading.forms.tensors import (
    class_on_tensors,
    for_tensors,
    leaves_gradients,
    left_on_tensors,
    on_tensors,
)
from torchref.check.reading.forms.values import class_of_values, on_values
from torchref.check.reading.other_layouts import other_layouts
from torchref.nearest import nearest

FORMS = ("closure", "pair", "class", "function", "autograd", "optimizer")
DY = {normal(n) for n in ALIASES["dy"]}


def is_autograd(target: Any) -> bool:
    """Whether the target is a class of torch.autograd.Function."""
    torch = sys.modules.get("torch")
    return torch is not None and inspect.isclass(target) and issubclass(target, torch.autograd.Function)


def look_up(module: Any, name: str) -> Any:
    """What `name` is in a user's file: a function or class, or the pair NAME_forward, NAME_backward."""
    for first, second in (
        ("_forward", "_backward"),
        ("_forward_naive", "_backward_naive"),
        ("Forward", "Backward"),
        ("_fwd", "_bwd"),
        ("_fw", "_bw"),
        ("_fprop", "_bprop"),
        ("_f", "_b"),
    ):
        stem = name.removesuffix(first)
        for a, b in ((stem + first, stem + second), (stem, stem + second) if first == "_forward" else ("", "")):
            if (
                a
                and hasattr(module, a)
                and hasattr(module, b)
                and (name in (stem, a))
                and (a != stem or name == stem)
                and not inspect.isclass(getattr(module, a))
            ):
                return getattr(module, a), getattr(module, b)
    for first, second in (("_forward_", "_backward_"), ("_fwd_", "_bwd_")):  # conv_forward_im2col
        twin = name.replace(first, second)
        if twin != name and hasattr(module, name) and hasattr(module, twin):
            return getattr(module, name), getattr(module, twin)
    for first, second in (("forward_", "backward_"), ("fwd_", "bwd_")):
        stem = name.removeprefix(first)
        if hasattr(module, first + stem) and hasattr(module, second + stem):
            return getattr(module, first + stem), getattr(module, second + stem)
    target: Any = module
    for part in name.split("."):
        if not hasattr(target, part):
            raise CouldNotRun(missing(module, name))
        target = getattr(target, part)
    return target


def missing(module: Any, name: str) -> str:
    """The message that a file has no such name, with the nearest ones that it has."""
    names = [
        n
        for n, v in vars(module).items()
        if callable(v) and not n.startswith("__") and getattr(v, "__module__", None) == module.__name__
    ]
    return f"there is no {name!r} in the file: {nearest(name, names)}"


def recognise(  # noqa: C901, PLR0912 -- a branch for each form, the surest first
    target: Any,
    op: Op,
    form: str | None = None,
    stated: list[str] | None = None,
    device: str | None = None,
) -> Form:
    """The form of `target`, ready to run."""
    if form is not None and form not in FORMS:
        raise CouldNotRun(f"there is no form {form!r}; the forms are {', '.join(FORMS)}")
    if form == "autograd" or (form is None and is_autograd(target)):
        return Function(target, op, stated, device=device)
    if device is not None and device != "cpu":
        raise CouldNotRun(f"--device {device} is for a torch.autograd.Function; NumPy computes on the processor")
    pair = as_pair(target, form)
    if inspect.isfunction(target) and for_tensors(target):
        target = left_on_tensors(target) if leaves_gradients(target) else on_tensors(target)
    if inspect.isclass(target) and for_tensors(target):
        target = class_on_tensors(target)
    if pair is not None and all(for_tensors(f) for f in pair):
        pair = on_tensors(pair[0]), on_tensors(pair[1])
    if pair is not None and any(map(for_lists, pair)):
        pair = on_lists(pair[0]), on_lists(pair[1])
    if pair is not None:
        return Pair(pair, op, stated)
    target = on_lists(target) if for_lists(target) else target
    if inspect.ismodule(target):
        target = SimpleNamespace(forward=target.forward, backward=target.backward)
    if form in (None, "class") and inspect.isclass(target) and has_derivative(target, op):
        return Derivative(target, op, stated)
    if form == "class" or (form is None and is_layer(target)):
        return Layer(target, op, stated)
    if not callable(target):
        raise CouldNotRun(f"expected a function, a class or a pair of functions, found {type(target).__name__}")
    if form == "closure":
        return Closure(target, op, stated)
    if form == "function" or takes_an_upstream_gradient(target, op):
        return Gradient(target, op, stated)
    return called_once(target, op, stated)


def as_pair(target: Any, form: str | None) -> tuple[Any, Any] | None:
    """The two functions of a pair: as such, or as static methods of a class; None where the code is no pair."""
    if isinstance(target, tuple | list):
        if len(target) != 2 or not all(callable(t) for t in target):
            raise CouldNotRun(f"a pair is (forward, backward), two functions; found {target!r}")
        return target[0], target[1]
    if form == "pair":
        raise CouldNotRun(
            "--form pair needs two functions, NAME_forward and NAME_backward (or a tuple (forward, backward))"
        )
    if form is None and static(target):
        return target.forward, target.backward
    return with_context(target) if form is None and static(target, context=True) else None


def is_layer(target: Any) -> bool:
    """Whether the target is a class, or an instance with a forward and a backward."""
    return inspect.isclass(target) or (hasattr(target, "forward") and hasattr(target, "backward"))


def takes_an_upstream_gradient(target: Any, op: Op) -> bool:
    """Whether a parameter has the name of an upstream gradient, and of nothing else."""
    own = {normal(n) for a in op.arguments for n in (a.name, *a.aliases)} | ({"g"} if op.has("weight") else set())
    return any(normal(p.name) in DY - own for p in arguments.parameters(target))


def called_once(target: Any, op: Op, stated: list[str] | None) -> Form:
    """The form of a function, as what it returns says: a callable among that makes it a closure."""
    try:
        closure = Closure(target, op, stated)
        result = trial(closure, op)
    except CouldNotRun as first:
        try:
            gradient = Gradient(target, op, stated)
            if trial(gradient, op) is not None:
                return gradient
        except (CouldNotRun, arguments.Unmatched):
            pass
        values = class_of_values(target)
        if values is not None:
            closure = Closure(on_values(target, values), op, stated)
            trial(closure, op)
            return closure
        result = trial_on_other_axes(closure, op, stated, first)
    items = result if isinstance(result, tuple | list) else [result]
    if any(callable(i) and not isinstance(i, np.ndarray) for i in items):
        return closure
    back = backward_beside(target) if isinstance(result, tuple) and len(items) > 1 else None
    if back is not None:
        return Pair((target, back), op, stated)
    a_value = len(items) == 1 and not looks_like_gradient(target) and (not op.loss or np.ndim(items[0]) < 2)
    beside = pair_beside(target, op, stated) if a_value else None
    if beside is not None:
        return beside
    of_a_loss = (isinstance(result, tuple) and len(result) >= 2) or np.ndim(items[0]) > 0
    if (op.loss and of_a_loss) or looks_like_gradient(target):
        return Gradient(target, op, stated)
    raise CouldNotRun(
        f"no backward was found: the function returned {describe(result)}; "
        "expected (output, backward), a pair NAME_forward / NAME_backward, a class with forward and backward, "
        "or a gradient function that takes the upstream gradient (say --form function if it is one)"
    )


def trial_on_other_axes(closure: Closure, op: Op, stated: list[str] | None, first: CouldNotRun) -> Any:
    """What a function that runs on no batch returns on one example, on one gray image, on (N, T, D).

    Errors: `first`, where it runs on none of them.
    """
    for other, _ in other_layouts(op):
        try:
            return trial(closure, other, stated)
        except (CouldNotRun, ValueError):  # the latter: the operation has no such layout
            continue
    raise first


def static(target: Any, context: bool = False) -> bool:
    """Whether a class is a pair under one name: a static forward that returns its cache, a static backward that takes it."""
    methods = [inspect.getattr_static(target, n, None) for n in ("forward", "backward")]
    if not inspect.isclass(target) or not all(isinstance(m, staticmethod | classmethod) for m in methods):
        return False
    return all(hands_over_context(getattr(target, n)) == context for n in ("forward", "backward"))


def hands_over_context(method: Any) -> bool:
    """Whether what the backward needs is kept on an object that is handed to both: forward(ctx, x), backward(ctx, dy)."""
    params = arguments.parameters(method)
    return bool(params) and normal(params[0].name) in ("ctx", "context", "self", "cls")


class Context(SimpleNamespace):
    """What a static forward(ctx, x) leaves for its backward(ctx, dy), as in torch."""

    saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *arrays: Any) -> None:
        self.saved_tensors = self.saved_values = self.saved = arrays


def with_context(target: Any) -> tuple[Any, Any]:
    """forward(ctx, x) and backward(ctx, dy) as a pair whose cache is the context."""

    @functools.wraps(target.forward)
    def forward(*args: Any, **kwargs: Any) -> Any:
        context = Context(needs_input_grad=(True,) * 9)
        return target.forward(context, *args, **kwargs), context

    own = list(inspect.signature(target.forward).parameters.values())
    forward.__signature__ = inspect.Signature(own[1:])  # type: ignore[attr-defined]
    return forward, target.backward


def trial(form: Any, op: Op, stated: list[str] | None = None) -> Any:
    """What the function returns on the first probe and convention that it runs on. Errors: CouldNotRun for none."""
    error: CouldNotRun | None = None
    for variant in op.variants:
        held = {a.name for a in op.arrays} if "config" in form.takes else set()  # params["W"]
        p = make_probe(op, 0, form.takes | held, variant)
        for convention in itertools.islice(possible_conventions(op, p.values, stated), 60):
            values = {k: convention.to_user(k, v) for k, v in p.values.items()}
            special = {"dy": p.upstream["output"], "output": p.evaluate()[0]["output"], "cache": values.get("input")}
            try:
                return call(
                    form.function, form.matching, values, lambda v=values: form.config(v), "the function", special
                )
            except CouldNotRun as e:
                error = error or e
    assert error is not None
    raise error
