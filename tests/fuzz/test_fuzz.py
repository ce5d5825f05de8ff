"""Thousands of random calls, right and wrong, must end in both libraries alike, or as manual/differences.md says."""

import re
from collections import Counter

import numpy as np
import pytest

from tests.checks import floating
from tests.fuzz import endings
from tests.fuzz.calls import seeds
from tests.fuzz.endings import Ending, call
from tests.fuzz.known import KNOWN, known
from torchref import tensor
from torchref.nn import functional as F

SOME, ALL = 5, 60  # calls of each function and module


@pytest.fixture(scope="module")
def cases():
    return seeds()


def unknown_differences(numbers, cases, rows):
    """What ends differently and stands on no page, as text; `rows` counts the calls that show each row."""
    found = []
    for name in sorted(cases):
        for number in numbers:
            if (difference := call(name, number, cases[name])) is None:
                continue
            if (row := known(difference)) is None:
                found.append(str(difference))
            else:
                rows[row] += 1
    return "\n".join(found)


def test_random_calls_end_as_in_torch(cases):
    """Catches another exception type, a raw Python error, what one library alone takes, another value or dtype."""
    assert unknown_differences(range(SOME), cases, Counter()) == ""


@pytest.mark.slow
def test_many_random_calls_end_as_in_torch(cases):
    """As above, twelve times as many; and a row that none of them shows any longer should leave the list."""
    rows = Counter()
    assert unknown_differences(range(ALL), cases, rows) == ""
    assert [known_row for known_row in KNOWN if known_row not in rows] == []


CHECKED = 40  # calls of each of them
PLANTED = [  # with integer targets or indices, with rows of their own in KNOWN, and what else takes an empty input
    *("CrossEntropyLoss", "NLLLoss", "Embedding", "CTCLoss", "MultiMarginLoss", "MultiLabelMarginLoss"),
    *("functional.cross_entropy", "functional.embedding", "functional.interpolate", "Softsign", "GroupNorm"),
    *("Linear", "Conv2d", "MSELoss", "MultiheadAttention", "functional.elu", "PoissonNLLLoss"),
]


def wrong(array):
    return 1.5 * array if np.any(array) else array + 1


@pytest.mark.parametrize("part", ["output", "gradient"])
def test_a_planted_mistake_is_reported(part, cases, monkeypatch):
    """Catches a row of KNOWN that hides a wrong result: each is reported, unless an argument holds nan or infinity."""
    run_ours, planted = endings.run_ours, []

    def run_wrong(*args):
        results = dict(run_ours(*args).results)
        for name, value in results.items():
            if name.startswith(part) and floating(value) and value.size and np.isfinite(value).all():
                results[name] = wrong(value)
                planted.append(name)
        return Ending(results)

    hidden, reported = [], Counter()
    for name in PLANTED:
        for number in range(CHECKED):
            monkeypatch.setattr(endings, "run_ours", run_ours)
            if call(name, number, cases[name]) is not None:
                continue
            monkeypatch.setattr(endings, "run_ours", run_wrong)
            planted.clear()
            difference = call(name, number, cases[name])
            if not planted or (difference and difference.theirs.error is not None):
                continue
            if difference is None or known(difference) is not None:
                if difference is not None and re.search("nan|inf", " ".join(difference.spoiled)):
                    continue
                hidden.append(f"{name}, call {number}: {part} {planted}")
            else:
                arrays = [a for a in difference.case.inputs if isinstance(a, np.ndarray)]
                reported[name] += 1
                reported["integers"] += any(a.dtype.kind in "iu" for a in arrays)
                reported["empty"] += any(a.size == 0 for a in arrays)
    assert hidden == []
    assert {name for name in PLANTED if not reported[name]} == set()
    assert reported["integers"] > 20
    assert reported["empty"] > 0


def test_every_function_and_module_is_called(cases):
    """Catches a function or a module that the fuzz never sees."""
    called = {name.removeprefix("functional.") for name in cases}
    modules = {case.module for group in cases.values() for case in group}
    assert set(F.__all__) - called - {"flatten", "unflatten"} == set()  # modules alone call these, as torch.nn does
    assert {f"tensor.{name}" for name in tensor.__all__} - called == set()
    assert len(modules) == len(cases)
