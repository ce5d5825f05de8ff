"""A lockstep on several processes: each has a share of the batch, and the gradients of all are averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from torchref.compare.comparison import Comparison
from torchref.compare.lockstep.across import Across, AcrossRanks, TrainedStep, check_world
from torchref.compare.lockstep.bounds import in_float64
from torchref.compare.lockstep.outcome import Diverged, Ended, Judged, NotFinite, Step
from torchref.compare.lockstep.ranks import Ranks
from torchref.compare.lockstep.state import rebuilt
from torchref.compare.lockstep.step import Lockstep
from torchref.compare.lockstep.twins import put_back
from torchref.nn.module import Array
from torchref.nn.random import Tape

__all__ = ["ParallelLockstep"]


class ParallelLockstep(Lockstep):
    """One rank of a training in lockstep, torch's twin under DistributedDataParallel.

    A step is compared as ever, on this rank's share, with the gradients of its own loss: no other rank is asked. Then
    the gradients by hand are averaged over the ranks and must be DDP's, and with these all twins take their step.
    """

    ranks: Ranks

    def __init__(
        self,
        comparison: Comparison,
        options: Mapping[str, Any],
        device: torch.device,
        fault: str | None,
        ranks: Ranks,
        unused: bool,
    ) -> None:
        super().__init__(comparison, options, device, fault)
        self.ranks = ranks
        self.across = AcrossRanks(ranks, self.numpy_twin)
        self.begun_on: int | None = None  # how many ranks have begun the training, if it was another number
        self.torch_twin.distribute(unused)
        if ranks.rank > 0:  # each rank draws for itself; the first one as a process alone does
            torch.manual_seed(int(np.random.SeedSequence([comparison.seed, ranks.rank]).generate_state(1)[0]))

    def step(self, x: Array, target: Array, observe: bool = False) -> Step:
        """Train every twin on this rank's share of a batch; every rank is given the whole of it."""
        self.whole = x, target
        share = self.ranks.share(len(x))
        return super().step(x[share], target[share], observe)

    def _agree(self, ended: Ended | None) -> None:
        """Raise what has ended the training here, or on another rank: all end in the same step."""
        if not self.ranks.any(ended is not None):
            return
        watched = ended.watched if isinstance(ended, Diverged) else None
        everyone = self.ranks.gathered(ended.divergence if isinstance(ended, Diverged) else None)
        for rank, found in enumerate(everyone):
            if found is not None:
                raise Diverged(replace(found, tensor=f"{found.tensor} on rank {rank}"), watched) from None
        raise NotFinite(self.steps) from None

    def _reduce(self, tape: Tape, output: Any, loss: Array) -> None:
        """The mean over the ranks by hand, compared with DDP's; and both with the whole batch. Raises Mismatch."""
        own, ddp = self.numpy_twin.named_gradients(), self.torch_twin.named_gradients()
        self.across.judge(self.judge, own, ddp, self.bounds.screen)
        put_back(self.referee, self.torch_twin)
        x, target = in_float64(self.whole)
        draws = self.torch_twin.draws
        self.across.measure(self.referee, TrainedStep(x, target, tape, draws, output, loss, own, ddp))
        begun_on = self.begun_on
        if begun_on is not None:  # what a mean over these ranks is was not measured before
            self.ranks.agreed(lambda: check_world(self.torch_twin, vars(self.across.found), begun_on, self.ranks.world))

    def _reduce_free(self, losses: Array) -> Array:
        """The free twin's gradients become their mean, running statistics those of rank 0, as DDP has it."""
        for name, gradient in self.across.mean(self.free_twin.named_gradients()).items():
            self.free_twin.parameters[name].grad = gradient
        for twin in (self.numpy_twin, self.free_twin, *([self.referee] if self.dtype == np.float32 else [])):
            for _, module, attribute, _ in twin.buffers:
                setattr(module, attribute, self.ranks.of_first_array(getattr(module, attribute)))
        share = self.ranks.share(len(self.whole[0]))
        return self.ranks.all_reduce(losses * ((share.stop - share.start) / len(self.whole[0])))

    def judged(self) -> Judged:
        """What all ranks have compared: the tensors of all, the largest difference and share of any."""
        everyone = self.ranks.gathered(super().judged())
        judges = [each.judge for each in everyone]
        worst = max(range(self.ranks.world), key=lambda rank: judges[rank].largest_share)
        judge = replace(
            judges[worst],
            tensors=sum(judge.tensors for judge in judges),
            largest=max((judge.largest for judge in judges if judge.largest is not None), default=None),
            largest_tensor=f"{judges[worst].largest_tensor} on rank {worst}",
        )
        canary = {
            f"{name} on rank {rank}": caught
            for rank, each in enumerate(everyone)
            for name, caught in each.canary.items()
        }
        return Judged(judge, canary, sum(each.kinks for each in everyone))

    def _gathered(self, own: dict[str, Any]) -> list[dict[str, Any]]:
        return self.ranks.gathered(own | {"across": vars(self.across.found)})

    def _own_of(self, tree: Any) -> Any:
        """This rank's part; None where there were as many, or fewer, ranks, and this one begins afresh."""
        states, rank = tree["ranks"], self.ranks.rank
        check_world(self.torch_twin, states[0].get("across"), len(states), self.ranks.world)
        if len(states) != self.ranks.world:
            self.begun_on = len(states)
        elif "across" in states[rank]:  # which a run without ranks has not
            self.across.found = rebuilt(Across, states[rank]["across"])
        return states[rank] if rank < len(states) else None
