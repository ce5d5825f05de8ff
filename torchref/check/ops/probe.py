"""Inputs and upstream gradients that show every mistake, and the right answer on them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.random import Generator

from torchref.check.ops import Op
from torchref.check.ops.find import find
from torchref.check.ops.mistake import Gradients, Unreduced, Values
from torchref.check.ops.record import Options
from torchref.nn.module import Array

LARGE = (131, 192)  # lengths beyond every block of a power of two up to 128: odd, and a multiple of 64


@dataclass
class Probe:
    """Values of an operation's arguments under torch's names, and upstream gradients for its outputs."""

    op: Op
    variant: str
    seed: int
    values: dict[str, Any]  # arrays and options; None: absent
    upstream: dict[str, Any]  # by output; a scalar for a reduced loss
    second: dict[str, Any]  # another upstream gradient

    def namespace(self, **changes: Any) -> Values:
        return SimpleNamespace(**{**self.op.fixed, **self.values, **changes})

    def evaluate(
        self, wrong: Iterable[str] = (), **changes: Any
    ) -> tuple[dict[str, Array], Callable[[dict[str, Any]], Gradients]]:
        """The formula's outputs by name, and its backward: upstream gradients by output -> gradients by argument."""
        outputs, backward = self.op.formula(self.namespace(**changes), frozenset(wrong))

        def named(upstream: dict[str, Any]) -> Gradients:
            names = [n for n in self.op.outputs if not n.startswith("running_") and n != "weights"]
            return backward(*(upstream.get(n) for n in names))

        return dict(zip(self.op.outputs, outputs, strict=False)), named

    def reference(self, upstream: dict[str, Any], **changes: Any) -> Gradients:
        _, backward = self.evaluate(**changes)
        return backward(upstream)


def gradients_only(gradients: Gradients) -> dict[str, Array]:
    """The gradients as arrays, without the unreduced ones."""
    return {k: np.asarray(v) for k, v in gradients.items() if not isinstance(v, Unreduced) and v is not None}


def _upstream_like(rng: Generator, output: Array) -> Array:
    """Entries of both signs, none of them 0: code that forgets the upstream gradient then gives another result."""
    return np.asarray(rng.uniform(0.4, 1.9, np.shape(output)) * rng.choice([-1.0, 1.0], np.shape(output)))


def make_probe(op: Op, seed: int = 0, takes: set[str] | None = None, variant: str = "rich") -> Probe:
    """A probe for code with the arguments `takes` (None: all). An option that it does not take keeps torch's default."""
    rng = np.random.default_rng([seed, zlib.crc32(op.name.encode())])
    options = {}
    for a in op.options:
        taken = takes is None or a.name in takes
        options[a.name] = op.given.get(a.name, a.probe if taken else a.default)
    if op.has("is_causal") and "is_causal" not in op.given and (takes is None or "attn_mask" in takes):
        options["is_causal"] = False  # torch takes one mask or the other
    arrays = op.make(rng, options, variant)
    values: dict[str, Any] = {}
    for a in op.arguments:
        if a.kind == "option":
            values[a.name] = options[a.name]
        elif a.name in op.absent or (a.optional and takes is not None and a.name not in takes):
            values[a.name] = None
        else:
            values[a.name] = arrays.get(a.name)
    return finished(op, seed, variant, values, arrays, rng)


def deeper_probe(op: Op, seed: int, takes: set[str] | None, variant: str) -> Probe:
    """The inputs of two probes, stacked along a new first axis, with the parameters and options of the first."""
    first, second = (make_probe(op, seed + i, takes, variant) for i in (0, 1))
    shape = np.shape(first.values["input"])
    values = {
        k: np.stack((v, second.values[k])) if isinstance(v, np.ndarray) and v.shape == shape else v
        for k, v in first.values.items()
    }
    return finished(op, seed, variant, values, values, np.random.default_rng(seed))


def finished(op: Op, seed: int, variant: str, values: Options, arrays: Options, rng: Generator) -> Probe:
    """The probe with its upstream gradients."""
    if op.draws:
        values["mask"] = arrays["mask"]
    if op.has("normalized_shape") and not op.own:
        values["normalized_shape"] = arrays["input"].shape[-1:]
    probe = Probe(op, variant, seed, values, {}, {})
    outputs, _ = probe.evaluate()
    for target in (probe.upstream, probe.second):
        for name, output in outputs.items():
            if not name.startswith("running_") and name != "weights":
                target[name] = _upstream_like(rng, output)
    if op.loss and np.ndim(probe.upstream["output"]) == 0:
        probe.upstream["output"], probe.second["output"] = np.asarray(1.7), np.asarray(-0.6)
    return probe


def runs_nowhere(op: Op) -> str:
    """Why the operation with these options runs on no probe; "" if it runs on one."""
    why = ""
    for variant in op.variants if op.given else ():
        try:
            with np.errstate(all="ignore"):
                make_probe(op, 0, None, variant)
        except Exception as problem:  # noqa: BLE001 -- whatever NumPy raises on such options
            why = why or f"{type(problem).__name__}: {problem}"
        else:
            return ""
    given = ", ".join(f"{k}={v!r}" for k, v in op.given.items())
    return f"{op.name} does not run with {given}: {why}" if why else ""


def probe(op: str | Op, seed: int = 0) -> Probe:
    """Inputs and upstream gradients for `op` that show every mistake of the manual's list."""
    return make_probe(find(op) if isinstance(op, str) else op, seed)
