"""Layers on several processes, one behind the other, wait; the more small batches there are, the less.

Varied: the schedule of 4 stages, GPipe (Huang et al. 2019: all forwards, then all backwards) or 1F1B (Narayanan et al.
2019: a backward as soon as one is possible; emptied after each batch, as in their paper of 2021); with 1, 4 or 16
micro-batches. Measured at the weights of a trained network: its gradients, computed in the schedule's order, beside
those of the whole batch. And by simulation, where a stage needs one unit of time forward and two backward: the share of
time that it waits (the bubble), and how many micro-batches it must keep.
Refuted by: another gradient, a bubble that is not (S - 1) / (M + S - 1), or a 1F1B that keeps as many as GPipe.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.compare import Comparison, Data
from torchref.compare.data import split
from torchref.compare.lockstep.twins import parts
from torchref.compare.teach import Across, Figures, Finding, Lesson, Trained, equal, larger
from torchref.compare.teach.trained import gradients_of
from torchref.nn.module import Array

STAGES, MICRO = 4, (1, 4, 16)
FORWARD, BACKWARD = 1, 2  # what a micro-batch costs in a stage: dx and dw are two products, y is one
Task = tuple[str, int]  # "forward" or "backward", and the micro-batch
Done = tuple[int, tuple[int, Task]]  # when it ended, the stage, the task


def gpipe(stage: int, micro: int) -> list[Task]:
    """A stage's tasks in order: all forwards, then all backwards in the reverse order."""
    forwards = [("forward", m) for m in range(micro)]
    return [*forwards, *(("backward", m) for m in reversed(range(micro)))]


def one_forward_one_backward(stage: int, micro: int) -> list[Task]:
    """As many forwards as there are stages from here to the end; then, for each backward, the next forward."""
    ahead = min(STAGES - stage, micro)
    tasks = [("forward", m) for m in range(ahead)]
    for m in range(micro):
        tasks.append(("backward", m))
        if ahead + m < micro:
            tasks.append(("forward", ahead + m))
    return tasks


SCHEDULES: dict[str, Callable[[int, int], list[Task]]] = {"GPipe": gpipe, "1F1B": one_forward_one_backward}


def run(schedule: Callable[[int, int], list[Task]], micro: int) -> tuple[list[Done], float, int]:
    """Every stage's tasks as early as they can be done: (in order, the bubble's share, micro-batches kept at most).

    A forward waits for the stage before, a backward for the stage behind; the last stage's for its own forward.
    """
    waiting = [schedule(stage, micro) for stage in range(STAGES)]
    done: dict[tuple[int, Task], int] = {}  # when it ends
    free, kept, most = [0] * STAGES, [0] * STAGES, 0
    while any(waiting):
        for stage, tasks in enumerate(waiting):
            while tasks:
                kind, m = tasks[0]
                before = stage - 1 if kind == "forward" else stage + 1
                needs = (before, tasks[0]) if 0 <= before < STAGES else (stage, ("forward", m))
                if needs not in done and (kind, stage) != ("forward", 0):
                    break
                start = max(free[stage], done.get(needs, 0))
                free[stage] = done[stage, tasks.pop(0)] = start + (FORWARD if kind == "forward" else BACKWARD)
                kept[stage] += 1 if kind == "forward" else -1
                most = max(most, kept[stage])
    order = sorted((end, place) for place, end in done.items())
    return order, 1 - micro * (FORWARD + BACKWARD) / max(free), most


def in_order(model: Any, criterion: Any, order: list[Done], x: Array, target: Array, micro: int) -> None:
    """The gradients, stage by stage and micro-batch by micro-batch, added up in the parameters."""
    layers = list(model)
    stages = [list(layers[part]) for part in parts(len(layers), STAGES)]
    slices = parts(len(x), micro)
    signals: dict[tuple[int, int], Array] = {(-1, m): x[part] for m, part in enumerate(slices)}  # behind a stage
    backwards: dict[tuple[int, int], list[Any]] = {}
    gradients: dict[tuple[int, int], Array] = {}  # in front of a stage
    for _, (stage, (kind, m)) in order:
        if kind == "forward":
            signal, calls = signals.pop((stage - 1, m)), []
            for layer in stages[stage]:
                signal, backward = layer(signal)
                calls.append(backward)
            signals[stage, m], backwards[stage, m] = signal, calls
            continue
        if stage == STAGES - 1:
            output = signals.pop((stage, m))
            _, loss_backward = criterion(output, target[slices[m]])
            dy = loss_backward()[0] * (len(output) / len(x))  # the mean's share of the whole batch
        else:
            dy = gradients.pop((stage + 1, m))
        for backward in reversed(backwards.pop((stage, m))):
            dy = backward(dy)
        gradients[stage, m] = dy


def curve() -> Data:
    """96 points of a wave in two variables."""
    x = np.random.default_rng(7).uniform(-2, 2, (128, 2))
    return split(x, np.sin(x[:, :1]) * np.cos(x[:, 1:]), validation=0.25)


def training(name: str, micro: int) -> Comparison:
    """Eight layers that learn the wave; they will be four stages of two."""

    def network(nn: Any, schedule: str, micro: int) -> Any:
        inner = (nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16))
        return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), *inner, nn.Linear(16, 1))

    return Comparison(
        name="pipeline",
        claim="",
        model=network,
        loss=lambda nn: nn.MSELoss(),
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1),
        data=curve,
        variants={f"{name}, {micro}": {"schedule": name, "micro": micro}},
        epochs=6,
        batch_size=24,
    )


def measure(trained: Trained) -> dict[str, float]:
    (options,) = trained.comparison.variants.values()
    name, micro = options["schedule"], options["micro"]
    twin, data = trained.lockstep.numpy_twin, trained.data
    x, target = data.train_inputs, data.train_targets
    expected = gradients_of(twin.model, twin.criterion, x, target)
    order, bubble, kept = run(SCHEDULES[name], micro)
    if trained.off:
        order = [task for task in order if task[1] != (0, ("backward", 0))]  # one backward is left out
    twin.model.zero_grad()
    in_order(twin.model, twin.criterion, order, x, target, micro)
    found = {name: parameter.grad for name, parameter in twin.model.named_parameters()}
    errors = [np.abs(found[name] - value).max() / np.abs(value).max() for name, value in expected.items()]
    return {"error": float(max(errors)), "bubble": bubble, "kept": kept, "micro": micro}


def judge(f: Figures) -> list[Finding]:
    everything = [f[f"{name}, {micro}"] for name in SCHEDULES for micro in MICRO]
    errors = [figures["error"] for figures in everything]
    formula = [figures["bubble"] - (STAGES - 1) / (figures["micro"] + STAGES - 1) for figures in everything]
    few, many = f["GPipe, 1"]["bubble"], f["GPipe, 16"]["bubble"]
    gpipe_kept, kept = f["GPipe, 16"]["kept"], f["1F1B, 16"]["kept"]
    return [
        equal("the gradients are the whole batch's, in either schedule", errors, 1e-12),
        equal("the bubble is (S - 1) / (M + S - 1) of the time", np.abs(formula), 1e-12),
        larger("sixteen micro-batches wait less than half as long as one", few, 2 * many),
        equal("1F1B keeps as many micro-batches as there are stages", np.abs(kept - STAGES), 0),
        larger("GPipe keeps them all", gpipe_kept, kept),
    ]


def across(f: Figures) -> list[Across]:
    return [
        Across(
            f"figures/{figure} over micro-batches",
            "micro-batches",
            label,
            {name: [(str(micro), f[f"{name}, {micro}"][figure]) for micro in MICRO] for name in SCHEDULES},
        )
        for figure, label in (("bubble", "share of time that a stage waits"), ("kept", "micro-batches kept at most"))
    ]


lesson = Lesson(
    name="pipeline",
    claim=__doc__ or "",
    variants={f"{name}, {micro}": training(name, micro) for name in SCHEDULES for micro in MICRO},
    measure=measure,
    judge=judge,
    across=across,
    control="GPipe, 4",
    cards=("figures/bubble over micro-batches", "figures/kept over micro-batches", "loss/step"),
)
