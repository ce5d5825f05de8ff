"""A run explains itself: few cards, each with a text that says what it shows."""

from dataclasses import replace

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.compare.tiny import tiny
from torchref.compare.errors import UserError
from torchref.compare.record.backprop.names import PLUGIN
from torchref.compare.record.metrics import ENGINES, read_metrics
from torchref.compare.record.recorder import Recorder
from torchref.compare.request import Request
from torchref.compare.train.run import run

BUDGET = 22  # cards of curves, in one variant, all engines together


def deep(nn, p=0.0):
    """Dropout, batch norm and five places."""
    layers = [nn.Linear(5, 5)]
    for _ in range(3):
        layers += [nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 5)]
    return nn.Sequential(*layers, nn.Tanh(), nn.Linear(5, 3))


deeper = replace(tiny, model=deep, variants={"default": {}})


def read(folder):
    """The accumulators of a variant's runs."""
    return [EventAccumulator(str(folder / engine)).Reload() for engine in ENGINES]


def tags(accumulator):
    found = accumulator.Tags()
    return [*found["scalars"], *found["histograms"], *found["images"], *found["tensors"]]


@pytest.mark.parametrize("record", ["few", "all"])
def test_every_tag_has_a_description(tmp_path, record):
    """Catches a card of which nobody can say what it shows."""
    run(replace(deeper, record=record), out=tmp_path)
    for accumulator in read(tmp_path / "tiny" / "default"):
        for tag in tags(accumulator):
            said = accumulator.SummaryMetadata(tag)
            if said.plugin_data.plugin_name not in ("hparams", PLUGIN):  # these have no cards
                assert said.summary_description, tag


def test_few_cards_by_default(tmp_path):
    """Catches a page of a hundred cards, and one that shows less in a network that is deeper."""
    run(deeper, out=tmp_path)
    shown = {tag for accumulator in read(tmp_path / "tiny" / "default") for tag in accumulator.Tags()["scalars"]}
    assert len(shown) <= BUDGET, sorted(shown)
    hidden = {"hidden 1/after the activation/share of zeros", "hidden 4/after the activation/spread"}
    assert hidden | {"hidden 1/gradient of weight/norm", "output/gradient of weight/norm"} <= shown
    assert "hidden 2/after the activation/spread" not in shown
    assert "hidden 2/gradient of weight/norm" not in shown
    kept = read_metrics(tmp_path / "tiny" / "default")
    assert "hidden 2/gradient of weight/norm" in kept["numpy"]  # the record has more than the cards
    run(replace(deeper, name="all", record="all"), out=tmp_path)
    every = {tag for accumulator in read(tmp_path / "all" / "default") for tag in accumulator.Tags()["scalars"]}
    assert shown < every
    assert "hidden 2/after the activation/spread" in every


def test_resume_remembers_what_is_recorded(tmp_path):
    """Catches a resumed run that goes on with other cards than it began with."""
    run(replace(tiny, record="all"), out=tmp_path)
    assert 'record = "all"' in (tmp_path / "tiny" / "config.toml").read_text()
    config = Request("tests/compare/tiny.py", config=tmp_path / "tiny" / "config.toml").comparison()
    assert config.record == "all"
    with pytest.raises(UserError, match="record must be one of few, all, not 'most'"):
        replace(tiny, record="most")


def test_a_description_is_written_once(tmp_path):
    """Catches a text beside every point: it would weigh more than the numbers."""
    with Recorder(tmp_path, engines=("numpy",), descriptions={"mine": "what *mine* is"}) as recorder:
        for step in range(50):
            recorder.scalar("numpy", "mine", np.sqrt(step), step)
    data = next((tmp_path / "numpy").iterdir()).read_bytes()
    assert data.count(b"what *mine* is") == 1
    (accumulator,) = [EventAccumulator(str(tmp_path / "numpy")).Reload()]
    assert accumulator.SummaryMetadata("mine").summary_description == "what *mine* is"
    assert len(accumulator.Scalars("mine")) == 50
