"""LBFGS follows torch's over many iterations, with and without the line search."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import torchref
from torchref.nn import Parameter
from torchref.twin.optimizer import from_torch_state, to_torch_state

START = np.array([-1.2, 1.0, 0.7])


class Problem:
    """A function of two parameters (one a matrix) that both twins minimise, with its gradient by hand for us."""

    def __init__(self, kind: str, options: dict[str, Any]) -> None:
        self.kind = kind
        self.ours = [Parameter(START[:2].copy().reshape(2, 1)), Parameter(START[2:].copy())]
        self.theirs = [torch.nn.Parameter(torch.from_numpy(p.data.copy())) for p in self.ours]
        self.our_optimizer = torchref.optim.LBFGS(self.ours, **options)
        self.their_optimizer = torch.optim.LBFGS(self.theirs, **options)

    def our_closure(self) -> Any:
        (x, y), z = self.ours[0].data[:, 0], self.ours[1].data[0]
        if self.kind == "rosenbrock":
            loss = 100 * (y - x * x) ** 2 + (1 - x) ** 2 + (z - y) ** 2
            gradient = [-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x) - 2 * (z - y), 2 * (z - y)]
        elif self.kind == "bowl":
            loss = 3 * x * x + 0.5 * y * y + 0.1 * (z - 1) ** 2
            gradient = [6 * x, y, 0.2 * (z - 1)]
        else:
            loss = math.sin(3 * x) + math.cos(2 * y) / (1 + z * z) + 0.1 * (x * x + y * y + z * z)
            gradient = [
                3 * math.cos(3 * x) + 0.2 * x,
                -2 * math.sin(2 * y) / (1 + z * z) + 0.2 * y,
                -2 * z * math.cos(2 * y) / (1 + z * z) ** 2 + 0.2 * z,
            ]
        self.ours[0].grad = np.array(gradient[:2]).reshape(2, 1)
        self.ours[1].grad = np.array(gradient[2:])
        return np.asarray(loss)

    def their_closure(self) -> Any:
        self.their_optimizer.zero_grad()
        (x, y), z = self.theirs[0][:, 0], self.theirs[1][0]
        if self.kind == "rosenbrock":
            loss = 100 * (y - x * x) ** 2 + (1 - x) ** 2 + (z - y) ** 2
        elif self.kind == "bowl":
            loss = 3 * x * x + 0.5 * y * y + 0.1 * (z - 1) ** 2
        else:
            loss = torch.sin(3 * x) + torch.cos(2 * y) / (1 + z * z) + 0.1 * (x * x + y * y + z * z)
        loss.backward()
        return loss

    def run(self, steps: int, rtol: float) -> None:
        for step in range(steps):
            ours = self.our_optimizer.step(self.our_closure)
            theirs = self.their_optimizer.step(self.their_closure)
            where = f"{self.kind}: step {step}"
            np.testing.assert_allclose(float(ours), theirs.item(), rtol, 1e-15, err_msg=where)
            for p, t in zip(self.ours, self.theirs, strict=True):
                np.testing.assert_allclose(p.data, t.detach().numpy(), rtol, 1e-11, err_msg=where)
            our_state = self.our_optimizer.state_dict()["state"][0]
            their_state = self.their_optimizer.state_dict()["state"][0]
            assert set(our_state) == set(their_state)
            for name in ("func_evals", "n_iter"):
                assert our_state[name] == their_state[name], f"{where}: {name}"
            assert len(our_state.get("ro", [])) == len(their_state.get("ro", [])), f"{where}: history"


OPTIONS: list[dict[str, Any]] = [
    {"lr": 0.1, "max_iter": 4},
    {"lr": 0.1, "max_iter": 7, "history_size": 2},
    {"lr": 0.5, "max_iter": 3, "max_eval": 2},
    {"line_search_fn": "strong_wolfe", "max_iter": 4},
    {"line_search_fn": "strong_wolfe", "max_iter": 6, "max_eval": 9, "history_size": 3},
    {"line_search_fn": "strong_wolfe", "lr": 0.01, "max_iter": 3},
    {"line_search_fn": "strong_wolfe", "lr": 10.0, "max_iter": 3, "max_eval": 3},
    {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-2, "tolerance_change": 1e-4},
]


@pytest.mark.parametrize("kind", ["bowl", "rosenbrock", "waves"])
@pytest.mark.parametrize("options", OPTIONS)
def test_follows_torch(kind: str, options: dict[str, Any]) -> None:
    """Catches a wrong two-loop recursion, a bracket that takes another turn, a stop at another place."""
    if kind == "rosenbrock" and "line_search_fn" not in options:
        options = options | {"lr": 1e-3}
    # In Rosenbrock's valley a difference grows tenfold with each iteration, whoever makes it.
    Problem(kind, options).run(4 if kind == "rosenbrock" else 8, 1e-8)


def test_state_moves_between_the_twins() -> None:
    """Catches a history that the other twin cannot go on with."""
    problem = Problem("rosenbrock", {"line_search_fn": "strong_wolfe", "max_iter": 3})
    problem.run(3, 1e-9)
    ours, theirs = problem.our_optimizer.state_dict(), problem.their_optimizer.state_dict()
    problem.our_optimizer.load_state_dict(from_torch_state(theirs))
    problem.their_optimizer.load_state_dict(to_torch_state(ours))
    problem.run(3, 1e-8)


def test_missing_gradient_is_zero() -> None:
    """Catches a parameter without gradient that shifts the others in the flat vector."""
    p, q = Parameter(np.ones(2)), Parameter(np.ones(3))
    optimizer = torchref.optim.LBFGS([p, q], lr=0.1)

    def closure() -> float:
        q.grad = 2 * q.data
        return float(np.sum(q.data**2))

    optimizer.step(closure)
    assert np.array_equal(p.data, np.ones(2))
    assert np.all(q.data < 0.5)


def test_float32_stays() -> None:
    """Catches a promotion by a Python or NumPy float64 number."""
    p = Parameter(np.ones((2, 3), np.float32))
    optimizer = torchref.optim.LBFGS([p], line_search_fn="strong_wolfe")

    def closure() -> Any:
        p.grad = 4 * (p.data - 3) ** 3
        return np.sum((p.data - 3) ** 4)

    optimizer.step(closure)
    assert p.data.dtype == np.float32
    assert optimizer.state[p]["d"].dtype == np.float32
    assert np.allclose(p.data, 3, atol=0.1)


def test_errors() -> None:
    """Catches several groups, an unknown line search, a step without closure, a read-only parameter."""
    p, q = Parameter(np.ones(2)), Parameter(np.ones(2))
    with pytest.raises(ValueError, match="got 2"):
        torchref.optim.LBFGS([{"params": [p]}, {"params": [q]}])
    with pytest.raises(RuntimeError, match="'weak_wolfe'"):
        torchref.optim.LBFGS([p], line_search_fn="weak_wolfe").step(lambda: 0.0)
    with pytest.raises(TypeError, match="closure"):
        torchref.optim.LBFGS([p]).step()
    p.data.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        torchref.optim.LBFGS([p]).step(lambda: 0.0)
