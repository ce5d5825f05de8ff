"""Two twins, an optimizer of ours and torch's, driven with identical gradients; what every optimizer's test shares."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

import torchref
from torchref.check.tolerance.bound import bound
from torchref.nn import Parameter
from torchref.twin.optimizer import from_torch_state, to_torch_state

SHAPES = ((5, 3), (7,), (2, 3, 5), (3, 5))
STEPS = 50
ENGINE = {"foreach": False}


class Twins:
    """Parameters of ours and of torch's with equal values, and an optimizer for each."""

    def __init__(
        self,
        name: str,
        options: dict[str, Any],
        *,
        dtype: Any = np.float64,
        shapes: tuple[tuple[int, ...], ...] = SHAPES,
        groups: tuple[dict[str, Any], ...] | None = None,
        seed: int = 20,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)
        self.name = f"{name} {options}"
        self.ours = [Parameter(np.asarray(self.rng.standard_normal(shape), dtype)) for shape in shapes]
        self.theirs = [torch.nn.Parameter(torch.from_numpy(p.data.copy())) for p in self.ours]
        engine = {} if name in ("Muon", "LBFGS", "SparseAdam") else ENGINE

        def split(parameters: list[Any]) -> Any:
            if groups is None:
                return parameters
            return [{"params": parameters[i :: len(groups)]} | group for i, group in enumerate(groups)]

        self.our_optimizer = getattr(torchref.optim, name)(split(self.ours), **options)
        self.their_optimizer = getattr(torch.optim, name)(split(self.theirs), **options, **engine)

    def gradients(self, step: int) -> None:
        """Give both one gradient for each parameter, of sizes near 1e-3 and near 1; some steps lack one."""
        for i, (ours, theirs) in enumerate(zip(self.ours, self.theirs, strict=True)):
            size = 1e-3 if i % 2 else 1.0
            gradient = np.asarray(size * self.rng.standard_normal(ours.shape), self.dtype)
            missing = i == 1 and step in (0, 1, 13)
            ours.grad = None if missing else gradient
            theirs.grad = None if missing else torch.from_numpy(gradient.copy())

    def set(self, name: str, value: Any) -> None:
        for optimizer in (self.our_optimizer, self.their_optimizer):
            for group in optimizer.param_groups:
                group[name] = value

    def step(self, step: int) -> None:
        self.gradients(step)
        before = [None if p.grad is None else p.grad.copy() for p in self.ours]
        self.our_optimizer.step()
        self.their_optimizer.step()
        for old, parameter in zip(before, self.ours, strict=True):
            assert (old is None) == (parameter.grad is None)
            assert old is None or np.array_equal(old, parameter.grad), f"{self.name}: the step changed a gradient"

    def compare(self, step: int, factor: float = 1.0) -> None:
        """Parameters and states agree, to the bound of rounding times `factor`."""
        for i, (ours, theirs) in enumerate(zip(self.ours, self.theirs, strict=True)):
            close(ours.data, theirs.detach().numpy(), factor, f"{self.name}: step {step}: parameter {i}")
        ours, theirs = self.our_optimizer.state_dict(), from_torch_state(self.their_optimizer.state_dict())
        assert same_options(ours["param_groups"]) == same_options(theirs["param_groups"])
        assert ours["state"].keys() == theirs["state"].keys()
        for index, state in theirs["state"].items():
            assert list(ours["state"][index]) == list(state), f"{self.name}: state has {list(ours['state'][index])}"
            for key, value in state.items():
                close(ours["state"][index][key], value, factor, f"{self.name}: step {step}: {key} of parameter {index}")

    def run(self, first: int = 0, last: int = STEPS, factor: float = 1.0) -> None:
        """Steps `first` to `last`; at step 20 the learning rate is changed."""
        for step in range(first, last):
            if step == 20:
                self.set("lr", 0.3 * self.our_optimizer.param_groups[0]["lr"])
            self.step(step)
            self.compare(step, factor)

    def swap_states(self) -> None:
        """Each optimizer goes on from the state of the other."""
        ours, theirs = self.our_optimizer.state_dict(), copy.deepcopy(self.their_optimizer.state_dict())
        self.our_optimizer.load_state_dict(from_torch_state(theirs))
        self.their_optimizer.load_state_dict(to_torch_state(ours))
        for group in self.their_optimizer.param_groups:
            assert group.get("foreach") in (None, False)
            if "foreach" in group:
                group["foreach"] = False


def same_options(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The groups without the flag that the tests set for torch alone."""
    return [{name: value for name, value in group.items() if name != "foreach"} for group in groups]


def close(ours: Any, theirs: Any, factor: float, where: str) -> None:
    if isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for i, pair in enumerate(zip(ours, theirs, strict=True)):
            close(*pair, factor, f"{where}[{i}]")
        return
    if theirs is None or isinstance(theirs, int):
        assert ours == theirs, f"{where}: {ours} instead of {theirs}"
        return
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{where}: {ours.shape} instead of {theirs.shape}"
    assert ours.dtype == theirs.dtype, f"{where}: {ours.dtype} instead of {theirs.dtype}"
    error = np.abs(ours - theirs).max(initial=0.0)
    limit = factor * bound(np.abs(theirs).max(initial=0.0), theirs.dtype)
    assert error <= limit, f"{where}: off by {error:.3g}, bound {limit:.3g}"


def judge_float32(name: str, options: dict[str, Any], steps: int = 20, factor: float = 1.0) -> None:
    """float32 stays float32 and within its rounding of the float64 trajectory on the same gradients."""
    low, high = Twins(name, options, dtype=np.float32), Twins(name, options, dtype=np.float32)
    for p in high.ours:
        p.data = p.data.astype(np.float64)
    high.our_optimizer = getattr(torchref.optim, name)(high.ours, **options)
    for step in range(steps):
        low.gradients(step)
        for p, q in zip(low.ours, high.ours, strict=True):
            q.grad = None if p.grad is None else p.grad.astype(np.float64)
        low.our_optimizer.step()
        high.our_optimizer.step()
        for p, q in zip(low.ours, high.ours, strict=True):
            assert p.data.dtype == np.float32
            limit = factor * bound(np.abs(q.data).max(), np.dtype(np.float32))
            assert np.abs(p.data - q.data).max() <= limit, f"{name} {options}: step {step}"
