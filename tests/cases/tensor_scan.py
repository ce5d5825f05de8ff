"""torchref.tensor: sorting and scans."""

import numpy as np

from tests.cases import Case, choice, integers, normal, point, strided, uniform

INF = float("inf")
A = normal(3, 5)
TIES = choice([0.0, 1.0, 2.0], 3, 9)
NANS = choice([-1.0, 0.0, 3.0, np.nan], 3, 9)

ORDERING = [
    Case("tensor.sort", inputs=(A,), smooth=False),
    Case("tensor.sort", (), {"dim": 0, "descending": True}, (strided(A),), smooth=False, note="strided"),
    *(
        Case("tensor.sort", (), {"stable": True, "descending": d}, (TIES,), witness=False, note="ties")
        for d in (False, True)
    ),
    *(
        Case("tensor.sort", (), {"stable": True, "descending": d}, (NANS,), witness=False, note="nan")
        for d in (False, True)
    ),
    Case("tensor.sort", inputs=(point,), smooth=False, note="0-d"),
    Case("tensor.sort", (), {"stable": True}, (integers(5, 7),), note="integers"),
    Case("tensor.msort", inputs=(A,), smooth=False),
    Case("tensor.topk", inputs=(A, 2), smooth=False),
    Case("tensor.topk", inputs=(A, 2, 0, False), smooth=False),
    Case("tensor.topk", inputs=(A, 0), smooth=False, note="none"),
    Case("tensor.kthvalue", inputs=(A, 2), smooth=False),
    Case("tensor.kthvalue", (), {"dim": 0, "keepdim": True}, (A, 3), smooth=False),
    Case("tensor.kthvalue", inputs=(point, 1), smooth=False, note="0-d"),
]
SCANS = [
    *(Case(f"tensor.{n}", inputs=(A, d)) for n in ("cumsum", "cumprod") for d in (0, -1)),
    *(Case(f"tensor.{n}", inputs=(point, 0), note="0-d") for n in ("cumsum", "cumprod")),
    *(Case(f"tensor.{n}", inputs=(normal(0, 3), 0), note="empty") for n in ("cumsum", "cumprod")),
    *(Case(f"tensor.{n}", inputs=(integers(4, 5), 0), note="integers") for n in ("cumsum", "cumprod")),
    Case("tensor.cumsum", inputs=(strided(A), 0), note="strided"),
    Case("tensor.cumprod", inputs=(choice([0.0, 1.0, 2.0], 7, 5), 0), note="zeros"),
    *(Case("tensor.logcumsumexp", inputs=(A, d), smooth=False) for d in (0, 1)),
    Case("tensor.logcumsumexp", inputs=(normal(5, 2, scale=300.0), 0), smooth=False, note="far"),
    Case("tensor.logcumsumexp", inputs=(choice([-INF, 0.0, 1.0], 5, 4), 0), witness=False, note="-inf"),
    *(Case(f"tensor.{n}", inputs=(A, d), smooth=False) for n in ("cummax", "cummin") for d in (0, 1)),
    *(Case(f"tensor.{n}", inputs=(TIES, 1), witness=False, note="ties") for n in ("cummax", "cummin")),
    *(Case(f"tensor.{n}", inputs=(NANS, 1), witness=False, note="nan") for n in ("cummax", "cummin")),
    Case("tensor.diff", inputs=(A,)),
    Case("tensor.diff", (), {"n": 2, "dim": 0}, (normal(4, 3),)),
    Case("tensor.diff", inputs=(A, 1, -1, normal(3, 1), normal(3, 2))),
    Case("tensor.diff", inputs=(A, 1, 0, normal(1, 5)), note="prepend"),
    Case("tensor.diff", inputs=(normal(3), 5), note="more than there are"),
]
ANGLES = ("sin", "cos", "tan", "atan", "sinh", "cosh", "tanh", "asinh", "sinc", "deg2rad", "rad2deg")
INSIDE = ("asin", "acos", "atanh")  # of -1 ... 1
PAIRS = ("atan2", "hypot")
SMOOTH = ("erf", "erfc", "sigmoid", "ndtr")
REAL = ("lgamma", "i0")
EXTREMES = choice([0.0, -0.0, 1.0, -1.0, 0.5, INF, -INF, np.nan], 31)
TRIGONOMETRY = [
    *(Case(f"tensor.{n}", inputs=(A,)) for n in ANGLES),
    *(Case(f"tensor.{n}", inputs=(uniform(3, 5, low=-0.9, high=0.9),)) for n in INSIDE),
    Case("tensor.acosh", inputs=(uniform(3, 5, low=1.1, high=3.0),)),
    *(Case(f"tensor.{n}", inputs=(EXTREMES,), witness=False, note="extremes") for n in (*ANGLES, *INSIDE, "acosh")),
    *(Case(f"tensor.{n}", inputs=(A, normal(5))) for n in PAIRS),
    *(
        Case(f"tensor.{n}", inputs=(EXTREMES, choice([0.0, -0.0, 2.0], 31)), witness=False, note="extremes")
        for n in PAIRS
    ),
]
SPECIAL = [
    *(Case(f"tensor.{n}", inputs=(A,)) for n in SMOOTH),
    *(Case(f"tensor.{n}", inputs=(normal(3, 5, scale=2.0),), smooth=False) for n in REAL),
    Case("tensor.erfinv", inputs=(uniform(3, 5, low=-0.9, high=0.9),), smooth=False),
    Case("tensor.entr", inputs=(uniform(3, 5, low=0.1),)),
    *(
        Case(f"tensor.{n}", inputs=(EXTREMES,), witness=False, note="extremes")
        for n in (*SMOOTH, *REAL, "erfinv", "entr")
    ),
    Case("tensor.logit", inputs=(uniform(3, 5, low=0.1, high=0.9),)),
    Case("tensor.logit", (), {"eps": 0.1}, (uniform(3, 5, low=-0.2, high=1.2),), smooth=False),
    Case("tensor.logit", inputs=(EXTREMES,), witness=False, note="extremes"),
    Case("tensor.logit", (), {"eps": 0.1}, (choice([0.0, 1.0, 0.5, INF, -INF], 31),), witness=False, note="extremes"),
    Case("tensor.xlogy", inputs=(A, uniform(5, low=0.1))),
    Case("tensor.xlogy", inputs=(A, 0.7)),
    Case("tensor.xlogy", inputs=(0.7, uniform(5, low=0.1)), note="a number first"),
    Case(
        "tensor.xlogy",
        inputs=(choice([0.0, 1.0], 31), choice([0.0, 0.5, 2.0, -1.0, INF, np.nan], 31)),
        witness=False,
        note="extremes",
    ),
]
CASES = ORDERING + SCANS + TRIGONOMETRY + SPECIAL
