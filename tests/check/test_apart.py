"""Every wrong formula is told apart from every other one of its operation, under one of the operation's settings."""

import itertools

import pytest

from tests.check.test_mistakes import SETTINGS, answers, differ
from torchref.check.catalogue import CATALOGUE

# settings under which two formulas that agree at the usual one differ
MORE = {
    "softplus": ("softplus(threshold=1.0)",),
    "rrelu": ("rrelu(upper=0.5)",),
    **{f"conv{d}d": (f"conv{d}d(padding=2)",) for d in (1, 2, 3)},
}

# Two ways to one formula: sigmoid's slope taken for s is its value; 1 / d is 1 / sqrt(d) twice; a loss for each row has
# as many entries as the batch has rows; a slope at 0 is all that a relu's mask can get wrong.
ONE_FORMULA = {
    "sigmoid": {("value for slope", "only s")},
    "hardswish": {("2 of the square lost", "only the first term")},
    "rnn": {("slope at 0 active", "relu's slope")},
    "rnn_cell": {("slope at 0 active", "relu's slope")},
    "scaled_dot_product_attention": {("1 / d", "scale twice")},
    "multi_head_attention": {("1 / d", "scale twice")},
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
