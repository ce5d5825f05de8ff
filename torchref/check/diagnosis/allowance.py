"""What rounding allows of a user's gradient: 8 S of the reference's formula, and of the user's own code.

S is the criterion of `torchref.check.tolerance.rounding`, in the precision in which the user's code computes. Another
algorithm for the same gradient (loops, a naive variance) may legitimately round worse than the reference's, so that
plain NumPy code is run with noise, too, and the two allowances are added.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from torchref.check.ops.probe import gradients_only
from torchref.check.reading.forms.autograd import Function
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reference.own import Witnessed
from torchref.check.running.trial import Results, Trial
from torchref.check.tolerance.rounding import (
    MARGIN,
    NOISE,
    SAMPLES,
    UNIT_ROUNDOFF,
    finite,
    noisy,
    plain,
    rounding_noise,
)

ILL_CONDITIONED = 1e-3  # S of the largest entry, beyond which a comparison in that precision says nothing


def spread(exact: Results, sample: Callable[[], Results], precision: str) -> Results:
    """S of each entry."""
    largest = {n: np.zeros(np.shape(g)) for n, g in exact.items()}
    for seed in range(SAMPLES):
        with rounding_noise(NOISE[precision], seed), np.errstate(all="ignore"):
            found = sample()
            for n, g in exact.items():
                if n in found and np.shape(found[n]) == np.shape(g):
                    largest[n] = np.fmax(largest[n], finite(np.abs(np.asarray(plain(found[n]), dtype=float) - g)))
    u = UNIT_ROUNDOFF[precision]
    result = {}
    for n, apart in largest.items():
        g = np.abs(finite(np.asarray(exact[n], dtype=float)))
        top = float(g.max()) if g.size else 0.0
        steady = apart[apart <= top / 16]  # entries at a planted kink jump: they say nothing of the others
        typical = np.sqrt(np.mean(steady * steady)) if steady.size else 0.0
        result[n] = u / NOISE[precision] * (apart + typical) + u * top
    return result


def reference_spread(trial: Trial, precision: str) -> Results:
    """S of the reference's formula on this probe; of a user's own function, the error of its witness."""
    formula = trial.op.formula
    if isinstance(formula, Witnessed):
        upstream = [trial.upstream.get(n) for n in trial.op.outputs]
        return formula.spread(trial.probe.namespace(**trial.changes), upstream, precision)

    def sample() -> Results:
        values = {k: noisy(v) for k, v in {**trial.probe.values, **trial.changes}.items()}
        _, backward = trial.probe.evaluate(**values)
        return gradients_only(backward({k: noisy(v) for k, v in trial.upstream.items()}))

    return spread(trial.reference, sample, precision)


def own_spread(trial: Trial, precision: str) -> Results:
    """S of the user's own code, where the noise runs through it; nothing where it does not."""
    exact = {
        n: np.asarray(g, dtype=float)
        for n, g in trial.gradients.items()
        if n in trial.reference and np.shape(g) == trial.reference[n].shape
    }

    def sample() -> Results:
        return trial.again(wrap=noisy).gradients

    try:
        return spread(exact, sample, precision)
    except (CouldNotRun, ValueError, TypeError, IndexError, AttributeError, KeyError):
        return {}


def allowance(trial: Trial) -> Results:
    """By gradient: how far each of its entries may lie from the reference's."""
    if trial.allowance is None:
        precision = trial.form.dtype
        total = reference_spread(trial, precision)
        if not isinstance(trial.form, Function):
            for n, s in own_spread(trial, precision).items():
                total[n] = total[n] + s
        trial.allowance = {n: MARGIN * s for n, s in total.items()}
    return trial.allowance


def share(trial: Trial, name: str) -> float:
    """The error of a gradient, in units of what rounding allows (1: at the bound)."""
    g, reference = np.asarray(trial.gradients[name], dtype=float), trial.reference[name]
    same = (g == reference) | (np.isnan(g) & np.isnan(reference))
    if g.shape != reference.shape:
        return np.inf
    if same.all():
        return 0.0
    with np.errstate(all="ignore"):
        parts = np.where(same, 0.0, np.abs(g - reference) / allowance(trial)[name])
    return float(parts.max()) if not np.isnan(parts).any() else np.inf


def ill_conditioned(trial: Trial, name: str) -> bool:
    """Whether rounding alone moves the gradient so far that comparing it in this precision says nothing."""
    top = float(np.abs(finite(trial.reference[name])).max()) if trial.reference[name].size else 0.0
    limit = max(ILL_CONDITIONED, 32 * UNIT_ROUNDOFF[trial.form.dtype])
    bounds = allowance(trial)[name]
    return bool(bounds.size and np.median(bounds) / MARGIN > limit * top)  # a kink's jump is no ill condition
