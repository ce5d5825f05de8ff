"""The assertion itself: equal twins pass, any fault in any layer is found and named."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import torchref
from tests.compare.small import blobs, changed, network, small
from torchref import compare
from torchref.compare.errors import UserError
from torchref.compare.lockstep.outcome import Diverged
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.lockstep.twins import TorchTwin, put_back
from torchref.compare.record.metrics import read_metrics
from torchref.compare.train.evaluate import CHUNK, evaluate

CPU = torch.device("cpu")
OPTIMIZERS = {
    "SGD": lambda optim, p: optim.SGD(p, lr=0.05),
    "SGD momentum": lambda optim, p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.1, weight_decay=0.1),
    "SGD Nesterov": lambda optim, p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "SGD maximize": lambda optim, p: optim.SGD(p, lr=0.01, maximize=True),
    "Adam": lambda optim, p: optim.Adam(p, lr=0.01, betas=(0.8, 0.9), eps=1e-3),
    "Adam amsgrad": lambda optim, p: optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.1),
    "AdamW": lambda optim, p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


def steps(comparison, count, options=None, observe=False, fault=None):
    """A lockstep after `count` steps on seeded batches."""
    lockstep = Lockstep(comparison, options or comparison.variants["both"], CPU, fault)
    data, rng = blobs().astype(np.dtype(comparison.dtype)), np.random.default_rng(5)
    for _ in range(count):
        indices = rng.permutation(len(data.train_inputs))[:13]
        lockstep.step(data.train_inputs[indices], data.train_targets[indices], observe)
    return lockstep


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twins_stay_equal_under_every_optimizer(name, dtype):
    """Catches an optimizer whose update differs, over steps enough to tell all variants apart."""
    lockstep = steps(changed(optimizer=OPTIMIZERS[name], dtype=dtype), 8)
    assert lockstep.steps == 8
    assert 0 < lockstep.judge.largest_share <= 1
    assert lockstep.canary
    assert all(lockstep.canary.values())
    if dtype == "float64":
        assert lockstep.drift() < 1e-9


@pytest.mark.parametrize("layer", range(7))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_fault_in_any_layer_is_found_and_named(layer, dtype):
    """Catches a harness that misses a wrong gradient, or blames the wrong layer."""
    with pytest.raises(Diverged) as found:
        steps(changed(dtype=dtype), 3, fault=str(layer))
    assert found.value.divergence.layer == str(layer)
    assert found.value.divergence.step == 0
    assert found.value.divergence.equal_before
    assert abs(found.value.divergence.numpy / found.value.divergence.torch - 1.01) < 1e-3


def test_a_fault_in_front_of_all_parameters_is_found_in_the_output():
    """Catches a sabotage without effect: nothing needs the gradient of a first layer that has no parameters."""

    def model(nn, **_):
        return nn.Sequential(nn.Tanh(), nn.Linear(5, 3))

    with pytest.raises(Diverged) as found:
        steps(changed(model=model), 1, fault="0")
    assert found.value.divergence.layer == "0"
    assert found.value.divergence.tensor == "output of 0"


def test_sabotage_names_the_nearest_layer():
    with pytest.raises(UserError, match=r"sabotage: there is no layer '10'"):
        steps(small, 1, fault="10")


def test_a_wrong_model_is_caught_in_the_forward():
    """Catches a comparison of gradients alone: LeakyReLU beside ReLU differs first in an output."""

    def model(nn, **_):
        activation = nn.LeakyReLU(0.1) if nn is torchref.nn else nn.ReLU()
        return nn.Sequential(nn.Linear(5, 7), activation, nn.Linear(7, 3))

    with pytest.raises(Diverged) as found:
        steps(changed(model=model), 1)
    assert (found.value.divergence.layer, found.value.divergence.tensor) == ("1", "output of 1")
    assert found.value.divergence.equal_before == ["output of 0"]


def test_a_wrong_optimizer_is_caught_in_the_update():
    """Catches an update that is not compared: the learning rates differ by a millionth."""

    def optimizer(optim, parameters):
        return optim.SGD(parameters, lr=0.05 * (1 + 1e-6 * (optim is torch.optim)))

    with pytest.raises(Diverged) as found:
        steps(changed(optimizer=optimizer), 3)
    assert found.value.divergence.tensor.startswith("update ")


def test_a_relative_error_of_a_millionth_is_caught_at_any_step():
    """Catches a screen between two runs of the criterion that lets through what the criterion would not."""
    lockstep = steps(small, 6)
    linear = lockstep.numpy_twin.model[4]
    forward = linear.forward

    def disturbed(x):
        y, backward = forward(x)
        return y, lambda dy: backward(dy) * (1 + 1e-6)

    linear.forward = disturbed
    data = blobs()
    with pytest.raises(Diverged) as found:
        lockstep.step(data.train_inputs[:13], data.train_targets[:13])
    assert found.value.divergence.layer == "4"


def test_twins_do_not_share_memory():
    """Catches a twin that moves with torch's step and so passes vacuously."""
    lockstep = steps(small, 2)
    put_back(lockstep.numpy_twin, lockstep.torch_twin)
    theirs = lockstep.torch_twin.named_weights() | lockstep.torch_twin.named_buffers()
    ours = lockstep.numpy_twin.named_weights() | lockstep.numpy_twin.named_buffers()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name])
        assert not np.shares_memory(array, theirs[name]), name


@pytest.mark.parametrize("first", [0, 1, 3])
def test_draws_that_begin_late_are_not_missed(first):
    """A network that has not drawn is not watched any more; what it draws later must be on the tape all the same."""

    class Late(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers, self.seen = network(torch.nn, 0.0, True), 0

        def forward(self, x):
            output = self.layers(x)
            self.seen += 1
            return torch.nn.functional.dropout(output, 0.5, self.training and self.seen > first)

    late = changed(model=lambda nn, **_: network(nn, 0.0, True), torch_model=lambda nn, **_: Late())
    twins = [TorchTwin(late, {}, np.dtype("float64"), CPU) for _ in range(2)]
    data, tapes = blobs(), []
    for watched, twin in zip((False, True), twins, strict=True):
        torch.manual_seed(0)
        for _ in range(5):
            twin.watched |= watched
            output, loss, tape = twin.gradients(data.train_inputs[:7], data.train_targets[:7])
            tapes.append([output, loss, *twin.named_gradients().values(), *twin.named_buffers().values(), *tape.draws])
    for one, other in zip(tapes[:5], tapes[5:], strict=True):
        assert len(one) == len(other)
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


LAYERS_THAT_DRAW = {
    "RReLU": lambda nn: [nn.Linear(5, 9), nn.RReLU()],
    "AlphaDropout": lambda nn: [nn.Linear(5, 9), nn.AlphaDropout(0.3)],
    "FractionalMaxPool2d": lambda nn: [
        nn.Linear(5, 49),
        nn.Unflatten(1, (1, 7, 7)),
        nn.FractionalMaxPool2d(2, output_size=3),
        nn.Flatten(),
    ],
    "FractionalMaxPool3d": lambda nn: [
        nn.Linear(5, 75),
        nn.Unflatten(1, (1, 3, 5, 5)),
        nn.FractionalMaxPool3d(2, output_size=(1, 3, 3)),
        nn.Flatten(),
    ],
    "TransformerEncoderLayer, dropout 0": lambda nn: [
        nn.Linear(5, 12),
        nn.Unflatten(1, (3, 4)),
        nn.TransformerEncoderLayer(4, 2, 7, dropout=0.0, batch_first=True),
        nn.Flatten(),
        nn.Linear(12, 9),
    ],
}


@pytest.mark.parametrize("name", LAYERS_THAT_DRAW)
def test_what_any_layer_draws_is_replayed(name):
    """Catches a layer that nobody watches, and one whose results are taken for draws: a false MISMATCH."""
    model = lambda nn, **_: nn.Sequential(*LAYERS_THAT_DRAW[name](nn), nn.Linear(9, 3))  # noqa: E731
    assert steps(changed(model=model), 3).steps == 3


def test_watching_changes_no_value():
    """Catches a hook that disturbs what it looks at: the same bits with and without."""
    watched, unwatched = steps(small, 4, observe=True), steps(small, 4)
    for name, weight in unwatched.torch_twin.named_weights().items():
        np.testing.assert_array_equal(weight, watched.torch_twin.named_weights()[name])
    for name, weight in unwatched.free_twin.named_weights().items():
        np.testing.assert_array_equal(weight, watched.free_twin.named_weights()[name])


def test_a_bias_in_front_of_batch_norm_needs_no_exception():
    """Its true gradient is zero and both twins hold rounding noise: a relative tolerance would call that a mismatch."""

    def model(nn, **_):
        return nn.Sequential(nn.Linear(5, 11), nn.BatchNorm1d(11), nn.Tanh(), nn.Linear(11, 3))

    lockstep = steps(changed(model=model, optimizer=OPTIMIZERS["Adam"]), 40)
    noise = np.abs(lockstep.numpy_twin.named_gradients()["0.bias"]).max()
    assert noise < 1e-13
    assert "0.bias" not in lockstep.canary
    assert "0.weight" in lockstep.canary


def test_a_run_ends_in_a_report_and_equal_curves(tmp_path):
    """Catches a run that records one engine's numbers under both names, or a report that is not what was measured."""
    report = compare.run(small, out=tmp_path)
    assert report.passed
    assert [variant.name for variant in report.variants] == ["plain", "both"]
    for variant in report.variants:
        assert variant.steps == 3 * 6
        assert variant.tensors > 100
        metrics = read_metrics(tmp_path / "small" / variant.name)
        ours, theirs = (metrics[engine]["loss/step"] for engine in ("numpy", "torch"))
        assert len(ours) == variant.steps
        np.testing.assert_allclose([v for _, v in ours], [v for _, v in theirs], rtol=1e-12)
        assert sum(v for _, v in ours[-6:]) < sum(v for _, v in ours[:6])
    saved = json.loads((tmp_path / "small" / "report.json").read_text())
    assert saved["passed"] is True
    assert saved["variants"][1]["canary_caught"] is True


class Doubling(torchref.nn.Module):
    """A network whose author writes over what it is handed."""

    def __init__(self, place):
        self.layer, self.place = torchref.nn.Linear(5, 3), place

    def forward(self, x):
        if self.place == "input":
            x *= 2  # the line that is named
        y, layer_backward = self.layer(x)
        return y, layer_backward


class DoublingLoss(torchref.nn.CrossEntropyLoss):
    def forward(self, input, target):
        target += 1  # the line that is named
        return super().forward(input, target)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("place", ["input", "target"])
def test_what_writes_over_its_input_is_told_so(tmp_path, dtype, place):
    """Catches a batch that both twins see changed, and so agree upon: NumPy names the line that wanted to change it."""
    loss = (lambda nn: DoublingLoss()) if place == "target" else (lambda nn: nn.CrossEntropyLoss())
    comparison = changed(
        model=lambda nn, **_: Doubling(place),
        torch_model=lambda nn, **_: torch.nn.ModuleDict({"layer": torch.nn.Linear(5, 3)}),
        loss=loss,
        torch_loss=lambda nn: nn.CrossEntropyLoss(),
        dtype=dtype,
    )
    line = 1 + next(
        number
        for number, text in enumerate(Path(__file__).read_text().splitlines())
        if ("x *= 2" if place == "input" else "target += 1") in text
    )
    with pytest.raises(UserError, match=rf"test_lockstep\.py, line {line}: .*output array is read-only"):
        compare.run(comparison, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_layer_that_is_held_in_evaluation_mode_stays_there(tmp_path):
    """Catches an evaluation that puts every layer of torch's network into training mode, a frozen batch norm too."""

    def model(nn, **_):
        frozen = network(nn)
        frozen[1].eval()
        return frozen

    report = compare.run(changed(model=model, epochs=2), out=tmp_path, only="both")
    assert report.passed, report.verdict
    twin = TorchTwin(changed(model=model), {}, np.dtype(np.float64), CPU)
    twin.evaluate(blobs().train_inputs, blobs().train_targets)
    assert [module.training for module in twin.model] == [True, False, True, True, True, True, True]


def frozen_by_train(nn, **_):
    """Batch norm that is frozen as most networks freeze it: by a `train` of its own."""

    class Frozen(nn.BatchNorm1d):
        def train(self, mode=True):
            return super().train(False)

    return nn.Sequential(nn.Linear(5, 7), nn.Sequential(Frozen(7), nn.Tanh()), nn.Dropout(0.3), nn.Linear(7, 3))


def test_a_train_of_ones_own_is_called(tmp_path):
    """Catches a batch norm that is trained in both twins though the network's `train` keeps it frozen."""
    lockstep = steps(changed(model=frozen_by_train), 3)
    for twin in (lockstep.numpy_twin, lockstep.torch_twin, lockstep.free_twin, lockstep.referee):
        for _ in range(2):
            assert [module.training for module in twin.model.modules()] == [True, True, True, False, True, True, True]
            assert not twin.named_buffers()["1.0.running_mean"].any()
            assert twin.named_buffers()["1.0.num_batches_tracked"] == 0
            twin.model.train()  # a child's `train` is called, too
    assert compare.run(changed(model=frozen_by_train, epochs=2), out=tmp_path).passed


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_long_evaluation_gives_the_loss_of_all_examples(reduction, engine):
    """Catches a loss that is averaged over chunks, whatever it divides by; and ignored targets among the wrong ones."""
    comparison = changed(loss=lambda nn: nn.CrossEntropyLoss(reduction=reduction, ignore_index=-1))
    lockstep = Lockstep(comparison, comparison.variants["both"], CPU)
    twin = lockstep.numpy_twin if engine == "numpy" else lockstep.torch_twin
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((2 * CHUNK + 77, 5)), rng.integers(0, 3, 2 * CHUNK + 77)
    target[: CHUNK + 500] = -1
    loss, accuracy, count = evaluate(twin, x, target)
    output, expected = twin.evaluate(x, target)
    assert loss == pytest.approx(expected, rel=1e-13)
    assert count == len(x)
    assert accuracy == np.mean(output.argmax(axis=1)[CHUNK + 500 :] == target[CHUNK + 500 :])


def test_labels_that_the_loss_ignores_are_taken(tmp_path):
    """Catches a check of labels that knows of -100 alone: here -1 does not count, and -100 is no label."""
    data = blobs()
    data.train_targets[::7] = -1
    comparison = changed(loss=lambda nn: nn.CrossEntropyLoss(ignore_index=-1), data=lambda: data, epochs=1)
    assert compare.run(comparison, out=tmp_path, only="both").passed
    data.train_targets[2] = -100
    with pytest.raises(UserError, match=r"train_targets\[2\] is -100"):
        compare.run(comparison, out=tmp_path / "other", only="both")


def test_two_runs_of_one_seed_are_bit_identical(tmp_path):
    """Catches a draw or an order that the seed does not determine."""
    for run in ("a", "b"):
        compare.run(changed(epochs=2), out=tmp_path / run, only="both")
    a, b = (read_metrics(tmp_path / run / "small" / "both") for run in ("a", "b"))
    assert a == b


def test_other_networks_are_refused_before_anything_is_written(tmp_path):
    """Catches half-written runs: what cannot be trained is refused while the folder is still empty."""
    cases = {
        r"only: there is no variant 'bth': did you mean 'both'": {"only": "bth"},
        r"sabotage: there is no layer 'x'": {"sabotage": "x"},
    }
    for message, arguments in cases.items():
        with pytest.raises(UserError, match=message):
            compare.run(small, out=tmp_path, **arguments)
    labels = blobs()
    labels.train_targets[4] = 3
    comparisons_refused = {
        r"train_targets\[4\] is 3, but the network has 3 outputs": changed(data=lambda: labels),
        r"layer 0 \(Linear.*inputs of shape \(N, 5\).*shapes cannot be multiplied": changed(
            model=lambda nn, **_: nn.Sequential(nn.Linear(4, 3))
        ),
        r"state_dict differ in '0.bias'": changed(
            torch_model=lambda nn, **_: nn.Sequential(nn.Linear(5, 3, bias=False))
        ),
        r"loss: it learns linear.weight, which the optimizer is not given": changed(
            loss=lambda nn: nn.LinearCrossEntropyLoss(3, 3)
        ),
        r"loss \(.*\) must be a scalar": changed(loss=lambda nn: nn.CrossEntropyLoss(reduction="none")),
        r"Expected more than 1 value per channel": changed(batch_size=1),
    }
    if not torch.cuda.is_available():
        comparisons_refused[r"device: 'cuda' is asked for"] = changed(device="cuda")
    for message, comparison in comparisons_refused.items():
        with pytest.raises(UserError, match=message):
            compare.run(comparison, out=tmp_path, only="both")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (r"epochs must be a whole number of at least 1, not 0", {"epochs": 0}),
        (r"batch_size must be a whole number of at least 1, not True", {"batch_size": True}),
        (r"seed must be a whole number from 0", {"seed": -1}),
        (r"dtype must be one of float32, float64, not 'float16'", {"dtype": "float16"}),
        (r"device must be one of auto, cpu, cuda, not 'tpu'", {"device": "tpu"}),
        (r"model must be a function, not 3", {"model": 3}),
        (r"variants must name at least one", {"variants": {}}),
        (r"which 'a/b' cannot be", {"variants": {"a/b": {}}}),
    ],
)
def test_comparison_refuses_what_it_cannot_mean(message, fields):
    with pytest.raises(UserError, match=message):
        changed(**fields)


@pytest.mark.parametrize(
    ("message", "data"),
    [
        (r"train_inputs must be a numpy.ndarray, not list", ([1.0], np.zeros(1), np.zeros(1), np.zeros(1))),
        (r"train_inputs holds no example", (np.zeros((0, 3)), np.zeros(0), np.zeros((1, 3)), np.zeros(1))),
        (r"train_inputs\[0, 1\] is nan", (np.array([[1, np.nan]]), np.zeros(1), np.zeros((1, 2)), np.zeros(1))),
        (r"train_targets has dtype int32", (np.zeros((1, 2)), np.zeros(1, np.int32), np.zeros((1, 2)), np.zeros(1))),
        (r"2 train_inputs, but 1 train_targets", (np.zeros((2, 2)), np.zeros(1), np.zeros((1, 2)), np.zeros(1))),
        (r"validation_inputs \(3,\)", (np.zeros((2, 2)), np.zeros(2), np.zeros((1, 3)), np.zeros(1))),
    ],
)
def test_data_is_checked(message, data):
    with pytest.raises(UserError, match=message):
        compare.Data(*data)


def test_network_has_the_size_the_tests_assume():
    assert len(network(torchref.nn)) == 7
