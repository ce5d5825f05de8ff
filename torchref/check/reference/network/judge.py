"""The verdict on a whole network: the data on which it runs, and its gradients beside those of its own loss."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from torchref.check.diagnosis.diagnose import could_not_run
from torchref.check.diagnosis.extent import restricted
from torchref.check.diagnosis.judge import judge
from torchref.check.ops.probe import make_probe
from torchref.check.ops.slugs import OVERWRITTEN
from torchref.check.reading.arguments import Unmatched, normal
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.reading.forms.naming import returned_names, stem
from torchref.check.reference.inputs import Sizes, as_array
from torchref.check.reference.network.class_methods import Orders, looks_like_network
from torchref.check.reference.network.doubled import doubled
from torchref.check.reference.network.form import Network, NetworkForm, OwnLoss, Passed, Weights, network_op
from torchref.check.reference.network.function_order import BACK, forwards_of, looks_like_network_function
from torchref.check.reference.network.names import BACKWARDS, LOSSES, scalar
from torchref.check.reference.network.of_class import OfClass, of_class
from torchref.check.reference.network.of_engine import TWICE, OfEngine, of_engine
from torchref.check.reference.network.of_functions import OfFunctions, of_functions
from torchref.check.reference.network.of_script import SCRIPT, in_the_file, line_in, of_script
from torchref.check.reference.network.without_loss import (
    best_network,
    cost_between,
    goes_back_from_upstream,
    gradients_that_agree,
    orders_with_labels,
    usual_losses,
    with_loss,
    with_upstream,
)
from torchref.check.reference.own import seeded
from torchref.check.reference.witness import NoWitness
from torchref.check.report.verdict import COULD_NOT_RUN, RIGHT, SLUGS, WRONG, Confidence, Verdict
from torchref.check.running.tracebacks import last_lines
from torchref.check.tolerance.closeness import TOLERANCE
from torchref.nn.module import Array

TRIALS = 20000  # passes in search of data that the network takes
OTHER_DATA = 20  # sets of data that are tried where no gradient is right on the first
SEEDS = 5  # weights that are tried where a kink lies beside the first
STEADY = 1e-6  # noise of differences, in units of the largest slope, that no kink makes


def judge_network(
    target: Any,
    name: str,
    against: str,
    sizes: Sizes | None = None,
    make: Callable[..., Any] | None = None,
    only: list[str] | None = None,
) -> Verdict:
    """The verdict on a class or a function that computes a loss and its gradients, by that loss."""
    with doubled(target):
        ways = _ways(target, sizes or {}, make)
        return _judged(lambda: (_that_agrees(ways), "its own loss"), name, against, only)


def _that_agrees(ways: Iterator[Network]) -> Network:
    """The first network that runs; another if no gradient of several agrees with the loss there, and some with its own.

    A loss that reads one output alone runs on data with several, too.
    Errors: CouldNotRun where none runs.
    """
    first = _running(ways)
    others = OTHER_DATA if len(first.weights) > 1 and not gradients_that_agree(first) else 0
    for _ in range(others):
        with suppress(CouldNotRun):
            other = _running(ways)
            if gradients_that_agree(other):
                return other
    return first


def judge_script(path: str, name: str, against: str, only: list[str] | None = None) -> Verdict:
    """The verdict on a file whose variables are a network: weights, a loss and gradients, in no function."""
    named = Path(path).name if name == SCRIPT else name
    verdict = _judged(lambda: (_running(of_script(path, name)), "its own loss"), named, against, only)
    for f in verdict.findings:
        f.line = line_in(path, f.gradient)
        f.evidence, f.correction = (in_the_file(path, text) for text in (f.evidence, f.correction))
    if verdict.source:
        verdict.source = [{"first": 1, "text": Path(path).read_text(encoding="utf-8", errors="replace")}]
    return verdict


def judge_engine(cls: Any, name: str, against: str, only: list[str] | None = None) -> Verdict:
    """The verdict on a class of values with operators: the first expression whose gradients are wrong, else right."""
    with doubled(cls):
        return _of_expressions(cls, name, against, only)


def _of_expressions(cls: Any, name: str, against: str, only: list[str] | None) -> Verdict:
    """The verdict on an engine, one expression after the other."""
    right: dict[str, Verdict] = {}
    fell: dict[str, str] = {}  # what has a value, and a backward that raises
    for network in of_engine(cls):
        if network.description.endswith("square") and network.text not in fell:
            continue
        verdict = _judged(functools.partial(_running_expression, network), name, against, only)
        if verdict.verdict == WRONG:
            if TWICE.get(network.text) in right:
                _name_overwritten(verdict, network.text)
            return verdict
        if verdict.verdict == RIGHT:
            right[network.description] = verdict
        elif network.text == network.description and network.runs_forward():
            fell[network.text] = verdict.error
    if fell or not right:
        error = next((f"{text} has a value, but {e}" for text, e in fell.items()), "")
        error = error or "none of its operators runs on two values"
        return Verdict(COULD_NOT_RUN, name=name, against=against, error=error)
    whole = next(iter(right.values()))
    whole.notes = [f"judged by its own values, each operation by itself: {', '.join(right)}"]
    return whole


def _name_overwritten(verdict: Verdict, text: str) -> None:
    """A gradient that is right for two values, and wrong for one that is used twice, is set and not added to."""
    for f in verdict.findings:
        f.slug, f.confidence, f.sentence = OVERWRITTEN, Confidence.CERTAIN, SLUGS[OVERWRITTEN]
        f.evidence = f"the gradients of {TWICE[text]} are right, and that of {text} is not"
        f.correction = "self.grad += ..., not ="


def _running_expression(network: OfEngine) -> tuple[Network, str]:
    """The expression, where it runs. Errors: CouldNotRun."""
    return _running(iter([network])), "its own values"


def judge_without_loss(
    target: Any,
    name: str,
    against: str,
    sizes: Sizes | None = None,
    make: Callable[..., Any] | None = None,
    only: list[str] | None = None,
) -> Verdict:
    """The verdict on a network that has no loss of its own: by its output, or by the usual loss that it belongs to."""
    given = _given_data(make) if make is not None else None
    with doubled(target):
        return _judged(lambda: _guessed(target, sizes or {}, given), name, against, only)


def _guessed(target: Any, sizes: Sizes, given: dict[str, Any] | None) -> tuple[Network, str]:
    """The network with a loss that it has not, and what that is. Errors: CouldNotRun."""
    if inspect.isroutine(target):
        return _with_usual_loss(target, sizes, given)
    if goes_back_from_upstream(target):
        orders: Orders = [(("summed_output", "back_from_there"), 0)]
        network = _running(of_class(target, sizes, given, with_upstream, orders))
        return network, "its own forward, the sum of its output times fixed random numbers"
    losses = dict(usual_losses())
    first = _running(of_class(target, sizes, given, with_loss(next(iter(losses.values()))), orders_with_labels(target)))
    assert isinstance(first, OfClass)
    found, its_loss = best_network((name, replace(first, extend=with_loss(loss))) for name, loss in losses.items())
    return found, f"a usual loss, since it has none of its own: {its_loss}"


def _with_usual_loss(function: Any, sizes: Sizes, given: dict[str, Any] | None) -> tuple[Network, str]:
    """A gradient function whose forward stands beside it, with a usual loss between them. Errors: CouldNotRun."""
    for forward in forwards_of(function):
        costs = {name: cost_between(forward, function, loss) for name, loss in usual_losses()}
        cost = next(iter(costs.values()))
        if cost is None:
            continue
        try:
            first = _running(replace(n, cost=cost) for n in of_functions(function, sizes, given, [(forward, function)]))
        except CouldNotRun:
            continue
        assert isinstance(first, OfFunctions)
        found, its_loss = best_network((name, replace(first, cost=c)) for name, c in costs.items())
        return found, f"a usual loss, since no cost stands beside it: {its_loss}"
    raise CouldNotRun("no forward with an output, and no labels, were found for a usual loss between them")


def _judged(find: Callable[[], tuple[Network, str]], name: str, against: str, only: list[str] | None) -> Verdict:
    """The verdict on the network that is found, by its loss."""
    try:
        network, whose = find()
        _check_repeats(network)
        op = network_op(network, name)
        formula, weights = op.formula, op.make
        assert isinstance(formula, OwnLoss)
        assert isinstance(weights, Weights)
        kinks = _away_from_kinks(op, formula, weights)
        verdict = judge(restricted(NetworkForm(network, op), only or []))
    except NoWitness as problem:
        return Verdict(COULD_NOT_RUN, name=name, against=against, error=str(problem))
    except (Unmatched, CouldNotRun) as problem:
        return replace(could_not_run(problem), name=name, against=against)
    except Exception as problem:  # noqa: BLE001 -- a loss that runs on some weights, and not on others
        return replace(could_not_run(UserError("the network", problem)), name=name, against=against)
    _name_regularization(verdict, make_probe(op, 0, None, "own").values)
    if _are_steps_to_be_added(verdict, network.goes_back()):
        verdict = _right_as_steps(verdict)
    verdict.name, verdict.against = name, against
    shown = ", ".join(f"{k} {_describe(v)}" for k, v in network.data.items())
    told = f"judged by {whose}, {network.description}, by {' and '.join(sorted(formula.how))}"
    verdict.notes.insert(0, f"{told}; {shown}" if shown else told)
    if kinks:
        verdict.notes.append(
            f"{kinks} sets of weights lay beside a kink, where no difference says anything: others were taken"
        )
    left = network.without_gradient()
    if left:
        verdict.notes.append(f"no gradient was found for {', '.join(left)}: it is not judged")
    return verdict


def _describe(value: Any) -> str:
    """How a note shows the value of an argument: the shape of an array, the length of a list, the value itself."""
    if isinstance(value, np.ndarray):
        return str(value.shape)
    return f"of {len(value)}" if isinstance(value, list) else repr(value)


def _are_steps_to_be_added(verdict: Verdict, function: Callable[..., Any]) -> bool:
    """Whether every gradient has the other sign, and no name says that it is one: w += rate * step."""
    names = [n for n in returned_names(function) if n]
    called = [normal(n) for n in BACKWARDS] + [normal(n) for n in LOSSES]
    says = normal(function.__name__) in called or BACK.match(function.__name__) or any(map(stem, names))
    every = bool(verdict.findings) and all(f.slug == "wrong-sign" for f in verdict.findings)
    return every and not verdict.right and not says


def _right_as_steps(verdict: Verdict) -> Verdict:
    """The verdict on steps that are added to the weights: each is the gradient with the other sign."""
    names = [n for f in verdict.findings for n in (f.gradient, *f.consequences)]
    told = "it returns the steps that are added to the weights, w += step: each is the gradient with the other sign"
    notes = [*verdict.notes, f"a convention that differs from torch's: {told}"]
    return replace(verdict, verdict=RIGHT, findings=[], right=dict.fromkeys(names, 1.0), notes=notes)


def _name_regularization(verdict: Verdict, weights: dict[str, Array]) -> None:
    """A gradient that is off by a multiple of its weight lacks the regularization's term, or has another."""
    pictures = {p["name"]: p for p in verdict.pictures}
    for f in verdict.findings:
        # the penalty of several weights, taken for a constant
        held = f.slug == OVERWRITTEN and f.evidence.endswith("is a constant")
        if not (f.slug == "unknown" or held) or f.gradient not in pictures:
            continue
        mine, right = pictures[f.gradient]["mine"], pictures[f.gradient]["reference"]
        found = _multiple_of(weights[f.gradient], right - mine, right) if mine.shape == right.shape != () else None
        if found is not None:
            c, except_for = found
            f.slug, f.confidence = "local-derivative-missing", Confidence.LIKELY
            f.evidence = f"the right gradient is this one and {c:.6g} times {f.gradient}{except_for}"
            f.sentence = "The term of the regularization is missing, or has another factor than in the loss."
            f.correction = "add the derivative of the penalty that the loss has: lambda W for lambda / 2 sum(W^2)"


def _multiple_of(w: Array, difference: Array, right: Array) -> tuple[float, str] | None:
    """The number c with difference = c w, everywhere or but for the entries that belong to a bias."""
    parts: list[tuple[str, Any]] = [("", slice(None)), (" but for its first entry", slice(1, None))]
    if w.ndim == 2:
        parts = [
            parts[0],
            (" but for its first column", (slice(None), slice(1, None))),
            (" but for its first row", slice(1, None)),
        ]
    for except_for, part in parts:
        d, x = np.ravel(difference[part]), np.ravel(w[part])
        if x.size < 2:
            continue
        c = float(d @ x / (x @ x))
        if c and np.abs(d - c * x).max() <= TOLERANCE * max(np.abs(right).max(), 1e-12):
            return c, except_for
    return None


def _ways(target: Any, sizes: Sizes, make: Callable[..., Any] | None) -> Iterator[Network]:
    """The ways to run a network, the likelier first. `make` gives the data, where the user states it."""
    given = None
    if make is not None:
        given = _given_data(make)
    if not inspect.isroutine(target):
        yield from of_class(target, sizes, given)
    else:
        yield from of_functions(target, sizes, given)


def _given_data(make: Callable[..., Any]) -> dict[str, Any]:
    """What the user's function returns: a dictionary, since a network's data has names. Errors: NoWitness."""
    label = getattr(make, "__name__", "--inputs")
    found = seeded(make)
    if not isinstance(found, dict):
        raise NoWitness(f"{label} must return a dictionary of what the network is handed: {{'X': X, 'y': y}}")
    return {k: as_array(v) if not isinstance(v, list | dict) else v for k, v in found.items()}


def is_network(target: Any) -> bool:
    """Whether what is to be judged computes a loss of its own."""
    return looks_like_network(target) or looks_like_network_function(target)


def _running(candidates: Iterator[Network]) -> Network:
    """The first way in which every gradient has its weight's shape, else the one in which most have.

    Errors: CouldNotRun where none runs.
    """
    best: tuple[int, Network, Passed] | None = None
    first: Exception | None = None
    seen: Network | None = None
    lost = ""
    for network in itertools.islice(candidates, TRIALS):
        seen = seen or network
        try:
            passed = seeded(functools.partial(network.passed, network.weights, network.code()))
        except Exception as problem:  # noqa: BLE001 -- whatever the user's code raises on data of the wrong kind
            first = first or problem
            continue
        if not scalar(passed.loss) or not np.isfinite(passed.loss):
            continue
        if not passed.gradients:
            lost = lost or network.description
            continue
        right = [np.shape(g) == network.weights[n].shape for n, g in passed.gradients.items()]
        if all(right):
            return _only_judged(network, passed)
        if best is None or sum(right) > best[0]:
            best = sum(right), network, passed
    if best is not None:
        return _only_judged(best[1], best[2])
    raise CouldNotRun(_why_none(lost, first, seen))


def _why_none(lost: str, first: Exception | None, seen: Network | None) -> str:
    """Why nothing could be judged, and what would help."""
    if lost:
        return (
            f"{lost} gave a loss, and no gradients: none is returned, none is kept as dW, W_grad or grads['W'], "
            "and no weight changes"
        )
    if first is None or seen is None:
        return "no loss with gradients was found: a method or a function that returns a number, and gradients by name"
    shapes = ", ".join(f"{k} {_describe(v)}" for k, v in seen.data.items())
    return (
        f"it ran on none of the data that was tried; the first trial, {seen.description}, with {shapes}, raised\n"
        f"{last_lines(first)}\n"
        "--inputs FILE.py:make gives it yours: a dictionary by the names of its arguments"
    )


def _check_repeats(network: Network) -> None:
    """Two passes on the same weights agree. Errors: NoWitness."""
    one, other = (seeded(lambda: network.passed(network.weights, network.code(), loss_alone=True)) for _ in range(2))
    if one.loss != other.loss:
        raise NoWitness(
            "the loss differs between two passes on the same weights "
            f"({float(one.loss):.6g}, {float(other.loss):.6g}): it draws from a generator of its own; "
            "give that a fixed seed, inside the class or the function"
        )


def _only_judged(network: Network, passed: Passed) -> Network:
    """The network, with those weights alone that it has gradients of."""
    kept = {n: w for n, w in network.weights.items() if n in passed.gradients}
    left = {n: w for n, w in network.weights.items() if n not in kept}
    return network.with_weights(kept, left)


def _away_from_kinks(op: Any, formula: OwnLoss, weights: Weights) -> int:
    """Take weights at which differences are steady; how many were not."""
    for tried in range(SEEDS):
        weights.seed = tried
        if all(_steady(formula, make_probe(op, seed, None, "own")) for seed in (0, 1)):
            return tried
    weights.seed = 0
    return SEEDS


def _steady(formula: OwnLoss, p: Any) -> bool:
    """Whether the witness is sure of every slope of the loss here: the noise is far below the largest slope."""
    answer = formula.answer(p.namespace())
    every = [answer.jacobian(n) for n in answer.names]
    top = max((float(np.abs(j.slopes).max(initial=0.0)) for j in every), default=0.0)
    return all(np.isfinite(j.slopes).all() and (j.noise <= STEADY * max(top, 1e-12)).all() for j in every)
