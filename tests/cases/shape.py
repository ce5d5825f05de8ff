import numpy as np

from tests.cases import Case, normal, strided

CASES = [
    Case("Flatten", inputs=(normal(2, 3, 5, 7),)),
    Case("Flatten", inputs=(normal(2, 3),), note="no change"),
    Case("Flatten", (0, 1), inputs=(normal(2, 3, 5),)),
    Case("Flatten", (0,), inputs=(lambda rng: np.asarray(rng.standard_normal()),), note="0-d"),
    Case("Flatten", (-2, 2), inputs=(normal(2, 3, 5),)),
    Case("Flatten", inputs=(normal(0, 3, 5),), note="empty"),
    Case("Flatten", inputs=(strided(normal(2, 3, 5)),), note="strided"),
    Case("Unflatten", (1, (3, 5)), inputs=(normal(2, 15),)),
    Case("Unflatten", (-1, [3, 5]), inputs=(normal(2, 15),)),
    Case("Unflatten", (0, (3, -1, 2)), inputs=(normal(30, 7),)),
    Case("Unflatten", (1, (3, 5)), inputs=(strided(normal(2, 15)),), note="strided"),
    Case("Unflatten", (1, (3, 5)), inputs=(normal(0, 15),), note="empty"),
    Case("Unflatten", (0, (-1, 2)), inputs=(normal(0, 15),), note="empty"),
]
