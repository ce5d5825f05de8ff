"""A function or a method as a module, in either library, so that the universal checks run over what no module calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

import torchref
from torchref.nn.module import bind, is_floating


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
            function, arrays = apart(function, inputs)
            return self.bound(function, arrays, options)

        def backward(*doutput: Any) -> Any:
            gradients = function_backward(*doutput)
            return tuple(gradients) if isinstance(gradients, list) else gradients

        return output, backward

    def bound(self, function: Callable[..., Any], inputs: list[Any], options: dict[str, Any]) -> Any:
        """The arrays among the options bound after the inputs: they have gradients, or None where there is none."""
        named = {name: option for name, option in options.items() if option is None or is_floating(option)}
        if not named:
            return bind(function, *inputs, **self.options, **options)

        def of_arrays(*arrays: Any) -> Any:
            given = {**options, **dict(zip(named, arrays[len(inputs) :], strict=True))}
            output, function_backward = function(*arrays[: len(inputs)], **self.options, **given)

            def backward(*doutput: Any) -> Any:
                gradients = function_backward(*doutput)
                gradients = gradients if isinstance(gradients, tuple) else (gradients,)
                gradients += (None,) * (len(arrays) - len(gradients))
                assert not any(g is not None for g in gradients[len(arrays) :]), "a gradient of what was not given"
                gradients = gradients[: len(arrays)]
                return gradients if len(arrays) > 1 else gradients[0]

            return output, backward

        return bind(of_arrays, *inputs, *named.values())


def apart(function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Callable[..., Any], list[Any]]:
    """The function of its arrays alone, and these: numbers that stand between them have no gradients."""
    arrays = [i for i, value in enumerate(inputs) if not isinstance(value, bool | int | float)]
    if len(arrays) == len(inputs):
        return function, list(inputs)

    def of_arrays(*values: Any, **options: Any) -> Any:
        given = dict(zip(arrays, values, strict=True))
        return function(*(given.get(i, value) for i, value in enumerate(inputs)), **options)

    return of_arrays, [inputs[i] for i in arrays]


class TorchCall(torch.nn.Module):
    """torch's side of `Call`, under its name."""

    def __init__(self, function: Callable[..., Any] | None, of: Any, method: str, options: dict[str, Any]) -> None:
        super().__init__()
        self.function, self.of, self.method, self.options = function, of, method, options

    def forward(self, *inputs: Any, **options: Any) -> Any:
        function = getattr(self.of, self.method) if self.of is not None else self.function
        return function(*inputs, **self.options, **options)

    def _get_name(self) -> str:
        return "Call"
