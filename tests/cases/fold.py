"""The cases of fold and unfold."""

from tests.cases import Case, normal, strided

CASES = [
    Case("Unfold", (2,), inputs=(normal(2, 3, 4, 5),)),
    Case("Unfold", ((2, 3), (1, 2), (1, 0), (2, 1)), inputs=(normal(2, 3, 5, 7),)),
    Case("Unfold", (2, 1, 1, 3), inputs=(normal(3, 4, 5),), note="unbatched"),
    Case("Unfold", (2,), inputs=(normal(0, 3, 4, 5),), note="empty"),
    Case("Unfold", (2,), inputs=(strided(normal(2, 3, 4, 5)),), note="strided"),
    Case("Fold", ((3, 4), 2), inputs=(normal(2, 12, 6),)),
    Case("Fold", ((5, 7), (2, 3), (1, 2), (1, 0), (2, 1)), inputs=(normal(2, 18, 9),)),
    Case("Fold", (5, 2), {"stride": 2}, inputs=(normal(12, 4),), note="unbatched with a remainder"),
    Case("Fold", ((3, 4), 2), inputs=(normal(0, 12, 6),), note="empty"),
    Case("Fold", ((3, 4), 2), inputs=(strided(normal(2, 12, 6)),), note="strided"),
]
