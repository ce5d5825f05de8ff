"""A lesson's result, as a terminal and a notebook show it."""

import json

from torchref.compare.catalogue import find_lesson
from torchref.compare.teach.findings import Finding
from torchref.compare.teach.taught import Taught
from torchref.compare.teach.teach import teach


def test_a_notebook_shows_the_findings():
    """Catches a cell that shows `Taught(name=..., ...)`, and figures that HTML swallows."""
    finding = Finding("dropout narrows the gap", True, "0.1 < 0.3", "claim")
    taught = Taught("dropout", "Dropout narrows the gap", "holds", [finding], {}, 10, 100, 50, 1e-16, 3.0)
    html = taught._repr_html_()
    assert "<b>holds (10 seeds)</b>" in html
    assert "<img" not in html
    assert "<td>dropout narrows the gap</td><td>yes</td><td>0.1 &lt; 0.3</td>" in html


def test_a_notebook_shows_the_pictures():
    """Catches a lesson's result without the picture of its figures, and one that no JSON can hold for its pixels."""
    taught = teach(find_lesson("gradient_descent"), out=None, quick=True, seeds=1)
    html = taught._repr_html_()
    for tag in ("NumPy on torch/loss of each step", "figures/share gained"):
        assert f'alt="{tag}" title="{tag}" src="data:image/png;base64,iVBOR' in html
    assert "pictures" not in json.loads(taught.to_json())
