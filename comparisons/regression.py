"""Lines and an MLP on a table, numbers to be predicted: what a hidden layer adds (own tables with --data)."""

from __future__ import annotations

from torchref import models
from torchref.compare import Comparison
from torchref.compare.datasets import bundled
from torchref.compare.datasets.adapt import as_values

comparison = Comparison(
    name="regression",
    claim="lines and an MLP on 442 patients: what a hidden layer adds to least squares",
    model=lambda nn, hidden, inputs=10, outputs=1: models.mlp(nn, (inputs, *hidden, outputs), "Tanh"),
    loss=lambda nn: nn.MSELoss(),
    optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.02, momentum=0.9),
    data=bundled.diabetes,
    adapt=as_values,
    variants={"linear": {"hidden": ()}, "mlp": {"hidden": (32,)}},  # lines alone, or behind 32 neurons
    epochs=30,
    batch_size=32,
)
