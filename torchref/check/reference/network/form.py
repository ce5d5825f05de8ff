"""A whole network as a form: the weights go in, the loss and its gradients come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from torchref.check.ops.record import Argument, Op
from torchref.check.reading.arguments import Matching
from torchref.check.reading.forms.calling import CouldNotRun, Run, Snapshot, guarded
from torchref.check.reading.forms.form import Form
from torchref.check.reference.own import Witnessed, seeded
from torchref.nn.module import Array

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
    told: str  # how it is called

    def code(self) -> list[Any]:
        """The user's functions or classes that a pass calls."""
        ...

    def with_weights(self, weights: dict[str, Array], beside: dict[str, Array]) -> Network:
        """The same with these weights alone to be judged; the others stay as they are."""
        ...

    def without_gradient(self) -> list[str]:
        """The weights that no gradient was found of."""
        ...

    def passed(self, weights: dict[str, Any], code: list[Any], loss_alone: bool = False) -> Passed:
        """One pass. Errors: whatever the user's code raises."""
        ...


class OwnLoss(Witnessed):
    """The formula of a network: its own loss, as a function of its weights."""

    def __init__(self, network: Network, label: str, arguments: tuple[Argument, ...]) -> None:
        self.network = network
        super().__init__(network.passed, label, arguments, torch=False)
        self.torch = False

    def call(self, values: dict[str, Any]) -> Any:
        return np.asarray(self.network.passed(values, self.network.code(), loss_alone=True).loss).reshape(())


@dataclass
class Weights:
    """The weights of the probe: the code's own, moved at random."""

    network: Network
    seed: int = 0  # another one where a kink lies beside the first

    def __call__(self, rng: Any, options: dict[str, Any], variant: str) -> dict[str, Array]:
        if variant != "own":
            raise KeyError(variant)
        rng = np.random.default_rng([self.seed, int(rng.integers(1 << 16))])
        return {n: np.asarray(w + moved(w) * rng.normal(size=w.shape)) for n, w in self.network.weights.items()}


def moved(w: Array) -> float:
    """How far entries are moved: less in a wide layer, so that nothing saturates."""
    return SPREAD / max(1.0, np.sqrt(w.shape[0] / 10)) if w.ndim > 1 else SPREAD


def network_op(network: Network, label: str) -> Op:
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
        lengths=lengths(network),
        own=True,
    )


def lengths(network: Network) -> tuple[tuple[float, str], ...]:
    """The lengths of the data, and their products."""
    found = {
        (float(n), f"the length of axis {axis} of {name}")
        for name, v in network.data.items()
        if isinstance(v, np.ndarray)
        for axis, n in enumerate(v.shape)
    }
    found |= {(float(len(v)), f"the length of {name}") for name, v in network.data.items() if isinstance(v, list)}
    return tuple(sorted(found))


class NetworkForm(Form):
    """A network, run on the weights of the probe; its backward takes no upstream gradient."""

    name = "network"
    upstream = False

    def __init__(self, network: Network, op: Op) -> None:
        self.network, self.op = network, op
        self.matching = Matching({n: n for n in network.weights})
        self.takes = set(network.weights)
        self.own_code = network.code()

    def code(self) -> list[Any]:
        return self.own_code

    def running(self, *code: Any) -> NetworkForm:
        return self.changed(own_code=list(code))

    def run(
        self,
        values: dict[str, Any],
        upstreams: list[dict[str, Any]],
        expected: dict[str, Any],
        shapes: dict[str, tuple[int, ...]],
    ) -> Run:
        """One pass for each of `upstreams`, each from the same weights."""
        watched = Snapshot({n: v for n, v in self.network.data.items() if isinstance(v, np.ndarray)})
        run: Run | None = None
        for _ in upstreams or [{}]:
            weights = {
                n: np.array(values[n]) if type(values[n]) is np.ndarray else values[n] for n in self.network.weights
            }
            passed = guarded("the network", seeded, lambda w=weights: self.network.passed(w, self.own_code))
            if passed.loss is None:
                raise CouldNotRun(f"{self.network.told} returned no loss, a single number")
            run = run or Run({"output": np.array(passed.loss, dtype=float).reshape(())}, [])
            own = ((n, passed.gradients.get(n)) for n in self.network.weights)
            run.gradients.append({n: np.array(g) for n, g in own if g is not None})
        assert run is not None
        run.changed = watched.changed()
        if run.changed:  # the next pass must see what this one saw
            for n, copy in watched.copies.items():
                watched.arrays[n][...] = copy
        return run
