"""Parameter, Module, and the one helper (`bind`) that turns a pure function into a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
Backward = Callable[..., Any]
T = TypeVar("T")


class Parameter:
    """An array that an optimizer may change, and the gradient that backward calls have added up for it.

    `grad` is None until the first backward; then each backward adds to it (`zero_grad` starts afresh). With
    `requires_grad=False` nothing is added. Equals `torch.nn.Parameter`.
    """

    def __init__(self, data: Array, requires_grad: bool = True) -> None:
        if not isinstance(data, np.ndarray):
            raise TypeError(f"Parameter: data must be a numpy.ndarray, not {type(data).__name__}")
        self.data = data
        self.grad: Array | None = None
        self.requires_grad = requires_grad

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    def accumulate(self, gradient: Array) -> None:
        """grad <- grad + gradient, in a new array: whoever holds the old one keeps it."""
        if self.requires_grad:
            self.grad = gradient if self.grad is None else self.grad + gradient

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say whether backward calls add to `grad`; returns the parameter itself, as torch's does."""
        self.requires_grad = requires_grad
        return self

    def __repr__(self) -> str:
        return f"Parameter containing:\n{self.data!r}"


def bind(function: Callable[..., tuple[Any, Backward]], *arrays: Any, **options: Any) -> tuple[Any, Backward]:
    """Call a pure function with some Parameters among its arrays: `output, backward` of a module.

    `function(*arrays, **options)` returns `output, function_backward`, where `function_backward(doutput)` gives one
    gradient for each of `arrays` (the array itself if there is one; None for integers, booleans and what is absent).
    The module's backward adds the Parameters' gradients to `Parameter.grad` and returns the others, those of the
    floating-point inputs in call order: the array itself if there is one, else a tuple.
    """
    values = [a.data if isinstance(a, Parameter) else a for a in arrays]
    output, function_backward = function(*values, **options)

    def backward(*doutput: Any) -> Any:
        gradients = function_backward(*doutput)
        dinputs = []
        for array, gradient in zip(arrays, gradients if len(arrays) > 1 else (gradients,), strict=True):
            if isinstance(array, Parameter):
                array.accumulate(gradient)
            elif is_floating(array):
                dinputs.append(gradient)
        return dinputs[0] if len(dinputs) == 1 else tuple(dinputs)

    return output, backward


def is_floating(value: Any) -> bool:
    """Whether `value` is an array that has a gradient (complex ones are there for the complex-step check)."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fc"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` left alone."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """The base of every network and layer: `output, backward = module(*inputs)`.

    A subclass defines `forward(self, *inputs)`, which returns its output and its `backward`; `backward(doutput)` adds
    to the `grad` of the module's parameters and returns the gradients of its inputs. Attributes that are Parameters or
    Modules are found by themselves, in the order in which they were set; a buffer is an array named by
    `register_buffer`. Equals `torch.nn.Module`, but that torch finds the backward by recording the forward.
    """

    training: bool = True
    needs_input_grad: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, Backward]:
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, Backward]:
        return self.forward(*args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """The output alone, in evaluation mode; every module's mode is afterwards what it was."""
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            output, _ = self(*args, **kwargs)
        finally:
            for module, training in modes:
                module.training = training
        return output

    # --- what the module holds -------------------------------------------------------------------------------------

    def register_buffer(self, name: str, array: Array | None, persistent: bool = True) -> None:
        """Name an array that is part of the state but no parameter; `persistent=False` keeps it out of state_dict."""
        vars(self).setdefault("_buffers", {})[name] = persistent
        setattr(self, name, array)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        setattr(self, name, parameter)

    def add_module(self, name: str, module: Module | None) -> None:
        setattr(self, name, module)

    def own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(name, parameter) of this module itself, without its children's."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Parameter))

    def own_buffers(self, persistent_only: bool = False) -> Iterator[tuple[str, Array]]:
        """(name, array) of this module's own buffers, without its children's."""
        for name, persistent in vars(self).get("_buffers", {}).items():
            if getattr(self, name) is not None and (persistent or not persistent_only):
                yield name, getattr(self, name)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def children(self) -> Iterator[Module]:
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module and all below it; one that is used twice comes once."""
        return unique(self._walk(prefix))

    def _walk(self, prefix: str) -> Iterator[tuple[str, Module]]:
        """As `named_modules`, but a module that is used twice comes twice, as state_dict names it."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child._walk(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def get_submodule(self, target: str) -> Module:
        """The module of this dotted name. AttributeError if there is none."""
        module = self
        for name in target.split(".") if target else []:
            children = dict(module.named_children())
            if name not in children:
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}` (looking for {target!r})")
            module = children[name]
        return module

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter); a parameter that is shared comes once, under its first name."""
        modules = self.named_modules(prefix) if recurse else iter([(prefix, self)])
        return unique((join(path, name), p) for path, module in modules for name, p in module.own_parameters())

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Array]]:
        modules = self.named_modules(prefix) if recurse else iter([(prefix, self)])
        return unique((join(path, name), b) for path, module in modules for name, b in module.own_buffers())

    def buffers(self, recurse: bool = True) -> Iterator[Array]:
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    # --- state -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and persistent buffers by dotted name, in torch's order.

        torch hands out the live tensors, which go on changing with every step; a copy is what its callers mean.
        """
        state = {}
        for path, module in self._walk(""):
            for name, parameter in module.own_parameters():
                state[join(path, name)] = parameter.data.copy()
            for name, buffer in module.own_buffers(persistent_only=True):
                state[join(path, name)] = buffer.copy()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Array], strict: bool = True) -> IncompatibleKeys:
        """Copy the arrays of `state_dict` into the parameters and buffers, keeping each one's dtype.

        All names and shapes are checked before anything is changed. RuntimeError lists the missing and the unexpected
        keys (unless `strict=False`, which returns them) and every array of another shape.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: state_dict must be dict-like, not {type(state_dict).__name__}")
        for path, module in self.named_modules():
            module.before_load(state_dict, path)
        own = self.state_dict()
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        errors = errors_of_keys(missing, unexpected) if strict else []
        errors += errors_of_arrays(own, state_dict)
        if errors:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors))

        for path, module in self.named_modules():
            for name, parameter in module.own_parameters():
                if join(path, name) in state_dict:
                    parameter.data = np.array(state_dict[join(path, name)], dtype=parameter.dtype)
            for name, buffer in list(module.own_buffers(persistent_only=True)):
                if join(path, name) in state_dict:
                    setattr(module, name, np.array(state_dict[join(path, name)], dtype=buffer.dtype))
        return IncompatibleKeys(missing, unexpected)

    def before_load(self, state_dict: Mapping[str, Array], path: str) -> None:
        """Called before a state is loaded (`path`: this module's name in it); lazy modules learn their shapes here."""

    def to(self, dtype: DTypeLike) -> Self:
        """Convert floating-point parameters and buffers to `dtype` (float16, float32 or float64)."""
        dtype = np.dtype(dtype)
        if dtype.kind not in "fc":
            raise TypeError(f"Module.to only accepts floating point dtypes, but got dtype={dtype}")
        for module in self.modules():
            for _, parameter in module.own_parameters():
                parameter.data = parameter.data.astype(dtype)
                parameter.grad = None if parameter.grad is None else parameter.grad.astype(dtype)
            for name, buffer in list(module.own_buffers()):
                if is_floating(buffer):
                    setattr(module, name, buffer.astype(dtype))
        return self

    def half(self) -> Self:
        return self.to(np.float16)

    def float(self) -> Self:
        return self.to(np.float32)

    def double(self) -> Self:
        return self.to(np.float64)

    # --- modes and gradients ---------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is expected to be boolean, but got mode={mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)  # as in torch: a child may have a `train` of its own, and keep its batch norm frozen
        return self

    def eval(self) -> Self:
        return self.train(False)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the accumulated gradients; `set_to_none=False` sets those that there are to zeros."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = np.zeros_like(parameter.grad)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def skip_input_grad(self, skip: bool = True) -> Self:
        """Say that the gradient of this module's input is not needed: its backward may return None in its place.

        A training step does not need the gradient of the data, and in the first layer it costs a whole matrix product.
        Sequential passes this on to its first layers; a network of one's own passes it on to what sees the data.
        """
        self.needs_input_grad = not skip
        return self

    def apply(self, function: Callable[[Module], None]) -> Self:
        """Call `function` on every module below and then on this one, as torch does (for initialisation)."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    # --- looks -----------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The constructor's arguments as `repr` shows them."""
        return ""

    def __repr__(self) -> str:
        own = self.extra_repr()
        children = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        if not children and "\n" not in own:
            return f"{type(self).__name__}({own})"
        lines = (own.split("\n") if own else []) + children
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


def join(path: str, name: str) -> str:
    """The dotted name of `name` below `path`, which is empty for the root."""
    return f"{path}.{name}" if path else name


def errors_of_keys(missing: list[str], unexpected: list[str]) -> list[str]:
    """What torch says of keys that do not belong together."""
    errors = []
    if unexpected:
        errors.append("Unexpected key(s) in state_dict: " + ", ".join(map(repr, unexpected)))
    if missing:
        errors.append("Missing key(s) in state_dict: " + ", ".join(map(repr, missing)))
    return errors


def errors_of_arrays(own: Mapping[str, Array], state_dict: Mapping[str, Array]) -> list[str]:
    """What cannot be copied into `own`: something else than an array, or one of another shape."""
    errors = []
    for name, old in own.items():
        new = state_dict.get(name, old)
        if not isinstance(new, np.ndarray):
            errors.append(f"{name}: expected a numpy.ndarray, not {type(new).__name__}")
        elif new.shape != old.shape:
            errors.append(f"size mismatch for {name}: state_dict has shape {new.shape}, the module {old.shape}")
    return errors


def unique(pairs: Iterator[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """The pairs whose second member has not come before."""
    seen = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value
