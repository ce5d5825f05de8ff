"""The certificate itself: a row for each module, the figures of all, as JSON and as a page of the manual."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.cases import Case, all_cases
from tests.certify.jax_witness import agreements
from tests.certify.measure import Measured, measure
from tests.certify.mutants import Score, all_modules, cases_by_owner, excused, prepared, survive
from torchref.check.rounding import MARGIN
from torchref.check.theorems import theorems


@dataclass
class Row:
    """What is known of one module of torch.nn."""

    module: str
    witnesses: list[str] = field(default_factory=list)
    cases: int = 0
    tensors: int = 0  # compared with torch, in float64 and float32
    derivatives: int = 0  # entries of Jacobians that complex steps or differences confirm
    proven: int = 0  # entries of gradients that SymPy proves
    share64: float = 0.0  # the worst |error| / S: NumPy against torch in float64
    share32: float = 0.0  # and in float32, of NumPy's results and of torch's, against float64
    alarms: int = 0
    controls: int = 0  # tensors of torch against torch
    false_alarms: int = 0
    planted: int = 0  # mutants of the backwards that its cases run
    caught: int = 0
    survivors: int = 0  # not caught, and excused by a reason


@dataclass
class Certificate:
    rows: list[Row]
    mutants: dict[str, Any]
    environment: dict[str, str]

    @property
    def passed(self) -> bool:
        clean = all(not row.alarms and not row.false_alarms and row.share64 <= MARGIN for row in self.rows)
        return bool(self.rows) and clean and not self.mutants["unexplained"]

    def total(self, name: str) -> Any:
        values = [getattr(row, name) for row in self.rows]
        return max(values, default=0.0) if name.startswith("share") else sum(values)

    @property
    def verdict(self) -> str:
        result = "CERTIFIED" if self.passed else "NOT CERTIFIED"
        mutants = self.mutants
        return (
            f"{result}: {len(self.rows)} modules, {self.total('cases'):,} cases, {self.total('tensors'):,} tensors, "
            f"worst |error| / S {self.total('share64'):.2f} in float64 and {self.total('share32'):.2f} in float32 "
            f"(the bound is {MARGIN}), {self.total('alarms')} alarms; "
            f"{self.total('false_alarms')} false alarms in {self.total('controls'):,} controls; "
            f"{mutants['caught']:,} of {mutants['planted']:,} mutants caught, "
            f"{len(mutants['survivors'])} excused, {len(mutants['unexplained'])} unexplained"
        )

    def to_json(self) -> str:
        fields = {"passed": self.passed, "verdict": self.verdict, **asdict(self)}
        return json.dumps(fields, indent=1, default=float) + "\n"

    def to_markdown(self) -> str:
        lines = [*HEAD.format(verdict=self.verdict, margin=MARGIN, **self.environment).splitlines(), ""]
        lines += ["| module | witnesses | cases | tensors | derivatives | proven | worst, float64 | worst, float32 "]
        lines[-1] += "| false alarms | mutants caught |"
        lines.append("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        for row in self.rows:
            mutants = f"{row.caught} of {row.planted}" + (f" (+ {row.survivors} excused)" if row.survivors else "")
            lines.append(
                f"| {row.module} | {', '.join(row.witnesses)} | {row.cases} | {row.tensors} | {row.derivatives} "
                f"| {row.proven or ''} | {row.share64:.2f} | {row.share32:.2f} "
                f"| {row.false_alarms} of {row.controls} | {mutants} |"
            )
        if self.mutants["survivors"]:
            lines += ["", "## Mutants that survive", "", SURVIVING.strip(), ""]
            reasons: dict[str, list[str]] = {}
            for name, reason in self.mutants["survivors"].items():
                reasons.setdefault(reason, []).append(name)
            for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
                lines += [f"- {reason} ({len(names)})", *(f"  - `{name}`" for name in names)]
        return "\n".join(lines) + "\n"


HEAD = """# The certificate

Written by `torchref certify` on {date}: Python {python}, NumPy {numpy}, torch {torch}, {machine}.

**{verdict}.**

For every module of `torch.nn`, over its cases (every argument and mode):
- *witnesses* that agree with the gradient: torch itself; complex steps where the code is smooth, sixth-order
  differences elsewhere; SymPy, which proves backward from forward; JAX.
- *cases* and the *tensors* compared with torch in float64 and float32: outputs, gradients, buffers.
- *derivatives*: entries of Jacobians that complex steps or differences confirm; *proven*: entries that SymPy proves.
- *worst* |error| / S, S being the spread that rounding explains ([what equal means](decisions/what-equal-means.md));
  above {margin} is an alarm. In float32 NumPy's results and torch's are both judged, by NumPy's float64.
- *false alarms* of the same criterion where torch is compared with torch: float32 with float64, and the same numbers in
  another memory layout. Cases with random draws have no control.
- *mutants*: the backwards that its cases run, changed in one place each, and noticed. A function that serves several
  modules is counted in each row, and once in the figure above.
"""
SURVIVING = """
Changes that the cases do not notice, each with the reason why that is right.
"""


def certify(
    modules: Iterable[str] | None = None, say: Callable[[str], None] = lambda line: None, mutate: bool = True
) -> Certificate:
    """Measure everything; `modules` picks some by their names in torch.nn."""
    torch.set_num_threads(1)
    chosen = None if modules is None else set(modules)
    cases = [case for case in all_cases() if chosen is None or case.module in chosen]
    if chosen and (unknown := chosen - {case.module for case in cases}):
        raise LookupError(f"there are no cases of {', '.join(sorted(unknown))}")
    rows = {case.module: Row(case.module) for case in cases}
    for number, case in enumerate(cases):
        if number % 100 == 0:
            say(f"case {number} of {len(cases)}")
        add(rows[case.module], case, measure(case))
    for theorem in theorems():
        if theorem.module in rows:
            rows[theorem.module].proven += theorem.prove()
    jax = agreements(set(rows))
    for row in rows.values():
        row.witnesses += ["SymPy"] if row.proven else []
        row.witnesses += ["JAX"] if row.module in jax else []
    mutants: dict[str, Any] = {"planted": 0, "caught": 0, "survivors": {}, "unexplained": []}
    if mutate:
        say("mutants")
        count(rows, survive(cases_by_owner(prepared(cases), all_modules())), mutants, chosen is None)
    ordered = [rows[name] for name in sorted(rows)]
    return Certificate(ordered, mutants, environment())


def add(row: Row, case: Case, found: Measured) -> None:
    row.cases += 1
    row.tensors += found.tensors
    row.derivatives += found.derivatives
    row.share64 = max(row.share64, found.share64)
    row.share32 = max(row.share32, found.share32, found.torch_share32)
    row.alarms += found.alarms
    row.controls += found.controls
    row.false_alarms += found.false_alarms
    names = ["torch"]
    if found.derivatives:
        names.append("complex step" if case.smooth else "differences")
    row.witnesses += [name for name in names if name not in row.witnesses]


def count(rows: dict[str, Row], scores: list[Score], mutants: dict[str, Any], whole: bool) -> None:
    """Enter what became of the mutants. Where few cases ran, survivors of shared functions mean nothing."""
    known = excused()
    for score in scores:
        mutants["planted"] += score.planted
        mutants["caught"] += score.caught
        for name in score.survivors:
            if name in known:
                mutants["survivors"][name] = known[name]
            elif whole or own(score, rows):
                mutants["unexplained"].append(name)
        for module in score.modules & rows.keys():
            rows[module].planted += score.planted
            rows[module].caught += score.caught
            rows[module].survivors += len(score.survivors)


def own(score: Score, rows: dict[str, Row]) -> bool:
    """Whether this is the function of one of the modules, and not one that they share with others."""
    return score.owner.name.split(".")[0] in rows or score.owner.name.lower() in {name.lower() for name in rows}


def environment() -> dict[str, str]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "machine": platform.machine(),
    }


def write(certificate: Certificate, folder: Path) -> None:
    """certificate.json and certificate.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "certificate.json").write_text(certificate.to_json(), encoding="utf-8")
    (folder / "certificate.md").write_text(certificate.to_markdown(), encoding="utf-8")
