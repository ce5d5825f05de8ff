"""DistributedDataParallel: two processes, each with its share of the batch, their gradients averaged over gloo.

DDP averages ranks, not examples: with the gradients g_r of each rank's own loss the truth is

    g = (g_0 + ... + g_{W-1}) / W,

whatever the shares' sizes. So every rank's run is recorded and replayed here, eagerly, and g is the mean of the
replays. A gradient of two processes that is another sum w_0 g_0 + w_1 g_1 is told by its weights w.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed

from torchref.nn.module import Array
from torchref.referee.compare import Difference
from torchref.referee.errors import RefereeError
from torchref.referee.globally import Globally
from torchref.referee.noise import Noise
from torchref.referee.opaque import entered
from torchref.referee.report import Report
from torchref.referee.run import gradients_after
from torchref.referee.through import call_through

__all__ = ["WORLD", "MeanOfRanks", "gradients_by_rank", "judge_ranks", "shares"]

WORLD = 2  # processes
LIMIT = timedelta(minutes=5)  # after which a rank that waits for another gives up; no verdict depends on it

Share = Callable[[int, int], torch.Tensor]


def shares(closure: Share) -> list[Callable[[], torch.Tensor]]:
    """The closure of each rank: `closure(rank, world)` is the loss of the rank's share of the batch."""

    def share(rank: int) -> Callable[[], torch.Tensor]:
        return lambda: closure(rank, WORLD)

    return [share(rank) for rank in range(WORLD)]


class MeanOfRanks(Globally):
    """The mean of the replays of every rank's run; a leaf that a rank did not use has no gradient there."""

    def __init__(self, ranks: list[Globally]) -> None:
        self.ranks = ranks
        self.recordings = [recording for rank in ranks for recording in rank.recordings]
        self.recording = ranks[0].recording
        self.dtypes = set().union(*(rank.dtypes for rank in ranks))
        self.in_float64 = all(rank.in_float64 for rank in ranks)
        self.given = all(rank.given for rank in ranks)
        self.refs = {key: ref for rank in ranks for key, ref in rank.refs.items()}
        self.lacking = set()

    def gradients(self, noise: Noise | None = None) -> Iterable[tuple[int, Array | None]]:
        """The mean of the ranks' gradients."""
        sums = {key: np.zeros(ref.size) for key, ref in self.refs.items()}
        lacking = set()
        for rank in self.ranks:
            for key, gradient in rank.gradients(noise):
                if gradient is None:
                    lacking.add(key)
                else:
                    sums[key] += gradient / len(self.ranks)
        return ((key, None if key in lacking else total) for key, total in sums.items())

    def from_given(self) -> MeanOfRanks:
        """The same from the values of the runs."""
        return MeanOfRanks([rank.from_given() for rank in self.ranks])


def judge_ranks(model: torch.nn.Module, closure: Share, truth: MeanOfRanks, report: Report) -> None:
    """Enter what the processes' gradients are into the report: each rank holds the same, or should.

    A parameter is entered once for the ranks at which it is equal, and once for those at which it parts.
    """
    names = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    used = [set(names) & set(rank.recording.leaves) for rank in truth.ranks]
    groups: dict[tuple[int, bool], list[tuple[int, Difference]]] = defaultdict(list)
    said = ""
    for rank, gradients in enumerate(gradients_by_rank(model, closure, unused=used != [set(names)] * WORLD)):
        known = {key: gradient for key, gradient in gradients.items() if key in truth.refs}
        found = truth.differences(known)
        parted = {key: known[key] for key, d in found.items() if not d.equal}
        said = said or (weights_said(truth, parted) if parted else "")
        for key, d in found.items():
            groups[key, d.equal].append((rank, d))
    for (key, equal), ranks in groups.items():
        worst = max((d for _, d in ranks), key=lambda d: d.error)
        at = " and ".join(f"rank {rank}" for rank, _ in ranks)
        judgement = replace(entered(names[key], truth.refs[key], worst), feeds=at)
        if equal:
            report.judged.append(judgement)
        else:
            report.parted.append(replace(judgement, op="the mean over the ranks", diagnosis=said))


def weights_said(truth: MeanOfRanks, gradients: dict[int, Array]) -> str:
    """By which weights the ranks' gradients make the wrong ones; empty where no weights do.

    Least squares: gradient = sum_r w_r g_r, over all entries of all gradients that part.
    """
    zeros = {key: np.zeros(gradient.shape) for key, gradient in gradients.items()}
    by_rank = [zeros | {k: g for k, g in rank.gradients() if g is not None} for rank in truth.ranks]
    columns = [np.concatenate([found[key].ravel() for key in gradients]) for found in by_rank]
    wrong = np.concatenate([gradient.ravel() for gradient in gradients.values()])
    matrix = np.stack(columns, axis=1)  # (entries, ranks)
    weights, _, independent, _ = np.linalg.lstsq(matrix, wrong)
    ours = matrix.mean(axis=1)
    if independent < len(columns) or np.abs(wrong - matrix @ weights).max() > 0.05 * np.abs(wrong - ours).max():
        return ""
    found = " and ".join(f"{round(float(weight), 4) + 0.0:g}" for weight in weights)
    return f"the ranks' gradients have the weights {found}, and should have {1 / len(columns):g} each"


# --- the processes ----------------------------------------------------------------------------------------------------


def gradients_by_rank(model: torch.nn.Module, closure: Share, *, unused: bool) -> list[dict[int, Array]]:
    """The parameters' gradients in each of the processes, by the parameter's id in this one.

    `unused`: a rank does not use all parameters, and DDP has to look for them, else it waits for their gradients.

    The processes are forked, so that model and closure need not be pickled. They meet at a file, not at a port. If one
    ends without an answer, the other would wait for it: it is ended, too.
    """
    if not hasattr(os, "fork") or torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch's
        raise RefereeError("the engine ddp forks two processes, which cannot be done here, or not beside CUDA in use")
    context = get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        processes, pipes = [], []
        try:
            for rank in range(WORLD):
                read, write = context.Pipe(duplex=False)
                arguments = (rank, str(Path(folder) / "store"), model, closure, unused, write)
                process = context.Process(target=run_rank, args=arguments, daemon=True)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # forking beside threads
                    process.start()
                write.close()
                processes.append(process)
                pipes.append(read)
            return answers(pipes)
        finally:
            for process in processes:
                process.kill()
                process.join()


def answers(pipes: list[Any]) -> list[dict[int, Array]]:
    """What the ranks send, in their order. RefereeError as soon as one sends an error or ends without an answer."""
    found: dict[int, Any] = {}
    waiting = dict(enumerate(pipes))
    patience = None  # for as long as it takes; once one has failed, a moment for what the others say
    while waiting and (ready := connection.wait(waiting.values(), patience)):
        for rank in [rank for rank, pipe in waiting.items() if pipe in ready]:
            try:
                found[rank] = waiting.pop(rank).recv()
            except EOFError:
                found[rank] = "it died"
            if isinstance(found[rank], str):
                patience = 1.0
    failed = [f"rank {rank}: {answer}" for rank, answer in sorted(found.items()) if isinstance(answer, str)]
    if failed:
        raise RefereeError(f"in the processes of DDP: {'; '.join(failed)}")
    return [found[rank] for rank in range(len(pipes))]


def run_rank(rank: int, store: str, model: torch.nn.Module, closure: Share, unused: bool, pipe: Any) -> None:
    """A process: the closure's run under DDP, and the gradients that it leaves, into the pipe."""
    torch.set_num_threads(1)  # the threads of the parent's pool were not forked
    generator = torch.get_rng_state()  # the one with which the run was recorded
    try:
        distributed.init_process_group(
            "gloo", init_method=f"file://{store}", rank=rank, world_size=WORLD, timeout=LIMIT
        )
        parallel = torch.nn.parallel.DistributedDataParallel(model, find_unused_parameters=unused)
        torch.set_rng_state(generator)
        calls = call_through(parallel, model)
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        loss = closure(rank, WORLD)
        if not calls:
            raise RefereeError("the closure does not call the model itself, so that DDP does not see its forward")
        pipe.send(gradients_after(loss, parameters))
    except Exception as error:  # noqa: BLE001 (it is the user's)
        with suppress(OSError):
            pipe.send(f"{type(error).__name__}: {' '.join(str(error).split())}")
    finally:
        pipe.close()
        with suppress(Exception):
            distributed.destroy_process_group()
