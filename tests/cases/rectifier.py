"""The cases of the rectifiers."""

from tests.cases import Case, choice, normal, strided

SIGNS = [-1.0, -0.0, 0.0, 2.0]

CASES = [
    Case("ReLU", (True,), inputs=(normal(7, 5),), smooth=False),
    Case("LeakyReLU", (0.3, True), inputs=(normal(7, 5),), smooth=False),
    Case("LeakyReLU", (-1.7,), inputs=(normal(7, 5),), smooth=False),
    Case("LeakyReLU", (0,), inputs=(normal(7, 5),), smooth=False),
    Case("LeakyReLU", (0.3,), inputs=(choice(SIGNS, 7, 5),), witness=False, note="kinks"),
    Case("Threshold", (0.3, 0.7), inputs=(normal(7, 5),), smooth=False),
    Case("Threshold", (-0.3, 2, True), inputs=(normal(7, 5),), smooth=False),
    Case("Threshold", (0.25, 0.7), inputs=(choice([0.25, 0.0, 0.5], 7, 5),), witness=False, note="kinks"),
    Case("Threshold", (0.3, 0.7), inputs=(normal(0, 5),), smooth=False, note="empty"),
    Case("PReLU", inputs=(normal(7, 5),), smooth=False),
    Case("PReLU", (5,), inputs=(normal(7, 5),), smooth=False),
    Case("PReLU", (5, 0.3), inputs=(normal(7, 5),), smooth=False),
    Case("PReLU", (3,), inputs=(normal(2, 3, 5, 7),), smooth=False),
    Case("PReLU", inputs=(normal(2, 3, 5),), smooth=False, note="one slope"),
    Case("PReLU", inputs=(normal(5),), smooth=False, note="1-d"),
    Case("PReLU", (5,), inputs=(normal(0, 5),), smooth=False, note="empty"),
    Case("PReLU", (7,), inputs=(strided(normal(2, 7, 5)),), smooth=False, note="strided"),
    Case("PReLU", (5,), inputs=(choice(SIGNS, 7, 5),), witness=False, note="kinks"),
    Case("RReLU", (0.1, 0.7), inputs=(normal(7, 5),), smooth=False),
    Case("RReLU", (0.1, 0.7, True), inputs=(normal(7, 5),), smooth=False),
    Case("RReLU", (0.2, 0.2), inputs=(normal(7, 5),), smooth=False),
    Case("RReLU", (0.1, 0.7), inputs=(normal(7, 5),), training=False, smooth=False),
    Case("RReLU", inputs=(choice(SIGNS, 7, 5),), witness=False, note="kinks"),
    Case("RReLU", inputs=(choice(SIGNS, 7, 5),), training=False, witness=False, note="kinks"),
    Case("ELU", (2.3,), inputs=(normal(7, 5),)),
    Case("ELU", (0.7, True), inputs=(normal(7, 5),)),
    Case("ELU", (-0.7,), inputs=(normal(7, 5),)),
    Case("ELU", (2,), inputs=(choice(SIGNS, 7, 5),), witness=False, note="kinks"),
    Case("CELU", (2.25,), inputs=(normal(7, 5),)),
    Case("CELU", (0.75, True), inputs=(normal(7, 5),)),
    Case("CELU", (2,), inputs=(choice(SIGNS, 7, 5),), witness=False, note="kinks"),
    Case("SELU", (True,), inputs=(normal(7, 5),)),
]

for name in ("ReLU", "LeakyReLU", "RReLU", "ELU", "CELU", "SELU"):
    smooth = "ReLU" not in name
    CASES += [
        Case(name, inputs=(normal(7, 5),), smooth=smooth),
        Case(name, inputs=(strided(normal(2, 7, 5)),), smooth=smooth, note="strided"),
        Case(name, inputs=(normal(0, 5),), smooth=smooth, note="empty"),
        Case(name, inputs=(choice([-1000.0, *SIGNS, 1000.0], 7, 5),), witness=False, note="extreme"),
    ]
