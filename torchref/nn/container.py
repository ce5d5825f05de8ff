"""Sequential, ModuleList, ModuleDict: modules that hold modules."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from torchref.nn.module import Backward, Module


class Container(Module):
    """Modules by name, where a name need not be one that Python could write: what all containers have in common."""

    def __init__(self) -> None:
        self._children: dict[str, Module] = {}

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return iter(self._children.items())

    def add_module(self, name: str, module: Module | None) -> None:
        """Hold `module` as `name`. TypeError for what is no Module, KeyError for a name that is taken or has a dot."""
        if not isinstance(name, str):
            raise TypeError(f"{type(self).__name__}: module name should be a string, got {name!r}")
        if not name or "." in name:
            raise KeyError(f"{type(self).__name__}: module name can't be empty or contain a dot, got {name!r}")
        if name not in self._children and hasattr(self, name):
            raise KeyError(f"{type(self).__name__}: attribute {name!r} already exists")
        self._children[name] = check_module(self, module)

    def __getattr__(self, name: str) -> Any:
        """A child by its name, as in `model.hidden`; called for what is no attribute."""
        children = vars(self).get("_children", {})
        if name not in children:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return children[name]

    def __len__(self) -> int:
        return len(self._children)


class Numbered(Container):
    """Children named "0", "1", ...: what Sequential and ModuleList have in common."""

    def __init__(self, modules: Iterable[Module]) -> None:
        super().__init__()
        self.extend(modules)

    def _renumber(self, modules: Iterable[Module]) -> None:
        self._children = {str(i): module for i, module in enumerate(modules)}

    def _position(self, index: int) -> int:
        """`index`, counted from the front. IndexError if it is out of range."""
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for a {type(self).__name__} of {len(self)} modules")
        return index % len(self)

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            part = type(self).__new__(type(self))
            part._children = dict(list(self._children.items())[index])
            if isinstance(part, ModuleList):
                part._renumber(part.children())
            return part
        return list(self._children.values())[self._position(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        name = list(self._children)[self._position(index)]
        self._children[name] = check_module(self, module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        del modules[index if isinstance(index, slice) else self._position(index)]
        self._renumber(modules)

    def append(self, module: Module) -> Self:
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        if not -len(self) <= index <= len(self):
            raise IndexError(f"index {index} is out of range to insert into a {type(self).__name__} of {len(self)}")
        modules = list(self)
        modules.insert(index if index >= 0 else index + len(self), check_module(self, module))
        self._renumber(modules)
        return self

    def pop(self, index: int | slice = -1) -> Any:
        module = self[index]
        del self[index]
        return module


class Sequential(Numbered):
    """y = f_n( ... f_2(f_1(x))): modules applied one after the other, given one by one or as a dict of names.

    Backward, the chain rule: dx = df_1(df_2( ... df_n(dy))), the same modules in reverse. Equals `torch.nn.Sequential`.
    """

    def __init__(self, *args: Any) -> None:
        if len(args) == 1 and isinstance(args[0], Mapping):
            Container.__init__(self)
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            super().__init__(args)

    def forward(self, input: Any) -> tuple[Any, Backward]:
        y = input
        backwards = []
        for module in self.children():
            y, module_backward = module(y)
            backwards.append(module_backward)

        def backward(dy: Any) -> Any:
            for module_backward in reversed(backwards):
                dy = module_backward(dy)
                if dy is None:  # nothing in front of here has a parameter or needs the gradient of its input
                    break
            return dy

        return y, backward

    def skip_input_grad(self, skip: bool = True) -> Self:
        """Passed on to the modules in front, up to and including the first one with parameters."""
        super().skip_input_grad(skip)
        for module in self.children():
            module.skip_input_grad(skip)
            if next(module.parameters(), None) is not None:
                break
        return self

    def insert(self, index: int, module: Module) -> Self:
        if not isinstance(module, Module):  # torch's exception type, here alone
            raise AssertionError(f"Sequential: {module!r} is not a Module subclass")
        return super().insert(index, module)

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *check_sequential(other))

    def __iadd__(self, other: Sequential) -> Self:
        return self.extend(check_sequential(other))

    def __mul__(self, times: int) -> Sequential:
        """The same modules, not copies of them, `times` times: their gradients are sums over all places."""
        return Sequential(*list(self) * check_times(times))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Self:
        return self.extend(list(self) * (check_times(times) - 1))


class ModuleList(Numbered):
    """Modules in a list, for a network whose own `forward` says how they are used. Equals `torch.nn.ModuleList`."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__(() if modules is None else modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)

    def __repr__(self) -> str:
        """Neighbours that look alike are shown once, with their number."""
        lines: list[str] = []
        for look, group in itertools.groupby(enumerate(map(repr, self)), key=lambda pair: pair[1]):
            positions = [position for position, _ in group]
            if len(positions) > 1:
                line = f"({positions[0]}-{positions[-1]}): {len(positions)} x {look}"
            else:
                line = f"({positions[0]}): {look}"
            lines.append("  " + line.replace("\n", "\n  "))
        return f"{type(self).__name__}(" + "".join("\n" + line for line in lines) + ("\n)" if lines else ")")


class ModuleDict(Container):
    """Modules by name, for a network whose own `forward` says how they are used. Equals `torch.nn.ModuleDict`."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._children)

    def __contains__(self, key: str) -> bool:
        return key in self._children

    def __getitem__(self, key: str) -> Module:
        return self._children[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._children[key]

    def keys(self) -> Iterable[str]:
        return self._children.keys()

    def values(self) -> Iterable[Module]:
        return self._children.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        return self._children.items()

    def pop(self, key: str) -> Module:
        return self._children.pop(key)

    def clear(self) -> None:
        self._children.clear()

    def update(self, modules: Mapping[str, Module] | ModuleDict | Iterable[tuple[str, Module]]) -> None:
        for name, module in pairs(self, modules):
            self[name] = module


def pairs(container: Module, values: Any) -> Iterator[tuple[Any, Any]]:
    """The (key, value) pairs of a mapping or of an iterable of pairs. TypeError and ValueError for anything else."""
    name = type(container).__name__
    if not isinstance(values, Iterable):
        raise TypeError(f"{name}.update should be called with an iterable of key/value pairs, but got {values!r}")
    items: Any = getattr(values, "items", None)
    for j, pair in enumerate(values if items is None else items()):
        if not isinstance(pair, Iterable):
            raise TypeError(f"{name} update sequence element #{j} should be Iterable; is {pair!r}")
        pair = tuple(pair)
        if len(pair) != 2:
            raise ValueError(f"{name} update sequence element #{j} has length {len(pair)}; 2 is required")
        yield pair


def check_module(container: Module, module: Any) -> Module:
    """`module`, if it is a Module. TypeError otherwise."""
    if not isinstance(module, Module):
        raise TypeError(f"{type(container).__name__}: {module!r} is not a Module subclass")
    return module


def check_sequential(other: Any) -> Sequential:
    """`other`, if it is a Sequential. ValueError otherwise."""
    if not isinstance(other, Sequential):
        raise ValueError(f"add operator supports only objects of Sequential class, but {other!r} is given")
    return other


def check_times(times: Any) -> int:
    """`times`, if it is a positive integer. TypeError and ValueError otherwise."""
    if not isinstance(times, int):
        raise TypeError(f"unsupported operand for *: Sequential and {times!r}")
    if times <= 0:
        raise ValueError(f"Non-positive multiplication factor {times} for Sequential")
    return times
