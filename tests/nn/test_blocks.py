"""Large arrays block by block: the same results as in one piece, whatever the size of the blocks."""

import platform
import subprocess
import sys

import numpy as np
import pytest

from tests.cases import all_cases
from tests.checks import equals_torch_in_float64, float32_is_explained_by_rounding, memory_order_does_not_matter
from torchref.nn import blocks

IN_BLOCKS = ("GELU", "CrossEntropyLoss")  # modules that compute block by block
CASES = [case for case in all_cases() if case.module in IN_BLOCKS]
CHECKS = [equals_torch_in_float64, float32_is_explained_by_rounding, memory_order_does_not_matter]


@pytest.mark.parametrize("block_bytes", [1, 50])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_small_blocks(monkeypatch, check, case, block_bytes):
    """Catches a result that depends on where the blocks end: those of the other tests are all of one block."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
    check(case)


def test_every_module_in_blocks_has_cases():
    """Catches a name in IN_BLOCKS that no case has."""
    assert {case.module for case in CASES} == set(IN_BLOCKS)


@pytest.mark.parametrize("length", [0, 1, 6, 7, 8])
@pytest.mark.parametrize("rows_a_block", [1, 2, 3, 7, 100])
def test_blocks_cover_the_rows(monkeypatch, rows_a_block, length):
    """Catches rows that are left out or come twice, and blocks of another length."""
    rows = np.arange(3.0 * length).reshape(length, 3)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", rows_a_block * 3 * 8)
    parts = [rows[block] for block in blocks.row_blocks(rows)]
    assert [len(part) for part in parts] == [
        min(rows_a_block, length - start) for start in range(0, length, rows_a_block)
    ], f"{length} rows in blocks of {rows_a_block}"
    np.testing.assert_array_equal(np.concatenate([rows[:0], *parts]), rows)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone gives freed memory back at once")
def test_freed_memory_stays():
    """Catches memory that goes back to the system at the end of each step: 12 MB a step are 3,000 faults."""
    code = """
import resource, sys
import numpy as np
import torchref.nn
def step():
    arrays = [np.ones(10**6, np.float32) for _ in range(3)]
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000, f"{done.stdout} page faults in 10 steps of 12 MB"
