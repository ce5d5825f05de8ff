import numpy as np

from tests.cases import Case, choice, normal, strided, uniform

TIES = [-1.0, 0.0, 2.0]
INF = float("inf")

MAX = [
    Case("MaxPool1d", (2,), inputs=(normal(2, 3, 11),), smooth=False),
    Case("MaxPool1d", (3, 2), inputs=(normal(2, 3, 12),), smooth=False),
    Case("MaxPool1d", (3, 2, 1, 2, True, True), inputs=(normal(2, 3, 12),), smooth=False),
    Case("MaxPool1d", (5, 3, 2), {"ceil_mode": True}, inputs=(normal(2, 3, 11),), smooth=False),
    Case("MaxPool1d", (2, 5), inputs=(normal(2, 3, 13),), smooth=False, note="stride wider than the kernel"),
    Case("MaxPool1d", (1, 2), inputs=(normal(2, 3, 7),), smooth=False),
    Case("MaxPool1d", (3,), inputs=(normal(3, 11),), smooth=False, note="unbatched"),
    Case("MaxPool1d", (3,), inputs=(normal(0, 3, 11),), smooth=False, note="empty"),
    Case("MaxPool2d", (2,), inputs=(normal(2, 3, 7, 6),), smooth=False),
    Case("MaxPool2d", (2,), inputs=(choice(TIES, 2, 3, 6, 7),), witness=False, note="ties"),
    Case("MaxPool2d", (3, 2, 1, 1, True), inputs=(choice(TIES, 2, 3, 6, 7),), witness=False, note="ties"),
    Case("MaxPool2d", (3, 2, 1, 1, True), inputs=(choice([np.nan, 0, 1], 2, 3, 6, 7),), witness=False, note="nan"),
    Case("MaxPool2d", (3, 2, 1, 1, True), inputs=(choice([-INF, -INF, 1], 2, 3, 9, 7),), witness=False, note="-inf"),
    Case("MaxPool2d", ((3, 2), (2, 3), (1, 0), (2, 1), True, True), inputs=(normal(2, 3, 11, 7),), smooth=False),
    Case("MaxPool2d", ((2, 3),), {"stride": (1, 2), "return_indices": True}, inputs=(normal(3, 7, 8),), smooth=False),
    Case("MaxPool2d", (2,), inputs=(normal(0, 3, 7, 6),), smooth=False, note="empty"),
    Case("MaxPool2d", (2,), inputs=(strided(normal(2, 3, 7, 6)),), smooth=False, note="strided"),
    Case("MaxPool3d", (2,), inputs=(normal(2, 2, 4, 5, 6),), smooth=False),
    Case(
        "MaxPool3d", (2,), {"return_indices": True}, inputs=(choice(TIES, 2, 2, 4, 5, 6),), witness=False, note="ties"
    ),
    Case(
        "MaxPool3d",
        ((2, 3, 2), (1, 2, 3), (0, 1, 1), (2, 1, 1), True, True),
        inputs=(normal(2, 4, 5, 6),),
        smooth=False,
    ),
]
AVERAGE = [
    Case("AvgPool1d", (2,), inputs=(normal(2, 3, 7),)),
    Case("AvgPool1d", (3, 2, 1, True, False), inputs=(normal(2, 3, 8),)),
    Case("AvgPool1d", (3, 2, 1, True), inputs=(normal(2, 3, 8),)),
    Case("AvgPool1d", (2, 3), inputs=(normal(3, 11),), note="unbatched"),
    Case("AvgPool2d", (2,), inputs=(normal(2, 3, 7, 6),)),
    Case("AvgPool2d", ((3, 2), (2, 1), (1, 0), True, False), inputs=(normal(2, 3, 8, 5),)),
    Case("AvgPool2d", (3, 2, 1, True, True), inputs=(normal(2, 3, 8, 6),)),
    Case("AvgPool2d", (3, 2, 1, True, False, 7), inputs=(normal(2, 3, 8, 6),)),
    Case("AvgPool2d", (2,), {"divisor_override": -3}, inputs=(normal(3, 7, 6),)),
    Case("AvgPool2d", (2,), inputs=(normal(0, 3, 7, 6),), note="empty"),
    Case("AvgPool2d", (2,), inputs=(strided(normal(2, 3, 7, 6)),), note="strided"),
    Case("AvgPool3d", (2,), inputs=(normal(2, 2, 4, 5, 6),)),
    Case("AvgPool3d", ((2, 3, 2), (1, 2, 3), (0, 1, 1), True, False), inputs=(normal(2, 2, 4, 5, 6),)),
    Case("AvgPool3d", (3, 2, 1), {"divisor_override": 5}, inputs=(normal(2, 4, 5, 6),)),
    Case("LPPool1d", (2, 3), inputs=(normal(2, 3, 8),)),
    Case("LPPool1d", (3, 2, 1), inputs=(uniform(2, 3, 7, low=0.1),), smooth=False),
    Case("LPPool1d", (3, 2, 1), inputs=(normal(3, 7),), witness=False, note="negative sums"),
    Case("LPPool1d", (1.5, 3, 2, True), inputs=(uniform(2, 3, 8, low=0.1),), smooth=False),
    Case("LPPool2d", (2, (3, 2), (2, 1), True), inputs=(normal(2, 3, 8, 6),)),
    Case("LPPool2d", (1, 2), inputs=(normal(3, 7, 6),)),
    Case("LPPool2d", (2, 2), inputs=(choice([0.0, 0.0, 0.0, 1.0], 2, 3, 6, 6),), witness=False, note="zeros"),
    Case("LPPool3d", (2, 2), inputs=(normal(2, 2, 4, 5, 6),)),
    Case("LPPool3d", (2, (2, 1, 3), 2, True), inputs=(normal(2, 4, 5, 6),)),
]

CASES = MAX + AVERAGE
