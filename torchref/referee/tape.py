"""The tape: a recording replayed in NumPy, forward with float64 values, backward with the derivations by hand.

Backward, over the nodes reversed: the gradient of what a node wrote is taken out of its storage's shadow, and the
node's backward adds to the shadows of what it read:

    g = shadow[out];  shadow[out] = 0;  shadow[in] += backward(g)

Accumulation, tied weights, writes in place and aliasing all follow from this one rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import torch

from torchref.nn.module import Array
from torchref.referee.entries.table import DRAWN, STORAGE
from torchref.referee.noise import Noise, settled
from torchref.referee.recording import Node, Recording, tensors_in
from torchref.referee.storage import Ref, Storage, Version, covers, place, window, written

__all__ = [
    "Shadows",
    "call_entry",
    "called",
    "forward_of",
    "gradients_of",
    "is_first",
    "leaves_by_reader",
    "pull_back",
    "read",
    "replay",
    "store",
]


class Rounding(Protocol):
    """What makes a replay round at random: arrays as an operation reads them, and the context in which they round."""

    def on(self) -> AbstractContextManager[None]: ...

    def stored(self, array: Array, dtype: torch.dtype) -> Array: ...


class Shadows:
    """The gradient of every element of every storage; a storage without one has the gradient 0.

    It is read and added as the tensor sees it: through its window, with its sign, unless what is kept has none.
    """

    def __init__(self, signed: bool = True) -> None:
        self.flats: dict[Storage, Array] = {}
        self.signed = signed

    def of_memory(self, ref: Ref, gradient: Array) -> Array:
        """What the memory gets of a tensor's gradient, and the reverse: a sign is its own transpose."""
        return ref.signed(gradient) if self.signed else gradient

    def take(self, ref: Ref, first: bool) -> Array | None:
        """The gradient of what `ref` sees, which is 0 from here on; None where there is none.

        `first`: before this there was no storage, and its shadow can go.
        """
        shadow = self.flats.get(ref.storage)
        if shadow is None:
            return None
        seen = window(shadow, ref)
        if first:
            del self.flats[ref.storage]
            return self.of_memory(ref, seen)
        taken = np.array(seen)
        seen[...] = 0
        return self.of_memory(ref, taken)

    def see(self, ref: Ref) -> Array:
        """The gradient of what `ref` sees."""
        shadow = self.flats.get(ref.storage)
        return np.zeros(ref.size) if shadow is None else self.of_memory(ref, np.array(window(shadow, ref)))

    def add(self, ref: Ref, gradient: Array) -> None:
        """One more contribution to the gradient of what `ref` sees."""
        shadow = self.flats.get(ref.storage)
        gradient = self.of_memory(ref, gradient)
        if shadow is None and covers(ref):
            self.flats[ref.storage] = shadow = np.empty(ref.storage.size)
            window(shadow, ref)[...] = gradient
            return
        if shadow is None:
            self.flats[ref.storage] = shadow = np.zeros(ref.storage.size)
        place(shadow, ref, gradient)


def replay(
    recording: Recording,
    noise: Noise | None = None,
    *,
    given: bool = False,
    instead: Mapping[int, Callable[..., Any]] | None = None,
) -> Iterator[tuple[int, Array | None]]:
    """Each leaf's key and gradient, as soon as the backward of the whole run has passed its first reader.

    It is of the replay's own float64 forward; or, `given`, of the values of the run, so that every decision (the sign
    in a ReLU) is the run's. None is the gradient of a leaf that lacks what an operation without entry would have
    passed back. With `noise`, all is rounded at random as in the run. `instead` has other backwards for some nodes.
    """
    backwards = [] if given else forward_of(recording, noise)
    whole = leaves_by_reader(recording)
    shadows = Shadows()
    lacking: set[Storage] = set()
    loss = recording.loss
    assert loss is not None
    shadows.add(loss, np.ones(loss.size))
    for node in reversed(recording.nodes):
        opened = backwards.pop() if backwards else None
        if node.tracked:
            pass_back(node, (instead or {}).get(node.index, opened), shadows, lacking, noise)
        del opened
        keys = whole.get(node.index, ())
        for key in keys:
            ref = recording.leaves[key][1]
            yield key, None if ref.storage in lacking else shadows.see(ref)
        for key in keys:
            shadows.flats.pop(recording.leaves[key][1].storage, None)


def pull_back(
    recording: Recording,
    backwards: list[Callable[..., Any] | None],
    shadows: Shadows,
    noise: Rounding | None = None,
) -> set[Storage]:
    """The backward of the whole run, from what the shadows hold: they hold the leaves' gradients afterwards.

    Returns the storages whose shadow lacks what an operation without entry would have passed back.
    """
    lacking: set[Storage] = set()
    for node, backward in zip(reversed(recording.nodes), reversed(backwards), strict=True):
        if node.tracked:
            pass_back(node, backward, shadows, lacking, noise)
    return lacking


def pass_back(
    node: Node, backward: Callable[..., Any] | None, shadows: Shadows, lacking: set[Storage], noise: Rounding | None
) -> None:
    """Take the gradients of what the node returned, and add its contributions to what it read.

    Without its `backward` from the forward, its entry is called now, on the values of the run.
    """
    lacks = any(ref.storage in lacking for ref in node.outputs)
    doutputs = [shadows.take(ref, is_first(ref)) for ref in node.outputs]
    lacking -= {ref.storage for ref in node.outputs if is_first(ref)}
    absent = all(d is None for d in doutputs)
    if lacks or (node.entry is None and not absent):
        lacking |= {ref.storage for ref in node.inputs if ref.needs}
    if absent or node.entry is None:
        return
    gradients: list[tuple[Ref, Array]] = []
    with nullcontext() if noise is None else noise.on():
        if noise is not None:
            doutputs = [
                None if d is None else noise.stored(d, ref.storage.dtype)
                for d, ref in zip(doutputs, node.outputs, strict=True)
            ]
        try:
            if backward is None:
                _, backward = call_entry(node, lambda ref: read({}, ref, noise))
            gradients += gradients_of(node, backward, doutputs)
        except Exception as error:  # noqa: BLE001 (an entry may be a user's own)
            give_up(node, error)
            lacking |= {ref.storage for ref in node.inputs if ref.needs}
    for ref, gradient in gradients:
        shadows.add(ref, settled(gradient))


def leaves_by_reader(recording: Recording) -> dict[int, list[int]]:
    """The keys of the leaves by the node that is the first to read their storage: behind it, on the way back, their
    gradients are whole."""
    first: dict[Storage, int] = {}
    for node in reversed(recording.nodes):
        first |= {ref.storage: node.index for ref in node.inputs}
    found: dict[int, list[int]] = defaultdict(list)
    for key, (_, ref) in recording.leaves.items():
        found[first.get(ref.storage, 0)].append(key)
    return found


def give_up(node: Node, error: Exception) -> None:
    """The entry of the node has failed: the node is not judged."""
    node.entry = None
    node.reason = str(error) if isinstance(error, NotImplementedError) else f"its entry failed: {error!r}"


def is_first(ref: Ref) -> bool:
    """Whether what `ref` sees came into being with this version of its storage."""
    return ref.version.base is None


def forward_of(
    recording: Recording,
    noise: Rounding | None = None,
    *,
    values: dict[Version, Array] | None = None,
    kept: Collection[Version] = (),
) -> list[Callable[..., Any] | None]:
    """The backward of every node, from a forward in float64; None where no gradient passes.

    `values` are those to begin with, where they are others than the run's; those of `kept` are in it at the end.
    """
    values = {} if values is None else values
    last = {ref.version: node.index for node in recording.nodes for ref in node.inputs}
    backwards: list[Callable[..., Any] | None] = []
    for node in recording.nodes:
        outputs: list[Array] = []
        backward = None
        if node.tracked and node.entry is not None:
            try:
                with nullcontext() if noise is None else noise.on():
                    output, backward = call_entry(node, lambda ref: read(values, ref, noise))
                outputs = [settled(array) for array in tensors_in(output, np.ndarray)]
            except Exception as error:  # noqa: BLE001 (an entry may be a user's own)
                give_up(node, error)
        outputs += [ref.given() for ref in node.outputs[len(outputs) :]]
        for ref, array in zip(node.outputs, outputs, strict=True):
            if ref.dtype == ref.storage.dtype:  # else all of the storage is as it was in the run
                store(values, ref, array)
        for ref in node.inputs:
            if last[ref.version] == node.index and ref.version not in kept:
                values.pop(ref.version, None)
        backwards.append(backward)
    return backwards


def read(values: dict[Version, Array], ref: Ref, noise: Rounding | None) -> Array:
    """The values that `ref` sees: replayed, or taken as given."""
    if ref.version in values and ref.dtype == ref.storage.dtype:
        seen = window(values[ref.version], ref)
        seen.flags.writeable = False
        seen = ref.signed(seen)
    else:
        seen = ref.given()
    return seen if noise is None else noise.stored(seen, ref.storage.dtype)


def store(values: dict[Version, Array], ref: Ref, array: Array) -> None:
    """Enter the values of an output, as its tensor sees them."""
    array = ref.signed(np.asarray(array))
    if tuple(array.shape) != ref.size:
        raise ValueError(f"the entry returned the shape {array.shape}, torch {ref.size}")
    if covers(ref):
        whole = np.empty(ref.storage.size, array.dtype)
        window(whole, ref)[...] = array
    else:
        base = ref.version.base
        if base is not None and base in values:
            old = values[base]
        else:  # what lies around the window was not written: it is as it was in the run
            tensor = ref.version.tensor().cpu()
            old = (tensor.double() if ref.storage.floating else tensor).numpy()
        whole = written(old, ref, array)
    values[ref.version] = whole


def call_entry(node: Node, value: Callable[[Ref], Array]) -> tuple[Any, Callable[..., Any]]:
    """The entry of the node, called on the values of its arguments."""
    output, backward = called(node.entry, node, value)
    return output, backward


def called(function: Callable[..., Any], node: Node, value: Callable[[Ref], Array]) -> Any:
    """What `function` makes of the values of the node's arguments."""
    args, kwargs = resolved((node.args, node.kwargs), value)
    if node.name in DRAWN:
        kwargs["drawn"] = node.outputs[DRAWN[node.name]].given()
    with np.errstate(all="ignore"):
        return function(*args, **{name: v for name, v in kwargs.items() if name not in STORAGE})


def resolved(value: Any, function: Callable[[Ref], Array]) -> Any:
    """`value` with arrays for windows, in nested tuples, lists and dicts."""
    if isinstance(value, Ref):
        return function(value)
    if isinstance(value, dict):
        return {key: resolved(part, function) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)([resolved(part, function) for part in value])
    return value


def gradients_of(node: Node, backward: Callable[..., Any], doutputs: list[Array | None]) -> Iterable[tuple[Ref, Array]]:
    """The node's contribution to the gradient of each window that needs one."""
    given = doutputs[0] if len(doutputs) == 1 else tuple(doutputs)
    with np.errstate(all="ignore"):
        gradients = flattened(backward(given))
    for ref, gradient in zip(node.inputs, gradients, strict=False):
        if ref.needs and gradient is not None:
            if np.shape(gradient) != ref.size:
                raise ValueError(f"the gradient has the shape {np.shape(gradient)}, its argument {ref.size}")
            yield ref, np.asanyarray(gradient)


def flattened(gradients: Any) -> list[Array | None]:
    """The gradients of nested lists and tuples in one list."""
    if isinstance(gradients, tuple | list):
        return [part for value in gradients for part in flattened(value)]
    return [gradients]
