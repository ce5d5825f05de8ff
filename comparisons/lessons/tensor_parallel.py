"""A transformer cut over processes by heads and hidden units is the whole one, for two sums a block each way.

Varied: 1, 2 and 4 processes; each has some heads, some hidden units and some letters of the vocabulary. Measured at the
weights of a trained GPT, on real text: loss, gradient of the blocks' input, gradients of all weights (their parts put
together again), each beside the whole network's; how many sums a block asks for, and how many numbers they send.
Refuted by: a difference beyond rounding, or more sums than two forward and two backward.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref import models
from torchref.compare import Comparison
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, equal, steps
from torchref.compare.teach.letters import ALPHABET, WINDOW, text
from torchref.models.gpt import GPT, Block
from torchref.models.tensor_parallel import ParallelBlock, parallel_cross_entropy, part
from torchref.nn import functional as F
from torchref.nn.communicator import Communicator, in_threads
from torchref.nn.module import Array

WIDTH, HEADS, DEPTH, EXAMPLES = 24, 4, 2, 8
STEPS = 20


def training(world: int) -> Comparison:
    """A small GPT that learns the next letter; it will be cut over `world` processes."""
    sizes = len(ALPHABET), WINDOW, WIDTH, HEADS, DEPTH
    return Comparison(
        name="text",
        claim="",
        model=lambda nn, world: models.GPT(*sizes),
        torch_model=lambda nn, world: models.torch_gpt(nn, *sizes),
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.Adam(parameters, lr=0.01),
        data=text,
        variants={f"{world} processes": {"world": world}},
        batch_size=32,
    )


def train(trained: Trained) -> None:
    steps(trained, STEPS)


class Counted:
    """A group that counts what it sends; with `deaf` it no longer sums once `backward` has begun."""

    def __init__(self, group: Communicator, deaf: bool) -> None:
        self.group, self.deaf, self.backward = group, deaf, False
        self.sums, self.numbers = [0, 0], 0  # forward, backward

    def all_reduce(self, array: Array, /) -> Array:
        self.sums[self.backward] += 1
        self.numbers += array.size
        return array if self.deaf and self.backward else self.group.all_reduce(array)


def whole(model: GPT, h: Array, target: Array) -> dict[str, Array]:
    """Loss and gradients of the blocks and the head, on one process."""
    model.zero_grad()
    a, blocks_backward = model.blocks(h)
    logits, head_backward = F.linear(model.norm.predict(a).reshape(-1, WIDTH), model.head.weight.data)
    loss, loss_backward = F.cross_entropy(logits, target)
    dlogits = loss_backward()[0]
    dh = blocks_backward(head_backward(dlogits)[0].reshape(h.shape))
    return {"loss": loss, "dlogits": dlogits, "dh": dh} | gradients(model.blocks[0])


def gradients(block: Any) -> dict[str, Array]:
    """The first block's gradients; of the MLP's matrices by hidden unit."""
    return {
        "up": block.mlp[0].weight.grad,
        "down": block.mlp[2].weight.grad,
        "proj": block.attention.proj.weight.grad,
        "norm1": block.norm1.weight.grad,
    }


def divided(model: GPT, h: Array, target: Array, world: int, deaf: bool) -> tuple[dict[str, Array], list[Any]]:
    """The same on `world` processes: the results of all put together, and of each group what it counted."""

    def of_rank(rank: int, group: Communicator) -> tuple[dict[str, Array], Counted]:
        counted = Counted(group, deaf)
        blocks = [ParallelBlock(block, rank, world, counted) for block in model.blocks if isinstance(block, Block)]
        a, backwards = h, []
        for block in blocks:
            a, backward = block(a)
            backwards.append(backward)
        head = part(model.head.weight.data, rank, world)  # some letters
        logits, head_backward = F.linear(model.norm.predict(a).reshape(-1, WIDTH), head)
        loss, loss_backward = parallel_cross_entropy(logits, target, rank, world, group)
        counted.backward = True
        dlogits = loss_backward()
        da = counted.all_reduce(head_backward(dlogits)[0]).reshape(h.shape)  # the head is cut by outputs, too
        for backward in reversed(backwards):
            da = backward(da)
        first: Any = blocks[0]
        mine = {
            "up": first.mlp.up.weight.grad,
            "down": first.mlp.down.weight.grad,
            "proj": first.attention.proj.weight.grad,
            "norm1": first.norm1.weight.grad,
        }
        return {"loss": loss, "dlogits": dlogits, "dh": da} | mine, counted

    ranks = in_threads(world, of_rank)
    parts = [found for found, _ in ranks]
    together = dict(parts[-1])  # what is the same on every process
    for name, axis in (("dlogits", 1), ("up", 0), ("down", 1), ("proj", 1)):
        together[name] = np.concatenate([found[name] for found in parts], axis)
    return together, [counted for _, counted in ranks]


def measure(trained: Trained) -> dict[str, float]:
    model, (world,) = trained.model, (v["world"] for v in trained.comparison.variants.values())
    symbols = trained.data.validation_inputs[:EXAMPLES]
    target = trained.data.validation_targets[:EXAMPLES].reshape(-1)
    h = model.token.predict(symbols) + model.position.predict(np.arange(WINDOW))  # (N, T, D)
    expected = whole(model, h, target)
    found, groups = divided(model, h, target, world, trained.off)
    errors = {name: np.abs(found[name] - value).max() / np.abs(value).max() for name, value in expected.items()}
    return {
        "loss": errors["loss"],
        "gradients": max(errors.values()),
        "sums forward": groups[0].sums[0] / DEPTH,
        "sums backward": (groups[0].sums[1] - 1) / DEPTH,  # one is the head's
        "numbers": (groups[0].numbers - h.size) / (4 * DEPTH * h.size),
    }


def judge(f: Figures) -> list[Finding]:
    findings = []
    for name in ("2", "4"):
        cut = f[f"{name} processes"]
        findings += [
            equal(f"{name} processes: the loss is the whole network's", cut["loss"], 1e-13),
            equal(f"{name} processes: so are its gradients", cut["gradients"], 1e-12),
        ]
    sums = [f[f"{n} processes"][f"sums {way}"] for n in (1, 2, 4) for way in ("forward", "backward")]
    sent = [f[f"{n} processes"]["numbers"] for n in (1, 2, 4)]
    return [
        *findings,
        always("a block asks for two sums forward and two backward, on however many processes", np.equal(sums, 2)),
        always("each sends N T D numbers, the size of a layer's output, and not of a weight", np.equal(sent, 1)),
    ]


lesson = Lesson(
    name="tensor_parallel",
    claim=__doc__ or "",
    variants={f"{world} processes": training(world) for world in (1, 2, 4)},
    measure=measure,
    judge=judge,
    control="2 processes",
    train=train,
    quick=3,
    seeds=5,
    cards=("figures/gradients", "loss/step"),
)
