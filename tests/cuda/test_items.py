"""What is shown on a CUDA device, there, and on the processor by the same code."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.cuda import items
from tests.cuda.__main__ import main
from tests.cuda.items import ITEMS, NotHere, shortened
from torchref.compare.catalogue import find

FAST = [name for name in ITEMS if not name.startswith("lockstep")]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ITEMS)
def test_an_item_on_cuda(name, tmp_path):
    """Catches whatever a processor cannot show."""
    try:
        ITEMS[name]("cuda", tmp_path)
    except NotHere as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("name", FAST)
def test_an_item_on_the_processor(name, tmp_path):
    """Catches an item that is found broken only when a device is lent."""
    try:
        assert ITEMS[name]("cpu", tmp_path)
    except NotHere as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("name", [name for name in ITEMS if name.startswith("lockstep")])
def test_a_lockstep_on_the_processor(name, tmp_path, monkeypatch):
    """The same with two steps of one variant."""

    def short(comparison):
        few = shortened(comparison, 2)
        return items.replace(few, variants=dict([*few.variants.items()][-1:]), batch_size=8, epochs=1)

    monkeypatch.setattr(items, "shortened", short)
    assert "largest share" in ITEMS[name]("cpu", tmp_path)


def test_shortened_trains_for_the_steps_that_are_asked_for():
    """Catches a run on a lent device that takes minutes."""
    comparison = shortened(find("digits"), 5)
    assert comparison.epochs * -(-len(comparison.data().train_inputs) // comparison.batch_size) == 5


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_without_a_device_the_script_says_so(capsys):
    """Catches a summary of passes on a machine without CUDA."""
    assert main() == 2
    assert "no CUDA device" in capsys.readouterr().out


def test_a_failure_is_a_status(capsys, monkeypatch):
    """Catches a summary that ends well whatever happened."""

    def fails(device, out):
        raise AssertionError("mine")

    monkeypatch.setitem(ITEMS, "one that fails", fails)
    for name in [*ITEMS][:-1]:
        monkeypatch.setitem(ITEMS, name, lambda device, out: "done")
    assert main("cpu") == 1
    assert "FAILED  AssertionError: mine" in capsys.readouterr().out


def test_the_script_can_be_started():
    """Catches a module that cannot be run as `make cuda` runs it."""
    root = Path(__file__).parents[2]
    code = "import tests.cuda.__main__ as script; print(script.BUDGET)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "480.0"
