# ruff: noqa: E501
"""What stands behind "instead:" is of this mistake in this operation: the right line, or the mistake's own advice."""

import numpy as np
import pytest

from torchref.check import check
from torchref.check.ops.formula import right_line


def affine(dx=None, dw=None, db=None):
    """x @ w.T + b with a backward of which one part is replaced."""

    def code(x, w, b):
        def backward(dy):
            return (
                dx(dy, w) if dx else dy @ w,
                dw(dy, x) if dw else dy.T @ x,
                db(dy) if db else dy.sum(0),
            )

        return x @ w.T + b, backward

    return code


def divides(p, t):
    """-sum t log p of probabilities that are given: no row's maximum is to be subtracted anywhere."""
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(), lambda dy=1.0: dy * (t - p) / (p - p) / p.size


class Twice:
    """Adds up what nobody asked it to."""

    def forward(self, x):
        self.y, self.dx = np.tanh(x), 0
        return self.y

    def backward(self, dy):
        self.dx = self.dx + dy * (1 - self.y**2)
        return self.dx


@pytest.mark.parametrize(
    ("code", "against", "slug", "instead"),
    [
        (affine(db=lambda dy: dy.sum(0, keepdims=True)), "linear", "keepdims-left-on", "dbias = dy.sum(0)"),
        (affine(db=lambda dy: np.full(dy.shape[1], dy.sum())), "linear", "summed-over-wrong-axis", "dbias = dy.sum(0)"),
        (affine(db=lambda dy: dy), "linear", "broadcast-axis-not-summed", "dbias = dy.sum(0)"),
        (divides, "binary_cross_entropy", "not-finite", None),
        (Twice, "tanh", "not-repeatable", "leave what the forward has kept unchanged; start gradients afresh (zero_grad)"),
    ],
)  # fmt: skip
def test_instead(code, against, slug, instead):
    """Catches advice that belongs to a kind of mistake and not to this one."""
    (finding,) = check(code, against=against).findings
    assert finding.slug == slug
    if instead is None:
        assert "maximum" not in finding.correction
        assert finding.correction == right_line(finding.formula) != ""
    else:
        assert finding.correction == instead


def test_the_right_line():
    """Catches the last line of a formula that only renames, where the line before says more."""
    assert right_line("dw = np.zeros_like(w)\nfor a in b:\n    dw += a\ndweight = dw") == "dw += a"
    assert right_line("# dy\ndx = dy * (x > 0)") == "dx = dy * (x > 0)"
    assert right_line("dx = dy") == "dx = dy"
    assert right_line("") == ""
