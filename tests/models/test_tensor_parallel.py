"""A network whose weights lie on several processes gives the whole network's outputs and gradients."""

import numpy as np
import pytest
import torch

from torchref import nn
from torchref.models.gpt import Block, CausalSelfAttention
from torchref.models.tensor_parallel import (
    ColumnParallelLinear,
    ParallelAttention,
    ParallelBlock,
    ParallelMLP,
    RowParallelLinear,
    parallel_cross_entropy,
    part,
)
from torchref.nn.communicator import in_threads

SEED = 0
CLOSE = {"rtol": 0, "atol": 1e-13}


class Counted:
    """A group that counts its sums."""

    def __init__(self, group):
        self.group, self.sums = group, 0

    def all_reduce(self, array):
        self.sums += 1
        return self.group.all_reduce(array)


def filled(module):
    """`module` in float64 with weights that are not small."""
    rng = np.random.default_rng(SEED)
    for parameter in module.parameters():
        parameter.data = rng.normal(size=parameter.data.shape)
    return module


def whole_mlp():
    return filled(nn.Sequential(nn.Linear(5, 13), nn.GELU(), nn.Linear(13, 5)).to(np.float64))


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 5), (0, 5)])
def test_the_mlp_in_parts_is_the_whole(world, shape):
    """Catches a sum that is missing, or made twice, forward or backward; hidden units that do not divide evenly."""
    whole = whole_mlp()
    up, down = whole[0], whole[2]
    rng = np.random.default_rng(SEED + 1)
    x, dy = rng.normal(size=shape), rng.normal(size=shape)
    y, backward = whole(x)
    dx = backward(dy)

    def rank_of(rank, group):
        group = Counted(group)
        mlp = ParallelMLP(whole, rank, world, group)
        mine, mine_backward = mlp(x)
        forward_sums = group.sums
        return mine, mine_backward(dy), mlp, forward_sums, group.sums - forward_sums

    ranks = in_threads(world, rank_of)
    for mine, dmine, _, forward_sums, backward_sums in ranks:
        np.testing.assert_allclose(mine, y, **CLOSE)
        np.testing.assert_allclose(dmine, dx, **CLOSE)
        assert (forward_sums, backward_sums) == (1, 1)
    parts = [mlp for _, _, mlp, _, _ in ranks]
    np.testing.assert_allclose(np.concatenate([p.up.weight.grad for p in parts]), up.weight.grad, **CLOSE)
    np.testing.assert_allclose(np.concatenate([p.up.bias.grad for p in parts]), up.bias.grad, **CLOSE)
    np.testing.assert_allclose(np.concatenate([p.down.weight.grad for p in parts], axis=1), down.weight.grad, **CLOSE)
    for p in parts:
        np.testing.assert_allclose(p.down.bias.grad, down.bias.grad, **CLOSE)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_attention_by_heads_is_the_whole(world):
    """Catches heads that are cut in the middle, or the parts of q, k and v exchanged; three heads on two processes."""
    rng = np.random.default_rng(SEED)
    whole = filled(CausalSelfAttention(12, 3, 0.0).to(np.float64))
    x, dy = rng.normal(size=(2, 5, 12)), rng.normal(size=(2, 5, 12))
    y, backward = whole(x)
    dx = backward(dy)

    def rank_of(rank, group):
        attention = ParallelAttention(whole, rank, world, group)
        mine, mine_backward = attention(x)
        return mine, mine_backward(dy), attention

    ranks = in_threads(world, rank_of)
    for mine, dmine, _ in ranks:
        np.testing.assert_allclose(mine, y, **CLOSE)
        np.testing.assert_allclose(dmine, dx, **CLOSE)
    parts = [attention for _, _, attention in ranks]
    heads = [p.qkv.weight.grad.reshape(3, p.heads, 4, 12) for p in parts]
    np.testing.assert_allclose(np.concatenate(heads, axis=1).reshape(36, 12), whole.qkv.weight.grad, **CLOSE)
    np.testing.assert_allclose(np.concatenate([p.proj.weight.grad for p in parts], 1), whole.proj.weight.grad, **CLOSE)


def test_a_block_sends_two_sums_each_way():
    """Catches a block whose norms, residual sums or halves are led wrongly, and a sum more than it needs."""
    rng = np.random.default_rng(SEED + 1)
    whole = filled(Block(12, 4, 0.0).to(np.float64))
    x, dy = rng.normal(size=(2, 5, 12)), rng.normal(size=(2, 5, 12))
    y, backward = whole(x)
    dx = backward(dy)

    def rank_of(rank, group):
        group = Counted(group)
        block = ParallelBlock(whole, rank, 2, group)
        mine, mine_backward = block(x)
        forward_sums = group.sums
        return mine, mine_backward(dy), block, forward_sums, group.sums - forward_sums

    for mine, dmine, block, *sums in in_threads(2, rank_of):
        close = {"rtol": 0, "atol": 1e-11}  # gradients of some thousands
        np.testing.assert_allclose(mine, y, **close)
        np.testing.assert_allclose(dmine, dx, **close)
        np.testing.assert_allclose(block.norm1.weight.grad, whole.norm1.weight.grad, **close)
        assert sums == [2, 2]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_cross_entropy_over_a_divided_vocabulary_is_torchs(world, dtype):
    """Catches a maximum of one process alone (exp overflows), a true class that several or none count, a lost dloss."""
    rng = np.random.default_rng(SEED)
    x, target = rng.normal(size=(5, 11)).astype(dtype), np.array([5, 0, 10, 3, 7])
    x[0, 4], x[1] = 900, x[1] - 900  # exp of either would leave float64
    logits = torch.from_numpy(x.copy()).requires_grad_()
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(target))
    (3 * expected).backward()

    def rank_of(rank, group):
        loss, backward = parallel_cross_entropy(part(x, rank, world, axis=1), target, rank, world, group)
        dx = backward(np.array(3, dtype))
        np.testing.assert_allclose(3 * backward(), dx, rtol=1e-6)  # without dloss it is 1
        return loss, dx

    ranks = in_threads(world, rank_of)
    dx = np.concatenate([dx for _, dx in ranks], axis=1)
    close = {"rtol": 0, "atol": 1e-13 if dtype == "float64" else 1e-4}
    assert dx.dtype == dtype
    assert {loss.dtype.name for loss, _ in ranks} == {dtype}
    np.testing.assert_allclose([loss for loss, _ in ranks], expected.item(), **close)
    np.testing.assert_allclose(dx, logits.grad.numpy(), rtol=0, atol=1e-13 if dtype == "float64" else 1e-6)


def test_what_cannot_be_divided_is_refused():
    """Catches a process without a part, a rank outside the group, a class that no process has, targets too few."""
    with pytest.raises(ValueError, match="2 entries along axis 0 do not go round 3"):
        part(np.ones(2), 0, 3)
    with pytest.raises(ValueError, match="rank=3, world=3"):
        part(np.ones(5), 3, 3)
    with pytest.raises(IndexError, match="between 0 and 3, but got 0 to 4"):
        in_threads(2, lambda rank, group: parallel_cross_entropy(np.ones((2, 2)), np.array([0, 4]), rank, 2, group))
    with pytest.raises(ValueError, match=r"target must be \(3,\)"):
        in_threads(2, lambda rank, group: parallel_cross_entropy(np.ones((3, 2)), np.array([0, 1]), rank, 2, group))


@pytest.mark.parametrize("layer", [ColumnParallelLinear, RowParallelLinear])
def test_a_layers_inputs_stay_as_they_are(layer):
    """Catches a forward or backward that writes into what it was given."""
    up = whole_mlp()[0]
    x = np.ones((3, 5))
    dy = np.ones((3, 13))
    x.flags.writeable = dy.flags.writeable = False
    in_threads(1, lambda rank, group: layer(up, rank, 1, group)(x)[1](dy))
