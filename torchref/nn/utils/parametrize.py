"""A parameter that is a function of other parameters: its gradient goes on to them by the chain rule.

`register_parametrization(layer, "weight", p)` replaces the layer's weight by p(original): the optimizer moves the
original, the layer's own forward and backward do not know of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchref.nn.any_array import takes_any_array
from torchref.nn.container import ModuleDict, ModuleList
from torchref.nn.module import Array, Backward, Module, Parameter, bind


class ComputedParameter(Parameter):
    """A value computed from other parameters. Whatever a backward accumulates here is passed on to those."""

    def __init__(self, data: Array, backward: Backward) -> None:
        super().__init__(data)
        self.backward = backward

    def accumulate(self, gradient: Array) -> None:
        self.backward(gradient)


class ParametrizationList(ModuleList):
    """value = p_k( ... p_1(original)), with the original as its parameter (several ones: original0, original1, ...).

    Each p is a module, `value, backward = p(original)`; p.right_inverse(value), if it has one, gives an original for a
    wanted value. Backward, the chain rule: the gradient of the value goes through the p in reverse and is accumulated
    in the originals. Equals `torch.nn.utils.parametrize.ParametrizationList`.
    """

    def __init__(self, modules: list[Module], original: Parameter) -> None:
        super().__init__(modules)
        inverse = self.inverse(original.data)
        if isinstance(inverse, tuple):
            self.names = [f"original{i}" for i in range(len(inverse))]
            for name, array in zip(self.names, inverse, strict=True):
                setattr(self, name, Parameter(array.copy(), original.requires_grad))
        else:
            self.names = ["original"]
            original.data = inverse
            self.original = original  # the same object, which an optimizer may hold already

    def inverse(self, value: Array) -> Array | tuple[Array, ...]:
        """The original (or originals) that `value` comes from."""
        inverse: Any = value
        for parametrization in reversed(list(self)):
            if hasattr(parametrization, "right_inverse"):
                inverse = parametrization.right_inverse(inverse)
        return inverse

    def right_inverse(self, value: Array) -> None:
        """Let the originals be such that `value` is what they give."""
        inverse = self.inverse(value)
        for name, array in zip(self.names, inverse if isinstance(inverse, tuple) else (inverse,), strict=True):
            getattr(self, name).data = array.copy()

    def forward(self) -> tuple[Array, Backward]:
        @takes_any_array
        def function(*originals: Array) -> tuple[Array, Backward]:
            first, *others = self
            value, first_backward = first(*originals)
            backwards = []
            for parametrization in others:
                value, parametrization_backward = parametrization(value)
                backwards.append(parametrization_backward)

            def backward(dvalue: Array) -> Any:
                for parametrization_backward in reversed(backwards):
                    dvalue = parametrization_backward(dvalue)
                return first_backward(dvalue)

            return value, backward

        return bind(function, *(getattr(self, name) for name in self.names))


def register_parametrization(module: Module, tensor_name: str, parametrization: Module) -> Module:
    """Compute `module.<tensor_name>` by `parametrization` from now on, every time it is asked for.

    The module becomes an instance of a subclass, Parametrized<Class>, in which the name is a property; the originals
    are `module.parametrizations.<tensor_name>.original` (or original0, original1, ...). A second parametrization of the
    same parameter is applied to what the first one gives. ValueError if there is no parameter of this name. Equals
    `torch.nn.utils.parametrize.register_parametrization` (for parameters, with `unsafe=True`).
    """
    if is_parametrized(module, tensor_name):
        module.parametrizations[tensor_name].append(parametrization.train(module.training))  # type: ignore[attr-defined]
        return module
    original = vars(module).get(tensor_name)
    if not isinstance(original, Parameter):
        raise ValueError(f"Module {module!r} does not have a parameter with name {tensor_name!r}")
    parametrizations = ParametrizationList([parametrization.train(module.training)], original)
    if not is_parametrized(module):
        cls = type(module)
        module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), {"__module__": cls.__module__})
        module.parametrizations = ModuleDict()  # type: ignore[attr-defined]
    delattr(module, tensor_name)
    module.parametrizations[tensor_name] = parametrizations  # type: ignore[attr-defined]
    setattr(type(module), tensor_name, property(*computed(tensor_name)))
    return module


def computed(name: str) -> tuple[Callable[[Any], Parameter], Callable[[Any, Any], None]]:
    """The property's two halves: computing the value from the originals, and setting these to give a wanted value."""

    def get(module: Any) -> Parameter:
        return ComputedParameter(*module.parametrizations[name]())

    def set(module: Any, value: Parameter | Array) -> None:
        module.parametrizations[name].right_inverse(value.data if isinstance(value, Parameter) else value)

    return get, set


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether `module` (or its parameter of this name) is computed from others."""
    parametrizations = vars(module).get("parametrizations")
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make `module.<tensor_name>` a plain parameter again: its present value, or the original.

    With `leave_parametrized=False` it is the original: ValueError if there are several, or no parametrization at all.
    Equals `torch.nn.utils.parametrize.remove_parametrizations`.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module!r} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]  # type: ignore[attr-defined]
    single = parametrizations.names == ["original"]
    if not leave_parametrized and not single:
        raise ValueError(
            f"Cannot leave unparametrized (leave_parametrized=False) {tensor_name!r}: it has several originals"
        )
    value = getattr(module, tensor_name).data
    parameter = parametrizations.original if single else Parameter(value, parametrizations.original0.requires_grad)
    if leave_parametrized:
        parameter.data = value
    del module.parametrizations[tensor_name]  # type: ignore[attr-defined]
    delattr(type(module), tensor_name)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    setattr(module, tensor_name, parameter)
    return module
