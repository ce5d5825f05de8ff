"""The certificate itself: a row for each module, the figures of all, as JSON and as a page of the manual."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.cases import Case
from tests.certify.equal import PROBES
from tests.certify.jax_witness import compared, confirm
from tests.certify.measure import Measured
from tests.certify.mutants import excused
from tests.certify.parts import PART, PARTS, Tally, cases_of, done, in_this_process, judged, measured, prepared_cases
from tests.certify.theorems import theorems
from torchref import tensor
from torchref.check.tolerance.rounding import MARGIN
from torchref.compare.tasks.task import RunTasks


@dataclass
class Row:
    """What is known of one module of torch.nn."""

    module: str
    witnesses: list[str] = field(default_factory=list)
    cases: int = 0
    tensors: int = 0  # compared with torch, in float64 and float32
    derivatives: int = 0  # entries of Jacobians that complex steps or differences confirm
    whole: int = 0  # cases of which that is every entry
    proven: int = 0  # entries of gradients that SymPy proves
    share64: float = 0.0  # the worst |error| / S: NumPy against torch in float64
    share32: float = 0.0  # and in float32, of NumPy's results and of torch's, against float64
    alarms: int = 0
    orders: int = 0  # memory orders of its arrays, in each of which the results are those of C order
    controls: int = 0  # tensors of torch against torch
    false_alarms: int = 0
    planted: int = 0  # mutants of the backwards that its cases run
    caught: int = 0
    survivors: int = 0  # not caught, because they are the same function
    failures: list[str] = field(default_factory=list)  # what a witness or a proof has said against it


@dataclass
class Certificate:
    rows: list[Row]
    mutants: dict[str, Any]
    environment: dict[str, str]
    renewed: dict[str, str] = field(default_factory=dict)  # module -> the day, where its row alone was measured since

    @property
    def passed(self) -> bool:
        clean = all(not (row.alarms or row.false_alarms or row.failures) and row.share64 <= MARGIN for row in self.rows)
        return bool(self.rows) and clean and not self.mutants["unexplained"]

    def total(self, name: str) -> Any:
        values = [getattr(row, name) for row in self.rows]
        return max(values, default=0.0) if name.startswith("share") else sum(values)

    @property
    def verdict(self) -> str:
        result = "CERTIFIED" if self.passed else "NOT CERTIFIED"
        mutants = self.mutants
        failures = [failure for row in self.rows for failure in row.failures]
        return (
            f"{result}: {len(self.rows)} modules and functions, {self.total('cases'):,} cases, "
            f"{self.total('tensors'):,} tensors, worst |error| / S {self.total('share64'):.2f} in float64 and "
            f"{self.total('share32'):.2f} in float32 (the bound is {MARGIN}), {self.total('alarms')} alarms; "
            f"{self.total('orders'):,} memory orders; "
            f"{self.total('false_alarms')} false alarms in {self.total('controls'):,} controls; "
            f"{mutants['caught']:,} of {mutants['planted']:,} mutants caught, "
            f"{len(mutants['survivors'])} the same function on {mutants['probes']:,} random probes, "
            f"{len(mutants['unexplained'])} unexplained"
            + (f", {mutants['elsewhere']} for the cases of other modules" if mutants["elsewhere"] else "")
            + (f"; {len(failures)} failures, the first: {failures[0]}" if failures else "")
        )

    def to_json(self) -> str:
        fields = {"passed": self.passed, "verdict": self.verdict, **asdict(self)}
        return json.dumps(fields, indent=1, default=float) + "\n"

    def to_markdown(self) -> str:
        lines = [*HEAD.format(verdict=self.verdict, margin=MARGIN, **self.environment).splitlines(), ""]
        if self.renewed:
            days = ", ".join(f"{module} ({day})" for module, day in sorted(self.renewed.items()))
            lines += [f"Measured alone since then, and not in the figure of all mutants: {days}.", ""]
        lines += [
            "| module or function | witnesses | cases | whole | tensors | derivatives | proven | float64 | float32 "
        ]
        lines[-1] += "| orders | false alarms | mutants caught |"
        lines.append("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
        for row in self.rows:
            mutants = f"{row.caught} of {row.planted}" + (f" (+ {row.survivors} equal)" if row.survivors else "")
            lines.append(
                f"| {row.module} | {', '.join(row.witnesses)} | {row.cases} | {row.whole} | {row.tensors} "
                f"| {row.derivatives} | {row.proven or ''} | {row.share64:.2f} | {row.share32:.2f} "
                f"| {row.orders} | {row.false_alarms} of {row.controls} | {mutants} |"
            )
        lines += ["", "## Where a witness is missing", "", *without_witness(self.rows)]
        lines += ["", "## Mutants that are the same function", "", EQUAL.format(**self.mutants).strip(), ""]
        reasons: dict[str, list[str]] = {}
        for name, reason in self.mutants["survivors"].items():
            reasons.setdefault(reason, []).append(name)
        for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
            lines += [f"- {reason} ({len(names)})", *(f"  - `{name}`" for name in names)]
        return "\n".join(lines) + "\n"


def without_witness(rows: list[Row]) -> list[str]:
    """A line for each witness and reason: the modules that have not this witness, and why."""
    jax = sum("JAX" in row.witnesses for row in rows)
    lines = [f"- JAX: {jax} modules are compared, those that its own functions say in a line; it is an optional extra."]
    for witness, reasons in MISSING.items():
        without = {row.module for row in rows if not witness <= set(row.witnesses)}
        if witness == NUMERIC:
            without = {row.module for row in rows if not row.derivatives}
        for reason, modules in reasons.items():
            named = sorted(without & modules) if modules else sorted(without)
            without -= set(named)
            if named:
                lines.append(f"- {' or '.join(sorted(witness))}: {reason}: {', '.join(named)}.")
    return lines


HEAD = """# The certificate

Written by `make certify` on {date} in {minutes} minutes of one core: Python {python}, NumPy {numpy}, torch {torch},
{machine}. `certificate.json` beside this page says the same to programs.

**{verdict}.**

For every module of `torch.nn`, and every function that no module calls, over its cases (every argument and mode):
- *witnesses* that agree with the gradient: torch itself; complex steps where the code is smooth, sixth-order
  differences elsewhere; SymPy, which proves backward from forward; JAX.
- *cases*; those of which the Jacobian was confirmed *whole*, entry by entry; and the *tensors* compared with torch in
  float64 and float32: outputs, gradients, buffers.
- *derivatives*: entries of Jacobians that complex steps or differences confirm; *proven*: entries that SymPy proves.
- *float64*, *float32*: the worst |error| / S, S being the spread that rounding explains
  ([what equal means](decisions/what-equal-means.md)); above {margin} is an alarm. In float32 NumPy's results and
  torch's are both judged, by NumPy's float64.
- *orders*: layouts in memory in which the results are those of C order. All arrays that go in (inputs, options,
  parameters, buffers, upstream gradients) are laid out together and each alone: axes permuted, every axis moved to the
  front and to the end, neighbours exchanged, all reversed; running backwards; a slice of a wider array; repeated by
  stride 0.
- *false alarms* of the same criterion where torch is compared with torch: float32 with float64, and the same numbers in
  another memory layout. Cases with random draws have no control.
- *mutants*: the backwards that its cases run, changed in one place each, and every function that they run whose new
  arrays forget the order of their memory; noticed. A function that serves several modules is counted in each row, and
  once in the figure above.
"""
EQUAL = """
Changes that neither the cases nor a test notices. Each is planted once more and run beside the original on {probes:,}
random probes (inputs, weights, upstream gradients and draws of their own; float64 and float32): every gradient is the
same, bit by bit. {by_tests} more are noticed by a test that is named for them, not by the cases. A mutant that forgets
the memory order of a new array is judged by every order of every case that runs it instead: sums go another way, so
that the last bit may differ.
"""
NUMERIC = frozenset({"complex step", "differences"})
MISSING: dict[frozenset[str], dict[str, set[str]]] = {
    NUMERIC: {
        "torch's gradient is the one in front of a log_softmax, which is no derivative of the loss alone; differences "
        "confirm both together in tests/nn/test_ctc.py": {"CTCLoss"},
        "integers have no gradient": {"functional.one_hot"},
        "it is cut off: no gradient, whatever the derivative": {"tensor.detach"},
    },
    frozenset({"SymPy"}): {
        "integers have no gradient": {"functional.one_hot"},
        "torch's slope is 1/6 rounded to float32, and so is ours: no exact derivative": {"Hardsigmoid"},
        "a recursion in logarithms with -inf in it": {"CTCLoss"},
        "nothing is computed": {"Identity"},
        "packed and padded sequences are moved entry by entry, which the complex steps show": {
            f"utils.rnn.{name}"
            for name in (
                "pack_padded_sequence",
                "pack_sequence",
                "pad_packed_sequence",
                "pad_sequence",
                "unpack_sequence",
                "unpad_sequence",
            )
        },
        "entries are moved, chosen or sorted, which complex steps and differences show": {
            f"tensor.{name}" for name in tensor.__all__
        },
        "put together of parts that are proven": set(),
    },
}


def certify(
    modules: Iterable[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
    probes: int = PROBES,
    run_tasks: RunTasks = in_this_process,
) -> Certificate:
    """Measure everything; `modules` picks some by their names in torch.nn; `run_tasks` runs it elsewhere, in parts."""
    torch.set_num_threads(1)
    prepared_cases.cache_clear()
    chosen = None if modules is None else frozenset(modules)
    cases = cases_of(chosen)
    if chosen and (unknown := chosen - {case.module for case in cases}):
        raise LookupError(f"there are no cases of {', '.join(sorted(unknown))}")
    rows = {case.module: Row(case.module) for case in cases}
    starts = range(0, len(cases), PART)
    parts = done(run_tasks, measured, [(chosen, start) for start in starts], "cases", say)
    seconds = sum(part.seconds for part in parts)
    for case, found in zip(cases, (found for part in parts for found in part.found), strict=True):
        if isinstance(found, str):
            rows[case.module].failures.append(found)
        else:
            add(rows[case.module], case, found)
    say("proofs")
    began = time.process_time()
    for theorem in theorems():
        if theorem.module in rows:
            with held(rows[theorem.module]):
                rows[theorem.module].proven += theorem.prove()
    for name in compared(set(rows)):
        with held(rows[name]):
            confirm(name)
            rows[name].witnesses.append("JAX")
    for row in rows.values():
        row.witnesses += ["SymPy"] if row.proven else []
    seconds += time.process_time() - began
    parts = done(run_tasks, judged, [(chosen, part, probes) for part in range(PARTS)], "mutants", say)
    seconds += sum(part.seconds for part in parts)
    mutants = count(rows, [tally for part in parts for tally in part.found], chosen is None, probes)
    ordered = [rows[name] for name in sorted(rows)]
    return Certificate(ordered, mutants, environment() | {"minutes": f"{seconds / 60:.0f}"})


@contextmanager
def held(row: Row) -> Iterator[None]:
    """A witness that disagrees, or code that fails, is a failure of its row, and the rest is measured all the same."""
    try:
        yield
    except Exception as error:
        row.failures.append(f"{type(error).__name__}: {error}"[:1000])


def add(row: Row, case: Case, found: Measured) -> None:
    row.cases += 1
    row.tensors += found.tensors
    row.derivatives += found.derivatives
    row.whole += found.whole
    row.share64 = max(row.share64, found.share64)
    row.share32 = max(row.share32, found.share32, found.torch_share32)
    row.alarms += found.alarms
    row.orders += found.orders
    row.controls += found.controls
    row.false_alarms += found.false_alarms
    row.failures += [found.failure[:1000]] if found.failure else []
    names = ["torch"]
    if found.derivatives:
        names.append("complex step" if case.smooth else "differences")
    row.witnesses += [name for name in names if name not in row.witnesses]


def count(rows: dict[str, Row], tallies: list[Tally], whole: bool, probes: int) -> dict[str, Any]:
    """What became of the mutants, here and in the rows.

    Where the cases of few modules ran, the survivors of a function that others share say nothing.
    """
    known = excused()
    total: dict[str, Any] = {"planted": 0, "caught": 0, "by_tests": 0, "elsewhere": 0, "probes": probes}
    total |= {"survivors": {}, "unexplained": []}
    for tally in tallies:
        total["planted"] += tally.planted
        total["caught"] += tally.planted - len(tally.survivors)
        total["by_tests"] += tally.by_tests
        elsewhere = 0
        for name in tally.survivors:
            if name in known and name not in tally.apart:
                total["survivors"][name] = known[name]
            elif whole or own(tally, rows):
                total["unexplained"].append(name)
            else:
                elsewhere += 1
        total["elsewhere"] += elsewhere
        for module in tally.modules & rows.keys():
            rows[module].planted += tally.planted - elsewhere
            rows[module].caught += tally.planted - len(tally.survivors)
            rows[module].survivors += len(tally.survivors) - elsewhere
    return total


def own(tally: Tally, rows: dict[str, Row]) -> bool:
    """Whether this is the function of one of the modules, and not one that they share with others."""
    return tally.owner.split(".")[0] in rows or tally.owner.lower() in {name.lower() for name in rows}


def environment() -> dict[str, str]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "machine": platform.machine(),
    }


def renewed(folder: Path, found: Certificate) -> Certificate:
    """The certificate in `folder` with the rows of `found` in it. What counts all mutants once stays as it is."""
    published = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    rows = {row["module"]: Row(**row) for row in published["rows"]} | {row.module: row for row in found.rows}
    days = published.get("renewed", {}) | {row.module: found.environment["date"] for row in found.rows}
    mutants = {
        **published["mutants"],
        "unexplained": published["mutants"]["unexplained"] + found.mutants["unexplained"],
    }
    return Certificate([rows[name] for name in sorted(rows)], mutants, published["environment"], days)


def write(certificate: Certificate, folder: Path) -> None:
    """certificate.json and certificate.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "certificate.json").write_text(certificate.to_json(), encoding="utf-8")
    (folder / "certificate.md").write_text(certificate.to_markdown(), encoding="utf-8")
