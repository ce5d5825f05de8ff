"""torchref.tensor: the larger and the smaller, masks, signs, whole numbers."""

import numpy as np

from tests.cases import Case, booleans, choice, integers, normal, point, strided

INF = float("inf")
A, B, ROW, COLUMN = normal(3, 5), normal(3, 5), normal(5), normal(3, 1)
TIES, NANS = choice([0.0, 1.0, 2.0], 31), choice([0.0, 1.0, np.nan, INF], 31)
EXTREMES = choice([0.0, -0.0, 0.5, 1.5, -2.5, INF, -INF, np.nan], 31)
PAIRS = ("maximum", "minimum", "fmax", "fmin")
ROUND = ("sign", "floor", "ceil", "trunc", "round", "frac", "abs", "nan_to_num")

CASES = [
    *(Case(f"tensor.{name}", inputs=(A, ROW), smooth=False) for name in PAIRS),
    *(Case(f"tensor.{name}", inputs=(TIES, TIES), witness=False, note="ties") for name in PAIRS),
    *(Case(f"tensor.{name}", inputs=(NANS, NANS), witness=False, note="nan") for name in PAIRS),
    *(Case(f"tensor.{name}", inputs=(A, integers(3, 5)), smooth=False, note="integers") for name in PAIRS),
    Case("tensor.clamp", inputs=(A, -0.5, 0.7), smooth=False),
    Case("tensor.clamp", (), {"max": 0.3}, (A,), smooth=False),
    Case("tensor.clamp", inputs=(A, 0.3, -0.3), smooth=False, note="crossed bounds"),
    Case("tensor.clamp", inputs=(A, COLUMN), smooth=False),
    Case("tensor.clamp", inputs=(A, COLUMN, ROW), smooth=False, note="crossed bounds"),
    Case("tensor.clamp", inputs=(TIES, 0.0, 1.0), witness=False, note="at the bounds"),
    Case("tensor.clamp", inputs=(TIES, TIES, TIES), witness=False, note="at the bounds"),
    Case("tensor.clamp", inputs=(NANS, 0.0, 1.0), witness=False, note="nan"),
    Case("tensor.clamp", inputs=(integers(9, 7), 2, 5), note="integers"),
    Case("tensor.clamp", inputs=(integers(9, 7), 2.5), note="integers and a fraction"),
    *(Case(f"tensor.{name}", inputs=(A, 0.3), smooth=False) for name in ("clamp_min", "clamp_max")),
    *(Case(f"tensor.{name}", inputs=(A, ROW), smooth=False) for name in ("clamp_min", "clamp_max")),
    *(Case(f"tensor.{name}", inputs=(TIES, 1.0), witness=False) for name in ("clamp_min", "clamp_max")),
    Case("tensor.where", inputs=(booleans(3, 5), A, B)),
    Case("tensor.where", inputs=(booleans(3, 1), A, ROW), note="broadcast"),
    Case("tensor.where", inputs=(booleans(3, 5), 0.0, B)),
    Case("tensor.where", inputs=(booleans(3, 5), A, INF)),
    Case("tensor.where", inputs=(booleans(3, 5), A, point), note="0-d"),
    Case("tensor.where", inputs=(booleans(31), NANS, TIES), witness=False, note="nan"),
    Case("tensor.where", inputs=(booleans(5), integers(7, 5), ROW), note="integers"),
    Case("tensor.masked_fill", inputs=(A, booleans(5), -INF)),
    Case("tensor.masked_fill", inputs=(strided(A), booleans(3, 1), 0.5), note="strided"),
    Case("tensor.masked_fill", inputs=(A, booleans(3, 5), point), note="0-d"),
    Case("tensor.masked_fill", inputs=(ROW, booleans(3, 5), 0.5), note="broadcast"),
    Case("tensor.masked_fill", inputs=(integers(5, 7), booleans(7), 3), note="integers"),
    *(Case(f"tensor.{name}", inputs=(normal(3, 5, scale=3.0),), smooth=False) for name in ROUND),
    *(Case(f"tensor.{n}", inputs=(EXTREMES,), witness=False, note="extremes") for n in ROUND if n != "nan_to_num"),
    *(Case(f"tensor.{name}", inputs=(integers(9, 7, low=-9),), note="integers") for name in ROUND if name != "frac"),
    *(Case("tensor.round", (), {"decimals": d}, (normal(3, 5, scale=30.0),), smooth=False) for d in (1, -1)),
    Case("tensor.nan_to_num", inputs=(EXTREMES, 0.5, 3.0, -3.0), witness=False),
    Case("tensor.copysign", inputs=(ROW, A), smooth=False),
    Case("tensor.copysign", inputs=(A, -1.0), smooth=False),
    Case("tensor.copysign", inputs=(EXTREMES, choice([0.0, -0.0, 1.0], 31)), witness=False, note="extremes"),
]
