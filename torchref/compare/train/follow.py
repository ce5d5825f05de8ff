"""What the ranks other than the first do in a training: every step, and no record of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from torchref.compare.comparison import Comparison
from torchref.compare.lockstep.outcome import Diverged, NotFinite
from torchref.compare.lockstep.ranks import Ranks
from torchref.compare.record.recorder import Recorder
from torchref.compare.train.progress import ProgressDisplay
from torchref.compare.train.resume import is_finished
from torchref.compare.train.run import lockstep_of, prepare_on
from torchref.compare.train.variant import VariantTraining

__all__ = ["follow"]


def follow(
    comparison: Comparison, ranks: Ranks, *, folder: Path, only: str | None, resume: bool, sabotage: str | None
) -> None:
    """Train the variants as rank 0 does in `run`; what is shown of the progress goes into this rank's log."""
    prepared = prepare_on(ranks, comparison, only, sabotage)
    ranks.agreed(lambda: None)  # rank 0 has made its folder
    count = len(prepared.variants)
    with ProgressDisplay() as progress:
        for index, variant in enumerate(prepared.variants):

            def show(step: int, steps: int, variant: str = variant, index: int = index) -> None:
                progress(variant, step, steps, index, count)

            lockstep = lockstep_of(comparison, variant, prepared, sabotage, ranks)
            training = Following(comparison, variant, prepared.data, folder / variant, lockstep)
            if training.follow(resume, show):
                break


class Following(VariantTraining):
    """One variant on a rank that records nothing. Steps, epochs and checkpoints come as on rank 0."""

    def follow(self, resume: bool, on_progress: Callable[[int, int], None]) -> bool:
        """Train to the end; whether the twins have parted on any rank."""
        begun = self.begun(resume)
        if begun is not None:
            step, arrays, state = begun
            self.go_on(step, arrays, state)
            if is_finished(state, self.comparison):
                return False
        parted = ended = False
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            try:
                self.run_epochs(None, self.folder, on_progress)  # type: ignore[arg-type]  # nothing is recorded
            except Diverged:
                parted = True
            except NotFinite:
                ended = True
            self.lockstep.judged()
        if not parted and not ended:
            self.lockstep.state({})
        return parted

    def record_step(self, *_: Any) -> None:
        """Nothing, as all of these."""

    def record_losses(self, *_: Any) -> None: ...

    def record_epoch(self, *_: Any) -> None: ...

    def checkpoint(self, checkpoints: Path, recorder: Recorder, order_state: Any = None) -> None:  # noqa: ARG002
        """Tell rank 0, which writes the checkpoint, what this rank has of its own."""
        self.lockstep.state({})
