"""Which mistake an engine makes that cannot be looked into: the replay, with one wrong formula after the other in it.

The gradients of the parameters are all that is known of such a run. So each wrong formula of the catalogue is put in
place of the backward of the module's operations; if the replay then has the engine's gradients, that is the mistake.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from torchref.check.ops.formula import wrong_formulas
from torchref.check.ops.mistake import Mistake
from torchref.check.ops.probe import Probe, gradients_only
from torchref.check.tolerance.closeness import close, ratio
from torchref.nn.module import Array, Backward
from torchref.referee.catalogued import Reading, read_as_in_the_catalogue
from torchref.referee.compare import Difference
from torchref.referee.formulas import MARGIN, OF_SIZES
from torchref.referee.recording import Node, Recording
from torchref.referee.storage import Ref
from torchref.referee.tape import replay

__all__ = ["coefficients", "mistake_in"]

ENTRIES = 2**20  # of all that the run computes: with more, so many replays would take minutes


def coefficients(
    recording: Recording, theirs: dict[int, Array], found: dict[int, Difference]
) -> dict[int, float | None]:
    """By how much each gradient that parts is off, where one number says it."""
    parted = {key: d for key, d in found.items() if not d.equal}
    if not parted:
        return {}
    right = {key: gradient for key, gradient in replay(recording, given=True) if key in parted}
    return {
        key: None if (ours := right.get(key)) is None else ratio(theirs[key], ours, MARGIN * d.bound)
        for key, d in parted.items()
    }


def mistake_in(
    recording: Recording, module: str, theirs: dict[int, Array], found: dict[int, Difference]
) -> tuple[Node, str] | None:
    """The operation of the module whose backward, with a mistake, makes these gradients, and the mistake's sentence."""
    if sum(int(np.prod(ref.size)) for node in recording.nodes for ref in node.outputs) > ENTRIES:
        return None
    for nodes, readings in of_the_module(recording, module):
        for mistake in possible(readings[0]):
            instead = {
                node.index: wrong_backward(reading, mistake.flag) for node, reading in zip(nodes, readings, strict=True)
            }
            made = {k: g for k, g in replay(recording, given=True, instead=instead) if k in found and g is not None}
            if made.keys() == found.keys() and all(
                close(theirs[key], gradient, MARGIN * found[key].bound) for key, gradient in made.items()
            ):
                evidence = f"every parameter's gradient equals that of this mistake in {nodes[0].op}: {mistake.flag}"
                return nodes[0], f"{mistake.slug}: {mistake.sentence} ({evidence})"
    return None


def of_the_module(recording: Recording, module: str) -> Iterator[tuple[list[Node], list[Reading]]]:
    """The operations of the module that the catalogue knows, those of one name together; the last is the first."""
    groups: dict[str, list[tuple[Node, Reading]]] = defaultdict(list)
    for node in reversed(recording.nodes):
        inside = f"{node.module}.".startswith(f"{module}.") or not module
        reading = read_as_in_the_catalogue(node, Ref.given) if inside and node.tracked else None
        if reading is not None:
            groups[node.name].append((node, reading))
    for group in groups.values():
        yield [node for node, _ in group], [reading for _, reading in group]


def possible(reading: Reading) -> list[Mistake]:
    """The mistakes in the backward of what was read."""
    try:
        every = wrong_formulas(reading.op, Probe(reading.op, "", 0, reading.values, {}, {}).namespace())
    except OF_SIZES:  # the formula has no such sizes
        return []
    return [mistake for mistake in every if not mistake.forward]


def wrong_backward(reading: Reading, flag: str) -> Backward:
    """The operation's backward with this mistake; it has no gradient where the mistake does not run."""
    probe = Probe(reading.op, "", 0, reading.values, {}, {})

    def backward(dy: Array | tuple[Array | None, ...]) -> list[Array | None]:
        try:
            with np.errstate(all="ignore"):
                upstream = {"output": dy[0] if isinstance(dy, tuple) else dy}
                made = gradients_only(probe.evaluate((flag,))[1](upstream))
        except OF_SIZES:
            return []
        gradients = [reading.of_argument(i, made) for i in range(len(reading.gradients))]
        return [None if g is None or g.shape != size else g for g, size in zip(gradients, reading.sizes, strict=True)]

    return backward
