"""The cases of the losses with a margin."""

import numpy as np

from tests.cases import Case, choice, integers, normal, strided, uniform
from tests.cases.loss import BINARY_WEIGHT, CLASS_WEIGHT, NONE, REDUCTIONS, pair, zero_d

SIGNS = [-1.0, 1.0]


def signs(*shape):
    return choice(SIGNS, *shape)


def without_target_gradient(cases):
    """The same cases of a loss whose target is floating but has no gradient."""
    return [Case(**{**vars(case), "constants": (1,)}) for case in cases]


def labels_ended_by(*shape):
    """Rows of labels, some twice, with -1 somewhere, and labels after it that do not count."""

    def draw(rng):
        labels = rng.integers(0, shape[-1], shape)
        return np.where(rng.random(shape) < 0.3, -1, labels)

    return draw


def multi_class(module, draw_target, **options):
    return [
        *(
            Case(module, (), {**options, "reduction": r}, inputs=(normal(7, 5), draw_target(7)), smooth=False)
            for r in REDUCTIONS
        ),
        Case(module, (), {**options, **NONE}, inputs=(normal(5), draw_target()), smooth=False, note="unbatched"),
        Case(module, (), {**options, **NONE}, inputs=(normal(0, 5), draw_target(0)), smooth=False, note="empty"),
        Case(
            module, (), {**options}, inputs=(strided(normal(7, 5)), strided(draw_target(7))), smooth=False, note="str"
        ),
        Case(
            module,
            (),
            {**options},
            inputs=(choice([0.0, 1.0, 2.0], 31, 5), draw_target(31)),
            witness=False,
            note="kinks",
        ),
    ]


def class_labels(*shape):
    return integers(5, *shape)


def label_lists(*shape):
    return labels_ended_by(*shape, 5)


def grid(*shape):
    """Few distinct values, so that many entries lie on an edge."""
    return choice([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0], *shape)


CASES = [
    *pair("HuberLoss", normal, normal, (7, 3)),
    *pair("HuberLoss", normal, normal, (7, 3), delta=0.3),
    Case("HuberLoss", (), {"delta": 0.5, **NONE}, inputs=(grid(31), grid(31)), witness=False, note="kinks"),
    *pair("SmoothL1Loss", normal, normal, (7, 3)),
    *pair("SmoothL1Loss", normal, normal, (7, 3), beta=0.3),
    Case("SmoothL1Loss", (), {"beta": 0.0}, inputs=(normal(7, 3), normal(7, 3)), smooth=False),
    Case("SmoothL1Loss", (), {"beta": 0.5, **NONE}, inputs=(grid(31), grid(31)), witness=False, note="kinks"),
    *pair("PoissonNLLLoss", normal, lambda *s: uniform(*s, high=5.0), (7, 3)),
    *pair("PoissonNLLLoss", normal, lambda *s: uniform(*s, low=0.1, high=5.0), (7, 3), full=True),
    Case(
        "PoissonNLLLoss",
        kwargs={"full": True},
        inputs=(normal(5, 3), choice([0.5, 1.0, 2.0], 5, 3)),
        smooth=False,
        witness=False,
        note="kink at a target of 1",
    ),
    *pair(
        "PoissonNLLLoss",
        lambda *s: uniform(*s, low=0.5, high=2.0),
        lambda *s: uniform(*s, low=0.1, high=5.0),
        (7, 3),
        full=True,
        log_input=False,
        eps=0.1,
    ),
    *(
        Case(
            "GaussianNLLLoss",
            (),
            {"reduction": reduction, "full": full},
            inputs=(normal(7, 3), normal(7, 3), uniform(*shape, low=0.5, high=2.0)),
            note=f"var{shape}".replace(" ", ""),
        )
        for reduction in REDUCTIONS
        for full in (False, True)
        for shape in ((7, 3), (7,), (7, 1), (1, 3))
    ),
    Case("GaussianNLLLoss", inputs=(normal(7, 3), normal(7, 3), 0.7), note="fixed var"),
    Case("GaussianNLLLoss", inputs=(normal(3), normal(3), zero_d(uniform(low=0.5))), note="1-d"),
    Case("GaussianNLLLoss", inputs=(*[zero_d(normal())] * 2, zero_d(uniform(low=0.5))), note="scalar"),
    Case("GaussianNLLLoss", inputs=(normal(0, 3), normal(0, 3), uniform(0, 3)), note="empty"),
    Case(
        "GaussianNLLLoss",
        (),
        {"eps": 0.5, **NONE},
        inputs=(normal(7, 3), normal(7, 3), choice([0.0, 0.5, 0.3, 0.7], 7, 3)),
        witness=False,
        note="clamped",
    ),
    *(
        Case(
            "KLDivLoss",
            (),
            {"reduction": reduction, "log_target": log_target},
            inputs=(normal(7, 3), normal(7, 3) if log_target else uniform(7, 3, low=0.1)),
        )
        for reduction in ("none", "sum", "batchmean")
        for log_target in (False, True)
    ),
    Case(
        "KLDivLoss", (), {"reduction": "batchmean"}, inputs=(zero_d(normal()), zero_d(uniform(low=0.1))), note="scalar"
    ),
    Case("KLDivLoss", (), NONE, inputs=(normal(31), choice([0.0, 0.5], 31)), witness=False, note="zeros"),
    Case("KLDivLoss", (), NONE, inputs=(normal(0, 3), uniform(0, 3)), note="empty"),
    *without_target_gradient(pair("SoftMarginLoss", normal, signs, (7, 3))),
    Case(
        "SoftMarginLoss",
        (),
        NONE,
        inputs=(choice([-800.0, 800.0, -50.0, 0.0], 31), signs(31)),
        constants=(1,),
        witness=False,
        note="large",
    ),
    *(
        Case(
            "MultiLabelSoftMarginLoss",
            (weight,),
            {"reduction": reduction},
            inputs=(normal(*shape), uniform(*shape)),
            smooth=False,
            note=f"{len(shape)}-d",
        )
        for weight in (None, BINARY_WEIGHT)
        for reduction in REDUCTIONS
        for shape in ((7, 3), (3,), (2, 5, 3))
    ),
    Case("MultiLabelSoftMarginLoss", (), NONE, inputs=(normal(0, 3), uniform(0, 3)), note="empty"),
    *without_target_gradient(pair("HingeEmbeddingLoss", normal, signs, (7, 3))),
    *without_target_gradient(pair("HingeEmbeddingLoss", normal, signs, (7, 3), margin=0.3)),
    Case(
        "HingeEmbeddingLoss",
        (),
        NONE,
        inputs=(grid(61), choice([-1.0, 1.0, 0.0, 0.5], 61)),
        constants=(1,),
        witness=False,
        note="kinks",
    ),
    *(
        Case("MarginRankingLoss", (margin,), {"reduction": r}, inputs=(*[normal(7, 3)] * 2, signs(7, 3)), smooth=False)
        for margin in (0.0, 0.3)
        for r in REDUCTIONS
    ),
    Case("MarginRankingLoss", inputs=(zero_d(normal()), zero_d(normal()), np.array(1.0)), smooth=False, note="scalar"),
    Case("MarginRankingLoss", (0.5,), NONE, inputs=(grid(61), grid(61), signs(61)), witness=False, note="kinks"),
    *multi_class("MultiMarginLoss", class_labels),
    *multi_class("MultiMarginLoss", class_labels, p=2, margin=0.7, weight=CLASS_WEIGHT),
    Case("MultiMarginLoss", (), {"weight": CLASS_WEIGHT}, inputs=(normal(7, 5), integers(5, 7)), smooth=False),
    Case("MultiMarginLoss", (), NONE, inputs=(normal(5), integers(5, 1)), smooth=False, note="target (1)"),
    Case("MultiMarginLoss", (), NONE, inputs=(zero_d(normal()), integers(1)), smooth=False, note="scalar"),
    *multi_class("MultiLabelMarginLoss", label_lists),
    Case("MultiLabelMarginLoss", (), NONE, inputs=(zero_d(normal()), np.array(0)), smooth=False, note="scalar"),
    *(
        Case("CosineEmbeddingLoss", (margin,), {"reduction": r}, inputs=(*[normal(7, 3)] * 2, target), smooth=False)
        for margin in (0.0, 0.3)
        for r in REDUCTIONS
        for target in (choice([-1, 1], 7),)
    ),
    Case(
        "CosineEmbeddingLoss", inputs=(normal(7, 3), normal(7, 3), signs(7)), constants=(2,), smooth=False, note="float"
    ),
    Case("CosineEmbeddingLoss", (), NONE, inputs=(normal(3), normal(3), np.array(-1)), smooth=False, note="unbatched"),
    Case("CosineEmbeddingLoss", (), NONE, inputs=(normal(0, 3), normal(0, 3), integers(2, 0)), note="empty"),
    Case(
        "CosineEmbeddingLoss",
        (),
        NONE,
        inputs=(choice([0.0, 1.0], 61, 3), choice([0.0, 1.0, -1.0], 61, 3), choice([-1, 1, 2], 61)),
        witness=False,
        note="orthogonal and zero",
    ),
    *(
        Case(
            "TripletMarginLoss",
            (margin, p),
            {"swap": swap, "reduction": r},
            inputs=(normal(7, 3), normal(7, 3), normal(7, 3)),
            smooth=False,
        )
        for margin, p in ((1.0, 2.0), (2.5, 1.0), (0.4, 3.0))
        for swap in (False, True)
        for r in REDUCTIONS
    ),
    Case("TripletMarginLoss", (), {"eps": 0.1}, inputs=(normal(3), normal(3), normal(3)), smooth=False, note="1-d"),
    Case("TripletMarginLoss", inputs=(normal(2, 7, 3), normal(1, 7, 3), normal(2, 1, 3)), smooth=False, note="3-d"),
    Case("TripletMarginLoss", (), NONE, inputs=(normal(0, 3), normal(0, 3), normal(0, 3)), note="empty"),
    Case(
        "TripletMarginLoss",
        (1.0, 1.0, 0.0, True),
        NONE,
        inputs=(grid(61, 2), grid(61, 2), grid(61, 2)),
        witness=False,
        note="ties",
    ),
    *(
        Case(
            "TripletMarginWithDistanceLoss",
            (),
            {"distance_function": distance, "swap": swap, "margin": 2.0},
            inputs=(normal(7, 3), normal(7, 3), normal(7, 3)),
            smooth=False,
            note=name,
        )
        for name, distance in (
            ("default", None),
            ("1-norm", lambda nn: nn.PairwiseDistance(p=1.0)),
            ("cosine", lambda nn: nn.CosineSimilarity()),
        )
        for swap in (False, True)
    ),
    Case("TripletMarginWithDistanceLoss", (), NONE, inputs=(normal(7, 3), normal(7, 3), normal(7, 3)), smooth=False),
]
