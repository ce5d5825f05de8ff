"""Logistic regression and an MLP on a table of measurements: what a hidden layer adds (own tables with --data)."""

from __future__ import annotations

from typing import Any

from torchref import models
from torchref.compare import Comparison
from torchref.compare.datasets import bundled
from torchref.compare.datasets.adapt import as_vectors


def network(nn: Any, network: str, inputs: int = 30, classes: int = 2) -> Any:
    """Lines alone, or lines behind 32 hidden neurons."""
    return (
        models.logistic_regression(nn, inputs, classes)
        if network == "logistic"
        else models.mlp(nn, (inputs, 32, classes), "GELU")
    )


comparison = Comparison(
    name="tables",
    claim="logistic regression and an MLP on 569 tumours: what a hidden layer adds to lines",
    model=network,
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.05, momentum=0.9),
    data=bundled.breast_cancer,
    adapt=as_vectors,
    variants={"logistic": {"network": "logistic"}, "mlp": {"network": "mlp"}},
    epochs=20,
    batch_size=32,
)
