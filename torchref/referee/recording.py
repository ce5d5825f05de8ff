"""What is recorded of a run: its operations in order, its leaves, its loss, what it wrote into buffers."""

from __future__ import annotations

from typing import Any

import torch

from torchref.referee.frames import Place
from torchref.referee.storage import Ref, Storage

__all__ = ["Node", "Recording", "tensors_in"]


class Node:
    """An operation of the run: `name(*args, **kwargs)`, tensors as windows, and the windows of what it returned."""

    def __init__(self, index: int, func: Any, args: Any, kwargs: Any, place: Place, module: str) -> None:
        self.index = index
        namespace, _, name = func._schema.name.partition("::")
        self.written = any(a.alias_info is not None and a.alias_info.is_write for a in func._schema.arguments)
        self.name = name if namespace == "aten" else func._schema.name
        self.func = func
        self.args = args
        self.kwargs = kwargs
        self.place = place
        self.module = module
        self.inputs: list[Ref] = tensors_in((args, kwargs), Ref)  # in the order of the arguments
        self.outputs: list[Ref] = []
        self.tracked = True
        self.entry: Any = None  # what it computes, by hand; None: it cannot be judged
        self.decomposed = False  # by torch's decomposition of it
        self.reason = ""  # why not
        self.unseen = False  # what it made was written by a kernel that the dispatcher does not see
        self.gradients: dict[int, torch.Tensor] = {}  # torch's own, by output
        self.hooked: set[int] = set()
        self.hooks: dict[int, Any] = {}  # all hooks on that output, the user's among them

    @property
    def op(self) -> str:
        """What the user called: the custom Function around it, or the operation itself."""
        return self.name if "::" in self.name else self.place.function or self.name


class Recording:
    """A run: its nodes in order, its leaves (tensors that need a gradient and were not computed), its loss."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.leaves: dict[int, tuple[torch.Tensor, Ref]] = {}
        self.loss: Ref | None = None
        self.buffers: dict[Storage, str] = {}  # the model's, and their names
        self.writes: list[tuple[Node, list[Ref]]] = []  # into buffers, with the windows as they were afterwards
        self.overwritten: list[torch.Tensor] = []  # the parameters that it changes
        self.draws = 0
        self.given = 0
        self.hooked_modules: list[tuple[str, list[Any]]] = []  # the path of each, and its backward hooks
        self.inside: dict[str, str] = {}  # whose backward ran in a gradient that the run itself took, and its place


def tensors_in(value: Any, kind: type) -> list[Any]:
    """The values of `kind` in nested tuples, lists and dicts, in order."""
    if isinstance(value, kind):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [found for part in value for found in tensors_in(part, kind)]
    return []
