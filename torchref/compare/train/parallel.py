"""One process of a run on several: what `torchref compare --parallel data` does under torchrun."""

from __future__ import annotations

import platform
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import distributed

import torchref
from torchref.compare.comparison import Comparison
from torchref.compare.lockstep.ranks import Agreed, join
from torchref.compare.train.follow import follow
from torchref.compare.train.progress import OnProgress
from torchref.compare.train.report import Report
from torchref.compare.train.run import prepare_on, train

__all__ = ["Lost", "train_rank"]


class Lost(Exception):
    """Another rank has gone in the middle of the work."""


def train_rank(
    ask: Callable[[], tuple[Comparison, Path]],
    *,
    only: str | None,
    resume: bool,
    sabotage: str | None,
    on_progress: OnProgress,
) -> Report | None:
    """Train as one rank of those that torchrun has started. `ask()` is the comparison, and the folder of its run.

    Rank 0 returns the report, and raises what is a user's mistake on any rank; the others return None.
    """
    ranks = join()
    try:
        ranks.check_same(versions())
        comparison, folder = ranks.agreed(ask)
        if ranks.rank > 0:
            follow(comparison, ranks, folder=folder, only=only, resume=resume, sabotage=sabotage)
            return None
        prepared = prepare_on(ranks, comparison, only, sabotage)
        return train(comparison, folder, prepared, resume, sabotage, on_progress, ranks)
    except Agreed:
        if ranks.rank > 0:
            return None
        raise
    except RuntimeError as error:
        if is_lost(error):
            raise Lost(str(error)) from error
        raise
    finally:
        with suppress(RuntimeError):  # another rank has gone
            distributed.destroy_process_group()


def versions() -> dict[str, str]:
    """What must be the same on every rank, so that all compute the same."""
    return {
        "torchref": torchref.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def is_lost(error: RuntimeError) -> bool:
    """Whether gloo, or nccl, says that a connection was closed."""
    said = str(error).lower()
    return isinstance(error, distributed.DistError) or "gloo" in said or "connection" in said
