"""Mutation testing: the machinery, and the universal checks of two files; all files in the slow test."""

import numpy as np
import pytest

from tests.cases import all_cases
from tests.certify.mutants import all_modules, cases_by_owner, excused, prepared, survive
from torchref.check.mutation import mutants, owners, planted
from torchref.nn import functional as F


def of(module, name):
    return next(owner for owner in owners(module) if owner.name == name)


def test_mutants_are_what_slips_are():
    """Catches a kind of slip that is no longer planted: one of each kind in the backward of linear."""
    texts = {
        mutant.name.partition(": ")[2].partition(" -> ")[2] for mutant in mutants(of("torchref.nn.linear", "linear"))
    }
    for expected in (
        "dweight = dy_rows.T @ rows * 1.000001",  # a factor
        "dweight = rows @ dy_rows.T",  # exchanged
        "dweight = dy_rows @ rows",  # not transposed
        "dbias = None if bias is None else dy_rows.sum(axis=1)",  # another axis
        "return (dweight, dx, dbias)",  # another order
    ):
        assert expected in texts


def test_a_planted_mutant_works_everywhere_and_goes():
    """Catches a mutant that callers with an import of their own do not see, or one that stays."""
    tanh = F.tanh  # as another file would hold it
    x = np.array([0.3, -0.7])
    right = tanh(x)[1](np.ones(2))
    owner = of("torchref.nn.activation", "tanh")
    mutant = next(m for m in mutants(owner) if m.after == "return dy * (1 + y * y)")
    with planted(mutant):
        assert not np.allclose(tanh(x)[1](np.ones(2)), right)
    np.testing.assert_array_equal(tanh(x)[1](np.ones(2)), right)


def unexplained(cases, modules):
    scores = survive(cases_by_owner(prepared(cases), modules))
    known = excused()
    assert sum(score.planted for score in scores) > 0
    return scores, [name for score in scores for name in score.survivors if name not in known]


def test_the_universal_checks_notice_every_mutant_of_two_files():
    """Catches checks or cases that have become blind; whatever is not noticed stands in survivors.txt with a reason."""
    cases = [case for case in all_cases() if case.module in ("Linear", "Softmax", "LogSoftmax", "Softmin", "Softmax2d")]
    scores, left = unexplained(cases, ["torchref.nn.linear", "torchref.nn.softmax"])
    assert not left
    assert sum(score.caught for score in scores) > 50


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_universal_checks_notice_every_mutant():
    """The same for every file; a survivor that is excused but caught by now is to be taken off the list."""
    scores, left = unexplained(all_cases(), all_modules())
    assert not left
    survivors = {name for score in scores for name in score.survivors}
    assert not excused().keys() - survivors
    assert sum(score.caught for score in scores) > 3000
