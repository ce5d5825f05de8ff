"""ParameterList, ParameterDict: parameters held by number or by name."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from torchref.nn.container import pairs
from torchref.nn.module import Backward, Module, Parameter


class ParameterContainer(Module):
    """Values by name; arrays become Parameters. What the two containers have in common."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        return ((name, value) for name, value in self._values.items() if isinstance(value, Parameter))

    def __getattr__(self, name: str) -> Any:
        values = vars(self).get("_values", {})
        if name not in values:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return values[name]

    def __len__(self) -> int:
        return len(self._values)

    def __call__(self, *_args: Any, **_kwargs: Any) -> tuple[Any, Backward]:
        raise RuntimeError(f"{type(self).__name__} should not be called.")

    def extra_repr(self) -> str:
        lines = []
        for name, value in self._values.items():
            if isinstance(value, Parameter):
                look = f"Parameter containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"
            else:
                look = f"Object of type: {type(value).__name__}"
            lines.append(f"  ({name}): {look}")
        return "\n".join(lines)


def as_parameter(value: Any) -> Any:
    """A Parameter of an array; all else as it is."""
    return Parameter(value) if isinstance(value, np.ndarray) else value


class ParameterList(ParameterContainer):
    """Parameters in a list, for a network whose `forward` says how they are used. Equals `torch.nn.ParameterList`."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        if values is not None:
            self.extend(values)

    def _name(self, index: int) -> str:
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for a ParameterList of {len(self)}")
        return str(index % len(self))

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._values[self._name(index)]

    def __setitem__(self, index: int, value: Any) -> None:
        self._values[self._name(index)] = as_parameter(value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values.values())

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def append(self, value: Any) -> Self:
        self._values[str(len(self))] = as_parameter(value)
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        if not isinstance(values, Iterable) or isinstance(values, np.ndarray):
            raise TypeError(f"ParameterList.extend should be called with an iterable, but got {values!r}")
        for value in list(values):
            self.append(value)
        return self


class ParameterDict(ParameterContainer):
    """Parameters by name, for a network whose own `forward` says how they are used. Equals `torch.nn.ParameterDict`.

    As in torch, a plain mapping is taken in the order of its sorted keys, an OrderedDict or pairs in their own.
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        return self.__getattr__(self._checked(key))  # AttributeError without it, as in torch

    def __setitem__(self, key: str, value: Any) -> None:
        self._values[self._checked(key)] = as_parameter(value)

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def _checked(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(f"ParameterDict: keys must be strings, got {key!r}")
        return key

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def keys(self) -> Iterable[str]:
        return self._values.keys()

    def values(self) -> Iterable[Any]:
        return self._values.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        return self._values.items()

    def copy(self) -> ParameterDict:
        return ParameterDict(OrderedDict(self._values))

    def get(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        return ParameterDict((key, default) for key in keys)

    def pop(self, key: str) -> Any:
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        return self._values.popitem()

    def clear(self) -> None:
        self._values.clear()

    def update(self, parameters: Any) -> None:
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            parameters = dict(sorted(parameters.items()))
        for key, value in pairs(self, parameters):
            self[key] = value

    def __or__(self, other: ParameterDict) -> ParameterDict:
        both = self.copy()
        both.update(other)
        return both

    def __ror__(self, other: Any) -> ParameterDict:
        both = ParameterDict(other)
        both.update(self)
        return both

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self
