# ruff: noqa: E501
"""A torch.autograd.Function: its backward is called directly, since torch silently sums, casts or rejects what it returns."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np

from torchref.check.ops import Op
from torchref.check.reading import arguments
from torchref.check.reading.forms.calling import CouldNotRun, Run, guarded
from torchref.check.reading.forms.closure import repeated
from torchref.check.reading.forms.form import Form
from torchref.check.reading.forms.naming import flatten, name_outputs


class Function(Form):
    """A subclass of torch.autograd.Function, applied to tensors in `dtype` on `device`."""

    name = "autograd"

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
        values: dict[str, Any],
        upstreams: list[dict[str, Any]],
        expected: dict[str, Any],
        shapes: dict[str, tuple[int, ...]],
    ) -> Run:
        import torch

        dtype = getattr(torch, self.dtype)
        args: list[Any] = []
        roles: list[str | None] = []
        tensors: dict[str, Any] = {}
        for p in self.params:
            role = self.matching.roles.get(p.name)
            roles.append(role)
            if role is None:
                args.append(p.default)
                continue
            value = values.get(role)
            if isinstance(value, np.ndarray):
                kind = value.dtype.kind
                value = torch.from_numpy(value.copy()).to(self.device)
                if kind == "f":
                    value = value.to(dtype)
                    if role in shapes:
                        value.requires_grad_(True)
                tensors[role] = value
            args.append(value)
        before = {k: t.detach().clone() for k, t in tensors.items()}
        result = guarded("the forward", self.cls.apply, *args)
        leaves = [t for t in flatten(result) if isinstance(t, torch.Tensor)]
        if not leaves:
            raise CouldNotRun(f"the forward returned no tensor but {type(result).__name__}")
        outputs = name_outputs(self.op, [to_numpy(t) for t in leaves], expected)
        run = Run(outputs, [])
        run.changed = [k for k, t in tensors.items() if not torch.equal(t.detach(), before[k])]
        for k in [k for k in run.changed if k.startswith("running_")]:  # buffers, updated as torch does it
            run.changed.remove(k)
            before[k] = tensors[k].clone()
            outputs.setdefault(f"{k} in place", to_numpy(tensors[k]))
        given = [t.detach().clone() for t in leaves]
        context = leaves[0].grad_fn
        if context is None:
            raise CouldNotRun("the output has no grad_fn: does the forward return one of its inputs?")
        for i, upstream in enumerate(upstreams):
            dys = []
            for name, leaf in zip(outputs, leaves, strict=False):
                dy = upstream.get(name)
                dy = np.zeros(leaf.shape) if dy is None else dy
                dys.append(torch.as_tensor(np.asarray(dy), device=self.device).to(leaf.dtype).reshape(leaf.shape))
            copies = [d.clone() for d in dys]
            try:
                with torch.no_grad():  # as torch's engine calls it
                    value = guarded("the backward", self.cls.backward, context, *dys)
            except CouldNotRun:
                if repeated(upstreams, i):
                    break
                raise
            gradients: dict[str, Any] = {}
            values_back = list(value) if isinstance(value, tuple | list) else [value]
            for role, gradient in zip(roles, values_back, strict=False):
                if role in shapes and gradient is None:
                    run.extras[f"none {role}"] = f"the backward returns None for {role}, which needs a gradient"
                if role in shapes and gradient is not None and role is not None:
                    if not isinstance(gradient, torch.Tensor):
                        raise CouldNotRun(
                            f"the backward returned {type(gradient).__name__} as the gradient of {role}, not a tensor"
                        )
                    lower = not gradient.is_floating_point() or gradient.dtype.itemsize < dtype.itemsize
                    array = to_numpy(gradient)
                    gradients[role] = array
                    if lower:
                        run.extras[f"dtype {role}"] = f"{gradient.dtype} for an input of {dtype}"
            if len(values_back) < len(roles) or any(g is not None for g in values_back[len(roles) :]):
                lost = [r for r in roles[len(values_back) :] if r in shapes]
                run.extras["count"] = (
                    f"backward returned {len(values_back)} gradients for {len(roles)} arguments of forward"
                    + (f": none for {', '.join(map(str, lost))}" if lost else "")
                )
                run.extras["lost"] = lost
            run.gradients.append(gradients)
            run.changed += [
                k for k, t in tensors.items() if not torch.equal(t.detach(), before[k]) and k not in run.changed
            ]
            if any(not torch.equal(a.detach(), b) for a, b in zip(leaves, given, strict=True)):
                run.changed.append("output")  # what it has saved is the caller's
            if any(not torch.equal(a, b) for a, b in zip(dys, copies, strict=True)) and "doutput" not in run.changed:
                run.changed.append("doutput")
        return run


def to_numpy(tensor: Any) -> np.ndarray:
    import torch

    tensor = tensor.detach().cpu()
    if tensor.dtype in (torch.bfloat16,):
        tensor = tensor.to(torch.float32)
    return tensor.numpy().copy()
