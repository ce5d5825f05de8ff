"""How an optimizer is handed its parameters and their gradients: in a dictionary, in a list, on a layer, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal
from torchref.nn.module import Array

Call = dict[str, Any]  # the values of one call of the step: "w", "dw", "key", "state"


class Dictionary:
    """`update(params, grads)` on {"W1": .., "W2": ..}, the gradients under the same keys."""

    names = ("W1", "W2")

    def __init__(self, weights: list[Array]) -> None:
        self.params: Any = {k: w.copy() for k, w in zip(self.names, weights, strict=True)}

    def calls(self, gradients: list[Array]) -> list[Call]:
        return [{"w": self.params, "dw": dict(zip(self.names, gradients, strict=True))}]

    def take(self, call: int, result: Any) -> None:  # noqa: ARG002 -- Each asks which call
        """What the step has returned, if it returns the new parameters."""
        if isinstance(result, dict) and set(result) >= set(self.names):
            self.params = result

    def arrays(self) -> list[Array]:
        return [np.array(self.params[k]) for k in self.names]

    def zeros(self) -> Any:
        """A state as it is at first."""
        return Gradients({f"d{k}": np.zeros_like(v) for k, v in self.params.items()})


class Gradients(dict[str, Any]):
    """Gradients, or a state, by key: grads["W1"] and grads["dW1"] are the same."""

    def __missing__(self, key: str) -> Any:
        other = key[1:] if key.startswith("d") else "d" + key
        if other not in self:
            raise KeyError(key)
        return self[other]


class Numbered(Dictionary):
    """A dictionary of layers, {"W1": .., "b1": ..}, with the gradients as grads["dW1"], grads["db1"]."""

    names = ("W1", "b1")

    def calls(self, gradients: list[Array]) -> list[Call]:
        return [{"w": self.params, "dw": Gradients(zip(self.names, gradients, strict=True))}]


class Listed:
    """`update(params, grads)` on two lists of arrays."""

    def __init__(self, weights: list[Array]) -> None:
        self.params = [w.copy() for w in weights]

    def calls(self, gradients: list[Array]) -> list[Call]:
        return [{"w": self.params, "dw": gradients}]

    def take(self, call: int, result: Any) -> None:  # noqa: ARG002 -- Each asks which call
        as_many = isinstance(result, list | tuple | np.ndarray) and len(result) == len(self.params)
        pairs = list(zip(result, self.params, strict=True)) if as_many else []
        if pairs and all(isinstance(r, np.ndarray) and r.shape == w.shape for r, w in pairs):
            self.params = list(result)

    def arrays(self) -> list[Array]:
        return [np.array(w) for w in self.params]

    def zeros(self) -> Any:
        return [np.zeros_like(w) for w in self.params]


class Each(Listed):
    """`update(w, dw)`: one array a call; `key` tells which, where the step asks for it."""

    def calls(self, gradients: list[Array]) -> list[Call]:
        return [
            {"w": w, "dw": g, "key": f"W{i + 1}"} for i, (w, g) in enumerate(zip(self.params, gradients, strict=True))
        ]

    def take(self, call: int, result: Any) -> None:
        if isinstance(result, np.ndarray) and result.shape == self.params[call].shape:
            self.params[call] = result

    def zeros(self) -> Any:
        return np.zeros_like(self.params[0])


class Tensor:
    """A parameter with its gradient, as torch has it."""

    def __init__(self, data: Array) -> None:
        self.data = data
        self.value = data
        self.grad: Any = np.zeros_like(data)
        self.requires_grad = True
        self.shape = data.shape


class Tensors:
    """Objects that hold their data and their grad; the step asks for nothing more."""

    def __init__(self, weights: list[Array]) -> None:
        self.params = [Tensor(w.copy()) for w in weights]

    def calls(self, gradients: list[Array]) -> list[Call]:
        for p, g in zip(self.params, gradients, strict=True):
            p.grad = g
        return [{"w": self.params}]

    def take(self, call: int, result: Any) -> None:
        pass

    def arrays(self) -> list[Array]:
        return [np.array(p.data) for p in self.params]

    def zeros(self) -> Any:
        return {}


HELD = {"weight": ("w", "weight", "weights", "kernel"), "bias": ("b", "bias", "biases")}


class LayerLike:
    """A layer with a weight, a bias and their gradients, whatever the step calls them: layer.W, layer.dweights.

    What the step itself puts on it (a momentum) is an attribute like any other.
    """

    PREFIXES = ("d", "grad", "gradient", "gradof", "dl", "dld")
    SUFFIXES = ("grad", "grads", "gradient", "gradients")

    def __init__(self, arrays: dict[str, Array]) -> None:
        vars(self)["_held"] = dict(arrays)  # "weight", "bias", "dweight", "dbias"
        vars(self)["trainable"] = True

    def _key(self, name: str) -> str | None:
        n = normal(name)
        for key, aliases in HELD.items():
            if n in aliases:
                return key
            if any(n in (f + a) for a in aliases for f in self.PREFIXES if n == f + a):
                return "d" + key
            if any(n == a + f for a in aliases for f in self.SUFFIXES):
                return "d" + key
        return None

    def __getattr__(self, name: str) -> Any:
        held = vars(self).get("_held", {})
        key = None if name.startswith("__") else self._key(name)
        if key in held:
            return held[key]
        if normal(name) in ("params", "parameters"):
            return {"W": held["weight"], "b": held["bias"]}
        if normal(name) in ("grads", "gradients"):
            return Gradients({"W": held["dweight"], "b": held["dbias"]})
        raise AttributeError(f"the layer has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        key = self._key(name)
        if key is None:
            vars(self)[name] = value
        else:
            self._held[key] = value


class OneLayer:
    """`step(layer)`: the layer holds its arrays and their gradients."""

    def __init__(self, weights: list[Array]) -> None:
        self.layer = LayerLike(dict(zip(("weight", "bias"), (w.copy() for w in weights), strict=True)))

    def calls(self, gradients: list[Array]) -> list[Call]:
        self.layer._held.update(dweight=gradients[0], dbias=gradients[1])
        return [{"w": self.layer}]

    def take(self, call: int, result: Any) -> None:
        pass

    def arrays(self) -> list[Array]:
        return [np.array(self.layer._held[k]) for k in ("weight", "bias")]

    def zeros(self) -> Any:
        return {}


class Model(list[Any]):
    """A network of such layers: a list of them, which is its own `layers`."""

    @property
    def layers(self) -> list[Any]:
        """The layers."""
        return self


class Layers(OneLayer):
    """`step(layers)`, `step(model)`: a list of such layers, or what holds one."""

    def __init__(self, weights: list[Array]) -> None:
        super().__init__(weights)
        self.model = Model([self.layer])

    def calls(self, gradients: list[Array]) -> list[Call]:
        super().calls(gradients)
        return [{"w": self.model}]


class TorchTensors:
    """Tensors of torch's that carry their grad; a state for each, one tensor or a pair of two."""

    def __init__(self, weights: list[Array]) -> None:
        """Make tensors of the weights."""
        import torch

        self.params = [torch.from_numpy(w.copy()) for w in weights]

    def calls(self, gradients: list[Array]) -> list[Call]:
        """One call for all of them, their gradients in place."""
        import torch

        for p, g in zip(self.params, gradients, strict=True):
            p.grad = torch.from_numpy(g.copy())
        return [{"w": self.params}]

    def take(self, call: int, result: Any) -> None:
        """Take nothing: the step changes the tensors themselves."""

    def arrays(self) -> list[Array]:
        """The weights as they are now."""
        return [p.numpy().copy() for p in self.params]

    def zeros(self) -> Any:
        """A state as it is at first."""
        import torch

        return [torch.zeros_like(p) for p in self.params]

    def pairs(self) -> Any:
        """The same, of two tensors each."""
        return list(zip(self.zeros(), self.zeros(), strict=True))


Handed = Dictionary | Listed | Tensors | OneLayer | TorchTensors
