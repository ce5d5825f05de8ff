"""One run: a user's code, read in one way, on one probe, beside the right answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.ops.conventions import TORCH, Convention
from torchref.check.ops.mistake import Unreduced
from torchref.check.ops.probe import Probe, gradients_only
from torchref.check.reading.config import Config, Values
from torchref.check.reading.forms.calling import CouldNotRun, Run
from torchref.check.reading.forms.calls import Call, noting_calls
from torchref.check.reading.forms.form import Form
from torchref.check.reading.reading import Reading
from torchref.check.tolerance.closeness import close, ratio
from torchref.nn.module import Array

Results = dict[str, Array]


@dataclass
class Trial:
    """A run of the user's code on one probe, beside the right answer."""

    reading: Reading
    probe: Probe
    run: Run
    outputs: Values  # the user's, in torch's convention
    expected: Values
    upstream: Values
    reference: Results
    unreduced: dict[str, Unreduced]
    gradients: Values  # the user's, in torch's convention; those of a wrong shape stay as they are
    changes: Values  # what the run itself decided: a mask that the user's code drew
    upstreams: list[Values]  # those that the backward got
    takes_upstream: bool  # whether the backward takes an upstream gradient
    asked: Config | None  # the dictionary of options, if the code takes one
    calls: list[Call]  # of the user's code, in this run
    allowance: Results | None = None  # what rounding allows; None until somebody asks

    @property
    def op(self) -> Op:
        return self.reading.op

    @property
    def form(self) -> Form:
        return self.reading.form

    def close(self, mine: Any, reference: Any, at_least: float = 0.0) -> bool:
        """Whether two arrays are equal within the tolerance of this reading."""
        return close(mine, reference, max(at_least, self.reading.tolerance))

    def ratio(self, mine: Any, reference: Any) -> float | None:
        return ratio(mine, reference, self.reading.tolerance)

    def with_mistakes(self, flags: tuple[str, ...]) -> tuple[Values, Results] | None:
        """The outputs and gradients with these mistakes; None if the sizes, or each other, do not allow them."""
        try:
            with np.errstate(all="ignore"):
                outputs, backward = self.probe.evaluate(flags, **self.changes)
                return outputs, gradients_only(backward(self.upstream))
        except (ValueError, IndexError, TypeError, AttributeError, NameError, ArithmeticError):
            return None

    def again(self, reading: Reading | None = None, wrap: Callable[[Any], Any] = lambda value: value) -> Trial:
        """The same probe and upstream gradient once more, in another reading or with wrapped arrays."""
        return attempt(reading or self.reading, self.probe, self.upstreams[:1], wrap)


def attempt(
    reading: Reading,
    p: Probe,
    upstreams: Sequence[Values],
    wrap: Callable[[Any], Any] = lambda value: value,
) -> Trial:
    """Run the user's code on the probe `p`; `wrap` is applied to every array that the code gets."""
    form = reading.form.for_probe(p.values)
    p, upstreams = _stored(form, p, upstreams)
    convention = reading.convention
    first, _ = p.evaluate()
    reference = gradients_only(p.reference(p.upstream))
    names = [a.name for a in reading.op.arguments if a.name in reference and p.values.get(a.name) is not None]
    shapes = {n: np.shape(convention.to_user(n, reference[n])) for n in names}

    def theirs(values: Values) -> Values:
        return {k: wrap(convention.to_user(k, v)) for k, v in values.items()}

    handed: list[Values] = []
    for u in upstreams:  # the same upstream gradient twice stays one object
        same = next((h for h, v in zip(handed, upstreams, strict=False) if v is u), None)
        handed.append(same if same is not None else theirs(u))
    np.random.seed(_draws(reading.op, p))
    with np.errstate(all="ignore"):
        values, expected = theirs(p.values), theirs(first)
        with noting_calls() as calls:
            run = form.run(values, handed, expected, shapes)
            _refuse_what_is_no_array(run)
    outputs = _in_torchs_convention(convention, run.outputs)
    changes = _drawn(reading, p, outputs)
    expected, backward = p.evaluate(**changes)
    upstream = upstreams[0] if upstreams else p.upstream
    if not form.upstream:  # a loss, or a plain derivative: the upstream gradient is 1
        upstream = {**upstream, "output": np.ones_like(upstream["output"])}
    live = [n for n in expected if n in (run.handed if run.handed is not None else outputs) or n == "output"]
    given = {k: v for k, v in upstream.items() if k in live}
    full = backward(given)
    reference = {k: v for k, v in gradients_only(full).items() if k in names and form.judges(k)}
    unreduced = {k[:-1]: v for k, v in full.items() if isinstance(v, Unreduced)}
    judged = {k: g for k, g in (run.gradients[0] if run.gradients else {}).items() if form.judges(k)}
    gradients = {k: _home(reading, k, g, reference, shapes, run) for k, g in judged.items()}
    if reading.op.loss and "target" in gradients and not np.any(gradients["target"]):
        del gradients["target"]  # left at zero: the code claims no gradient
    return Trial(
        reading, p, run, outputs, expected, given, reference, unreduced, gradients, changes, list(upstreams),
        form.upstream, form.asked, calls,
    )  # fmt: skip


def _draws(op: Op, p: Probe) -> int:
    """The seed of the global generator while the user's code runs; beside its own forward it draws what that draws."""
    return int(getattr(op.formula, "draws", p.seed + 1))


def outputs_at(trial: Trial, p: Probe) -> Values:
    """The user's outputs on another probe, in torch's convention; no gradient is asked for, not even a reference."""
    convention, form = trial.reading.convention, trial.form.for_probe(p.values)
    p, _ = _stored(form, p, [])
    shapes = {n: np.shape(convention.to_user(n, g)) for n, g in trial.reference.items()}
    np.random.seed(_draws(trial.reading.op, p))
    with np.errstate(all="ignore"):
        values, expected = (
            {k: convention.to_user(k, v) for k, v in held.items()} for held in (p.values, p.evaluate()[0])
        )
        run = form.run(values, [], expected, shapes)
    return {k: convention.to_torch(k, v) for k, v in run.outputs.items()}


def _stored(form: Form, p: Probe, upstreams: Sequence[Values]) -> tuple[Probe, Sequence[Values]]:
    """The probe in the precision of the code, if that is lower than float64."""
    if form.dtype == "float64":
        return p, upstreams
    values = {k: form.stored(v) for k, v in p.values.items()}
    seen = {id(u): {k: form.stored(v) for k, v in u.items()} for u in upstreams}
    upstream = {k: form.stored(v) for k, v in p.upstream.items()}
    return replace(p, values=values, upstream=upstream), [seen[id(u)] for u in upstreams]


def _refuse_what_is_no_array(run: Run) -> None:
    for kind, found in (("output", run.outputs), *(("gradient", g) for g in run.gradients)):
        for k, v in found.items():
            if v is not None and np.asarray(v).dtype.kind not in "biufc":
                raise CouldNotRun(f"the {kind} of {k} is no array but a {type(v).__name__}")


def _in_torchs_convention(convention: Convention, outputs: Values) -> Values:
    """The outputs in torch's convention. Errors: CouldNotRun for one with too few axes for it."""
    try:
        return {k: convention.to_torch(k, v) for k, v in outputs.items()}
    except (ValueError, IndexError):
        shapes = ", ".join(f"{k} {np.shape(v)}" for k, v in outputs.items())
        raise CouldNotRun(f"the output has too few axes: {shapes}") from None


def _drawn(reading: Reading, p: Probe, outputs: Values) -> Values:
    """The mask that the user's code drew, read from its output."""
    if not reading.op.draws or "mask" in reading.takes or "output" not in outputs:
        return {}
    if np.shape(outputs["output"]) != np.shape(p.values["input"]):
        return {}
    return {"mask": reading.op.draws(outputs["output"], p.values["p"])}


def _home(reading: Reading, name: str, g: Any, reference: Results, shapes: dict[str, tuple[int, ...]], run: Run) -> Any:
    """A user's gradient in torch's convention; unchanged if its shape does not allow that."""
    if name not in reference or g is None:
        return g
    convention, array = reading.convention, np.asarray(g)
    if array.ndim == 0 and reference[name].size == 1:
        return array.reshape(reference[name].shape)
    own = run.shapes.get(name)
    if own is not None and array.shape == own and array.size == reference[name].size:
        shaped = array.reshape(shapes[name])
        return shaped if convention is TORCH else convention.to_torch(name, shaped)
    try:
        turned = array.shape != shapes[name] and array.T.shape == shapes[name]
        return convention.to_torch(name, array.T).T if turned else convention.to_torch(name, array)
    except (ValueError, IndexError):
        return array
