"""What a lesson's trainings leave for TensorBoard."""

import numpy as np

from torchref.compare.catalogue import find_lesson
from torchref.compare.record.metrics import read_metrics
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach.curves import record, record_across
from torchref.compare.teach.trained import Trained


def test_what_one_engine_alone_measured_is_not_the_others(tmp_path):
    """Catches NumPy's figure drawn as torch's, and a sweep's curve with its points mixed up."""
    lesson = find_lesson("zero_initialization")
    trained = Trained("v", next(iter(lesson.variants.values())), None)
    trained.note("both", 1.0, 2.0)
    trained.note("ours", 3.0)
    with Recorder(tmp_path / "v") as recorder:
        record(recorder, [trained])
    metrics = read_metrics(tmp_path / "v")
    assert metrics["numpy"] == {"both": [(0, 1.0)], "ours": [(0, 3.0)]}
    assert metrics["torch"] == {"both": [(0, 2.0)]}
    assert metrics["difference"] == {"difference/both (log10)": [(0, 0.0)]}
    values = np.array([1.0, 2.0, 6.0])
    record_across(tmp_path, {"by p": {"gap": [(50, values), (0, -values)], "loss": [(50, values / 2)]}})
    curves = read_metrics(tmp_path / "by p")
    assert curves["numpy"] == {"gap": [(0, -3.0), (50, 3.0)], "loss": [(50, 1.5)]}
    assert curves["least"] == {"gap": [(0, -6.0), (50, 1.0)], "loss": [(50, 0.5)]}
    assert curves["greatest"] == {"gap": [(0, -1.0), (50, 6.0)], "loss": [(50, 3.0)]}
