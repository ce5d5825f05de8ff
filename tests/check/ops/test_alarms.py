"""No false alarms: on random probes the library's own functions and the formulas behind the diagnosis agree."""

import inspect
import warnings

import numpy as np
import pytest

from tests.check.ops.test_formulas import from_torch
from torchref.check.ops.catalogue import CATALOGUE
from torchref.check.ops.probe import gradients_only, make_probe
from torchref.check.tolerance.closeness import close
from torchref.nn import functional

# what functional has not under torch's signature: torch itself stands for the right gradient
ELSEWHERE = {
    "multi_head_attention",
    "instance_norm",
    "rnn",
    "rnn_cell",
    "lstm",
    "lstm_cell",
    "gru",
    "gru_cell",
}
NAMED_X1 = ("bilinear", "margin_ranking_loss", "cosine_embedding_loss")  # torch's input1 is x1 in the library
PROBES = 10_000  # of each operation, in the slow test


def by_torch(op):
    return op.name in ELSEWHERE or op.in_torch is not None


def own(p):
    """The library's output, its backward, and the names of its array arguments at this probe."""
    function = getattr(functional, p.op.name.replace("norm2d", "norm"))
    parameters = inspect.signature(function).parameters
    if any(q.kind == q.VAR_POSITIONAL for q in parameters.values()) or p.op.name in NAMED_X1:
        names = [a.name for a in p.op.arguments if a.kind != "option"]
        return function(*(p.values[n] for n in names), **{a.name: p.values[a.name] for a in p.op.options}), names
    options = {a.name for a in p.op.options}
    keys = {n: "input" if n == "x" and "x" not in p.values else n for n in parameters}
    given = {n: key for n, key in keys.items() if key in p.values}
    names = [
        key for n, key in given.items() if key not in options and parameters[n].kind != inspect.Parameter.KEYWORD_ONLY
    ]
    return function(**{n: p.values[key] for n, key in given.items()}), names


def right(p):
    """The first output and the gradients by name, from code that is known to be right."""
    if by_torch(p.op):
        return from_torch(p)
    (output, backward), names = own(p)
    gradients = backward(p.upstream["output"])
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    arrays = [n for n in names if isinstance(p.values[n], np.ndarray)]
    named = dict(zip(arrays if len(gradients) == len(arrays) else names, gradients, strict=False))
    return output[0] if isinstance(output, tuple) else output, named


def alarms(op, seeds):
    """The seeds at which a right gradient would be called wrong."""
    found = []
    for seed in seeds:
        p = make_probe(op, seed)
        output, named = right(p)
        upstream = p.upstream if by_torch(op) else {"output": p.upstream["output"]}
        reference = gradients_only(p.reference(upstream))
        expected = p.evaluate()[0]["output"]
        wrong = [n for n, r in reference.items() if named.get(n) is not None and not close(named[n], r)]
        if wrong or not close(output, expected) or not set(named) & set(reference):
            found.append((seed, wrong))
    return found


@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_no_alarm(op):
    """A few random probes of each operation, among them planted kinks, ties and repeated indices."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert alarms(op, range(5)) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("op", CATALOGUE, ids=lambda op: op.name)
def test_no_alarm_in_ten_thousand(op):
    """10,000 random probes of each operation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert alarms(op, range(5, 5 + PROBES)) == []
