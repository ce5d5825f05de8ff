"""The cases of dropout, with torch's draws."""

from tests.cases import Case, normal, strided

CASES = [
    Case("Dropout", inputs=(normal(7, 5),)),
    Case("Dropout", (0.3,), inputs=(normal(7, 5),)),
    Case("Dropout", (0.3, True), inputs=(normal(5),)),
    Case("Dropout", (0.3,), inputs=(normal(7, 5),), training=False),
    Case("Dropout", (0.0,), inputs=(normal(7, 5),), note="nothing drawn"),
    Case("Dropout", (1.0,), inputs=(normal(7, 5),), note="nothing drawn"),
    Case("Dropout", (0.3,), inputs=(normal(0, 5),), note="empty"),
    Case("Dropout", (0.3,), inputs=(strided(normal(2, 7, 5)),), note="strided"),
]

for name, shape in (
    ("Dropout1d", (2, 3, 5)),
    ("Dropout2d", (2, 3, 5, 7)),
    ("Dropout3d", (2, 3, 5, 1, 2)),
    ("AlphaDropout", (7, 5)),
    ("FeatureAlphaDropout", (2, 3, 5, 1)),
):
    CASES += [
        Case(name, inputs=(normal(*shape),)),
        Case(name, (0.3, True), inputs=(normal(*shape),)),
        Case(name, (0.3,), inputs=(normal(*shape),), training=False),
        Case(name, (0.0,), inputs=(normal(*shape),), note="nothing drawn"),
        Case(name, (1.0,), inputs=(normal(*shape),), note="nothing drawn"),
        Case(name, (0.3,), inputs=(normal(0, *shape[1:]),), note="empty"),
        Case(name, (0.3,), inputs=(strided(normal(*shape)),), note="strided"),
    ]

CASES += [
    Case("Dropout1d", (0.3,), inputs=(normal(3, 5),), note="unbatched"),
    Case("Dropout3d", (0.3,), inputs=(normal(3, 5, 1, 2),), note="unbatched"),
    Case("FeatureAlphaDropout", (0.3,), inputs=(normal(3, 5),), note="no places"),
]
