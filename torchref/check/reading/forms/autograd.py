# ruff: noqa: E501
"""A torch.autograd.Function: its backward is called directly, since torch silently sums, casts or rejects what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from torchref.check.ops import Op
from torchref.check.reading import arguments
from torchref.check.reading.config import Values
from torchref.check.reading.forms.calling import CouldNotRun, Run, guarded
from torchref.check.reading.forms.closure import repeated
from torchref.check.reading.forms.form import Form
from torchref.check.reading.forms.naming import flatten, name_outputs


class Function(Form):
    """A subclass of torch.autograd.Function, applied to tensors in `dtype` on `device`."""

    name = "autograd"
    frozen: frozenset[str] = frozenset()  # the inputs that need no gradient

    def __init__(
        self, cls: Any, op: Op, stated: list[str] | None = None, dtype: str = "float64", device: str | None = None
    ) -> None:
        self.cls, self.op, self.dtype, self.device = cls, op, dtype, device or "cpu"
        self.wanted = device  # None: the processor, or CUDA where only that runs it
        forward = inspect.getattr_static(cls, "forward").__func__
        params = list(arguments.parameters(forward))
        self.setup = "setup_context" in vars(cls)
        params = params if self.setup else params[1:]
        self.params = params
        self.matching = arguments.match(op, params, stated=stated)
        self.takes = self.matching.takes

    def code(self) -> list[Any]:
        return [self.cls]

    def running(self, *code: Any) -> Self:
        return self.changed(cls=code[0])

    def functions(self) -> list[Any]:
        return [self.cls]

    def places(self) -> list[Function]:
        """Copies that run in float64 on the processor; where the code cannot, in float32, and on CUDA (a kernel)."""
        import torch

        places = [("float64", "cpu"), ("float32", "cpu")] if self.wanted != "cuda" else []
        if torch.cuda.is_available() and self.wanted != "cpu":
            places += [("float64", "cuda"), ("float32", "cuda")]
        if not places:
            raise CouldNotRun("--device cuda: torch finds no CUDA device here (torch.cuda.is_available() is False)")
        places += [("float16", places[-1][1]), ("bfloat16", places[-1][1])]  # kernels for one precision alone
        return [self.changed(dtype=dtype, device=device) for dtype, device in places]

    def stored(self, value: Any) -> Any:
        """The same numbers as the precision in use can store them: the referee works on what the code is given."""
        if self.dtype == "float64" or not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            return value
        import torch

        return torch.from_numpy(np.array(value)).to(getattr(torch, self.dtype)).double().numpy()

    def run(
        self,
        values: Values,
        upstreams: list[Values],
        expected: Values,
        shapes: dict[str, tuple[int, ...]],
    ) -> Run:
        import torch

        tensors: Values = {}
        args = [self.argument(p, values, shapes, tensors) for p in self.params]
        no_tensor = {p.name: a for p, a in zip(self.params, args, strict=True) if not isinstance(a, torch.Tensor)}
        before = {k: v.detach().clone() for k, v in tensors.items()}
        result = guarded("the forward", self.cls.apply, *args)
        leaves = [v for v in flatten(result) if isinstance(v, torch.Tensor)]
        if not leaves:
            raise CouldNotRun(f"the forward returned no tensor but {type(result).__name__}")
        outputs = name_outputs(self.op, [to_numpy(v) for v in leaves], expected)
        run = Run(outputs, [])
        run.changed = [k for k, v in tensors.items() if not torch.equal(v.detach(), before[k])]
        for k in [k for k in run.changed if k.startswith("running_")]:  # buffers, updated as torch does it
            run.changed.remove(k)
            before[k] = tensors[k].clone()
            outputs.setdefault(f"{k} in place", to_numpy(tensors[k]))
        given = [v.detach().clone() for v in leaves]
        context = leaves[0].grad_fn
        if context is None:
            raise CouldNotRun("the output has no grad_fn: does the forward return one of its inputs?")
        for i, upstream in enumerate(upstreams):
            dys = [self.upstream_of(leaf, upstream.get(n)) for n, leaf in zip(outputs, leaves, strict=False)]
            copies = [d.clone() for d in dys]
            try:
                with torch.no_grad():  # as torch's engine calls it
                    value = guarded("the backward", self.cls.backward, context, *dys)
            except CouldNotRun:
                if repeated(upstreams, i):
                    break
                raise
            run.gradients.append(self.named(value, shapes, run.extras))
            self.refuse_gradients_of(no_tensor, value, run.extras)
            touched = [k for k, v in tensors.items() if not torch.equal(v.detach(), before[k])]
            run.changed += [k for k in touched if k not in run.changed]
            if any(not torch.equal(a.detach(), b) for a, b in zip(leaves, given, strict=True)):
                run.changed.append("output")  # what it has saved is the caller's
            if any(not torch.equal(a, b) for a, b in zip(dys, copies, strict=True)) and "doutput" not in run.changed:
                run.changed.append("doutput")
        return run

    def argument(self, p: inspect.Parameter, values: Values, shapes: Iterable[str], tensors: Values) -> Any:
        """What the forward gets for a parameter; a tensor is kept in `tensors` by its role."""
        import torch

        role = self.matching.roles.get(p.name)
        if role is None:
            return p.default
        value = values.get(role)
        if not isinstance(value, np.ndarray):
            return value
        tensor = torch.from_numpy(value.copy()).to(self.device)
        if value.dtype.kind == "f":
            tensor = tensor.to(getattr(torch, self.dtype))
            if role in shapes and role not in self.frozen:
                tensor.requires_grad_(True)
        tensors[role] = tensor
        return tensor

    def upstream_of(self, leaf: Any, dy: Any) -> Any:
        import torch

        dy = np.zeros(leaf.shape) if dy is None else dy
        return torch.as_tensor(np.asarray(dy), device=self.device).to(leaf.dtype).reshape(leaf.shape)

    def named(self, value: Any, shapes: Iterable[str], extras: Values) -> Values:
        """The returned gradients by role; what is wrong with their number, kind and precision goes to `extras`."""
        import torch

        dtype = getattr(torch, self.dtype)
        roles = [self.matching.roles.get(p.name) for p in self.params]
        returned = list(value) if isinstance(value, tuple | list) else [value]
        gradients: Values = {}
        for role, gradient in zip(roles, returned, strict=False):
            if role is None or role not in shapes:
                continue
            if gradient is None:
                extras[f"none {role}"] = f"the backward returns None for {role}, which needs a gradient"
                continue
            if not isinstance(gradient, torch.Tensor):
                raise CouldNotRun(
                    f"the backward returned {type(gradient).__name__} as the gradient of {role}, not a tensor"
                )
            gradients[role] = to_numpy(gradient)
            if not gradient.is_floating_point() or gradient.dtype.itemsize < dtype.itemsize:
                extras[f"dtype {role}"] = f"{gradient.dtype} for an input of {dtype}"
        if len(returned) < len(roles) or any(g is not None for g in returned[len(roles) :]):
            lost = [r for r in roles[len(returned) :] if r is not None and r in shapes]
            extras["count"] = f"backward returned {len(returned)} gradients for {len(roles)} arguments of forward" + (
                f": none for {', '.join(map(str, lost))}" if lost else ""
            )
            extras["lost"], extras["fewer"] = lost, len(returned) < len(roles)
        return gradients

    def refuse_gradients_of(self, no_tensor: dict[str, Any], value: Any, extras: Values) -> None:
        """torch raises where an argument that is no tensor, None or a number, gets a gradient: `extras` says which."""
        returned = list(value) if isinstance(value, tuple | list) else [value]
        for p, gradient in zip(self.params, returned, strict=False):
            if p.name in no_tensor and gradient is not None:
                role = self.matching.roles.get(p.name) or p.name
                extras[f"for no tensor {role}"] = f"the backward returns a gradient for {p.name}={no_tensor[p.name]!r}"


def to_numpy(tensor: Any) -> np.ndarray:
    """A tensor as an array of its own, on the CPU; bfloat16 becomes float32, since NumPy has none."""
    import torch

    tensor = tensor.detach().cpu()
    if tensor.dtype in (torch.bfloat16,):
        tensor = tensor.to(torch.float32)
    return np.array(tensor.numpy())
