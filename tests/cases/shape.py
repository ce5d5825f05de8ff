"""The cases of layers that only move entries."""

import numpy as np

from tests.cases import Case, normal, strided

CASES = [
    Case("Flatten", inputs=(normal(2, 3, 5, 7),)),
    Case("Flatten", inputs=(normal(2, 3),), note="no change"),
    Case("Flatten", (0, 1), inputs=(normal(2, 3, 5),)),
    Case("Flatten", (0,), inputs=(lambda rng: np.asarray(rng.standard_normal()),), note="0-d"),
    Case("Flatten", (-2, 2), inputs=(normal(2, 3, 5),)),
    Case("Flatten", inputs=(normal(0, 3, 5),), note="empty"),
    Case("Flatten", inputs=(strided(normal(2, 3, 5)),), note="strided"),
    Case("Unflatten", (1, (3, 5)), inputs=(normal(2, 15),)),
    Case("Unflatten", (-1, [3, 5]), inputs=(normal(2, 15),)),
    Case("Unflatten", (0, (3, -1, 2)), inputs=(normal(30, 7),)),
    Case("Unflatten", (1, (3, 5)), inputs=(strided(normal(2, 15)),), note="strided"),
    Case("Unflatten", (1, (3, 5)), inputs=(normal(0, 15),), note="empty"),
    Case("Unflatten", (0, (-1, 2)), inputs=(normal(0, 15),), note="empty"),
]

for name, reverse in (("PixelShuffle", False), ("PixelUnshuffle", True)):
    shape = (3, 10, 14) if reverse else (12, 5, 7)
    CASES += [
        Case(name, (2,), inputs=(normal(2, *shape),)),
        Case(name, (2,), inputs=(normal(*shape),), note="unbatched"),
        Case(name, (2,), inputs=(normal(2, 5, *shape),), note="leading dimensions"),
        Case(name, (2,), inputs=(strided(normal(2, *shape)),), note="strided"),
        Case(name, (3,), inputs=(normal(2, *((2, 3, 6) if reverse else (18, 1, 2))),)),
        Case(name, (1,), inputs=(normal(2, *shape),)),
    ]

CASES += [
    Case("ChannelShuffle", (2,), inputs=(normal(2, 6, 5, 7),)),
    Case("ChannelShuffle", (3,), inputs=(normal(2, 6, 5),)),
    Case("ChannelShuffle", (1,), inputs=(normal(2, 6, 5),)),
    Case("ChannelShuffle", (6,), inputs=(normal(2, 6, 5),)),
    Case("ChannelShuffle", (3,), inputs=(strided(normal(2, 6, 5)),), note="strided"),
    Case("ChannelShuffle", (3,), inputs=(normal(0, 6, 5),), note="empty"),
]
