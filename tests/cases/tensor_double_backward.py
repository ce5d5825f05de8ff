"""torchref.tensor: backwards as functions of their own."""

from tests.cases import Case, choice, normal, strided, uniform

A = normal(3, 5)

CASES = [
    Case("tensor.sigmoid_backward", inputs=(A, uniform(3, 5))),
    Case("tensor.tanh_backward", inputs=(A, uniform(3, 5, low=-1.0))),
    Case("tensor.threshold_backward", inputs=(A, A, 0.2), smooth=False),
    Case("tensor.threshold_backward", inputs=(A, choice([0.0, 1.0, -1.0, float("nan")], 3, 5), 0), witness=False),
    *(
        Case(f"tensor.{n}", inputs=(A, A, d))
        for n in ("softmax_backward_data", "log_softmax_backward_data")
        for d in (0, -1)
    ),
    Case("tensor.softmax_backward_data", inputs=(strided(A), A, 1), note="strided"),
]
