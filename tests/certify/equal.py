"""Is a mutant that no case notices the same function? It and the original on random probes, gradients equal bit by bit.

A probe is one of the cases that run the function, with inputs, weights, upstream gradient and draws of its own, in
float64 or float32. What differs from the original on one probe is no equal function, whatever the reason given.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import torchref
from tests.cases import Case
from tests.certify.mutation import Mutant, planted
from tests.checks import absent_stays_absent, cast, construct, draw_inputs, floating, map_tree
from torchref.nn.random import set_rng

PROBES = 10_000
DTYPES = (np.float64, np.float32)


class Prober:
    """The modules of the cases, built once, to be run with numbers of their own."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self.cases = list(cases)
        self.built: dict[Any, Any] = {}

    def module(self, case: Case, dtype: Any) -> Any:
        if (case.name, dtype) not in self.built:
            self.built[case.name, dtype] = construct(torchref.nn, case, dtype).train(case.training)
        return self.built[case.name, dtype]

    def probe(self, seed: int) -> Callable[[], list[Any]]:
        """A step whose numbers are this seed's: gradients of inputs and parameters."""
        rng = np.random.default_rng(seed)
        case, dtype = self.cases[seed % len(self.cases)], DTYPES[seed // len(self.cases) % 2]
        module = self.module(case, dtype)
        inputs, options = cast(draw_inputs(case, rng), dtype)
        scale = 4.0 ** rng.integers(-1, 3)
        state = {n: np.asarray(scale * rng.standard_normal(p.data.shape)) for n, p in module.named_parameters()}
        buffers = [(m, n, _moved(b, rng)) for m in module.modules() for n, b in m.own_buffers()]

        def gradients() -> list[Any]:
            set_rng(module, np.random.default_rng(seed))
            for name, p in module.named_parameters():
                p.data, p.grad = state[name].astype(dtype), None
            for m, name, buffer in buffers:
                setattr(m, name, buffer)
            output, backward = module(*inputs, **options)
            drawn = np.random.default_rng(seed + 1)
            upstream = map_tree(
                lambda leaf: np.asarray(drawn.standard_normal(leaf.shape), leaf.dtype) if floating(leaf) else None,
                output,
            )
            dinputs = backward(upstream)
            dinputs = dinputs if isinstance(dinputs, tuple) else (dinputs,)
            return [*dinputs, *(p.grad for _, p in module.named_parameters())]

        return gradients


def _moved(buffer: Any, rng: np.random.Generator) -> Any:
    return rng.uniform(0.5, 2.0, buffer.shape).astype(buffer.dtype) if floating(buffer) else buffer


def told_apart(cases: Iterable[Case], mutants: list[Mutant], probes: int) -> dict[str, str]:
    """By mutant's name the probe on which it is not the original; those that are equal on all are not in it."""
    prober, found = Prober(cases), dict[str, str]()
    start = zlib.crc32(mutants[0].owner.name.encode()) if mutants else 0
    with warnings.catch_warnings(), np.errstate(all="ignore"), absent_stays_absent():
        warnings.simplefilter("ignore")
        for seed in range(start, start + probes):
            left = [m for m in mutants if m.name not in found]
            if not left:
                break
            run = prober.probe(seed)
            original = run()
            for mutant in left:
                try:
                    with planted(mutant):
                        same = equal(original, run())
                except Exception:  # a mutant may raise anything
                    same = False
                if not same:
                    found[mutant.name] = prober.cases[seed % len(prober.cases)].name
    return found


def equal(one: list[Any], two: list[Any]) -> bool:
    """The same arrays: None where None is, dtype, shape, every bit but the sign of a zero and the kind of nan."""
    if len(one) != len(two):
        return False
    return all(_same(a, b) for a, b in zip(one, two, strict=True))


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is None and b is None
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=True)
