"""The conventions that a code may follow, in the order in which they are tried."""

import numpy as np
import pytest

from torchref.check.ops.conventions import TORCH, both
from torchref.check.ops.find import find
from torchref.check.ops.probe import make_probe
from torchref.check.reading.conventions import possible_conventions


def tried(op, stated=None):
    record = find(op)
    p = make_probe(record)
    return list(possible_conventions(record, p.values, stated)), p


def test_torchs_convention_comes_first():
    """Catches a search that finds another convention where torch's fits, too."""
    assert tried("linear")[0][0] is TORCH


def test_what_the_user_states_comes_before():
    """Catches W=weight.T that is not tried first."""
    found, p = tried("linear", ["W=weight.T"])
    assert np.array_equal(found[0].to_user("weight", p.values["weight"]), p.values["weight"].T)
    assert found[1] is TORCH


def test_a_share_kept():
    """Catches p=1-p of dropout that is not understood."""
    found, _ = tried("dropout", ["keep=1-p"])
    assert found[0].to_user("p", 0.3) == pytest.approx(0.7)


def test_stated_gates_exclude_other_orders():
    """Catches --arguments gates=ifog after which other orders are tried all the same."""
    found, _ = tried("lstm", ["gates=i,f,o,g"])
    orders = {part for c in found for part in c.sentence.split("; ") if part.startswith("the gates come")}
    assert orders == {"the gates come in the order i, f, o, g (torch: i, f, g, o)"}


@pytest.mark.parametrize("op", ["linear", "lstm", "gru", "conv2d", "multi_head_attention", "batch_norm2d", "embedding"])
def test_what_goes_there_comes_back(op):
    """Catches a convention whose way back is not the reverse of its way there."""
    found, p = tried(op)
    for convention in found[:40]:
        for name, value in p.values.items():
            if isinstance(value, np.ndarray) and name in convention.there and name in convention.back:
                home = convention.to_torch(name, convention.to_user(name, value))
                assert np.array_equal(home, value), f"{convention.sentence}: {name}"


def test_two_conventions_are_undone_in_reverse_order():
    """Catches a pair of changes of one array whose way back is in the order of the way there."""
    found, p = tried("lstm")
    transposed = next(c for c in found if c.sentence == "the weights are stored as (in, out); torch stores (out, in)")
    ordered = next(c for c in found if c.sentence == "the gates come in the order i, f, o, g (torch: i, f, g, o)")
    weight = p.values["weight_ih"]
    together = both(ordered, transposed)
    assert together.to_user("weight_ih", weight).shape == weight.T.shape
    assert np.array_equal(together.to_torch("weight_ih", together.to_user("weight_ih", weight)), weight)
