"""Lines and an MLP on a table, numbers to be predicted: what a hidden layer adds (own tables with --data)."""

from __future__ import annotations

from typing import Any

from torchref import models
from torchref.compare.comparison import Comparison
from torchref.compare.datasets import bundled
from torchref.compare.datasets.adapt import as_values


def network(nn: Any, network: str, inputs: int = 10, outputs: int = 1) -> Any:
    """Lines alone, or lines behind 32 hidden neurons."""
    return nn.Linear(inputs, outputs) if network == "linear" else models.mlp(nn, (inputs, 32, outputs), "Tanh")


comparison = Comparison(
    name="regression",
    claim="lines and an MLP on 442 patients: what a hidden layer adds to least squares",
    model=network,
    loss=lambda nn: nn.MSELoss(),
    optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.02, momentum=0.9),
    data=bundled.diabetes,
    adapt=as_values,
    variants={"linear": {"network": "linear"}, "mlp": {"network": "mlp"}},
    epochs=30,
    batch_size=32,
)
