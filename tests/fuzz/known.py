"""The differences that are meant: each a row of manual/differences.md, with the calls of the fuzz that show it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.checks import floating, leaves
from tests.fuzz.endings import Difference

# Where a nan or an infinity in an argument gives another nan or infinity, or another gradient beside it.
NOT_FINITE = re.compile(
    "relu6|hardtanh|hardshrink|softshrink|hardswish|elu|softsign|l1loss|withlogits|bcewithlogits|kldiv|poisson|"
    "softmargin|lppool|pairwise|triplet|upsampl|interpolate|conv|norm|gumbel|dropout|embedding|rnn|attention|transformer"
)


@dataclass(frozen=True)
class Known:
    row: str
    shown: Callable[[Difference], bool]


def we_alone(pattern: str) -> Callable[[Difference], bool]:
    """We raise what matches `pattern`, and torch returns something."""
    return lambda d: d.theirs.error is None and d.ours.said_with(pattern)


def torch_alone(pattern: str) -> Callable[[Difference], bool]:
    return lambda d: d.ours.error is None and d.theirs.said_with(pattern)


def we_say(pattern: str) -> Callable[[Difference], bool]:
    """We raise what matches `pattern`, whatever torch does."""
    return lambda d: d.ours.said_with(pattern)


def both_return(d: Difference) -> bool:
    return d.ours.error is None and d.theirs.error is None


def arguments(d: Difference) -> list[object]:
    case = d.case
    return [leaf for _, leaf in leaves((case.inputs, case.options, case.args, case.kwargs))]


def not_finite(d: Difference) -> bool:
    """An argument is, or holds, a nan or an infinity."""
    numbers = [value for value in arguments(d) if floating(value) or isinstance(value, float)]
    return any(not np.all(np.isfinite(value)) for value in numbers)


def has_integers(d: Difference) -> bool:
    return any(isinstance(value, np.ndarray) and value.dtype.kind in "biu" for value in arguments(d))


def is_empty(d: Difference) -> bool:
    return any(isinstance(value, np.ndarray) and value.size == 0 for value in arguments(d))


def integers(shown: Callable[[Difference], bool]) -> Known:
    return Known("integers", lambda d: has_integers(d) and shown(d))


SIZES = (
    "must be the same|must have the same shape|does not fit input|expected inputs .N, D.|margin_loss.*target has|"
    "does not broadcast to"
)
KNOWN = [
    Known("broadcasting", we_say(SIZES)),
    Known("broadcasting", we_alone("bias has shape .(1,)?.,|equally many rows|to one batch of scores")),
    Known("two dtypes", we_alone("to have the same dtype|has dtype float|expected a target of dtype int64")),
    integers(we_alone("must be floating point|must hold numbers|dtype int64")),
    integers(torch_alone("dtype|result type|output type|not implemented for|Integral inputs")),
    integers(both_return),
    Known("not finite", lambda d: not_finite(d) and both_return(d) and NOT_FINITE.search(plain(d.name)) is not None),
    Known("not finite", lambda d: not_finite(d) and d.ours.said_with("probability has to be")),
    Known(
        "types of numbers",
        lambda d: d.theirs.error is not None and d.ours.said_with("must be (an int|a number)|should be of type int"),
    ),
    Known("types of numbers", we_alone("must be (numpy.ndarray, not (float|int)|a number, not NoneType)")),
    Known("types of numbers", lambda d: "align_corners" in " ".join(d.spoiled)),
    Known(
        "unused arguments",
        we_alone("must be an int|must not be negative|dropout probability|local_resp|does not fit into"),
    ),
    Known("unused arguments", torch_alone("momentum.*must be float")),
    Known("nothing there", torch_alone("non-zero size|invalid gradient|Number of groups|divisible by the square")),
    Known("nothing there", we_alone("has no classes|should contain|cuts off more|only the batch may be empty")),
    Known("nothing there", lambda d: "ReflectionPad" in d.name and both_return(d)),
    Known("padded windows", torch_alone("smaller than kernel size")),
    Known("sequences", lambda d: "_sequence" in d.name and isinstance(d.case.inputs[0], np.ndarray) and both_return(d)),
    Known("sequences", we_alone("one length for each of")),
    Known("sequences", torch_alone("must either be a single Int|There should be exactly")),
    Known("nothing there", lambda d: is_empty(d) and both_return(d)),
    Known("inplace", torch_alone("In-place")),
    Known("sequences", we_alone("single integer or")),
    Known("label smoothing", we_alone("label_smoothing")),
]


def plain(name: str) -> str:
    return name.lower().replace("_", "").removeprefix("functional.")


def known(difference: Difference) -> Known | None:
    """The first row that says of `difference` that it is meant."""
    return next((k for k in KNOWN if k.shown(difference)), None)
