"""Which mistake it is, where one of torch's own operations parts: the catalogue's wrong formulas on the run's arrays.

A kernel cannot be called with other numbers than the run's: it may be right there. So every edit of the textbook's
formula is run on the arrays that were recorded, and what it makes is compared with what the kernel made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from torchref.check.diagnosis.signatures import Wrong, generic
from torchref.check.ops.formula import wrong_formulas
from torchref.check.ops.mistake import Evaluated, Mistake, Unreduced, Values
from torchref.check.ops.probe import Probe, gradients_only
from torchref.check.ops.record import Op
from torchref.check.report.verdict import SLUGS
from torchref.check.tolerance.closeness import close
from torchref.nn.module import Array
from torchref.referee.catalogued import Reading, read_as_in_the_catalogue
from torchref.referee.recording import Node
from torchref.referee.storage import Ref

__all__ = ["Returned", "mistake_of_operation"]

ENTRIES = 2**20  # of all arrays together: with more, the formulas would take minutes
MARGIN = 8.0  # a wrong gradient rounds otherwise than the right one
SAME = 1e-13  # of the largest entry: a mistake that moves a gradient by less is none here
# what NumPy says of sizes and options that a formula has not
OF_SIZES = (ValueError, IndexError, TypeError, AttributeError, ZeroDivisionError, KeyError)


@dataclass(frozen=True)
class Returned:
    """What an operation's backward returned for one of its arrays, which is wrong, and what it should be."""

    argument: int  # among the arrays of its arguments
    gradient: Array
    right: Array
    bound: float  # how far rounding moves it, in units of its largest entry


class Unknown:
    """The formula of an operation that the catalogue does not know: there is none."""

    def __call__(self, v: Values, wrong: frozenset[str] = frozenset()) -> Evaluated:
        raise NotImplementedError

    def listed(self, _: Op) -> tuple[Mistake, ...]:
        return ()


def mistake_of_operation(node: Node, wrong: list[Returned]) -> str:
    """The sentence for the mistake in the operation's backward, and how it is told; empty where it fits none."""
    upstream = node.gradients.get(0)
    if any(ref.complex for ref in (*node.inputs, *node.outputs)):
        return ""  # the formulas are of real numbers
    if upstream is None or sum(int(np.prod(ref.size)) for ref in (*node.inputs, *node.outputs)) > ENTRIES:
        return ""
    dy = upstream.cpu().double().numpy()
    reading = read_as_in_the_catalogue(node, Ref.given)
    if reading is not None and (told := by_formula(reading, dy, wrong)):
        return told
    return by_signature(node, reading, dy, wrong)


def by_formula(reading: Reading, dy: Array, wrong: list[Returned]) -> str:
    """The wrong formula that makes the most of the wrong gradients, and none that are right."""
    probe = Probe(reading.op, "", 0, reading.values, {"output": dy}, {})
    best: tuple[int, str] | None = None
    for mistake, gradients in wrong_gradients(probe):
        made = {r.argument: reading.of_argument(r.argument, gradients) for r in wrong}
        explained = [r for r in wrong if is_close(r, made[r.argument])]
        score = len(explained) - sum(name in gradients for name in others(reading, wrong))
        if explained and (best is None or score > best[0]):
            names = ", ".join(f"d{reading.gradients[r.argument].removesuffix('.T')}" for r in explained)
            evidence = f"{names} equal{'s' * (len(explained) == 1)} that of this mistake: {mistake.flag}"
            best = score, f"{mistake.slug}: {mistake.sentence} ({evidence})"
    return "" if best is None else best[1]


def others(reading: Reading, wrong: list[Returned]) -> list[str]:
    """The names of the gradients that are not among the wrong ones."""
    return [
        name.removesuffix(".T")
        for i, name in enumerate(reading.gradients)
        if name and i not in {r.argument for r in wrong}
    ]


def wrong_gradients(probe: Probe) -> Iterator[tuple[Mistake, dict[str, Array]]]:
    """Each mistake of a backward, and the gradients that it makes other than the right ones."""
    try:
        right = gradients_only(probe.reference(probe.upstream))
        every = wrong_formulas(probe.op, probe.namespace())
    except OF_SIZES:  # the formula has no such sizes
        return
    for mistake in every:
        if mistake.forward:
            continue
        try:
            with np.errstate(all="ignore"):
                made = gradients_only(probe.evaluate((mistake.flag,))[1](probe.upstream))
        except OF_SIZES:
            continue
        changed = {
            n: g
            for n, g in made.items()
            if n in right and not (g.shape == right[n].shape and close(g, right[n], 1e-13))
        }
        if changed:
            yield mistake, changed


def is_close(returned: Returned, candidate: Array | None) -> bool:
    """Whether the mistake makes this gradient."""
    if candidate is None or candidate.shape != returned.gradient.shape:
        return False
    return close(returned.gradient, candidate, MARGIN * returned.bound)


def by_signature(node: Node, reading: Reading | None, dy: Array, wrong: list[Returned]) -> str:
    """What a wrong gradient shows by itself: a sign, a transpose, a mean for a sum, a factor that was left out."""
    op = reading.op if reading is not None else Op(node.name, (), (), Unknown(), lambda *_: {})
    values = reading.values if reading is not None else {}
    probe = Probe(op, "", 0, values, {"output": dy}, {})
    terms = unreduced(probe) if reading is not None else {}
    for r in wrong:
        name, mine, right = "", r.gradient, r.right
        if reading is not None:
            (name, mine), (_, right) = (reading.in_the_catalogue(r.argument, g) for g in (mine, right))
        try:
            found = generic(Wrong(name, mine, right, probe, terms.get(name), dy, MARGIN * r.bound))
        except OF_SIZES:
            continue
        if found is not None:
            return f"{found.slug}: {found.sentence or SLUGS[found.slug]} ({found.evidence})"
    return ""


def unreduced(probe: Probe) -> dict[str, Unreduced]:
    """The gradients of broadcast parameters before their sum."""
    try:
        found = probe.reference(probe.upstream)
    except OF_SIZES:
        return {}
    return {name[:-1]: g for name, g in found.items() if isinstance(g, Unreduced)}
