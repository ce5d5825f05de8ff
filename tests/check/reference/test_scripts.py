"""Scripts: variables of a file are the weights, the loss and the gradients; one pass of their loop is judged."""

from pathlib import Path

import pytest

from torchref.check.api import Asked, in_file, in_files

HERE = Path(__file__).parent / "scripts"


def judged(name):
    return in_files([str(HERE / f"{name}.py")], Asked("loss"))[0]


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("two_layers", "W b W2 b2"),
        ("recurrence", "Wxh Whh Why bh by"),
        ("line", "w b"),
        ("embeddings", "C W1 bngain W2 b2"),
        ("steps", "C w b"),
    ],
)
def test_right(name, weights):
    """Catches a script that is not read, and an accusation: by a step that is taken, by a loop of steps that is cut."""
    verdict = judged(name)
    assert verdict.verdict == "right", verdict.text()
    assert set(verdict.right) == set(weights.split())
    assert verdict.name == f"{name}.py"


@pytest.mark.parametrize(
    ("name", "right", "wrong", "slug", "gradient", "line"),
    [
        ("two_layers", "    dW2 += reg * W2\n", "", "local-derivative-missing", "W2", "dW2 = hidden.T @ dscores"),
        ("embeddings", "dlogits.sum(0)", "dlogits.mean(0)", "mean-instead-of-sum", "b2", "db2 = dlogits.mean(0)"),
        (
            "steps",
            "dC[X[i]] += demb[i]",
            "dC[X[i]] = demb[i]",
            "overwritten-not-accumulated",
            "C",
            "dC[X[i]] = demb[i]",
        ),
        ("steps", "2 * err.mean()", "2 * err.sum()", "mean-instead-of-sum", "b", "b -= lr * 2 * err.sum()"),
    ],
    ids=["no penalty", "mean", "set in a loop", "a step without a name"],
)
def test_wrong(name, right, wrong, slug, gradient, line, tmp_path):
    """Catches a mistake that is not seen, or without its name or its line."""
    source = (HERE / f"{name}.py").read_text()
    assert source.count(right) == 1
    path = tmp_path / "mistaken.py"
    path.write_text(source.replace(right, wrong))
    (verdict,) = in_files([str(path)], Asked("loss"))
    assert [(f.slug, f.gradient) for f in verdict.findings] == [(slug, gradient)], verdict.text()
    assert path.read_text().splitlines()[verdict.findings[0].line - 1].strip() == line


def test_the_loss_is_named():
    """Catches a variable of the loss that cannot be named, as FILE.py:loss."""
    verdict = in_file(str(HERE / "two_layers.py"), "loss", Asked(None))
    assert verdict.verdict == "right", verdict.text()
    part = in_file(str(HERE / "two_layers.py"), "data_loss", Asked("loss"))
    assert {n for f in part.findings for n in (f.gradient, *f.consequences)} == {"W", "W2"}


def test_the_scripts_of_a_directory(tmp_path):
    """Catches a directory of scripts in which nothing to judge is found."""
    for name in ("line", "steps"):
        (tmp_path / f"{name}.py").write_text((HERE / f"{name}.py").read_text())
    verdicts = in_files([str(tmp_path)], Asked(None))
    assert [(v.name, v.verdict) for v in verdicts] == [("line.py", "right"), ("steps.py", "right")]
