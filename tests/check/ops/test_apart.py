"""Every wrong formula is told apart from every other one of its operation, under one of the operation's settings."""

import itertools

import pytest

from tests.check.ops.test_mistakes import SETTINGS, answers, differ
from torchref.check.ops.catalogue import CATALOGUE

# settings under which two formulas that agree at the usual one differ
MORE = {
    "softplus": ("softplus(threshold=1.0)",),
    "rrelu": ("rrelu(upper=0.5)",),
    **{f"conv{d}d": (f"conv{d}d(padding=2)",) for d in (1, 2, 3)},
}

# Two ways to one formula: 1 / d is 1 / sqrt(d) twice.
ONE_SCALE = {("dS = P * (dP - row_sum) / q.shape[-1]", "dS = P * (dP - row_sum) * factor**2")}
ONE_FORMULA = {
    "scaled_dot_product_attention": ONE_SCALE,
    "multi_head_attention": ONE_SCALE,
}


@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_every_pair_is_told_apart(op):
    """Catches a wrong formula that no probe can name, because another one gives the same gradients everywhere."""
    flags = [m.flag for m in op.mistakes]
    assert len(set(flags)) == len(flags)
    found = []
    for against in (*SETTINGS.get(op.name, (op.name,)), *MORE.get(op.name, ())):
        for variant in ("rich", "square"):
            try:
                found.append(answers(against, variant))
            except (ValueError, KeyError):
                continue  # a setting that cannot be square
    together = set()
    for a, b in itertools.combinations(flags, 2):
        both = [f for f in found if (a,) in f and (b,) in f]
        seen = any(differ(f[()], f[a,]) for f in both)
        if seen and not any(differ(f[a,], f[b,]) for f in both):
            together.add(frozenset((a, b)))
    assert together == {frozenset(pair) for pair in ONE_FORMULA.get(op.name, set())}
