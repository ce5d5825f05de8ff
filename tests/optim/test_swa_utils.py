"""Averaged models: parameters and buffers as torch's, after several updates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import torchref
from torchref.optim import swa_utils


def network(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))


def twins() -> tuple[Any, Any]:
    """The same network twice, in float64."""
    torch.manual_seed(1)
    theirs, ours = network(torch.nn).double(), network(torchref.nn).double()
    ours.load_state_dict({name: value.numpy().copy() for name, value in theirs.state_dict().items()})
    return ours, theirs


def compare(ours: Any, theirs: Any) -> None:
    ours, theirs = ours.state_dict(), theirs.state_dict()
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        assert ours[name].dtype == value.numpy().dtype, name
        np.testing.assert_allclose(ours[name], value.numpy(), 1e-13, 1e-15, err_msg=name)


def our_average(average: Any, current: Any, n: Any) -> Any:
    return average + 0.25 * (current - average)


KINDS: dict[str, Any] = {
    "mean": lambda utils: {},
    "mean, function": lambda utils: {"avg_fn": utils.get_swa_avg_fn()},
    "mean, lists": lambda utils: {"multi_avg_fn": utils.get_swa_multi_avg_fn()},
    "exponential": lambda utils: {"avg_fn": utils.get_ema_avg_fn(0.7)},
    "exponential, lists": lambda utils: {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.3)},
    "one's own": lambda utils: {"avg_fn": our_average},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use_buffers", [False, True])
def test_averaged_model(kind: str, use_buffers: bool) -> None:
    """Catches a first update that averages, a count that is off by one, buffers that are averaged or forgotten."""
    if kind == "mean, lists" and use_buffers:
        pytest.skip("torch cannot divide integers in place: BatchNorm's count")
    ours, theirs = twins()
    our_model = swa_utils.AveragedModel(ours, **KINDS[kind](swa_utils), use_buffers=use_buffers)
    their_model = torch.optim.swa_utils.AveragedModel(
        theirs, **KINDS[kind](torch.optim.swa_utils), use_buffers=use_buffers
    )
    rng = np.random.default_rng(2)
    held = our_model.module[0].weight.data
    kept = held.copy()
    for _ in range(5):
        for p, t in zip(ours.parameters(), theirs.parameters(), strict=True):
            p.data = rng.standard_normal(p.shape)
            t.data = torch.from_numpy(p.data.copy())
        x = rng.standard_normal((7, 3))
        ours(x)
        theirs(torch.from_numpy(x))
        our_model.update_parameters(ours)
        their_model.update_parameters(theirs)
        compare(our_model, their_model)
    assert np.array_equal(held, kept), "an array that others may hold was written into"
    x = rng.standard_normal((4, 3))
    np.testing.assert_allclose(
        our_model.predict(x), their_model.eval()(torch.from_numpy(x)).detach().numpy(), rtol=1e-12
    )


@pytest.mark.parametrize("wrapped", [False, True])
def test_update_bn(wrapped: bool) -> None:
    """Catches statistics that are not reset, not the mean over batches, or a momentum and a mode that stay changed."""
    ours, theirs = twins()
    rng = np.random.default_rng(3)
    batches = [rng.standard_normal((n, 3)) for n in (5, 7, 3)]
    ours(batches[0])
    ours.eval()
    theirs.eval()
    swa_utils.update_bn([(b, 0) if wrapped else b for b in batches], ours)
    torch.optim.swa_utils.update_bn(
        [(torch.from_numpy(b), 0) if wrapped else torch.from_numpy(b) for b in batches], theirs
    )
    compare(ours, theirs)
    assert ours[1].momentum == 0.1
    assert not ours.training
    assert not ours[1].training
    swa_utils.update_bn(batches, torchref.nn.Linear(3, 2))


def test_errors() -> None:
    """Catches two averages at once, and a decay that is none."""
    ours, _ = twins()
    with pytest.raises(AssertionError, match="either"):
        swa_utils.AveragedModel(ours, avg_fn=our_average, multi_avg_fn=swa_utils.get_swa_multi_avg_fn())
    for make in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match=r"decay=1.5"):
            make(1.5)
