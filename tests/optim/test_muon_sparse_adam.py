"""Muon, whose arithmetic is bfloat16, and SparseAdam, whose gradients name places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import torchref
from tests.optim.trajectory import Twins, close
from torchref.nn import Parameter
from torchref.optim import SparseGradient
from torchref.optim.muon import bfloat16
from torchref.twin.optimizer import from_torch_state, to_torch_state

MATRICES = ((5, 3), (3, 7), (11, 11), (2, 13))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nesterov": False},
        {"momentum": 0.3},
        {"weight_decay": 0.0},
        {"adjust_lr_fn": "original"},
        {"adjust_lr_fn": "match_rms_adamw"},
        {"ns_steps": 2, "ns_coefficients": (2.0, -1.5, 0.5)},
        {"eps": 3.0},
        {"lr": 0.01, "weight_decay": 0.3, "momentum": 0.8, "nesterov": False, "adjust_lr_fn": "match_rms_adamw"},
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_muon_follows_torch(options: dict[str, Any], dtype: Any) -> None:
    """Catches a wrong lerp, ratio, decay or coefficient: what is left is the last bits of bfloat16."""
    twins = Twins("Muon", options, shapes=MATRICES, dtype=dtype)
    start = [p.data.copy() for p in twins.ours]
    for step in range(50):
        if step == 20:
            twins.set("lr", 0.3 * twins.our_optimizer.param_groups[0]["lr"])
        if step == 30:
            twins.swap_states()
        twins.step(step)
        for ours, theirs, old in zip(twins.ours, twins.theirs, start, strict=True):
            moved = np.linalg.norm(theirs.detach().numpy() - old)
            error = np.linalg.norm(ours.data - theirs.detach().numpy())
            assert error <= 0.01 * moved + 1e-12, f"{options}: step {step}: {error / moved:.3g} of the way"
            assert ours.data.dtype == dtype
        for p, t in zip(twins.ours, twins.theirs, strict=True):
            if p in twins.our_optimizer.state:
                ours = twins.our_optimizer.state[p]["momentum_buffer"]
                close(ours, twins.their_optimizer.state[t]["momentum_buffer"].numpy(), 1.0, f"{options}: step {step}")


def test_bfloat16_rounds_as_torch() -> None:
    """Catches truncation, ties away from even, and infinities or nan that turn into numbers."""
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**32, 100_000, dtype=np.uint32)
    values = np.concatenate([bits.view(np.float32), np.float32([0, -0.0, np.inf, -np.inf, np.nan, 1 + 2**-8, 3e38])])
    expected = torch.from_numpy(values).bfloat16().float().numpy()
    np.testing.assert_array_equal(bfloat16(values), expected)


def test_muon_errors() -> None:
    """Catches a vector, and coefficients or steps that torch refuses, all before anything is changed."""
    with pytest.raises(ValueError, match=r"\(3,\)"):
        torchref.optim.Muon([Parameter(np.ones(3))])
    for options, message in [({"ns_steps": 100}, "ns_steps=100"), ({"ns_coefficients": (1.0, 2.0)}, r"\(1.0, 2.0\)")]:
        p = Parameter(np.ones((2, 3)))
        p.grad = np.ones((2, 3))
        with pytest.raises(ValueError, match=message):
            torchref.optim.Muon([p], **options).step()
        assert np.array_equal(p.data, np.ones((2, 3)))


def sparse_pair(rng: np.random.Generator, shape: tuple[int, ...], axes: int) -> tuple[SparseGradient, torch.Tensor]:
    """The same gradient with repeated places for us and for torch."""
    indices = np.stack([rng.integers(0, n, 6) for n in shape[:axes]])
    values = rng.standard_normal((6, *shape[axes:]))
    return SparseGradient(indices, values, shape), torch.sparse_coo_tensor(
        torch.from_numpy(indices.copy()), torch.from_numpy(values.copy()), shape, check_invariants=True
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"betas": (0.8, 0.9)},
        {"eps": 1e-3},
        {"maximize": True},
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "maximize": True},
    ],
)
@pytest.mark.parametrize(("shape", "axes"), [((7, 3), 1), ((5, 2, 3), 2), ((11,), 1)])
def test_sparse_adam_follows_torch(options: dict[str, Any], shape: tuple[int, ...], axes: int) -> None:
    """Catches repeated places that are not summed, decaying averages of unseen rows, a count of steps per row."""
    rng = np.random.default_rng(5)
    p = Parameter(rng.standard_normal(shape))
    t = torch.nn.Parameter(torch.from_numpy(p.data.copy()))
    ours, theirs = torchref.optim.SparseAdam([p], **options), torch.optim.SparseAdam([t], **options)
    for step in range(50):
        p.grad, t.grad = sparse_pair(rng, shape, axes)  # type: ignore[assignment]
        if step == 20:
            for optimizer in (ours, theirs):
                optimizer.param_groups[0]["lr"] = 3e-4
        if step == 30:
            state = ours.state_dict()
            ours.load_state_dict(from_torch_state(theirs.state_dict()))
            theirs.load_state_dict(to_torch_state(state))
        ours.step()
        theirs.step()
        close(p.data, t.detach().numpy(), 1.0, f"{options}: step {step}")
        for name in ("exp_avg", "exp_avg_sq"):
            close(ours.state[p][name], theirs.state[t][name].numpy(), 1.0, f"{options}: step {step}: {name}")
        assert ours.state[p]["step"] == theirs.state[t]["step"]


def test_sparse_adam_empty_and_dense() -> None:
    """Catches an empty gradient that moves something, and a dense one that is taken for sparse."""
    p = Parameter(np.ones((3, 2)))
    optimizer = torchref.optim.SparseAdam([p])
    p.grad = SparseGradient(np.zeros((1, 0), np.int64), np.zeros((0, 2)), (3, 2))  # type: ignore[assignment]
    optimizer.step()
    assert np.array_equal(p.data, np.ones((3, 2)))
    assert optimizer.state[p]["step"] == 1
    for gradient, message in [
        (np.ones((3, 2)), "dense ndarray"),
        (SparseGradient(np.zeros((1, 1), np.int64), np.zeros((1, 2)), (4, 2)), r"\(4, 2\)"),
    ]:
        p.grad = gradient  # type: ignore[assignment]
        with pytest.raises(RuntimeError, match=message):
            optimizer.step()


def test_sparse_gradient_forms() -> None:
    """Catches a conversion that loses a row or a repeated place."""
    gradient = SparseGradient(np.array([[2, 0, 2]]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), (4, 2))
    dense = np.array([[3.0, 4.0], [0.0, 0.0], [6.0, 8.0], [0.0, 0.0]])
    assert np.array_equal(gradient.to_dense(), dense)
    assert np.array_equal(gradient.coalesce().indices, [[0, 2]])
    assert np.array_equal(SparseGradient.from_dense(dense).to_dense(), dense)
    assert np.array_equal(SparseGradient.from_dense(dense).indices, [[0, 2]])
