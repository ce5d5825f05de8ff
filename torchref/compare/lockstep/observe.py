"""Look at what flows between the layers of a network, in either engine, without changing a value."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from torchref.nn.module import Array, Module
from torchref.nn.random import Tape
from torchref.twin.weights import to_array

__all__ = ["Seen", "observe_numpy", "observe_torch"]


@dataclass
class Seen:
    """By layer, in the order in which they ran: inputs, outputs, and the gradients of both.

    A layer that runs again gets its turn: `name (2)`, ...; a gradient stands under the turn of its forward.
    """

    inputs: dict[str, Array] = field(default_factory=dict)
    outputs: dict[str, Array] = field(default_factory=dict)
    output_gradients: dict[str, Array] = field(default_factory=dict)
    input_gradients: dict[str, Array] = field(default_factory=dict)
    # In NumPy alone, of layers that take or give several arrays: all but the first, by the argument's name ("key",
    # "attn_mask"; "hx 0", "hx 1" where it is a tuple), what it drew ("draw 0", ...), and the gradients of the outputs,
    # numbered.
    further_inputs: dict[str, dict[str, Array]] = field(default_factory=dict)
    further_gradients: dict[str, dict[str, Array]] = field(default_factory=dict)


@contextmanager
def observe_numpy(model: Module) -> Iterator[Seen]:
    """Within this context every layer (see `is_layer`) of `model` is watched, forward and backward."""
    seen = Seen()
    watched = [(name, module) for name, module in model.named_modules() if is_layer(module)]
    for name, module in watched:
        module.forward = _watched(name, module, seen)  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        for _, module in watched:
            module.forward = module.forward.unwatched  # type: ignore[attr-defined, method-assign]


def _watched(name: str, module: Module, seen: Seen) -> Any:
    forward = module.forward

    def watched_forward(*inputs: Any, **options: Any) -> Any:
        tape = getattr(module, "rng", None)
        first = tape.position if isinstance(tape, Tape) else 0
        output, layer_backward = forward(*inputs, **options)
        turn = next_turn(name, seen.outputs)
        keep(seen.inputs, turn, inputs[0] if inputs else None)
        keep(seen.outputs, turn, output)
        arguments = inspect.signature(forward).bind(*inputs, **options).arguments
        drawn = tuple(tape.draws[first : tape.position]) if isinstance(tape, Tape) else ()
        keep_further(seen.further_inputs, turn, dict(list(arguments.items())[1:]) | {"draw": drawn})

        def backward(*doutput: Any) -> Any:
            dinput = layer_backward(*doutput)
            keep(seen.output_gradients, turn, doutput[0] if doutput else None)  # a loss is given none
            keep(seen.input_gradients, turn, dinput)
            if doutput and isinstance(doutput[0], tuple):
                keep_further(seen.further_gradients, turn, {"output": doutput[0][1:]})
            return dinput

        return output, backward

    watched_forward.unwatched = forward  # type: ignore[attr-defined]
    return watched_forward


@contextmanager
def observe_torch(model: torch.nn.Module, gradients: bool = False) -> Iterator[Seen]:
    """The same for a torch network; `gradients` watches those of the inputs, too (layers that work in place refuse)."""
    seen = Seen()
    handles = []

    def watch(name: str, module: torch.nn.Module) -> None:
        turns: list[str] = []  # whose backward is to come: the last turn's is the first

        def forward_hook(_module: Any, inputs: Any, output: Any) -> None:
            turn = next_turn(name, seen.outputs)
            keep(seen.inputs, turn, inputs[0] if inputs else None)
            keep(seen.outputs, turn, output)
            first = output[0] if isinstance(output, tuple) else output
            if first.requires_grad:
                first.register_hook(lambda doutput: keep(seen.output_gradients, turn, doutput))
                turns.append(turn)

        def backward_hook(_module: Any, dinput: Any, _doutput: Any) -> None:
            keep(seen.input_gradients, turns.pop(), dinput[0])

        handles.append(module.register_forward_hook(forward_hook))
        if gradients:
            handles.append(module.register_full_backward_hook(backward_hook))

    for name, module in model.named_modules():
        if is_layer(module):
            watch(name, module)
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def is_layer(module: Any) -> bool:
    """Whether a module is one step of the network: it has no children, or, as attention does, uses them itself."""
    return not any(module.children()) or type(module).__name__ == "MultiheadAttention"


def next_turn(name: str, outputs: dict[str, Array]) -> str:
    """The name under which a layer's next run is noted: `name`, `name (2)`, ..."""
    turn, count = name, 1
    while turn in outputs:
        count += 1
        turn = f"{name} ({count})"
    return turn


def keep(place: dict[str, Array], turn: str, value: Any) -> None:
    """Note an array, or a copy of a tensor."""
    if isinstance(value, tuple):  # several outputs: the first is the one that the next layer sees
        value = value[0] if value else None
    if value is not None:
        place[turn] = to_array(value) if isinstance(value, torch.Tensor) else value


def keep_further(place: dict[str, dict[str, Array]], turn: str, values: Mapping[str, Any]) -> None:
    """Note all arrays among named values, those of a tuple with their numbers."""
    found: dict[str, Array] = {}
    for name, value in values.items():
        parts = {f"{name} {i}": part for i, part in enumerate(value)} if isinstance(value, tuple) else {name: value}
        for label, part in parts.items():
            if isinstance(part, tuple):
                keep_further(place, turn, {label: part})
            elif isinstance(part, np.ndarray):
                found[label] = part
    if found:
        place[turn] = place.get(turn, {}) | found
