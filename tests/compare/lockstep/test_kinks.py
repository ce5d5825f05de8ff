"""The ledger of kinks: a decision that rounding takes is excused and counted, and nothing else is."""

import numpy as np
import pytest
import torch

import torchref
from tests.compare.small import blobs, changed
from torchref.compare import Comparison
from torchref.compare.lockstep.outcome import Diverged
from torchref.compare.lockstep.step import Lockstep
from torchref.nn.module import Module

CPU = torch.device("cpu")
ROUNDING = {"float64": 1e-17, "float32": 1e-9}


class Shift(Module):
    """x plus a constant: what rounding might have added in this engine and not in the other."""

    def __init__(self, amount):
        self.amount = amount

    def forward(self, input):
        return np.asarray(input + input.dtype.type(self.amount)), lambda dy: dy


class TorchShift(torch.nn.Module):
    def __init__(self, amount):
        super().__init__()
        self.amount = amount

    def forward(self, input):
        return input + self.amount


class Encoder(Module):
    """Calls relu as a function, as a block of one's own may."""

    def __init__(self, nn, amount):
        self.linear = torchref.nn.Sequential(torchref.nn.Linear(5, 7), Shift(amount))
        self.head = torchref.nn.Linear(7, 3)
        self.shift = Shift(0.0)

    def forward(self, input):
        y, linear_backward = self.linear(input)
        y, shift_backward = self.shift(y)
        y, relu_backward = torchref.nn.functional.relu(y)
        y, head_backward = self.head(y)

        def backward(dy):
            return linear_backward(shift_backward(relu_backward(head_backward(dy))))

        return y, backward


class TorchEncoder(torch.nn.Module):
    def __init__(self, amount):
        super().__init__()
        self.linear = torch.nn.Sequential(torch.nn.Linear(5, 7), TorchShift(amount))
        self.head = torch.nn.Linear(7, 3)
        self.shift = TorchShift(0.0)

    def forward(self, input):
        return self.head(torch.relu(self.shift(self.linear(input))))


def sequence(layer, outputs=7):
    """Linear, a shift that differs between the engines in sign, the layer with the kink, Linear."""

    def model(nn, amount):
        shift = Shift(amount) if nn is torchref.nn else TorchShift(-amount)
        return nn.Sequential(nn.Linear(5, 7), shift, layer(nn), nn.Linear(outputs, 3))

    return model


def planted(model, amount, dtype, **fields) -> Lockstep:
    """A lockstep whose linear layer has two neurons that give exactly zero before the shift."""
    comparison: Comparison = changed(model=model, dtype=dtype, variants={"planted": {"amount": amount}}, **fields)
    lockstep = Lockstep(comparison, {"amount": amount}, CPU)
    with torch.no_grad():
        for name, parameter in lockstep.torch_twin.model.named_parameters():
            if name.startswith(("0.", "linear.0.")):
                parameter[:2] = 0.0
    from torchref.compare.lockstep.twins import put_back

    for twin in (lockstep.numpy_twin, lockstep.free_twin, lockstep.referee):
        put_back(twin, lockstep.torch_twin)
    return lockstep


def one_step(lockstep):
    data = blobs().astype(lockstep.dtype)
    lockstep.step(data.train_inputs[:13], data.train_targets[:13])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_decision_inside_its_bound_is_counted_and_taken_as_torch_takes_it(dtype, sign):
    """Catches a false alarm where two correct ReLUs differ because rounding decides the sign."""
    lockstep = planted(sequence(lambda nn: nn.ReLU()), sign * ROUNDING[dtype], dtype)
    one_step(lockstep)
    assert lockstep.kinks == 2 * 13
    assert lockstep.canary
    assert all(lockstep.canary.values())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_decision_outside_its_bound_is_not_excused(dtype):
    """Catches a ledger that excuses whatever lies near zero: here the inputs of the ReLU differ a thousandfold more."""
    lockstep = planted(sequence(lambda nn: nn.ReLU()), ROUNDING[dtype] * 1e4, dtype)
    with pytest.raises(Diverged):
        one_step(lockstep)
    assert lockstep.kinks == 0


def test_a_fault_beside_a_kink_is_not_excused():
    """Catches a ledger that lets a step pass as soon as it has found a kink in it."""
    lockstep = planted(sequence(lambda nn: nn.ReLU()), 1e-17, "float64")
    linear = lockstep.numpy_twin.model[0]
    forward = linear.forward

    def disturbed(x):
        y, backward = forward(x)
        return y, lambda dy: backward(dy * (1 + 1e-9))

    linear.forward = disturbed
    with pytest.raises(Diverged):
        one_step(lockstep)
    assert lockstep.kinks == 0


def test_a_layer_without_a_kink_is_never_excused():
    """Catches values replaced wherever they differ: tanh has no kink, though its input changes sign."""

    def model(nn, amount):
        shift = Shift(amount) if nn is torchref.nn else TorchShift(-amount)
        return nn.Sequential(nn.Linear(5, 7), shift, nn.Tanh(), nn.Linear(7, 3))

    lockstep = planted(model, 1e-17, "float64")
    one_step(lockstep)
    assert lockstep.kinks == 0


def test_the_maximum_of_a_window_is_torchs():
    """Two neurons of one window tie but for rounding: the gradient goes where torch's goes."""

    class Tilt(Module):
        def forward(self, input):
            return input + np.array([1e-17, 0, 0, 0, 0, 0, 0]), lambda dy: dy

    class TorchTilt(torch.nn.Module):
        def forward(self, input):
            return input + torch.tensor([0, 1e-17, 0, 0, 0, 0, 0], dtype=input.dtype)

    def model(nn, amount):
        tilt = Tilt() if nn is torchref.nn else TorchTilt()
        return nn.Sequential(nn.Linear(5, 7), tilt, nn.MaxPool1d(2), nn.Linear(3, 3))

    lockstep = planted(model, 0.0, "float64")
    one_step(lockstep)
    assert lockstep.kinks == 13


def test_a_relu_that_is_called_as_a_function_is_seen_too():
    """Catches a ledger that knows modules alone: a block of one's own calls relu in its forward."""
    lockstep = planted(
        lambda nn, amount: Encoder(nn, amount),
        1e-17,
        "float64",
        torch_model=lambda nn, amount: TorchEncoder(-amount),
    )
    one_step(lockstep)
    assert lockstep.kinks == 2 * 13


def test_the_absolute_value_of_a_loss_has_a_kink():
    """The prediction equals the target but for rounding: |x - t| decides."""
    from torchref.compare import Data

    data = Data(np.ones((5, 5)), np.zeros((5, 7)), np.ones((5, 5)), np.zeros((5, 7)))

    def model(nn, amount):
        return nn.Sequential(nn.Linear(5, 7), Shift(amount) if nn is torchref.nn else TorchShift(-amount))

    lockstep = planted(model, 1e-17, "float64", loss=lambda nn: nn.L1Loss(), data=lambda: data)
    lockstep.step(data.train_inputs, data.train_targets)
    assert lockstep.kinks == 2 * 5
