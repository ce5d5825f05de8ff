"""How far two correct results of the same computation may lie apart."""

from __future__ import annotations

from typing import Any

import numpy as np


def bound(largest: Any, dtype: np.dtype, scale: float = 0.0) -> Any:
    """The largest difference that rounding in `dtype` explains, for a tensor whose largest entry is `largest`.

    Two correct orders of summation differ by some u sqrt(n) of the sum of the terms' sizes (u the unit roundoff, n the
    number of terms). For the sums of ordinary layers that is below 2^13 u of the tensor's largest entry (1e-12 in
    float64, 5e-4 in float32). Where the terms cancel, the result is smaller than they are, down to a gradient that is
    zero in mathematics and rounding noise in fact; `scale`, the size of the terms, then says how large noise can be:
    64 u scale. `largest` may be an array, one entry a tensor.
    """
    u = float(np.finfo(dtype).eps) / 2
    return 2**13 * u * largest + 64 * u * scale
