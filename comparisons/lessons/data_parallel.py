"""Two processes that average their gradients train as one process does on the whole batch.

Varied: how a batch is shared (equally, unequally, a last batch that does not divide), what is averaged (micro-batches,
losses over tokens, clipped gradients), and the network (plain, with batch norm, with dropout).
Measured: in a trained network, |averaged - whole| / |whole| over the gradients of all parameters, where the whole
batch's gradient is that of one process; and the same with the weights that each case needs.
Refuted by: an average over equal shares that is not the whole batch's gradient.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import torchref
from torchref.compare import Comparison
from torchref.compare.datasets.bundled import digits
from torchref.compare.teach import Figures, Finding, Lesson, Trained, equal, gradients_of, larger
from torchref.nn.communicator import in_threads
from torchref.nn.module import Array
from torchref.nn.random import Tape, set_rng

BATCH, EQUAL, UNEQUAL, LAST = 12, (6, 6), (8, 4), (3, 2)  # examples: of a batch, and of each process
MICRO = ((4, 2), (3, 3))  # micro-batches of each process, whose gradients add up before they are averaged
IGNORED = -100  # the label of a token that does not count
MAX_NORM = 0.5  # of the whole batch's norm: what gradients are clipped to
DRAWS = 40  # masks, over which the gradient's spread is measured

Gradients = dict[str, Array]


def network(nn: Any, norm: bool = False, p: float = 0.0) -> Any:
    """Two layers; with batch norm, or dropout, between them."""
    return nn.Sequential(
        nn.Linear(64, 16), *([nn.BatchNorm1d(16)] if norm else []), nn.Tanh(), nn.Dropout(p), nn.Linear(16, 10)
    )


def training(**options: Any) -> Comparison:
    """Digits, in whole batches."""
    return Comparison(
        name="data_parallel",
        claim="",
        model=network,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1),
        data=lambda: digits(0.7),
        variants={"default": options},
        epochs=2,
    )


# --- gradients of shares ----------------------------------------------------------------------------------------------


def cut(sizes: Sequence[int]) -> list[slice]:
    """Where shares of these sizes lie, one behind the other."""
    return [slice(a, b) for a, b in pairwise([sum(sizes[:rank]) for rank in range(len(sizes) + 1)])]


def of_shares(model: Any, x: Array, target: Array, sizes: Sequence[int]) -> list[Gradients]:
    """The gradient of each share's own loss, a mean over what counts in it."""
    criterion = torchref.nn.CrossEntropyLoss()
    return [gradients_of(fresh(model), criterion, x[part], target[part]) for part in cut(sizes)]


def fresh(model: Any) -> Any:
    """A copy, as each process has one, that draws for itself."""
    own = copy.deepcopy(model)
    set_rng(own, np.random.default_rng(0))
    return own


def weighted(gradients: Sequence[Gradients], weights: Sequence[float]) -> Gradients:
    """sum_r w_r g_r."""
    pairs = list(zip(gradients, weights, strict=True))
    return {name: np.sum([weight * each[name] for each, weight in pairs], axis=0) for name in gradients[0]}


def mean(gradients: Sequence[Gradients]) -> Gradients:
    """What DistributedDataParallel makes of the processes' gradients, whatever their shares."""
    return weighted(gradients, [1 / len(gradients)] * len(gradients))


def norm(gradients: Gradients) -> float:
    """The norm of all gradients together."""
    return float(np.sqrt(sum(np.sum(gradient**2) for gradient in gradients.values())))


def apart(gradients: Gradients, whole: Gradients) -> float:
    """|gradients - whole| / |whole|."""
    return norm({name: gradients[name] - whole[name] for name in whole}) / norm(whole)


def clipped(gradients: Gradients, to: float) -> Gradients:
    """The gradients, shortened so that their norm is at most `to`, as `clip_grad_norm_` does it."""
    factor = min(1.0, to / (norm(gradients) + 1e-6))
    return {name: factor * gradient for name, gradient in gradients.items()}


def synced(model: Any, x: Array, target: Array, sizes: Sequence[int]) -> list[Gradients]:
    """The gradients of each share, SyncBatchNorm in the place of batch norm, of sum_r n_r / N L_r.

    The loss is weighted before it goes back, as the backward of SyncBatchNorm adds up what the processes' losses say.
    """
    criterion, parts = torchref.nn.CrossEntropyLoss(), cut(sizes)

    def rank(number: int, group: Any) -> Gradients:
        own = torchref.nn.SyncBatchNorm.convert_sync_batchnorm(fresh(model), group)
        own.zero_grad()
        output, backward = own(x[parts[number]])
        _, loss_backward = criterion(output, target[parts[number]])
        backward(sizes[number] / sum(sizes) * loss_backward())
        return {name: parameter.grad for name, parameter in own.named_parameters() if parameter.grad is not None}

    return in_threads(len(sizes), rank)


# --- figures ----------------------------------------------------------------------------------------------------------


def measure(trained: Trained) -> dict[str, float]:
    """Distances from the whole batch's gradient. Without the effect each process keeps the gradient that it has."""
    model = trained.model
    order = trained.rng.permutation(len(trained.data.train_inputs))[:BATCH]
    x, target = trained.data.train_inputs[order], trained.data.train_targets[order]
    whole = of_shares(model, x, target, [BATCH])[0]
    equally, unequally = of_shares(model, x, target, EQUAL), of_shares(model, x, target, UNEQUAL)
    equal_mean = equally[0] if trained.off else mean(equally)
    limit = MAX_NORM * norm(whole)
    return {
        "equal shares": apart(equal_mean, whole),
        "unequal shares": apart(mean(unequally), whole),
        "unequal shares, weighted": apart(weighted(unequally, [n / BATCH for n in UNEQUAL]), whole),
        "clipped after": apart(clipped(equal_mean, limit), clipped(whole, limit)),
        "clipped before": apart(mean([clipped(each, limit) for each in equally]), clipped(whole, limit)),
        **last_batch(model, x, target),
        **micro_batches(model, x, target, whole),
        **tokens(model, x, target),
        "SyncBatchNorm": apart(weighted(synced(model, x, target, UNEQUAL), [1.0, 1.0]), whole),
        **masks(model, x, target, trained.comparison.seed),
    }


def last_batch(model: Any, x: Array, target: Array) -> dict[str, float]:
    """Five examples are left for two processes: cut into 3 and 2; or the first once more, as samplers pad them."""
    left = sum(LAST)
    x, target = x[:left], target[:left]
    whole, each = of_shares(model, x, target, [left])[0], of_shares(model, x, target, LAST)
    x, target = np.concatenate([x, x[:1]]), np.concatenate([target, target[:1]])
    return {
        "last batch": apart(mean(each), whole),
        "last batch, padded": apart(mean(of_shares(model, x, target, (3, 3))), whole),
        "last batch, weighted": apart(weighted(each, [n / left for n in LAST]), whole),
    }


def micro_batches(model: Any, x: Array, target: Array, whole: Gradients) -> dict[str, float]:
    """Each process adds its micro-batches up (DDP's no_sync, each loss divided by their number), then they average."""
    sizes = [n for process in MICRO for n in process]
    each, world = of_shares(model, x, target, sizes), len(MICRO)
    usual = weighted(each, [1 / len(process) / world for process in MICRO for _ in process])
    # Each micro-batch's sum times world / N: DDP divides by world.
    right = weighted(each, [n * (world / BATCH) / world for n in sizes])
    return {"micro-batches": apart(usual, whole), "micro-batches, weighted": apart(right, whole)}


def tokens(model: Any, x: Array, target: Array) -> dict[str, float]:
    """Equal shares, of whose targets 1 of 6 and 5 of 6 count: the loss is a mean over those."""
    target = np.where(np.isin(np.arange(BATCH), [0, 6, 7, 8, 9, 10]), target, IGNORED)
    whole = of_shares(model, x, target, [BATCH])[0]
    each = of_shares(model, x, target, EQUAL)
    return {"tokens": apart(mean(each), whole), "tokens, weighted": apart(weighted(each, [1 / 6, 5 / 6]), whole)}


def masks(model: Any, x: Array, target: Array, seed: int) -> dict[str, float]:
    """Masks of each process, joined: the whole batch's. And the gradient's spread, if all processes have one seed."""
    hidden = model[-1].weight.data.shape[1]
    dropout = next(module for module in model.modules() if type(module).__name__ == "Dropout")

    def drawn(*seeds: Any) -> tuple[Gradients, list[Array]]:
        keeps = [np.random.default_rng(s).random((n, hidden)) >= dropout.p for s, n in zip(seeds, EQUAL, strict=True)]
        return mean(
            [with_masks(model, x[p], target[p], keep) for p, keep in zip(cut(EQUAL), keeps, strict=True)]
        ), keeps

    gradients, keeps = drawn([seed, 0], [seed, 1])
    whole = with_masks(model, x, target, np.concatenate(keeps))
    own = [drawn([seed, n, 0], [seed, n, 1])[0] for n in range(DRAWS)]
    shared = [drawn([seed, n, 0], [seed, n, 0])[0] for n in range(DRAWS)]
    return {"masks, joined": apart(gradients, whole), "masks of one seed": spread(shared) / max(spread(own), 1e-300)}


def with_masks(model: Any, x: Array, target: Array, keep: Array) -> Gradients:
    """The gradients with these units kept."""
    own = copy.deepcopy(model)
    set_rng(own, Tape([keep]))
    return gradients_of(own, torchref.nn.CrossEntropyLoss(), x, target)


def spread(gradients: Sequence[Gradients]) -> float:
    """The variance of a gradient over several draws, all entries together."""
    middle = mean(gradients)
    return float(np.mean([norm({name: each[name] - middle[name] for name in middle}) ** 2 for each in gradients]))


def judge(f: Figures) -> list[Finding]:
    plain, batch_norm, dropout = f["plain"], f["batch norm"], f["dropout"]
    small, far = 1e-12, 0.01
    return [
        equal("over equal shares the mean is the whole batch's gradient", plain["equal shares"], small),
        equal("and clipped after it is averaged, too", plain["clipped after"], small),
        larger("shares of 8 and 4: the mean over processes is another", plain["unequal shares"], 0.0, far, "limit"),
        equal("weighted by n / N it is the whole batch's", plain["unequal shares, weighted"], small, "instead"),
        larger("a last batch of 5 on two processes is another", plain["last batch"], 0.0, far, "limit"),
        larger("also padded to 6 by an example twice", plain["last batch, padded"], 0.0, far, "limit"),
        equal("weighted it is the whole batch's", plain["last batch, weighted"], small, "instead"),
        larger("micro-batches of 4, 2 and 3, 3, each a mean, give another", plain["micro-batches"], 0.0, far, "limit"),
        equal("as sums times world / N they do not", plain["micro-batches, weighted"], small, "instead"),
        larger("a loss averaged over the tokens that count gives another", plain["tokens"], 0.0, far, "limit"),
        equal("weighted by the tokens it does not", plain["tokens, weighted"], small, "instead"),
        larger("gradients clipped before they are averaged give another", plain["clipped before"], 0.0, far, "limit"),
        larger(
            "batch norm on each process by itself gives another, over equal shares, too",
            batch_norm["equal shares"],
            0.0,
            far,
            "limit",
        ),
        equal("SyncBatchNorm does not, over shares of 8 and 4", batch_norm["SyncBatchNorm"], small, "instead"),
        equal("masks of each process, joined, are masks of the whole batch", dropout["masks, joined"], small, "beside"),
        larger(
            "drawn from one seed they make the gradient's variance larger",
            dropout["masks of one seed"],
            1.0,
            role="beside",
        ),
    ]


lesson = Lesson(
    name="data_parallel",
    claim=__doc__ or "",
    variants={
        "plain": training(),
        "batch norm": training(norm=True),
        "dropout": training(p=0.3),
    },
    measure=measure,
    judge=judge,
    page="text",
    cards=("figures/equal shares", "figures/unequal shares", "figures/SyncBatchNorm", "loss/training"),
    control="plain",
)
