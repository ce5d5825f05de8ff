"""A line search for the strong Wolfe conditions, by cubic interpolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torchref.nn.module import Array

ARMIJO = 1e-4  # the loss must fall by this part of what the slope promises,
CURVATURE = 0.9  # and the slope must shrink to this part
TOLERANCE = 1e-9


class Point(NamedTuple):
    """x + t d on the line, with the loss, the gradient and its slope g.d there."""

    t: Any
    loss: float
    gradient: Array
    slope: Any


def strong_wolfe(  # noqa: C901 (the book's two algorithms, the second on what the first has found)
    evaluate: Callable[[Any], Point], start: Point, t: Any, length: Any, limit: int
) -> tuple[Point, int]:
    """A point on the line from `start` (t = 0) with

        loss(t) <= loss(0) + 1e-4 t slope(0)        it descends enough
        |slope(t)| <= 0.9 |slope(0)|                and is flat enough

    or the best that `limit` iterations find, and how often `evaluate` was called. First t grows until an interval must
    contain such a point; then the interval shrinks. `length` is max |d|, for the smallest interval worth a search.

    Nocedal & Wright 2006, algorithms 3.5 and 3.6, with the safeguards that `torch.optim.LBFGS` has.
    """

    def too_high(point: Point) -> bool:
        return bool(point.loss > start.loss + ARMIJO * point.t * start.slope)

    def flat_enough(point: Point) -> bool:
        return bool(abs(point.slope) <= -CURVATURE * start.slope)

    previous, new = start, evaluate(t)
    calls = 1
    iterations = 0
    bracket = [start, new]
    while iterations < limit:
        if too_high(new) or (iterations > 1 and new.loss >= previous.loss):
            bracket = [previous, new]
            break
        if flat_enough(new):
            return new, calls
        if new.slope >= 0:
            bracket = [previous, new]
            break
        bounds = new.t + 0.01 * (new.t - previous.t), new.t * 10
        t = minimum_of_cubic(previous, new, *bounds)
        previous, new = new, evaluate(t)
        calls += 1
        iterations += 1
        bracket = [start, new]

    stuck = False  # whether the last trial point already lay close to an end of the interval
    low, high = ordered(bracket)
    while iterations < limit:
        left, right = sorted(point.t for point in bracket)
        if (right - left) * length < TOLERANCE:
            break
        t = minimum_of_cubic(bracket[0], bracket[1], left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) >= margin:
            stuck = False
        elif stuck or t >= right or t <= left:
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            stuck = False
        else:
            stuck = True
        new = evaluate(t)
        calls += 1
        iterations += 1
        if too_high(new) or new.loss >= bracket[low].loss:
            bracket[high] = new
            low, high = ordered(bracket)
            continue
        done = flat_enough(new)
        if not done and new.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = new
        if done:
            break
    return bracket[low], calls


def ordered(bracket: list[Point]) -> tuple[int, int]:
    """The places in `bracket` of the lower and of the higher loss."""
    return (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)


def minimum_of_cubic(a: Point, b: Point, smallest: Any, largest: Any) -> Any:
    """Where the cubic through both losses and slopes has its minimum, within the bounds; their middle if nowhere."""
    a, b = (a, b) if a.t <= b.t else (b, a)
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (smallest + largest) / 2
    root = square**0.5
    t = b.t - (b.t - a.t) * ((b.slope + root - d1) / (b.slope - a.slope + 2 * root))
    return min(max(t, smallest), largest)
