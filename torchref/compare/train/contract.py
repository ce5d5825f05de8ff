"""Hold a user's own modules to the contract for one step: a mistake is named at its line, before it does harm.

A forward returns its output and its backward, a backward returns the gradients of the inputs, and neither writes over
its arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from torchref.compare.errors import UserError
from torchref.compare.faults import definition
from torchref.nn.module import Module

__all__ = ["held_to_contract", "unchanged_input"]


@contextmanager
def held_to_contract(model: Module) -> Iterator[None]:
    """Within this context each module of `model` that is not torchref's own is held to the contract."""
    own = [module for module in model.modules() if not type(module).__module__.startswith("torchref.")]
    before = [vars(module).get("forward") for module in own]
    for module in own:
        module.forward = _held(module, module.forward)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module, forward in zip(own, before, strict=True):
            del module.forward
            if forward is not None:
                module.forward = forward  # type: ignore[method-assign]


@contextmanager
def unchanged_input(model: torch.nn.Module) -> Iterator[None]:
    """Within this context UserError where the forward of a user's own torch module writes over its input."""
    own = [m for m in model.modules() if not type(m).__module__.startswith(("torch.", "torchref."))]
    kept: dict[torch.nn.Module, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def keep(module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        kept[module] = [(value, value.detach().clone()) for value in inputs if isinstance(value, torch.Tensor)]

    def compare(module: torch.nn.Module, _inputs: tuple[Any, ...], _output: Any) -> None:
        if not all(torch.equal(value, before) for value, before in kept.pop(module)):
            where = definition(module.forward)
            raise UserError(f"{where}: torch's forward writes over its input: write x = x * 2 instead of x *= 2")

    handles = [module.register_forward_pre_hook(keep) for module in own]
    handles += [module.register_forward_hook(compare) for module in own]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _held(module: Module, forward: Any) -> Any:
    def held_forward(*inputs: Any, **options: Any) -> Any:
        result = forward(*map(_read_only, inputs), **options)
        if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
            found = "two values, the second no function" if isinstance(result, tuple) and len(result) == 2 else result
            said = found if isinstance(found, str) else "nothing" if found is None else type(found).__name__
            raise UserError(
                f"{definition(forward)}: forward must return its output and its backward, and returns {said}: "
                "end it with return y, backward"
            )
        output, module_backward = result
        wanted = module.needs_input_grad and any(_is_floating(value) for value in inputs)

        def backward(*doutput: Any) -> Any:
            dinput = module_backward(*map(_read_only, doutput))
            if dinput is None and wanted:
                names = ", ".join(f"d{name}" for name in inspect.signature(forward).parameters)
                raise UserError(
                    f"{definition(module_backward)}: backward returns nothing, and must return the gradient of "
                    f"forward's input: end it with return {names}"
                )
            return dinput

        return output, backward

    return held_forward


def _read_only(value: Any) -> Any:
    """A view that cannot be written, of an array or of a tuple's; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(map(_read_only, value))
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


def _is_floating(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
