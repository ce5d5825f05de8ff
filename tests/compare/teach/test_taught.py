"""A lesson's result, as a terminal and a notebook show it."""

from torchref.compare.teach.findings import Finding
from torchref.compare.teach.taught import Taught


def test_a_notebook_shows_the_findings():
    """Catches a cell that shows `Taught(name=..., ...)`, and figures that HTML swallows."""
    finding = Finding("dropout narrows the gap", True, "0.1 < 0.3", "claim")
    taught = Taught("dropout", "Dropout narrows the gap", "holds", [finding], {}, 10, 100, 50, 1e-16, 3.0)
    html = taught._repr_html_()
    assert "<b>holds</b> (10 seeds)" in html
    assert "<td>dropout narrows the gap</td><td>yes</td><td>0.1 &lt; 0.3</td>" in html
