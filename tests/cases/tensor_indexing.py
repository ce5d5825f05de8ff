"""torchref.tensor: reading and writing by index, with repeated indices."""

import numpy as np

from tests.cases import Case, booleans, choice, integers, normal, point, strided

A, B = normal(3, 5), normal(2, 3, 5)
FIXED = np.random.default_rng(3)
MASK = FIXED.random((3, 5)) < 0.4
TIES, MORE = choice([0.0, 1.0, 2.0], 3, 5), choice([0.0, 1.0, 2.0], 5, 5)


def several(n, *shape):
    """Indices of which some come again."""
    return integers(n, *shape)


def distinct(n, k):
    """k different indices below n."""
    return lambda rng: rng.permutation(n)[:k]


def columns(n, k, m):
    """For each of m columns k different indices below n."""
    return lambda rng: np.argsort(rng.random((n, m)), axis=0)[:k]


READING = [
    Case("tensor.index", inputs=(A, 1)),
    Case("tensor.index", inputs=(A, slice(None, None, 2), -1), note="slice"),
    Case("tensor.index", inputs=(A, None, Ellipsis, slice(1, 4)), note="new dimension"),
    Case("tensor.index", inputs=(A, several(3, 4)), note="array"),
    Case("tensor.index", inputs=(A, several(3, 4), several(5, 2, 4)), note="two arrays"),
    Case("tensor.index", inputs=(B, several(2, 4), slice(None), several(5, 4)), note="arrays apart"),
    Case("tensor.index", inputs=(B, 1, slice(None), several(5, 4)), note="integer and array"),
    Case("tensor.index", inputs=(B, several(2, 3), None, several(3, 3)), note="None between"),
    Case("tensor.index", inputs=(A, MASK), note="mask"),
    Case("tensor.index", inputs=(B, slice(None), MASK), note="mask behind"),
    Case("tensor.index", inputs=(B, np.array([True, False]), several(3, 1)), note="mask and array"),
    Case("tensor.index", inputs=(A, 1, 2), note="one entry"),
    Case("tensor.index", inputs=(strided(A), several(3, 4)), note="strided"),
    Case("tensor.index", inputs=(A, np.array([-1, 0, -1])), note="negative"),
    Case("tensor.index", inputs=(integers(9, 5), several(5, 4)), note="integers"),
    Case("tensor.index_select", inputs=(B, 1, several(3, 4))),
    Case("tensor.index_select", inputs=(normal(4), 0, several(4, 7)), note="a row"),
    Case("tensor.gather", inputs=(A, 1, several(5, 3, 7))),
    Case("tensor.gather", inputs=(B, 0, several(2, 3, 2, 4)), note="shorter"),
    Case("tensor.gather", inputs=(A, 0, integers(3, 0, 5)), note="empty"),
    Case("tensor.gather", inputs=(point, 0, integers(1, 1)), note="0-d"),
    Case("tensor.index_select", inputs=(point, 0, integers(1, 1)), note="0-d"),
    Case("tensor.index", inputs=(point, None, Ellipsis), note="0-d"),
    Case("tensor.take_along_dim", inputs=(A, several(5, 1, 4), 1)),
    Case("tensor.take_along_dim", inputs=(normal(3, 1), several(3, 4, 2), 0), note="broadcast"),
    Case("tensor.take_along_dim", inputs=(A, several(15, 4))),
    Case("tensor.take", inputs=(A, integers(15, 2, 4, low=-15))),
    Case("tensor.masked_select", inputs=(A, MASK)),
    Case("tensor.masked_select", inputs=(normal(5), MASK), note="broadcast"),
]
WRITING = [
    Case("tensor.scatter", inputs=(A, 0, columns(3, 2, 5), normal(2, 5))),
    Case("tensor.scatter", inputs=(A, 1, several(5, 3, 2), 0.5)),
    Case("tensor.scatter", inputs=(A, 1, integers(5, 3, 0), 0.5), note="empty"),
    Case("tensor.scatter_add", inputs=(A, 0, several(3, 4, 5), normal(4, 5))),
    Case("tensor.scatter_add", inputs=(strided(A), 1, several(5, 2, 4), normal(2, 4)), note="strided"),
    *(
        Case("tensor.scatter_reduce", (), {"include_self": c}, (A, 1, several(5, 3, 7), normal(3, 7), r), smooth=False)
        for r in ("sum", "prod", "mean", "amax", "amin")
        for c in (True, False)
    ),
    *(
        Case("tensor.scatter_reduce", (), {"include_self": c}, (TIES, 0, several(3, 5, 5), MORE, r), witness=False)
        for r in ("prod", "amax", "amin")
        for c in (True, False)
    ),
    Case("tensor.scatter_reduce", inputs=(point, 0, integers(1, 1), normal(1), "sum"), note="0-d"),
    Case("tensor.index_add", inputs=(B, 1, several(3, 4), normal(2, 4, 5))),
    Case("tensor.index_add", (), {"alpha": -0.5}, (A, 0, several(3, 4), normal(4, 5))),
    Case("tensor.index_copy", inputs=(B, 1, distinct(3, 2), normal(2, 2, 5))),
    Case("tensor.index_fill", inputs=(A, 1, several(5, 3), 0.5)),
    Case("tensor.index_fill", inputs=(A, 0, several(3, 3), point), note="0-d"),
    Case("tensor.index_put", inputs=(A, (distinct(3, 2),), normal(2, 5))),
    Case("tensor.index_put", inputs=(A, [distinct(3, 2)], normal(2, 5)), note="a list"),
    Case("tensor.index_put", inputs=(A, (distinct(3, 2), distinct(5, 2)), normal(1)), note="two arrays"),
    Case("tensor.index_put", inputs=(A, (several(3, 6), several(5, 6)), normal(6), True)),
    Case("tensor.index_put", inputs=(B, (several(2, 4), None, several(5, 4)), normal(4, 3), True), note="apart"),
    Case("tensor.index_put", inputs=(A, (MASK,), point), note="mask"),
    Case("tensor.masked_scatter", inputs=(A, MASK, normal(4, 5))),
    Case("tensor.masked_scatter", inputs=(normal(5), booleans(3, 5), normal(15)), note="broadcast"),
]
CASES = READING + WRITING
