"""Where a class holds its arrays, and where it leaves their gradients."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import re
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.reading.arguments import Matching, aliases, normal, parameters
from torchref.check.reading.config import Values
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.forms.class_names import GRADS, HOLDERS
from torchref.check.reading.forms.naming import gradient_name

Place = tuple[str, Any]  # ("attribute", key), ("dict", (holder, key)) or ("list", (holder, i))
RESERVED = {"input", "x", "output", "out", "cache", "y"}  # what a class keeps of a call


def members(instance: Any) -> Values:
    """What an instance holds by name: in its dictionary and in its __slots__."""
    slots = {
        name: getattr(instance, name)
        for cls in type(instance).__mro__
        for name, member in vars(cls).items()
        if isinstance(member, types.MemberDescriptorType) and hasattr(instance, name)
    }
    return {**slots, **getattr(instance, "__dict__", {})}


def computed_gradients(instance: Any) -> Values:
    """The gradients that an instance computes when it is asked for them: a property dW, a method gradients()."""
    found: Values = {}
    for cls in type(instance).__mro__:
        for name, member in vars(cls).items():
            called = normal(name).removeprefix("get")
            asked = inspect.isfunction(member) and called in map(normal, GRADS) and not parameters(member)[1:]
            if asked or (isinstance(member, property | functools.cached_property) and stem_is_gradient(name)):
                with contextlib.suppress(Exception):  # it may want what this backward does not make
                    value = getattr(instance, name)
                    found.setdefault(called if asked else name, value() if asked else value)
    return found


def place(op: Op, instance: Any, name: str) -> Place | None:
    """Where an instance holds an array."""
    own = members(instance)
    wanted = aliases(op, name) + (["runningmean"] if name == "running_mean" else [])
    return in_attribute(own, wanted, name) or in_dictionary(own, wanted) or in_list(op, own, name)


def in_attribute(members: Values, wanted: list[str], name: str) -> Place | None:
    """The attribute that holds the array: self.W. The first of the `wanted` names counts."""
    for alias in wanted:
        for key, value in members.items():
            holds = isinstance(value, np.ndarray) or has_data(value)
            empty = value is None and name not in ("bias", "weight", "mask")
            if normal(key) == alias and alias not in RESERVED and (holds or empty):
                return "attribute", key
    return None


def plain_number(op: Op, instance: Any, name: str) -> Place | None:
    """The attribute that holds an array of one entry as a number: self.b = 0.0."""
    known = aliases(op, name)
    return next(
        (("attribute", k) for k, v in members(instance).items() if type(v) is float and normal(k) in known), None
    )


def in_dictionary(members: Values, wanted: list[str]) -> Place | None:
    """The dictionary on the instance, and its key, that hold the array: self.params['W']."""
    for holder, content in members.items():
        if not isinstance(content, dict) or normal(holder) in map(normal, GRADS):
            continue
        for alias in wanted:
            for key, value in content.items():
                known = (normal(str(key)), normal(f"{holder}{key}"))  # params["Wf"], or W["f"]
                if alias in known and (isinstance(value, np.ndarray) or has_data(value)):
                    return "dict", (holder, key)
    return None


def in_list(op: Op, members: Values, name: str) -> Place | None:
    """The list on the instance, and the place in it, that hold the array: self.params[0]."""
    order = [a.name for a in op.arrays if not a.name.startswith(("input", "hx", "cx"))]
    for holder, content in members.items():
        arrays = isinstance(content, list) and all(isinstance(c, np.ndarray) for c in content)
        if arrays and normal(holder) in map(normal, HOLDERS) and name in order and order.index(name) < len(content):
            return "list", (holder, order.index(name))
    return None


def read_place(op: Op, cls: Any, instance: Any, name: str) -> Place | None:
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
    own = members(instance)
    for alias in aliases(op, name):
        for key in read:
            times = len(re.findall(rf"self\.{key}\s*=[^=]", source))
            free = (key not in set_later) or (key in set_to_none and times == 1)
            if normal(key) == alias and free and own.get(key) is None and not callable(getattr(instance, key, None)):
                return ("attribute", key)
        for holder, key in re.findall(r"self\.(\w+)\[[\"'](\w+)[\"']\]", source):
            content = own.get(holder)
            if normal(key) == alias and isinstance(content, dict) and normal(holder) not in map(normal, GRADS):
                return ("dict", (holder, key))
    return None


def put(instance: Any, at: Place, array: Any, one_slope: bool) -> tuple[int, ...] | None:
    """Set an array where the instance holds it; its own shape, if that has other axes of length 1."""
    old = get(instance, *at)
    data = held_data(old)
    if one_slope and data is not None and np.size(data) == 1 < np.size(array):
        raise CouldNotRun("it has one slope for all channels")  # the next probe has one, too
    own = None
    if isinstance(data, np.ndarray) and data.shape != np.shape(array) and alike(data, array):
        own, array = data.shape, np.reshape(array, data.shape)
    if type(old) is float:
        if np.size(array) != 1:
            raise CouldNotRun(f"it holds {at[1]} as one number")
        setattr(instance, at[1], float(np.ravel(array)[0]))
    elif isinstance(old, np.ndarray) or old is None:
        put_array(instance, at, old, array)
    elif hasattr(old, "data") and isinstance(old.data, np.ndarray):
        old.data = array
    else:
        old.value = array
    return own


def alike(data: Any, array: Any) -> bool:
    """Whether two arrays have the same shape but for axes of length 1."""
    return np.size(data) == np.size(array) and np.squeeze(data).shape == np.squeeze(array).shape


def held_data(old: Any) -> Any:
    """The array of an attribute: itself, or that of a parameter's object."""
    if isinstance(old, np.ndarray) or not has_data(old):
        return old if isinstance(old, np.ndarray) else None
    return getattr(old, "data", getattr(old, "value", None))


def put_array(instance: Any, at: Place, old: Any, array: Any) -> None:
    """Set a plain array, wherever the same one stands."""
    kind, key = at
    if kind == "list" and isinstance(old, np.ndarray) and old.shape == np.shape(array):
        old[...] = array
    elif kind != "attribute":
        getattr(instance, key[0])[key[1]] = array
    else:
        same = [k for k, v in members(instance).items() if old is not None and v is old]
        for k in same or [key]:
            setattr(instance, k, array)
        for held in members(instance).values() if old is not None else ():
            places = enumerate(held) if isinstance(held, list) else list(held.items()) if isinstance(held, dict) else ()
            for i, item in places:
                if item is old:
                    held[i] = array


def collect(
    op: Op,
    instance: Any,
    shapes: dict[str, tuple[int, ...]],
    before: Values,
    takes: set[str],
    attributes: dict[str, Place],
    held: Matching | None = None,
) -> Values:
    """The gradients that the instance holds after its backward."""
    own = {**computed_gradients(instance), **members(instance)}
    found: Values = {}
    ways = (
        gradients_in_attributes(op, own, before, held),
        gradients_in_holders(op, own, shapes, takes, held),
        gradients_of_parameters(instance, attributes),
    )
    for name, gradient in itertools.chain(*ways):
        if name in shapes:
            found.setdefault(name, gradient)
    return found


Named = Iterator[tuple[str | None, Any]]


def gradients_in_attributes(op: Op, members: Values, before: Values, held: Matching | None) -> Named:
    """self.dW, self.grad_weight."""
    for key, value in members.items():
        number = isinstance(value, np.generic | float) and value is not before.get(key)
        if (isinstance(value, np.ndarray) or number) and stem_is_gradient(key):
            name = gradient_name(op, key, held)
            if name != "input":
                yield name, value


def gradients_in_holders(  # noqa: C901 -- a branch for each place where people keep gradients
    op: Op, members: Values, shapes: Iterable[str], takes: set[str], held: Matching | None
) -> Named:
    """self.grads["W"], self.params["dW"], self.grads[i]."""
    of_gradients = set(map(normal, GRADS))
    for key, value in members.items():
        holder = normal(key)
        if isinstance(value, dict) and holder in of_gradients | {*map(normal, HOLDERS), "cache"}:
            for inner, gradient in value.items():
                name = inner_name(op, str(inner), holder in of_gradients, held)
                if name != "input" and isinstance(gradient, np.ndarray | np.generic):
                    yield name, gradient
        elif isinstance(value, dict) and stem_is_gradient(key):  # self.dW[g]
            for inner, gradient in value.items():
                if isinstance(gradient, np.ndarray):
                    yield gradient_name(op, f"{key}{inner}", held), gradient
        elif isinstance(value, list | tuple) and holder in of_gradients:
            order = [n for n in shapes if n in takes and not n.startswith(("input", "hx", "cx"))]
            for name, gradient in zip(order, value, strict=False):
                if isinstance(gradient, np.ndarray | np.generic):
                    yield name, gradient


def inner_name(op: Op, inner: str, of_gradients: bool, held: Matching | None) -> str | None:
    """Whose gradient a dictionary holds under a key."""
    name = next((a.name for a in op.arrays if normal(inner) in aliases(op, a.name)), None) if of_gradients else None
    return name or (gradient_name(op, inner, held) if stem_is_gradient(inner) else None)


def gradients_of_parameters(instance: Any, attributes: dict[str, Place]) -> Named:
    """self.weight.grad."""
    for name, at in attributes.items():
        holder = get(instance, *at)
        gradient = getattr(holder, "grad", None) if not isinstance(holder, np.ndarray) else None
        if gradient is not None:
            yield name, gradient


def has_data(value: Any) -> bool:
    """Whether a value is an object of the user's that wraps an array, as .data or .value."""
    return not isinstance(value, np.ndarray | np.generic) and (
        isinstance(getattr(value, "data", None), np.ndarray) or isinstance(getattr(value, "value", None), np.ndarray)
    )


def get(instance: Any, kind: str, key: Any) -> Any:
    """What the instance holds at a place."""
    if kind == "attribute":
        return getattr(instance, key, None)
    holder = getattr(instance, key[0])
    return holder.get(key[1]) if isinstance(holder, dict) else holder[key[1]]


def stem_is_gradient(key: str) -> bool:
    """Whether a name is that of a gradient: dW, grad_W, W_grad."""
    n = normal(key)
    return n.startswith(("d", "grad", "g", "delta", "nabla")) or n.endswith(
        ("grad", "grads", "gradient", "gradients", "bar")
    )
