"""How far two correct results of the same computation may lie apart."""

from __future__ import annotations

import numpy as np

from torchref.nn.module import Array


def bound(reference: Array, dtype: np.dtype, scale: float = 0.0) -> float:
    """The largest difference from `reference` that rounding in `dtype` explains.

    Two correct orders of summation differ by some u sqrt(n) of the sum of the terms' sizes (u the unit roundoff, n the
    number of terms). For the sums of ordinary layers that is below 2^13 u of the tensor's largest entry (1e-12 in
    float64, 5e-4 in float32). Where the terms cancel, the result is smaller than they are, down to a gradient that is
    zero in mathematics and rounding noise in fact; `scale`, the size of the terms, then says how large noise can be:
    64 u scale.
    """
    u = np.finfo(dtype).eps / 2
    finite = np.abs(reference[np.isfinite(reference)])
    largest = float(finite.max()) if finite.size else 0.0
    return float(2**13 * u * largest + 64 * u * scale)
