"""A recurrence whose gates have a weight each: they are found by their names, and stand for torch's stacked arrays."""

import numpy as np

from torchref.check.ops.find import find
from torchref.check.ops.probe import make_probe
from torchref.check.reading.separate_gates import per_gate, split_names


def test_names_are_found_in_torchs_order():
    """Catches gates that are taken in the order in which they are written."""
    found = split_names(find("lstm"), ["Wfx", "Wix", "Wox", "Wgx", "Wfh", "Wih", "Woh", "Wgh", "bf", "bi", "bo", "bg"])
    assert found == {
        "weight_ih": ["Wix", "Wfx", "Wgx", "Wox"],
        "weight_hh": ["Wih", "Wfh", "Wgh", "Woh"],
        "bias_ih": ["bi", "bf", "bg", "bo"],
    }


def test_a_gate_that_is_missing_is_no_style():
    """Catches a guess where one gate has no array."""
    assert split_names(find("gru"), ["Wrx", "Wzx", "Wrh", "Wzh"]) is None


def test_the_operation_is_the_same():
    """Catches parts that are stacked in another order than they are taken apart."""
    op = find("gru")
    parts = {"weight_ih": ["Ur", "Uz", "Un"], "weight_hh": ["Wr", "Wz", "Wn"], "bias_ih": ["br", "bz", "bn"]}
    whole, own = make_probe(op), make_probe(per_gate(op, parts))
    assert "bias_hh" not in own.values
    assert np.array_equal(np.concatenate([own.values[n] for n in parts["weight_ih"]]), whole.values["weight_ih"])
    right = whole.evaluate(bias_hh=None)[1](own.upstream)
    gradients = own.reference(own.upstream)
    for name, arrays in parts.items():
        mine = np.concatenate([gradients[a] for a in arrays])
        assert np.allclose(mine, right[name], rtol=1e-12, atol=1e-12), (
            f"seed 0, d{name}: {np.abs(mine - right[name]).max()}"
        )
