"""Which reader of a tensor passes back a wrong share: torch's gradient regressed on what each should pass back.

A custom Function is one reader, whatever its forward is made of: its backward is one. The sum of what its operations
pass back is its share; one by one they may be too alike to tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from torchref.check.tolerance.rounding import MARGIN
from torchref.nn.module import Array
from torchref.referee.local import Seen, Share
from torchref.referee.storage import distinct, place, window

__all__ = ["blamed", "off_by_a_factor", "returned_by"]


@dataclass
class Reader:
    """An operation, or one call of a custom Function, that reads the tensor: what it should pass back, in the places of
    the tensor, and the sum of the sizes of which that is made."""

    share: Share  # its own, or its first
    gradient: Array
    size: Array


def readers_of(seen: Seen) -> list[Reader]:
    """The readers of the tensor, nearest to the loss first."""
    readers: dict[object, Reader] = {}
    for share in seen.shares:
        gradient, call = spread_out(share, seen), share.node.place.call
        key = id(share) if call is None else (call, share.node.place.custom)
        if key in readers:
            readers[key].gradient = readers[key].gradient + gradient
            readers[key].size = readers[key].size + np.abs(gradient)
        else:
            readers[key] = Reader(share, gradient, np.abs(gradient))
    return list(readers.values())


def coefficients(seen: Seen, readers: list[Reader]) -> tuple[Array, Array]:
    """For each reader the factor b that fits best, and the change of b that a change of one entry makes.

    torch's gradient = sum_r b_r gradient_r by least squares: b - 1 = P (theirs - ours), P the pseudoinverse of these
    gradients; so b is 1 where torch's is equal, and where the readers are too alike to tell.
    """
    matrix = np.stack([reader.gradient for reader in readers], axis=1)
    rest = seen.theirs.ravel() - seen.ours.ravel()
    good = np.isfinite(rest) & np.isfinite(matrix).all(axis=1)
    matrix = np.where(good[:, None], matrix, 0.0)
    sizes = np.sqrt((matrix * matrix).sum(axis=0))
    sizes[sizes == 0] = 1
    inverse = np.linalg.pinv(matrix / sizes, rcond=1e-9) / sizes[:, None]  # (readers, entries)
    return 1 + inverse @ np.where(good, rest, 0.0), inverse


def off_by_a_factor(seen: Seen, u: float, lost: float) -> bool:
    """Whether a reader's share is some hundredths too large or small, which in low precision no single entry shows.

    Rounding moves entry i of the gradient by u |share_i| + lost, or as far as the trials say (further, where a share is
    a small difference of large numbers), and b by the root of the sum of squares of what each of them does;
    entries of one value are rounded alike, so that as many count as there are values.
    """
    readers = readers_of(seen)
    factors, inverse = coefficients(seen, readers)
    sizes = sum(reader.size for reader in readers)
    values = len(np.unique(seen.theirs))
    alike = np.sqrt(seen.theirs.size / max(values, 1))
    moved = np.maximum(u * sizes + lost, seen.spread.ravel())
    errors = alike * np.sqrt(((inverse * moved) ** 2).sum(axis=1))
    there = np.abs(inverse).sum(axis=1) > 0
    return bool((there & (np.abs(factors - 1) > MARGIN * errors)).any())


def spread_out(share: Share, seen: Seen) -> Array:
    """The share in the places of the seen tensor: it may have come through a view of a part of it."""
    flat = np.zeros(seen.ref.storage.size)
    place(flat, share.ref, share.ref.signed(share.gradient))
    for hole in share.holes:
        window(flat, hole)[...] = 0
    return seen.ref.signed(np.array(window(flat, seen.ref))).ravel()


def blamed(seen: Seen, by_factor: bool) -> tuple[Share | None, float | None]:
    """The reader to blame, and its coefficient where that explains the difference (`by_factor`: nothing else shows it).

    With several readers it is the one whose share, scaled, explains the most of the difference; and if none explains
    it, a custom Function before torch's own operations, for these have been right before.
    """
    readers = readers_of(seen)
    if not readers:
        return None, None
    factors = coefficients(seen, readers)[0].tolist()
    fitted = sum(b * reader.gradient for b, reader in zip(factors, readers, strict=True))
    rest = seen.theirs.ravel() - seen.ours.ravel()
    explained = by_factor or np.abs(seen.theirs.ravel() - fitted).max(initial=0) < 0.2 * np.abs(rest).max(initial=0)
    effects = [abs(b - 1) * np.abs(r.gradient).max(initial=0) for b, r in zip(factors, readers, strict=True)]
    custom = [i for i, reader in enumerate(readers) if reader.share.node.place.function]
    if explained or len(readers) == 1 or not custom:
        chosen = int(np.argmax(effects))
    else:
        chosen = max(custom, key=lambda i: effects[i])
    return readers[chosen].share, factors[chosen] if explained else None


def returned_by(share: Share, seen: Seen) -> Array | None:
    """What the share's reader has passed back, if all others were right; None where its window sees a place twice."""
    if not distinct(share.ref.size, share.ref.stride):
        return None
    difference = np.zeros(seen.ref.storage.size)
    place(difference, seen.ref, seen.ref.signed(seen.theirs - seen.ours))
    returned: Array = share.gradient + share.ref.signed(window(difference, share.ref))
    return returned
