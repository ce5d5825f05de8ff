"""torch's names for what a code returns: by key, by the names in its return, by order, by shape."""

import numpy as np
import pytest

from torchref.check.ops.find import find
from torchref.check.reading.forms.naming import gradient_name, name_gradients, name_outputs, returned_names

OP = find("linear")
SHAPES = {"input": (5, 3), "weight": (7, 3), "bias": (7,)}
ORDER = list(SHAPES)
DX, DW, DB = np.zeros((5, 3)), np.zeros((7, 3)), np.zeros(7)


def with_nested(x):
    def inner():
        return x

    return inner() / 2, x.T * 3


def test_the_names_of_the_last_return():
    """Catches the return of an inner function, and a name that is divided."""

    def backward(m, dw, db):
        if m is None:
            return None
        return dw / m, db * 2, m.grad

    assert returned_names(backward) == ["dw", "db", "grad"]
    assert returned_names(with_nested) == ["", "T"]
    assert returned_names(len) == []


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("dx", "input"), ("dW", "weight"), ("grad_weight", "weight"), ("weight_grad", "weight"), ("db", "bias"),
        ("dL_dW", "weight"), ("grad_input", "input"), ("result", None), ("colour", None),
    ],
)  # fmt: skip
def test_what_a_gradient_is_of(name, argument):
    """Catches a prefix or a suffix that is not known, and a name that says nothing."""
    assert gradient_name(OP, name) == argument


def test_a_dictionary_is_read_by_its_keys():
    """Catches an order of keys that counts, and a nested dictionary."""
    found = name_gradients(OP, {"layer": {"b": DB, "W": DW}, "dx": DX}, [], ORDER, SHAPES)
    assert found.keys() == {"input", "weight", "bias"}
    assert found["weight"] is DW


def test_the_names_in_the_return_count_before_the_order():
    """Catches gradients that are named by their place where the return says otherwise."""
    square = {"input": (3, 3), "weight": (3, 3), "bias": (3,)}
    dx, dw, db = np.zeros((3, 3)), np.ones((3, 3)), np.zeros(3)
    found = name_gradients(OP, (dw, dx, db), ["dw", "dx", "db"], ORDER, square)
    assert found["weight"] is dw
    assert found["input"] is dx


def test_without_names_the_order_counts_then_the_shape():
    """Catches gradients in another order whose shapes say which they are."""
    assert name_gradients(OP, (DX, DW, DB), ["", "", ""], ORDER, SHAPES)["weight"] is DW
    assert name_gradients(OP, (DW, DB, DX), ["", "", ""], ORDER, SHAPES)["weight"] is DW


def test_one_gradient_is_known_by_its_shape():
    """Catches the only gradient taken for the input's."""
    assert list(name_gradients(OP, DB, [""], ORDER, SHAPES)) == ["bias"]
    assert name_gradients(OP, None, [], ORDER, SHAPES) == {}


def test_a_dictionary_beside_an_array():
    """Catches (dx, {"W": dW, "b": db})."""
    found = name_gradients(OP, (DX, {"W": DW, "b": DB}), [], ORDER, SHAPES)
    assert found["input"] is DX
    assert found.keys() == {"input", "weight", "bias"}


def test_further_outputs_are_known_by_their_values():
    """Catches a running mean that is taken for the variance, and an output without a name."""
    mean, var = np.arange(3.0), np.arange(3.0) + 7
    expected = {"output": DX, "running_mean": mean, "running_var": var}
    found = name_outputs(find("batch_norm"), [DX, var.copy(), mean.copy(), 4.0], expected)
    assert np.array_equal(found["running_mean"], mean)
    assert np.array_equal(found["running_var"], var)
    assert [v for k, v in found.items() if k not in expected] == [4.0]
