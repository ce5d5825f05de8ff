"""Which reader of a tensor passes back a wrong share: torch's gradient regressed on what each should pass back."""

from __future__ import annotations

import numpy as np

from torchref.check.tolerance.rounding import MARGIN
from torchref.nn.module import Array
from torchref.referee.local import Seen, Share
from torchref.referee.storage import distinct, place, window

__all__ = ["blamed", "off_by_a_factor", "returned_by"]


def coefficients(seen: Seen) -> tuple[Array, Array]:
    """For each share the factor b that fits best, and the change of b that a change of one entry makes.

    torch's gradient = sum_c b_c share_c by least squares: b - 1 = P (theirs - ours), P the pseudoinverse of the shares;
    so b is 1 where the gradients are equal, and where the shares are too alike to tell.
    """
    matrix = np.stack([spread_out(share, seen) for share in seen.shares], axis=1)
    rest = seen.theirs.ravel() - seen.ours.ravel()
    good = np.isfinite(rest) & np.isfinite(matrix).all(axis=1)
    matrix = np.where(good[:, None], matrix, 0.0)
    sizes = np.sqrt((matrix * matrix).sum(axis=0))
    sizes[sizes == 0] = 1
    inverse = np.linalg.pinv(matrix / sizes, rcond=1e-9) / sizes[:, None]  # (shares, entries)
    return 1 + inverse @ np.where(good, rest, 0.0), inverse


def off_by_a_factor(seen: Seen, u: float, lost: float) -> bool:
    """Whether a share is some hundredths too large or small, which in low precision no single entry shows.

    Rounding moves entry i of the gradient by u |share_i| + lost, or as far as the trials say (further, where a share is
    a small difference of large numbers), and b by the root of the sum of squares of what each of them does;
    entries of one value are rounded alike, so that as many count as there are values.
    """
    factors, inverse = coefficients(seen)
    sizes = sum(np.abs(spread_out(share, seen)) for share in seen.shares)
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
    if not seen.shares:
        return None, None
    factors = coefficients(seen)[0].tolist()
    columns = [spread_out(share, seen) for share in seen.shares]
    fitted = sum(b * c for b, c in zip(factors, columns, strict=True))
    rest = seen.theirs.ravel() - seen.ours.ravel()
    explained = by_factor or np.abs(seen.theirs.ravel() - fitted).max(initial=0) < 0.2 * np.abs(rest).max(initial=0)
    effects = [abs(b - 1) * np.abs(c).max(initial=0) for b, c in zip(factors, columns, strict=True)]
    custom = [i for i, share in enumerate(seen.shares) if share.node.place.function]
    if explained or len(seen.shares) == 1 or not custom:
        chosen = int(np.argmax(effects))
    else:
        chosen = max(custom, key=lambda i: effects[i])
    return seen.shares[chosen], factors[chosen] if explained else None


def returned_by(share: Share, seen: Seen) -> Array | None:
    """What the share's reader has passed back, if all others were right; None where its window sees a place twice."""
    if not distinct(share.ref.size, share.ref.stride):
        return None
    difference = np.zeros(seen.ref.storage.size)
    place(difference, seen.ref, seen.ref.signed(seen.theirs - seen.ours))
    returned: Array = share.gradient + share.ref.signed(window(difference, share.ref))
    return returned
