# ruff: noqa: E501
"""The running statistics, where a piece of code keeps them."""

from __future__ import annotations

import itertools

import numpy as np

from torchref.check.reading import arguments
from torchref.check.running.subject import Subject, Trial
from torchref.check.tolerance.closeness import close


def judge_running(code: Subject, trial: Trial) -> None:
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
    running = [m for m in code.op.mistakes if m.gradient.startswith("running_")]
    for m in (*(((m,)) for m in running), *itertools.combinations(running, 2)):
        found = code.evaluate(trial, tuple(k.flag for k in m))
        if found is None or not all(close(mine[n], found[0][n]) for n in wrong):
            continue
        convention = next((k.convention for k in m if k.convention), "")
        if convention and momentum_convention(code):
            code.notes.append(convention)
            m = tuple(k for k in m if not k.convention)
            if not m:
                return
        code.add(m[0].gradient, "running-statistics", f"{' and '.join(wrong)} equal those of this mistake ({', '.join(k.flag for k in m)})", 0.95,
                 " ".join(k.sentence for k in m), consequences=[w for w in wrong if w != m[0].gradient])  # fmt: skip
        return
    code.add(
        wrong[0],
        "running-statistics",
        f"{' and '.join(wrong)} differ from torch's update",
        0.85,
        consequences=wrong[1:],
    )


def momentum_convention(code: Subject) -> bool:
    """Whether the user's own default says that momentum is the share of the old statistics."""
    if "momentum" not in code.form.takes:
        return "config" in code.form.takes
    for matching in (code.form.matching, getattr(code.form, "construction", code.form.matching)):
        name = matching.user("momentum")
        for p in arguments.parameters(getattr(code.form, "function", getattr(code.form, "cls", None))) + list(
            getattr(code.form, "forward_params", [])
        ):
            if p.name == name and isinstance(p.default, float):
                return p.default > 0.5
    return False
