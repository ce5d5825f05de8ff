"""The workloads under pytest-benchmark, NumPy and torch of a workload in one group. Not part of the default run:

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 pytest tests/benchmarks/test_speed.py

(`-k "layer_norm"` picks by name; `--benchmark-save=NAME` and `--benchmark-compare` follow one over time.) The two
engines run one after the other here. For ratios, which need them interleaved: `make benchmark`.
"""

import pytest
import torch

from tests.benchmarks.workloads import WORKLOADS


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_speed(benchmark, name, engine):
    """Measures; asserts nothing, because a busy machine would break any limit."""
    torch.set_num_threads(1)
    benchmark.group = name
    benchmark.pedantic(WORKLOADS[name]()[engine == "torch"], rounds=20, warmup_rounds=2)
