"""Where a class holds its arrays, and where it leaves their gradients."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.reading.arguments import Matching, aliases, normal
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.forms.class_names import GRADS, HOLDERS
from torchref.check.reading.forms.naming import gradient_name


def place(op: Op, instance: Any, name: str) -> tuple[str, Any] | None:
    """Where an instance holds an array: ("attribute", key), ("dict", (holder, key)) or ("list", (holder, i))."""
    wanted = aliases(op, name)
    if name == "running_mean":
        wanted += ["runningmean"]
    members = vars(instance) if hasattr(instance, "__dict__") else {}
    reserved = {"input", "x", "output", "out", "cache", "y"}
    for alias in wanted:
        for key in members:
            value = members[key]
            if (
                normal(key) == alias
                and (isinstance(value, np.ndarray) or has_data(value) or value is None)
                and normal(key) not in reserved
            ):
                if value is None and name in ("bias", "weight", "mask"):
                    continue
                return ("attribute", key)
    for holder, content in members.items():
        if isinstance(content, dict) and normal(holder) not in map(normal, GRADS):
            for alias in wanted:
                for key, value in content.items():
                    if normal(str(key)) == alias and (isinstance(value, np.ndarray) or has_data(value)):
                        return ("dict", (holder, key))
    for holder, content in members.items():
        if (
            isinstance(content, list)
            and normal(holder) in map(normal, HOLDERS)
            and content
            and all(isinstance(c, np.ndarray) for c in content)
        ):
            order = [a.name for a in op.arrays if not a.name.startswith(("input", "hx", "cx"))]
            if name in order and order.index(name) < len(content):
                return ("list", (holder, order.index(name)))
    return None


def read_place(op: Op, cls: Any, instance: Any, name: str) -> tuple[str, Any] | None:
    """Where the source expects the array `name`, if no attribute holds one yet: self.W, self.params["W"]."""
    if op.argument(name).kind != "array" or name.startswith("input"):
        return None
    try:
        source = inspect.getsource(cls if inspect.isclass(cls) else type(cls))
        for base in cls.__mro__[1:-1] if inspect.isclass(cls) else ():
            source += inspect.getsource(base)
    except (OSError, TypeError):
        return None
    read = list(dict.fromkeys(re.findall(r"self\.(\w+)\b(?!\s*=[^=]|\s*,.*=[^=]|\()", source)))
    set_later = set(re.findall(r"self\.(\w+)\s*(?:=[^=]|,)", source))
    set_to_none = set(re.findall(r"self\.(\w+)\s*=\s*None", source))
    members = vars(instance) if hasattr(instance, "__dict__") else {}
    for alias in aliases(op, name):
        for key in read:
            times = len(re.findall(rf"self\.{key}\s*=[^=]", source))
            free = (key not in set_later) or (key in set_to_none and times == 1)
            if (
                normal(key) == alias
                and free
                and members.get(key) is None
                and not callable(getattr(instance, key, None))
            ):
                return ("attribute", key)
        for holder, key in re.findall(r"self\.(\w+)\[[\"'](\w+)[\"']\]", source):
            content = members.get(holder)
            if normal(key) == alias and isinstance(content, dict) and normal(holder) not in map(normal, GRADS):
                return ("dict", (holder, key))
    return None


def put(instance: Any, at: tuple[str, Any], array: Any, one_slope: bool) -> tuple[int, ...] | None:
    """Set an array where the instance holds it; its own shape, if that has other axes of length 1."""
    own = None
    kind, key = at
    old = get(instance, kind, key)
    data = (
        old
        if isinstance(old, np.ndarray)
        else getattr(old, "data", getattr(old, "value", None))
        if has_data(old)
        else None
    )
    if one_slope and data is not None and np.size(data) == 1 < np.size(array):
        raise CouldNotRun("it has one slope for all channels")  # the next probe has one, too
    if (
        isinstance(data, np.ndarray)
        and data.size == np.size(array)
        and np.squeeze(data).shape == np.squeeze(array).shape
        and data.shape != np.shape(array)
    ):
        own = data.shape
        array = np.reshape(array, data.shape)
    if isinstance(old, np.ndarray) or old is None:
        if kind == "list" and isinstance(old, np.ndarray) and old.shape == np.shape(array):
            old[...] = array
        elif kind == "attribute":
            same = [k for k, v in vars(instance).items() if v is old and old is not None]
            for k in same or [key]:
                setattr(instance, k, array)
            for v in vars(instance).values():  # the same array may stand in a list or a dictionary, too
                if isinstance(v, list):
                    for i, item in enumerate(v):
                        if item is old and old is not None:
                            v[i] = array
                elif isinstance(v, dict):
                    for k, item in list(v.items()):
                        if item is old and old is not None:
                            v[k] = array
        else:
            getattr(instance, key[0])[key[1]] = array
    elif hasattr(old, "data") and isinstance(old.data, np.ndarray):
        old.data = array
    else:
        old.value = array
    return own


def collect(
    op: Op,
    instance: Any,
    shapes: dict[str, tuple[int, ...]],
    before: dict[str, Any],
    takes: set[str],
    attributes: dict[str, tuple[str, Any]],
    held: Matching | None = None,
) -> dict[str, Any]:
    """The gradients that the instance holds after its backward."""
    found: dict[str, Any] = {}
    members = vars(instance) if hasattr(instance, "__dict__") else {}
    for key, value in members.items():
        if (
            isinstance(value, np.ndarray | np.generic | float)
            and not isinstance(value, bool)
            and (isinstance(value, np.ndarray) or value is not before.get(key))
        ):
            name = gradient_name(op, key, held)
            if name in shapes and name != "input" and stem_is_gradient(key):
                found.setdefault(name, value)
    for key, value in members.items():
        if isinstance(value, dict) and normal(key) in map(normal, (*GRADS, *HOLDERS, "cache")):
            for inner, gradient in value.items():
                name = None
                if normal(key) in map(normal, GRADS):
                    name = next((a.name for a in op.arrays if normal(str(inner)) in aliases(op, a.name)), None)
                name = name or (gradient_name(op, str(inner), held) if stem_is_gradient(str(inner)) else None)
                if name in shapes and name != "input" and isinstance(gradient, np.ndarray | np.generic):
                    found.setdefault(name, gradient)
        elif isinstance(value, list | tuple) and normal(key) in map(normal, GRADS) and value:
            order = [n for n in shapes if n in takes and not n.startswith(("input", "hx", "cx"))]
            for name, gradient in zip(order, value, strict=False):
                if isinstance(gradient, np.ndarray | np.generic):
                    found.setdefault(name, gradient)
    for name, (kind, place) in attributes.items():
        holder = get(instance, kind, place)
        gradient = getattr(holder, "grad", None) if not isinstance(holder, np.ndarray) else None
        if name in shapes and gradient is not None:
            found.setdefault(name, gradient)
    return found


def has_data(value: Any) -> bool:
    return not isinstance(value, np.ndarray | np.generic) and (
        isinstance(getattr(value, "data", None), np.ndarray) or isinstance(getattr(value, "value", None), np.ndarray)
    )


def get(instance: Any, kind: str, key: Any) -> Any:
    if kind == "attribute":
        return getattr(instance, key, None)
    holder = getattr(instance, key[0])
    return holder.get(key[1]) if isinstance(holder, dict) else holder[key[1]]


def stem_is_gradient(key: str) -> bool:
    n = normal(key)
    return n.startswith(("d", "grad", "g", "delta", "nabla")) or n.endswith(
        ("grad", "grads", "gradient", "gradients", "bar")
    )
