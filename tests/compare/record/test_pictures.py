"""A picture shows what it says: colours at their places, axes whose numbers fit, nothing that is not in the arrays."""

import numpy as np
import pytest

from torchref.compare.record import pictures
from torchref.compare.record.drawing import (
    COLOURS,
    HEIGHT,
    LARGE,
    NUMPY,
    TORCH,
    WIDTH,
    Figure,
    fitting,
    font,
    nice,
    shaded,
)


def count(picture, colour):
    return int((picture == np.array(colour)).all(axis=2).sum())


def test_two_curves_are_seen_as_two():
    """Catches a curve that hides the other: where both are equal, both colours must be there."""
    steps, loss = np.arange(1.0, 101), np.exp(-np.arange(100) / 30)
    picture = pictures.agreement(steps, loss, loss, "t", "loss")
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert min(count(picture, NUMPY), count(picture, TORCH)) > 1000
    assert pictures.apart(loss, loss) == "equal to the last bit"
    assert pictures.apart(loss, loss + 1e-9) == "at most 1.0e-09 apart"
    broken = np.array([1.0, np.nan, np.inf, 0.5])
    assert pictures.agreement(np.arange(4.0), broken, broken, "t", "loss").shape == picture.shape
    assert pictures.agreement(np.zeros(0), np.zeros(0), np.zeros(0), "t", "loss").shape == picture.shape


def test_no_curve_is_cut_off():
    """Catches an axis that ends below a loss's start: its height would not be seen."""
    steps, loss = np.arange(1.0, 201), np.full(200, 0.1)
    low, high = (
        pictures.agreement(steps, each, each, "t", "loss")
        for each in (loss + 2 * (steps == 1), loss + 20 * (steps == 1))
    )
    assert (low != high).any(), "a start ten times as high looks the same"


def test_settings_do_not_take_the_engines_colours():
    """Catches a first setting in NumPy's blue, which would look like NumPy's curve."""
    assert NUMPY not in (*COLOURS[:3], *pictures.OVER_SETTINGS[:6])
    assert TORCH not in (*COLOURS, *pictures.OVER_SETTINGS)


def test_a_bar_hides_no_dot():
    """Catches a seed's dot under the bar of the mean: with one seed it lies at the mean."""
    picture = pictures.by_setting(
        "t", "size", "gap", {"": [("small", np.ones(1)), ("large", np.zeros(1))]}, joined=False
    )
    columns = (picture == np.array(pictures.OVER_SETTINGS[0])).all(axis=2).any(axis=0)
    assert np.diff(columns.astype(int)).tolist().count(1) == 4, "a bar and a dot apart, at each of the two settings"


def test_a_line_shows_under_an_equal_one():
    """Catches a moment that a later one with the same gradients hides."""
    equal = pictures.gradients_by_depth(["a", "b", "c"], {step: np.array([0.1, 0.2, 0.3]) for step in range(5)}, "t")
    marks = 27 * 13  # a shade's pixels in the legend
    for shade in pictures.moments(5):
        assert count(equal, shade) > 3 * marks, shade


def test_the_colours_of_moments_are_apart():
    """Catches a grey, or two moments that look the same: the way from yellow to black leads over colours."""
    shades = np.array(pictures.moments(5))
    assert np.linalg.norm(np.diff(shades, axis=0), axis=1).min() > 100
    assert np.ptp(shades[:-1], axis=1).min() > 80


def test_a_mask_tells_dropped_units_from_silent_ones():
    """Catches a unit that ReLU had silenced, shown as dropped; and a picture of one twin twice."""
    x = np.array([[1.0, 2.0, 0.0, 4.0]])
    ours = pictures.mask_of(x, np.array([[2.0, 0.0, 0.0, 8.0]]))
    assert ours.tolist() == [[pictures.KEPT, pictures.DROPPED, 0, pictures.KEPT]]
    assert pictures.mask_of(np.ones((2, 3, 4)), np.ones((2, 3, 4))).tolist() == np.full((2, 12), pictures.KEPT).tolist()
    theirs = ours.copy()
    theirs[0, 1] = pictures.KEPT
    equal, differing = pictures.masks(ours, ours, "t"), pictures.masks(ours, theirs, "t")
    legend = count(equal, pictures.DIFFERING)  # the legend's box
    cell = count(differing, pictures.DIFFERING) - legend
    assert cell > 1000
    np.testing.assert_allclose(count(differing, pictures.MASK[2]) - count(equal, pictures.MASK[2]), cell, rtol=0.02)


def test_shades_go_through_the_middle():
    """Catches a scale whose white is not at 0: a weight below 0 would look like one above."""
    low, zero, high = shaded(np.array([-2.0, 0.0, 1.0]), -2.0, 1.0, 0.0).tolist()
    assert zero == [255, 255, 255]
    assert low[0] > low[2]
    assert high[2] > high[0]
    assert shaded(np.array([np.nan]), 0.0, 1.0).shape == (1, 3)


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-3.2, 7.9), (1e-7, 3e-7), (0.0, 123456.0), (-0.1, 0.0)])
def test_ticks_are_round_numbers_within_the_axis(ends):
    """Catches a number beside the axis, and an axis without any."""
    ticks = nice(ends)
    assert 2 <= len(ticks) <= 6
    for at, text in ticks:
        assert ends[0] - 1e-12 <= at <= ends[1] * (1 + 1e-12) + 1e-12
        assert float(text) == pytest.approx(at, rel=1e-5, abs=1e-20)


def test_a_point_is_drawn_at_its_place():
    """Catches axes upside down, and a range that is not the panel's."""
    axes = Figure("t").axes(0, "", (0.0, 10.0), (-1.0, 1.0), "x", "y")
    left, top, right, bottom = axes.box
    assert axes.place(0.0, -1.0) == (left, bottom)
    assert axes.place(10.0, 1.0) == (right, top)
    assert Figure("t").axes(0, "", (2.0, 2.0), (np.nan, 1.0), "x", "y").place(2.0, 0.5) == (
        (left + right) / 2,
        (top + bottom) / 2,
    )


def test_a_text_that_is_too_long_is_written_smaller():
    """Catches a title or an axis's name that the picture's edge cuts off."""
    text = "hidden 12: running and batch statistics at step 123456"
    assert font(LARGE).getlength(text) > WIDTH - 24 >= fitting(text, LARGE, WIDTH - 24).getlength(text)
    assert fitting("loss", LARGE, WIDTH) is font(LARGE)
    edges = [Figure(title).pixels()[:, -11:] for title in ("t", text)]
    assert (edges[0] == edges[1]).all(), "the title reaches into the right edge"


def test_a_number_at_the_edge_is_whole():
    """Catches the last number of an axis, cut off at the picture's edge."""
    last = Figure("").axes(0, "", (0.0, 1.0), (0.0, 1.0), "", "")
    last.ticks([(1.0, "100000")], [])
    assert (np.asarray(last.image)[:, -2:] == 255).all()


def test_images_are_known_by_their_shape():
    """Catches a table with four columns that is shown as an image of 2 x 2."""
    assert pictures.side((64,)) == (8, 8)
    assert pictures.side((1, 28, 20)) == (28, 20)
    assert pictures.side((3, 32, 32)) == (32, 32)
    assert pictures.side((4,)) is pictures.side((30,)) is pictures.side((2,)) is pictures.side((7, 5, 5)) is None


def test_every_picture_is_drawn():
    """Catches a picture that fails on constant channels, one class, or a single layer."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 3, 4))
    constant = np.zeros(3), np.zeros(3)
    size = (HEIGHT, WIDTH, 3)
    assert pictures.normalisation(x, np.zeros_like(x), "t").shape == size
    assert pictures.running_statistics(constant, constant, "t").shape == size
    assert pictures.gradients_by_depth(["output"], {1: np.zeros(1)}, "t").shape == size
    assert (
        pictures.gradients_by_depth([f"hidden {i}" for i in range(30)], {1: np.ones(30), 9: np.ones(30)}, "t").shape
        == size
    )
    assert pictures.wrong(x[:1], np.array([3]), np.array([1]), np.array([0.9]), "t").shape == size
    assert pictures.weights(np.zeros((2, 3, 3)), "t").shape == size
    points = rng.standard_normal((20, 2))
    assert pictures.decisions(lambda at: at[:, :1], points, np.zeros(20, np.int64), "t").shape == size
