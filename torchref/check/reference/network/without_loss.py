"""A network without a loss of its own: a forward, and a backward that starts from an upstream gradient or from labels.

    net.forward(X), net.backward(dout)          the loss is the sum of the output times fixed random numbers
    net.feedforward(x), net.backprop(x, y)      the loss is the usual one by which the most gradients are right
    forward_prop(W1, .., X), backward_prop(.., X, Y)

Which loss a backward belongs to is seen from its last layer: of the usual losses one at most agrees with it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.reading.forms.class_names import RESULTS
from torchref.check.reading.forms.methods import forward_and_backward
from torchref.check.reading.forms.naming import returned_names
from torchref.check.reference.network.calling import OUTPUT
from torchref.check.reference.network.class_methods import Orders
from torchref.check.reference.network.form import Network
from torchref.check.reference.network.names import LABELS
from torchref.check.reference.own import seeded
from torchref.nn.module import Array

STEP, NEAR = 1e-6, 1e-5  # of a central difference, and how near it must come
Loss = Callable[[Any, Any], Any]


def _one_hot_like(p: Any, y: Any) -> Any:
    """Whole numbers as one-hot rows, or columns, of the shape of p."""
    if np.shape(y) == np.shape(p):
        return y
    labels = np.asarray(y)
    if p.ndim == 2 and labels.shape == (len(p),):
        return np.eye(p.shape[1])[labels.astype(int)]
    if p.ndim == 2 and labels.shape == (p.shape[1],):
        return np.eye(p.shape[0])[labels.astype(int)].T
    raise ValueError("labels of another shape")


def _examples_of(p: Any, y: Any) -> int:
    """How many examples there are: the columns, where the labels say so."""
    columns = np.ndim(y) == 1 and p.ndim == 2 and len(y) == p.shape[1] != len(p)
    return p.shape[1] if columns else len(p)


def _squares(p: Any, y: Any) -> Any:
    """The sum of (p - y)^2."""
    return ((p - _one_hot_like(p, y)) ** 2).sum()


def _entropy(p: Any, y: Any) -> Any:
    """The sum of -y log p."""
    return -(_one_hot_like(p, y) * np.log(p)).sum()


def _binary(p: Any, y: Any) -> Any:
    """The sum of -(y log p + (1 - y) log(1 - p))."""
    t = _one_hot_like(p, y)
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum()


def _of_logits(p: Any, y: Any) -> Any:
    """Cross entropy of a softmax over the last axis."""
    e = np.exp(p)
    return _entropy(e / e.sum(-1, keepdims=True), y)


DIVISORS: dict[str, Loss] = {  # what a loss may be divided by
    "": lambda *_: 1,
    " / 2": lambda *_: 2,
    " / N": _examples_of,
    " / (2 N)": lambda p, y: 2 * _examples_of(p, y),
    " / its entries": lambda p, _: p.size,
    " / its columns": lambda p, _: p.shape[-1],
}
KINDS: dict[str, Loss] = {
    "sum of (output - y)^2": _squares,
    "cross entropy of the output": _entropy,
    "binary cross entropy of the output": _binary,
    "cross entropy of softmax(output)": _of_logits,
}


def usual_losses() -> Iterator[tuple[str, Loss]]:
    """The usual losses, each with what it is divided by."""
    for name, kind in KINDS.items():
        for divisor in DIVISORS:
            yield name + divisor, _divided_by(kind, divisor)


def _divided_by(kind: Loss, divisor: str) -> Loss:
    """The loss `kind` over the number that `divisor`, a key of DIVISORS, names."""
    return lambda p, y: kind(p, y) / DIVISORS[divisor](p, y)


def with_loss(loss: Loss) -> Callable[[Any], Any]:
    """What adds this loss to a class: usual_loss(y_hat, y), or usual_loss(y_hat) where the class holds its labels."""

    @functools.lru_cache(maxsize=2)
    def extended(cls: Any) -> Any:
        backward = forward_and_backward(cls)[1]
        own = [p.name for p in parameters(getattr(cls, str(backward)))]
        labels = next((n for n in own if normal(n) in LABELS), None)

        def usual_loss(self: Any, y_hat: Any = None, **labelled: Any) -> Any:
            held = {normal(k): v for k, v in vars(self).items() if isinstance(v, np.ndarray)}
            output = y_hat if y_hat is not None else next(held[n] for n in RESULTS if n in held)
            return loss(output, labelled[labels] if labels else next(held[n] for n in LABELS if n in held))

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        named = [inspect.Parameter(n, kind) for n in ("self", "y_hat", *([labels] if labels else []))]
        usual_loss.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
        return type(cls.__name__, (cls,), {"usual_loss": usual_loss, **_renamed(cls, own)})

    return extended


def _renamed(cls: Any, own: list[str]) -> dict[str, Any]:
    """The forward with the backward's name for its one argument: feedforward(a), backprop(x, y)."""
    forward = getattr(cls, str(forward_and_backward(cls)[0]))
    params = list(inspect.signature(forward).parameters.values())
    examples = [n for n in own[1:] if normal(n) not in LABELS and not OUTPUT.match(n)]
    if len(params) != 2 or len(examples) != 1 or params[1].name in own:
        return {}

    @functools.wraps(forward)
    def called(self: Any, **given: Any) -> Any:
        return forward(self, given[examples[0]])

    kind = inspect.Parameter.KEYWORD_ONLY
    called.__signature__ = inspect.Signature([params[0], inspect.Parameter(examples[0], kind)])  # type: ignore[attr-defined]
    return {"called_forward": called}


def _random_numbers(shape: tuple[int, ...]) -> Array:
    """The upstream gradient of this shape: normal numbers, the same ones at every call."""
    return np.random.default_rng(0).normal(size=shape)


@functools.lru_cache(maxsize=2)
def with_upstream(cls: Any) -> Any:
    """The class with a loss, the sum of its output times random numbers, and what goes back from there."""
    forward, backward = forward_and_backward(cls)

    def summed_output(self: Any, *args: Any, **kwargs: Any) -> Any:
        y = getattr(self, str(forward))(*args, **kwargs)
        self.shape_of_output = y.shape
        return (y * _random_numbers(y.shape)).sum()

    def back_from_there(self: Any) -> Any:
        return getattr(self, str(backward))(_random_numbers(self.shape_of_output))

    summed_output.__signature__ = inspect.signature(getattr(cls, str(forward)))  # type: ignore[attr-defined]
    return type(cls.__name__, (cls,), {"summed_output": summed_output, "back_from_there": back_from_there})


def goes_back_from_upstream(cls: Any) -> bool:
    """Whether a class has a forward of one argument and a backward of one upstream gradient."""
    forward, backward = forward_and_backward(cls)
    if forward is None or backward is None:
        return False
    own = [[p for p in parameters(getattr(cls, n))[1:] if p.default is p.empty] for n in (forward, backward)]
    return len(own[0]) == 1 == len(own[1]) and normal(own[1][0].name) not in LABELS


def goes_back_from_labels(cls: Any) -> bool:
    """Whether a class has a forward of one argument and a backward of labels alone."""
    forward, backward = forward_and_backward(cls) if inspect.isclass(cls) else (None, None)
    if forward is None or backward is None:
        return False
    own = [[p for p in parameters(getattr(cls, n))[1:] if p.default is p.empty] for n in (forward, backward)]
    return len(own[0]) == 1 == len(own[1]) and normal(own[1][0].name) in LABELS


def cost_between(forward: Any, backward: Any, loss: Loss) -> Callable[..., Any] | None:
    """A cost of what the forward returns last and of the labels that the backward asks for, by their names."""
    output = next((n for n in reversed(returned_names(forward)) if n), None)
    labels = next((p.name for p in parameters(backward) if normal(p.name) in LABELS), None)
    if output is None or labels is None:
        return None

    def usual_loss(**given: Any) -> Any:
        there = given[str(output)]
        there = list(there.values())[-1] if isinstance(there, dict) else there
        return loss(there, given[str(labels)])

    named = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in (output, labels)]
    usual_loss.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    return usual_loss


def orders_with_labels(cls: Any) -> Orders:
    """The forward, the usual loss, and what goes back from labels."""
    forward, backward = forward_and_backward(cls)
    if forward is None or backward is None:
        return []
    own = [p.name for p in parameters(getattr(cls, backward))]
    return [(("called_forward" if _renamed(cls, own) else forward, "usual_loss", backward), 1)]


def gradients_that_agree(network: Network) -> int:
    """How many gradients agree with the loss along a random direction."""
    try:
        found = seeded(lambda: network.passed(network.weights, network.code())).gradients
        return sum(_agrees(network, n, g) for n, g in found.items())
    except Exception:  # noqa: BLE001 -- whatever the user's code raises
        return 0


def _agrees(network: Network, name: str, gradient: Any) -> bool:
    """Whether a gradient g of the weight w agrees with the loss L along a random v.

    g . v is compared with (L(w + h v) - L(w - h v)) / (2 h), h = `STEP`. A gradient of zero agrees with nothing.
    """
    w = network.weights[name]
    if np.shape(gradient) != w.shape:
        return False
    v = np.random.default_rng(1).normal(size=w.shape)

    def loss(step: float) -> float:
        moved: dict[str, Array] = {**network.weights, name: w + step * v}
        return float(seeded(lambda: network.passed(moved, network.code(), loss_alone=True)).loss)

    slope, own = (loss(STEP) - loss(-STEP)) / (2 * STEP), float(np.sum(gradient * v))
    return abs(slope - own) <= NEAR * max(abs(slope), abs(own)) and own != 0


def best_network(candidates: Iterable[tuple[str, Network]]) -> tuple[Network, str]:
    """The network with the loss by which the most gradients are right, at least half. Errors: CouldNotRun."""
    found: tuple[int, Network, str] | None = None
    for name, network in candidates:
        count = gradients_that_agree(network)
        if 2 * count >= max(len(network.weights), 1) and (found is None or count > found[0]):
            found = count, network, name
        if count == len(network.weights):
            break
    if found is None:
        raise CouldNotRun(
            "it has no loss: no method or function that returns a number, and no usual loss of its output agrees with "
            "its gradients; add one: loss(X, y), a method of the class, or a function beside it"
        )
    return found[1], found[2]
