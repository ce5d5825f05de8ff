"""What is written at the end of a training: the first picture, and the settings."""

import shutil

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from tests.compare.tiny import tiny
from torchref import compare
from torchref.compare.record import pictures


@pytest.mark.parametrize(
    ("folder", "only", "title"),
    [
        ("tiny", None, "plain (one of 2 variants)"),
        ("tiny", "plain", "plain"),
        ("plain,lr=0.1,seed=0", "plain", "plain,lr=0.1,seed=0"),  # a run of a sweep
    ],
)
def test_the_first_picture_says_whose_it_is(tmp_path, monkeypatch, folder, only, title):
    """Catches a picture that counts variants that the run has not trained, and one without a sweep's settings."""
    titles = []
    drawn = pictures.agreement

    def agreement(steps, ours, theirs, title, figure):
        titles.append(title)
        return drawn(steps, ours, theirs, title, figure)

    monkeypatch.setattr(pictures, "agreement", agreement)
    report = compare.run(tiny, folder=tmp_path / folder, only=only)
    assert titles[0] == f"{title}: NumPy on torch"
    html = report._repr_html_()
    assert html.count("<img") == html.count('src="data:image/png;base64,iVBOR') == len(report.variants)
    shutil.rmtree(tmp_path / folder)
    assert report._repr_html_().count("<img") == 0  # and no error


def test_the_rate_is_a_setting_though_none_asked_for_it(tmp_path):
    """Catches a table of several sweeps with an empty cell where one has not varied the learning rate."""
    compare.run(tiny, out=tmp_path, only="plain")
    read = EventAccumulator(str(tmp_path / "tiny" / "plain" / "numpy")).Reload()
    content = read.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    assert plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams[
        "optimizer.lr"
    ].number_value == pytest.approx(0.05)
