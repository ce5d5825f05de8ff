from tests.cases import Case, normal, strided

CASES = [
    Case("Linear", (5, 3), inputs=(normal(7, 5),)),
    Case("Linear", (5, 3), {"bias": False}, inputs=(normal(7, 5),)),
    Case("Linear", (5, 3), inputs=(normal(5),), note="unbatched"),
    Case("Linear", (5, 3), inputs=(normal(2, 7, 5),), note="leading dimensions"),
    Case("Linear", (5, 3), inputs=(normal(0, 5),), note="empty"),
    Case("Linear", (5, 3), inputs=(strided(normal(7, 5)),), note="strided"),
    Case("Identity", inputs=(normal(7, 5),)),
    Case("Sequential", inputs=(normal(7, 5),), note="empty"),
]
