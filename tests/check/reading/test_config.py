"""The dictionary of options: it knows the names that people use, and notes which are asked for."""

import numpy as np
import pytest

from torchref.check.ops.find import find
from torchref.check.ops.probe import make_probe
from torchref.check.reading.config import make_config


def config(op, taken=None):
    record = find(op)
    return record, make_config(record, make_probe(record).values, taken=taken)


def test_only_what_is_asked_for_is_an_option_of_the_code():
    """Catches an option that the code never read, and that the probe would vary all the same."""
    op, options = config("conv2d")
    assert options["pad"] == options.get("padding") == 1
    assert options.names(op) == {"padding"}


def test_a_dictionary_that_is_handed_on_whole_has_every_option():
    """Catches a code that passes its dictionary on: it reads nothing itself."""
    op, options = config("conv2d")
    assert options.names(op) == {"stride", "padding", "dilation", "groups"}


def test_the_sides_of_a_window():
    """Catches pool_height and pool_width that differ from the kernel's size."""
    op, options = config("max_pool2d")
    assert (options["pool_height"], options["pool_width"], options["stride"]) == (3, 3, 2)
    assert options.names(op) == {"kernel_size", "stride"}


def test_training_is_a_mode():
    """Catches a layer that asks for mode == "train"."""
    op, options = config("batch_norm")
    assert options["mode"] == "train"
    assert options.names(op) == {"training"}


def test_arrays_that_no_argument_takes_are_found():
    """Catches params["W"] and params["layer1"]["W"]; an array with an argument of its own must not be found."""
    op, options = config("linear", taken={"input"})
    weight = make_probe(op).values["weight"]
    assert np.array_equal(options["W"], weight)
    assert np.array_equal(options["layer1"]["W1"], weight)
    assert options.names(op) == {"weight"}
    with pytest.raises(KeyError):
        config("linear", taken={"input", "weight", "bias"})[1]["W"]


def test_a_default_is_given_for_what_is_not_there():
    """Catches get and pop that raise, and `in` that is always true."""
    _, options = config("conv2d")
    assert options.get("colour", "red") == options.pop("colour", "red") == "red"
    assert "colour" not in options
    assert "pad" in options
