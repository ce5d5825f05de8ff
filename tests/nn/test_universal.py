"""Every case of tests/cases through every check of tests/checks.py."""

import numpy as np
import pytest

from tests.cases import all_cases
from tests.checks import CHECKS, memory_order_does_not_matter

CASES = all_cases()

# torch says so once a process when it takes its own LSTM with a projection in float32; the result is the same.
# The second one says why torch does not take its nested tensors, which we do not have at all.
pytestmark = [
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),
    pytest.mark.filterwarnings("ignore:enable_nested_tensor is True"),
    pytest.mark.filterwarnings("ignore:.*is deprecated"),  # so say upsample and its kin in both
    pytest.mark.filterwarnings("ignore:.*degrees of freedom"),  # so say var and its kin of one entry, in both
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_universal(check, case):
    check(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_permutation_of_axes(dtype, case):
    """Catches an order of memory that the covering set of the fast check leaves out, and float32's own ways."""
    memory_order_does_not_matter(case, every=True, dtype=dtype)


def test_names_are_unique():
    """Two cases of one name would hide each other in a report."""
    names = [case.name for case in CASES]
    assert sorted(names) == sorted(set(names))
