"""The options as a dictionary, for code that takes one: which of them it asks for is seen."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.reading.arguments import aliases, normal

Values = dict[str, Any]  # arrays and options by torch's names; None: absent


LAYER = re.compile(r"(layer|l|fc|affine|dense|linear|conv)_?\d*", re.IGNORECASE)
BEHIND = ("wy", "wya", "why", "wyh", "wo2", "v", "by", "bya", "bv")


class Config(dict[str, Any]):
    """A dictionary of options that notes which were asked for: the others stay at torch's defaults.

    Arrays that no argument takes are found in it, too, under any of their names: parameters["W1"].
    """

    def __init__(self, values: Values, op: Op | None = None, arrays: Values | None = None) -> None:
        super().__init__(values)
        self.asked: set[str] = set()
        self.found: set[str] = set()  # torch's names of the arrays that were asked for
        self.op, self.arrays = op, arrays or {}

    def __missing__(self, key: str) -> Any:
        for role, value in self.arrays.items():
            if self.op is not None and normal(str(key)) in aliases(self.op, role):
                self.found.add(role)
                return value
        extra = self.output_layer(normal(str(key)))
        if extra is None:
            raise KeyError(key)
        return extra

    def output_layer(self, key: str) -> Any:
        """An array of the layer behind a recurrence, parameters["Wya"] or ["by"]: it has no part in the step."""
        if self.op is None or not self.op.recurrent or key not in BEHIND:
            return None
        biases = [v for v in self.arrays.values() if np.size(v) == max(np.shape(v), default=0)]
        hidden = np.size(biases[0]) if biases else 1
        gates = max(len(self.op.gates), 1) if "bias_ih" in self.arrays else 1
        if key.startswith("w"):
            return np.ones((hidden // gates, hidden // gates))
        return np.zeros((hidden // gates, 1) if np.ndim(biases[0]) == 2 else hidden // gates)

    def __getitem__(self, key: str) -> Any:
        if isinstance(key, int) or LAYER.fullmatch(key):
            return self  # params[layer]["W"]: every layer is this one
        self.asked.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def pop(self, key: str, *default: Any) -> Any:
        self.asked.add(key)
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().setdefault(key, default)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key) or self.get(str(key)) is not None

    def names(self, op: Op) -> set[str]:
        """torch's names of what was asked for; all of them if it was handed on whole."""
        course = {"pool_height": "kernel_size", "pool_width": "kernel_size", "mode": "training"}
        wanted = {course.get(k, k) for k in self.asked}
        found = {a.name for a in op.arguments if a.name in wanted or wanted & set(a.aliases)}
        found |= self.found
        return found if self.asked else {a.name for a in op.arguments if a.kind != "array"}


def make_config(op: Op, values: Values, with_momentum: bool = True, taken: set[str] | None = None) -> Config:
    """The options as a dictionary, under torch's names, their aliases and the names that courses use.

    The arrays that are not in `taken` can be found in it, too.
    """
    result: Values = {}
    for a in op.arguments:
        if a.kind == "array" or (a.name == "momentum" and not with_momentum):
            continue
        value = values.get(a.name)
        if a.kind == "data" and a.name == "mask":
            continue
        for name in (*a.aliases, a.name):
            result.setdefault(name, value)
        result[a.name] = value
    if "training" in result:
        result["mode"] = "train" if values.get("training", True) else "test"
    if "kernel_size" in result:
        kernel = values["kernel_size"]
        pair = tuple(kernel) if isinstance(kernel, tuple | list) else (kernel, kernel)
        result.update(
            pool_height=pair[0],
            pool_width=pair[-1],
            stride=values["stride"] if values["stride"] is not None else kernel,
        )
    held = [a.name for a in op.arrays if taken is not None and a.name not in taken]
    arrays = {n: values[n] for n in held if values.get(n) is not None}
    return Config({k: v for k, v in result.items() if v is not None}, op, arrays)
