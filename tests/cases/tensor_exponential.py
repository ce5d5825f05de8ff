"""torchref.tensor: exponentials, logarithms, roots."""

import numpy as np

from tests.cases import Case, choice, normal, point, strided, uniform

INF = float("inf")
A, ROW = normal(3, 5), normal(5)
POSITIVE = uniform(3, 5, low=0.1, high=3.0)
EXTREMES = choice([0.0, -0.0, -1.0, 1.0, INF, -INF, np.nan], 31)
EVERYWHERE = ("exp", "exp2", "expm1", "square")
ABOVE_ZERO = ("log", "log2", "log10", "log1p", "sqrt", "rsqrt")

CASES = [
    *(Case(f"tensor.{name}", inputs=(A,)) for name in EVERYWHERE),
    *(Case(f"tensor.{name}", inputs=(POSITIVE,)) for name in ABOVE_ZERO),
    *(Case(f"tensor.{n}", inputs=(EXTREMES,), witness=False, note="extremes") for n in (*EVERYWHERE, *ABOVE_ZERO)),
    *(Case(f"tensor.{name}", inputs=(point,), note="0-d") for name in ("exp", "square")),
    *(Case(f"tensor.{name}", inputs=(strided(POSITIVE),), note="strided") for name in ("exp", "log", "sqrt")),
    Case("tensor.square", inputs=(choice([True, False], 7),), note="booleans"),
    *(Case(f"tensor.{name}", inputs=(A, ROW)) for name in ("logaddexp", "logaddexp2")),
    *(
        Case(f"tensor.{name}", inputs=(normal(31, scale=500.0), choice([0.0, 1000.0], 31)), smooth=False, note="far")
        for name in ("logaddexp", "logaddexp2")
    ),
    *(
        Case(
            f"tensor.{name}",
            inputs=(choice([0.0, INF, -INF], 31), choice([1.0, INF, -INF], 31)),
            witness=False,
            note="infinite",
        )
        for name in ("logaddexp", "logaddexp2")
    ),
]
