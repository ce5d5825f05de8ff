"""The check with NumPy alone, as it runs in a browser: in a process without torch, SciPy, and processes of its own."""

import json
import math
import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy import special

from tests.browser import alone
from torchref.check.api import Asked, judge_as
from torchref.check.running import child
from torchref.nn.error_function import erf_by_the_entry
from torchref.nn.gelu import gelu

ROOT = Path(__file__).parents[2]
SHARES = 16  # of the corpus; every fourth is judged in every run


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def succeeds(*arguments):
    ran = python(*arguments)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


@pytest.mark.parametrize(
    "share", [share if share % 4 == 0 else pytest.param(share, marks=pytest.mark.slow) for share in range(SHARES)]
)
def test_the_corpus(share):
    """Catches a check that needs torch, SciPy or a process, and one that judges otherwise without them."""
    said = json.loads(succeeds("-m", "tests.browser.alone", str(share), str(SHARES)))
    assert len(said) > 40
    wrong = {name: words for name, words in said.items() if words}
    assert not wrong


def test_the_rule_leaves_few_out():
    """Catches a rule that passes over most of the corpus, and a process in which torch or SciPy is there after all."""
    code = (
        "from tests.browser import alone; alone.as_in_a_browser(); print(len(alone.entries()))\n"
        "import importlib, os\n"
        "for name in sorted(alone.MISSING):\n"
        "    try: importlib.import_module(name)\n"
        "    except ModuleNotFoundError: continue\n"
        "    print(name)\n"
    )
    count, *there = succeeds("-c", code).split()
    assert int(count) > 700
    assert not there


CORE = (
    "nn",
    "nn.functional",
    "nn.utils",
    "tensor",
    "optim",
    "optim.lr_scheduler",
    "check",
    "check.api",
    "check.plugin",
)


def test_the_core_imports():
    """Catches an import, anywhere in the core, of what is not NumPy or Python's own."""
    names = ["torchref", *(f"torchref.{name}" for name in (*CORE, "circuit", "models"))]
    code = (
        "import importlib\nfrom tests.browser import alone\nalone.as_in_a_browser()\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "import numpy as np, torchref\n"
        "x = np.linspace(-3, 3, 7)\n"
        "y, backward = torchref.nn.functional.gelu(x)\n"
        "print(y.sum(), backward(np.ones(7)).sum())\n"
        "try: torchref.tensor.lgamma(x)\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    sums, said = succeeds("-c", code).splitlines()
    y, backward = gelu(np.linspace(-3, 3, 7))
    assert [float(v) for v in sums.split()] == pytest.approx([y.sum(), backward(np.ones(7)).sum()], rel=1e-14)
    assert said.endswith("which is not installed: pip install scipy")


# --- no processes -----------------------------------------------------------------------------------------------------


@pytest.fixture
def _a_browser(monkeypatch):
    monkeypatch.setattr(sys, "platform", "emscripten")
    monkeypatch.setattr(child.os, "fork", alone.refuse)


def changes_numpy(x):
    np.allclose = lambda *_: True
    return np.tanh(x), lambda dy: dy


@pytest.mark.usefixtures("_a_browser")
def test_without_processes():
    """Catches a fork where there is none, and NumPy left as the user's code has changed it for the next one."""
    kept = np.allclose
    how = Asked("tanh")
    verdict = child.run(lambda: judge_as(changes_numpy, how, "changes_numpy"))
    assert verdict.error == "it changed numpy.allclose, with which the judge compares"
    assert np.allclose is kept
    assert child.run(lambda: judge_as(lambda x: 1 / 0, how, "breaks")).verdict == "could-not-run"


# --- erf without SciPy ------------------------------------------------------------------------------------------------

GRID = np.concatenate(
    [np.linspace(-6.5, 6.5, 4001), np.logspace(-323, 1, 1001), -np.logspace(-320, 2, 1001), [5e-324, 0.0, -0.0]]
)


def test_erf_is_exact():
    """Catches an erf that loses digits: beside 40 digits, it is off by less than one unit in the last place."""
    with mpmath.workdps(40):
        right = [mpmath.erf(mpmath.mpf(x)) for x in GRID.tolist()]
        off = [
            abs(mpmath.mpf(y) - r) / math.ulp(y) for y, r in zip(erf_by_the_entry(GRID).tolist(), right, strict=True)
        ]
    worst = max(range(len(off)), key=off.__getitem__)
    assert off[worst] < 1, f"erf({GRID[worst]!r}) is off by {float(off[worst]):.2f} units in the last place"
    np.testing.assert_array_max_ulp(erf_by_the_entry(GRID), special.erf(GRID), maxulp=4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_erf_keeps_what_it_gets(dtype):
    """Catches another dtype, shape or kind of result than SciPy's: of empty arrays, numbers, nan, infinities."""
    for x in (np.array([[0.5, np.nan], [np.inf, -np.inf]], dtype), np.array(0.25, dtype), np.zeros((0, 3), dtype)):
        mine, right = erf_by_the_entry(x), special.erf(x)
        assert (type(mine), mine.dtype, mine.shape) == (type(right), right.dtype, right.shape)
        np.testing.assert_allclose(mine, right, rtol=4 * np.finfo(dtype).eps)
    assert np.signbit(erf_by_the_entry(dtype(-0.0)))
