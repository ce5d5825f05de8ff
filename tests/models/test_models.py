"""Every network of torchref.models beside its torch twin: a few steps here, a hundred in the slow run."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import torchref
from tests.models.zoo import ZOO, comparison, gpt
from torchref import models
from torchref.compare.data import batches
from torchref.compare.lockstep.step import Lockstep

CPU = torch.device("cpu")


def train(chosen, steps):
    """A lockstep after `steps` steps on the comparison's own data."""
    lockstep = Lockstep(chosen, {}, CPU)
    data = chosen.data().astype(np.dtype(chosen.dtype))
    rng = np.random.default_rng(chosen.seed)
    while True:
        for indices in batches(len(data.train_inputs), chosen.batch_size, rng):
            if lockstep.steps == steps:
                return lockstep
            lockstep.step(data.train_inputs[indices], data.train_targets[indices], observe=lockstep.steps == 1)
        lockstep.end_epoch()


@pytest.mark.parametrize("name", ZOO)
def test_a_few_steps_in_lockstep(name):
    """Catches a gradient of any parameter that is not torch's, in any of the networks."""
    lockstep = train(replace(ZOO[name], batch_size=7), 3)
    assert lockstep.steps == 3
    assert lockstep.judge.largest_share <= 1
    assert lockstep.canary
    assert all(lockstep.canary.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_a_hundred_steps_in_lockstep(name):
    """Catches what shows late: states that drift, rare symbols, saturated units, a schedule that runs apart."""
    lockstep = train(ZOO[name], 100)
    assert all(lockstep.canary.values())
    assert lockstep.drift() < 1e-9


@pytest.mark.parametrize("name", ["GPT, the whole recipe", "ResNet", "variational autoencoder", "LSTM language model"])
def test_in_float32(name):
    """Catches a network that leaves float32: its gradients are judged by a float64 referee."""
    lockstep = train(replace(ZOO[name], batch_size=7, dtype="float32"), 2)
    assert lockstep.numpy_twin.named_gradients()[next(iter(lockstep.numpy_twin.parameters))].dtype == np.float32
    assert all(lockstep.canary.values())


@pytest.mark.parametrize("name", ZOO)
def test_evaluation_agrees(name):
    """Catches a draw in evaluation, or a mode that a network does not pass on."""
    chosen = ZOO[name]
    lockstep = Lockstep(chosen, {}, CPU)
    data = chosen.data()
    x, target = data.validation_inputs[:5], data.validation_targets[:5]
    ours, our_loss = lockstep.numpy_twin.evaluate(x, target)
    theirs, their_loss = lockstep.torch_twin.evaluate(x, target)
    for our, their in zip(*(o if isinstance(o, tuple) else (o,) for o in (ours, theirs)), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(our_loss, their_loss, rtol=1e-9)


def test_tied_weights_are_one_parameter_under_two_names():
    """Catches a copy instead of a tie: the shared matrix's gradient is the sum of both uses, in both engines."""
    ours, theirs = models.GPT(11, 5, 8, 2, 1), models.torch_gpt(torch.nn, 11, 5, 8, 2, 1)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert "head.weight" in ours.state_dict()
    assert "head.weight" not in dict(ours.named_parameters())
    assert ours.head.weight is ours.token.weight


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_gpt2_initialization(engine):
    """Catches a scale that is forgotten on what is added to the residual stream."""
    torch.manual_seed(0)
    torchref.manual_seed(0)
    sizes = (50, 32, 64, 4, 3)
    model = models.GPT(*sizes) if engine == "numpy" else models.torch_gpt(torch.nn, *sizes)
    for name, parameter in model.named_parameters():
        values = np.asarray(parameter.data)
        if values.ndim == 2:
            expected = 0.02 / 6**0.5 if name.endswith(("proj.weight", "mlp.2.weight")) else 0.02
            np.testing.assert_allclose(values.std(), expected, rtol=0.06, err_msg=name)
        else:
            assert (values == (0 if name.endswith("bias") else 1)).all(), name


def test_the_causal_mask_hides_the_future():
    """Catches a leak: a later symbol must not change an earlier logit."""
    model = models.GPT(11, 6, 8, 2, 2)
    x = np.array([[1, 2, 3, 4, 5, 6]])
    changed = x.copy()
    changed[0, 4] = 9
    np.testing.assert_array_equal(model.predict(x)[..., :4], model.predict(changed)[..., :4])
    assert (model.predict(x)[..., 4] != model.predict(changed)[..., 4]).any()


def test_groups_and_schedule_of_gpt():
    """Catches decay on norms and biases, and a schedule that starts at zero or ends above it."""
    groups = models.decay_matrices(models.GPT(11, 6, 8, 2, 1).parameters(), 0.1)
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert {p.ndim for p in groups[0]["params"]} == {2}
    assert {p.ndim for p in groups[1]["params"]} == {1}
    factor = models.warmup_cosine(4, 10)
    assert [factor(step) for step in range(4)] == [0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose([factor(4), factor(7), factor(10), factor(20)], [1, 0.5, 0, 0])


def test_accumulated_gradients_are_those_of_the_whole_batch():
    """Catches parts that count equally though they are not of equal size."""
    data = ZOO["GPT"].data()
    x, target = data.train_inputs[:7], data.train_targets[:7]
    gradients = []
    for accumulate in (1, 3):
        twin = Lockstep(comparison("a", accumulate=accumulate, **gpt()), {}, CPU).torch_twin
        output, loss, _ = twin.gradients(x, target)
        gradients.append({"output": output, "loss": loss, **twin.named_gradients()})
    for name, gradient in gradients[0].items():
        np.testing.assert_allclose(gradients[1][name], gradient, rtol=1e-9, atol=1e-12, err_msg=name)


def test_clipping_changes_the_update_and_not_what_is_compared():
    """Catches gradients that are compared after they were clipped, or clipped twice."""
    chosen = comparison("a", max_norm=1e-3, optimizer=lambda optim, p: optim.SGD(p, lr=1.0), **gpt())
    lockstep = Lockstep(chosen, {}, CPU)
    data = chosen.data()
    before = {name: weight.copy() for name, weight in lockstep.torch_twin.named_weights().items()}
    step = lockstep.step(data.train_inputs[:7], data.train_targets[:7])
    moved = sum(float(np.sum((w - before[n]) ** 2)) for n, w in lockstep.torch_twin.named_weights().items()) ** 0.5
    np.testing.assert_allclose(moved, 1e-3, rtol=1e-3)
    assert sum(float(np.sum(g**2)) for g in step.torch_gradients.values()) > 1e-4


def test_importing_the_models_imports_no_torch():
    """Catches a torch half that costs every NumPy user two seconds."""
    code = "import sys, torchref.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
