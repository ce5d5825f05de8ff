"""What dropout and batch norm are said to do to a network is what they do: each measure on a known truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import torchref
from torchref.compare.comparison import Comparison
from torchref.compare.data import Data
from torchref.compare.lockstep.observe import Seen, observe_numpy
from torchref.compare.lockstep.smoothness import along_gradient
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.record import effects
from torchref.compare.record.metrics import read_metrics
from torchref.compare.record.recorder import Recorder


def seen(x, y):
    return Seen(inputs={"d": np.asarray(x, np.float64)}, outputs={"d": np.asarray(y, np.float64)})


def test_kept_share_leaves_out_what_was_zero():
    """Behind a ReLU half of the units are zero without any dropout: counted as dropped, p would look too large."""
    watched = seen([[1.0, 2.0, 0.0, 4.0]], [[2.0, 0.0, 0.0, 8.0]])
    kept = effects.dropout_effect("hidden 1/after dropout", watched.inputs["d"], watched.outputs["d"])
    assert kept == {"hidden 1/after dropout/share kept": pytest.approx(2 / 3)}


@pytest.mark.parametrize("shape", [(13, 3), (5, 3, 7), (3, 3, 2, 5)])
def test_running_statistics_are_where_evaluation_equals_training(shape):
    """Catches the biased variance, channels mixed with places, a distance that one channel hides in the mean."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape) * np.array([1.0, 2.0, 5.0]).reshape(3, *[1] * (len(shape) - 2)) + 7
    norm = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d}[len(shape)]
    module = norm(3, momentum=1.0).double()  # its running statistics are the last batch's
    module(torch.from_numpy(x))
    mean, variance = module.running_mean.numpy(), module.running_var.numpy()
    np.testing.assert_allclose(effects.batch_statistics(x), (mean, variance), rtol=1e-12)
    assert effects.statistics_apart(x, mean, variance) == pytest.approx((0.0, 0.0), abs=1e-12)
    spread = np.sqrt(variance)
    off = np.array([1.0, -1.0, 0.0])  # the mean over the channels is 0
    apart = effects.statistics_apart(x, mean + off * spread, variance * np.exp(2 * off))
    assert apart == pytest.approx(((2 / 3) ** 0.5, 2 * (2 / 3) ** 0.5))


def test_a_batch_norms_scalars(tmp_path):
    """Catches a tag that shows another quantity than it names."""
    rng = np.random.default_rng(0)
    module = torchref.nn.BatchNorm1d(3, dtype=np.float64)
    x = rng.standard_normal((11, 3)) + 4
    with observe_numpy(module) as watched:
        module(x)
    values = effects.batch_norm_effect("n", watched.inputs[""], module)
    assert values["n/batch mean"] == pytest.approx(x.mean())
    assert values["n/running mean"] == pytest.approx(0.1 * x.mean())
    assert values["n/batch variance"] == pytest.approx(x.var(0, ddof=1).mean())
    assert values["n/running variance"] == pytest.approx(0.9 + 0.1 * x.var(0, ddof=1).mean())
    distance = 0.9 * x.mean(0) / x.std(0, ddof=1)
    expected = pytest.approx(float(np.sqrt(np.mean(distance**2))))
    assert values["n/running mean - batch mean, in spreads"] == expected


def bowl(curvatures, lr=0.1):
    """A network whose loss is 1/2 sum_i curvature_i (w_i - 1)^2: all along its gradient is known."""
    root = np.diag(np.sqrt(np.asarray(curvatures, np.float64)))
    data = Data(root, root.sum(0)[:, None], root, root.sum(0)[:, None])
    return Comparison(
        name="bowl",
        claim="",
        model=lambda nn: nn.Linear(len(curvatures), 1, bias=False),
        loss=lambda nn: nn.MSELoss(reduction="sum"),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=lr),
        data=lambda: data,
        batch_size=len(curvatures),
    )


def test_along_the_gradient_of_a_bowl():
    """Catches a step of another length or sense, a norm that forgets an entry, and a curvature without the distance."""
    curvature, steps = np.array([1.0, 4.0, 9.0]), [0.01, 0.05, 0.1, 0.4]
    comparison = bowl(curvature)
    lockstep = Lockstep(comparison, {}, torch.device("cpu"))
    data = comparison.data()
    x, target = data.train_inputs[:], data.train_targets[:]
    for twin in (lockstep.numpy_twin, lockstep.torch_twin):
        start = np.array(twin.named_weights()["weight"])[0] - 1
        g = 2 * curvature * start  # the sum of squares has no factor 1/2
        losses = np.array([np.sum(curvature * (start - s * g) ** 2) for s in steps])
        changes = np.array([np.linalg.norm(2 * curvature * s * g) for s in steps])
        found = along_gradient(twin, x, target, steps)
        np.testing.assert_allclose(found.losses, losses, rtol=1e-12)
        np.testing.assert_allclose(found.changes, changes, rtol=1e-12)
        np.testing.assert_allclose(found.distances, np.array(steps) * np.linalg.norm(g), rtol=1e-12)
        assert 0 < losses.argmin() < losses.argmax()  # neither is the first step's
        assert found.loss_range == pytest.approx(losses.max() - losses.min())
        assert found.gradient_range == pytest.approx(changes.max() - changes.min())
        assert found.smoothness == pytest.approx(np.linalg.norm(2 * curvature * g) / np.linalg.norm(g))


def test_looking_leaves_the_training_as_it_is():
    """Catches a look that moves weights, gradients or running statistics: the next step would no longer be equal."""
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((8, 3)), rng.integers(0, 2, 8)
    comparison = replace(
        bowl([1.0]),
        model=lambda nn: nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)),
        loss=lambda nn: nn.CrossEntropyLoss(),
    )
    lockstep = Lockstep(comparison, {}, torch.device("cpu"))
    lockstep.step(x, target)
    looked = []
    for twin in (lockstep.numpy_twin, lockstep.torch_twin):
        state = {n: np.array(v) for n, v in (twin.named_weights() | twin.named_buffers()).items()}
        gradients = {n: np.array(v) for n, v in twin.named_gradients().items()}
        looked.append(along_gradient(twin, x, target, [0.1, 0.2]))
        for name, value in (twin.named_weights() | twin.named_buffers()).items():
            np.testing.assert_array_equal(value, state[name])
        for name, value in twin.named_gradients().items():
            np.testing.assert_array_equal(value, gradients[name])
    np.testing.assert_allclose(looked[0].losses, looked[1].losses, rtol=1e-12)
    np.testing.assert_allclose(looked[0].changes, looked[1].changes, rtol=1e-10)
    lockstep.step(x, target)


def test_a_watched_step_is_recorded_for_both_engines(tmp_path):
    """Catches an effect that is recorded for one engine, and a picture of the masks that is missing."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((8, 3)), rng.integers(0, 2, 8)
    comparison = replace(
        bowl([1.0]),
        model=lambda nn: nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.3), nn.Linear(5, 2)),
        loss=lambda nn: nn.CrossEntropyLoss(),
    )
    lockstep = Lockstep(comparison, {}, torch.device("cpu"))
    with Recorder(tmp_path) as recorder:
        step = lockstep.step(x, target, observe=True)
        effects.record_effects(recorder, step, lockstep, [0.1], 1, pictures=True, every=True)
    metrics = read_metrics(tmp_path)
    assert metrics["numpy"].keys() == metrics["torch"].keys()
    for tag, points in metrics["numpy"].items():
        assert metrics["torch"][tag][0] == pytest.approx(points[0], rel=1e-6, abs=1e-12), tag
    read = EventAccumulator(str(tmp_path / "numpy"), size_guidance={"images": 0}).Reload()
    wanted = {"hidden 1/after dropout/masks", "hidden 1/after normalisation/in front and behind"}
    assert wanted | {"hidden 1/after normalisation/running and batch statistics"} == set(read.Tags()["images"])
