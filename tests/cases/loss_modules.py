"""Losses that hold parameters: the linear cross-entropy and the adaptive softmax."""

from tests.cases import Case, integers, normal
from tests.cases.loss import CLASS_WEIGHT, NONE, REDUCTIONS, probabilities

CASES = [
    *(
        Case("LinearCrossEntropyLoss", (3, 5), {**options, "reduction": r}, inputs=(normal(7, 3), integers(5, 7)))
        for r in REDUCTIONS
        for options in ({}, {"bias": True, "weight": CLASS_WEIGHT, "ignore_index": 2}, {"label_smoothing": 0.3})
    ),
    Case("LinearCrossEntropyLoss", (3, 5), {"bias": True, **NONE}, inputs=(normal(3), integers(5)), note="unbatched"),
    *(
        Case(
            "LinearCrossEntropyLoss",
            (3, 5),
            {"bias": bias, "out_features": (2, 4), "weight": CLASS_WEIGHT},
            inputs=(normal(7, 3), integers(5, 7, 2, 4)),
        )
        for bias in (False, True)
    ),
    *(
        Case(
            "LinearCrossEntropyLoss",
            (3, 5),
            {"bias": True, "weight": weight},
            inputs=(normal(7, 3), probabilities(7, 5)),
            note="probabilities",
        )
        for weight in (None, CLASS_WEIGHT)
    ),
    Case(
        "LinearCrossEntropyLoss",
        (3, 5),
        {"out_features": (2,), "label_smoothing": 0.1},
        inputs=(normal(7, 3), probabilities(7, 5, 2)),
        note="probabilities",
    ),
    Case("AdaptiveLogSoftmaxWithLoss", (17, 13, [3, 7]), inputs=(normal(11, 17), integers(13, 11))),
    Case(
        "AdaptiveLogSoftmaxWithLoss",
        (17, 13, [2, 5, 6]),
        {"div_value": 2.0, "head_bias": True},
        inputs=(normal(11, 17), integers(13, 11)),
    ),
    Case("AdaptiveLogSoftmaxWithLoss", (5, 7, (3,)), inputs=(normal(11, 5), integers(3, 11)), note="shortlist only"),
    Case("AdaptiveLogSoftmaxWithLoss", (5, 7, (3,)), inputs=(normal(11, 5), integers(7, 11, low=3)), note="tail only"),
    Case("AdaptiveLogSoftmaxWithLoss", (5, 7, (3,)), inputs=(normal(5), integers(7, low=3)), note="unbatched"),
    Case(
        "AdaptiveLogSoftmaxWithLoss", (5, 7, (3,)), inputs=(normal(0, 5), integers(7, 0)), witness=False, note="empty"
    ),
]
