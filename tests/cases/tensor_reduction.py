"""torchref.tensor: reductions along no, one, some and all dimensions."""

import numpy as np

from tests.cases import Case, choice, integers, normal, point, strided, uniform

INF = float("inf")
A = normal(2, 3, 5)
TIES = choice([-1.0, 0.0, 1.0], 4, 7)
NANS = choice([-1.0, 0.0, np.nan], 5, 4)
EXTREMES = choice([-INF, INF, 1.0], 7, 3)
POWERS = (2, 1, 3, 0.5, 1.5, INF, 0)
ALL = [{}, {"dim": 1}, {"dim": (0, -1), "keepdim": True}]  # what most reductions take
ONE = [{}, {"dim": 1}, {"dim": -1, "keepdim": True}]  # what those take that know one dimension or all


def each(names, options, inputs=(A,), **rest):
    return [Case(f"tensor.{name}", (), kwargs, inputs, **rest) for name in names for kwargs in options]


SUMS = ("sum", "mean", "nansum", "nanmean")
SPREADS = ("var", "std", "var_mean", "std_mean")

CASES = [
    *each(("sum", "mean"), [*ALL, {"dim": ()}]),
    *each(("nansum", "nanmean"), ALL[1:], smooth=False),
    *each(("nansum", "nanmean"), [{}, {"dim": 1}], (NANS,), witness=False, note="nan"),
    *each(("sum", "nansum"), [{}, {"dim": 0}], (integers(9, 3, 5),), note="integers"),
    *each(("sum",), [{}], (choice([True, False], 7),), note="booleans"),
    *each((*SUMS, "logsumexp"), [{"dim": 0}], (point,), smooth=False, note="0-d"),
    *each(SUMS, [{}, {"dim": 0}], (normal(0, 3),), smooth=False, note="empty"),
    *each(("sum", "mean", "var"), [{"dim": 1}], (strided(A),), note="strided"),
    *each(("var", "std"), ALL),
    *each(SPREADS, [{"dim": (0, 1), "correction": 2.5, "keepdim": True}]),
    *each(("var_mean", "std_mean"), [{}, {"dim": 1}]),
    *each(("var", "std"), [{"dim": 0}], (normal(1, 3),), witness=False, note="one entry"),
    *each(("var", "std"), [{}], (normal(1),), witness=False, note="one entry"),
    *each(SPREADS, [{}, {"dim": 0}], (normal(0, 3),), witness=False, note="empty"),
    *each(("std", "std_mean"), [{"dim": 1}], (choice([2.0], 3, 4),), witness=False, note="equal entries"),
    *each(("amax", "amin"), ALL, smooth=False),
    *each(("aminmax",), [{}, {"dim": 1}, {"dim": 0, "keepdim": True}], smooth=False),
    *each(("amax", "amin", "aminmax"), [{}, {"dim": 0}], (TIES,), witness=False, note="ties"),
    *each(("amax", "amin", "aminmax"), [{"dim": 0}], (NANS,), witness=False, note="nan"),
    *each(("amax", "max", "median"), [{"dim": 0}], (point,), smooth=False, note="0-d"),
    *each(("max", "min", "median", "nanmedian"), ONE, smooth=False),
    *each(("max", "min"), ONE, (TIES,), witness=False, note="ties"),
    *each(("median", "nanmedian"), [{}], (TIES,), witness=False, note="ties"),
    *each(("max", "min", "median", "nanmedian"), ONE, (NANS,), witness=False, note="nan"),
    *each(("max", "amax"), [{}, {"dim": 1}], (integers(9, 3, 5),), note="integers"),
    *each(("max", "amax"), [{"dim": 1}], (normal(0, 3),), smooth=False, note="empty"),
    *each(("max", "median"), [{"dim": 1}], (strided(A),), smooth=False, note="strided"),
    *each(("median", "nanmedian"), [{}], (normal(0),), witness=False, note="empty"),
    *each(("max", "min"), [{}], (A, normal(5)), smooth=False, note="two arrays"),
    *each(("prod",), ONE),
    *each(("prod",), ONE, (choice([0.0, 1.0, 2.0, 3.0], 5, 4),), smooth=False, note="zeros"),
    *each(("prod",), [{}, {"dim": 0}], (integers(4, 3, 5, low=1),), note="integers"),
    *each(("prod",), [{}, {"dim": 0}], (normal(0, 3),), note="empty"),
    *each(("prod",), [{}, {"dim": 0}], (point,), note="0-d"),
    *each(("logsumexp",), [{"dim": 1}, {"dim": (0, -1), "keepdim": True}], smooth=False),
    *each(("logsumexp",), [{"dim": 1}], (normal(5, 4, scale=500.0),), smooth=False, note="far"),
    *each(("logsumexp",), [{"dim": 1}], (EXTREMES,), witness=False, note="infinite"),
    *each(("logsumexp",), [{"dim": 0}], (choice([-INF], 3, 2),), witness=False, note="all -inf"),
    *each(("logsumexp",), [{"dim": 0}], (normal(0, 3),), witness=False, note="empty"),
    *each(
        ("vector_norm",), [{"ord": p, **o} for p in (2, 1, 3, 0.5, 1.5, INF, -INF, -1, 0) for o in ALL], smooth=False
    ),
    *each(
        ("vector_norm",),
        [{"ord": p, "dim": 1} for p in (2, 1, 3, 0.5, 1.5, INF, 0)],
        (TIES,),
        witness=False,
        note="ties",
    ),
    *each(
        ("vector_norm",),
        [{"ord": p} for p in (2, 1, 3, 0.5, 1.5, INF)],
        (choice([0.0], 5),),
        witness=False,
        note="zero",
    ),
    *each(("vector_norm",), [{}, {"ord": 1, "dim": 0}], (normal(0, 3),), witness=False, note="empty"),
    *each(("norm",), [{}, {"p": 1}, {"p": 3, "dim": 1}, {"p": INF, "dim": (0, 1), "keepdim": True}], smooth=False),
    *each(("norm",), [{"dim": 1}], (uniform(3, 4),)),
]
