"""`make benchmark`: every workload, NumPy beside torch, as a table and as JSON, beside the published figures.

    make benchmark                            # the work of the table, at 1 and at 2 threads, about five minutes
    make benchmark ARGS="--only norm"         # what has "norm" in its name
    make benchmark ARGS="--seconds 5"         # each measured longer, when the machine is busy
    make benchmark ARGS=--all                 # and what grows, and the other libraries that are installed
    make speed                                # all of it, and manual/speed.md and manual/speed.json are written anew

Given are medians of times and of the ratios of neighbouring turns; ratios that differ by less than 10 % are the same.
Float32 throughout. It reports what became slower against manual/speed.json, and never fails for it: the ratio to torch
in the same run depends on the machine as well.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import AVX2, in_process

MANUAL = Path(__file__).parents[2] / "manual"
BUILD = Path(__file__).parents[2] / "build"
SAME = 0.10  # ratios this near to each other are the same
Figures = dict[str, Any]


def machine() -> dict[str, Any]:
    """The processor, the kernels that OpenBLAS chose for it, and the libraries."""
    import numpy  # noqa: F401  so that its OpenBLAS is there to be asked
    from threadpoolctl import threadpool_info

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "kernels of OpenBLAS": next((i["architecture"] for i in threadpool_info() if i["user_api"] == "blas"), "none"),
        "Python": platform.python_version(),
        **{library: version(library) for library in ("numpy", "torch")},
    }


def measured(options: argparse.Namespace) -> Figures:
    """All figures that `options` ask for; each is printed when it is there."""
    from tests.benchmarks.growth import GROWTH
    from tests.benchmarks.workloads import MEMORY, WORKLOADS

    names = [name for name in WORKLOADS if options.only.lower() in name.lower()]
    figures: Figures = {"machine": machine(), "work": {}, "growth": {}, "memory": {}}
    for name in names:
        row = {str(threads): timed(name, threads, options.seconds) for threads in (1, 2)}
        if options.all:
            row["avx2"] = timed(name, 1, options.seconds, AVX2) if platform.machine() == "x86_64" else None
            row["peers"] = dict(peers(name, options.seconds))
        figures["work"][name] = row
    for name in [name for name in names if name in MEMORY]:
        figures["memory"][name] = peaks(name)
    for grows, sizes in GROWTH.items() if options.all else ():
        if options.only.lower() in grows.lower():
            works = {str(size): f"{grows} = {size}" for size in sizes}
            figures["growth"][grows] = {size: timed(work, 1, options.seconds) for size, work in works.items()}
            figures["memory"] |= {work: peaks(work) for work in list(works.values())[-2:]}
    return figures


def timed(work: str, threads: int, seconds: float, machine: dict[str, str] | None = None) -> Figures | None:
    found = in_process(threads, "times", work, str(threads), str(seconds), machine=machine)
    if found is not None:
        where = ", without AVX-512" if machine else ""
        print(f"{work}, threads {threads}{where}: {found['ratio']:.2f} times torch", flush=True)
    return found


def peers(work: str, seconds: float) -> Iterator[tuple[str, float]]:
    """The ratios of the libraries that are installed and have the operation."""
    from tests.benchmarks.peers import LIBRARIES, PEERS

    for library in LIBRARIES if work in PEERS else ():
        found = in_process(1, "peer", work, library, str(seconds))
        if found is not None:
            print(f"{work}, {library}: {found['ratio']:.2f} times torch", flush=True)
            yield library, found["ratio"]


def peaks(work: str) -> Figures | None:
    """Peak memory of one step in MB: what NumPy allocated, and how each engine's process grew."""
    ours, theirs = (in_process(1, "memory", work, engine) for engine in ("numpy", "torch"))
    if ours is None or theirs is None:
        return None
    return {"allocated": ours["allocated"], "numpy": ours["resident"], "torch": theirs["resident"]}


def ratio(figures: Figures | None) -> str:
    return "" if figures is None else f"{figures['ratio']:.2f}"


def markdown(figures: Figures) -> str:
    """The tables: works, what grows, memory."""
    from tests.benchmarks.peers import LIBRARIES

    about = ", ".join(f"{key} {value}" for key, value in figures["machine"].items())
    lines = [
        f"Measured with: {about}.\n",
        "| work, forward and backward, or a whole step | NumPy ms | torch ms | NumPy / torch | without AVX-512 | "
        + "at two threads | "
        + " | ".join(f"{library} / torch" for library in LIBRARIES)
        + " |",
        "|---|--:|--:|--:|--:|--:|" + "--:|" * len(LIBRARIES),
    ]
    for name, row in figures["work"].items():
        if (one := row["1"]) is not None:
            others = [f"{row['peers'][key]:.2f}" if key in row.get("peers", {}) else "" for key in LIBRARIES]
            times = (
                f"{one['ms']:.3g} | {one['torch_ms']:.3g} | {ratio(one)} | {ratio(row.get('avx2'))} | {ratio(row['2'])}"
            )
            lines.append(f"| {name} | {times} | {' | '.join(others)} |")
    if figures["growth"]:
        lines += ["", "| what grows, at one thread | size | NumPy / torch |", "|---|---|---|"]
        for name, row in figures["growth"].items():
            lines.append(f"| {name} | {', '.join(row)} | {', '.join(map(ratio, row.values()))} |")
    if any(figures["memory"].values()):
        head = "| peak memory of one forward and backward, MB | NumPy allocated | NumPy resident | torch resident |"
        lines += ["", head, "|---|--:|--:|--:|"]
        for name, peak in figures["memory"].items():
            if peak is not None:
                lines.append(f"| {name} | {peak['allocated']:.0f} | {peak['numpy']:.0f} | {peak['torch']:.0f} |")
    return "\n".join(lines) + "\n"


def ratios(figures: Figures) -> dict[str, float]:
    """Every ratio to torch by its name."""
    works = {
        f"{name}, threads {threads}": row[threads] for name, row in figures["work"].items() for threads in ("1", "2")
    }
    grown = {f"{name} = {size}": found for name, row in figures["growth"].items() for size, found in row.items()}
    return {name: found["ratio"] for name, found in (works | grown).items() if found is not None}


def changes(now: Figures, published: Figures) -> list[str]:
    """What is no longer as it was published, the worst first."""
    before, after = ratios(published), ratios(now)
    changed = {name: after[name] / before[name] for name in after if name in before}
    return [
        f"{name}: {after[name]:.2f} times torch, published {before[name]:.2f}"
        for name in sorted(changed, key=lambda name: -changed[name])
        if abs(changed[name] - 1) > SAME
    ]


HEAD = """# Speed

How long NumPy takes beside torch eager, forward and backward, in float32: the median ratio of neighbouring turns in one
process. Below 1 NumPy is faster. JAX (compiled), autograd and MyGrad stand beside it where they have the operation;
numpy-ml does not import on the Pythons of today. *Without AVX-512* neither OpenBLAS nor torch uses it, as on processors
that lack it. [What the time is spent on, and which tricks pay](decisions/speed.md).

`make benchmark` measures on your machine and says what differs from this page; `make speed` makes the page anew.
`speed.json` beside it says the same to programs.

"""


def write(figures: Figures, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "speed.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (folder / "speed.md").write_text(HEAD + markdown(figures), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only works whose name contains this")
    parser.add_argument("--all", action="store_true", help="what grows, and the other libraries, too")
    parser.add_argument("--publish", action="store_true", help="write the manual's page anew")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each work is measured")
    options = parser.parse_args()
    if options.publish and (options.only or not options.all):
        parser.error("--publish wants --all, and no --only: the page has every row")
    figures = measured(options)
    write(figures, BUILD)
    print("\n" + markdown(figures) + f"\n{BUILD / 'speed.json'} has these figures.")
    if (MANUAL / "speed.json").exists():
        differences = changes(figures, json.loads((MANUAL / "speed.json").read_text(encoding="utf-8")))
        print("\nDifferent from manual/speed.json by more than 10 %:", *(differences or ["nothing"]), sep="\n  ")
    if options.publish:
        write(figures, MANUAL)


if __name__ == "__main__":
    main()
