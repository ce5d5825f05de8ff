"""Measure every workload, NumPy beside torch, and print the ratios as a Markdown table:

    python -m tests.benchmarks.table                     # all workloads, at 1 and at 2 threads, about three minutes
    python -m tests.benchmarks.table --only norm         # those whose name contains "norm"
    python -m tests.benchmarks.table --seconds 5         # longer, when the machine is busy

Each workload has a process of its own for each number of threads, because OpenBLAS reads it when it starts. In it the
two engines take turns, so that a busy moment strikes both; given are the medians of the times and of the ratios of
neighbouring turns. Ratios that differ by less than 10 % are the same. Float32 throughout.

Then the peak memory of one forward and backward above what was there before: what NumPy allocated (tracemalloc), and
for each engine how the resident set of a fresh process grew (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any


def measure(name: str, threads: int, seconds: float) -> dict[str, float]:
    """Interleaved times of both engines in this process, in milliseconds, and the median ratio."""
    import torch

    from tests.benchmarks.workloads import WORKLOADS

    torch.set_num_threads(threads)
    numpy_step, torch_step = WORKLOADS[name]()
    for step in (numpy_step, torch_step) * 2:  # first calls allocate, compile and choose kernels
        step()
    numpy_times, torch_times = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(numpy_times) < 5:
        for step, times in ((numpy_step, numpy_times), (torch_step, torch_times)):
            start = time.perf_counter()
            step()
            times.append(1000 * (time.perf_counter() - start))
    ratios = [ours / theirs for ours, theirs in zip(numpy_times, torch_times, strict=True)]
    return {
        "numpy": statistics.median(numpy_times),
        "torch": statistics.median(torch_times),
        "ratio": statistics.median(ratios),
    }


def peak_memory(name: str, engine: str) -> dict[str, float]:
    """The growth of the peak resident set in one step of `engine`, in MB; tracemalloc's peak for NumPy."""
    import torch

    from tests.benchmarks.workloads import WORKLOADS

    torch.set_num_threads(1)
    step = WORKLOADS[name]()[engine == "torch"]
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts afresh
    step()
    result = {"resident": resident("VmHWM") - before}
    if engine == "numpy":
        tracemalloc.start()
        step()
        result["allocated"] = tracemalloc.get_traced_memory()[1] / 1e6
    return result


def resident(key: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process in MB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[key].split()[0]) * 1024 / 1e6


def in_process(threads: int, *arguments: str) -> Any:
    """What this file prints as JSON when it is run with `arguments` and so many threads; None if that fails."""
    environment = os.environ | {key: str(threads) for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [sys.executable, "-m", "tests.benchmarks.table", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"{arguments}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def table(names: list[str], seconds: float) -> None:
    import numpy
    import torch

    print(f"torch {torch.__version__}, NumPy {numpy.__version__}, {platform.processor() or platform.machine()}\n")
    print("| work (forward + backward, or a whole training step) | threads | NumPy ms | torch ms | NumPy / torch |")
    print("|---|---|---|---|---|")
    for name in names:
        for threads in (1, 2):
            times = in_process(threads, "--measure", name, "--threads", str(threads), "--seconds", str(seconds))
            if times is not None:
                print(
                    f"| {name} | {threads} | {times['numpy']:.3g} | {times['torch']:.3g} | {times['ratio']:.2f} |",
                    flush=True,
                )


def memory_table(names: list[str]) -> None:
    print("\n| peak memory, forward + backward, MB | NumPy allocated | NumPy resident | torch resident |")
    print("|---|---|---|---|")
    for name in names:
        numpy, torch = (in_process(1, "--memory", name, "--engine", engine) for engine in ("numpy", "torch"))
        if numpy is not None and torch is not None:
            print(f"| {name} | {numpy['allocated']:.0f} | {numpy['resident']:.0f} | {torch['resident']:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only workloads whose name contains this")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each workload is measured")
    for option in ("--measure", "--memory", "--engine"):
        parser.add_argument(option, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.threads, options.seconds)))
    elif options.memory:
        print(json.dumps(peak_memory(options.memory, options.engine)))
    else:
        from tests.benchmarks.workloads import MEMORY, WORKLOADS

        names = [name for name in WORKLOADS if options.only.lower() in name.lower()]
        table(names, options.seconds)
        memory_table([name for name in names if name in MEMORY])


if __name__ == "__main__":
    main()
