"""Sequential, ModuleList, ModuleDict: modules that hold modules."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from torchref.nn.module import Backward, Module


class _Numbered(Module):
    """Children named "0", "1", ...: what Sequential and ModuleList have in common."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._children: list[tuple[str, Module]] = []
        for module in modules:
            self.append(module)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return iter(self._children)

    def _renumber(self, modules: Iterable[Module]) -> None:
        self._children = [(str(i), module) for i, module in enumerate(modules)]

    def _position(self, index: int) -> int:
        """`index`, counted from the front. IndexError if it is out of range."""
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for a {type(self).__name__} of {len(self)} modules")
        return index % len(self)

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            part = type(self).__new__(type(self))
            part._children = self._children[index]
            if isinstance(part, ModuleList):
                part._renumber(part.children())
            return part
        return self._children[self._position(index)][1]

    def __setitem__(self, index: int, module: Module) -> None:
        position = self._position(index)
        self._children[position] = (self._children[position][0], check_module(self, module))

    def __delitem__(self, index: int | slice) -> None:
        del self._children[index if isinstance(index, slice) else self._position(index)]
        self._renumber(self.children())

    def append(self, module: Module) -> Self:
        self._children.append((str(len(self)), check_module(self, module)))
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

    def pop(self, index: int = -1) -> Module:
        module = self[index]
        del self[index]
        return module


class Sequential(_Numbered):
    """y = f_n( ... f_2(f_1(x))): modules applied one after the other, given one by one or as a dict of names.

    Backward, the chain rule: dx = df_1(df_2( ... df_n(dy))), the same modules in reverse. Equals `torch.nn.Sequential`.
    """

    def __init__(self, *args: Any) -> None:
        if len(args) == 1 and isinstance(args[0], Mapping):
            self._children = [(name, check_module(self, module)) for name, module in args[0].items()]
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


class ModuleList(_Numbered):
    """Modules in a list, for a network whose own `forward` says how they are used. Equals `torch.nn.ModuleList`."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__(() if modules is None else modules)

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


class ModuleDict(Module):
    """Modules by name, for a network whose own `forward` says how they are used. Equals `torch.nn.ModuleDict`."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        self._children: dict[str, Module] = {}
        self.update(modules or {})

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return iter(self._children.items())

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[str]:
        return iter(self._children)

    def __contains__(self, key: str) -> bool:
        return key in self._children

    def __getitem__(self, key: str) -> Module:
        return self._children[key]

    def __setitem__(self, key: str, module: Module) -> None:
        if not isinstance(key, str):
            raise TypeError(f"module name should be a string, got {type(key).__name__}")
        self._children[key] = check_module(self, module)

    def __delitem__(self, key: str) -> None:
        del self._children[key]

    def __getattr__(self, name: str) -> Module:
        """`modules.name` for `modules["name"]`, as in torch; asked only where there is no such attribute."""
        children = vars(self).get("_children", {})
        if name not in children:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return children[name]

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

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        for name, module in dict(modules).items():
            self[name] = module


def check_module(container: Module, module: Any) -> Module:
    if not isinstance(module, Module):
        raise TypeError(f"{type(container).__name__}: {module!r} is not a Module subclass")
    return module
