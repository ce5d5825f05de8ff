from tests.cases import Case, choice, normal, strided

EXTREME = [-1000.0, -30.0, -0.0, 0.0, 30.0, 1000.0]  # where exp overflows, and where a difference rounds to nothing

CASES = [
    Case("Sigmoid", inputs=(normal(7, 5),)),
    Case("Sigmoid", inputs=(choice(EXTREME, 7, 5),), smooth=False, note="extreme"),
    Case("Tanh", inputs=(normal(7, 5),)),
    Case("Tanh", inputs=(choice(EXTREME, 7, 5),), smooth=False, note="extreme"),
]

for name in ("Sigmoid", "Tanh"):
    CASES += [
        Case(name, inputs=(strided(normal(2, 7, 5)),), note="strided"),
        Case(name, inputs=(normal(0, 5),), note="empty"),
    ]
