# ruff: noqa: E501
"""Is the forward the reference's, and if not, what is it?"""

from __future__ import annotations

import numpy as np

from torchref.check.diagnosis import signatures
from torchref.check.ops.formula import wrong_formulas
from torchref.check.reading.forms.calling import CouldNotRun
from torchref.check.running.subject import Subject, Trial
from torchref.check.tolerance.closeness import TOLERANCE, close, error, ratio
from torchref.nn.module import Array


def forward_right(code: Subject, trial: Trial) -> bool:
    return not wrong_outputs(code, trial)


def share_right(code: Subject, trial: Trial) -> bool:
    """Whether code that draws its own mask keeps the share of the units that it should."""
    if "mask" not in trial.changes or not trial.probe.values["training"]:
        return True
    keep = 1 - trial.probe.values["p"]
    mask = trial.changes["mask"]
    draws = mask.size / np.prod([mask.shape[a] for a in code.op.drawn_together])
    noise = np.sqrt(keep * (1 - keep) / draws)
    return bool(abs(mask.mean() - keep) < 6 * noise + 1e-9)


def wrong_outputs(code: Subject, trial: Trial) -> list[str]:
    if not share_right(code, trial):
        return ["output"]
    tolerance = 1e-4 if code.op.loss else max(code.op.loose, TOLERANCE)
    wrong = []
    for name, value in trial.outputs.items():
        if name not in trial.expected or name.startswith("running_") or name == "weights":
            continue
        value, right = np.asarray(value), np.asarray(trial.expected[name])
        if (
            value.size == right.size
            and (code.op.loss or value.shape == right.shape)
            and close(value.reshape(right.shape), right, tolerance)
        ):
            continue
        wrong.append(name)
    return wrong


def judge_forward(code: Subject, trial: Trial) -> None:
    """The forward is not the reference's: say why, if it is one of the known ways."""
    name = wrong_outputs(code, trial)[0]
    strange: list[str] = getattr(code.form, "strange", list)()
    if strange:
        raise CouldNotRun(
            f"the class holds arrays that match none of {code.op.name}'s arguments: {', '.join(strange)}; "
            f"expected some of {', '.join(a.name for a in code.op.arrays)}, as attributes, in params[...] or in the constructor"
        )
    mine, right = np.asarray(trial.outputs[name]), np.asarray(trial.expected[name])
    shown = "output" if name == "output" else name
    if mine.dtype.kind in "fc" and not np.isfinite(mine).all() and np.isfinite(right).all():
        code.add(
            shown,
            "not-finite",
            f"the forward gives {int((~np.isfinite(mine)).sum())} entries that are nan or infinite",
            0.97,
            "The forward overflows or divides by zero.",
        )
        return
    if code.op.draws and mine.shape == right.shape:
        judge_dropout(code, trial, mine)
        return
    for m in wrong_formulas(code.op, trial.probe.namespace(**trial.changes)):
        if not m.forward or m.gradient != "output":
            continue
        found = code.evaluate(trial, (m.flag,))
        if found is None:
            continue
        outputs = found[0]
        if (
            np.shape(outputs[name]) == mine.shape
            and close(mine, outputs[name], 1e-5)
            and not close(outputs[name], right, 1e-5)
        ):
            code.add(
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
        if code.op.loss and fake is not None and fake.confidence > 0.9:
            code.add("output", fake.slug, f"the loss is {c:.6g} times the right one", 0.9, fake.sentence)
            return
        if code.op.pools == "mean":
            code.add("output", "wrong-reduction", f"the output is {c:.6g} times the right one", 0.9)
            return
    if mine.shape != right.shape and not (code.op.loss and mine.size == right.size):
        evidence = f"the output has shape {mine.shape}, expected {right.shape}"
    else:
        evidence = f"the output differs from {code.op.name}'s by up to {error(mine.reshape(right.shape), right):.3g} of its largest entry"
        if c is not None:
            evidence = f"the output is {c:.6g} times {code.op.name}'s"
    code.add(
        "output",
        "forward-differs",
        evidence,
        0.95,
        "The forward is not this operation's; its backward cannot be judged before that is right.",
    )


def judge_dropout(code: Subject, trial: Trial, mine: Array) -> None:
    p, x = trial.probe, trial.probe.values["input"]
    kept = float(np.mean(trial.changes.get("mask", mine != 0)))
    scale = np.unique(np.round((mine / x)[mine != 0], 9))
    told = f"{kept:.0%} of the units are kept, multiplied by {', '.join(f'{s:.6g}' for s in scale[:3])}; p = {p.values['p']:g} asks for {1 - p.values['p']:.0%} and {1 / (1 - p.values['p']):.6g}"
    known = next(
        (
            m
            for m in wrong_formulas(code.op, trial.probe.namespace(**trial.changes))
            if m.forward and (r := code.evaluate(trial, (m.flag,))) is not None and close(mine, r[0]["output"])
        ),
        None,
    )
    slug = known.slug if known else "dropout-mask-or-scale" if len(scale) <= 2 else "forward-differs"
    code.add(
        "output",
        slug,
        told,
        0.95,
        known.sentence if known else "The forward's mask or scale is not dropout's.",
        known.correction if known else "",
    )
