"""What any gradient must keep: shape, dtype, its arguments, the same answer twice."""

from __future__ import annotations

import numpy as np

from torchref.check.running.subject import Subject, Trial
from torchref.check.tolerance.closeness import close


def judge_contract(code: Subject, trial: Trial, second: Trial) -> None:
    run = trial.run
    for name in dict.fromkeys(run.changed):
        shown = "grad_output" if name in ("doutput", "dh_n", "dc_n") else name
        code.add(
            shown,
            "argument-changed",
            f"{'the upstream gradient' if shown == 'grad_output' else shown} has other values after the call",
            0.93,
            "The code changes an array that belongs to its caller.",
            "work on a copy, or write y = ... instead of y += ...",
        )
    if "count" in run.extras:
        lost = run.extras["lost"]
        code.add(
            lost[0] if lost else code.op.arrays[0].name,
            "wrong-shape",
            run.extras["count"],
            0.9,
            "A gradient is missing." if lost else "There are more gradients than arguments.",
            "return one gradient for each argument of forward, None where there is none",
            lost[1:],
        )
    for key, told in run.extras.items():
        if key.startswith("none ") and not code.op.loss:
            code.add(key[5:], "unknown", told, 0.7, "A gradient is missing.")
        if key.startswith("dtype "):
            code.add(key[6:], "wrong-dtype", f"the gradient is {told}", 0.95)
    if code.form.name != "autograd":
        for name, g in trial.gradients.items():
            if name not in trial.reference or g is None:
                continue
            dtype = np.asarray(g).dtype
            if dtype.kind in "iub" or (dtype.kind == "f" and dtype.itemsize < 8) or dtype.kind not in "fc":
                code.add(
                    name,
                    "wrong-dtype",
                    f"the gradient is {dtype}, its argument float64",
                    0.96,
                    "The gradient has a lower precision than its argument.",
                    "make arrays with np.zeros_like(x) or dtype=x.dtype",
                )
        output = np.asarray(trial.outputs.get("output", 0.0))
        if output.dtype.kind == "f" and output.dtype.itemsize < 8 and not code.findings:
            code.add("output", "wrong-dtype", f"the output is {output.dtype}, the input float64", 0.9)
    if len(run.gradients) > 1 and not run.changed:
        apart = [
            n
            for n, g in run.gradients[0].items()
            if n in run.gradients[1]
            and np.shape(g) == np.shape(run.gradients[1][n])
            and not close(run.gradients[1][n], np.asarray(g))
        ]
        if apart:
            if code.op.draws:
                code.add(
                    "input",
                    "dropout-mask-or-scale",
                    "the backward drops other units in each call: it draws a mask of its own",
                    0.95,
                    "The backward must use the forward's mask.",
                    "keep the mask of the forward",
                )
            else:
                code.add(
                    apart[0],
                    "not-repeatable",
                    f"two backwards of one forward disagree in {', '.join('d' + a for a in apart)}",
                    0.92,
                    "The second backward gives another answer: something is kept or changed between the calls.",
                    consequences=apart[1:],
                )
