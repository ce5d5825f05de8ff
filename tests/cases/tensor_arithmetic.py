"""torchref.tensor: sums, products, quotients, powers."""

import numpy as np

from tests.cases import Case, choice, integers, normal, point, strided, uniform

INF = float("inf")
A, B = normal(3, 5), normal(3, 5)
ROW, COLUMN = normal(5), normal(3, 1)
POSITIVE = uniform(3, 5, low=0.5, high=2.0)
SHAPES = [
    ((A, ROW), "row"),
    ((COLUMN, ROW), "column and row"),
    ((normal(2, 3, 1), A), "leading"),
    ((A, point), "0-d second"),
]


CASES = [
    *(Case(f"tensor.{name}", inputs=(A, B)) for name in ("add", "sub", "rsub", "mul", "div")),
    *(Case(f"tensor.{n}", inputs=i, note=note) for n in ("add", "mul", "div") for i, note in SHAPES),
    *(Case(f"tensor.{name}", inputs=(A, 0.7)) for name in ("add", "sub", "rsub", "mul", "div")),
    *(Case(f"tensor.{name}", (), {"alpha": -1.5}, (A, ROW)) for name in ("add", "sub", "rsub")),
    *(Case(f"tensor.{name}", inputs=(strided(A), B), note="strided") for name in ("add", "mul")),
    *(Case(f"tensor.{name}", inputs=(normal(0, 5), ROW), note="empty") for name in ("sub", "mul")),
    *(Case(f"tensor.{name}", inputs=(point, point), note="0-d") for name in ("sub", "mul", "div")),
    *(Case(f"tensor.{name}", inputs=(A, integers(7, 3, 5, low=1)), note="integers") for name in ("sub", "mul", "div")),
    *(Case(f"tensor.{name}", inputs=(integers(7, 5, low=1), A), note="integers first") for name in ("rsub", "div")),
    Case("tensor.div", inputs=(integers(7, 5), integers(7, 5, low=1)), note="integers alone"),
    Case("tensor.mul", inputs=(integers(7, 5), 0.5), note="integers and a number"),
    Case("tensor.mul", inputs=(A, choice([True, False], 5)), note="booleans"),
    Case(
        "tensor.div",
        inputs=(choice([0.0, -1.0, INF, 2.0], 11), choice([0.0, 1.0, INF], 11)),
        witness=False,
        note="infinite",
    ),
    *(Case("tensor.div", (), {"rounding_mode": m}, (ROW, B), smooth=False) for m in ("trunc", "floor")),
    *(Case("tensor.div", (), {"rounding_mode": m}, (integers(9, 7, low=-9), 3)) for m in ("trunc", "floor")),
    *(
        Case("tensor.div", (), {"rounding_mode": m}, (choice([0.0, -1.0, INF, 3.0], 11), -2.0), witness=False)
        for m in ("trunc", "floor")
    ),
    *(Case(f"tensor.{name}", inputs=(A, POSITIVE), smooth=False) for name in ("remainder", "fmod")),
    *(Case(f"tensor.{name}", inputs=(A, 0.7), smooth=False) for name in ("remainder", "fmod")),
    *(Case(f"tensor.{name}", inputs=(A, COLUMN), smooth=False, note="column") for name in ("remainder", "fmod")),
    *(
        Case(f"tensor.{name}", inputs=(integers(9, 7, low=-9), choice([-3, 4], 7)), note="integers")
        for name in ("remainder", "fmod")
    ),
    Case("tensor.pow", inputs=(POSITIVE, B)),
    Case("tensor.pow", inputs=(POSITIVE, ROW), note="row"),
    *(Case("tensor.pow", inputs=(A, n), note="negative base") for n in (2, 3, 2.0, -1, 0, 1)),
    *(Case("tensor.pow", inputs=(POSITIVE, p)) for p in (0.5, -0.5)),
    Case("tensor.pow", inputs=(2.5, A)),
    Case("tensor.pow", inputs=(0, A), witness=False, note="a power of 0"),
    Case("tensor.pow", inputs=(integers(5, 7), 3), note="integers"),
    Case(
        "tensor.pow",
        inputs=(choice([0.0, -1.0, 2.0], 31), choice([0.0, 1.0, 2.0, -1.0], 31)),
        witness=False,
        note="zeros",
    ),
    *(Case("tensor.pow", inputs=(choice([0.0, 1.0], 7), p), witness=False, note="zeros") for p in (0, 1, 2, 0.5, -1)),
    Case("tensor.float_power", inputs=(POSITIVE, ROW)),
    Case("tensor.float_power", inputs=(integers(5, 7), 2)),
    *(Case(f"tensor.{name}", inputs=(A,)) for name in ("neg", "positive", "reciprocal")),
    Case("tensor.reciprocal", inputs=(integers(5, 7),), note="integers"),
    Case("tensor.reciprocal", inputs=(choice([0.0, -0.0, INF, np.nan], 7),), witness=False, note="extremes"),
    Case("tensor.lerp", inputs=(A, B, 0.3)),
    Case("tensor.lerp", inputs=(A, B, 0.8)),
    Case("tensor.lerp", inputs=(A, ROW, normal(3, 1)), smooth=False),
    Case("tensor.addcmul", inputs=(A, B, ROW)),
    Case("tensor.addcmul", (), {"value": -0.7}, (A, COLUMN, ROW)),
    Case("tensor.addcmul", (), {"value": 2}, (integers(5, 7), integers(5, 7), integers(5, 7)), note="integers"),
    Case("tensor.addcdiv", inputs=(A, B, POSITIVE)),
    Case("tensor.addcdiv", (), {"value": -0.7}, (ROW, COLUMN, POSITIVE)),
]
