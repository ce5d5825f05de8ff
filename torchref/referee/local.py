"""The local judgement: every operation is fed torch's own values and torch's own upstream gradients.

So an error cannot spread: a gradient parts where it was made. The gradient of a tensor is the sum of what its readers
pass back; where the sum is not torch's, one of its readers is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from torchref.check.tolerance.rounding import finite
from torchref.nn.module import Array
from torchref.referee.noise import Noise, settled
from torchref.referee.record import Node, Recording
from torchref.referee.storage import Ref, Storage, covers
from torchref.referee.tape import Shadows, call_entry, gradients_of, is_first

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


def judge_locally(  # noqa: C901, PLR0912 (one walk over the tape, with what torch tells of each output)
    recording: Recording, leaf_gradients: dict[int, Array], noise: Noise | None = None, wanted: set[Key] | None = None
) -> Iterator[tuple[Key, Seen]]:
    """What is seen of every tensor whose gradient torch tells, from the loss back to the leaves; freed as it goes.

    Left away is a tensor that is read by an operation without entry: not all of its gradient is known. `noise` is a
    trial of rounding, for the spreads; `wanted` are the tensors that are of interest: the rest is passed over.
    """
    lacking: set[Storage] = set()
    readers = None if wanted is None else readers_of(recording, wanted)
    shadows, spreads = Shadows(), Shadows()
    shares: dict[Storage, list[Share]] = defaultdict(list)
    assert recording.loss is not None
    shadows.add(recording.loss, np.ones(recording.loss.size))
    for node in reversed(recording.nodes):
        if not node.tracked:
            continue
        passed_over = readers is not None and node.index not in readers
        doutputs: list[Array | None] = []
        dspreads: list[Array | None] = []
        lacks = False
        for i, ref in enumerate(node.outputs):
            first = is_first(ref)
            ours, spread = shadows.take(ref, first), spreads.take(ref, first)
            theirs = node.gradients.get(i)
            known = ref.storage not in lacking
            if i in node.hooked:
                torch_own = np.zeros(ref.size) if theirs is None else theirs.cpu().double().numpy()
                key = ("node", node.index, i)
                if known and (ours is not None or theirs is not None) and (wanted is None or key in wanted):
                    zeros = np.zeros(ref.size)
                    yield (
                        ("node", node.index, i),
                        Seen(
                            ref,
                            node,
                            zeros if ours is None else ours,
                            torch_own,
                            zeros if spread is None else spread,
                            list(shares[ref.storage]),
                        ),
                    )
                ours, spread = (None if theirs is None else torch_own), None
            elif not known:
                lacks = True
            doutputs.append(ours)
            dspreads.append(spread)
            if first or covers(ref):
                shares.pop(ref.storage, None)
            for share in shares.get(ref.storage, ()):
                share.holes.append(ref)
        lacking -= {ref.storage for ref in node.outputs if is_first(ref)}
        absent = all(d is None for d in doutputs)
        if lacks or (node.entry is None and not absent):
            lacking |= {ref.storage for ref in node.inputs if ref.needs}
        if absent or node.entry is None or passed_over:
            continue
        for ref, gradient, moved in contributions(node, doutputs, dspreads, noise):
            shadows.add(ref, gradient)
            if moved is not None:
                spreads.add(ref, moved)
            shares[ref.storage].append(Share(node, ref, gradient))
    for leaf, (_, ref) in recording.leaves.items():
        key = ("leaf", leaf, 0)
        if ref.storage not in lacking and (wanted is None or key in wanted):
            seen = Seen(ref, None, shadows.see(ref), leaf_gradients[leaf], spreads.see(ref), shares[ref.storage])
            yield key, seen


def contributions(
    node: Node, doutputs: list[Array | None], dspreads: list[Array | None], noise: Noise | None
) -> Iterator[tuple[Ref, Array, Array | None]]:
    """What the node passes back to each window that needs it, and how far rounding moves that."""
    _, backward = call_entry(node, Ref.given)
    exact = list(gradients_of(node, backward, doutputs))
    if noise is None:
        yield from ((ref, gradient, None) for ref, gradient in exact)
        return
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
