"""Functions on torch's tensors: arrays go in, arrays come back, whatever lies around them."""

import types

import numpy as np
import torch

from torchref.check.reading.forms.tensors import for_tensors, on_tensors


def test_arrays_become_tensors_and_come_back():
    """Catches an array that stays one, a keyword or a list that is passed over, and a tensor that comes back."""
    seen = []

    def function(x, pair, scale=None):
        seen.extend([x, *pair, scale])
        return {"y": x * 2, "rest": [pair[0], (scale, 3)]}

    x = np.arange(3.0)
    result = on_tensors(function)(x, [x + 1, x + 2], scale=x + 3)
    assert all(isinstance(t, torch.Tensor) for t in seen)
    assert np.array_equal(result["y"], 2 * x)
    assert type(result["rest"]) is list
    assert np.array_equal(result["rest"][1][0], x + 3)
    assert result["rest"][1][1] == 3


def test_a_backward_takes_arrays_too():
    """Catches a closure whose backward is handed an array, and a gradient that needs detaching."""

    def function(x):
        x.requires_grad_()
        y = x**2

        def backward(dy):
            return torch.autograd.grad(y, x, dy)[0]

        return y, backward

    y, backward = on_tensors(function)(np.array([1.0, -3.0]))
    assert isinstance(y, np.ndarray)
    assert np.array_equal(backward(np.array([1.0, 10.0])), [2.0, -60.0])


def test_a_change_in_place_is_seen():
    """Catches a copy: code that writes over its input would pass for code that does not."""
    x = np.zeros(2)
    on_tensors(lambda t: t.add_(1))(x)
    assert np.array_equal(x, [1, 1])


def test_a_size_is_a_tuple():
    """Catches torch.Size in a cache that NumPy code could not have."""
    size = on_tensors(lambda t: t.shape)(np.zeros((2, 3)))
    assert type(size) is tuple
    assert size == (2, 3)


def test_a_file_that_knows_torch_alone():
    """Catches NumPy code beside an import of torch that is handed tensors, and torch code that is not."""

    def made(**scope):
        module = types.ModuleType("code")
        exec("def f(x):\n    return x", {**scope, "__name__": "code"}, vars(module))
        return module.f

    assert for_tensors(made(torch=torch))
    assert not for_tensors(made(torch=torch, np=np))
    assert not for_tensors(made(np=np))
    assert not for_tensors(3)
