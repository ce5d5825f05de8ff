"""Inputs and desired outputs: from images with labels, and texts with sentiments, a network learns to answer new ones.

Varied: the inputs: images of digits with their labels; sentences with their sentiment, denials included, made because
none ship with Python; Python's own help texts, real, with their subject instead of a sentiment. And the desired
outputs: the right ones, or the same ones shuffled among the examples, so that they teach nothing.
Measured: accuracy on inputs that were held out (of the sentences: pairs of a word and its affirmation or denial that
were never met), beside always naming the most frequent answer.
Refuted by: an accuracy no better than that, or as good from shuffled outputs.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from torchref.compare import Comparison, Data
from torchref.compare.datasets.bundled import digits
from torchref.compare.datasets.texts import SUBJECTS, help_paragraphs, opinion_sentences, opinions, vocabulary
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach import Figures, Finding, Lesson, Trained, larger
from torchref.compare.train.end import record_wrong
from torchref.models.sequence import RecurrentClassifier, torch_recurrent_classifier

BETTER = {"images": 0.3, "sentiments": 0.2, "subjects": 0.2}  # than chance, and than what shuffled outputs teach


def examples(kind: str) -> Data:
    """Inputs with their desired outputs."""
    return digits() if kind == "images" else opinions() if kind == "sentiments" else help_paragraphs()


def shuffled(data: Any) -> Data:
    """The same inputs with the labels of others."""
    labels = np.random.default_rng(0).permutation(data.train_targets[:])
    return Data(data.train_inputs, labels, data.validation_inputs, data.validation_targets)


@cache
def words(kind: str) -> int:
    """How many words the texts know."""
    return vocabulary(examples(kind))


def network(nn: Any, kind: str) -> Any:
    """Of pixels two layers; of a sentence a recurrent network, word by word; of a paragraph the mean of its words."""
    if kind == "images":
        return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    if kind == "sentiments":
        return RecurrentClassifier("GRU", words(kind), 16, classes=2)
    return nn.Sequential(nn.EmbeddingBag(words(kind), 16, padding_idx=0), nn.Linear(16, len(SUBJECTS)))


def torch_network(nn: Any, kind: str) -> Any:
    """The torch twin of `network`."""
    if kind == "sentiments":
        return torch_recurrent_classifier(nn, "GRU", words(kind), 16, classes=2)
    return network(nn, kind)


def training(kind: str, right: bool) -> Comparison:
    """One of the tasks, with its labels or with shuffled ones."""
    return Comparison(
        name="supervised",
        claim="",
        model=network,
        torch_model=torch_network,
        loss=lambda nn: nn.CrossEntropyLoss(),
        optimizer=lambda optim, parameters: optim.Adam(parameters, lr=0.01),
        data=lambda: examples(kind) if right else shuffled(examples(kind)),
        variants={"network": {"kind": kind}},
        epochs={"images": 6, "sentiments": 8, "subjects": 10}[kind],
    )


def measure(trained: Trained) -> dict[str, float]:
    target = trained.data.validation_targets
    found = {}
    for part in ("train", "validation"):
        inputs, targets = (getattr(trained.data, f"{part}_{what}") for what in ("inputs", "targets"))
        found[part] = float(np.mean(trained.model.predict(inputs).argmax(axis=1) == targets))
    most_frequent = float(np.bincount(target).max() / len(target))
    return {"accuracy": found["validation"], "accuracy, training": found["train"], "most frequent": most_frequent}


def judge(f: Figures) -> list[Finding]:
    findings = []
    for kind, by in BETTER.items():
        right, wrong = f[f"{kind}, right"], f[f"{kind}, shuffled"]
        accuracy = right["accuracy"]
        findings += [
            larger(f"new {kind}: better than the most frequent answer", accuracy, right["most frequent"], by=by),
            larger("and than what shuffled outputs teach", accuracy, wrong["accuracy"], by=by),
            larger(
                "which are learned in part as well, but by heart",
                wrong["accuracy, training"],
                wrong["accuracy"],
                0,
                "beside",
            ),
        ]
    return findings


def show(recorder: Recorder, trained: Trained) -> None:
    """New inputs and the answers: digits that are named wrong; sentences in a table."""
    x, target = trained.data.validation_inputs, trained.data.validation_targets
    answers = trained.model.predict(x).argmax(axis=1)
    n = trained.lockstep.steps
    if x.dtype.kind == "f":
        record_wrong(recorder, trained.model.predict(x), x.reshape(-1, 8, 8), target, n)
    elif x.shape[1] < 10:
        texts = opinion_sentences()[1]
        lines = [f"| {texts[i][0]} | {target[i]} | {answers[i]} |" for i in range(0, len(texts), len(texts) // 20)]
        head = ["| new sentence | desired (1 praise, 0 blame) | answer |", "|---|---|---|"]
        recorder.text("numpy", "answers", "\n".join([*head, *lines]), n)


lesson = Lesson(
    name="supervised",
    claim=__doc__ or "",
    variants={
        f"{kind}, {outputs}": training(kind, outputs == "right") for kind in BETTER for outputs in ("right", "shuffled")
    },
    measure=measure,
    judge=judge,
    control="images, shuffled",
    show=show,
    cards=("accuracy/validation", "accuracy/training", "loss/validation", "loss/training"),
    quick=10,
    tags={"answers": "New sentences, what is desired, and what the network answers."},
)
