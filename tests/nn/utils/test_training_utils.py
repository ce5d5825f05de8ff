"""Clipping, flattening and folding, against torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import torchref
from torchref.nn import Parameter, utils

SHAPES = ((5, 3), (7,), (2, 3, 2))


def pair(scale: float = 1.0, dtype: Any = np.float64) -> tuple[list[Parameter], list[torch.nn.Parameter]]:
    """Equal parameters with equal gradients; the second has none."""
    rng = np.random.default_rng(1)
    ours = [Parameter(rng.standard_normal(shape).astype(dtype)) for shape in SHAPES]
    theirs = [torch.nn.Parameter(torch.from_numpy(p.data.copy())) for p in ours]
    for i, (p, t) in enumerate(zip(ours, theirs, strict=True)):
        if i != 1:
            p.grad = (scale * rng.standard_normal(p.shape)).astype(dtype)
            t.grad = torch.from_numpy(p.grad.copy())
    return ours, theirs


def assert_same_gradients(ours: list[Parameter], theirs: list[torch.nn.Parameter], rtol: float = 1e-13) -> None:
    for p, t in zip(ours, theirs, strict=True):
        assert (p.grad is None) == (t.grad is None)
        if p.grad is not None:
            assert p.grad.dtype == p.data.dtype
            np.testing.assert_allclose(p.grad, t.grad.numpy(), rtol)


NORMS = [2.0, 1.0, 3.0, 0.5, -1.0, float("inf"), float("-inf"), 0.0]


@pytest.mark.parametrize("norm_type", NORMS)
@pytest.mark.parametrize("max_norm", [0.7, 100.0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_clip_grad_norm(norm_type: float, max_norm: float, dtype: Any) -> None:
    """Catches a norm per array, a missing root, a gradient scaled up, or written into."""
    ours, theirs = pair(dtype=dtype)
    held = ours[0].grad
    assert held is not None
    kept = held.copy()
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    norm = utils.clip_grad_norm_(ours, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert norm.dtype == dtype
    assert norm.shape == ()
    np.testing.assert_allclose(norm, expected.numpy(), rtol)
    assert_same_gradients(ours, theirs, rtol)
    assert np.array_equal(held, kept), "the old gradient was written into"


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_clip_grad_norm_not_finite(value: float) -> None:
    """Catches an error that comes after the gradients have changed, and other nan than torch's."""
    ours, theirs = pair()
    assert ours[0].grad is not None
    ours[0].grad[1, 1] = value
    theirs[0].grad[1, 1] = value
    before = ours[2].grad
    with pytest.raises(RuntimeError, match=f"order 2.0 is {value}"):
        utils.clip_grad_norm_(ours, 1.0, error_if_nonfinite=True)
    assert ours[2].grad is before
    utils.clip_grad_norm_(ours, 1.0)
    torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    assert_same_gradients(ours, theirs)


def test_clip_of_one_none_and_nothing() -> None:
    """Catches a parameter given alone, a generator, and lists without gradients."""
    ours, theirs = pair()
    np.testing.assert_allclose(
        utils.clip_grad_norm_(ours[0], 0.1), torch.nn.utils.clip_grad_norm_(theirs[0], 0.1), rtol=1e-13
    )
    utils.clip_grad_norm_((p for p in ours), 0.3)
    torch.nn.utils.clip_grad_norm_((t for t in theirs), 0.3)
    assert_same_gradients(ours, theirs)
    assert utils.clip_grad_norm_([], 1.0) == torch.nn.utils.clip_grad_norm_([], 1.0)
    assert utils.clip_grad_norm_(ours[1], 1.0) == 0
    with pytest.warns(UserWarning, match="empty generator"):
        utils.clip_grad_norm_((p for p in []), 1.0)


def test_clip_grads_with_norm_and_total_norm() -> None:
    """Catches a norm that is computed again."""
    ours, theirs = pair()
    gradients = [p.grad for p in ours if p.grad is not None]
    norm = utils.get_total_norm(gradients)
    expected = torch.nn.utils.get_total_norm([t.grad for t in theirs if t.grad is not None])
    np.testing.assert_allclose(norm, expected.numpy(), rtol=1e-13)
    np.testing.assert_allclose(utils.get_total_norm(gradients[0]), np.linalg.norm(gradients[0]), rtol=1e-13)
    utils.clip_grads_with_norm_(ours, 1.0, 3.0)
    torch.nn.utils.clip_grads_with_norm_(theirs, 1.0, torch.tensor(3.0, dtype=torch.float64))
    assert_same_gradients(ours, theirs)


def test_clip_grad_value() -> None:
    """Catches a bound on one side only, and nan that becomes a number."""
    ours, theirs = pair()
    assert ours[0].grad is not None
    for gradient in (ours[0].grad, theirs[0].grad):
        gradient[0, 0] = np.nan
        gradient[0, 1] = -np.inf
    held = ours[2].grad
    assert held is not None
    kept = held.copy()
    utils.clip_grad_value_(ours, 0.4)
    torch.nn.utils.clip_grad_value_(theirs, 0.4)
    assert_same_gradients(ours, theirs)
    assert np.array_equal(held, kept)
    utils.clip_grad_value_(ours[0], 0.1)


def test_foreach_is_refused() -> None:
    """Catches a flag that is silently ignored."""
    ours, _ = pair()
    for call in (
        lambda: utils.clip_grad_norm_(ours, 1.0, foreach=True),
        lambda: utils.clip_grad_value_(ours, 1.0, foreach=True),
        lambda: utils.get_total_norm([], foreach=True),
        lambda: utils.clip_grads_with_norm_(ours, 1.0, 1.0, foreach=True),
    ):
        with pytest.raises(ValueError, match="foreach=True"):
            call()


def test_vector_of_parameters() -> None:
    """Catches another order, a shape that is lost, and memory that is shared."""
    ours, theirs = pair()
    vector = utils.parameters_to_vector(ours)
    assert np.array_equal(vector, torch.nn.utils.parameters_to_vector(theirs).detach().numpy())
    assert not np.shares_memory(vector, ours[0].data)
    new = np.arange(vector.size + 2.0, dtype=np.float32)
    utils.vector_to_parameters(new, ours)
    torch.nn.utils.vector_to_parameters(torch.from_numpy(new.copy()), theirs)
    for p, t in zip(ours, theirs, strict=True):
        assert np.array_equal(p.data, t.detach().numpy())
        assert p.data.dtype == np.float32
        assert not np.shares_memory(p.data, new)


def test_vector_errors() -> None:
    """Catches a vector that is too short, and one that is none."""
    ours, _ = pair()
    before = ours[0].data
    with pytest.raises(RuntimeError, match="3 entries, and the parameters need 34"):
        utils.vector_to_parameters(np.zeros(3), ours)
    assert ours[0].data is before
    with pytest.raises(TypeError, match="list"):
        utils.vector_to_parameters([1.0], ours)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="empty"):
        utils.parameters_to_vector([])


FUSED: dict[str, Any] = {
    "conv": (lambda nn: (nn.Conv2d(3, 5, 2), nn.BatchNorm2d(5)), (2, 3, 7, 5), {}),
    "conv without bias": (lambda nn: (nn.Conv1d(3, 5, 2, bias=False), nn.BatchNorm1d(5)), (2, 3, 7), {}),
    "conv without affine": (lambda nn: (nn.Conv2d(3, 5, 2), nn.BatchNorm2d(5, affine=False)), (2, 3, 7, 5), {}),
    "conv in groups": (lambda nn: (nn.Conv2d(6, 4, 2, groups=2), nn.BatchNorm2d(4, eps=0.1)), (2, 6, 7, 5), {}),
    "transposed": (
        lambda nn: (nn.ConvTranspose2d(3, 5, 2), nn.BatchNorm2d(5)),
        (2, 3, 7, 5),
        {"transpose": True},
    ),
    "linear": (lambda nn: (nn.Linear(3, 5), nn.BatchNorm1d(5)), (7, 3), {}),
    "linear without bias": (lambda nn: (nn.Linear(3, 5, bias=False), nn.BatchNorm1d(5)), (7, 3), {}),
}


@pytest.mark.parametrize("case", FUSED)
def test_fusion(case: str) -> None:
    """Catches a folded norm that computes another function than the two layers, or other weights than torch's."""
    make, shape, options = FUSED[case]
    rng = np.random.default_rng(2)
    ours, theirs = make(torchref.nn), make(torch.nn)
    for our, their in zip(ours, theirs, strict=True):
        their.double().eval()
        our.double().eval()
        for value in their.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.from_numpy(rng.uniform(0.5, 2.0, tuple(value.shape))))
        our.load_state_dict({name: value.numpy().copy() for name, value in their.state_dict().items()})
    name = "fuse_linear_bn_eval" if "linear" in case else "fuse_conv_bn_eval"
    our_fused = getattr(utils, name)(*ours, **options)
    their_fused = getattr(torch.nn.utils, name)(*theirs, **options)
    assert our_fused is not ours[0]
    assert our_fused.bias.requires_grad == their_fused.bias.requires_grad
    for key, value in their_fused.state_dict().items():
        np.testing.assert_allclose(our_fused.state_dict()[key], value.numpy(), rtol=1e-12, err_msg=key)
    x = rng.standard_normal(shape)
    np.testing.assert_allclose(our_fused.predict(x), ours[1].predict(ours[0].predict(x)), rtol=1e-9, atol=1e-11)


def test_fusion_errors() -> None:
    """Catches a fusion in training mode, without statistics, or of other sizes."""
    nn = torchref.nn
    with pytest.raises(AssertionError, match="evaluation mode"):
        utils.fuse_conv_bn_eval(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3).eval())
    with pytest.raises(AssertionError, match="running_mean is None"):
        utils.fuse_linear_bn_eval(nn.Linear(2, 3).eval(), nn.BatchNorm1d(3, track_running_stats=False).eval())
    with pytest.raises(AssertionError, match="3 features or 1, but has 2"):
        utils.fuse_linear_bn_eval(nn.Linear(2, 3).eval(), nn.BatchNorm1d(2).eval())
