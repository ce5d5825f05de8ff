"""Networks whose weights lie on several processes (Shoeybi et al. 2019, Megatron-LM): each computes a part of a layer.

A weight is cut into columns of outputs or rows of inputs. After a layer cut by outputs comes one cut by inputs, and in
between nothing is sent: the first gives each process just the part that the second needs there. What is sent is one sum
forward, behind the second layer, and one backward, in front of the first. Dimensions: R processes, r this one's rank.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from torchref import nn
from torchref.models.gpt import Block, CausalSelfAttention
from torchref.nn import functional as F
from torchref.nn.communicator import Communicator
from torchref.nn.module import Array, Backward, Module, bind


def copy_to_ranks(x: Array, group: Communicator) -> tuple[Array, Backward]:
    """x, which every process has, goes into a computation of each: y_r = x. Megatron's f.

    Backward. x is used R times, a fork with R branches: dL/dx_i = sum_r dy_ri, a sum over the processes.
    """

    def backward(dy: Array) -> Array:
        return group.all_reduce(dy)

    return x, backward


def sum_over_ranks(x: Array, group: Communicator) -> tuple[Array, Backward]:
    """y = sum_r x_r, which every process gets. Megatron's g; forward and backward are `copy_to_ranks`' exchanged.

    Backward. Every process holds the same y and computes the same loss from it, once in all: dL/dx_ri = dy_i. Nothing
    is sent. (If each process's copy of the loss counted, dx would be R times that.)
    """

    def backward(dy: Array) -> Array:
        return dy

    return group.all_reduce(x), backward


def part(array: Array, rank: int, world: int, axis: int = 0) -> Array:
    """A copy of rank's part of `array`, cut along `axis` into `world` parts whose lengths differ by one at most.

    Errors: ValueError for a rank outside 0..world - 1, and where there is less than one entry for each.
    """
    if not 0 <= rank < world:
        raise ValueError(f"part: rank must lie between 0 and world - 1, but got rank={rank}, world={world}")
    if array.shape[axis] < world:
        raise ValueError(f"part: {array.shape[axis]} entries along axis {axis} do not go round {world} processes")
    return np.array_split(array, world, axis)[rank].copy(order="C")


class ColumnParallelLinear(Module):
    """Some outputs of a linear layer: y_r = x W_r^T + b_r, with W_r (O_r, I) and b_r (O_r) of this process.

    Shapes: x (*, I), the same on every process; y_r (*, O_r). W^T is cut into columns, hence the name.

    Backward. Output o lies on one process, so dW_r and db_r are those of `linear`, of dy_r alone. x reaches the outputs
    of every process:
        dL/dx_i = sum_r sum_(o in r) dy_o w_oi    ->    dx = sum_r dy_r W_r
    """

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(self, whole: nn.Linear, rank: int, world: int, group: Communicator) -> None:
        self.group = group
        self.weight = nn.Parameter(part(whole.weight.data, rank, world))
        self.bias = None if whole.bias is None else nn.Parameter(part(whole.bias.data, rank, world))

    def forward(self, x: Array) -> tuple[Array, Backward]:
        a, copy_backward = copy_to_ranks(x, self.group)
        y, linear_backward = bind(F.linear, a, self.weight, self.bias)

        def backward(dy: Array) -> Array:
            return copy_backward(linear_backward(dy))

        return y, backward


class RowParallelLinear(Module):
    """A linear layer of which each process has some inputs: y = sum_r x_r W_r^T + b, with W_r (O, I_r) of this process.

    Shapes: x_r (*, I_r); y (*, O), the same on every process. b (O) is the same on each, and is added once, behind the
    sum.

    Backward. Input i lies on one process: dx_r = dy W_r and dW_r = dy^T x_r. b meets y on every process alike, and each
    computes the same db = sum_n dy_n: they are copies of one gradient, not to be added.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(self, whole: nn.Linear, rank: int, world: int, group: Communicator) -> None:
        self.group = group
        self.weight = nn.Parameter(part(whole.weight.data, rank, world, axis=1))
        self.bias = None if whole.bias is None else nn.Parameter(whole.bias.data.copy())

    def forward(self, x: Array) -> tuple[Array, Backward]:
        a, linear_backward = bind(F.linear, x, self.weight, None)
        y, sum_backward = sum_over_ranks(a, self.group)
        if self.bias is not None:
            y = y + self.bias.data

        def backward(dy: Array) -> Array:
            if self.bias is not None:
                self.bias.accumulate(dy.reshape(-1, dy.shape[-1]).sum(axis=0))
            return linear_backward(sum_backward(dy))

        return y, backward


class ParallelMLP(Module):
    """Linear, activation, Linear with the hidden units divided among the processes: x and y (*, D), the same on each.

    Hidden unit h is computed on one process, from all of x, and its share of y is w_oh f(z_h). An activation is of one
    unit alone, so nothing is sent between the two layers. One sum forward, one backward.
    """

    up: ColumnParallelLinear
    activation: Module
    down: RowParallelLinear

    def __init__(self, whole: nn.Sequential, rank: int, world: int, group: Communicator) -> None:
        parts: list[Any] = list(whole)  # behind the second layer there may be dropout, which is left out
        up, activation, down = parts[:3]
        self.up = ColumnParallelLinear(up, rank, world, group)
        self.activation = activation
        self.down = RowParallelLinear(down, rank, world, group)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        z, up_backward = self.up(x)
        h, activation_backward = self.activation(z)
        y, down_backward = self.down(h)

        def backward(dy: Array) -> Array:
            return up_backward(activation_backward(down_backward(dy)))

        return y, backward


class ParallelAttention(Module):
    """Causal self-attention with the heads divided among the processes: x and y (N, T, D), the same on each.

    A head needs its own queries, keys and values alone: their projection is cut by outputs, head by head, and the
    projection behind them by inputs. One sum forward, one backward, as in `ParallelMLP`.
    """

    qkv: ColumnParallelLinear
    proj: RowParallelLinear

    def __init__(self, whole: CausalSelfAttention, rank: int, world: int, group: Communicator) -> None:
        width = whole.qkv.weight.data.shape[1]
        self.heads, self.size = len(part(np.arange(whole.heads), rank, world)), width // whole.heads
        mine = part(np.arange(width).reshape(whole.heads, self.size), rank, world).reshape(-1)  # features of my heads
        rows = (np.arange(3)[:, None] * width + mine).reshape(-1)  # of q, of k, of v
        self.qkv = ColumnParallelLinear(chosen(whole.qkv, rows, slice(None)), 0, 1, group)
        self.proj = RowParallelLinear(chosen(whole.proj, slice(None), mine), 0, 1, group)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        N, T, _ = x.shape
        qkv, qkv_backward = self.qkv(x)  # (N, T, 3 heads d)
        q, k, v = qkv.reshape(N, T, 3, self.heads, self.size).transpose(2, 0, 3, 1, 4)  # each (N, heads, T, d)
        a, attention_backward = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        y, proj_backward = self.proj(a.transpose(0, 2, 1, 3).reshape(N, T, -1))

        def backward(dy: Array) -> Array:
            da = proj_backward(dy).reshape(N, T, self.heads, self.size).transpose(0, 2, 1, 3)
            dq, dk, dv, _ = attention_backward(da)
            return qkv_backward(np.stack([dq, dk, dv]).transpose(1, 3, 0, 2, 4).reshape(qkv.shape))

        return y, backward


class ParallelBlock(Block):
    """A `Block` without dropout whose halves lie on several processes; x and y the same on each.

    The norms and the two sums are computed on every process alike: they cost little, and to divide them would need more
    to be sent. Two sums forward and two backward, each of N T D numbers, whatever the number of processes.
    """

    attention: ParallelAttention
    mlp: ParallelMLP  # type: ignore[assignment]  # called in the same way

    def __init__(self, whole: Block, rank: int, world: int, group: Communicator) -> None:
        self.norm1, self.norm2 = copy.deepcopy(whole.norm1), copy.deepcopy(whole.norm2)
        attention: Any = whole.attention
        self.attention = ParallelAttention(attention, rank, world, group)
        self.dropout1 = nn.Dropout(0.0)
        self.mlp = ParallelMLP(whole.mlp, rank, world, group)
        self.zero_grad()


def chosen(whole: nn.Linear, outputs: Array | slice, inputs: Array | slice) -> nn.Linear:
    """The linear layer of some outputs and some inputs of another."""
    weight, bias = whole.weight.data[outputs][:, inputs], whole.bias
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, dtype=weight.dtype)
    layer.weight.data = weight.copy(order="C")
    if layer.bias is not None and bias is not None:
        layer.bias.data = bias.data[outputs].copy()
    return layer


def gather(array: Array, rank: int, world: int, group: Communicator) -> Array:
    """Every process's `array`, stacked: (R, *). By a sum, of zeros with this process's array in its place."""
    mine = np.zeros_like(array, shape=(world, *array.shape), order="C")
    mine[rank] = array
    return group.all_reduce(mine)


def parallel_cross_entropy(
    x: Array, target: Array, rank: int, world: int, group: Communicator
) -> tuple[Array, Backward]:
    """The mean of `cross_entropy` where each process has the logits of some classes: x_r (N, K_r), target (N) of all.

    The classes are numbered through, rank by rank. With m_n the row's maximum over all processes,
        S_n = sum_r sum_(k in r) exp(x_nk - m_n),    loss = 1/N sum_n (log S_n - (x_nt - m_n)),    t = target_n
    Sent are a maximum for each row and process, then two numbers a row (S_n and x_nt - m_n, which is 0 where the true
    class lies elsewhere), instead of the K logits.

    Backward. dL/dx_nk = dloss / N (exp(x_nk - m_n) / S_n - [k = t]): a process has its own columns, and sends nothing.

    Errors: ValueError for a target that is not (N,), IndexError for one outside 0..K-1. Equals
    `torch.nn.functional.cross_entropy` of the whole rows.
    """
    N, mine = x.shape
    if target.shape != (N,):
        raise ValueError(f"parallel_cross_entropy: target must be ({N},), as x is {x.shape}, but got {target.shape}")
    sizes = gather(np.array(mine), rank, world, group)  # (R,)
    if N and not 0 <= target.min() <= target.max() < sizes.sum():
        raise IndexError(
            f"parallel_cross_entropy: target must lie between 0 and {sizes.sum() - 1}, "
            f"but got {target.min()} to {target.max()}"
        )
    place = target - sizes[:rank].sum()  # of the true class among mine
    here = (place >= 0) & (place < mine)
    rows, place = np.flatnonzero(here), place[here]

    shifted = x - gather(x.max(axis=1), rank, world, group).max(axis=0)[:, None]  # (N, K_r)
    x_target = np.zeros_like(shifted, shape=(N,), order="C")
    x_target[rows] = shifted[rows, place]
    exp_x = np.exp(shifted)
    exp_sum, x_target = group.all_reduce(np.stack([exp_x.sum(axis=1), x_target]))  # each (N,)
    loss = np.asarray((np.log(exp_sum) - x_target).mean())

    def backward(dloss: Array | None = None) -> Array:
        scale = np.full_like(exp_sum, 1 / N if dloss is None else dloss / N)  # (N,)
        dx = exp_x * (scale / exp_sum)[:, None]
        dx[rows, place] -= scale[rows]
        return dx

    return loss, backward
