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
