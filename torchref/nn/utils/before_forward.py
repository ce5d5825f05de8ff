"""Weight and spectral normalisation in torch's older form: the weight is computed anew before every forward.

What is trained stands beside it in the layer, under torch's names: weight_g and weight_v, or weight_orig with the
buffers weight_u and weight_v. The new form is `torchref.nn.utils.parametrizations`.
"""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

from torchref.nn import random
from torchref.nn.errors import check_integers
from torchref.nn.half import widened
from torchref.nn.lazy import UninitializedParameter
from torchref.nn.module import Array, Backward, Module, Parameter, bind
from torchref.nn.utils.parametrizations import as_matrix, divided_by_sigma, norm_except_dim, scaled_direction, unit
from torchref.nn.utils.parametrize import ComputedParameter

Layer = TypeVar("Layer", bound=Module)


class WeightNorm:
    """weight = g v / |v|: `scaled_direction` of the layer's weight_g and weight_v."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute(self, module: Any) -> tuple[Array, Backward]:
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return bind(scaled_direction, g, v, dim=self.dim)


class SpectralNorm:
    """weight = weight_orig / sigma: `divided_by_sigma`, after rounds of power iteration in training mode.

    A round is v = W^T u / |W^T u|, u = W v / |W v|, for the matrix W with `dim` in front and all others flattened.
    """

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.n_power_iterations = n_power_iterations
        self.dim = dim
        self.eps = eps

    def compute(self, module: Any) -> tuple[Array, Backward]:
        if module.training:
            self.iterate(module)
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        return bind(divided_by_sigma, getattr(module, self.name + "_orig"), u=u, v=v, dim=self.dim)

    def iterate(self, module: Any) -> None:
        weight = getattr(module, self.name + "_orig").data
        matrix, u = as_matrix(widened(weight), self.dim), getattr(module, self.name + "_u")
        for _ in range(self.n_power_iterations):
            v = unit(matrix.T @ widened(u), self.eps).astype(weight.dtype)
            u = unit(matrix @ widened(v), self.eps).astype(weight.dtype)
        setattr(module, self.name + "_u", u)
        setattr(module, self.name + "_v", v)


def weight_norm(module: Layer, name: str = "weight", dim: int | None = 0) -> Layer:
    """Train the length and the direction of `module.<name>` apart: weight = g v / |v| (see `scaled_direction`).

    The parameters are `module.<name>_g` and `module.<name>_v`; at first they give the weight as it is. `dim` is the
    dimension that keeps a length for each index (None: one length for all). Warns (FutureWarning) that
    `parametrizations.weight_norm` is the new form. Errors: AttributeError without such an attribute, KeyError if it is
    no parameter, TypeError for None or a dim that is no integer, ValueError for a lazy one, RuntimeError if it has a
    weight_norm already.
    Equals `torch.nn.utils.weight_norm`. Salimans & Kingma 2016.
    """
    warnings.warn(
        "torchref.nn.utils.weight_norm is deprecated, as in torch: use torchref.nn.utils.parametrizations.weight_norm",
        FutureWarning,
        stacklevel=2,
    )
    if dim is not None:
        check_integers("weight_norm", dim=dim)
    norm = WeightNorm(name, dim)
    check_single(module, norm)
    if not hasattr(module, name):
        raise AttributeError(f"{type(module).__name__!r} object has no attribute {name!r}")
    weight = parameter_named(module, name, TypeError)
    g = norm_except_dim(weight.data, norm.dim)
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(g.reshape(()) if norm.dim == -1 else g))
    module.register_parameter(name + "_v", Parameter(weight.data))
    compute_before_forward(module, norm)
    set_computed(module, name, ComputedParameter(*norm.compute(module)))
    return module


def remove_weight_norm(module: Layer, name: str = "weight") -> Layer:
    """Make `module.<name>` a plain parameter again, with its present value. ValueError if it has no weight_norm.

    Equals `torch.nn.utils.remove_weight_norm`.
    """
    norm = registered(module, WeightNorm, name)
    weight, _ = norm.compute(module)
    remove(module, norm, (name + "_g", name + "_v"), weight)
    return module


def spectral_norm(
    module: Layer, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Layer:
    """Divide `module.<name>` by its largest singular value (see `divided_by_sigma`), estimated by power iteration.

    The parameter is `module.<name>_orig`; the estimates of the singular vectors are the buffers `<name>_u` and
    `<name>_v`, at first random, and better with every forward in training mode. `dim` is the dimension of the outputs
    (None: 1 for transposed convolutions, else 0). Errors: KeyError without a parameter of this name, ValueError for
    None, for a lazy one or n_power_iterations < 1, RuntimeError for a dim out of range, or if it has one already.
    Equals `torch.nn.utils.spectral_norm`. Miyato et al. 2018.
    """
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    norm = SpectralNorm(name, n_power_iterations, dim, eps)
    check_single(module, norm)
    weight = parameter_named(module, name, ValueError)
    if not 0 <= dim < weight.ndim:
        raise RuntimeError(f"spectral_norm: dim must be in [0, {weight.ndim - 1}], but got dim={dim}")
    height, width = as_matrix(weight.data, dim).shape
    u = unit(random.normal(0, 1, (height,), weight.dtype), eps)
    v = unit(random.normal(0, 1, (width,), weight.dtype), eps)
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    compute_before_forward(module, norm)
    set_computed(module, name, ComputedParameter(weight.data, weight.accumulate))  # sigma comes with a forward
    return module


def remove_spectral_norm(module: Layer, name: str = "weight") -> Layer:
    """Make `module.<name>` a plain parameter again, with its present value. ValueError if it has no spectral_norm.

    Equals `torch.nn.utils.remove_spectral_norm`.
    """
    norm = registered(module, SpectralNorm, name)
    u, v = getattr(module, name + "_u"), getattr(module, name + "_v")
    weight, _ = divided_by_sigma(getattr(module, name + "_orig").data, u=u, v=v, dim=norm.dim)
    for buffer in (name + "_u", name + "_v"):
        del vars(module)["_buffers"][buffer]
    remove(module, norm, (name + "_orig", name + "_u", name + "_v"), weight)
    return module


# --- what both need: a class of the layer that computes its weight before it runs -------------------------------------


def compute_before_forward(module: Module, norm: WeightNorm | SpectralNorm) -> None:
    """Let the layer's class, from now on a subclass of the same name, compute `norm` at the start of every forward."""
    if "_norms" not in vars(module):
        module.__class__ = computing_class(type(module))
        module._norms = []  # type: ignore[attr-defined]
        module._computed = {}  # type: ignore[attr-defined]
    module._norms.append(norm)  # type: ignore[attr-defined]
    add_property(type(module), norm.name)


def computing_class(cls: type) -> type:
    """A subclass of `cls` for one layer: each layer has its own, as the properties differ."""

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        for each in self._norms:
            set_computed(self, each.name, ComputedParameter(*each.compute(self)))
        return cls.forward(self, *args, **kwargs)  # type: ignore[attr-defined]

    def reduced(self: Any) -> tuple[Any, ...]:
        # pickle finds a class by its name, and this one has none: the copy makes its own. Nor can a backward be
        # written down: until its first forward, the copy's weight is a value without one.
        values = {name: Parameter(weight.data, requires_grad=False) for name, weight in self._computed.items()}
        return empty_layer, (cls, [norm.name for norm in self._norms]), {**vars(self), "_computed": values}

    return type(cls.__name__, (cls,), {"__module__": cls.__module__, "forward": forward, "__reduce__": reduced})


def empty_layer(cls: type, names: list[str]) -> Any:
    """A layer of a `computing_class` with properties of these names; pickle and copy fill it with its state."""
    computing = computing_class(cls)
    for name in names:
        add_property(computing, name)
    return object.__new__(computing)


def add_property(cls: type, name: str) -> None:
    """Let the class `cls` look up the weight `name` among those computed."""
    setattr(cls, name, property(lambda self: self._computed[name]))


def set_computed(module: Any, name: str, weight: ComputedParameter) -> None:
    """Keep the weight that was computed for `name`."""
    module._computed[name] = weight  # in a dict, so that it is none of the layer's parameters


def remove(module: Any, norm: WeightNorm | SpectralNorm, parts: tuple[str, ...], weight: Array) -> None:
    """Undo `compute_before_forward`, and give the layer `weight` instead of `parts`."""
    module._norms.remove(norm)
    del module._computed[norm.name]
    delattr(type(module), norm.name)
    for part in parts:
        delattr(module, part)
    if not module._norms:
        del module._norms, module._computed
        module.__class__ = type(module).__bases__[0]
    module.register_parameter(norm.name, Parameter(weight))


def registered(module: Module, kind: Any, name: str) -> Any:
    """The norm of this kind on the parameter `name`. ValueError if there is none."""
    for norm in vars(module).get("_norms", []):
        if isinstance(norm, kind) and norm.name == name:
            return norm
    what = "weight_norm" if kind is WeightNorm else "spectral_norm"
    raise ValueError(f"{what} of {name!r} not found in {module!r}")


def check_single(module: Module, norm: WeightNorm | SpectralNorm) -> None:
    """A parameter can have one norm of a kind. RuntimeError for a second."""
    if any(type(other) is type(norm) and other.name == norm.name for other in vars(module).get("_norms", [])):
        what = "weight_norm" if isinstance(norm, WeightNorm) else "spectral_norm"
        raise RuntimeError(f"Cannot register two {what} hooks on the same parameter {norm.name}")


def parameter_named(module: Module, name: str, absent: type[Exception]) -> Parameter:
    """The layer's own parameter, with torch's errors: `absent` is for one that is None."""
    value = vars(module).get(name, Module)
    if value is None:
        raise absent(f"parameter {name!r} of {module!r} is None")
    if isinstance(value, UninitializedParameter):
        raise ValueError(f"parameter {name!r} of {module!r} has no values yet: call its forward first")
    if not isinstance(value, Parameter):
        raise KeyError(f"{module!r} has no parameter with name {name!r}")
    return value
