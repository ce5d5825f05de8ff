"""Thousands of random calls, right and wrong, must end in both libraries alike, or as manual/differences.md says."""

from collections import Counter

import pytest

from tests.fuzz.calls import seeds
from tests.fuzz.endings import call
from tests.fuzz.known import KNOWN, known
from torchref.nn import functional as F

SOME, ALL = 5, 60  # calls of each function and module


@pytest.fixture(scope="module")
def cases():
    return seeds()


def unknown_differences(numbers, cases, rows):
    """What ends differently and stands on no page, as text; `rows` counts what stands there."""
    found = []
    for name in sorted(cases):
        for number in numbers:
            if (difference := call(name, number, cases[name])) is None:
                continue
            if (row := known(difference)) is None:
                found.append(str(difference))
            else:
                rows[row.row] += 1
    return "\n".join(found)


def test_random_calls_end_as_in_torch(cases):
    """Catches another exception type, a raw Python error, what one library alone takes, another value or dtype."""
    assert unknown_differences(range(SOME), cases, Counter()) == ""


@pytest.mark.slow
def test_many_random_calls_end_as_in_torch(cases):
    """As above, ten times as many; and a row that none of them shows any longer should leave the list."""
    rows = Counter()
    assert unknown_differences(range(SOME, ALL), cases, rows) == ""
    assert {k.row for k in KNOWN} == set(rows)


def test_every_function_and_module_is_called(cases):
    """Catches a function or a module that the fuzz never sees."""
    called = {name.removeprefix("functional.") for name in cases}
    modules = {case.module for group in cases.values() for case in group}
    assert set(F.__all__) - called - {"flatten", "unflatten"} == set()  # modules alone call these, as torch.nn does
    assert len(modules) == len(cases)
