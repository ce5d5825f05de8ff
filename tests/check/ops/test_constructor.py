"""The options of torch's constructors in what code is checked against."""

import pytest

from torchref.check.ops.find import UnknownOp, find


@pytest.mark.parametrize(
    "against", ["MaxPool2d(2, return_indices=True)", "LSTM(3, 7, num_layers=2)", "Conv2d(3, 6, 3, padding_mode='same')"]
)
def test_what_is_not_judged_is_refused(against):
    """Catches an option that is accepted and ignored: the code would be judged against another operation."""
    with pytest.raises(UnknownOp, match="is not judged"):
        find(against)


@pytest.mark.parametrize("against", ["Linear(7, 5, 3)", "ReLU(1, 2, 3)"])
def test_too_many_options_by_position(against):
    """Catches options beyond the last that are dropped."""
    with pytest.raises(UnknownOp, match="at most"):
        find(against)


def test_options_of_sizes_and_layouts_are_told():
    """Catches an option without effect that nobody hears of, and num_heads that is lost behind the size."""
    op = find("MultiheadAttention(embed_dim=6, num_heads=3, batch_first=True)")
    assert op.given == {"num_heads": 3}
    assert len(op.remarks) == 2
    assert find("MultiheadAttention(6, 3)").given == {"num_heads": 3}
    assert find("conv2d(stride=2)").remarks == ()


def test_arrays_left_out():
    """Catches bias=False that leaves the bias in."""
    assert "bias" in find("Linear(7, 5, bias=False)").absent
    assert not find("Linear(7, 5, bias=True)").absent


def test_a_bare_word_is_a_string():
    """Catches an option that is refused, because the shell has taken its quotes."""
    assert find("gelu(approximate=tanh)").given == {"approximate": "tanh"}
