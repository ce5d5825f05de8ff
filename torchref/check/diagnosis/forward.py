"""Is the forward the reference's, and if not, what is it?"""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.diagnosis.found import Found
from torchref.check.diagnosis.signatures import of_the_output
from torchref.check.ops.formula import wrong_formulas
from torchref.check.ops.mistake import Mistake
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.report.verdict import Confidence
from torchref.check.running.trial import Trial
from torchref.check.tolerance.closeness import TOLERANCE, error
from torchref.nn.module import Array

LOSS = 1e-4  # a loss is one number: its formula is right if it is right to four digits
ALIKE = 1e-5  # the output of a wrong formula


def share_right(trial: Trial) -> bool:
    """Whether code that draws its own mask keeps the share of the units that it should."""
    if "mask" not in trial.changes or not trial.probe.values["training"]:
        return True
    keep = 1 - trial.probe.values["p"]
    mask = trial.changes["mask"]
    draws = mask.size / np.prod([mask.shape[a] for a in trial.op.drawn_together])
    noise = np.sqrt(keep * (1 - keep) / draws)
    return bool(abs(mask.mean() - keep) < 6 * noise + 1e-9)


def wrong_outputs(trial: Trial) -> list[str]:
    """The outputs that are not torch's, but for running statistics and attention's weights; a wrong mask counts."""
    if not share_right(trial):
        return ["output"]
    compared = [n for n in trial.outputs if n in trial.expected and not n.startswith("running_") and n != "weights"]
    return [n for n in compared if not output_right(trial, trial.outputs[n], trial.expected[n])]


def output_right(trial: Trial, mine: Any, right: Any) -> bool:
    """Whether an output has torch's values and shape; a loss may have another shape of as many entries."""
    mine, right = np.asarray(mine), np.asarray(right)
    if mine.size != right.size or not (trial.op.loss or mine.shape == right.shape):
        return False
    tolerance = LOSS if trial.op.loss else max(trial.op.loose, TOLERANCE)
    return trial.close(mine.reshape(right.shape), right, tolerance)


def judge_forward(found: Found, trial: Trial) -> None:
    """The forward is not the reference's: say why, if it is one of the known ways."""
    name = wrong_outputs(trial)[0]
    if strange := trial.form.strange():
        raise CouldNotRun(
            f"the class holds arrays that match none of {trial.op.name}'s arguments: {', '.join(strange)}; "
            f"expected some of {', '.join(a.name for a in trial.op.arrays)}, "
            "as attributes, in params[...] or in the constructor"
        )
    mine, right = np.asarray(trial.outputs[name]), np.asarray(trial.expected[name])
    if mine.dtype.kind in "fc" and not np.isfinite(mine).all() and np.isfinite(right).all():
        evidence = f"the forward gives {int((~np.isfinite(mine)).sum())} entries that are nan or infinite"
        found.add(name, "not-finite", evidence, Confidence.CERTAIN, "The forward overflows or divides by zero.")
    elif trial.op.draws and mine.shape == right.shape:
        judge_dropout(found, trial, mine)
    elif (m := wrong_forward(trial, name, mine, right)) is not None:
        evidence = f"the output equals that of this mistake ({m.flag})"
        found.add("output", m.slug, evidence, Confidence.CERTAIN, m.sentence, m.correction)
    else:
        another_function(found, trial, mine, right)


def wrong_forward(trial: Trial, name: str, mine: Array, right: Array) -> Mistake | None:
    """The wrong formula whose output this is."""
    for m in wrong_formulas(trial.op, trial.probe.namespace(**trial.changes)):
        result = trial.with_mistakes((m.flag,)) if m.gradient == "output" else None
        if result is None or np.shape(result[0][name]) != mine.shape:
            continue
        if trial.close(mine, result[0][name], ALIKE) and not trial.close(result[0][name], right, ALIKE):
            return m
    return None


def another_function(found: Found, trial: Trial, mine: Array, right: Array) -> None:
    """The output is a constant times the right one, or it is of another function."""
    c = trial.ratio(mine, right) if mine.shape == right.shape else None
    if c is not None:
        known = of_the_output(trial, mine, right)
        if trial.op.loss and known is not None and known.confidence is Confidence.CERTAIN:
            evidence = f"the loss is {c:.6g} times the right one"
            found.add("output", known.slug, evidence, Confidence.CERTAIN, known.sentence)
            return
        if trial.op.pools == "mean":
            evidence = f"the output is {c:.6g} times the right one"
            found.add("output", "wrong-reduction", evidence, Confidence.CERTAIN)
            return
        evidence = f"the output is {c:.6g} times {trial.op.name}'s"
    elif mine.shape != right.shape and not (trial.op.loss and mine.size == right.size):
        evidence = f"the output has shape {mine.shape}, expected {right.shape}"
    else:
        apart = error(mine.reshape(right.shape), right)
        evidence = f"the output differs from {trial.op.name}'s by up to {apart:.3g} of its largest entry"
    sentence = "The forward is not this operation's; its backward cannot be judged before that is right."
    found.add("output", "forward-differs", evidence, Confidence.CERTAIN, sentence)


def judge_dropout(found: Found, trial: Trial, mine: Array) -> None:
    """Compare the share and the scale of the units that are kept with p, and name the wrong formula, if known."""
    p, x = trial.probe.values["p"], trial.probe.values["input"]
    kept = float(np.mean(trial.changes.get("mask", mine != 0)))
    scale = np.unique(np.round((mine / x)[mine != 0], 9))
    evidence = (
        f"{kept:.0%} of the units are kept, multiplied by {', '.join(f'{s:.6g}' for s in scale[:3])}; "
        f"p = {p:g} asks for {1 - p:.0%} and {1 / (1 - p):.6g}"
    )
    ways = wrong_formulas(trial.op, trial.probe.namespace(**trial.changes))
    known = next((m for m in ways if m.forward and drops_alike(trial, m, mine)), None)
    slug = known.slug if known else "dropout-mask-or-scale" if len(scale) <= 2 else "forward-differs"
    sentence = known.sentence if known else "The forward's mask or scale is not dropout's."
    found.add("output", slug, evidence, Confidence.CERTAIN, sentence, known.correction if known else "")


def drops_alike(trial: Trial, m: Mistake, mine: Array) -> bool:
    """Whether the output is the one that this mistake gives."""
    result = trial.with_mistakes((m.flag,))
    return result is not None and trial.close(mine, result[0]["output"])
