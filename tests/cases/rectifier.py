from tests.cases import Case, choice, normal, strided

SIGNS = [-1.0, -0.0, 0.0, 2.0]

CASES = [
    Case("ReLU", inputs=(normal(7, 5),), smooth=False),
    Case("ReLU", (True,), inputs=(normal(7, 5),), smooth=False),
    Case("ReLU", inputs=(choice(SIGNS, 7, 5),), witness=False, note="kinks"),
    Case("LeakyReLU", inputs=(normal(7, 5),), smooth=False),
    Case("LeakyReLU", (0.3, True), inputs=(normal(7, 5),), smooth=False),
    Case("LeakyReLU", (-1.7,), inputs=(normal(7, 5),), smooth=False),
    Case("LeakyReLU", (0,), inputs=(normal(7, 5),), smooth=False),
    Case("LeakyReLU", (0.3,), inputs=(choice(SIGNS, 7, 5),), witness=False, note="kinks"),
]

for name in ("ReLU", "LeakyReLU"):
    CASES += [
        Case(name, inputs=(strided(normal(2, 7, 5)),), smooth=False, note="strided"),
        Case(name, inputs=(normal(0, 5),), smooth=False, note="empty"),
    ]
