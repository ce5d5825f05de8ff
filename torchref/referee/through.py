"""Let calls of a model go through a wrapper of it, although the closure holds the model itself."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["call_through"]


def call_through(wrapper: torch.nn.Module, model: torch.nn.Module) -> list[Any]:
    """Let a call of the model, which the closure holds, go through the wrapper, which calls the model itself.

    Returns a list that gets an entry at each call. `model._compiled_call_impl = None` undoes it: that is where torch
    itself keeps what a call is to run.
    """
    calls: list[Any] = []

    def call(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        model._compiled_call_impl = None
        try:
            return wrapper(*args, **kwargs)
        finally:
            model._compiled_call_impl = call

    model._compiled_call_impl = call
    return calls
