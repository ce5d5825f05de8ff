from tests.cases import Case, choice, normal

CASES = [
    Case("ReLU", inputs=(normal(7, 5),), smooth=False),
    Case("ReLU", (True,), inputs=(normal(7, 5),), smooth=False),
    Case("ReLU", inputs=(choice([-1.0, -0.0, 0.0, 2.0], 7, 5),), witness=False, note="kinks"),
]
