"""One measurement in a process of its own: `python -m tests.benchmarks.measure times|memory|peer WORK ...`.

OpenBLAS reads the number of threads when it starts, so each number has its process. In it the two engines take turns,
and a busy moment strikes both. A work of `GROWTH` is named with its size: `entries of GELU = 100`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

# A machine without AVX-512, for NumPy's products and for all of torch.
AVX2 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
ROUNDS = 7  # at least so many turns of each engine, however long one takes


def steps(name: str) -> tuple[Any, Any]:
    """The step in NumPy and in torch."""
    from tests.benchmarks.growth import GROWTH
    from tests.benchmarks.workloads import WORKLOADS

    row, _, size = name.rpartition(" = ")
    return GROWTH[row][int(size)]() if row in GROWTH else WORKLOADS[name]()


def taking_turns(first: Any, second: Any, seconds: float) -> dict[str, float]:
    """The median times of both in milliseconds, and the median ratio of neighbouring turns."""
    for step in (first, second) * 2:  # first calls allocate, compile and choose kernels
        step()
    first_times, second_times = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(first_times) < ROUNDS:
        for step, times in ((first, first_times), (second, second_times)):
            start = time.perf_counter()
            step()
            times.append(1000 * (time.perf_counter() - start))
    ratios = [ours / theirs for ours, theirs in zip(first_times, second_times, strict=True)]
    return {
        "ms": statistics.median(first_times),
        "torch_ms": statistics.median(second_times),
        "ratio": statistics.median(ratios),
    }


def times(name: str, threads: int, seconds: float) -> dict[str, float]:
    import torch

    torch.set_num_threads(threads)
    return taking_turns(*steps(name), seconds)


def peer(name: str, library: str, seconds: float) -> dict[str, float]:
    """Another library's step beside torch's, at one thread."""
    import warnings

    import torch

    from tests.benchmarks.peers import PEERS

    warnings.simplefilter("ignore")  # theirs, of NumPy's deprecations
    torch.set_num_threads(1)
    return taking_turns(PEERS[name](library), steps(name)[1], seconds)


def memory(name: str, engine: str) -> dict[str, float]:
    """The growth of the peak resident set in one step of `engine`, in MB; tracemalloc's peak for NumPy (Linux)."""
    import torch

    torch.set_num_threads(1)
    step = steps(name)[engine == "torch"]
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


def in_process(threads: int, kind: str, *arguments: str, machine: dict[str, str] | None = None) -> Any:
    """What this file measures with so many threads in a process of its own; None, and why on stderr, if it fails.

    `machine`: variables that let the libraries believe in another processor (`AVX2`).
    """
    # JAX's CPU client takes every core unless XLA is told otherwise.
    one = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"} if kind == "peer" else {}
    environment = (
        os.environ | (machine or {}) | one | {key: str(threads) for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    )
    command = [sys.executable, "-m", "tests.benchmarks.measure", kind, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"{' '.join(arguments)}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    kind, name, *rest = sys.argv[1:]
    if kind == "times":
        result = times(name, int(rest[0]), float(rest[1]))
    elif kind == "peer":
        result = peer(name, rest[0], float(rest[1]))
    else:
        result = memory(name, rest[0])
    print(json.dumps(result))


if __name__ == "__main__":
    main()
