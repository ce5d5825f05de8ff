"""The cases of the activations in straight pieces."""

from tests.cases import Case, choice, normal, strided

KINKS = [-6.0, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0]

CASES = [
    Case("Hardtanh", (-0.3, 0.7), inputs=(normal(7, 5),), smooth=False),
    Case("Hardtanh", (-2, 1, True), inputs=(normal(7, 5),), smooth=False),
    Case("Hardtanh", (-0.5, 3.0), inputs=(choice(KINKS, 7, 5),), witness=False, note="kinks"),
    Case("ReLU6", (True,), inputs=(normal(7, 5, scale=5.0),), smooth=False),
    Case("Hardsigmoid", (True,), inputs=(normal(3, 2),), smooth=False),
    Case("Hardswish", (True,), inputs=(normal(7, 5, scale=3.0),), smooth=False),
    Case("Hardshrink", (0.7,), inputs=(normal(7, 5),), smooth=False),
    Case("Hardshrink", (-0.7,), inputs=(normal(7, 5),), smooth=False),
    Case("Softshrink", (0.7,), inputs=(normal(7, 5),), smooth=False),
    Case("Softshrink", (0,), inputs=(normal(7, 5),), smooth=False),
]

for name in ("Hardtanh", "ReLU6", "Hardsigmoid", "Hardswish", "Hardshrink", "Softshrink"):
    CASES += [
        Case(name, inputs=(normal(7, 5, scale=3.0),), smooth=False),
        Case(name, inputs=(strided(normal(2, 3)),), smooth=False, note="strided"),
        Case(name, inputs=(normal(0, 5),), smooth=False, note="empty"),
        Case(name, inputs=(choice(KINKS, 7, 11),), witness=False, note="kinks"),
    ]
