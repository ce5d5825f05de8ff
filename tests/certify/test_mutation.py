"""Mutation testing: the machinery, and the universal checks of two files (all: tests/certify/test_certificate.py)."""

import importlib

import numpy as np
import pytest

from tests.cases import all_cases
from tests.certify.equal import told_apart
from tests.certify.mutants import (
    cases_by_maker,
    cases_by_owner,
    excused,
    noticed_by,
    prepared,
    survive,
    survive_forgotten_orders,
)
from tests.certify.mutation import forgotten_orders, mutants, ordered, owners, planted
from tests.checks import float16_is_rounded_once
from tests.nn import test_half
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
    return scores, [m.name for score in scores for m in score.survivors if m.name not in known]


def test_the_universal_checks_notice_every_mutant_of_two_files():
    """Catches checks or cases that have become blind; whatever is not noticed stands in survivors.txt with a reason."""
    cases = [case for case in all_cases() if case.module in ("Linear", "Softmax", "LogSoftmax", "Softmin", "Softmax2d")]
    scores, left = unexplained(cases, ["torchref.nn.linear", "torchref.nn.softmax"])
    assert not left
    assert sum(score.caught for score in scores) > 50


def test_a_mutant_that_only_a_test_notices_is_noticed_by_it():
    """Catches a test that is named in survivors.txt and does not look."""
    mutant = next(m for m in mutants(of("torchref.nn.linear", "linear")) if m.name in excused())
    test = excused()[mutant.name].removeprefix("noticed by ")
    assert noticed_by(test, mutant)
    assert not noticed_by("tests.certify.test_promises.test_padding_without_a_gradient", mutant)


def test_the_checks_of_float16_notice_every_mutant_of_its_backward():
    """Catches checks of float16 that see no gradient: the cases of the certificate are float64 and float32."""
    cases = [case for case in all_cases() if case.name in ("Linear(5,3)", "Tanh()")]
    assert len(cases) == 2

    def checks_fail():
        try:
            for case in cases:
                float16_is_rounded_once(case)
            test_half.test_norms_take_float32_parameters(lambda nn: nn.LayerNorm(4), (3, 4), True)
        except Exception:  # a mutant may raise anything
            return True
        return False

    def survives(mutant):
        with planted(mutant):
            return not checks_fail()

    found = list(mutants(of("torchref.nn.half", "rounded_backward")))
    assert len(found) > 5
    assert not checks_fail()
    assert not [mutant.name for mutant in found if survives(mutant)]


def linear_cases():
    return [case for case in all_cases() if case.module == "Linear"]


def test_random_probes_tell_mutants_apart():
    """Catches probes that see nothing: of linear's mutants, all but the one that only computes more are noticed."""
    planted = list(mutants(of("torchref.nn.linear", "linear")))
    apart = told_apart(linear_cases(), planted, 40)
    assert {m.name for m in planted} - apart.keys() == {n for n in excused() if n.startswith("linear.linear")}


@pytest.mark.parametrize(
    ("file", "function", "module"),
    [
        ("max_pooling", "scatter", "AdaptiveMaxPool2d"),
        ("max_pooling", "scatter", "FractionalMaxPool3d"),
        ("unpooling", "max_unpool", "MaxUnpool1d"),
    ],
)
def test_a_forgotten_memory_order_is_noticed(file, function, module):
    """Catches checks that see arrays in C order alone: what is written through a reshape is then lost unseen."""
    cases = prepared([case for case in all_cases() if case.module == module])
    found = cases_by_maker(cases, [f"torchref.nn.{file}"])
    (owner,) = [owner for owner in ordered(f"torchref.nn.{file}") if owner.name == function]
    (score,) = survive_forgotten_orders({owner: found[owner]})
    assert score.caught == score.planted == len(list(forgotten_orders(owner))) == 1


def test_the_tests_that_survivors_name_are_there():
    """Catches a test that was moved or renamed: the certificate would end in an error after minutes."""
    named = {reason.removeprefix("noticed by ") for reason in excused().values() if reason.startswith("noticed by ")}
    assert named
    for name in named:
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function)), name
