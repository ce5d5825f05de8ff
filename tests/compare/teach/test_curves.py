"""What a lesson's trainings leave for TensorBoard."""

from dataclasses import replace

import numpy as np

from torchref.compare.catalogue import find_lesson
from torchref.compare.record.metrics import read_metrics
from torchref.compare.record.pictures import OVER_SETTINGS, by_setting
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach.curves import figures_drawn, record
from torchref.compare.teach.lesson import Across
from torchref.compare.teach.trained import Trained


def test_what_one_engine_alone_measured_is_not_the_others(tmp_path):
    """Catches NumPy's figure drawn as torch's, and a sweep's curve with its points mixed up."""
    lesson = find_lesson("zero_initialization")
    trained = Trained("v", next(iter(lesson.variants.values())), None)
    trained.note("both", 1.0, 2.0)
    trained.note("ours", 3.0)
    with Recorder(tmp_path / "v") as recorder:
        record(recorder, [trained], ("numpy", "torch"))
    metrics = read_metrics(tmp_path / "v")
    assert metrics["numpy"] == {"both": [(0, 1.0)], "ours": [(0, 3.0)]}
    assert metrics["torch"] == {"both": [(0, 2.0)]}


def test_figures_stand_over_the_settings():
    """Catches a figure of another variant, and a seed that stands on the axis in the place of a setting."""
    a, b = np.array([1.0, 2.0]), np.array([5.0, 7.0])
    figures = {"small": {"gap": a}, "large": {"gap": b, "more": a}}
    asked = []
    over = Across("figures/gap by size", "size", "gap", {"": [("small", a), ("large", b)]})
    lesson = replace(
        find_lesson("zero_initialization"),
        cards=("figures/gap", "loss/training", "figures/more"),
        across=lambda of: asked.append(of) or [over],
    )
    drawn = figures_drawn(lesson, figures)
    assert [*drawn] == ["figures/gap", "figures/more", "figures/gap by size"]
    gap = [("small", a), ("large", b)]
    np.testing.assert_array_equal(drawn["figures/gap by size"], by_setting("gap by size", "size", "gap", {"": gap}))
    assert asked == [figures]


def test_a_dot_for_each_seed():
    """Catches a mean alone, which hides how far the seeds lie apart."""
    one = by_setting("t", "size", "gap", {"": [("small", np.array([1.0])), ("large", np.array([2.0]))]}, joined=False)
    many = by_setting(
        "t", "size", "gap", {"": [("small", np.linspace(0, 1, 9)), ("large", np.array([2.0]))]}, joined=False
    )
    assert one.shape == many.shape
    assert (many == np.array(OVER_SETTINGS[0])).all(axis=2).sum() > (one == np.array(OVER_SETTINGS[0])).all(
        axis=2
    ).sum()
    assert by_setting("t", "size", "gap", {"": [("small", np.array([np.nan]))]}).shape == one.shape
