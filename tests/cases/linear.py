"""The cases of linear layers."""

from tests.cases import Case, normal, strided
from tests.cases.loss import zero_d

CASES = [
    Case("Linear", (5, 3), inputs=(normal(7, 5),)),
    Case("Linear", (5, 3), {"bias": False}, inputs=(normal(7, 5),)),
    Case("Linear", (5, 3), inputs=(normal(5),), note="unbatched"),
    Case("Linear", (5, 3), inputs=(normal(2, 7, 5),), note="leading dimensions"),
    Case("Linear", (5, 3), inputs=(normal(0, 5),), note="empty"),
    Case("Linear", (5, 3), inputs=(strided(normal(7, 5)),), note="strided"),
    Case("functional.linear", inputs=(normal(7, 5), normal(5)), note="one output"),
    Case("functional.linear", inputs=(normal(2, 7, 5), normal(5), zero_d(normal())), note="one output, with a bias"),
    Case("Bilinear", (5, 3, 2), inputs=(normal(7, 5), normal(7, 3))),
    Case("Bilinear", (5, 3, 2), {"bias": False}, inputs=(normal(7, 5), normal(7, 3))),
    Case("Bilinear", (5, 3, 2), inputs=(normal(5), normal(3)), note="unbatched"),
    Case("Bilinear", (5, 3, 2), inputs=(normal(11, 7, 5), normal(11, 7, 3)), note="leading dimensions"),
    Case("Bilinear", (5, 3, 2), inputs=(normal(0, 5), normal(0, 3)), note="empty"),
    Case("Bilinear", (5, 3, 2), inputs=(strided(normal(7, 5)), strided(normal(7, 3))), note="strided"),
    Case("Identity", inputs=(normal(7, 5),)),
    Case("Sequential", inputs=(normal(7, 5),), note="empty"),
    Case("Sequential", (lambda nn: nn.Flatten(), lambda nn: nn.Linear(15, 2)), inputs=(normal(7, 3, 5),)),
]
