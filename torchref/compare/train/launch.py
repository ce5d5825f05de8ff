"""Start the processes of one run, through torchrun's agent: where one dies, it ends the others."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from torchref.compare.faults import how_it_ended

__all__ = ["LOST", "RankDied", "launch"]

LOST = 5  # the exit status of a rank that has lost another
ANSWERS = (1, 2)  # of rank 0, which has said why


class RankDied(Exception):
    """A rank has died; the message says which one, how, and where its log is."""


def launch(words: Sequence[str], processes: int, logs: Path) -> int:
    """Run `python -m torchref WORDS` in so many processes, and wait for them; returns rank 0's exit status.

    Rank 0 speaks on this terminal; of the others what they say is in `logs`. RankDied where one ends otherwise than a
    command does. KeyboardInterrupt, as ever, for Ctrl-C.
    """
    agent = logging.getLogger("torch.distributed.elastic")  # its own words, of a page each; parts of it set a level
    agent.addHandler(logging.NullHandler())
    agent.propagate = False
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id="torchref",
        max_restarts=0,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        logs_specs=DefaultLogsSpecs(str(logs), redirects=dict.fromkeys(range(1, processes), Std.ALL)),
        shutdown_timeout=5,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "torchref", *words)
    except ChildFailedError as error:
        failures = causes(error.failures)
        if list(failures) == [0] and failures[0].exitcode in ANSWERS:
            return failures[0].exitcode
        raise RankDied(epitaph(failures, logs)) from None
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        return 128 + int(error.sigval)
    return 0


def causes(failures: dict[int, ProcessFailure]) -> dict[int, ProcessFailure]:
    """Those that are no consequence of another: the agent ends the others, or they lose the connection before."""
    consequences = (-signal.SIGTERM, LOST)
    return {rank: each for rank, each in failures.items() if each.exitcode not in consequences} or failures


def epitaph(failures: dict[int, ProcessFailure], logs: Path) -> str:
    """Which rank has died, how, and where its log is."""
    rank = min(failures, key=lambda rank: (failures[rank].timestamp, rank))
    found = max(logs.glob(f"*/attempt_0/{rank}/stderr.log"), key=lambda path: path.stat().st_mtime, default=logs)
    where = "what it said stands above" if rank == 0 else f"its log is {found}"
    return f"rank {rank} {how_it_ended(failures[rank].exitcode)}, and the others were ended; {where}"
