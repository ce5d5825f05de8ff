"""Inputs only: an autoencoder's code, and a variational one's, groups similar images, though it never sees a label.

Varied: two autoencoders 64-32-8-32-64 of the digits, a plain and a variational one, each trained, or with a learning
rate of 0 (its random start).
Measured: how often a held-out digit's nearest neighbour, by its 8 numbers of code (of the variational one: their mean),
shows the same digit; the error of the reconstruction. The labels are looked at after training alone.
Refuted by: neighbours no more alike than those of the random start's code.
Beside it: are they more alike than by the 64 pixels themselves?
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from torchref.compare import Comparison
from torchref.compare.data import batches
from torchref.compare.datasets.bundled import digit_images, digits
from torchref.compare.record.pictures import groups, rows_of_images
from torchref.compare.record.recorder import Recorder
from torchref.compare.teach import Figures, Finding, Lesson, Trained, larger
from torchref.models.plain import autoencoder
from torchref.models.vae import (
    EvidenceLoss,
    VariationalAutoencoder,
    torch_evidence_loss,
    torch_variational_autoencoder,
)
from torchref.nn.functional import sigmoid
from torchref.nn.module import Array

CODE = 8
COLOURS = (  # of the digits 0 to 9, on black
    *((228, 26, 28), (55, 126, 184), (77, 175, 74), (152, 78, 163), (255, 127, 0)),
    *((255, 255, 51), (166, 86, 40), (247, 129, 191), (153, 153, 153), (102, 255, 230)),
)


def coding(lr: float) -> Comparison:
    """Images of digits, each through a code of few numbers and back."""
    return Comparison(
        name="unsupervised",
        claim="",
        model=lambda nn: autoencoder(nn, code=CODE),
        loss=lambda nn: nn.MSELoss(),
        optimizer=lambda optim, parameters: optim.Adam(parameters, lr=lr),
        data=digit_images,
        epochs=12 if lr else 3,  # a random start stays what it is
    )


def variational(lr: float) -> Comparison:
    """The same with a code that is drawn at random around its mean."""
    return replace(
        coding(lr),
        model=lambda nn: VariationalAutoencoder(code=CODE),
        torch_model=lambda nn: torch_variational_autoencoder(nn, code=CODE),
        loss=lambda nn: EvidenceLoss(),
        torch_loss=torch_evidence_loss,
    )


def train(trained: Trained) -> None:
    """Epoch after epoch; after each, how alike neighbours are, and what comes back through the code."""
    comparison, data = trained.comparison, trained.data
    look(trained)
    for _ in range(comparison.epochs):
        for indices in batches(len(data.train_inputs), comparison.batch_size, trained.order):
            trained.step(data.train_inputs[indices], data.train_targets[indices])
            if trained.stop:
                break
        trained.evaluate()
        look(trained)
        if trained.stop:
            break


def look(trained: Trained) -> None:
    """Note how well the codes group the digits, and how well the images come back."""
    x, labels = trained.data.validation_inputs, digits().validation_targets[:]
    ours, theirs = codes(trained.model, x), torch_codes(trained.torch_model, x)
    trained.note("grouping/nearest neighbour by code: same digit", alike(ours, labels), alike(theirs, labels))
    trained.note("reconstruction/mean squared error", float(np.mean((reconstructed(trained.model, x) - x) ** 2)))


def codes(model: Any, x: Array) -> Array:
    """The images' codes; of a variational autoencoder their mean. (N, 8)"""
    if isinstance(model, VariationalAutoencoder):
        x = model.predict(x)[1]
        return x
    for layer in list(model)[:3]:
        x = layer.predict(x)
    return x


def torch_codes(model: Any, x: Array) -> Array:
    """The torch twin of `codes`."""
    with torch.no_grad():
        encoded = (model.encoder if hasattr(model, "encoder") else model[:3])(torch.from_numpy(x))
    found: Array = encoded[:, :CODE].numpy()
    return found


def reconstructed(model: Any, x: Array) -> Array:
    """What comes back through the code, as pixels. (N, 64)"""
    output = model.predict(x)
    pixels: Array = sigmoid(output[0])[0] if isinstance(output, tuple) else output
    return pixels


def measure(trained: Trained) -> dict[str, float]:
    x = trained.data.validation_inputs
    return {
        "alike": trained.last("grouping/nearest neighbour by code: same digit"),
        "alike, pixels": alike(x, digits().validation_targets[:]),
        "error": trained.last("reconstruction/mean squared error"),
    }


def alike(points: Array, labels: Any) -> float:
    """The share of points whose nearest other point has the same label."""
    squares = (points * points).sum(axis=1)
    apart = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(apart, np.inf)
    return float(np.mean(labels[apart.argmin(axis=1)] == labels))


def judge(f: Figures) -> list[Finding]:
    findings = []
    for kind in ("plain", "variational"):
        learned, random = f[f"{kind}, learned"], f[f"{kind}, random"]
        findings += [
            larger(f"{kind}: the nearest neighbour is mostly the same digit (by chance: 0.1)", learned["alike"], 0.5),
            larger("more often than by the code of random weights", learned["alike"], random["alike"], by=0.02),
            larger("the reconstruction's error falls to less than half", random["error"], 2 * learned["error"]),
            larger("the pixels themselves group as well", learned["alike, pixels"], learned["alike"], role="limit"),
        ]
    plain, variational = f["plain, learned"]["alike"], f["variational, learned"]["alike"]
    start = f["variational, random"]["alike"]
    return [
        *findings,
        larger("the variational one groups better than a random start, if little", variational, start, role="instead"),
        larger("the plain one groups better than the variational one", plain, variational, role="beside"),
    ]


def show(recorder: Recorder, trained: Trained) -> None:
    """Reconstructions; codes in the projector, and as a map; of a variational one, digits from codes that are drawn."""
    model, x, n = trained.model, trained.data.validation_inputs, trained.lockstep.steps
    labels: Any = digits().validation_targets[:]
    code = codes(model, x)
    shown = {"held-out digits": x[:12], "what comes back": reconstructed(model, x[:12])}
    if isinstance(model, VariationalAutoencoder):
        drawn = sigmoid(model.decoder.predict(trained.rng.standard_normal((12, CODE))))[0]
        shown["digits that nobody wrote: from codes drawn from N(0, 1)"] = drawn
    images = {label: rows.reshape(-1, 8, 8) for label, rows in shown.items()}
    recorder.image("numpy", "reconstruction/digits", rows_of_images(images, "What the code keeps of a digit"), n)
    directions = "first direction of the codes", "second direction"
    picture = groups(
        widest(code[:400]), labels[:400], "400 digits by their codes: each is written at its place", directions
    )
    recorder.image("numpy", "grouping/codes in their two widest directions", picture, n)
    pictures = np.kron(x.reshape(-1, 8, 8, 1), np.ones((1, 4, 4, 1))) * np.array(COLOURS)[labels][:, None, None] / 255
    recorder.embedding("numpy", "code", code, labels, pictures)
    recorder.embedding("numpy", "pixels", x, labels, pictures)


def widest(points: Array) -> Array:
    """The points in their two widest directions (principal components). (N, 2)"""
    centred = points - points.mean(axis=0)
    flat: Array = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    return flat


lesson = Lesson(
    name="unsupervised",
    claim=__doc__ or "",
    variants={
        "plain, learned": coding(0.01),
        "plain, random": coding(0.0),
        "variational, learned": variational(0.01),
        "variational, random": variational(0.0),
    },
    measure=measure,
    judge=judge,
    control="plain, random",
    train=train,
    show=show,
    cards=("grouping/nearest neighbour by code: same digit", "reconstruction/mean squared error", "loss/validation"),
    quick=8,
    tags={
        "grouping/nearest neighbour by code: same digit": "How often the digit with the nearest code is the same; "
        "by chance 0.1. The network never saw a label.",
        "reconstruction/mean squared error": "The mean squared error of held-out digits that went through the code.",
        "reconstruction/digits": "Held-out digits, and what comes back from their codes; of the variational one also "
        "digits from codes that were drawn at random.",
        "grouping/codes in their two widest directions": "The codes of held-out digits in the plane of their two "
        "widest directions; each is written as its label, which the network never saw.",
    },
)
