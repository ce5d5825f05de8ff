"""Sequence to sequence: an encoder-decoder with attention reads six letters of real text and writes them backwards."""

from __future__ import annotations

from functools import cache

from torchref import models
from torchref.compare import Comparison, Data
from torchref.compare.data import split
from torchref.compare.datasets.bundled import encode, help_text
from torchref.compare.datasets.made import backwards

LENGTH = 6


@cache
def letters() -> tuple[Data, int]:
    """18,000 characters of Python's help texts in groups of six, and how many symbols there are, the start sign too."""
    symbols, alphabet = encode(help_text()[: 3_000 * LENGTH])
    inputs, targets = backwards(symbols.reshape(-1, LENGTH) + 1)
    return split(inputs, targets, validation=0.2), len(alphabet) + 1


comparison = Comparison(
    name="reversal",
    claim="an encoder-decoder with attention reads six letters of real text and writes them backwards",
    model=lambda nn, hidden: models.EncoderDecoder(letters()[1], hidden, LENGTH),
    torch_model=lambda nn, hidden: models.torch_encoder_decoder(nn, letters()[1], hidden, LENGTH),
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.Adam(parameters, lr=0.01),
    data=lambda: letters()[0],
    variants={"default": {"hidden": 32}},
    max_norm=1.0,
    epochs=5,
    batch_size=32,
)
