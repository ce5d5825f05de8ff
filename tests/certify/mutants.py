"""Do the universal checks notice a `backward` that is a little wrong? Every mutant through the cases that run it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import torchref.nn
import torchref.tensor
from tests.cases import Case
from tests.certify.mutation import Mutant, Owner, forgotten_orders, mutants, ordered, owners, planted
from tests.checks import (
    TINY,
    Built,
    LaidOut,
    Result,
    absent_stays_absent,
    assert_close,
    freeze,
    gradients_fit_their_arrays,
    input_gradients_may_be_skipped,
    judge_layouts,
    map_tree,
    parts_of_the_upstream_may_be_absent,
)
from torchref.check.tolerance.rounding import MARGIN, rounding_spread

LIBRARY = str(Path(torchref.__file__).parent)
LINES = 1_000_000  # of the library: a mutant that runs more has been noticed
NOTICED = "noticed by "
NOT_MUTATED = ("torchref.nn.half", "torchref.tensor.calling")
SURVIVORS = Path(__file__).with_name("survivors.txt")


class Prepared:
    """A case with torch's gradients and their bounds, to be run again and again."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.built = Built(case, np.float64)
        self.expected = self.built.run_theirs().named()
        # a mutant may write into what it is handed: it must not change the case for those that follow
        map_tree(freeze, (self.built.inputs, self.built.options))
        self.buffers = [(m, name, b) for m in self.built.ours.modules() for name, b in m.own_buffers()]
        self._limits: dict[str, Any] | None = None
        self._single: Built | None = None  # in float32, once it is wanted

    def limits(self) -> dict[str, Any]:
        if self._limits is None:
            self.reset()
            _, spread = rounding_spread(self.built.referee().results, np.float64)
            self._limits = {name: MARGIN * s + TINY for name, s in spread.items()}
        return self._limits

    def reset(self) -> None:
        for module, name, buffer in self.buffers:
            setattr(module, name, buffer)
        self.built.ours.zero_grad()

    def gradients(self) -> Result:
        self.reset()
        return self.built.run_ours()

    def run_backwards(self) -> set[tuple[str, int]]:
        """(file, line) of the backwards that this case runs."""
        return self.run_functions("backward")

    def run_functions(self, called: str = "") -> set[tuple[str, int]]:
        """(file, line) of the functions that this case runs and whose names hold `called`."""
        run: set[tuple[str, int]] = set()

        def note(frame: Any, event: str, _argument: Any) -> None:
            if event == "call" and called in frame.f_code.co_name:
                run.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

        sys.setprofile(note)
        try:
            self.gradients()
        finally:
            sys.setprofile(None)
        return run

    def notices(self, mutant: Mutant) -> bool:
        """Whether with the mutant in place the gradients differ from torch's, or none come out."""
        limits = self.limits()
        try:
            with planted(mutant), impatient(), absent_stays_absent():
                actual = self.gradients().named()
            for name, expected in self.expected.items():
                if name.startswith("gradient"):
                    assert_close(name, actual[name], expected, limits.get(name, 0.0), "")
            gradients_fit_their_arrays(self.built, actual)
            with planted(mutant), impatient():
                parts_of_the_upstream_may_be_absent(self.built)
                input_gradients_may_be_skipped(self.built)
        except Exception:  # a mutant may raise anything
            return True
        return actual.keys() != self.expected.keys()

    def notices_in_another_order(self, mutant: Mutant) -> bool:
        """Whether with the mutant in place the order of an array in memory makes a difference."""
        self.reset()
        try:
            with planted(mutant), np.errstate(all="ignore"):
                judge_layouts(LaidOut(self.built))
        except Exception:  # a mutant may raise anything
            return True
        return False

    def notices_in_float32(self, mutant: Mutant) -> bool:
        """Whether a gradient leaves float32. (Its digits show little there: 1e-6 is rounding.)"""
        if self._single is None:
            self._single = Built(self.case, np.float32)
            self._single.run_theirs()
        self._single.ours.zero_grad()
        try:
            with planted(mutant), impatient():
                gradients_fit_their_arrays(self._single, self._single.run_ours().named())
        except Exception:
            return True
        return False


@contextmanager
def impatient() -> Iterator[None]:
    """TimeoutError after `LINES` lines of the library's: an endless loop is noticed, however busy the machine is."""
    left = LINES

    def count(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal left
        left -= event == "line"
        if left < 0:
            raise TimeoutError
        return count

    def enter(frame: Any, _event: str, _argument: Any) -> Any:
        return count if frame.f_code.co_filename.startswith(LIBRARY) else None

    kept = sys.gettrace()
    sys.settrace(enter)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.settrace(kept)


@dataclass
class Score:
    """What became of one function's mutants."""

    owner: Owner
    cases: int = 0
    planted: int = 0
    by_tests: int = 0  # caught by a test that is named for it, not by the cases
    survivors: list[Mutant] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)  # whose cases run it
    of_order: bool = False  # mutants that forget a memory order: judged by all orders of the cases, not by probes

    @property
    def caught(self) -> int:
        return self.planted - len(self.survivors)


def prepared(cases: list[Case]) -> list[Prepared]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [Prepared(case) for case in cases]


def all_modules() -> list[str]:
    found = [
        module
        for package in (torchref.nn, torchref.tensor)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    # cases in float64 do not enter half; test_mutation.py has the check of float16 notice its mutants. calling
    # holds decorators: they have done their work when a mutant of them is planted.
    return [module.name for module in found if not module.ispkg and module.name not in NOT_MUTATED]


def cases_by_owner(cases: list[Prepared], modules: list[str]) -> dict[Owner, list[Prepared]]:
    """For each function with a backward the cases that run it, quick ones first."""
    return _cases_by_owner(cases, {name: owners(name) for name in modules}, "backward")


def cases_by_maker(cases: list[Prepared], modules: list[str]) -> dict[Owner, list[Prepared]]:
    """For each function that states the memory order of an array the cases that run it."""
    return _cases_by_owner(cases, {name: ordered(name) for name in modules}, "")


def _cases_by_owner(cases: list[Prepared], owned: dict[str, list[Owner]], called: str) -> dict[Owner, list[Prepared]]:
    files = {importlib.import_module(name).__file__: group for name, group in owned.items()}
    found: dict[Owner, list[Prepared]] = {owner: [] for group in files.values() for owner in group}
    for case in cases:
        hit = {o for file, line in case.run_functions(called) for o in files.get(file, ()) if line in o.lines}
        for owner in hit:
            found[owner].append(case)
    return found


def survive(found: dict[Owner, list[Prepared]]) -> list[Score]:
    """Plant every mutant of every function that a case runs; what neither cases nor its test notice survives."""
    known, scores = excused(), []
    for owner, cases in found.items():
        score = Score(owner, len(cases), modules={p.case.module for p in cases})
        scores.append(score)
        if not cases:
            continue
        for mutant in mutants(owner):
            score.planted += 1
            killer = next((i for i, case in enumerate(cases) if case.notices(mutant)), None)
            if killer:  # what noticed this one may notice the next
                cases.insert(0, cases.pop(killer))
            if killer is None and not any(case.notices_in_float32(mutant) for case in cases):
                reason = known.get(mutant.name, "")
                if reason.startswith(NOTICED) and noticed_by(reason.removeprefix(NOTICED), mutant):
                    score.by_tests += 1
                else:
                    score.survivors.append(mutant)
    return scores


def survive_forgotten_orders(found: dict[Owner, list[Prepared]]) -> list[Score]:
    """Plant every forgotten memory order; what no case notices in any order of its arrays survives."""
    scores = []
    for owner, cases in found.items():
        if cases:
            score = Score(owner, len(cases), modules={p.case.module for p in cases}, of_order=True)
            for mutant in forgotten_orders(owner):
                score.planted += 1
                if not any(case.notices_in_another_order(mutant) for case in cases):
                    score.survivors.append(mutant)
            scores.append(score)
    return scores


def noticed_by(test: str, mutant: Mutant) -> bool:
    """Whether this test (`tests.nn.test_loss.test_x`, without arguments) fails with the mutant in place."""
    module, _, name = test.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    function()
    try:
        with planted(mutant), impatient():
            function()
    except Exception:
        return True
    return False


def excused() -> dict[str, str]:
    """The mutants that no case notices: lines `mutant  # reason`, or `mutant  # noticed by a test's name`."""
    lines = SURVIVORS.read_text(encoding="utf-8").splitlines() if SURVIVORS.exists() else []
    pairs = (line.partition("  # ") for line in lines if line and not line.startswith("#"))
    return {name: reason for name, _, reason in pairs}
