"""The optimizers' steps in the textbook: torch's, as they run and as they are shown, and every wrong one another."""

import numpy as np
import pytest

from torchref.check.diagnosis.optimizers import diagnose, problem, same
from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.ops.steps import right_lines, shown_step, simulate
from torchref.check.reading.forms.optimizer import Settings


def settings(optimizer):
    """Options that are given: none, each switch turned, each number off; the others have the probe's values."""
    yield {}
    for o in optimizer.options:
        if isinstance(o.default, bool):
            yield {o.name: True, "dampening": 0.0} if o.name == "nesterov" else {o.name: True}
        elif isinstance(o.default, float) and o.name not in ("lr", "eps", "alpha", "rho"):
            yield {o.name: 0.0}
    if "nesterov" in optimizer.defaults:
        yield {"nesterov": False}
        yield {"momentum": 0.0, "dampening": 0.0, "nesterov": False}
    if "betas" in optimizer.defaults:
        yield {"betas": (0.9, 0.999), "eps": 1e-8}
    if {"amsgrad", "maximize"} <= optimizer.defaults.keys():
        yield {"amsgrad": True, "maximize": True}


def excluded(name, given):
    """What torch does not take: Nesterov's momentum with dampening or without momentum."""
    o = options(name, given)
    return getattr(o, "nesterov", False) and (o.dampening or not o.momentum)


def options(name, given):
    known = OPTIMIZERS[name].defaults
    return Settings(name, {k: v for k, v in given.items() if k in known}, set(known)).o


EVERY = [(name, given) for name, o in OPTIMIZERS.items() for given in settings(o) if not excluded(name, given)]


def assert_equals_torch(path, name, o):
    rtol = 1e-7 if name == "NAdam" else 1e-10  # torch keeps NAdam's product of momenta in float32
    np.testing.assert_allclose(path, path_of_torch(name, o), rtol=rtol, atol=1e-2 * rtol)


def path_of_torch(name, o):
    torch = pytest.importorskip("torch")
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
    return path


@pytest.mark.parametrize(("name", "given"), EVERY, ids=str)
def test_step_equals_torch(name, given):
    """Catches a textbook's step that is not torch's, in any of eight steps at a rate that falls."""
    o = options(name, given)
    path = simulate(OPTIMIZERS[name], o, *problem(3, o.lr))
    assert_equals_torch(path, name, o)


@pytest.mark.parametrize(("name", "given"), EVERY, ids=str)
def test_shown_step_equals_torch(name, given):
    """Catches a shown step that forgets an option: it is run as it is printed, with nothing but w, g, s and lr."""
    o = options(name, given)
    weights, gradients, rates = problem(3, o.lr)
    states = [{} for _ in weights]
    shown, path = shown_step(OPTIMIZERS[name], o), []
    for now, lr in zip(gradients, rates, strict=True):
        for i, g in enumerate(now):
            space = {"np": np, "w": weights[i], "g": g, "s": states[i], "lr": lr}
            exec(shown, space)
            weights[i] = space["new"]
        path.append(list(weights))
    assert_equals_torch(path, name, o)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_wrong_step_is_seen(name):
    """Catches a wrong step that changes nothing under any setting, or whose right line is not shown."""
    optimizer = OPTIMIZERS[name]
    unseen = {s.wrong for s in optimizer.slips}
    assert len(unseen) == len(optimizer.slips)
    for given in (given for n, given in EVERY if n == name):
        o = options(name, given)
        weights, gradients, rates = problem(3, o.lr)
        right = simulate(optimizer, o, weights, gradients, rates)
        for s in optimizer.slips:
            try:
                with np.errstate(all="ignore"):
                    wrong = simulate(optimizer, o, weights, gradients, rates, (s,))
            except (ValueError, ZeroDivisionError):
                continue  # the options leave out its line
            assert right_lines(optimizer, o, s)
            if not same(wrong, right, weights):
                unseen.discard(s.wrong)
    assert not unseen


@pytest.mark.parametrize("name", ["SGD", "RMSprop"])
def test_rate_inside_the_velocity(name):
    """Catches a convention that is more than one: it agrees with torch while the rate stays."""
    o = options(name, {})
    weights, gradients, rates = problem(3, o.lr)
    inside = simulate(OPTIMIZERS[name], o, weights, gradients, rates, OPTIMIZERS[name].conventions)
    right = simulate(OPTIMIZERS[name], o, weights, gradients, rates)
    half = len(rates) // 2
    assert same(inside[:half], right[:half], weights)
    assert not same(inside, right, weights)


def lost_velocity(w, dw, lr=0.1, momentum=0.9, nesterov=True):
    return w - lr * dw


def nonsense(w, dw, lr=0.1, momentum=0.9, nesterov=True):
    return w - lr * np.sin(dw)


@pytest.mark.parametrize("step", [lost_velocity, nonsense])
def test_the_verdict_shows_the_step(step):
    """Catches a verdict on an optimizer that does not show the right step, under the options asked for."""
    verdict = diagnose(step, "SGD(momentum=0.9)", step.__name__)
    finding = verdict.findings[0]
    assert "momentum = 0.9\ndampening = 0.0\ndecayed = g\n" in finding.formula
    assert finding.formula.endswith("direction = decayed + momentum * velocity\nnew = w - lr * direction")
    assert "formula: # w: the weight" in verdict.text(3)
