"""The local judgement: every operation is fed torch's own values and torch's own upstream gradients.

So an error cannot spread: a gradient parts where it was made. The gradient of a tensor is the sum of what its readers
pass back; where the sum is not torch's, one of its readers is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from torchref.check.tolerance.rounding import finite
from torchref.nn.module import Array
from torchref.referee.noise import Noise, settled
from torchref.referee.recording import Node, Recording
from torchref.referee.storage import Ref, Storage, covers
from torchref.referee.tape import Shadows, call_entry, gradients_of, is_first, leaves_by_reader

__all__ = ["Key", "Seen", "Share", "dtypes_of", "judge_locally"]

Key = tuple[str, int, int]  # of a tensor: "node" or "leaf", which one, and which of its outputs


@dataclass
class Share:
    """What one reader passes back to a tensor."""

    node: Node
    ref: Ref
    gradient: Array
    holes: list[Ref] = field(default_factory=list)  # what was overwritten between the tensor and this reader


@dataclass
class Seen:
    """The gradient of one tensor: by hand, torch's, and how far rounding moves it."""

    ref: Ref
    maker: Node | None  # the operation that returned it; None for a leaf
    ours: Array
    theirs: Array
    spread: Array
    shares: list[Share] = field(default_factory=list)


def judge_locally(
    recording: Recording, leaf_gradients: dict[int, Array], noise: Noise, wanted: set[Key] | None = None
) -> Iterator[tuple[Key, Seen]]:
    """What is seen of every tensor whose gradient torch tells, from the loss back to the leaves; freed as it goes.

    Left away is a tensor that is read by an operation without entry: not all of its gradient is known. `noise` is a
    trial of rounding, for the spreads; `wanted` are the tensors that are of interest: the rest is passed over.
    """
    walk = Walk(recording, wanted)
    whole = leaves_by_reader(recording)
    for node in reversed(recording.nodes):
        if node.tracked:
            upstream = yield from walk.outputs(node)
            walk.pass_back(node, upstream, noise)
            del upstream
        for leaf in whole.get(node.index, ()):
            yield from walk.leaf(leaf, leaf_gradients[leaf])
        for leaf in whole.get(node.index, ()):
            walk.forget(recording.leaves[leaf][1].storage)


@dataclass
class Upstream:
    """The gradients of what a node returned, and how far rounding moves them."""

    gradients: list[Array | None]
    spreads: list[Array | None]
    lacks: bool  # whether a part of them is not known


class Walk:
    """The way back from the loss to the leaves: what has come together of the gradients so far."""

    def __init__(self, recording: Recording, wanted: set[Key] | None) -> None:
        self.recording = recording
        self.wanted = wanted
        self.readers = None if wanted is None else readers_of(recording, wanted)
        self.lacking: set[Storage] = set()
        self.shadows, self.spreads = Shadows(), Shadows(signed=False)
        self.shares: dict[Storage, list[Share]] = defaultdict(list)
        assert recording.loss is not None
        self.shadows.add(recording.loss, np.ones(recording.loss.size))

    def outputs(self, node: Node) -> Generator[tuple[Key, Seen], None, Upstream]:
        """What is seen of the node's outputs; behind each of them goes on what torch tells of it."""
        upstream = Upstream([], [], False)
        for i, ref in enumerate(node.outputs):
            first = is_first(ref)
            ours, spread = self.shadows.take(ref, first), self.spreads.take(ref, first)
            known = ref.storage not in self.lacking
            if i in node.hooked:
                told = node.gradients.get(i)
                theirs = None if told is None else told.cpu().double().numpy()
                key = ("node", node.index, i)
                if known and (ours is not None or theirs is not None) and self.is_wanted(key):
                    shares = list(self.shares[ref.storage])
                    a, b, c = (np.zeros(ref.size) if array is None else array for array in (ours, theirs, spread))
                    yield key, Seen(ref, node, a, b, c, shares)
                ours, spread = theirs, None
            elif not known:
                upstream.lacks = True
            upstream.gradients.append(ours)
            upstream.spreads.append(spread)
            if first or covers(ref):
                self.shares.pop(ref.storage, None)
            for share in self.shares.get(ref.storage, ()):
                share.holes.append(ref)
        self.lacking -= {ref.storage for ref in node.outputs if is_first(ref)}
        return upstream

    def pass_back(self, node: Node, upstream: Upstream, noise: Noise) -> None:
        """Add the node's contributions to what it read."""
        absent = all(d is None for d in upstream.gradients)
        if upstream.lacks or (node.entry is None and not absent):
            self.lacking |= {ref.storage for ref in node.inputs if ref.needs}
        if absent or node.entry is None or (self.readers is not None and node.index not in self.readers):
            return
        for ref, gradient, spread in contributions(node, upstream.gradients, upstream.spreads, noise):
            self.shadows.add(ref, gradient)
            self.spreads.add(ref, spread)
            self.shares[ref.storage].append(Share(node, ref, gradient))

    def leaf(self, key: int, theirs: Array) -> Iterator[tuple[Key, Seen]]:
        """What is seen of a leaf, all of whose readers have been passed."""
        ref = self.recording.leaves[key][1]
        if ref.storage not in self.lacking and self.is_wanted(("leaf", key, 0)):
            ours, spread = self.shadows.see(ref), self.spreads.see(ref)
            yield ("leaf", key, 0), Seen(ref, None, ours, theirs, spread, self.shares[ref.storage])

    def forget(self, storage: Storage) -> None:
        """Free what was kept of a leaf."""
        self.shadows.flats.pop(storage, None)
        self.spreads.flats.pop(storage, None)
        self.shares.pop(storage, None)

    def is_wanted(self, key: Key) -> bool:
        return self.wanted is None or key in self.wanted


def contributions(
    node: Node, doutputs: list[Array | None], dspreads: list[Array | None], noise: Noise
) -> Iterator[tuple[Ref, Array, Array]]:
    """What the node passes back to each window that needs it, and how far rounding moves that."""
    _, backward = call_entry(node, Ref.given)
    exact = list(gradients_of(node, backward, doutputs))
    with noise.on():
        _, noisy_backward = call_entry(node, lambda ref: noise.stored(ref.given(), ref.storage.dtype))
        moved = [
            None if d is None else noise.stored(d + noise.within(spread), ref.storage.dtype)
            for d, spread, ref in zip(doutputs, dspreads, node.outputs, strict=True)
        ]
        others = [settled(gradient) for _, gradient in gradients_of(node, noisy_backward, moved)]
    for (ref, gradient), other in zip(exact, others, strict=True):
        with np.errstate(all="ignore"):
            yield ref, gradient, finite(np.abs(other - gradient)) * noise.scale


def readers_of(recording: Recording, wanted: set[Key]) -> set[int]:
    """The nodes of which the gradient of the wanted tensors is made: their readers, and the readers of what these
    return, where torch does not tell the gradient of that."""
    storages = {recording.leaves[key[1]][1].storage for key in wanted if key[0] == "leaf"}
    storages |= {recording.nodes[key[1]].outputs[key[2]].storage for key in wanted if key[0] == "node"}
    readers = set()
    for node in recording.nodes:
        if any(ref.needs and ref.storage in storages for ref in node.inputs):
            readers.add(node.index)
            storages |= {ref.storage for i, ref in enumerate(node.outputs) if i not in node.hooked}
    return readers


def dtypes_of(recording: Recording) -> set[torch.dtype]:
    """The floating-point dtypes of a run."""
    refs = (ref for node in recording.nodes for ref in (*node.inputs, *node.outputs))
    return {ref.storage.dtype for ref in refs if ref.storage.floating}
