"""The circuit for the blackboard against the numbers written there, and against torch."""

from xml.etree import ElementTree

import pytest
import torch

from comparisons.lessons.circuit import INPUTS, WEIGHTS, neuron
from torchref.circuit import Value, graph, svg, text


def test_the_numbers_on_the_blackboard():
    """The values and the nine gradients of the sigmoid neuron, to the digits that are written."""
    output, values = neuron(WEIGHTS, INPUTS)
    output.backward()
    assert f"{values['1 + e'].data:.2f}" == "1.37"
    assert f"{output.data:.2f}" == "0.73"
    back = {name: f"{value.grad:.2f}" for name, value in values.items()}
    assert [back[name] for name in ("1 + e", "e", "minus", "sum")] == ["-0.53", "-0.53", "-0.20", "0.20"]
    assert [back[name] for name in ("w2", "w0", "x0", "w1", "x1")] == ["0.20", "-0.20", "0.39", "-0.39", "-0.59"]


def test_every_operation_against_torch():
    """A local derivative that is wrong; a value used twice that keeps one way only."""

    def formula(a, b, relu):
        c = a * b + a - 3
        return (c / b + (2 - a) ** 3 + 5 / b).tanh() * relu(a) + (-b).exp() + 1 / c

    a, b = Value(0.7), Value(-1.3)
    y = formula(a, b, Value.relu)
    y.backward(2.0)
    ta, tb = (torch.tensor(v.data, dtype=torch.float64, requires_grad=True) for v in (a, b))
    ty = formula(ta, tb, torch.relu)
    ty.backward(torch.tensor(2.0, dtype=torch.float64))
    assert y.data == pytest.approx(ty.item(), rel=1e-14)
    assert a.grad == pytest.approx(ta.grad.item(), rel=1e-13)
    assert b.grad == pytest.approx(tb.grad.item(), rel=1e-13)
    before = a.grad
    y.backward(2.0)
    assert a.grad == before  # twice the same, not twice as much


def test_drawings_show_every_value():
    """A box or a line that is missing."""
    output, _ = neuron(WEIGHTS, INPUTS)
    output.backward()
    lines = text(output).splitlines()
    assert len(lines) == 1 + len(graph(output))
    assert any("1.37" in line and "-0.53" in line for line in lines)
    assert output._repr_svg_() == svg(output)  # what a notebook shows
    drawing = ElementTree.fromstring(svg(output))
    boxes = [e for e in drawing.iter() if e.tag.endswith("rect")]
    assert len(boxes) == len(graph(output))
    assert len({(e.get("x"), e.get("y")) for e in boxes}) == len(boxes)  # none over another
    assert {"1.37", "0.73", "-0.59"} <= {e.text for e in drawing.iter() if e.tag.endswith("text")}
