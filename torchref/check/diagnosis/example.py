"""The smallest example of a difference, in numbers: what a gradient should be and is, at which index.

A mistake with no name is found fastest on two or three numbers. So the probe is cut down, one size after the other, and
its numbers are rounded, as long as the user's code still runs on it and its gradient still is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import numpy as np

from torchref.check.diagnosis.forward import wrong_outputs
from torchref.check.diagnosis.gradients import of_another_side, right
from torchref.check.ops.probe import Probe
from torchref.check.reading.forms.calling import TimeOut
from torchref.check.running.trial import Trial, attempt
from torchref.nn.module import Array

FOR_ALL: ContextVar[bool] = ContextVar("FOR_ALL", default=False)  # whether a mistake with a name gets one, too
SIZES = (1, 2, 3)
TRIFLE = 1e-3  # of the largest entry
ROUNDED = 1e-9  # of the largest entry: what is zero but for rounding
SHOWN = 6  # entries of an array that is written out


def example(trial: Trial, name: str) -> str:
    """The example in one line; empty where the gradient has not the shape of its argument, or no probe shows more."""
    if name not in trial.gradients or name not in trial.reference:
        return ""
    start = trial if not right(trial, name) else shows(trial, trial.reading.probe(1), [name])
    if start is None:
        return ""
    small = smallest(start, [name])
    small = start if right(small, name) else small
    mine, reference = np.asarray(small.gradients[name], dtype=float), small.reference[name]
    if mine.shape != reference.shape:
        return ""
    mine, reference = (small.reading.convention.to_user(name, g) for g in (mine, reference))
    at = farthest(mine, reference)
    own = small.form.users_names().get(name, name)
    noise = ROUNDED * np.abs([mine, reference]).max()
    should, found = (number(0 if abs(v) < noise else v) for v in (reference[at], mine[at]))
    told = f"d{own}{list(map(int, at)) if at else ''} should be {should}, it is {found}"
    given = [f"{n} {written(v)}" for n, v in arrays_of(small)]
    return f"{told}, for {', '.join(given)}"


def smallest(trial: Trial, names: list[str], simple: bool = True) -> Trial:
    """The trial on the smallest probe that still shows the difference in all these gradients, in `simple` numbers.

    Simple numbers may stand on a kink, where a witness by differences has no slope of one side.
    """
    for size in sorted({s for v in arrays(trial.probe).values() for s in v.shape}, reverse=True):
        shorter = (cut(trial.probe, size, k) for k in SIZES if k < size)
        trial = next((t for p in shorter if (t := shows(trial, p, names)) is not None), trial)
    for digits in (0, 1, 2) if simple else ():
        if (short := shows(trial, rounded(trial.probe, digits), names)) is not None:
            return short
    return trial


def shows(trial: Trial, p: Probe | None, names: list[str]) -> Trial | None:
    """The trial on another probe, if the forward is right there, and these gradients wrong by more than a trifle."""
    if p is None:
        return None
    try:
        other = attempt(trial.reading, p, [p.upstream])
        if other.outputs and wrong_outputs(other):
            return None
        return other if all(far(other, n) and not of_another_side(other, n) for n in names) else None
    except TimeOut:
        raise
    except Exception:  # noqa: BLE001 -- sizes that the code does not take: it may raise anything
        return None


def far(trial: Trial, name: str) -> bool:
    """Whether a gradient, of the right shape and finite, is wrong by more than a trifle."""
    mine, reference = np.asarray(trial.gradients[name], dtype=float), trial.reference[name]
    if mine.shape != reference.shape or not mine.size or not np.isfinite([mine, reference]).all():
        return False
    whole, apart = np.abs(reference).max(), np.abs(mine - reference).max()
    vanishes = whole <= ROUNDED * max(apart, np.abs(mine).max())  # zero but for rounding, as the slope of a constant
    return bool(not vanishes and apart > max(TRIFLE, trial.reading.tolerance) * whole)


def arrays(p: Probe) -> dict[str, Array]:
    """The arrays among a probe's values, by name."""
    return {n: v for n, v in p.values.items() if isinstance(v, np.ndarray)}


def cut(p: Probe, size: int, k: int) -> Probe | None:
    """The probe with `k` entries along every axis of this size: the sizes of a probe differ, as axes do."""

    def shorter(v: Any) -> Any:
        if not isinstance(v, np.ndarray):
            return tuple(k if s == size else s for s in v) if isinstance(v, tuple) and size in v else v
        short = v[tuple(slice(k) if s == size else slice(None) for s in v.shape)]
        whole = short.dtype.kind in "iu" and short.size and v.max(initial=0) < size
        return np.where(short < 0, short, short % k) if whole else short.copy()  # a class or a row that is there

    return with_values(p, {n: shorter(v) for n, v in p.values.items()})


def rounded(p: Probe, digits: int) -> Probe | None:
    """The probe with short numbers, none of which is zero."""

    def short(v: Any) -> Any:
        if not isinstance(v, np.ndarray) or v.dtype.kind != "f":
            return v
        near = np.round(v, digits)
        return np.where((near == 0) & (v != 0), np.copysign(10.0**-digits, v), near)

    cut_short = with_values(p, {n: short(v) for n, v in p.values.items()})
    return cut_short and replace(cut_short, upstream={n: short(v) for n, v in cut_short.upstream.items()})


def with_values(p: Probe, values: dict[str, Any]) -> Probe | None:
    """The probe with other values, and the beginning of its upstream gradients."""
    other = replace(p, values=values)
    try:
        with np.errstate(all="ignore"):
            outputs, _ = other.evaluate()
    except Exception:  # noqa: BLE001 -- sizes that the operation, or the user's own forward, does not take
        return None
    upstream = {n: np.resize(v, np.shape(outputs[n])) for n, v in p.upstream.items()}
    return replace(other, upstream=upstream, second=upstream)


def farthest(mine: Array, reference: Array) -> tuple[Any, ...]:
    """The index of the largest difference."""
    apart = np.abs(mine - reference)
    return np.unravel_index(int(np.argmax(np.where(np.isnan(apart), np.inf, apart))), apart.shape)


def arrays_of(trial: Trial) -> Iterator[tuple[str, Any]]:
    """What the code was given, under the user's own names where there are any."""
    own = trial.form.users_names()
    for n, v in arrays(trial.probe).items():
        if n in trial.reading.takes:
            yield own.get(n, n), trial.reading.convention.to_user(n, v)
    if trial.takes_upstream:
        for n, v in trial.upstream.items():
            yield f"d{n}" if len(trial.upstream) > 1 else "dy", trial.reading.convention.to_user(n, v)


def written(v: Any) -> str:
    """A small array in full, a large one by its shape."""
    if np.size(v) > SHOWN:
        return f"of shape {np.shape(v)}"
    return "= " + nested(np.asarray(v).tolist())


def nested(value: Any) -> str:
    """A number, or a list of them at any depth, as text."""
    return f"[{', '.join(map(nested, value))}]" if isinstance(value, list) else number(value)


def number(value: Any) -> str:
    """A number with four digits, -0 as 0; a whole number or a truth value in full."""
    return str(value) if isinstance(value, bool | int) else f"{float(value) + 0.0:.4g}"
