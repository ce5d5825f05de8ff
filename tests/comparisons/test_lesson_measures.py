"""What single lessons measure, on a known truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import torchref
from comparisons.lessons import activations, batch_norm, dropout, supervised, unsupervised
from torchref.compare.catalogue import find_lesson
from torchref.compare.teach.trained import Trained


def begun(lesson, variant, steps=3):
    """A training of a few steps."""
    comparison = lesson.variants[variant]
    data = comparison.data().astype(np.dtype(comparison.dtype))
    trained = Trained(variant, replace(comparison, epochs=1), data, watch=lesson.watch)
    trained.limit = steps
    (lesson.train)(trained)
    return trained


def test_alike():
    """Catches a point that is its own neighbour (all alike), and a neighbour by size instead of distance."""
    points = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.0, 5.2], [9.0, 9.0]])
    assert unsupervised.alike(points, np.array([0, 0, 1, 1, 1])) == 1.0
    assert unsupervised.alike(points, np.array([0, 1, 2, 3, 4])) == 0.0
    assert unsupervised.alike(points, np.array([0, 0, 1, 2, 2])) == pytest.approx(3 / 5)


@pytest.mark.parametrize("variant", ["plain, learned", "variational, learned"])
def test_codes(variant):
    """Catches another layer than torch's, a drawn code instead of its mean, a decoder that is given no code."""
    trained = begun(unsupervised.lesson, variant)
    x = trained.data.validation_inputs[:7]
    code = unsupervised.codes(trained.model, x)
    assert code.shape == (7, 8)
    np.testing.assert_array_equal(code, unsupervised.codes(trained.model, x))
    np.testing.assert_allclose(code, unsupervised.torch_codes(trained.torch_model, x), rtol=1e-12, atol=1e-12)
    pixels = unsupervised.reconstructed(trained.model, x)
    assert 0 <= pixels.min() <= pixels.max() <= 1
    tensor = torch.from_numpy(code)
    trained.torch_model.eval()
    with torch.no_grad():
        if variant.startswith("v"):
            decoded = trained.torch_model.decoder(tensor).sigmoid()
        else:
            decoded = trained.torch_model[3:](tensor)
    np.testing.assert_allclose(pixels, decoded.numpy(), rtol=1e-12, atol=1e-12)


def test_a_map_keeps_the_widest_directions():
    """Catches a map of two directions in which the codes hardly differ."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((50, 4)) * np.array([0.01, 5.0, 0.02, 2.0]) + 7
    flat = unsupervised.widest(points)
    assert flat.shape == (50, 2)
    whole, mapped = (np.linalg.norm(each[:, None] - each, axis=2) for each in (points, flat))
    np.testing.assert_allclose(mapped, whole, atol=0.1)  # the other two directions hold next to nothing
    assert flat[:, 0].std() > flat[:, 1].std()


def test_modes_apart():
    """Without batch norm both modes are one; with it a batch of the whole gives what its own statistics give."""
    trained = begun(batch_norm.lesson, "plain, rate 0.5")
    assert batch_norm.modes_apart(trained, 4) == pytest.approx(0, abs=1e-12)
    trained = begun(batch_norm.lesson, "norm, rate 0.5", steps=8)
    before = {name: np.array(value) for name, value in trained.lockstep.numpy_twin.named_buffers().items()}
    x, target = (torch.from_numpy(a[:256]) for a in (trained.data.train_inputs, trained.data.train_targets))
    model = trained.torch_model
    loss = torch.nn.functional.cross_entropy
    with torch.no_grad():
        evaluated = loss(model.eval()(x), target)
        model.train()
        for size in (2, 64):
            means = [loss(model(x[i : i + size]), target[i : i + size]) for i in range(0, 256, size)]
            expected = float(sum(means) / len(means) - evaluated)
            assert batch_norm.modes_apart(trained, size) == pytest.approx(expected, rel=1e-9)
    for name, value in trained.lockstep.numpy_twin.named_buffers().items():
        np.testing.assert_array_equal(value, before[name])  # looked at on a copy


def test_same_batch_same_weights():
    """Catches an evaluation after the step beside a training loss before it: without dropout both must be equal."""
    trained = begun(dropout.lesson, "p=0.0")
    np.testing.assert_allclose(trained.curve("same batch/training - evaluation"), 0, atol=1e-12)
    assert (trained.curve("hidden 1/after dropout/share kept") == 1).all()
    trained = begun(dropout.lesson, "p=0.5")
    assert (np.abs(trained.curve("same batch/training - evaluation")) > 1e-6).all()
    assert [len(trained.kept[f"masks of {place}"]) for place in dropout.PLACES] == [3, 3]
    first, second = (trained.kept[f"masks of {place}"][-1][0] for place in dropout.PLACES)
    assert not np.array_equal(first, second)


def test_shuffled_outputs_are_the_same_ones():
    """Catches labels that are lost, held-out ones that are shuffled as well, and a shuffle that moves none."""
    for kind in supervised.BETTER:
        right, wrong = (supervised.lesson.variants[f"{kind}, {how}"].data() for how in ("right", "shuffled"))
        assert np.bincount(right.train_targets[:]).tolist() == np.bincount(wrong.train_targets[:]).tolist()
        assert np.mean(right.train_targets[:] == wrong.train_targets[:]) < 0.6
        np.testing.assert_array_equal(right.validation_targets[:], wrong.validation_targets[:])


def test_every_measure_has_a_card():
    """Catches a card on top of the page whose curve is never drawn."""
    for lesson in (batch_norm.lesson, dropout.lesson, unsupervised.lesson):
        trained = begun(lesson, next(name for name in lesson.variants if "plain" in name or "p=0.5" in name))
        drawn = set(trained.curves)
        varied = {card for card in lesson.cards if card.startswith("figures/")}
        assert set(lesson.cards) - varied <= drawn
        assert find_lesson(lesson.name) is lesson


@pytest.mark.parametrize(
    ("plain", "moved", "slope"),
    [
        ("sigmoid, mean 0", "sigmoid", 0.25),
        ("steep sigmoid, mean 0", "steep sigmoid", 1.0),
        ("tanh", "tanh, mean 1", 1.0),
    ],
)
def test_pairs_that_differ_in_the_mean_alone(plain, moved, slope):
    """Catches a pair whose slopes differ, a mean that is not zero, and networks of unequal size."""
    sizes, outputs, slopes = [], [], []
    x = np.linspace(-3, 3, 61)
    for name in (plain, moved):
        network = activations.network(torchref.nn, name, 3)
        sizes.append(sum(parameter.data.size for parameter in network.parameters()))
        y, backward = network[1](x)
        outputs.append(y)
        slopes.append(backward(np.ones_like(x)))
    assert sizes[0] == sizes[1]
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-12)
    assert slopes[0].max() == pytest.approx(slope)
    assert outputs[0].mean() == pytest.approx(0, abs=1e-12)
    apart = outputs[1] - outputs[0]
    np.testing.assert_allclose(apart, apart[0], rtol=1e-12)
    assert apart[0] > 0.4
