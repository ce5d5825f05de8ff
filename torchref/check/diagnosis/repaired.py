"""What no wrong formula explains: is there one change of the code that makes it right?"""

from __future__ import annotations

from collections.abc import Sequence

from torchref.check import probes
from torchref.check.diagnosis.subject import Subject, Trial
from torchref.check.forms.base import CouldNotRun
from torchref.check.repair import Repair, repair
from torchref.check.verdict import SLUGS, Finding

DOUBTFUL = 0.76  # two mistakes at once, and what is less sure


def look_for_repair(code: Subject, trial: Trial, third: Trial) -> None:
    """Put the mistake that one change undoes in the place of findings that are unknown, or in doubt."""
    if not code.findings or any(f.confidence > DOUBTFUL or f.gradient not in trial.gradients for f in code.findings):
        return  # beside another mistake, no one change makes the rest right
    wrong = list(dict.fromkeys(g for f in code.findings for g in (f.gradient, *f.consequences)))
    found = repair(code, trial, third, wrong)
    if found is not None:
        code.findings = [f for f in code.findings if f.gradient not in found.healed]
        code.findings.append(finding(found))


def finding(found: Repair, extra: str = "") -> Finding:
    slug, (first, *others) = found.edit.slug, found.healed
    evidence = f"line {found.number}: with `{found.edit.after}` for `{found.edit.before}` it is right{extra}"
    instead = f"line {found.number}, `{found.line}`: `{found.edit.after}`"
    return Finding(first, slug, evidence, 0.85, SLUGS[slug], instead, others)


def names_one_change(code: Subject, trial: Trial, problem: Exception, spoilt: Sequence[str] = ()) -> bool:
    """Whether there is one change with which a backward that raises runs, and is right.

    `spoilt` are the gradients that are wrong where all sizes are equal, and it does not raise.
    """
    other = probes.make(code.op, 1, code.form.takes, code.variant)
    try:
        third = code.attempt(other, code.convention, [])
    except CouldNotRun:
        return False
    found = repair(code, trial, third, list(trial.reference))
    if found is None:
        return False
    found.healed = [n for n in found.healed if n in spoilt] or found.healed
    code.findings.append(finding(found, f"; as it stands, {problem}"))
    return True
