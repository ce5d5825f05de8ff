"""What every form has: how the code is called, and which of the operation's arguments it takes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

from torchref.check.ops import Op
from torchref.check.reading.arguments import Matching, parameters
from torchref.check.reading.config import Config, Values
from torchref.check.reading.forms.calling import Run
from torchref.check.tolerance.closeness import TOLERANCE

SWAP = {"input": "target", "target": "input"}


class Form:
    """A user's code in one of the forms in which people write a gradient.

    A run may note on the form what it has seen of the code; so a run belongs to a copy (`changed`).
    """

    name = ""
    dtype = "float64"  # the precision that the code computes in
    device = "cpu"
    only: frozenset[str] = frozenset()  # the gradients to judge; empty: all
    tolerance = TOLERANCE  # of the largest entry: what is nearer is no mistake
    upstream = True  # whether its backward takes an upstream gradient
    either = False  # a loss's backward(what, target), where `what` may be the upstream gradient or the prediction
    attributes: Mapping[str, tuple[str, Any]] = {}  # the arrays that a class holds, and where
    switch = ""  # the parameter that turns a function into its own derivative, where it is judged so
    asked: Config | None = None  # the dictionary of options last handed over
    op: Op
    matching: Matching
    takes: set[str]

    @property
    def construction(self) -> Matching:
        """The arguments of a class's constructor; of what has none, those of its forward."""
        return self.matching

    def run(
        self,
        values: Values,
        upstreams: list[Values],
        expected: Values,
        shapes: dict[str, tuple[int, ...]],
    ) -> Run:
        """One forward, then one backward for each of `upstreams` (by output)."""
        raise NotImplementedError

    def changed(self, **changes: Any) -> Self:
        """A copy that differs in this."""
        other = copy.copy(self)
        vars(other).update(changes)
        return other

    def against(self, op: Op) -> Self:
        """A copy that is judged against `op`, the same operation on other axes."""
        return self.changed(op=op)

    def judges(self, name: str) -> bool:
        """Whether the user wants this gradient judged: `--only` names those."""
        return not self.only or name in self.only

    def for_probe(self, values: Values) -> Self:  # noqa: ARG002 -- a Layer asks for them
        """A copy to run on a probe with these values, in torch's convention."""
        return self.changed()

    def stored(self, value: Any) -> Any:
        """The same numbers as the precision in use can store them."""
        return value

    def ambiguous(self) -> bool:
        """Whether the array that stands for the input might as well be the output."""
        return False

    def strange(self) -> list[str]:
        """Arrays of the code's own making that match no argument."""
        return []

    def users_names(self) -> dict[str, str]:
        """torch's argument: what the user calls it."""
        found = {role: parameter for parameter, role in self.matching.roles.items() if self.op.has(role)}
        held = {role: called(key) for role, (_, key) in self.attributes.items()}
        return {**found, **held}

    def code(self) -> list[Any]:
        """The user's functions or classes that a run calls."""
        raise NotImplementedError

    def running(self, *code: Any) -> Self:
        """A copy that calls these in the place of `code()`."""
        raise NotImplementedError

    def functions(self) -> list[Any]:
        """The user's functions whose signatures say what the options are."""
        return []

    def keeps_the_old_share(self) -> bool:
        """Whether the user's own default says that momentum is the share of the old statistics."""
        if "momentum" not in self.takes:
            return "config" in self.takes
        names = {m.user("momentum") for m in (self.matching, self.construction)}
        every = [p for f in self.functions() for p in parameters(f)]
        own = (p.default for p in every if p.name in names and isinstance(p.default, float))
        return next((momentum > 0.5 for momentum in own), False)

    def exchanged(self) -> Self:
        """A copy in which prediction and target have changed places."""
        roles = {p: SWAP.get(r, r) for p, r in self.matching.roles.items()}
        return self.changed(matching=Matching(roles, self.matching.guessed))


def called(key: Any) -> str:
    """How the user calls what a class holds: an attribute, a key of a dictionary, an entry of a list."""
    if isinstance(key, str):
        return key
    return f"{key[0]}[{key[1]}]" if isinstance(key[1], int) else str(key[1])
