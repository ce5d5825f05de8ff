# ruff: noqa: E501
"""Run a user's code on probes, compare, and name what is wrong.

The order: does it run, and in which convention; is the forward right; what a gradient must keep (shape, dtype, finite,
nothing changed, the same twice, linear in the upstream gradient); the wrong formulas of the operation; signatures that
need no formula. Whatever fits is confirmed on a second probe. What fits nothing is "unknown".
"""

from __future__ import annotations

import inspect
import itertools
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchref.check import adapt, arguments, contract, gates, probes, signatures
from torchref.check.arguments import TORCH, Convention
from torchref.check.contract import FORWARD_TOLERANCE, TOLERANCE, close, error, ratio
from torchref.check.forms.base import CouldNotRun, Run, TimeOut, UserError
from torchref.check.mistakes.base import Mistake, Unreduced
from torchref.check.ops import Op
from torchref.check.probes import Probe, gradients_only
from torchref.check.verdict import CORRECTIONS, COULD_NOT_RUN, RIGHT, WRONG, Finding, Verdict
from torchref.nn.module import Array

MANUAL = "manual/derivations"


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


class Diagnosis:
    """All that is asked of one piece of code."""

    def __init__(self, form: Any, op: Op, stated: list[str] | None = None) -> None:
        self.form, self.op, self.stated = form, op, stated
        self.notes: list[str] = []
        self.findings: list[Finding] = []
        self.convention: Convention = TORCH
        self.variant = op.variants[0]

    # --- running -------------------------------------------------------------------------------------------------------

    def attempt(self, p: Probe, convention: Convention, upstreams: list[dict[str, Any]]) -> Trial:
        """Run the user's code on probe `p` in `convention`."""
        values = {k: convention.to_user(k, v) for k, v in p.values.items()}
        expected, _ = p.evaluate()
        user_expected = {k: convention.to_user(k, v) for k, v in expected.items()}
        reference = gradients_only(p.reference(p.upstream))
        names = [a.name for a in self.op.arrays if a.name in reference and p.values.get(a.name) is not None]
        shapes = {n: np.shape(convention.to_user(n, reference[n])) for n in names}
        handed: list[dict[str, Any]] = []
        for u in upstreams:
            same = next((h for h, v in zip(handed, upstreams, strict=False) if v is u), None)
            handed.append(same if same is not None else {k: convention.to_user(k, v) for k, v in u.items()})
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
            self.op.name == "dropout"
            and "mask" not in self.form.takes
            and "output" in outputs
            and np.shape(outputs["output"]) == np.shape(p.values["input"])
        ):
            changes["mask"] = np.asarray(outputs["output"]) != 0
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
        return Trial(p, convention, run, outputs, expected, given, reference, unreduced, gradients, changes)

    def home(
        self, name: str, g: Any, reference: dict[str, Array], shapes: dict[str, Any], run: Run, convention: Convention
    ) -> Any:
        """A user's gradient in torch's convention; left as it is if its shape does not allow that."""
        if name not in reference or g is None:
            return g
        array = np.asarray(g)
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

    def settle(self) -> Trial:
        """Find the variant and the convention in which the forward is right (or, if none is, in which it runs)."""
        first: Trial | None = None
        problem: CouldNotRun | None = None
        for variant in self.op.variants:
            p = probes.make(self.op, 0, self.form.takes, variant)
            for convention in self.conventions(p):
                try:
                    trial = self.attempt(p, convention, [p.upstream] if self.form.name == "function" else [])
                except CouldNotRun as e:
                    if problem is None:
                        problem = e
                    continue
                good = self.scores(trial) if self.form.name == "function" else self.forward_right(trial)
                if good:
                    self.variant, self.convention = variant, convention
                    return trial
                fits = (
                    np.shape(trial.outputs.get("output", 0)) == np.shape(trial.expected["output"])
                    if trial.outputs
                    else True
                )
                adapted = None if fits else adapt.fitting(self.op, trial.outputs, trial.expected)
                if adapted is not None:
                    self.op = self.form.op = adapted
                    return self.settle()
                if self.form.name == "function":
                    fits = all(
                        np.shape(g) == trial.reference[n].shape
                        for n, g in trial.gradients.items()
                        if n in trial.reference
                    )
                if fits and first is None:
                    first = trial
                    self.variant, self.convention = variant, convention
                if first is not None and convention is TORCH and not self.retry_conventions():
                    return first
            if first is not None:
                break
        if first is not None:
            return first
        options = {a.name for a in self.op.options if a.name not in self.op.given} & self.form.takes
        if options and isinstance(problem, UserError):  # code that works for torch's defaults alone
            taken, self.form.takes = self.form.takes, self.form.takes - options
            try:
                return self.settle()
            except CouldNotRun:
                self.form.takes = taken
                raise problem from None
        if self.form.name == "function":
            p = probes.make(self.op, 0, self.form.takes, self.op.variants[0])
            try:
                return self.attempt(p, TORCH, [p.upstream])
            except CouldNotRun:
                raise (problem or CouldNotRun("it ran in no convention")) from None
        if problem is None:
            p = probes.make(self.op, 0, self.form.takes, self.op.variants[0])
            return self.attempt(p, TORCH, [])
        raise problem

    def conventions(self, p: Probe) -> Iterator[Convention]:
        """The conventions to try. Where no forward can tell them apart, dropout's p is torch's unless its name says more."""
        if self.op.name == "dropout" and self.form.name == "function" and not arguments.told_conventions(self.stated):
            name = arguments.normal(self.form.matching.user("p") or "")
            if "keep" in name or "retain" in name:
                return iter(list(arguments.conventions(self.op, p.values, self.form.takes, self.stated))[1:])
            return iter([TORCH])
        return arguments.conventions(self.op, p.values, self.form.takes, self.stated)

    def retry_conventions(self) -> bool:
        return True

    def scores(self, trial: Trial) -> bool:
        return bool(trial.gradients) and all(
            np.shape(g) == trial.reference[n].shape and close(g, trial.reference[n])
            for n, g in trial.gradients.items()
            if n in trial.reference
        )

    def forward_right(self, trial: Trial) -> bool:
        return not self.wrong_outputs(trial)

    def share_right(self, trial: Trial) -> bool:
        """Whether code that draws its own mask keeps the share of the units that it should."""
        if "mask" not in trial.changes or not trial.probe.values["training"]:
            return True
        keep = 1 - trial.probe.values["p"]
        noise = np.sqrt(keep * (1 - keep) / trial.changes["mask"].size)
        return bool(abs(trial.changes["mask"].mean() - keep) < 6 * noise + 1e-9)

    def wrong_outputs(self, trial: Trial) -> list[str]:
        if not self.share_right(trial):
            return ["output"]
        tolerance = 1e-4 if self.op.loss else FORWARD_TOLERANCE.get(self.op.name, TOLERANCE)
        wrong = []
        for name, value in trial.outputs.items():
            if name not in trial.expected or name.startswith("running_") or name == "weights":
                continue
            value, right = np.asarray(value), np.asarray(trial.expected[name])
            if (
                value.size == right.size
                and (self.op.loss or value.shape == right.shape)
                and close(value.reshape(right.shape), right, tolerance)
            ):
                continue
            wrong.append(name)
        return wrong

    # --- the verdict ---------------------------------------------------------------------------------------------------

    def verdict(self) -> Verdict:
        if hasattr(self.form, "ambiguous") and self.form.ambiguous():
            self.choose_input_or_output()
        contract.allowed["tolerance"] = TOLERANCE
        self.learn_options()
        if self.form.name == "autograd":
            self.form.choose(lambda: self.settle())
        trial = self.settle()
        if self.convention is not TORCH:
            self.notes.append(f"a convention that differs from torch's: {self.convention.sentence}")
        if trial.outputs and self.wrong_outputs(trial):
            self.judge_forward(trial)
            return self.result(trial)
        p = trial.probe
        try:
            trial = self.attempt(p, self.convention, [p.upstream, p.upstream])
        except UserError as problem:
            return self.breaks(problem, trial)
        second = self.attempt(p, self.convention, [p.second])
        other = probes.make(self.op, 1, self.form.takes, self.variant)
        third = self.attempt(other, self.convention, [other.upstream])
        self.judge_contract(trial, second)
        self.judge_running(trial)
        self.judge_gradients(trial, second, third)
        self.judge_extremes()
        return self.result(trial)

    def learn_options(self) -> None:
        """Which options the code reads from its dictionary: those vary in the probe, the others stay at their defaults."""
        if "config" not in self.form.takes:
            return
        options = {a.name for a in self.op.arguments if a.kind != "array" and a.name != "momentum"}
        plain = set(self.form.takes)
        self.form.takes = plain | options
        for variant in self.op.variants:
            p = probes.make(self.op, 0, self.form.takes, variant)
            for convention in itertools.islice(
                arguments.conventions(self.op, p.values, self.form.takes, self.stated), 8
            ):
                try:
                    self.attempt(p, convention, [p.upstream] if self.form.name == "function" else [])
                except CouldNotRun:
                    continue
                asked = self.form.asked.names(self.op) if self.form.asked is not None else options
                self.form.takes = plain | (options & asked)
                return

    def choose_input_or_output(self) -> None:
        """An argument like `a` or `cache` of a gradient function is the input, or else the output: see which is right."""
        flag = "use_probabilities" if self.op.name == "cross_entropy" else "use_output"
        for use_output in (False, True):
            setattr(self.form, flag, use_output)
            try:
                p = probes.make(self.op, 0, self.form.takes, self.op.variants[0])
                if self.scores(self.attempt(p, TORCH, [p.upstream])):
                    if use_output:
                        what = "softmax's output" if self.op.name == "cross_entropy" else "the forward's output"
                        self.notes.append(f"{self.form.matching.user('input')!r} is taken to be {what}")
                    return
            except CouldNotRun:
                continue
        role = self.form.matching.user("input") or ""
        if self.op.name == "cross_entropy":
            told = arguments.normal(role) in ("probs", "p", "softmax", "probabilities", "softmaxout", "s")
            self.form.use_probabilities = told
            return
        self.form.use_output = arguments.normal(role) in arguments.ALIASES["output"]

    def breaks(self, problem: UserError, trial: Trial) -> Verdict:
        """The backward raises although the forward ran: a shape error is often a transpose that only a square array hides."""
        if not isinstance(problem.original, ValueError | IndexError | RuntimeError | TypeError | AssertionError):
            raise problem
        try:
            p = probes.make(self.op, 0, self.form.takes, "square")
            square = self.attempt(p, self.convention, [p.upstream])
        except (CouldNotRun, ValueError, KeyError):
            raise problem from None
        before = len(self.findings)
        self.judge_gradients(
            square,
            square,
            square,
            told=f"on sizes that differ it raises {type(problem.original).__name__}: {problem.original}",
        )
        if len(self.findings) == before:
            raise problem
        return self.result(square)

    def result(self, trial: Trial) -> Verdict:
        right: dict[str, float] = {}
        named = {f.gradient for f in self.findings} | {c for f in self.findings for c in f.consequences}
        pictures = []
        for name, g in trial.gradients.items():
            if name not in trial.reference:
                continue
            if np.shape(g) == trial.reference[name].shape and close(g, trial.reference[name]) and name not in named:
                right[name] = error(g, trial.reference[name]) / TOLERANCE
            pictures.append({"name": name, "mine": np.asarray(g, dtype=float), "reference": trial.reference[name]})
        verdict = WRONG if self.findings else RIGHT
        if verdict == RIGHT and not trial.gradients:
            return Verdict(COULD_NOT_RUN, error="no gradient was found to compare")
        self.findings.sort(key=lambda f: -f.confidence)
        for f in self.findings:
            f.correction = f.correction or CORRECTIONS.get(f.slug, "")
            f.derivation = f.derivation or derivation(self.op)
        return Verdict(
            verdict,
            against=self.op.name,
            form=self.form.name,
            findings=self.findings,
            right=right,
            notes=self.notes,
            pictures=pictures,
            yours=self.names(),
        )

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

    # --- the forward -----------------------------------------------------------------------------------------------------

    def judge_forward(self, trial: Trial) -> None:
        """The forward is not the reference's: say why, if it is one of the known ways."""
        name = self.wrong_outputs(trial)[0]
        strange: list[str] = getattr(self.form, "strange", list)()
        if strange:
            raise CouldNotRun(
                f"the class holds arrays that match none of {self.op.name}'s arguments: {', '.join(strange)}; "
                f"expected some of {', '.join(a.name for a in self.op.arrays)}, as attributes, in params[...] or in the constructor"
            )
        mine, right = np.asarray(trial.outputs[name]), np.asarray(trial.expected[name])
        shown = "output" if name == "output" else name
        if mine.dtype.kind in "fc" and not np.isfinite(mine).all() and np.isfinite(right).all():
            self.add(
                shown,
                "not-finite",
                f"the forward gives {int((~np.isfinite(mine)).sum())} entries that are nan or infinite",
                0.97,
                "The forward overflows or divides by zero.",
            )
            return
        if self.op.name == "dropout" and mine.shape == right.shape:
            self.judge_dropout(trial, mine)
            return
        for m in self.op.mistakes:
            if not m.forward or m.gradient != "output":
                continue
            found = self.evaluate(trial, (m.flag,))
            if found is None:
                continue
            outputs = found[0]
            if (
                np.shape(outputs[name]) == mine.shape
                and close(mine, outputs[name], 1e-5)
                and not close(outputs[name], right, 1e-5)
            ):
                self.add(
                    "output",
                    m.slug,
                    f"the output equals that of this mistake ({m.flag})",
                    0.95,
                    m.sentence,
                    m.correction,
                )
                return
        c = ratio(mine, right) if mine.shape == right.shape else None
        if c is not None:
            fake = signatures.constant(trial.probe, mine, right, None, "output")
            if self.op.loss and fake is not None and fake.confidence > 0.9:
                self.add("output", fake.slug, f"the loss is {c:.6g} times the right one", 0.9, fake.sentence)
                return
            if self.op.family == "pool" and "avg" in self.op.name:
                self.add("output", "wrong-reduction", f"the output is {c:.6g} times the right one", 0.9)
                return
        if mine.shape != right.shape and not (self.op.loss and mine.size == right.size):
            evidence = f"the output has shape {mine.shape}, expected {right.shape}"
        else:
            evidence = f"the output differs from {self.op.name}'s by up to {error(mine.reshape(right.shape), right):.3g} of its largest entry"
            if c is not None:
                evidence = f"the output is {c:.6g} times {self.op.name}'s"
        self.add(
            "output",
            "forward-differs",
            evidence,
            0.95,
            "The forward is not this operation's; its backward cannot be judged before that is right.",
        )

    def judge_dropout(self, trial: Trial, mine: Array) -> None:
        p, x = trial.probe, trial.probe.values["input"]
        kept = float((mine != 0).mean())
        scale = np.unique(np.round((mine / x)[mine != 0], 9))
        told = f"{kept:.0%} of the units are kept, multiplied by {', '.join(f'{s:.6g}' for s in scale[:3])}; p = {p.values['p']:g} asks for {1 - p.values['p']:.0%} and {1 / (1 - p.values['p']):.6g}"
        known = next(
            (
                m
                for m in self.op.mistakes
                if m.forward and (r := self.evaluate(trial, (m.flag,))) is not None and close(mine, r[0]["output"])
            ),
            None,
        )
        slug = "dropout-mask-or-scale" if len(scale) <= 2 else "forward-differs"
        self.add(
            "output",
            slug,
            told,
            0.95,
            known.sentence if known else "The forward's mask or scale is not dropout's.",
            known.correction if known else "",
        )

    def judge_running(self, trial: Trial) -> None:
        """The running statistics, where the user's code keeps them."""
        wrong = []
        for name in ("running_mean", "running_var"):
            if name not in trial.expected:
                continue
            value = trial.outputs.get(name)
            if value is None:
                value = trial.outputs.get(name + " in place")
                if value is not None and np.array_equal(value, trial.probe.values[name]):
                    continue  # handed over, but neither changed nor returned
            if value is None:
                continue
            if np.size(value) != np.size(trial.expected[name]) or not close(
                np.reshape(value, np.shape(trial.expected[name])), trial.expected[name]
            ):
                wrong.append(name)
        if not wrong:
            return
        mine = {n: np.asarray(trial.outputs.get(n, trial.outputs.get(n + " in place"))).reshape(-1) for n in wrong}
        running = [m for m in self.op.mistakes if m.gradient.startswith("running_")]
        for m in (*(((m,)) for m in running), *itertools.combinations(running, 2)):
            found = self.evaluate(trial, tuple(k.flag for k in m))
            if found is None or not all(close(mine[n], found[0][n]) for n in wrong):
                continue
            flags = {k.flag for k in m}
            if "momentum the other way round" in flags and self.momentum_convention():
                self.notes.append("momentum weighs the old statistics here; in torch it weighs the new ones")
                m = tuple(k for k in m if k.flag != "momentum the other way round")
                if not m:
                    return
            self.add(m[0].gradient, "running-statistics", f"{' and '.join(wrong)} equal those of this mistake ({', '.join(k.flag for k in m)})", 0.95,
                     " ".join(k.sentence for k in m), consequences=[w for w in wrong if w != m[0].gradient])  # fmt: skip
            return
        self.add(
            wrong[0],
            "running-statistics",
            f"{' and '.join(wrong)} differ from torch's update",
            0.85,
            consequences=wrong[1:],
        )

    def momentum_convention(self) -> bool:
        """Whether the user's own default says that momentum is the share of the old statistics."""
        if "momentum" not in self.form.takes:
            return "config" in self.form.takes
        for matching in (self.form.matching, getattr(self.form, "construction", self.form.matching)):
            name = matching.user("momentum")
            for p in arguments.parameters(getattr(self.form, "function", getattr(self.form, "cls", None))) + list(
                getattr(self.form, "forward_params", [])
            ):
                if p.name == name and isinstance(p.default, float):
                    return p.default > 0.5
        return False

    # --- the contract ----------------------------------------------------------------------------------------------------

    def judge_contract(self, trial: Trial, second: Trial) -> None:
        run = trial.run
        for name in dict.fromkeys(run.changed):
            shown = "grad_output" if name in ("doutput", "dh_n", "dc_n") else name
            self.add(
                shown,
                "argument-changed",
                f"{'the upstream gradient' if shown == 'grad_output' else shown} has other values after the call",
                0.93,
                "The code changes an array that belongs to its caller.",
                "work on a copy, or write y = ... instead of y += ...",
            )
        if "count" in run.extras:
            self.add("input", "wrong-shape", run.extras["count"], 0.8)
        for key, told in run.extras.items():
            if key.startswith("none ") and not self.op.loss:
                self.add(key[5:], "unknown", told, 0.7, "A gradient is missing.")
            if key.startswith("dtype "):
                self.add(key[6:], "wrong-dtype", f"the gradient is {told}", 0.95)
        if self.form.name != "autograd":
            for name, g in trial.gradients.items():
                if name not in trial.reference:
                    continue
                dtype = np.asarray(g).dtype
                if dtype.kind in "iub" or (dtype.kind == "f" and dtype.itemsize < 8) or dtype.kind not in "fc":
                    self.add(
                        name,
                        "wrong-dtype",
                        f"the gradient is {dtype}, its argument float64",
                        0.96,
                        "The gradient has a lower precision than its argument.",
                        "make arrays with np.zeros_like(x) or dtype=x.dtype",
                    )
            output = np.asarray(trial.outputs.get("output", 0.0))
            if output.dtype.kind == "f" and output.dtype.itemsize < 8 and not self.findings:
                self.add("output", "wrong-dtype", f"the output is {output.dtype}, the input float64", 0.9)
        if len(run.gradients) > 1 and not run.changed:
            apart = [
                n
                for n, g in run.gradients[0].items()
                if n in run.gradients[1]
                and np.shape(g) == np.shape(run.gradients[1][n])
                and not close(run.gradients[1][n], np.asarray(g))
            ]
            if apart:
                if self.op.family == "dropout":
                    self.add(
                        "input",
                        "dropout-mask-or-scale",
                        "the backward drops other units in each call: it draws a mask of its own",
                        0.95,
                        "The backward must use the forward's mask.",
                        "keep the mask of the forward",
                    )
                else:
                    self.add(
                        apart[0],
                        "not-repeatable",
                        f"two backwards of one forward disagree in {', '.join('d' + a for a in apart)}",
                        0.92,
                        "The second backward gives another answer: something is kept or changed between the calls.",
                        consequences=apart[1:],
                    )

    # --- the gradients ---------------------------------------------------------------------------------------------------

    def wrong_gradients(self, trial: Trial) -> list[str]:
        return [
            n
            for n, r in trial.reference.items()
            if n in trial.gradients
            and trial.gradients[n] is not None
            and not (np.shape(trial.gradients[n]) == r.shape and close(np.asarray(trial.gradients[n], dtype=float), r))
        ]

    def evaluate(
        self, trial: Trial, flags: tuple[str, ...], upstream: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Array]] | None:
        """Outputs and gradients with these mistakes switched on, or None where the sizes do not allow it."""
        try:
            with np.errstate(all="ignore"):
                outputs, backward = trial.probe.evaluate(flags, **trial.changes)
                return outputs, gradients_only(backward(trial.upstream if upstream is None else upstream))
        except (ValueError, IndexError, ZeroDivisionError, FloatingPointError):
            return None

    def judge_gradients(self, trial: Trial, second: Trial, third: Trial, told: str = "") -> None:
        wrong = self.wrong_gradients(trial)
        if not wrong and third is not trial and self.wrong_gradients(third):
            trial, second = third, third
            wrong = self.wrong_gradients(trial)
        if not wrong:
            return
        already = {f.gradient for f in self.findings}
        if any(f.slug in ("argument-changed", "not-repeatable", "dropout-mask-or-scale") for f in self.findings):
            # wrong gradients beside a changed argument are named only if they fit a mistake of their own
            quiet = True
        else:
            quiet = False
        wrong = [
            n
            for n in wrong
            if not (n in already and any(f.slug == "wrong-dtype" and f.gradient == n for f in self.findings))
        ]
        found: list[Finding] = []
        rest = list(wrong)
        extra = f"; {told}" if told else ""

        # not finite
        for n in list(rest):
            g = np.asarray(trial.gradients[n], dtype=float)
            if not np.isfinite(g).all() and np.isfinite(trial.reference[n]).all():
                found.append(
                    Finding(
                        n,
                        "not-finite",
                        f"d{n} has {int((~np.isfinite(g)).sum())} entries that are nan or infinite",
                        0.95,
                    )
                )
                rest.remove(n)
        # the upstream gradient is not multiplied in
        if second is not trial and self.form.upstream:
            stuck = [
                n
                for n in rest
                if n in second.gradients
                and np.any(trial.gradients[n])
                and np.shape(trial.gradients[n]) == np.shape(second.gradients[n])
                and close(second.gradients[n], np.asarray(trial.gradients[n], dtype=float), 1e-9)
                and not close(second.reference[n], trial.reference[n], 1e-3)
            ]
            if (stuck and self.op.family != "dropout") or (stuck and np.shape(stuck)):
                found.append(
                    Finding(
                        stuck[0],
                        "upstream-not-multiplied",
                        "the gradient does not change when the upstream gradient does",
                        0.97,
                        "The upstream gradient is not multiplied in.",
                        "multiply the local derivative by the upstream gradient",
                        stuck[1:],
                    )
                )
                rest = [n for n in rest if n not in stuck]
        # shapes
        for n in list(rest):
            g = np.asarray(trial.gradients[n], dtype=float)
            if g.shape != trial.reference[n].shape:
                s = signatures.shape(g, trial.reference[n], trial.unreduced.get(n), n)
                found.append(Finding(n, s.slug, s.evidence, s.confidence, s.sentence))
                rest.remove(n)
        rest = self.match_library(trial, third, rest, found, extra)
        self.match_signatures(trial, rest, found, extra)
        if quiet:
            changed = [
                f for f in self.findings if f.slug in ("argument-changed", "not-repeatable", "dropout-mask-or-scale")
            ]
            unknown = [
                f
                for f in found
                if f.slug == "unknown" or changed[0].slug in ("dropout-mask-or-scale", "argument-changed")
            ]
            for f in unknown:
                changed[0].consequences += [
                    n
                    for n in (f.gradient, *f.consequences)
                    if n not in changed[0].consequences and n != changed[0].gradient
                ]
            found = [f for f in found if f not in unknown]
        self.findings += self.merged(found, trial)

    def match_library(self, trial: Trial, third: Trial, rest: list[str], found: list[Finding], extra: str) -> list[str]:
        """Name what equals a wrong formula: alone, then times a factor, then two at once."""
        backward = [m for m in self.op.mistakes if not m.forward]
        given = {
            n: np.asarray(trial.gradients[n], dtype=float)
            for n in trial.gradients
            if n in trial.reference and trial.gradients[n] is not None
        }
        numbers = {v for v, _ in signatures.quantities(trial.probe, None, np.zeros(1))} if self.op.loss else set()
        factors = [1.0]
        cache: dict[tuple[str, ...], dict[str, Array]] = {}
        for m in backward:
            result = self.evaluate(trial, (m.flag,))
            if result is not None:
                altered = {
                    n: g
                    for n, g in result[1].items()
                    if n in trial.reference
                    and not (g.shape == trial.reference[n].shape and close(g, trial.reference[n]))
                }
                if altered:
                    cache[(m.flag,)] = altered
        by_flag = {m.flag: m for m in backward}

        def best(
            candidates: dict[tuple[str, ...], dict[str, Array]], factor: float
        ) -> tuple[tuple[str, ...], list[str]] | None:
            top: tuple[float, tuple[str, ...], list[str]] | None = None
            for flags, altered in candidates.items():
                explained = [
                    n
                    for n in rest
                    if n in altered and altered[n].shape == given[n].shape and close(given[n], factor * altered[n])
                ]
                if not explained:
                    continue
                denied = [n for n in altered if n in given and n not in explained]
                score = len(explained) - 0.6 * len(denied) - 0.001 * len(altered)
                if top is None or score > top[0]:
                    top = (score, flags, explained)
            return None if top is None else (top[1], top[2])

        def take(flags: tuple[str, ...], explained: list[str], how: str, confidence: float) -> None:
            mistakes = [by_flag[f] for f in flags]
            confirmed = self.confirm(third, flags, explained)
            root = mistakes[0].gradient
            if (root not in explained and root not in trial.reference) or root not in explained:
                root = explained[0]
            for i, m in enumerate(mistakes):
                home = root if i == 0 else m.gradient if m.gradient in explained else root
                others = [n for n in explained if n != home] if i == 0 else []
                found.append(Finding(home, m.slug, f"{'d' + ', d'.join(explained)} equal{'s' if len(explained) == 1 else ''} that of this mistake ({m.flag}){how}" + ("" if confirmed else "; not on a second probe") + extra,
                                     confidence if confirmed else confidence - 0.2, m.sentence, m.correction, others))  # fmt: skip

        while rest:
            hit = best(cache, 1.0)
            if hit is None:
                break
            take(hit[0], hit[1], "", 0.97)
            rest = [n for n in rest if n not in hit[1]]
        # signatures of one gradient are simpler than a product of two mistakes
        simple = [
            n
            for n in rest
            if signatures.generic(
                trial.probe, given[n], trial.reference[n], trial.unreduced.get(n), n, trial.upstream.get("output")
            )
            is not None
        ]
        hard = [n for n in rest if n not in simple]
        if hard:
            rest = hard
            factors = [-1.0, *(x for v in numbers for x in (v, 1 / v)), *([2.0, 0.5] if self.op.loss else [])]
            if self.op.loss:
                factors += [s * a * b for a in numbers for b in numbers for s in (1,)] + [
                    1 / (a * b) for a in numbers for b in numbers
                ]
            if (
                self.op.loss
                and self.form.upstream
                and "output" in trial.upstream
                and np.ndim(trial.upstream["output"]) == 0
            ):
                factors.append(1 / float(trial.upstream["output"]))
            for factor in factors:
                hit = best(cache, factor)
                if hit:
                    take(hit[0], hit[1], f", times {factor:g}", 0.8)
                    rest = [n for n in rest if n not in hit[1]]
                    break
        if rest and hard and len(backward) <= 60:
            two: dict[tuple[str, ...], dict[str, Array]] = {}
            for a, b in itertools.combinations([f[0] for f in cache], 2):
                result = self.evaluate(trial, (a, b))
                if result is not None:
                    two[(a, b)] = {
                        n: g
                        for n, g in result[1].items()
                        if n in trial.reference
                        and not (g.shape == trial.reference[n].shape and close(g, trial.reference[n]))
                    }
            hit = best(two, 1.0)
            if hit:
                take(hit[0], hit[1], ", two at once", 0.75)
                rest = [n for n in rest if n not in hit[1]]
        return [*simple, *rest] if hard else simple

    def confirm(self, third: Trial, flags: tuple[str, ...], explained: list[str]) -> bool:
        result = self.evaluate(third, flags)
        if result is None:
            return False
        return all(
            n in third.gradients and np.shape(third.gradients[n]) == result[1][n].shape
            for n in explained
            if n in result[1]
        )

    def match_signatures(self, trial: Trial, rest: list[str], found: list[Finding], extra: str) -> None:
        unknown: list[str] = []
        for n in rest:
            g = np.asarray(trial.gradients[n], dtype=float)
            s = signatures.generic(
                trial.probe, g, trial.reference[n], trial.unreduced.get(n), n, trial.upstream.get("output")
            )
            if s is None:
                unknown.append(n)
            else:
                found.append(Finding(n, s.slug, s.evidence + extra, s.confidence, s.sentence))
        if unknown:
            n = unknown[0]
            told = f"d{n} differs by up to {error(np.asarray(trial.gradients[n], dtype=float), trial.reference[n]):.3g} of its largest entry, and fits no known mistake"
            others = unknown[1:]
            known = [f for f in found if f.confidence >= 0.7]
            if known and self.op.family in ("recurrent", "attention"):
                known[0].consequences += unknown
            else:
                found.append(
                    Finding(
                        n,
                        "unknown",
                        told + extra,
                        0.3,
                        "The gradient is wrong in a way that fits no known mistake.",
                        "",
                        others,
                    )
                )

    def merged(self, found: list[Finding], trial: Trial) -> list[Finding]:
        """One mistake that spoils all gradients in the same way is named once, at its root."""
        every = [n for n in trial.gradients if n in trial.reference]
        for slug in {f.slug for f in found}:
            same = [f for f in found if f.slug == slug]
            touched = {f.gradient for f in same} | {c for f in same for c in f.consequences}
            if (
                len(same) > 1
                and touched >= set(every)
                and slug
                in ("wrong-sign", "upstream-not-multiplied", "attention-scale", "unknown", "local-derivative-missing")
            ):
                first = same[0]
                first.consequences = [n for n in every if n != first.gradient and n in touched]
                found = [f for f in found if f.slug != slug or f is first]
            elif len(same) > 1 and self.op.family == "attention":
                first = same[0]
                first.consequences += [f.gradient for f in same[1:]]
                found = [f for f in found if f.slug != slug or f is first]
        return found

    # --- extremes --------------------------------------------------------------------------------------------------------

    def judge_extremes(self) -> None:
        """Logits of +-900, a row entirely below -900, rows of zeros: the result must stay finite."""
        if self.findings or not (self.op.logits or self.op.zero_rows):
            return
        p = probes.make(self.op, 2, self.form.takes, self.variant)
        name = "query" if self.op.family == "attention" else "x1" if self.op.has("x1") else "input"
        x = np.array(p.values[name])
        if self.op.family == "attention":
            x = x * 900
        elif self.op.logits and x.ndim >= 2:
            x[0] = np.where(x[0] > 0, 900.0, -900.0)
            x[1] = -900.0 - np.arange(x[1].size).reshape(x[1].shape)
            x[2] = 900.0 + np.arange(x[2].size).reshape(x[2].shape)
        elif self.op.logits:
            x[:] = -900.0 - np.arange(x.size)
        elif x.ndim >= 2:
            x[1] = 0.0
        else:
            return
        p.values[name] = x
        try:
            trial = self.attempt(p, self.convention, [p.upstream])
        except CouldNotRun as problem:
            self.notes.append(f"at extreme inputs (+-900, rows of zeros) it could not be run: {problem}")
            return
        what = "rows of zeros" if self.op.zero_rows else "logits of +-900"
        for n, g in trial.gradients.items():
            if (
                n in trial.reference
                and np.isfinite(trial.reference[n]).all()
                and not np.isfinite(np.asarray(g, dtype=float)).all()
            ):
                self.add(
                    n,
                    "not-finite",
                    f"at {what} d{n} has nan or infinite entries",
                    0.95,
                    "The code overflows or divides by zero where the right result is finite.",
                    "subtract the row's maximum before the exponential"
                    if self.op.logits
                    else "guard the division as torch does (eps)",
                )
                return
        output = trial.outputs.get("output")
        if (
            output is not None
            and np.isfinite(trial.expected["output"]).all()
            and not np.isfinite(np.asarray(output, dtype=float)).all()
        ):
            if self.op.loss:
                self.notes.append(f"at {what} the loss is not finite, though its gradient is")
            else:
                self.add(
                    "output",
                    "not-finite",
                    f"at {what} the output has nan or infinite entries",
                    0.9,
                    "The code overflows or divides by zero where the right result is finite.",
                    "subtract the row's maximum before the exponential",
                )


PAGES = {
    "softmax": "softmax.md",
    "log_softmax": "softmax.md",
    "cross_entropy": "softmax-cross-entropy.md",
    "nll_loss": "softmax-cross-entropy.md",
    "layer_norm": "layer-norm.md",
    "batch_norm": "batch-norm.md",
    "batch_norm2d": "batch-norm.md",
    "embedding": "embedding.md",
    "scaled_dot_product_attention": "attention.md",
}
FAMILY_PAGES = {
    "conv": "convolution.md",
    "pool": "pooling.md",
    "recurrent": "rnn-lstm.md",
    "elementwise": "activations.md",
}


def derivation(op: Op) -> str:
    """Where the derivation stands: the docstring, and the manual's page if there is one."""
    name = op.name.replace("norm2d", "norm")
    page = PAGES.get(op.name) or FAMILY_PAGES.get(op.family)
    where = f"the docstring of torchref.nn.functional.{name}"
    return f"{MANUAL}/{page}, and {where}" if page else where


def last_lines(error: BaseException, skip: str = "torchref") -> str:
    """The last lines of the user's own traceback, none of ours."""
    original = error.original if isinstance(error, UserError) else error
    ours = (f"/{skip}/check/", "/comparisons/command", "<frozen ")
    frames = [f for f in traceback.extract_tb(original.__traceback__) if not any(o in f.filename for o in ours)]
    lines = [line.rstrip() for line in traceback.format_list(frames[-4:])]
    if not isinstance(original, TimeOut):
        lines += [line.rstrip() for line in traceback.format_exception_only(type(original), original)]
    return "\n".join(lines)


def names_in(target: Any) -> list[str]:
    """The names that a user's code may hold its arrays under: parameters, attributes, keys of dictionaries."""
    names: list[str] = []
    for part in target if isinstance(target, tuple | list) else (target,):
        names += [p.name for p in arguments.parameters(part)]
        try:
            source = inspect.getsource(part) if inspect.isclass(part) else ""
        except (OSError, TypeError):
            source = ""
        names += re.findall(r"self\.(\w+)", source) + re.findall(r"\[[\"'](\w+)[\"']\]", source)
    return names


def other_readings(form: Any, verdict: Verdict) -> Iterator[Any]:
    """A loss's arguments read otherwise: the prediction second, or handed to the backward in place of the upstream gradient.

    The two arguments change places only where the forward (or that the code does not run) says so: a difference of
    sign in a symmetric loss is a mistake.
    """

    def swap(other: Any) -> None:
        for matching in (other.matching.roles, getattr(other, "roles", {})):
            for parameter, role in list(matching.items()):
                matching[parameter] = {"input": "target", "target": "input"}.get(role, role)

    def predict(other: Any) -> None:
        other.prediction = True

    forward = verdict.verdict == COULD_NOT_RUN or any(f.gradient == "output" for f in verdict.findings)
    unnamed = form.name == "function" and form.matching.user("input") in form.matching.guessed
    if (forward or unnamed) and {"input", "target"} <= form.matching.takes:
        yield swap
    if getattr(form, "either", False):
        yield predict


def better(other: Verdict, verdict: Verdict) -> bool:
    """Whether a reading says more: it runs and names the mistake, where the first did not."""

    def vague(v: Verdict) -> bool:
        return v.verdict == COULD_NOT_RUN or any(
            f.slug == "unknown" or (f.gradient == "output" and f.slug != "wrong-reduction") for f in v.findings
        )

    return vague(verdict) and not vague(other)


def diagnose(
    target: Any, op: Op, form: str | None = None, stated: list[str] | None = None, module: Any = None, name: str = ""
) -> Verdict:
    """The verdict on `target`, in this process."""
    from torchref.check.forms.recognise import recognise

    if op.family == "recurrent" and not stated and not inspect.isclass(target):
        letters = {
            p.name.lower(): p.name for p in arguments.parameters(target[0] if isinstance(target, tuple) else target)
        }
        if {"w", "u"} <= set(letters):  # texts differ in which of W and U meets the input
            ways = [
                diagnose(target, op, form, [f"{letters[a]}=weight_ih", f"{letters[b]}=weight_hh"], module, name)
                for a, b in ("wu", "uw")
            ]
            return next(
                (v for v in ways if v.error == "" and not any(f.slug == "forward-differs" for f in v.findings)), ways[0]
            )
    parts = gates.split_names(op, names_in(target)) if op.family == "recurrent" else None
    if parts:
        op = gates.per_gate(op, parts)
    form_of: Any = None

    def judge(reading: Any = None) -> Verdict:
        """The verdict, in another reading of the code's arguments if `reading` changes its form."""
        nonlocal form_of, op
        try:
            form_of = recognise(target, op, form, stated, module)
            if reading is not None:
                reading(form_of)
            alone = {"query", "key", "value"} & form_of.takes == {"query"}
            if op.name == "scaled_dot_product_attention" and alone:  # one x is query, key and value
                form_of.op = op = adapt.self_attention(op)
            return Diagnosis(form_of, op, stated).verdict()
        except arguments.Unmatched as problem:
            return Verdict(COULD_NOT_RUN, error=str(problem))
        except UserError as problem:
            return Verdict(COULD_NOT_RUN, error=f"{problem.where} raised an exception:\n{last_lines(problem)}")
        except CouldNotRun as problem:
            return Verdict(COULD_NOT_RUN, error=str(problem))

    verdict = judge()
    first = form_of
    if op.loss and verdict.verdict != RIGHT and not stated and first is not None:
        for reading in other_readings(first, verdict):
            other = judge(reading)
            if other.verdict == RIGHT or better(other, verdict):
                verdict, first = other, form_of
                break
    form_of = first
    for f in verdict.findings if parts else ():
        torchs = gates.home(parts or {})
        f.consequences = [
            c for c in dict.fromkeys(torchs.get(c, c) for c in f.consequences) if c != torchs.get(f.gradient)
        ]
        f.gradient = torchs.get(f.gradient, f.gradient)
    verdict.name, verdict.against = name, op.name
    verdict.form = verdict.form or getattr(form_of, "name", form or "")
    return verdict


__all__ = ["Diagnosis", "Mistake", "diagnose"]
