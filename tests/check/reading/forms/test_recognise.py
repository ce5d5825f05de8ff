"""Which form a code is written in, and which of a file's names is meant."""

import types

import numpy as np
import pytest

from torchref.check.ops.find import find
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.forms.closure import Closure
from torchref.check.reading.forms.gradient import Gradient
from torchref.check.reading.forms.layer import Layer
from torchref.check.reading.forms.pair import Pair
from torchref.check.reading.forms.recognise import look_up, recognise

RELU = find("relu")


def closure(x):
    return np.maximum(x, 0), lambda dy: dy * (x > 0)


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dy, cache):
    return dy * (cache > 0)


def relu_grad(dy, x):
    return dy * (x > 0)


class Layer1:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dy):
        return dy * (self.x > 0)


class Static:
    @staticmethod
    def forward(x):
        return np.maximum(x, 0), x

    @staticmethod
    def backward(dy, cache):
        return dy * (cache > 0)


@pytest.mark.parametrize(
    ("code", "form"),
    [
        (closure, Closure),
        ((relu_forward, relu_backward), Pair),
        (Static, Pair),
        (Layer1, Layer),
        (relu_grad, Gradient),
    ],
    ids=["closure", "pair", "static pair", "class", "gradient"],
)
def test_each_form_is_recognised(code, form):
    """Catches a form that is taken for another one."""
    assert type(recognise(code, RELU)) is form


def test_a_form_that_is_asked_for_is_taken():
    """Catches --form that is overruled, and one that does not exist."""
    assert type(recognise(relu_grad, RELU, "function")) is Gradient
    with pytest.raises(CouldNotRun, match="there is no form 'clousure'"):
        recognise(closure, RELU, "clousure")
    with pytest.raises(CouldNotRun, match="--form pair needs two functions"):
        recognise(closure, RELU, "pair")


def test_code_without_a_backward_is_refused():
    """Catches a forward alone that is judged as if it were a gradient."""
    with pytest.raises(CouldNotRun, match=r"no backward was found: the function returned .*\(5, 7\)"):
        recognise(lambda x: np.maximum(x, 0), RELU)


@pytest.mark.parametrize("code", [3, (closure,), (closure, 3)])
def test_what_is_no_code_is_refused(code):
    """Catches an exception of ours for a number or half a pair."""
    with pytest.raises(CouldNotRun):
        recognise(code, RELU)


def test_numpy_runs_on_the_processor():
    """Catches --device cuda that is passed over."""
    with pytest.raises(CouldNotRun, match="NumPy computes on the processor"):
        recognise(closure, RELU, device="cuda")


def file(**names):
    module = types.ModuleType("code")
    vars(module).update(names)
    return module


@pytest.mark.parametrize(
    ("forward", "backward", "name"),
    [
        ("relu_forward", "relu_backward", "relu"),
        ("relu_forward", "relu_backward", "relu_forward"),
        ("relu_fwd", "relu_bwd", "relu"),
        ("relu", "relu_backward", "relu"),
        ("forward_relu", "backward_relu", "relu"),
        ("conv_forward_fast", "conv_backward_fast", "conv_forward_fast"),
    ],
)
def test_a_pair_is_found_by_its_stem(forward, backward, name):
    """Catches a pair whose second half is not found."""
    module = file(**{forward: relu_forward, backward: relu_backward})
    assert look_up(module, name) == (relu_forward, relu_backward)


def test_a_name_inside_a_name():
    """Catches Net.layer, and a name that is not there: the nearest one is said."""
    module = file(Net=types.SimpleNamespace(layer=closure), relu=closure)
    assert look_up(module, "Net.layer") is closure
    module.relu.__module__, before = "code", closure.__module__
    try:
        with pytest.raises(CouldNotRun, match=r"there is no 'rleu' in the file: .*relu"):
            look_up(module, "rleu")
    finally:
        closure.__module__ = before
