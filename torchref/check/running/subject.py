"""The code under judgement, and one probe run through it beside the right answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.ops.conventions import TORCH, Convention
from torchref.check.ops.mistake import Unreduced
from torchref.check.ops.probe import Probe, gradients_only
from torchref.check.reading.forms.calling import CouldNotRun, Run
from torchref.check.report.verdict import Finding
from torchref.nn.module import Array


@dataclass
class Trial:
    """One probe, run through the user's code, beside the right answer."""

    probe: Probe
    convention: Convention
    run: Run
    outputs: dict[str, Any]  # the user's, in torch's convention
    expected: dict[str, Any]
    upstream: dict[str, Any]
    reference: dict[str, Array]
    unreduced: dict[str, Unreduced]
    gradients: dict[str, Any]  # the user's, in torch's convention; those of the wrong shape as they are
    changes: dict[str, Any]  # values that the run itself has fixed: a mask that the user's code has drawn
    upstreams: list[dict[str, Any]]  # as they were handed over
    allowance: dict[str, Array] | None = None  # what rounding allows, once it has been asked for


class Subject:
    """A piece of code in its form, what it should compute, and what has been found out about it."""

    def __init__(self, form: Any, op: Op, stated: list[str] | None = None) -> None:
        self.form, self.op, self.stated = form, op, stated
        self.notes: list[str] = []
        self.findings: list[Finding] = []
        self.convention: Convention = TORCH
        self.variant = op.variants[0]

    def attempt(
        self,
        p: Probe,
        convention: Convention,
        upstreams: list[dict[str, Any]],
        wrap: Callable[[Any], Any] = lambda value: value,
    ) -> Trial:
        """Run the user's code on probe `p` in `convention`, with its arrays passed through `wrap`."""
        p, upstreams = self.stored(p, upstreams)
        values = {k: wrap(convention.to_user(k, v)) for k, v in p.values.items()}
        expected, _ = p.evaluate()
        user_expected = {k: wrap(convention.to_user(k, v)) for k, v in expected.items()}
        reference = gradients_only(p.reference(p.upstream))
        names = [a.name for a in self.op.arguments if a.name in reference and p.values.get(a.name) is not None]
        shapes = {n: np.shape(convention.to_user(n, reference[n])) for n in names}
        handed: list[dict[str, Any]] = []
        for u in upstreams:
            same = next((h for h, v in zip(handed, upstreams, strict=False) if v is u), None)
            handed.append(same if same is not None else {k: wrap(convention.to_user(k, v)) for k, v in u.items()})
        np.random.seed(p.seed + 1)
        if hasattr(self.form, "torch_values"):
            self.form.torch_values = p.values
        with np.errstate(all="ignore"):
            run = self.form.run(values, handed, user_expected, shapes)
        for kind, found in (("output", run.outputs), *(("gradient", g) for g in run.gradients)):
            for k, v in found.items():
                if v is not None and np.asarray(v).dtype.kind not in "biufc":
                    raise CouldNotRun(f"the {kind} of {k} is no array but a {type(v).__name__}")
        outputs = {k: convention.to_torch(k, v) for k, v in run.outputs.items()}
        changes: dict[str, Any] = {}
        if (
            self.op.draws
            and "mask" not in self.form.takes
            and "output" in outputs
            and np.shape(outputs["output"]) == np.shape(p.values["input"])
        ):
            changes["mask"] = self.op.draws(outputs["output"], p.values["p"])
        expected, backward = p.evaluate(**changes)
        upstream = upstreams[0] if upstreams else p.upstream
        if not self.form.upstream:  # a loss, or a plain derivative: the upstream gradient is 1
            upstream = {**upstream, "output": np.ones_like(upstream["output"])}
        live = [n for n in expected if n in (run.handed if run.handed is not None else outputs) or n == "output"]
        given = {k: v for k, v in upstream.items() if k in live}
        full = backward(given)
        reference = {k: v for k, v in gradients_only(full).items() if k in names}
        unreduced = {k[:-1]: v for k, v in full.items() if isinstance(v, Unreduced)}
        gradients = {
            k: self.home(k, g, reference, shapes, run, convention)
            for k, g in (run.gradients[0] if run.gradients else {}).items()
        }
        if self.op.loss and "target" in gradients and not np.any(gradients["target"]):
            del gradients["target"]  # left at zero: no gradient is claimed
        return Trial(p, convention, run, outputs, expected, given, reference, unreduced, gradients, changes, upstreams)

    def stored(self, p: Probe, upstreams: list[dict[str, Any]]) -> tuple[Probe, list[dict[str, Any]]]:
        """The probe in the precision that the code computes in, if that is lower than float64."""
        if getattr(self.form, "dtype", "float64") == "float64":
            return p, upstreams
        values = {k: self.form.stored(v) for k, v in p.values.items()}
        seen = {id(u): {k: self.form.stored(v) for k, v in u.items()} for u in upstreams}
        upstream = {k: self.form.stored(v) for k, v in p.upstream.items()}
        return replace(p, values=values, upstream=upstream), [seen[id(u)] for u in upstreams]

    def home(
        self, name: str, g: Any, reference: dict[str, Array], shapes: dict[str, Any], run: Run, convention: Convention
    ) -> Any:
        """A user's gradient in torch's convention; left as it is if its shape does not allow that."""
        if name not in reference or g is None:
            return g
        array = np.asarray(g)
        if array.ndim == 0 and reference[name].size == 1:
            return array.reshape(reference[name].shape)
        own = run.shapes.get(name)
        if own is not None and array.shape == own and array.size == reference[name].size:
            return (
                array.reshape(shapes[name])
                if convention is TORCH
                else convention.to_torch(name, array.reshape(shapes[name]))
            )
        try:
            turned = array.shape != shapes[name] and array.T.shape == shapes[name]
            return convention.to_torch(name, array.T).T if turned else convention.to_torch(name, array)
        except (ValueError, IndexError):
            return array

    def evaluate(
        self, trial: Trial, flags: tuple[str, ...], upstream: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Array]] | None:
        """Outputs and gradients with these mistakes switched on, or None where the sizes do not allow it."""
        try:
            with np.errstate(all="ignore"):
                outputs, backward = trial.probe.evaluate(flags, **trial.changes)
                return outputs, gradients_only(backward(trial.upstream if upstream is None else upstream))
        except (ValueError, IndexError, TypeError, AttributeError, ZeroDivisionError, FloatingPointError):
            return None

    def names(self) -> dict[str, str]:
        """torch's argument: what the user calls it."""
        found = {role: parameter for parameter, role in self.form.matching.roles.items() if self.op.has(role)}
        for role, (_, key) in getattr(self.form, "attributes", {}).items():
            found[role] = str(key if isinstance(key, str) else key[1])
        return found

    def add(
        self,
        gradient: str,
        slug: str,
        evidence: str,
        confidence: float,
        sentence: str = "",
        correction: str = "",
        consequences: Any = (),
    ) -> None:
        self.findings.append(Finding(gradient, slug, evidence, confidence, sentence, correction, list(consequences)))
