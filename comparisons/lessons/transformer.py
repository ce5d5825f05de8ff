"""Attention instead of recurrence: on the same text, of equal size, it predicts better, and finds what lies far back.

Varied: one block of a GPT (attention over 16 symbols, then two layers) or a GRU, of equal size and equally many steps.
Two tasks. text: the next letter of real text. copy: eight symbols are shown, then asked for again in the same order,
so that each answer lies eight back.
Measured on held-out examples: bits per letter; how many symbols are copied right (by chance: 1/8).
Refuted by: a GRU that needs no more bits, or that copies as well.
Each network has the learning rate that was best for it on other seeds; so is the GRU the best of the gated ones there.
The steps are few: in five times as many the difference on the text is about a ninth of what it is here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from torchref import models
from torchref.compare import Comparison
from torchref.compare.datasets.made import copy_task
from torchref.compare.record import pictures
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach import Figures, Finding, Lesson, Trained, always, follow, larger, steps
from torchref.compare.teach.letters import ALPHABET, text, write
from torchref.nn.module import Array

COPIED, LENGTH, WIDTH, HEADS = 8, 16, 24, 3
STEPS = {"text": 200, "copy": 120}
CURVES = {"text": ("text: bits per letter, held out", "bits"), "copy": ("copy: right, held out", "copied")}


def training(task: str, kind: str) -> Comparison:
    """One of the tasks, learned with attention or by recurrence."""
    vocabulary, hidden = (len(ALPHABET), 32) if task == "text" else (10, 34)
    sizes = vocabulary, LENGTH, WIDTH, HEADS, 1

    def numpy_network(nn: Any) -> Any:
        return models.GPT(*sizes) if kind == "GPT" else models.RecurrentLanguageModel("GRU", vocabulary, hidden)

    def torch_network(nn: Any) -> Any:
        if kind == "GRU":
            return models.torch_recurrent_language_model(nn, "GRU", vocabulary, hidden)
        network = models.torch_gpt(nn, *sizes)
        with torch.no_grad():  # the NumPy twin gets torch's weights
            for parameter in network.parameters():
                if parameter.ndim == 2:
                    parameter *= (768 / WIDTH) ** 0.5  # GPT-2's 0.02 is meant for its width of 768
        return network

    return Comparison(
        name=task,
        claim="",
        model=numpy_network,
        torch_model=torch_network,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.Adam(parameters, lr=0.01 if kind == "GPT" else 0.03),
        scheduler=lambda schedulers, optimizer: schedulers.LambdaLR(optimizer, models.warmup_cosine(20, STEPS[task])),
        schedule_each_step=True,
        max_norm=1.0,
        data=text if task == "text" else lambda: copy_task(2000, symbols=8, length=COPIED, delay=0),
        batch_size=32,
    )


def train(trained: Trained) -> None:
    steps(trained, STEPS[trained.comparison.name])


def watch(trained: Trained, step: Any) -> None:
    """The task's figure on held-out examples."""
    tag, figure = CURVES[trained.comparison.name]
    follow(trained, tag, lambda twin: figures(twin, trained.data, 100)[figure])


def figures(twin: Any, data: Any, examples: int | None = None) -> dict[str, float]:
    """Bits for a letter, and the share of copied symbols that are right."""
    target = data.validation_targets[:examples]
    output, loss = twin.evaluate(data.validation_inputs[:examples], target)
    right = output.argmax(axis=1) == target
    return {"bits": loss / np.log(2), "copied": float(right[:, -COPIED:].mean())}


def measure(trained: Trained) -> dict[str, float]:
    return {**figures(trained.lockstep.numpy_twin, trained.data), "weights": trained.weights}


def judge(f: Figures) -> list[Finding]:
    gpt, gru = f["GPT, text"]["bits"], f["GRU, text"]["bits"]
    copied = {kind: f[f"{kind}, copy"]["copied"] for kind in ("GPT", "GRU")}
    sizes = [f[f"GPT, {task}"]["weights"] / f[f"GRU, {task}"]["weights"] for task in STEPS]
    return [
        always("the sizes are equal to 5 %", np.abs(np.concatenate(sizes) - 1) < 0.05),
        larger("text: after equally many steps attention needs fewer bits per letter", gru, gpt),
        larger("copy: attention finds what the GRU no longer holds", copied["GPT"], copied["GRU"], by=0.1),
        larger("text: recurrence needs fewer bits", gpt, gru, role="instead"),
    ]


def show(recorder: Recorder, trained: Trained) -> None:
    """Where each place looks: a row for each place, a column for each that it may see. And text that it writes."""
    model, at = trained.model, trained.lockstep.steps
    task = trained.comparison.name
    if isinstance(model, models.GPT):
        shares = attention(model, trained.data.validation_inputs[:100])
        picture = pictures.attention(shares, f"{task}: where the heads look, mean of 100")
        recorder.image("numpy", f"{task}: where the heads look", picture, at)
    if task == "text":
        recorder.text("numpy", "text: written by the network", f"`{write(model, trained.rng)}`", at)


def attention(model: models.GPT, x: Array) -> Array:
    """What share of each place's attention goes to each, in the mean over the examples: (heads, T, T)."""
    first: Any = model.blocks[0]
    signal = model.token.predict(x) + model.position.predict(np.arange(x.shape[1]))
    qkv = first.attention.qkv.predict(first.norm1.predict(signal)).reshape(*x.shape, 3, HEADS, WIDTH // HEADS)
    q, k, _ = qkv.transpose(2, 0, 3, 1, 4)  # each (N, heads, T, d)
    scores = q @ k.swapaxes(2, 3) / np.sqrt(WIDTH // HEADS)
    scores = np.where(np.tri(x.shape[1], dtype=bool), scores, -np.inf)
    shares = np.exp(scores - scores.max(axis=3, keepdims=True))
    mean: Array = (shares / shares.sum(axis=3, keepdims=True)).mean(axis=0)
    return mean


lesson = Lesson(
    name="transformer",
    claim=__doc__ or "",
    variants={f"{kind}, {task}": training(task, kind) for task in STEPS for kind in ("GPT", "GRU")},
    measure=measure,
    judge=judge,
    control="GRU, copy",
    train=train,
    watch=watch,
    show=show,
    seeds=5,
    quick=3,
    cards=tuple(tag for tag, _ in CURVES.values()),
    colors="^(GPT|GRU)",
    tags={
        "text: bits per letter, held out": "Bits that the network needs for a letter of held-out text; log2(27) = 4.75 "
        "without any knowledge. Lower is better.",
        "copy: right, held out": "The share of symbols that are copied rightly.",
        **{
            f"{task}: where the heads look": "What share of each place's attention goes to each earlier place, dark is "
            "much: a row reads from its columns. A panel for each head."
            for task in STEPS
        },
        "text: written by the network": "Text that the trained network writes, letter by letter.",
    },
)
