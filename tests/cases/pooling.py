"""The cases of pooling."""

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
    Case("LPPool2d", (1, 2), inputs=(choice([0.0, 0.0, 0.0, 1.0], 2, 3, 6, 6),), witness=False, note="zeros"),
    Case("LPPool1d", (float("inf"), 3, 2), inputs=(normal(2, 3, 8),), smooth=False),
    Case("LPPool2d", (float("inf"), (3, 2), (2, 1), True), inputs=(normal(2, 3, 8, 6),), smooth=False),
    Case("LPPool3d", (2, 2), inputs=(normal(2, 2, 4, 5, 6),)),
    Case("LPPool3d", (2, (2, 1, 3), 2, True), inputs=(normal(2, 4, 5, 6),)),
]

ADAPTIVE = [
    Case("AdaptiveAvgPool1d", (3,), inputs=(normal(2, 3, 7),)),
    Case("AdaptiveAvgPool1d", ((5,),), inputs=(normal(3, 3),), note="more outputs than inputs"),
    Case("AdaptiveAvgPool2d", (1,), inputs=(normal(2, 3, 5, 7),)),
    Case("AdaptiveAvgPool2d", ((3, None),), inputs=(normal(2, 3, 5, 7),)),
    Case("AdaptiveAvgPool2d", ((2, 3),), inputs=(normal(3, 5, 7),), note="unbatched"),
    Case("AdaptiveAvgPool2d", ((2, 3),), inputs=(normal(0, 3, 5, 7),), note="empty"),
    Case("AdaptiveAvgPool2d", ((2, 3),), inputs=(strided(normal(2, 3, 5, 7)),), note="strided"),
    Case("AdaptiveAvgPool3d", ((2, None, 3),), inputs=(normal(2, 2, 3, 4, 7),)),
    Case("AdaptiveAvgPool3d", (2,), inputs=(normal(2, 3, 4, 7),), note="unbatched"),
    Case("AdaptiveMaxPool1d", (3,), inputs=(normal(2, 3, 7),), smooth=False),
    Case("AdaptiveMaxPool1d", ((5,), True), inputs=(normal(3, 3),), smooth=False, note="more outputs than inputs"),
    Case("AdaptiveMaxPool2d", (1,), inputs=(normal(2, 3, 5, 7),), smooth=False),
    Case("AdaptiveMaxPool2d", ((3, None), True), inputs=(normal(2, 3, 5, 7),), smooth=False),
    Case("AdaptiveMaxPool2d", ((2, 3), True), inputs=(choice(TIES, 2, 3, 5, 7),), witness=False, note="ties"),
    Case("AdaptiveMaxPool2d", ((2, 3), True), inputs=(choice([np.nan, 0, 1], 2, 3, 5, 7),), witness=False, note="nan"),
    Case("AdaptiveMaxPool2d", ((2, 3),), inputs=(normal(3, 5, 7),), smooth=False, note="unbatched"),
    Case("AdaptiveMaxPool2d", ((2, 3),), inputs=(normal(0, 3, 5, 7),), smooth=False, note="empty"),
    Case("AdaptiveMaxPool2d", ((2, 3),), inputs=(strided(normal(2, 3, 5, 7)),), smooth=False, note="strided"),
    Case("AdaptiveMaxPool3d", ((2, None, 3), True), inputs=(normal(2, 2, 3, 4, 7),), smooth=False),
    Case("AdaptiveMaxPool3d", (2,), inputs=(normal(2, 3, 4, 7),), smooth=False, note="unbatched"),
]
FRACTIONAL = [
    Case("FractionalMaxPool2d", (2, 4), inputs=(normal(2, 3, 7, 9),), smooth=False),
    Case("FractionalMaxPool2d", ((2, 3), (4, 3), None, True), inputs=(normal(2, 3, 7, 9),), smooth=False),
    Case("FractionalMaxPool2d", (2, None, 0.6), inputs=(normal(2, 3, 7, 9),), smooth=False),
    Case("FractionalMaxPool2d", (2, None, (0.6, 0.3)), inputs=(normal(3, 7, 9),), smooth=False, note="unbatched"),
    Case("FractionalMaxPool2d", (2, 1), inputs=(normal(2, 3, 7, 9),), smooth=False, note="one window"),
    Case("FractionalMaxPool2d", (3, 4, None, True), inputs=(choice(TIES, 2, 3, 7, 9),), witness=False, note="ties"),
    Case("FractionalMaxPool2d", (3, 4), inputs=(choice([np.nan, 0, 1], 2, 3, 7, 9),), witness=False, note="nan"),
    Case("FractionalMaxPool2d", (2, 4), inputs=(normal(0, 3, 7, 9),), smooth=False, note="empty"),
    Case("FractionalMaxPool3d", (2, (3, 2, 4)), inputs=(normal(2, 3, 5, 4, 7),), smooth=False),
    Case("FractionalMaxPool3d", ((1, 2, 3), None, 0.5, True), inputs=(normal(2, 5, 4, 7),), smooth=False),
]


def places(size, *shape):
    """Distinct indices in each plane, as max pooling without overlap gives them."""
    return lambda rng: rng.permuted(np.broadcast_to(np.arange(size), (*shape[:2], size)), axis=-1)[
        ..., : int(np.prod(shape[2:]))
    ].reshape(shape)


UNPOOL = [
    Case("MaxUnpool1d", (2,), inputs=(normal(2, 3, 5), places(10, 2, 3, 5))),
    Case("MaxUnpool1d", (3, 2, 1), inputs=(normal(2, 3, 5), places(9, 2, 3, 5))),
    Case("MaxUnpool1d", (2,), inputs=(normal(2, 3, 5), places(11, 2, 3, 5), [11]), note="sizes"),
    Case("MaxUnpool2d", (2,), inputs=(normal(2, 3, 2, 3), places(24, 2, 3, 2, 3))),
    Case("MaxUnpool2d", ((3, 2), (2, 3), (1, 0)), inputs=(normal(2, 3, 2, 3), places(24, 2, 3, 2, 3))),
    Case(
        "MaxUnpool2d", (2,), inputs=(normal(2, 3, 2, 3), places(35, 2, 3, 2, 3)), options={"output_size": (2, 3, 5, 7)}
    ),
    Case("MaxUnpool2d", (2,), inputs=(normal(2, 2, 3), lambda rng: places(24, 1, 2, 2, 3)(rng)[0]), note="unbatched"),
    Case("MaxUnpool2d", (2,), inputs=(normal(0, 3, 2, 3), places(24, 0, 3, 2, 3)), note="empty"),
    Case("MaxUnpool2d", (2,), inputs=(strided(normal(2, 3, 2, 3)), places(24, 2, 3, 2, 3)), note="strided"),
    Case("MaxUnpool3d", (2,), inputs=(normal(2, 2, 2, 1, 3), places(48, 2, 2, 2, 1, 3))),
    Case(
        "MaxUnpool3d",
        (2,),
        inputs=(normal(2, 2, 2, 1, 3), places(75, 2, 2, 2, 1, 3)),
        options={"output_size": (5, 3, 5)},
    ),
]

CASES = MAX + AVERAGE + ADAPTIVE + FRACTIONAL + UNPOOL
