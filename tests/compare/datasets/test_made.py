"""Bundled and made data: the shapes and the known truths that lessons rely on."""

import numpy as np
import pytest

from torchref.compare.datasets import bundled, made, pole
from torchref.compare.errors import UserError

DATA = {
    "digits": (bundled.digits, (1258, 64), (1258,)),
    "digit images": (lambda: bundled.digits(images=True), (1258, 1, 8, 8), (1258,)),
    "digits alone": (bundled.digit_images, (1258, 64), (1258, 64)),
    "breast cancer": (bundled.breast_cancer, (398, 30), (398,)),
    "wine": (bundled.wine, (125, 13), (125,)),
    "diabetes": (bundled.diabetes, (309, 10), (309, 1)),
    "patches": (lambda: bundled.photo_patches(5, 40), (40, 1, 5, 5), (40, 1, 5, 5)),
    "color patches": (lambda: bundled.photo_patches(5, 40, color=True), (40, 3, 5, 5), (40, 3, 5, 5)),
    "spirals": (lambda: made.spirals(100, classes=3), (70, 2), (70,)),
    "xor": (lambda: made.xor(100), (70, 2), (70,)),
    "copy": (lambda: made.copy_task(100, 8, 3, 4), (80, 10), (80, 10)),
}


@pytest.mark.parametrize("name", DATA)
def test_data_have_their_shapes_and_come_from_their_seed(name):
    """Catches data that change from call to call, labels that are no int64, and unequal halves."""
    make, inputs, targets = DATA[name]
    data, again = make(), make()
    assert data.train_inputs.shape == inputs
    assert data.train_targets.shape == targets
    for one, other in zip(vars(data).values(), vars(again).values(), strict=True):
        np.testing.assert_array_equal(one, other)
    if len(targets) == 1:
        assert data.train_targets.dtype == np.int64
        assert set(data.train_targets) == set(range(data.train_targets.max() + 1))


@pytest.mark.parametrize("make", [bundled.breast_cancer, bundled.wine, bundled.diabetes])
def test_standardised_means_over_the_training_part_alone(make):
    """Catches statistics taken from held-out examples."""
    data = make()
    np.testing.assert_allclose(data.train_inputs.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.train_inputs.std(axis=0), 1)
    assert np.abs(data.validation_inputs.mean(axis=0)).max() > 1e-3


def test_text_windows_predict_the_next_symbol_and_hold_out_the_end():
    symbols, known = bundled.encode("to be or not to be, that is")
    assert "".join(known[i] for i in symbols) == "to be or not to be, that is"
    data = bundled.text_windows(symbols, 4, validation=0.3)
    np.testing.assert_array_equal(data.train_inputs[:, 1:], data.train_targets[:, :-1])
    every = np.concatenate([data.train_inputs, data.validation_inputs]).ravel()
    np.testing.assert_array_equal(every, symbols[: every.size])
    with pytest.raises(UserError, match=r"the text has 27 symbols; two windows of 14 need 29"):
        bundled.text_windows(symbols, 14)


def test_help_text_is_text():
    data = bundled.help_text_windows(32, characters=5_000)
    assert data.train_inputs.shape[1:] == (32,)
    assert data.train_inputs.dtype == np.int64


def test_patches_refuse_a_size_that_does_not_fit():
    with pytest.raises(UserError, match=r"size must be from 1 to 200 pixels, not 201"):
        bundled.photo_patches(201)


def test_copy_and_backwards_are_what_they_say():
    """Catches a target that stands elsewhere, and a decoder that sees the symbol it is asked for."""
    data = made.copy_task(20, 5, 3, 4)
    np.testing.assert_array_equal(data.train_inputs[:, :3], data.train_targets[:, 7:])
    assert not data.train_targets[:, :7].any()
    source = np.random.default_rng(0).integers(1, 6, (20, 3))
    inputs, targets = made.backwards(source)
    assert inputs.shape == (20, 6)
    np.testing.assert_array_equal(inputs[:, :3], source)
    np.testing.assert_array_equal(targets, source[:, ::-1])
    assert not inputs[:, 3].any()
    np.testing.assert_array_equal(inputs[:, 4:], targets[:, :-1])


def test_the_pole_moves_as_in_gymnasium():
    """Catches a wrong term in the equations of motion."""
    gymnasium = pytest.importorskip("gymnasium")
    environment = gymnasium.make("CartPole-v1").unwrapped
    state, _ = environment.reset(seed=0)
    ours = np.array([state], dtype=np.float64)
    environment.state = tuple(ours[0])
    for action in (1, 1, 0, 1, 0, 0, 0, 1, 1, 1):
        theirs, _, ended, *_ = environment.step(action)
        ours = pole.push(ours, np.array([action]))
        np.testing.assert_allclose(ours[0], theirs, rtol=1e-6)
        assert bool(pole.fallen(ours)[0]) == ended


def test_the_pole_falls_where_it_leans_and_energy_is_kept_without_force():
    """Catches a sign: an unpushed pole that leans right turns right, and the cart moves left."""
    state = np.array([[0.0, 0.0, 0.05, 0.0]])
    left, right = pole.push(state, np.array([0])), pole.push(state, np.array([1]))
    unpushed = (left + right) / 2  # the force enters linearly at rest
    assert unpushed[0, 3] > 0
    assert unpushed[0, 1] < 0


def test_episodes_count_and_discount_what_was_lived():
    episodes = pole.play(lambda state: np.full(len(state), 0.5), 7, np.random.default_rng(0), longest=60)
    returns = episodes.returns(0.5)
    assert (np.diff(episodes.alive.astype(int), axis=0) <= 0).all()
    for n, length in enumerate(episodes.lengths):
        np.testing.assert_allclose(returns[:length, n], 2 - 2.0 ** -(np.arange(length, 0, -1) - 1.0))
        assert not returns[length:, n].any()
    states, targets = pole.steps_with_advantages(episodes)
    assert len(states) == len(targets) == episodes.lengths.sum()
    np.testing.assert_allclose(targets[:, 1].mean(), 0, atol=1e-12)
