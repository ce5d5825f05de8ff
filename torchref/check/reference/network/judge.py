"""The verdict on a whole network: the data on which it runs, and its gradients beside those of its own loss."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from torchref.check.diagnosis.diagnose import could_not_run
from torchref.check.diagnosis.judge import judge
from torchref.check.ops.probe import make_probe
from torchref.check.reading.arguments import Unmatched
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.reference.inputs import Sizes, made
from torchref.check.reference.network.form import Network, NetworkForm, OwnLoss, Passed, Weights, network_op
from torchref.check.reference.network.names import scalar
from torchref.check.reference.network.of_class import looks_like_network, of_class
from torchref.check.reference.network.of_functions import looks_like_network_function, of_functions
from torchref.check.reference.own import seeded
from torchref.check.reference.witness import NoWitness
from torchref.check.report.verdict import COULD_NOT_RUN, Verdict

TRIALS = 12000  # passes in search of data that the network takes
SEEDS = 5  # weights that are tried where a kink lies beside the first
STEADY = 1e-6  # noise of differences, in units of the largest slope, that no kink makes


def judge_network(
    target: Any, name: str, against: str, sizes: Sizes | None = None, make: Callable[..., Any] | None = None
) -> Verdict:
    """The verdict on a class or a function that computes a loss and its gradients, by that loss."""
    try:
        network, passed = running(ways(target, sizes or {}, make))
        op = network_op(network, name)
        formula, weights = op.formula, op.make
        assert isinstance(formula, OwnLoss)
        assert isinstance(weights, Weights)
        kinks = away_from_kinks(op, formula, weights)
        verdict = judge(NetworkForm(network, op))
    except NoWitness as problem:
        return Verdict(COULD_NOT_RUN, name=name, against=against, error=str(problem))
    except (Unmatched, CouldNotRun) as problem:
        return replace(could_not_run(problem), name=name, against=against)
    except Exception as problem:  # a loss that runs on some weights, and not on others
        return replace(could_not_run(UserError("the network", problem)), name=name, against=against)
    verdict.name, verdict.against = name, against
    shown = ", ".join(f"{k} {describe(v)}" for k, v in network.data.items())
    verdict.notes.insert(0, f"judged by its own loss, {network.told}, by {' and '.join(sorted(formula.how))}; {shown}")
    if kinks:
        verdict.notes.append(
            f"{kinks} sets of weights lay beside a kink, where no difference says anything: others were taken"
        )
    left = network.without_gradient()
    if left:
        verdict.notes.append(f"no gradient was found for {', '.join(left)}: it is not judged")
    return verdict


def describe(value: Any) -> str:
    return (
        str(value.shape)
        if isinstance(value, np.ndarray)
        else f"of {len(value)}"
        if isinstance(value, list)
        else repr(value)
    )


def ways(target: Any, sizes: Sizes, make: Callable[..., Any] | None) -> Iterator[Network]:
    given = None
    if make is not None:
        given = made(make, 0, [], getattr(make, "__name__", "--inputs"))
    if inspect.isclass(target):
        yield from of_class(target, sizes, given)
    else:
        yield from of_functions(target, sizes, given)


def is_network(target: Any) -> bool:
    """Whether what is to be judged computes a loss of its own."""
    return looks_like_network(target) or looks_like_network_function(target)


def running(candidates: Iterator[Network]) -> tuple[Network, Passed]:
    """The first way in which every gradient has its weight's shape, else the one in which most have. NoWitness: none runs."""
    best: tuple[int, Network, Passed] | None = None
    first: Exception | None = None
    seen: Network | None = None
    for network in itertools.islice(candidates, TRIALS):
        seen = seen or network
        try:
            passed = seeded(partial(run_as_it_stands, network))
        except Exception as problem:  # whatever the user's code raises on data that it was not written for
            first = first or problem
            continue
        if passed.loss is None or not scalar(passed.loss) or not np.isfinite(passed.loss) or not passed.gradients:
            continue
        right = [np.shape(g) == network.weights[n].shape for n, g in passed.gradients.items()]
        if all(right):
            return only_judged(network, passed), passed
        if best is None or sum(right) > best[0]:
            best = sum(right), network, passed
    if best is not None:
        return only_judged(best[1], best[2]), best[2]
    if first is not None:
        raise CouldNotRun(
            f"it ran on none of the data that was tried; --inputs FILE.py:make gives it yours; its first exception, for "
            f"{seen.told if seen else 'it'}: {type(first).__name__}: {first}"
        )
    raise NoWitness(
        "no loss with gradients was found: a method or a function that returns a number, and gradients by name"
    )


def only_judged(network: Network, passed: Passed) -> Network:
    """The network, with those weights alone that it has gradients of."""
    kept = {n: w for n, w in network.weights.items() if n in passed.gradients}
    left = {n: w for n, w in network.weights.items() if n not in kept}
    return network.with_weights(kept, left)


def away_from_kinks(op: Any, formula: OwnLoss, weights: Weights) -> int:
    """Take weights at which differences are steady; how many were not."""
    for tried in range(SEEDS):
        weights.seed = tried
        if all(steady(formula, make_probe(op, seed, None, "own")) for seed in (0, 1)):
            return tried
    weights.seed = 0
    return SEEDS


def steady(formula: OwnLoss, p: Any) -> bool:
    answer = formula.answer(p.namespace())
    every = [answer.jacobian(n) for n in answer.names]
    top = max((float(np.abs(j.slopes).max(initial=0.0)) for j in every), default=0.0)
    return all(np.isfinite(j.slopes).all() and (j.noise <= STEADY * max(top, 1e-12)).all() for j in every)


def run_as_it_stands(network: Network) -> Passed:
    """What the user's code gives on its own weights."""
    return network.passed(network.weights, network.code())
