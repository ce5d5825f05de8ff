"""The cases of the losses."""

import numpy as np

from tests.cases import Case, choice, integers, normal, strided, uniform

REDUCTIONS = ("none", "mean", "sum")
CLASS_WEIGHT = np.array([0.3, 1.7, 0.9, 2.1, 0.6])
INF = float("inf")
NONE = {"reduction": "none"}


def probabilities(*shape):
    """Positive, along the second dimension summing to 1 (along the first of a vector)."""

    def draw(rng):
        raw = rng.uniform(0.1, 1.0, shape)
        return raw / raw.sum(axis=min(1, len(shape) - 1), keepdims=True)

    return draw


def zero_d(draw):
    """What a generator returns as a number, as an array of shape ()."""
    return lambda rng: np.array(draw(rng))


def pair(module, draw_x, draw_target, shape, **options):
    """The reductions and shapes that every loss of an input and a target of one shape takes."""
    return [
        *(
            Case(module, (), {**options, "reduction": r}, inputs=(draw_x(*shape), draw_target(*shape)), smooth=False)
            for r in REDUCTIONS
        ),
        Case(module, (), {**options}, inputs=(zero_d(draw_x()), zero_d(draw_target())), smooth=False, note="scalar"),
        Case(module, (), {**options}, inputs=(draw_x(2, 3, 5), draw_target(2, 3, 5)), smooth=False, note="3-d"),
        Case(module, (), {**options}, inputs=(draw_x(0, 3), draw_target(0, 3)), smooth=False, note="empty"),
        Case(module, (), {**options, **NONE}, inputs=(draw_x(0, 3), draw_target(0, 3)), smooth=False, note="empty"),
        Case(
            module,
            (),
            {**options},
            inputs=(strided(draw_x(7, 3)), strided(draw_target(7, 3))),
            smooth=False,
            note="strided",
        ),
    ]


def labelled(module, **options):
    """The arguments and shapes that the losses of class labels take."""
    return [
        *(Case(module, (), {**options, "reduction": r}, inputs=(normal(7, 5), integers(5, 7))) for r in REDUCTIONS),
        *(
            Case(module, (CLASS_WEIGHT,), {**options, "reduction": r, "ignore_index": 2}, inputs=INPUTS_2D)
            for r in REDUCTIONS
        ),
        *(
            Case(
                module, (CLASS_WEIGHT,), {**options, "reduction": r}, inputs=(normal(3, 5, 2, 7), integers(5, 3, 2, 7))
            )
            for r in REDUCTIONS
        ),
        Case(module, (), {**options}, inputs=(normal(3, 5, 2, 1, 3), integers(5, 3, 2, 1, 3)), note="5-d"),
        Case(module, (CLASS_WEIGHT,), {**options}, inputs=(normal(5), integers(5)), note="unbatched"),
        Case(module, (), {**options, **NONE}, inputs=(normal(5), integers(5)), note="unbatched"),
        Case(module, (), {**options}, inputs=(normal(0, 5), integers(5, 0)), note="empty"),
        Case(module, (), {**options, **NONE}, inputs=(normal(0, 5), integers(5, 0)), note="empty"),
        Case(module, (), {**options}, inputs=(strided(normal(7, 5)), strided(integers(5, 7))), note="strided"),
        Case(module, (), {**options}, inputs=(normal(3, 5), np.full(3, -100)), witness=False, note="all ignored"),
        Case(module, (), {**options, "reduction": "sum"}, inputs=(normal(3, 5), np.full(3, -100)), note="all ignored"),
    ]


INPUTS_2D = (normal(7, 5), np.array([1, 2, 4, 0, 2, 3, 3]))


def probability_targets(**options):
    """Cross-entropy of class probabilities: 2-d, N-d, unbatched, weighted."""
    m = "CrossEntropyLoss"
    return [
        *(
            Case(m, (w,), {**options, "reduction": r}, inputs=(normal(7, 5), probabilities(7, 5)), note="probabilities")
            for w in (None, CLASS_WEIGHT)
            for r in REDUCTIONS
        ),
        Case(
            m, (CLASS_WEIGHT,), {**options}, inputs=(normal(3, 5, 2), probabilities(3, 5, 2)), note="probabilities 3-d"
        ),
        Case(m, (CLASS_WEIGHT,), {**options}, inputs=(normal(5), probabilities(5)), note="probabilities unbatched"),
        Case(m, (), {**options, **NONE}, inputs=(normal(5), normal(5)), note="any numbers unbatched"),
        Case(m, (), {**options}, inputs=(normal(0, 5), normal(0, 5)), note="probabilities empty"),
    ]


def infinite_logits(**options):
    """-inf off and on the target, a row of -inf, an inf, an ignored row with nan, huge logits."""
    x = np.array(
        [[-INF, 2, 3], [1, 2, 3], [-INF, -INF, -INF], [INF, 2, 3], [-INF, 1, 2], [np.nan, 2, 3], [1000, -1000, 0]]
    )
    target = np.array([1, 1, 0, 0, 0, -100, 2])
    return [
        Case("CrossEntropyLoss", (), {**options, "reduction": r}, inputs=(x, target), witness=False, note="infinities")
        for r in ("none", "sum")
    ]


BINARY_WEIGHT = np.array([0.3, 1.7, 0.9])

CASES = [
    *pair("MSELoss", normal, normal, (7, 3)),
    *pair("L1Loss", normal, normal, (7, 3)),
    Case("L1Loss", inputs=(choice([0.0, 1.0], 7, 3), choice([0.0, 1.0], 7, 3)), witness=False, note="kinks"),
    *pair("BCELoss", lambda *s: uniform(*s, low=0.05, high=0.95), uniform, (7, 3)),
    *(
        Case(
            "BCELoss",
            (weight,),
            {"reduction": reduction},
            inputs=(uniform(7, 3, low=0.05, high=0.95), uniform(7, 3)),
            smooth=False,
        )
        for weight in (BINARY_WEIGHT, np.arange(1.0, 8.0)[:, None])
        for reduction in REDUCTIONS
    ),
    Case(
        "BCELoss",
        (),
        NONE,
        inputs=(choice([0.0, 1.0, 1e-13, 0.5], 31), choice([0.0, 1.0, 0.5], 31)),
        witness=False,
        note="clamps",
    ),
    *pair("BCEWithLogitsLoss", normal, uniform, (7, 3)),
    *(
        Case(
            "BCEWithLogitsLoss",
            (),
            {"weight": weight, "pos_weight": pos_weight, "reduction": reduction},
            inputs=(normal(7, 3), uniform(7, 3)),
            smooth=False,
        )
        for weight, pos_weight in [
            (None, BINARY_WEIGHT),
            (BINARY_WEIGHT, None),
            (np.arange(1.0, 8.0)[:, None], BINARY_WEIGHT),
        ]
        for reduction in REDUCTIONS
    ),
    Case(
        "BCEWithLogitsLoss",
        (),
        {"pos_weight": BINARY_WEIGHT, "reduction": "none"},
        inputs=(choice([0.0, 1000.0, -1000.0, 30.0, -30.0], 11, 3), choice([0.0, 1.0, 0.5], 11, 3)),
        witness=False,
        note="large",
    ),
    *labelled("NLLLoss"),
    *labelled("CrossEntropyLoss"),
    *labelled("CrossEntropyLoss", label_smoothing=0.3),
    *probability_targets(),
    *probability_targets(label_smoothing=0.3),
    Case("CrossEntropyLoss", (), {"label_smoothing": 1.0}, inputs=(normal(7, 5), integers(5, 7))),
    *infinite_logits(),
    *infinite_logits(label_smoothing=0.3),
]
