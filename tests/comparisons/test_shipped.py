"""The comparisons that ship: every variant of each trains on its own data, gradients equal."""

import numpy as np
import pytest
import torch

import comparisons
import comparisons.lessons
from torchref.compare.catalogue import find, lessons, listing
from torchref.compare.lockstep.step import Lockstep

SHIPPED = [name for name in listing() if name not in lessons()]
VARIANTS = [(name, variant) for name in SHIPPED for variant in find(name).variants]


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_a_step_of_every_variant(name, variant):
    """Catches a network that does not fit its data, and one without a gradient that is checked."""
    chosen = find(name)
    assert chosen.name == name
    lockstep = Lockstep(chosen, chosen.variants[variant], torch.device("cpu"))
    data = chosen.data().astype(np.dtype(chosen.dtype))
    lockstep.step(data.train_inputs[:5], data.train_targets[:5])
    output = lockstep.numpy_twin.model.predict(data.validation_inputs[:3])
    assert np.isfinite(output).all()
    assert all(gradient is not None for gradient in lockstep.numpy_twin.named_gradients().values())
    assert lockstep.canary
    assert all(lockstep.canary.values())


def test_the_list_has_an_order():
    """Catches a comparison or a lesson without its place and its duration in ORDER, and one that is gone."""
    assert set(comparisons.ORDER) == set(SHIPPED)
    assert set(comparisons.lessons.ORDER) == set(lessons())
