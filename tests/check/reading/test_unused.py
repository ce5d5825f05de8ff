"""What is handed to arguments that an operation does not have changes nothing."""

import numpy as np

from torchref.check.reading.unused import UNUSED, Descent, Identity


def test_the_identity_is_a_name_a_function_and_a_layer():
    """Catches an activation that changes its input, or that a table of names does not find."""
    identity, z = UNUSED["activation"], np.array([-1.0, 2.0])
    assert isinstance(identity, Identity)
    assert identity(z) is identity.forward(z) is identity.backward(z) is z
    assert np.array_equal(identity.derivative(z), [1, 1])
    assert identity == "linear"
    assert identity == None  # noqa: E711 -- a user's code may write it so
    assert identity != "relu"
    assert {"linear": 1}[identity] == 1


def test_the_optimizer_makes_a_step_of_rate_1():
    """Catches a layer whose gradient cannot be read from its step."""
    step = Descent()
    assert step.update(3.0, 2.0) == step.step(3.0, 2.0) == step(3.0, 2.0) == 1.0

    class Layer:
        weights, dweights, b, db = 5.0, 2.0, 1.0, 3.0

    layer = Layer()
    step.pre_update_params()
    step.update_params(layer)
    assert (layer.weights, layer.b) == (3.0, -2.0)
