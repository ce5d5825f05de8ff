"""One case judged by all that can judge it: torch in two precisions, the rounding criterion, a witness, controls."""

from __future__ import annotations

import contextlib
import copy
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tests.cases import Case
from tests.checks import (
    TINY,
    Built,
    agrees_with_a_witness_without_torch,
    cast,
    construct,
    floating,
    map_tree,
    memory_order_does_not_matter,
)
from torchref.check.tolerance.rounding import MARGIN, rounding_spread
from torchref.nn.module import Array

WHOLE = 1300  # rows and columns of a Jacobian up to which all of it is asked for: every module has such a case


@dataclass
class Measured:
    """What one case has shown. Shares are |error| / S; above 8 (`MARGIN`) is an alarm."""

    tensors: int = 0
    share64: float = 0.0
    share32: float = 0.0
    torch_share32: float = 0.0
    alarms: int = 0
    controls: int = 0  # tensors of torch against torch ...
    false_alarms: int = 0  # ... and how many of them the criterion refused
    derivatives: int = 0  # entries of Jacobians that a witness without torch has confirmed ...
    whole: bool = False  # ... and whether that were all
    orders: int = 0  # layouts of its arrays in memory, all with the results of C order
    failure: str = ""  # what a witness or an order says against the gradient
    draws: bool = False


def share(actual: Any, expected: Any, spread: Array) -> float:
    """The largest |actual - expected| / S; infinite where one is finite and the other is not, or shapes differ."""
    actual, expected = (np.zeros(spread.shape) if a is None else np.asarray(a) for a in (actual, expected))
    if actual.shape != expected.shape:
        return np.inf
    with np.errstate(invalid="ignore"):
        error = np.abs(actual - expected)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    error = np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))
    return float((error / (spread + TINY)).max(initial=0.0))


def measure(case: Case) -> Measured:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Measured()
        _float64(case, found)
        _float32(case, found)
        try:
            found.derivatives, found.whole = agrees_with_a_witness_without_torch(case, WHOLE)
            found.orders = memory_order_does_not_matter(case)
        except AssertionError as error:
            found.failure = str(error)
        return found


def _float64(case: Case, found: Measured) -> None:
    """NumPy against torch; and torch against torch, given the same numbers in another memory layout."""
    built = Built(case, np.float64)
    theirs, ours = built.run_theirs().named(), built.run_ours().named()
    _, spread = rounding_spread(built.referee().results, np.float64)
    shares = {name: share(ours[name], theirs[name], s) for name, s in spread.items()}
    others = [name for name in theirs if name not in spread and not floating(theirs[name])]
    found.tensors += len(spread) + len(others)
    found.alarms += sum(not np.array_equal(ours[n], theirs[n]) for n in others if theirs[n] is not None)
    found.share64 = max(shares.values(), default=0.0)
    found.alarms += sum(s > MARGIN for s in shares.values())
    found.draws = bool(built.tape.draws)
    if not found.draws and case.module not in OF_MEMORY:
        with contextlib.suppress(RuntimeError):  # torch has losses that refuse memory which is not contiguous
            _control(again(built, np.float64, strided=True), theirs, spread, found)


def _float32(case: Case, found: Measured) -> None:
    """NumPy and torch against NumPy's float64; and torch's float32 against torch's float64 at the same numbers."""
    built = Built(case, np.float32)
    theirs, ours = built.run_theirs().named(), built.run_ours().named()
    exact, spread = rounding_spread(built.referee().results, np.float32)

    def known(name: str) -> Array:  # float32 overflows where float64 does not
        with np.errstate(invalid="ignore"):
            finite = np.isfinite(exact[name])
            for side in (ours[name], theirs[name]):
                finite = finite & np.isfinite(np.zeros(finite.shape) if side is None else side)
        return finite

    def judged(result: Any, name: str) -> float:
        result = np.zeros(exact[name].shape) if result is None else result
        finite = known(name)
        return share(np.where(finite, result, 0.0), np.where(finite, exact[name], 0.0), spread[name])

    names = [name for name in spread if floating(ours[name])]
    found.tensors += len(names)
    found.share32 = max((judged(ours[name], name) for name in names), default=0.0)
    found.torch_share32 = max((judged(theirs[name], name) for name in names), default=0.0)
    for name in names:
        found.alarms += judged(ours[name], name) > MARGIN or judged(theirs[name], name) > MARGIN
        found.alarms += ours[name].dtype != (np.float32 if theirs[name] is None else theirs[name].dtype)
    if not built.tape.draws:
        referee = again(built, np.float64, strided=False)
        finite = {name: known(name) for name in names}
        truth = {n: np.where(finite[n], 0.0 if referee[n] is None else referee[n], 0.0) for n in names}
        other = {n: np.where(finite[n], 0.0 if theirs[n] is None else theirs[n], 0.0) for n in names}
        _control(other, truth, {n: spread[n] for n in names}, found)


OF_MEMORY = (
    "tensor.as_strided",
)  # torch reads these in the memory as it lies: in another layout it is another function


def _control(result: dict[str, Any], truth: dict[str, Any], spread: dict[str, Array], found: Measured) -> None:
    found.controls += len(spread)
    found.false_alarms += sum(share(result[name], truth[name], s) > MARGIN for name, s in spread.items())


def again(built: Built, dtype: Any, strided: bool) -> dict[str, Any]:
    """torch once more on the same numbers: in `dtype`, or in arrays whose memory is not contiguous."""
    other = copy.copy(built)
    other.theirs = construct(torch.nn, built.case, dtype).train(built.case.training)
    other.theirs.load_state_dict({n: torch.from_numpy(v.copy()) for n, v in cast(built.state, dtype).items()})
    other.inputs, other.options = cast(built.inputs, dtype), cast(built.options, dtype)
    if strided:

        def spread_out(leaf: Any) -> Any:
            return np.asfortranarray(leaf) if floating(leaf) and leaf.ndim else leaf

        other.inputs, other.options = map_tree(spread_out, (other.inputs, other.options))
    drawn = built.upstream

    def upstream(output: Any) -> Any:  # the same one, drawn in the precision of the first run
        return cast(drawn(cast(output, built.dtype)), dtype)

    other.upstream = upstream  # type: ignore[method-assign]
    return other.run_theirs().named()
