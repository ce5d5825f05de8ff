"""Which entry an operation gets: its own, or torch's decomposition of it into operations that have one.

A decomposition is a program in torch: it is run, recorded and replayed as the user's own run is. What it computes is
torch's word; the backward of each of its operations is derived by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch._decomp import get_decompositions

from torchref.check.tolerance.rounding import Noisy, noisy, plain
from torchref.nn.module import Array, Backward
from torchref.referee.entries import Entry, find
from torchref.referee.entries.pairs import of_complex_numbers
from torchref.referee.record import Recorder
from torchref.referee.recording import Recording, tensors_in
from torchref.referee.storage import Ref, Storage
from torchref.referee.tape import Shadows, call_entry, pass_back

__all__ = ["assign_entries"]


def assign_entries(recording: Recording, trust: Sequence[str] = ()) -> None:
    """Give each node its entry; those inside a trusted custom Function get none."""
    for node in recording.nodes:
        if node.place.function in trust and node.place.function is not None:
            node.reason = "trusted"
        elif node.unseen:
            node.reason = f"{node.place.function} lets a kernel write that torch's dispatcher does not see"
        elif node.tracked and not all(ref.readable for ref in (*node.inputs, *node.outputs)):
            node.reason = "it reads or makes memory in another dtype"
        elif node.tracked and any(ref.complex for ref in (*node.inputs, *node.outputs)):
            node.entry = of_complex_numbers(node)
            node.reason = "" if node.entry is not None else "no entry for it in complex numbers"
        elif node.tracked:
            node.entry = find(node.name)
            if node.entry is None:
                node.entry = by_decomposition(node.func)
                node.decomposed = node.entry is not None
            node.reason = "" if node.entry is not None else "no entry for it"


def by_decomposition(func: Any) -> Entry | None:
    """The entry of an operation by torch's decomposition of it. None: torch has none, or it writes or is a view."""
    decomposition = get_decompositions([func]).get(func)
    if decomposition is None or any(argument.alias_info is not None for argument in func._schema.arguments):
        return None

    def entered(*args: Any, **options: Any) -> tuple[Any, Backward]:
        kind = kind_of((args, options))
        recording, leaves, outputs = run(decomposition, args, options)
        values = [kind(ref.given()) for ref in outputs]

        def backward(doutputs: Any) -> list[Array | None]:
            shadows = Shadows()
            lacking: set[Storage] = set()
            given = doutputs if isinstance(doutputs, tuple) else (doutputs,)
            for ref, gradient in zip(outputs, given, strict=True):
                if gradient is not None:
                    shadows.add(ref, plain(gradient))
            for node in reversed(recording.nodes):
                if node.tracked:
                    _, node_backward = call_entry(node, lambda ref: kind(ref.given()))
                    pass_back(node, node_backward, shadows, lacking, None)
            if lacking:
                raise NotImplementedError("an operation of its decomposition fails")
            return [shadows.see(ref) if ref is not None else None for ref in leaves]

        return (values[0] if len(values) == 1 else tuple(values)), backward

    return entered


def run(decomposition: Callable[..., Any], args: Any, options: Any) -> tuple[Recording, list[Ref | None], list[Ref]]:
    """The recording of the decomposition, the windows of its arrays (None for integers), and those of its outputs."""
    recorder = Recorder(run.__code__)
    leaves: list[torch.Tensor] = []

    def tensor_of(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            array = np.array(plain(value), order="C")
            leaf = torch.from_numpy(array.astype(np.float64) if array.dtype.kind == "f" else array)
            leaves.append(leaf.requires_grad_(leaf.is_floating_point()))
            return leaf
        if isinstance(value, tuple | list):
            return type(value)(map(tensor_of, value))
        return value

    given = [tensor_of(value) for value in args]
    named = {name: tensor_of(value) for name, value in options.items()}
    with torch.enable_grad(), recorder:
        results = tensors_in(decomposition(*given, **named), torch.Tensor)
    recorder.attach(None)
    outputs = [recorder.ref(result, None) for result in results]
    windows = [recorder.ref(leaf, None) if leaf.is_floating_point() else None for leaf in leaves]
    recorder.active = False
    assign_entries(recorder.recording)
    for node in recorder.recording.nodes:
        if node.tracked and node.entry is None:
            raise NotImplementedError(f"no entry for it, nor for {node.name}, of which torch makes it")
    return recorder.recording, windows, outputs


def kind_of(arguments: Any) -> Callable[[Array], Array]:
    """What makes an array round as the arguments do: at random, in float32, or not at all."""
    arrays = [array for array in tensors_in(arguments, np.ndarray) if array.dtype.kind == "f"]
    single = any(array.dtype == np.float32 for array in arrays)
    rounds = any(isinstance(array, Noisy) for array in arrays)

    def kind(array: Array) -> Array:
        if array.dtype.kind == "f" and single:
            array = array.astype(np.float32)
        return noisy(array) if rounds else array

    return kind
