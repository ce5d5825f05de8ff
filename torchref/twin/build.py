"""The torch twin of a NumPy module, and the NumPy module of a torch one: the same classes, arguments and weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from torchref import nn
from torchref.nn.module import Module
from torchref.twin.weights import copy_from_torch, copy_to_torch, to_array

__all__ = ["constructor_arguments", "from_torch", "to_torch"]

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
# Not part of what a module is: where it lives, deprecated spellings, and weights, which are copied.
IGNORED = ("device", "dtype", "size_average", "reduce", "_weight", "_freeze", "min_value", "max_value")
RECURRENT = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
NAMED = {  # the constructors that name no arguments in their signature
    "RNN": (*RECURRENT, "nonlinearity"),
    "GRU": RECURRENT,
    "LSTM": (*RECURRENT, "proj_size"),
}

TRANSFORMER_LAYER: dict[str, Callable[[Any], Any]] = {
    "d_model": lambda m: m.self_attn.embed_dim,
    "nhead": lambda m: m.self_attn.num_heads,
    "dim_feedforward": lambda m: m.linear1.out_features,
    "dropout": lambda m: m.dropout.p,
    "activation": lambda m: activation_name(m.activation),
    "layer_norm_eps": lambda m: m.norm1.eps,
    "batch_first": lambda m: m.self_attn.batch_first,
    "bias": lambda m: m.linear1.bias is not None,
}

# Constructor arguments that are kept under another name than their own. Everything else is an attribute of the module,
# in both engines, under the argument's own name.
ELSEWHERE: dict[str, dict[str, Callable[[Any], Any]]] = {
    "PairwiseDistance": {"p": lambda m: m.norm},
    "MultiheadAttention": {
        "bias": lambda m: m.in_proj_bias is not None,
        "add_bias_kv": lambda m: m.bias_k is not None,
    },
    "AdaptiveLogSoftmaxWithLoss": {"cutoffs": lambda m: m.cutoffs[:-1]},
    "LinearCrossEntropyLoss": {
        "in_features": lambda m: m.linear.in_features,
        "bias": lambda m: m.linear.bias is not None,
    },
    "TransformerEncoderLayer": TRANSFORMER_LAYER,
    "TransformerDecoderLayer": TRANSFORMER_LAYER,
    "TransformerEncoder": {"encoder_layer": lambda m: m.layers[0]},
    "TransformerDecoder": {"decoder_layer": lambda m: m.layers[0]},
    "Transformer": {"custom_encoder": lambda m: m.encoder, "custom_decoder": lambda m: m.decoder},
}
FROM_PARTS = ("Transformer",)  # its encoder and decoder carry all the options that it was built with


def to_torch(module: Module) -> torch.nn.Module:
    """A stock torch module that computes what `module` does, with copies of its weights, buffers and mode.

    Works for every module of `torchref.nn` and for containers of them. TypeError for a class of one's own, which torch
    cannot know: write its twin beside it.
    """
    twin: torch.nn.Module = _rebuild(module, torch.nn)
    copy_to_torch(module, twin)
    _copy_modes(module, twin)
    return twin


def from_torch(twin: torch.nn.Module) -> Module:
    """The NumPy module that computes what the torch module `twin` does, with copies of its weights, buffers and mode.

    TypeError for a class that is not of torch.nn.
    """
    module: Module = _rebuild(twin, nn)
    copy_from_torch(module, twin)
    _copy_modes(twin, module)
    return module


def _rebuild(module: Any, namespace: Any) -> Any:
    """The module of the same class and constructor arguments in the other engine, in the same dtype."""
    name = type(module).__name__
    own = nn if namespace is torch.nn else torch.nn
    if getattr(own, name, None) is not type(module) or not hasattr(namespace, name):
        raise TypeError(f"{name} is not a module of {own.__name__} with a counterpart in {namespace.__name__}")
    new = getattr(namespace, name)
    if name in CONTAINERS:
        children = {key: _rebuild(child, namespace) for key, child in module.named_children()}
        if name == "ModuleList":
            return new(list(children.values()))
        return new(children) if name == "ModuleDict" else _sequential(new, children)
    rebuilt = new(**{key: _other(value, namespace) for key, value in constructor_arguments(module).items()})
    if name in ("TransformerEncoder", "TransformerDecoder"):  # built from copies of one layer; now they may differ
        rebuilt.layers = _rebuild(module.layers, namespace)
    dtypes = {_dtype_name(tensor) for tensor in (*module.parameters(), *module.buffers()) if _is_floating(tensor)}
    if len(dtypes) == 1:
        (dtype,) = dtypes
        rebuilt = rebuilt.to(getattr(torch, dtype) if namespace is torch.nn else np.dtype(dtype))
    return rebuilt


def _sequential(new: Any, children: dict[str, Any]) -> Any:
    """A Sequential with these names: numbered ones are given one by one, as they were."""
    if list(children) == [str(i) for i in range(len(children))]:
        return new(*children.values())
    return new(dict(children)) if new is nn.Sequential else _ordered(new, children)


def _ordered(new: Any, children: dict[str, Any]) -> Any:
    from collections import OrderedDict  # torch.nn.Sequential takes names in no other form

    return new(OrderedDict(children))


def constructor_arguments(module: Any) -> dict[str, Any]:
    """What `module` was built with, read back from its attributes."""
    kind = type(module).__name__
    named = [p for p in inspect.signature(type(module).__init__).parameters.values() if p.kind not in VARIABLE]
    elsewhere = ELSEWHERE.get(kind, {})
    arguments = {}
    for name in NAMED.get(kind) or [p.name for p in named[1:]]:
        if name in IGNORED or (kind in FROM_PARTS and name not in elsewhere and not hasattr(module, name)):
            continue
        value = elsewhere[name](module) if name in elsewhere else getattr(module, name)
        if name == "bias" and not isinstance(value, bool):
            value = value is not None  # the attribute is the parameter itself
        arguments[name] = value
    return arguments


def activation_name(function: Any) -> Any:
    """The name under which both engines know an activation. TypeError for a function of one's own."""
    if isinstance(function, Module | torch.nn.Module):
        return function
    for name in ("relu", "gelu"):
        if function in (getattr(nn.functional, name), getattr(torch.nn.functional, name)):
            return name
    raise TypeError(f"the activation {function!r} is a function of one engine, which the other cannot call")


def _other(value: Any, namespace: Any) -> Any:
    """An argument as the other engine takes it: arrays as tensors, modules rebuilt, the rest as it is."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, torch.Tensor):
        return to_array(value)
    if isinstance(value, Module | torch.nn.Module):
        return _rebuild(value, namespace)
    return value


def _copy_modes(source: Any, target: Any) -> None:
    """Training or evaluation, module by module, and which parameters need gradients."""
    modes = dict(source.named_modules())
    for name, module in target.named_modules():
        module.training = modes[name].training
    needed = {name: parameter.requires_grad for name, parameter in source.named_parameters()}
    for name, parameter in target.named_parameters():
        parameter.requires_grad = needed[name]


def _is_floating(value: Any) -> bool:
    return value.dtype.is_floating_point if isinstance(value, torch.Tensor) else value.dtype.kind == "f"


def _dtype_name(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.")
