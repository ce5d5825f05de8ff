"""Whose argument is whose: torch's names, the names that people use, torch's order, what the user states."""

import inspect

import pytest

from torchref.check.ops.find import find
from torchref.check.reading.arguments import Unmatched, match, parameters


def roles(function, op, extra=("dy", "cache"), stated=None):
    return match(find(op), parameters(function), extra, stated)


def test_torchs_names_come_first():
    """Catches a parameter named as torch's that is given another role because of its place."""

    def layer_norm(bias, weight, input, eps): ...

    found = roles(layer_norm, "layer_norm", ())
    assert found.roles == {"bias": "bias", "weight": "weight", "input": "input", "eps": "eps"}
    assert not found.guessed


def test_the_names_that_people_use():
    """Catches an alias that is not known."""

    def backward(dout, x, gamma, beta, epsilon): ...

    assert roles(backward, "layer_norm").roles == {
        "dout": "dy", "x": "input", "gamma": "weight", "beta": "bias", "epsilon": "eps",
    }  # fmt: skip


def test_without_names_the_order_is_torchs():
    """Catches names that say nothing: they are matched in torch's order, and said to be guessed."""

    def f(first, second, third): ...

    found = roles(f, "linear", ())
    assert found.roles == {"first": "input", "second": "weight", "third": "bias"}
    assert found.guessed == {"first", "second", "third"}


def test_an_operations_own_alias_wins():
    """Catches b of hardtanh taken for a bias: there it is max_val."""

    def hardtanh(x, a, b): ...

    assert roles(hardtanh, "hardtanh", ()).roles == {"x": "input", "a": "min_val", "b": "max_val"}


@pytest.mark.parametrize("stated", [["eps", "input"], ["a=eps", "b=input"]])
def test_what_the_user_states_is_taken(stated):
    """Catches an order, or an assignment, of --arguments that is not followed."""

    def f(a, b): ...

    assert roles(f, "layer_norm", (), stated).roles == {"a": "eps", "b": "input"}


def test_an_unknown_name_in_the_order_is_refused():
    """Catches a misspelt name of --arguments that is passed over."""
    with pytest.raises(Unmatched, match=r"--arguments names 'wieght', but linear takes input, weight, bias"):
        roles(lambda a, b: None, "linear", (), ["input", "wieght"])


def test_a_parameter_too_much_is_refused():
    """Catches an argument without a role: the message says what was expected and what was found."""
    with pytest.raises(Unmatched, match=r"'d' cannot be matched with one of relu: .* found \(a, d\)"):
        roles(lambda a, d: None, "relu", ())


def test_a_parameter_with_a_default_may_stay_free():
    """Catches a refusal of an argument that nobody has to give."""
    assert roles(lambda x, colour="red": None, "relu", ()).roles == {"x": "input"}


def test_a_dictionary_of_options_is_one_argument():
    """Catches conv_param taken for an array."""
    assert roles(lambda x, w, b, conv_param: None, "conv2d", ()).roles["conv_param"] == "config"


def test_the_two_sides_of_a_window_are_one_argument():
    """Catches pool_height taken for an option of another kind."""
    found = roles(lambda x, pool_height, pool_width, stride: None, "max_pool2d", ()).roles
    assert found["pool_height"] == found["pool_width"] == "kernel_size"


def test_names_are_read_from_the_unpacking_of_args():
    """Catches a function with *args whose first line names what it is given."""

    def f(*args):
        x, w, b = args
        return x @ w + b

    assert [p.name for p in parameters(f)] == ["x", "w", "b"]
    assert all(p.kind is inspect.Parameter.POSITIONAL_ONLY for p in parameters(f))


def test_what_has_no_signature_has_no_parameters():
    """Catches an exception for a function that is written in C."""
    assert parameters(min) == parameters(3) == []
