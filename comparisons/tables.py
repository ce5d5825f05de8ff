"""Logistic regression and an MLP on a table of measurements: what a hidden layer adds (own tables with --data)."""

from __future__ import annotations

from torchref import models
from torchref.compare import Comparison
from torchref.compare.datasets import bundled
from torchref.compare.datasets.adapt import as_vectors

comparison = Comparison(
    name="tables",
    claim="logistic regression and an MLP on 569 tumours: what a hidden layer adds to lines",
    model=lambda nn, hidden, inputs=30, classes=2: models.mlp(nn, (inputs, *hidden, classes), "GELU"),
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.05, momentum=0.9),
    data=bundled.breast_cancer,
    adapt=as_vectors,
    variants={"logistic": {"hidden": ()}, "mlp": {"hidden": (32,)}},  # lines alone, or behind 32 neurons
    epochs=20,
    batch_size=32,
)
