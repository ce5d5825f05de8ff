"""Optimizer steps beside torch's for-loop implementation, interleaved, at one thread:

python -m pytest tests/benchmarks/test_optimizers.py -s
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import pytest
import torch

import torchref
from torchref.nn import Parameter

LARGE = [(10_000_000,)]
SMALL = [(128, 64), (128,), (128,), (128,), (10, 128), (10,)]  # an MLP 64-128-10 with a batch norm
CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.9}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"weight_decay": 0.1, "amsgrad": True}),
    ("AdamW", {}),
    ("RMSprop", {"momentum": 0.9}),
    ("Adagrad", {}),
    ("NAdam", {}),
    ("RAdam", {}),
    ("Adadelta", {}),
    ("Adamax", {}),
    ("ASGD", {}),
    ("Rprop", {}),
]


def measure(
    name: str, options: dict[str, Any], shapes: list[tuple[int, ...]], rounds: int
) -> tuple[float, float, float]:
    """Median milliseconds of ours and of torch's step, and the median ratio of neighbouring turns."""
    rng = np.random.default_rng(0)
    ours = [Parameter(rng.standard_normal(shape, np.float32)) for shape in shapes]
    theirs = [torch.nn.Parameter(torch.from_numpy(p.data.copy())) for p in ours]
    for p, t in zip(ours, theirs, strict=True):
        p.grad = rng.standard_normal(p.shape, np.float32)
        t.grad = torch.from_numpy(p.grad.copy())
    steps = (
        getattr(torchref.optim, name)(ours, **options).step,
        getattr(torch.optim, name)(theirs, **options, foreach=False).step,
    )
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(rounds + 2):
        for step, taken in zip(steps, times, strict=True):
            start = time.perf_counter()
            step()
            if round_ >= 2:
                taken.append(1000 * (time.perf_counter() - start))
    ratios = [a / b for a, b in zip(*times, strict=True)]
    return statistics.median(times[0]), statistics.median(times[1]), statistics.median(ratios)


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value))
def test_optimizer_step(name: str, options: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    for label, shapes, rounds in (("10 million", LARGE, 9), ("small MLP", SMALL, 500)):
        ours, theirs, ratio = measure(name, options, shapes, rounds)
        print(f"\n{name} {options}, {label}: {ours:.3f} ms, torch {theirs:.3f} ms, ratio {ratio:.2f}", end="")
