"""The README stays true: its snippets run, its commands are those that the Makefile and the command line know."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_library_snippet_runs():
    """Catches an example that a newcomer copies and that fails."""
    names: dict = {}
    exec(SNIPPETS[1], names)
    assert names["output"].shape == (8, 3)
    assert names["dx"].shape == (8, 5)
    assert names["model"][0].weight.grad.shape == (16, 5)


def test_the_linear_snippet_is_right():
    """Catches a mistake on the first page of a reference for gradients."""
    from torchref.nn.functional import linear

    names: dict = {}
    exec(SNIPPETS[0], names)
    rng = np.random.default_rng(0)
    x, weight, bias, dy = (rng.standard_normal(shape) for shape in ((7, 5), (3, 5), (3,), (7, 3)))
    ours, theirs = linear(x, weight, bias), names["linear"](x, weight, bias)
    np.testing.assert_allclose(ours[0], theirs[0])
    for a, b in zip(ours[1](dy), theirs[1](dy), strict=True):
        np.testing.assert_allclose(a, b)


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", README, re.MULTILINE))
def test_make_knows_the_command(target):
    """Catches a first command that does not exist."""
    ran = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("command", re.findall(r"\.venv/bin/torchref ([^`\n]+)", README))
def test_the_command_line_knows_the_command(command, tmp_path):
    """Catches an option or a name that the command line does not take; `--dry-run` trains nothing.

    Into a folder of its own: after the README's first command, runs/ holds that run.
    """
    words = [word for word in command.split() if word not in ("--out", "/tmp/sabotaged")]
    words += ["--help"] if words[0] != "compare" else ["--dry-run", "--out", str(tmp_path)]
    ran = subprocess.run(
        [sys.executable, "-m", "torchref", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_the_main_comparison_ends_equal(tmp_path):
    """Catches a first command that does not end as the README says."""
    ran = subprocess.run(
        [sys.executable, "-m", "torchref", "compare", "digits", "--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "EQUAL: 1,800 steps" in ran.stdout
