"""The cases of softmax and its kin."""

import numpy as np
import torch

from tests.cases import Case, choice, normal, strided

CASES = [
    Case("Softmax2d", inputs=(normal(2, 3, 5, 7),)),
    Case("Softmax2d", inputs=(normal(3, 5, 7),), note="unbatched"),
    Case("Softmax2d", inputs=(strided(normal(2, 3, 5, 7)),), note="strided"),
    Case("Softmax2d", inputs=(normal(0, 3, 5, 7),), note="empty"),
]

for name in ("Softmax", "LogSoftmax", "Softmin"):
    CASES += [
        Case(name, (1,), inputs=(normal(7, 5),)),
        Case(name, (0,), inputs=(normal(7, 5),)),
        Case(name, (-2,), inputs=(normal(2, 7, 5),)),
        Case(name, (0,), inputs=(normal(5),), note="unbatched"),
        Case(name, (-1,), inputs=(strided(normal(2, 7, 5)),), note="strided"),
        Case(name, (1,), inputs=(choice([-1000.0, 0.0, 3.0, 1000.0], 7, 5),), note="extreme"),
        Case(name, (1,), inputs=(normal(0, 5),), note="empty"),
        Case(name, (1,), inputs=(normal(5, 0),), note="no classes"),
        Case(name, (0,), inputs=(lambda rng: np.asarray(rng.standard_normal()),), note="0-d"),
    ]


def double(nn):
    """float64, as either library names it."""
    return torch.float64 if nn is torch.nn else np.float64


for name in ("softmax", "log_softmax", "softmin"):
    CASES += [
        Case(f"functional.{name}", (), {"dim": 1}, (normal(7, 5),)),
        Case(f"functional.{name}", (), {"dim": 1, "dtype": double}, (normal(7, 5),), witness=False, note="cast"),
    ]
