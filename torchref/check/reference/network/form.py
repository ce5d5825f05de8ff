"""A whole network as a form: the weights go in, the loss and its gradients come out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from torchref.check.ops.record import Argument, Op
from torchref.check.reading.arguments import Matching
from torchref.check.reading.forms.calling import CouldNotRun, Run, Snapshot, TimeOut, UserError
from torchref.check.reading.forms.form import Form
from torchref.check.reading.source import text_of
from torchref.check.reference.own import Answer, Witnessed, seeded
from torchref.check.reference.witness import Jacobian, jacobian
from torchref.nn.module import Array

LARGE = 64  # entries of a weight, beyond which random directions are asked first
DIRECTIONS = 4
STEP = "the step along a direction"
SPREAD = 0.4  # of the weights about their own values: zero biases and weights near zero hide mistakes


@dataclass
class Passed:
    """What one pass gave."""

    loss: Any
    gradients: dict[str, Any]  # by the name of the weight
    strange: tuple[str, ...] = ()  # gradients of nothing that is known


class Network(Protocol):
    """A user's network with its data: how to run it on given weights."""

    weights: dict[str, Array]  # as the code itself makes them
    data: dict[str, Any]
    description: str  # how it is called

    def code(self) -> list[Any]:
        """The user's functions or classes that a pass calls."""
        ...

    def goes_back(self) -> Callable[..., Any]:
        """The user's function, or method, that gives the gradients."""
        ...

    def with_weights(self, weights: dict[str, Array], left: dict[str, Array]) -> Network:
        """The same with these weights alone to be judged; the others stay as they are."""
        ...

    def without_gradient(self) -> list[str]:
        """The weights that no gradient was found of."""
        ...

    def passed(self, weights: dict[str, Any], code: list[Any], loss_alone: bool = False) -> Passed:
        """One pass. Errors: whatever the user's code raises."""
        ...


class _OfWeights(Answer):
    """The loss on one set of weights. A large weight's gradient is asked about along random directions first.

    If g is the code's own gradient and d the error in it, the loss grows by (g - d) v along v. Unless d is zero, d v is
    zero at a random v with no probability. So a gradient that agrees along all of them is right, and only one that does
    not is computed entry by entry.
    """

    def jacobian(self, name: str) -> Jacobian:
        if name not in self.jacobians and self.values[name].size > LARGE and (found := self.along(name)) is not None:
            self.jacobians[name] = found
            self.formula.how.add(found.how)
        return super().jacobian(name)

    def along(self, name: str) -> Jacobian | None:
        """The code's own gradient, if it agrees with the witness along every direction."""
        assert isinstance(self.formula, OwnLoss)
        network, w = self.formula.network, self.values[name]
        try:
            g = seeded(lambda: network.passed(self.values, network.code()).gradients[name])
        except Exception:  # noqa: BLE001 -- whatever the user's backward raises
            return None
        if np.shape(g) != w.shape or not np.isfinite(g).all():
            return None
        rng = np.random.default_rng(0)
        how, worst = "", 0.0
        for _ in range(DIRECTIONS):
            v = rng.normal(size=w.shape)
            line = {**self.values, STEP: np.zeros(1)}

            def loss(there: dict[str, Any], v: Array = v) -> Array:
                return self.vector(_moved_along(there, name, v))

            slope = jacobian(loss, line, STEP, self.names)
            size = max(float(np.sqrt(np.sum(g * g * v * v))), 1e-12)
            apart = abs(float(slope.slopes[0, 0]) - float(np.sum(g * v)))
            if not apart <= 1e-8 * size + 8 * float(slope.noise[0, 0]):
                return None
            how, worst = slope.how, max(worst, apart / size)
        top = float(np.abs(g).max(initial=0.0))
        return Jacobian(np.array(g, dtype=float).reshape(-1, 1), np.full((w.size, 1), (worst + 1e-13) * top), how)


def _moved_along(there: dict[str, Any], name: str, v: Array) -> dict[str, Any]:
    """The values with `name` moved by the present step along v; the step itself is left out."""
    values = {n: a for n, a in there.items() if n != STEP}
    return {**values, name: values[name] + there[STEP][0] * v}


class OwnLoss(Witnessed):
    """The formula of a network: its own loss, as a function of its weights."""

    def __init__(self, network: Network, label: str, arguments: tuple[Argument, ...]) -> None:
        self.network = network
        super().__init__(network.passed, label, arguments, torch=False)
        self.torch = False

    def made(self, values: dict[str, Any]) -> Answer:
        return _OfWeights(self, values)

    def call(self, values: dict[str, Any]) -> Any:
        return np.asarray(self.network.passed(values, self.network.code(), loss_alone=True).loss).reshape(())


@dataclass
class Weights:
    """The weights of the probe: the code's own, moved at random."""

    network: Network
    seed: int = 0  # another one where a kink lies beside the first

    def __call__(self, rng: Any, options: dict[str, Any], variant: str) -> dict[str, Array]:  # noqa: ARG002 -- Op.make
        if variant != "own":
            raise KeyError(variant)
        rng = np.random.default_rng([self.seed, int(rng.integers(1 << 16))])
        return {n: np.asarray(w + _size_of_move(w) * rng.normal(size=w.shape)) for n, w in self.network.weights.items()}


BESIDE_A_LOGARITHM = 1e-4  # of a gradient's largest entry: how far a constant in a logarithm moves it
IN_A_LOGARITHM = re.compile(r"\blog\w*\([^\n]*(\b1e-\d+|\beps\w*|\bdelta\b|\btiny\b)", re.I)


def _size_of_move(w: Array) -> float:
    """How far entries are moved: less in a wide layer, so that nothing saturates."""
    return SPREAD / max(1.0, np.sqrt(w.shape[0] / 10)) if w.ndim > 1 else SPREAD


def network_op(network: Network, label: str) -> Op:
    """The record of a network: its weights are the arguments, its own loss is the formula."""
    arguments = tuple(Argument(n, "array") for n in network.weights)
    formula = OwnLoss(network, label, arguments)
    return Op(
        label,
        (),
        arguments,
        formula,
        Weights(network),
        loss=True,
        variants=("own",),
        lengths=_lengths(network),
        own=True,
    )


def _lengths(network: Network) -> tuple[tuple[float, str], ...]:
    """The lengths of the data, and their products."""
    found = {
        (float(n), f"the length of axis {axis} of {name}")
        for name, v in network.data.items()
        if isinstance(v, np.ndarray)
        for axis, n in enumerate(v.shape)
    }
    found |= {(float(len(v)), f"the length of {name}") for name, v in network.data.items() if isinstance(v, list)}
    return tuple(sorted(found))


def _adds_in_a_logarithm(code: Any) -> bool:
    """Whether a file has log(p + 1e-7): people leave the constant out of the gradient, which moves it by as much."""
    return IN_A_LOGARITHM.search(text_of(inspect.getmodule(code) or code)) is not None


class NetworkForm(Form):
    """A network, run on the weights of the probe; its backward takes no upstream gradient."""

    name = "network"
    upstream = False

    def __init__(self, network: Network, op: Op) -> None:
        self.network, self.op = network, op
        self.matching = Matching({n: n for n in network.weights})
        self.takes = set(network.weights)
        self.own_code = network.code()
        if any(_adds_in_a_logarithm(code) for code in self.own_code):
            self.tolerance = BESIDE_A_LOGARITHM

    def code(self) -> list[Any]:
        return self.own_code

    def running(self, *code: Any) -> NetworkForm:
        return self.changed(own_code=list(code))

    def one_pass(self, weights: dict[str, Any]) -> Passed:
        """One pass; what it raises is the user's."""
        try:
            passed: Passed = seeded(lambda: self.network.passed(weights, self.own_code))
        except (KeyboardInterrupt, CouldNotRun, TimeOut, MemoryError):
            raise
        except BaseException as error:
            raise UserError("the network", error) from error
        return passed

    def run(
        self,
        values: dict[str, Any],
        upstreams: list[dict[str, Any]],
        expected: dict[str, Any],  # noqa: ARG002 -- Form.run
        shapes: dict[str, tuple[int, ...]],  # noqa: ARG002 -- Form.run
    ) -> Run:
        """One pass for each of `upstreams`, each from the same weights."""
        watched = Snapshot({n: v for n, v in self.network.data.items() if isinstance(v, np.ndarray)})
        run: Run | None = None
        for _ in upstreams or [{}]:
            weights = {
                n: np.array(values[n]) if type(values[n]) is np.ndarray else values[n] for n in self.network.weights
            }
            passed = self.one_pass(weights)
            if passed.loss is None:
                raise CouldNotRun(f"{self.network.description} returned no loss, a single number")
            run = run or Run({"output": np.array(passed.loss, dtype=float).reshape(())}, [])
            own = ((n, passed.gradients.get(n)) for n in self.network.weights)
            run.gradients.append({n: np.array(g) for n, g in own if g is not None})
        assert run is not None
        run.changed = watched.changed()
        if run.changed:  # the next pass must see what this one saw
            for n, copy in watched.copies.items():
                watched.arrays[n][...] = copy
        return run
