"""The certificate's work in parts, which run one after the other here, or side by side on a cluster's workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from tests.cases import Case, all_cases
from tests.certify.equal import told_apart
from tests.certify.measure import Measured, measure
from tests.certify.mutants import (
    Prepared,
    all_modules,
    cases_by_maker,
    cases_by_owner,
    prepared,
    survive,
    survive_forgotten_orders,
)
from tests.certify.mutation import Owner
from torchref.compare.errors import UserError
from torchref.compare.tasks.task import Ended, OnProgress, RunTasks, Task

PART = 100  # cases
PARTS = 64  # of the functions whose mutants are planted
Chosen = frozenset[str] | None  # modules; None: all


@dataclass
class Part:
    """What a part has found, and the seconds of computing that it took."""

    found: list[Any]
    seconds: float


@dataclass
class Tally:
    """What became of one function's mutants, by their names: a mutant itself holds code, and stays where it is."""

    owner: str
    modules: set[str]  # whose cases run it
    planted: int
    by_tests: int  # caught by a test that is named for it, not by the cases
    survivors: list[str]
    apart: dict[str, str]  # survivors that random probes tell from the original


def done(
    run_tasks: RunTasks, function: Callable[..., Part], tasks: Sequence[Task], what: str, say: Callable[[str], None]
) -> list[Part]:
    """All parts, in their order. UserError for one that failed."""
    found: dict[int, Part] = {}
    for number, part, error in run_tasks(function, tasks, lambda *_: None):
        if error is not None:
            raise UserError(f"certify: part {number} of the {what} failed: {error}")
        found[number] = part
        say(f"{what}: {len(found)} of {len(tasks)} parts")
    return [found[number] for number in range(len(tasks))]


def in_this_process(function: Callable[..., Any], tasks: Sequence[Task], _on_progress: OnProgress) -> Iterator[Ended]:
    """`RunTasks` without another process; what a task raises is raised."""
    for number, task in enumerate(tasks):
        yield Ended(number, function(lambda *_: None, *task), None)


def cases_of(chosen: Chosen) -> list[Case]:
    return [case for case in all_cases() if chosen is None or case.module in chosen]


def measured(_report: Any, chosen: Chosen, start: int) -> Part:
    """The cases from this one on: each `Measured`, or the line that says how it failed."""
    torch.set_num_threads(1)
    began = time.process_time()
    return Part([one(case) for case in cases_of(chosen)[start : start + PART]], time.process_time() - began)


def one(case: Case) -> Measured | str:
    try:
        return measure(case)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:1000]


@cache
def prepared_cases(chosen: Chosen) -> tuple[dict[Owner, list[Prepared]], dict[Owner, list[Prepared]]]:
    """The cases by the function whose backward they run, and by the one that states a memory order."""
    ready = prepared(cases_of(chosen))
    return cases_by_owner(ready, all_modules()), cases_by_maker(ready, all_modules())


def judged(_report: Any, chosen: Chosen, part: int, probes: int) -> Part:
    """The mutants of every `PARTS`-th function, each with the survivors that random probes tell from it."""
    torch.set_num_threads(1)
    began = time.process_time()
    by_owner, by_maker = (dict(list(found.items())[part::PARTS]) for found in prepared_cases(chosen))
    tallies = []
    for score in survive(by_owner) + survive_forgotten_orders(by_maker):
        judged_by_probes = [] if score.of_order else score.survivors
        cases = [p.case for p in by_owner[score.owner]] if judged_by_probes else []
        apart = told_apart(cases, judged_by_probes, probes) if judged_by_probes else {}
        names = [mutant.name for mutant in score.survivors]
        tallies.append(Tally(score.owner.name, score.modules, score.planted, score.by_tests, names, apart))
    return Part(tallies, time.process_time() - began)
