"""The cases of the activations that are smooth."""

import numpy as np

from tests.cases import Case, choice, normal, strided

EXTREME = [-1000.0, -30.0, -0.0, 0.0, 30.0, 1000.0]  # where exp overflows, and where a difference rounds to nothing

CASES = [
    Case("Softplus", (3.0, 2.0), inputs=(normal(7, 5),)),
    Case("Softplus", (0.3, 0.2), inputs=(normal(7, 5),)),
    Case("Softplus", (1, 2), inputs=(choice([2.0, 3.0, -2.0], 7, 5),), witness=False, note="at the threshold"),
    Case("SiLU", (True,), inputs=(normal(7, 5),)),
    Case("Mish", (True,), inputs=(normal(7, 5),)),
    Case("GELU", ("tanh",), inputs=(normal(7, 5, scale=2.0),)),
    Case("GELU", ("tanh",), inputs=(choice(EXTREME, 7, 5),), smooth=False, note="extreme"),
    Case("GLU", inputs=(normal(7, 6),)),
    Case("GLU", (0,), inputs=(normal(6, 7),)),
    Case("GLU", (1,), inputs=(normal(2, 6, 5, 3),)),
    Case("GLU", (-2,), inputs=(strided(normal(2, 6, 5)),), note="strided"),
    Case("GLU", inputs=(normal(6),), note="unbatched"),
    Case("GLU", inputs=(normal(0, 6),), note="empty"),
    Case("GLU", inputs=(normal(7, 0),), note="no channel"),
    Case("GLU", inputs=(choice(EXTREME, 7, 6),), smooth=False, note="extreme"),
]

for name in ("Sigmoid", "Tanh", "SiLU", "Mish", "Softplus", "LogSigmoid", "Softsign", "Tanhshrink", "GELU"):
    smooth = name != "Softsign"  # it has an absolute value
    CASES += [
        Case(name, inputs=(normal(7, 5, scale=2.0),), smooth=smooth),
        Case(name, inputs=(strided(normal(2, 7, 5)),), smooth=smooth, note="strided"),
        Case(name, inputs=(normal(0, 5),), smooth=smooth, note="empty"),
        Case(name, inputs=(choice(EXTREME, 7, 5),), smooth=False, witness=smooth, note="extreme"),
    ]

CASES += [
    Case(name, inputs=(lambda rng: np.asarray(rng.standard_normal()),), smooth=False, note="0-d")
    for name in ("Sigmoid", "Tanh", "GELU", "ReLU", "LeakyReLU", "PReLU", "ELU", "Hardtanh", "Hardswish", "Dropout")
]
