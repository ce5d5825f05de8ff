"""What the lesson computes in one process is what torch's DistributedDataParallel computes in two, over gloo."""

import copy
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import distributed

import torchref
from comparisons.lessons import data_parallel as lesson
from tests.forked import in_processes
from torchref.compare.lockstep.ranks import join

SEED = 5


def batch():
    rng = np.random.default_rng(SEED)
    return rng.standard_normal((lesson.BATCH, 64)), rng.integers(0, 10, lesson.BATCH)


def networks(norm):
    """The same weights in both engines, in float64."""
    torch.manual_seed(SEED)
    theirs = lesson.network(torch.nn, norm).double()
    ours = lesson.network(torchref.nn, norm).double()
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    return ours, theirs


def clip(model):
    torch.nn.utils.clip_grad_norm_(model.parameters(), lesson.MAX_NORM, foreach=False)


def by_ddp(rank, shares, norm, target, before=False, after=False):
    """The gradients that DDP leaves; `shares` are this rank's micro-batches, `before` clips them on each rank."""
    x, _ = batch()
    _, model = networks(norm)
    criterion = torch.nn.CrossEntropyLoss()
    parallel = torch.nn.parallel.DistributedDataParallel(model)
    parts = lesson.cut([n for share in shares for n in share])
    own = parts[: len(shares[0])] if rank == 0 else parts[len(shares[0]) :]
    for number, part in enumerate(own):
        last = number == len(own) - 1
        with nullcontext() if last and not before else parallel.no_sync():
            loss = criterion(parallel(torch.from_numpy(x[part])), torch.from_numpy(target[part])) / len(own)
            loss.backward()
    if before:  # a clip that does not wait for the mean, which is taken afterwards
        clip(model)
        for parameter in model.parameters():
            distributed.all_reduce(parameter.grad)
            parameter.grad /= 2
    if after:
        clip(model)
    return {name: parameter.grad.numpy() for name, parameter in model.named_parameters()}


def expected(shares, norm, target, before=False, after=False):
    """The same by the lesson's functions."""
    x, _ = batch()
    ours, _ = networks(norm)
    each = lesson.of_shares(ours, x, target, [n for share in shares for n in share])
    ranks = [lesson.mean(each[: len(shares[0])]), lesson.mean(each[len(shares[0]) :])]
    mean = lesson.mean([lesson.clipped(rank, lesson.MAX_NORM) for rank in ranks] if before else ranks)
    return lesson.clipped(mean, lesson.MAX_NORM) if after else mean


def ignoring(target):
    return np.where(np.arange(lesson.BATCH) < 5, lesson.IGNORED, target)


CASES = {
    "equal shares": {"shares": ((6,), (6,))},
    "unequal shares": {"shares": ((8,), (4,))},
    "micro-batches": {"shares": lesson.MICRO},
    "tokens": {"shares": ((6,), (6,)), "ignored": True},
    "clipped before": {"shares": ((6,), (6,)), "before": True},
    "clipped after": {"shares": ((6,), (6,)), "after": True},
    "batch norm": {"shares": ((6,), (6,)), "norm": True},
}


def arguments(case):
    options = {"norm": False, **CASES[case]}
    _, target = batch()
    options["target"] = ignoring(target) if options.pop("ignored", False) else target
    return options


@pytest.fixture(scope="module")
def gloo():
    """By rank and case the gradients under DDP, and those of SyncBatchNorm by hand over the same connection."""

    def rank_of(rank):
        ranks = join()
        found = {case: by_ddp(rank, **arguments(case)) for case in CASES}
        x, target = batch()
        ours, _ = networks(True)
        model = torchref.nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(ours), ranks)
        part = lesson.cut(lesson.UNEQUAL)[rank]
        output, backward = model(x[part])
        _, loss_backward = torchref.nn.CrossEntropyLoss()(output, target[part])
        backward(len(x[part]) / len(x) * loss_backward())
        found["SyncBatchNorm"] = {name: ranks.all_reduce(p.grad) for name, p in model.named_parameters()}
        distributed.destroy_process_group()
        return found

    return in_processes(2, rank_of)


@pytest.mark.parametrize("case", CASES)
def test_the_lesson_averages_as_ddp_does(gloo, case):
    """Catches a recipe in the lesson that is not the one people run: another weight, or clipping at another place."""
    ours = expected(**arguments(case))
    for rank, found in enumerate(gloo):
        apart = lesson.apart(found[case], ours)
        assert apart <= 1e-14, f"{case}, rank {rank}, seed {SEED}: {apart:.3g}"


def test_what_the_lesson_says_is_far_is_far_under_ddp(gloo):
    """Catches a judge that everything passes: these are not the whole batch's gradients."""
    x, target = batch()
    for case in ("unequal shares", "micro-batches", "batch norm"):
        ours, _ = networks(case == "batch norm")
        whole = lesson.of_shares(ours, x, target, [lesson.BATCH])[0]
        assert lesson.apart(gloo[0][case], whole) > 0.01, case


def test_sync_batch_norm_by_hand_over_gloo_is_the_whole_batch(gloo):
    """Catches what threads hide: an array that gloo changes in place, and a share that it does not see."""
    x, target = batch()
    ours, _ = networks(True)
    whole = lesson.of_shares(ours, x, target, [lesson.BATCH])[0]
    for rank, found in enumerate(gloo):
        apart = lesson.apart(found["SyncBatchNorm"], whole)
        assert apart <= 1e-14, f"rank {rank}, seed {SEED}: {apart:.3g}"
