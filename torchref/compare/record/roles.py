"""What each layer is for, in words that are the same for every variant of a network: `hidden 1`, `after dropout`.

A number such as `2` in a `Sequential` is a Linear in one variant and a Dropout in another. A role is not: it follows
from the order in which the layers run, and from their kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from torchref.compare.lockstep.observe import Seen

__all__ = ["Role", "Roles", "module_of", "roles_in", "roles_of"]

ACTIVATIONS = {*torch.nn.modules.activation.__all__} - {"MultiheadAttention"}
DATA, OUTPUT = "data", "output"
# What a layer's output is called, by a part of its kind's name.
STAGES = {
    "Linear": "weighted sum",
    "Bilinear": "weighted sum",
    "Conv": "weighted sum",
    "MultiheadAttention": "attended values",
    "RNN": "states",
    "LSTM": "states",
    "GRU": "states",
    "Embedding": "rows",
    "Norm": "after normalisation",
    "Dropout": "after dropout",
    "Pool": "after pooling",
}


@dataclass(frozen=True)
class Role:
    """Where a layer stands in the network, and what its output is called."""

    place: str  # "hidden 1", "output", "embedding"; "data": in front of the first layer that has weights
    stage: str  # "weighted sum", "after the activation", ...
    kind: str  # the class's name

    @property
    def tag(self) -> str:
        """The beginning of its tags."""
        return f"{self.place}/{self.stage}"


@dataclass(frozen=True)
class Roles:
    """The roles of a network's layers, and of its parameters."""

    layers: dict[str, Role]  # by the name under which a layer was seen, in the order in which they ran
    parameters: dict[str, tuple[str, str]]  # by name: place, and what it is there
    places: list[str]  # in order, those that have weights

    def weights(self) -> dict[str, str]:
        """{place: the name of its first parameter}, in the order of the places."""
        found: dict[str, str] = {}
        for name, (place, _) in self.parameters.items():
            found.setdefault(place, name)
        return {place: found[place] for place in self.places if place in found}


def roles_in(model: Any, seen: Seen, output: Any) -> Roles:
    """The roles of the layers that were seen: the last one is the output if its numbers are the network's."""
    last = next(reversed(seen.outputs.values()), None)
    first = output[0] if isinstance(output, tuple) else output
    return roles_of(model, list(seen.outputs), last is not None and last.size == first.size)


def roles_of(model: Any, seen: Sequence[str], ends: bool = True) -> Roles:
    """The roles in a network whose layers were `seen` to run in this order.

    A layer with weights of its own begins a place: `embedding`, or `hidden 1`, `hidden 2`, ... and, if the last layer's
    output is the network's (`ends`), `output`. What follows it (norm, activation, dropout, pooling) belongs to it.
    """
    modules = dict(model.named_modules())
    owners = _owners(model)
    order = _with_unseen(list(modules), seen, owners)
    begins = [name for name in dict.fromkeys(map(module_of, order)) if name in owners and not _follows(modules[name])]
    places = _places(begins, [type(modules[name]).__name__ for name in begins], ends)

    layers: dict[str, Role] = {}
    parameters: dict[str, tuple[str, str]] = {}
    taken: dict[tuple[str, str], int] = {}
    place = DATA
    for turn in order:
        name = module_of(turn)
        kind = type(modules[name]).__name__
        place = places.get(name, place)
        for own in owners.pop(name, ()):
            joined = f"{name}.{own}" if name else own
            parameters[joined] = place, own if name in places else f"{own} of {kind}"
        if turn in seen:
            stage = _stage(kind)
            count = taken[place, stage] = taken.get((place, stage), 0) + 1
            layers[turn] = Role(place, stage if count == 1 else f"{stage} ({count})", kind)
    return Roles(layers, parameters, list(dict.fromkeys(places.values())))


def _owners(model: Any) -> dict[str, list[str]]:
    """{module: the names of the parameters that it holds itself}."""
    owners: dict[str, list[str]] = {}
    for name, _ in model.named_parameters():
        owner, _, own = name.rpartition(".")
        owners.setdefault(owner, []).append(own)
    return owners


def module_of(turn: str) -> str:
    """The module's name: one that runs again is seen as `name (2)`."""
    return turn.partition(" (")[0]


def _with_unseen(registered: list[str], seen: Sequence[str], owners: Iterable[str]) -> list[str]:
    """The order of execution; a module that holds parameters and was not seen stands behind its neighbour."""
    order = list(seen)
    for name in owners:
        if name not in order:
            before = [other for other in registered[: registered.index(name)] if other in order]
            order.insert(order.index(before[-1]) + 1 if before else 0, name)
    return order


def _follows(module: Any) -> bool:
    """Whether a layer belongs to the one in front of it, although it may have weights."""
    kind = type(module).__name__
    return kind in ACTIVATIONS or "Norm" in kind


def _places(names: list[str], kinds: list[str], ends: bool) -> dict[str, str]:
    """The place that each layer begins."""
    places: dict[str, str] = {}
    embeddings = [name for name, kind in zip(names, kinds, strict=True) if "Embedding" in kind]
    others = [name for name in names if name not in embeddings]
    for number, name in enumerate(embeddings, start=1):
        places[name] = "embedding" if len(embeddings) == 1 else f"embedding {number}"
    for number, name in enumerate(others, start=1):
        places[name] = OUTPUT if ends and name == others[-1] else f"hidden {number}"
    return {name: places[name] for name in names}


def _stage(kind: str) -> str:
    if kind in ACTIVATIONS:
        return "after the activation"
    return next((stage for part, stage in STAGES.items() if part in kind), f"after {kind}")
