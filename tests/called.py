"""A function or a method as a module, in either library, so that the universal checks run over what no module calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import torch

import torchref
import torchref.tensor
from torchref.nn.module import is_floating

TENSOR = "tensor."  # in front of the names of plain tensor functions
ROOMS = (
    torch,
    torch.Tensor,
    torch.linalg,
    torch.special,
    torch.nn.functional,
    torch.ops.aten,
)  # where torch keeps its counterparts


def stands(namespace: Any, path: str) -> Any:
    """What `path` stands for in torchref.nn or torch.nn; `tensor.mul` in torchref.tensor, and in torch itself."""
    if not path.startswith(TENSOR):
        return attrgetter(path)(namespace)
    name = path.removeprefix(TENSOR)
    return torch_function(name) if namespace is torch.nn else getattr(torchref.tensor, name)


def torch_function(name: str) -> Callable[..., Any]:
    """torch's function (or method, called as one) that `torchref.tensor` has under this name."""
    if name in WRITTEN_OUT:
        return WRITTEN_OUT[name]
    return next(getattr(room, name) for room in ROOMS if hasattr(room, name))


# What torch writes as an expression, or has under another name.
WRITTEN_OUT: dict[str, Callable[..., Any]] = {
    "index": lambda x, *where: x[where],
    "copy": lambda x, src: x.clone().copy_(src),
    **{
        f"{name}_backward_data": lambda g, y, dim, name=name: getattr(torch.ops.aten, f"_{name}_backward_data")(
            g, y, dim, g.dtype
        )
        for name in ("softmax", "log_softmax")
    },
    "to": lambda x, dtype: x.to(getattr(torch, dtype)),
    # None among the indices is what torch's operator takes, and its function does not.
    "index_put": lambda x, indices, *rest: (
        torch.ops.aten.index_put if any(i is None for i in indices) else torch.index_put
    )(x, indices, *rest),
}


def called(namespace: Any, path: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `path` stands for in torchref.nn or torch.nn, as a module. `function` is what stands there.

    A class, or a function that makes or changes a module, is called with the constructor's arguments. Any other
    function is wrapped: the constructor's arguments are its options. So is a method: `Class.method`, those are the
    class's.
    """
    if inspect.isclass(function) or path.endswith(("weight_norm", "spectral_norm")):
        return function(*args, **kwargs)
    call = TorchCall if namespace is torch.nn else Call
    owner, _, method = path.rpartition(".")
    if inspect.isclass(made := getattr(namespace, owner, None)):
        return call(None, made(*args, **kwargs), method, {})
    return call(function, None, "", kwargs)


class Call(torchref.nn.Module):
    """`function`, or a method of the module `of`, with its options."""

    def __init__(self, function: Callable[..., Any] | None, of: Any, method: str, options: dict[str, Any]) -> None:
        self.of, self.method, self.options, self.rng = of, method, options, None
        self.function = [function]  # in a list, for deepcopy to leave it what it is

    def forward(self, *inputs: Any, **options: Any) -> Any:
        function = getattr(self.of, self.method) if self.of is not None else self.function[0]
        if "rng" in inspect.signature(function).parameters:
            options["rng"] = self.rng
        if self.of is not None or any(isinstance(i, list | tuple) for i in inputs):  # a list of arrays, or packed
            output, function_backward = function(*inputs, **self.options, **options)
        else:
            return bound(function, inputs, self.options, options)

        def backward(*doutput: Any) -> Any:
            gradients = function_backward(*doutput)
            if not isinstance(gradients, tuple | list):
                return gradients
            flat = [g for value in gradients for g in (value if isinstance(value, list) else [value])]
            dinputs = tuple(g for g in flat if g is not None)  # of integers there is none
            return dinputs[0] if len(dinputs) == 1 and isinstance(gradients, tuple) else dinputs

        return output, backward


def bound(function: Callable[..., Any], inputs: tuple[Any, ...], fixed: dict[str, Any], options: dict[str, Any]) -> Any:
    """What a module makes of a function: its backward returns the gradients of the floating arrays among its inputs.

    Arrays among the options have theirs after those of the inputs, or none. A number instead of an array has the
    gradient None (the `var` of gaussian_nll_loss); numbers and texts between arrays have none at all (`num_heads` in
    attention, `equation` in einsum).
    """
    named = [option for option in options.values() if option is None or is_floating(option)]
    output, function_backward = function(*inputs, **fixed, **options)

    def backward(*doutput: Any) -> Any:
        gradients = function_backward(*doutput)
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        places = [value for value in inputs if len(gradients) >= len(inputs) or not is_option(value)] + named
        gradients += (None,) * (len(places) - len(gradients))
        assert not any(g is not None for g in gradients[len(places) :]) or any(map(is_floating, fixed.values())), (
            "a gradient of what was not given"
        )
        dinputs = [gradient for value, gradient in zip(places, gradients, strict=False) if is_floating(value)]
        return dinputs[0] if len(dinputs) == 1 else tuple(dinputs)

    return output, backward


def is_option(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | slice)


class TorchCall(torch.nn.Module):
    """torch's side of `Call`, under its name."""

    def __init__(self, function: Callable[..., Any] | None, of: Any, method: str, options: dict[str, Any]) -> None:
        super().__init__()
        self.function, self.of, self.method, self.options = function, of, method, options

    def forward(self, *inputs: Any, **options: Any) -> Any:
        function = getattr(self.of, self.method) if self.of is not None else self.function
        output = function(*inputs, **self.options, **options)
        return tuple(output) if type(output).__module__ == "torch.return_types" else output

    def _get_name(self) -> str:
        return "Call"
