"""A user's optimizer step against torch's: several steps, the rate changed, decay, a large eps, small gradients."""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.ops.steps import Optimizer, Slip, right_lines, shown_step, simulate
from torchref.check.reading.forms.calling import CouldNotRun, UserError
from torchref.check.reading.forms.calls import how_called, noting_calls
from torchref.check.reading.forms.optimizer import Settings, role
from torchref.check.reading.forms.optimizer_class import ClassStep, class_of_closure, class_of_generator
from torchref.check.reading.forms.optimizer_function import FunctionStep
from torchref.check.report.derivation import page
from torchref.check.report.verdict import COULD_NOT_RUN, RIGHT, WRONG, Confidence, Finding, Verdict
from torchref.check.running.tracebacks import last_lines
from torchref.check.tolerance.closeness import size
from torchref.nn.module import Array, Parameter

STEPS = 8
CONSTANT_EPS = (1e-5, 1e-6, 1e-7, 1e-8)
SPEED = ("foreach", "fused", "capturable", "differentiable")  # torch's options that change no value


def names(against: str) -> str | None:
    """The optimizer that `against` names, if it names one."""
    stem = against.split("(")[0].strip().split(".")[-1].lower()
    return next((n for n in OPTIMIZERS if stem == n.lower()), None)


def options_of(name: str, against: str) -> dict[str, Any]:
    """The options that `against` gives, by torch's names. Errors: CouldNotRun for one that the optimizer has not."""
    given: dict[str, Any] = {}
    known = OPTIMIZERS[name].defaults
    order = list(known)
    try:
        tree = ast.parse(against.strip(), mode="eval").body
        if isinstance(tree, ast.Call):
            given = {k.arg: ast.literal_eval(k.value) for k in tree.keywords if k.arg}
            given.update({order[i]: ast.literal_eval(a) for i, a in enumerate(tree.args)})
    except (SyntaxError, ValueError, IndexError):
        raise CouldNotRun(
            f"cannot read --against {against!r}: expected a name such as {name} or {name}({order[0]}=0.1)"
        ) from None
    unknown = [k for k in given if k not in known and k not in SPEED]
    if unknown:
        raise CouldNotRun(f"{name} has no option {unknown[0]!r}; it takes {', '.join(known)}")
    from torchref import optim  # here: most checks are of no optimizer, and need not load them

    try:
        getattr(optim, name)([Parameter(np.ones(1))], **{k: v for k, v in given.items() if k in known})
    except (ValueError, TypeError) as problem:
        shown = ", ".join(f"{k}={v!r}" for k, v in given.items())
        raise CouldNotRun(f"{name} refuses {shown}: {problem}") from None
    return {k: v for k, v in given.items() if k in known}


def problem(seed: int, rate: float, later: float = 0.3) -> tuple[list[Array], list[list[Array]], list[float]]:
    """Two parameters, gradients of ordinary size and near 1e-3, a rate that falls to `later` of it half-way."""
    rng = np.random.default_rng([seed, 77])
    shape = (5, 3)
    weights = [rng.normal(size=shape), rng.normal(size=shape)]
    scale = np.where(rng.random(shape) < 0.5, 1e-3, 1.0)
    gradients = [
        [rng.uniform(0.3, 1.7, shape) * rng.choice([-1.0, 1.0], shape) * scale for _ in weights] for _ in range(STEPS)
    ]
    rates = [rate if n < STEPS // 2 else later * rate for n in range(STEPS)]
    return weights, gradients, rates


def same(a: list[list[Array]], b: list[list[Array]], start: list[Array], tolerance: float = 1e-6) -> bool:
    """Whether two paths agree, measured against the way gone."""
    for i in range(len(start)):
        x, y = np.stack([s[i] for s in a]), np.stack([s[i] for s in b])
        if x.shape != y.shape or not np.array_equal(np.isfinite(x), np.isfinite(y)):
            return False
        if size(x - y) > tolerance * max(size(y - start[i]), 1e-12):
            return False
    return True


def diagnose(function: Any, against: str, name: str, strict: bool = False) -> Verdict:
    """The verdict on an optimizer's step."""
    verdict = Verdict(COULD_NOT_RUN, against=against, name=name, form="optimizer", precision="float64", device="cpu")
    with noting_calls() as calls:
        try:
            judge(function, against, verdict, strict)
        except UserError as error:
            verdict.error = f"{error.where} raised an exception:\n{last_lines(error)}"
        except (CouldNotRun, SyntaxError, ValueError) as error:
            verdict.error = str(error)
    verdict.called = how_called(calls)
    return verdict


def attempt(step: Any, settings: Settings, seed: int = 0) -> tuple[Any, ...]:
    """The path of the user's steps, whether they changed a gradient, and the weights, gradients and rates given."""
    steady = settings.own_rate or getattr(getattr(step, "cls", None), "steady_rate", False)
    weights, gradients, rates = problem(seed, settings.o.lr, 1.0 if steady else 0.3)
    with np.errstate(all="ignore"):
        path, touched = step.run(settings, weights, gradients, rates)
    return path, touched, weights, gradients, rates


def runnable(step: Any, settings: Settings) -> tuple[Any, tuple[Any, ...]]:
    """A step that runs, and its run: the first way to hand parameters and state over in which all parameters move."""
    first: Exception | None = None
    still: tuple[Any, tuple[Any, ...]] | None = None
    for way in step.ways():
        there = copy.copy(step)
        vars(there).update(way)
        try:
            run = attempt(there, settings)
        except CouldNotRun as error:
            first = first or error
            continue
        path, weights = run[0], run[2]
        if all(not np.array_equal(path[-1][i], w) for i, w in enumerate(weights)):
            return there, run
        still = still or (there, run)
    if still is not None:
        return still
    assert first is not None
    likeliest = copy.copy(step)
    vars(likeliest).update(step.ways()[0])
    attempt(likeliest, settings)  # raises once more: what is told of the call is told of this one
    raise first


def judge(function: Any, against: str, verdict: Verdict, strict: bool) -> None:
    """Run the step, then each other setting of its switches, and compare the paths until one is not right."""
    name = names(against)
    assert name is not None
    given = options_of(name, against)
    function = class_of_closure(function) or class_of_generator(function) or function
    step: Any = ClassStep(function, name) if inspect.isclass(function) else FunctionStep(function, name)
    settings = Settings(name, given, step.taken, not step.takes_rate())
    step, first = runnable(step, settings)
    if isinstance(step, FunctionStep) and step.as_config:
        asked = {r for key in step.asked if (r := role(name, key))}
        step.taken = step.taken | asked
        settings = Settings(name, given, step.taken, not step.takes_rate())
        first = attempt(step, settings)
    compare(step, settings, first, given, verdict, strict)
    for more in other_settings(name, given, step.taken, settings):
        if verdict.verdict != RIGHT:
            return
        settings = Settings(name, {**given, **more}, step.taken, settings.own_rate)
        try:
            again = attempt(step, settings)
        except (CouldNotRun, UserError) as error:
            verdict.notes.append(f"with {told(more)} it could not be run: {error}")
            continue
        compare(step, settings, again, {**given, **more}, verdict, strict, f" with {told(more)}")


def told(options: dict[str, Any]) -> str:
    """The options as a call names them."""
    return ", ".join(f"{k}={v}" for k, v in options.items())


def other_settings(name: str, given: dict[str, Any], taken: set[str], settings: Settings) -> list[dict[str, Any]]:
    """Settings besides the first: each switch that the code takes, turned. Nesterov's momentum excludes dampening."""
    found: list[dict[str, Any]] = []
    for switch in OPTIMIZERS[name].switches:
        if switch not in taken or switch in given:
            continue
        on = not getattr(settings.o, switch)
        if switch != "nesterov" or not on:
            found.append({switch: on})
        elif settings.o.momentum and not given.get("dampening"):
            found.append({switch: True, "dampening": 0.0})
    return found


@dataclass(frozen=True)
class Path:
    """The path that the user's steps have gone, and those that torch's would go."""

    settings: Settings
    mine: list[list[Array]]
    weights: list[Array]
    gradients: list[list[Array]]
    rates: list[float]

    @property
    def optimizer(self) -> Optimizer:
        return OPTIMIZERS[self.settings.name]

    def reference(self, *wrong: Slip, options: Any = None) -> list[list[Array]] | None:
        """The path with these mistakes; None: no such mistake under these options, or two exclude each other."""
        o = self.settings.o if options is None else options
        try:
            with np.errstate(all="ignore"):
                return simulate(self.optimizer, o, self.weights, self.gradients, self.rates, wrong)
        except (ZeroDivisionError, ValueError):
            return None

    def fits(self, *wrong: Slip, options: Any = None) -> bool:
        other = self.reference(*wrong, options=options)
        return other is not None and same(self.mine, other, self.weights)

    def seen(self, options: Any) -> list[Slip]:
        """The mistakes that change something."""
        start = self.reference(options=options)
        paths = ((m, self.reference(m, options=options)) for m in self.optimizer.slips)
        return [m for m, p in paths if p is not None and start is not None and not same(p, start, self.weights)]


def compare(
    step: Any,
    settings: Settings,
    run: tuple[Any, ...],
    given: dict[str, Any],
    verdict: Verdict,
    strict: bool,
    where: str = "",
) -> None:
    """The path that the user's steps have gone, against torch's."""
    mine, touched, *rest = run
    path = Path(settings, mine, *rest)
    if np.shape(mine[0][0]) != np.shape(path.weights[0]):
        raise CouldNotRun(
            f"the step returned a parameter of shape {np.shape(mine[0][0])}, expected {np.shape(path.weights[0])}"
        )
    right = path.reference()
    assert right is not None
    candidates = constant_eps(step, settings, given)
    conventions = [c for c in path.optimizer.conventions if differs(path, c, right)]
    if touched:
        verdict.verdict = WRONG
        sentence, instead = "The step changes the gradient that it was given.", "g = g + weight_decay * w, not g += ..."
        evidence = "the gradient has other values after the step"
        verdict.findings.append(Finding("param", "optimizer-state", evidence, Confidence.CERTAIN, sentence, instead))
    elif same(mine, right, path.weights):
        verdict.verdict, verdict.right = RIGHT, {"param": apart(path, right)}
    elif (usual := next((c for c in conventions if path.fits(c)), None)) is not None:
        verdict.verdict = RIGHT
        verdict.notes.append(f"a difference of convention: {usual.sentence}")
    elif not strict and (other := elsewhere(step, path, [settings.o, *candidates], conventions)):
        verdict.verdict, verdict.right = RIGHT, {"param": 0.0}
        verdict.notes.append(f"a convention that differs from torch's: {other}")
    elif (own := next((o for o in candidates if path.fits(options=o)), None)) is not None:
        verdict.verdict, verdict.right = RIGHT, {"param": 0.0}
        default = path.optimizer.defaults["eps"]
        verdict.notes.append(f"eps is {own.eps:g} in this code; torch's default is {default:g}")
    else:
        verdict.verdict = WRONG
        steps = enumerate(zip(mine, right, strict=True))
        moved = next((n for n, (p, r) in steps if not same([p], [r], path.weights)), 0)
        evidence = f"the parameters differ from step {moved + 1} on{where}"
        name_slips(verdict, path, [settings.o, *candidates], conventions, evidence)
        if verdict.findings[-1].slug == "unknown":
            verdict.findings[-1].example = first_difference(path, right, moved)


def first_difference(path: Path, right: list[list[Array]], step: int) -> str:
    """One entry of the first parameter in the step where it first goes another way: entries do not mix."""
    mine, ours = path.mine[step][0], right[step][0]
    at = np.unravel_index(int(np.argmax(np.abs(mine - ours))), ours.shape)
    before = (path.weights if step == 0 else right[step - 1])[0][at]
    gradient = path.gradients[step][0][at]
    return (
        f"step {step + 1}, entry {list(map(int, at))}: it should go from {before:.4g} to {ours[at]:.4g}, "
        f"it goes to {mine[at]:.4g} (the gradient is {gradient:.4g}, the rate {path.rates[step]:.4g})"
    )


def elsewhere(step: Any, path: Path, candidates: list[Any], conventions: list[Slip]) -> str:
    """What other texts have so: eps stands elsewhere, or the velocity is an average; one of `conventions` beside it."""
    for options in candidates:
        for m in path.seen(options):
            average = m.slug == "optimizer-dampening" and "beta" in getattr(step, "names", ())
            for more in ((), *((c,) for c in conventions)) if m.elsewhere or average else ():
                if path.fits(m, *more, options=options):
                    return "; ".join((m.sentence, *(c.sentence for c in more)))
    return ""


def differs(path: Path, convention: Slip, right: list[list[Array]]) -> bool:
    """Whether a convention of other texts is seen under these options."""
    other = path.reference(convention)
    return other is not None and not same(other, right, path.weights)


def apart(path: Path, right: list[list[Array]]) -> float:
    """The largest difference, in units of a millionth of the way gone."""
    differences = (
        size(np.subtract(p[i], r[i])) for p, r in zip(path.mine, right, strict=True) for i in range(len(path.weights))
    )
    return max(differences) / max(1e-6 * size(np.subtract(right[-1][0], path.weights[0])), 1e-300)


def constant_eps(step: Any, settings: Settings, given: dict[str, Any]) -> list[SimpleNamespace]:
    """An eps that stands as a constant in the user's code is theirs to choose: the options with other ones."""
    if "eps" not in OPTIMIZERS[settings.name].defaults or "eps" in step.taken or "eps" in given:
        return []
    o = settings.o
    return [SimpleNamespace(**{**vars(o), "eps": e}) for e in CONSTANT_EPS if e != o.eps]


def name_slips(verdict: Verdict, path: Path, candidates: list[Any], conventions: list[Slip], evidence: str) -> None:
    """Which mistake the steps make, or which two."""
    optimizer, o = path.optimizer, path.settings.o
    for options in candidates:
        visible = path.seen(options)
        for more in ((), *((c,) for c in conventions)):
            for m in visible:
                if path.fits(m, *more, options=options):
                    found(verdict, optimizer, m, o, evidence, Confidence.CERTAIN)
                    return
    for a, b in itertools.combinations(path.seen(o), 2):
        if path.fits(a, b):
            found(verdict, optimizer, a, o, evidence, Confidence.LIKELY)
            if b.slug != a.slug:
                found(verdict, optimizer, b, o, evidence, Confidence.POSSIBLE)
            return
    verdict.findings.append(
        Finding(
            "param",
            "unknown",
            evidence + ", and fit no known mistake",
            Confidence.UNKNOWN,
            "The step is wrong in a way that fits no known mistake.",
            derivation=derivation(optimizer),
            formula=shown_step(optimizer, o),
        )
    )


def derivation(optimizer: Optimizer) -> str:
    """Where the optimizer's step is derived."""
    return f"{page('optimizers.md')}, and the docstring of torchref.optim.{optimizer.name}"


def found(verdict: Verdict, optimizer: Optimizer, m: Slip, o: Any, told: str, confidence: Confidence) -> None:
    """Add the finding that names a mistake, with the right lines of the step."""
    verdict.findings.append(
        Finding(
            "param",
            m.slug,
            f"{told}, exactly as with this mistake ({m.wrong})",
            confidence,
            m.sentence,
            right_lines(optimizer, o, m),
            derivation=derivation(optimizer),
            formula=shown_step(optimizer, o),
        )
    )


__all__ = ["diagnose", "names"]
