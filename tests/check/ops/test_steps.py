"""The optimizers' steps in the textbook: torch's, and every wrong one another."""

import numpy as np
import pytest

from torchref.check.diagnosis.optimizers import problem, same
from torchref.check.ops.steps import RATE_INSIDE, SLIPS, right_lines, simulate
from torchref.check.reading.forms.optimizer import DEFAULTS, Settings

SETTINGS = {
    "SGD": (
        {"nesterov": True, "dampening": 0.0},
        {"nesterov": False, "dampening": 0.3},
        {"momentum": 0.0, "dampening": 0.0, "nesterov": False},
    ),
    "Adam": ({},),
    "AdamW": ({},),
    "RMSprop": ({}, {"centered": True}, {"momentum": 0.0}),
    "Adagrad": ({},),
}
EVERY = [(name, given) for name, several in SETTINGS.items() for given in several]


def options(name, given):
    return Settings(name, given, set(DEFAULTS[name])).o


@pytest.mark.parametrize(("name", "given"), EVERY, ids=str)
def test_step_equals_torch(name, given):
    """Catches a textbook's step that is not torch's, in any of eight steps at a rate that falls."""
    torch = pytest.importorskip("torch")
    o = options(name, given)
    weights, gradients, rates = problem(3, o.lr)
    parameters = [torch.tensor(w, requires_grad=True) for w in weights]
    optimizer = getattr(torch.optim, name)(parameters, **vars(o))
    path = []
    for now, rate in zip(gradients, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        for p, g in zip(parameters, now, strict=True):
            p.grad = torch.tensor(g)
        optimizer.step()
        path.append([p.detach().numpy().copy() for p in parameters])
    np.testing.assert_allclose(simulate(name, o, weights, gradients, rates), path, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_wrong_step_is_seen(name):
    """Catches a wrong step that changes nothing under any setting, or whose right line is not shown."""
    unseen = {s.told for s in SLIPS[name]}
    assert len(unseen) == len(SLIPS[name])
    for given in SETTINGS[name]:
        o = options(name, given)
        weights, gradients, rates = problem(3, o.lr)
        right = simulate(name, o, weights, gradients, rates)
        for s in SLIPS[name]:
            try:
                with np.errstate(all="ignore"):
                    wrong = simulate(name, o, weights, gradients, rates, (s,))
            except ValueError:
                continue  # the options leave out its line
            assert right_lines(name, o, s)
            if not same(wrong, right, weights):
                unseen.discard(s.told)
    assert not unseen


@pytest.mark.parametrize("name", RATE_INSIDE)
def test_rate_inside_the_velocity(name):
    """Catches a convention that is more than one: it agrees with torch while the rate stays."""
    o = options(name, {})
    weights, gradients, rates = problem(3, o.lr)
    inside = simulate(name, o, weights, gradients, rates, (RATE_INSIDE[name],))
    right = simulate(name, o, weights, gradients, rates)
    half = len(rates) // 2
    assert same(inside[:half], right[:half], weights)
    assert not same(inside, right, weights)
