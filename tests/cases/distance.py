"""The cases of distances and similarities."""

import numpy as np

from tests.cases import Case, choice, normal, strided
from tests.cases.loss import zero_d

INF = float("inf")
FAR = np.array([[INF, 1.0], [-INF, 2.0], [INF, INF], [0.0, 1.0]])

CASES = [
    *(
        Case("PairwiseDistance", (p, 0.01), inputs=(normal(7, 3), normal(7, 3)), smooth=p == 2.0)
        for p in (0.5, 1.0, 1.5, 2.0, 3.0, INF, -1.0, -INF, 0.0)
    ),
    *(
        Case(
            "PairwiseDistance",
            (p,),
            {"eps": 0.0},
            inputs=(choice([0.0, 1.0, 2.0], 31, 3), choice([0.0, 1.0, 2.0], 31, 3)),
            witness=False,
            note="equal entries and ties",
        )
        for p in (0.5, 1.0, 1.5, 2.0, 3.0, INF, -INF, 0.0)
    ),
    *(
        Case("PairwiseDistance", (p,), inputs=(FAR, normal(4, 2)), witness=False, note="infinities")
        for p in (0.5, 1.0, 1.5, 2.0, 3.0, INF, -1.0, -INF, 0.0)
    ),
    Case("PairwiseDistance", (2.0, 1e-6, True), inputs=(normal(7, 3), normal(7, 3))),
    Case("PairwiseDistance", inputs=(normal(3), normal(3)), note="unbatched"),
    Case("PairwiseDistance", inputs=(zero_d(normal()), zero_d(normal())), note="scalar"),
    Case("PairwiseDistance", inputs=(normal(2, 7, 3), normal(7, 1)), note="broadcast"),
    Case("PairwiseDistance", inputs=(normal(0, 3), normal(0, 3)), note="empty"),
    Case("PairwiseDistance", inputs=(normal(7, 0), normal(7, 0)), note="no features"),
    Case("PairwiseDistance", inputs=(strided(normal(7, 3)), strided(normal(7, 3))), note="strided"),
    Case("CosineSimilarity", inputs=(normal(7, 3), normal(7, 3))),
    Case("CosineSimilarity", (0, 0.5), inputs=(normal(7, 3), normal(7, 3))),
    Case("CosineSimilarity", (-1,), inputs=(normal(2, 7, 3), normal(2, 7, 3))),
    Case("CosineSimilarity", (2,), inputs=(normal(7, 1, 3), normal(5, 3)), note="broadcast"),
    Case("CosineSimilarity", (0,), inputs=(normal(3), normal(3)), note="unbatched"),
    Case("CosineSimilarity", inputs=(normal(0, 3), normal(0, 3)), note="empty"),
    Case(
        "CosineSimilarity",
        (1, 1.5),
        inputs=(choice([0.0, 1.0], 31, 3), choice([0.0, 1.0, -1.0], 31, 3)),
        witness=False,
        note="zeros, norms below eps",
    ),
]

pdist = "functional.pdist"
CASES += [
    *(Case(pdist, (), {"p": p}, (normal(7, 3),), smooth=p == 2.0) for p in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, INF)),
    *(
        Case(pdist, (), {"p": p}, (choice([0.0, 1.0, 2.0], 11, 3),), witness=False, note="equal rows and ties")
        for p in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, INF)
    ),
    Case(pdist, inputs=(normal(1, 3),), note="one row"),
    Case(pdist, inputs=(normal(5, 0),), note="no features"),
    *(
        Case(pdist, (), {"p": p}, (np.vstack([FAR, [3.0, np.nan]]),), witness=False, note="infinities")
        for p in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, INF)
    ),
    Case(pdist, (), {"p": 1.5}, (FAR[[0, 0]],), witness=False, note="equal rows at infinity"),
    Case(pdist, inputs=(strided(normal(7, 3)),), note="strided"),
]
