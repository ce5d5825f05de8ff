"""The cases of padding."""

from tests.cases import Case, normal, strided

SIZES = {1: (7,), 2: (5, 7), 3: (4, 5, 7)}
UNEVEN = {1: (2, 3), 2: (2, 3, 1, 0), 3: (2, 3, 1, 0, 0, 2)}
CUT = {1: (-2, 1), 2: (-2, 3, 1, -1), 3: (1, -2, 0, -1, -1, 2)}

CASES = [
    case
    for n in (1, 2, 3)
    for name, args in [
        (f"ConstantPad{n}d", (-1.5,)),
        (f"ZeroPad{n}d", ()),
        (f"ReflectionPad{n}d", ()),
        (f"ReplicationPad{n}d", ()),
        (f"CircularPad{n}d", ()),
    ]
    for case in [
        Case(name, (2, *args), inputs=(normal(2, 3, *SIZES[n]),)),
        Case(name, (UNEVEN[n], *args), inputs=(normal(2, 3, *SIZES[n]),)),
        Case(name, (CUT[n], *args), inputs=(normal(2, 3, *SIZES[n]),)),
        Case(name, (UNEVEN[n], *args), inputs=(normal(3, *SIZES[n]),), note="unbatched"),
        Case(name, (1, *args), inputs=(normal(0, 3, *SIZES[n]),), note="empty"),
        Case(name, (1, *args), inputs=(strided(normal(2, 3, *SIZES[n])),), note="strided"),
    ]
] + [
    Case("ZeroPad1d", (0,), inputs=(normal(2, 3, 7),)),
    Case("ReflectionPad1d", (6,), inputs=(normal(2, 3, 7),), note="as far as there are entries"),
    Case("ReplicationPad1d", (9,), inputs=(normal(2, 3, 2),), note="further than there are entries"),
    Case("CircularPad1d", (7,), inputs=(normal(2, 3, 7),), note="once around"),
    Case("ConstantPad1d", ((-3, -4), 2.0), inputs=(normal(2, 3, 7),), note="nothing left"),
]
