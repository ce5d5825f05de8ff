"""Language models on text: an LSTM and a GPT-2-style decoder predict the next character (own text with --data)."""

from __future__ import annotations

from functools import cache
from typing import Any

from torchref import models
from torchref.compare import Comparison, Data
from torchref.compare.datasets import bundled
from torchref.compare.datasets.adapt import as_symbols

LENGTH = 32


@cache
def help_text() -> Data:
    """The first 40,000 characters of Python's help texts, the last tenth held out."""
    return bundled.help_text_windows(LENGTH, 40_000)


def sizes(vocabulary: int | None, length: int) -> tuple[int, int]:
    """Without data of one's own, those of the help text, which depend on Python's version."""
    return (as_symbols(help_text())[1]["vocabulary"] if vocabulary is None else vocabulary), length


def numpy_network(nn: Any, network: str, vocabulary: int | None = None, length: int = LENGTH) -> Any:
    """Both of about 30,000 weights."""
    symbols, context = sizes(vocabulary, length)
    if network == "lstm":
        return models.RecurrentLanguageModel("LSTM", symbols, 48)
    return models.GPT(symbols, context, 32, 4, 2)


def torch_network(nn: Any, network: str, vocabulary: int | None = None, length: int = LENGTH) -> Any:
    """The torch twin of `numpy_network`."""
    symbols, context = sizes(vocabulary, length)
    if network == "lstm":
        return models.torch_recurrent_language_model(nn, "LSTM", symbols, 48)
    return models.torch_gpt(nn, symbols, context, 32, 4, 2)


def adamw(optim: Any, parameters: Any) -> Any:
    """Decay on matrices alone."""
    return optim.AdamW(models.decay_matrices(parameters, 0.1), lr=0.003, betas=(0.9, 0.99))


comparison = Comparison(
    name="text",
    claim="an LSTM and a GPT-2-style decoder on the same text: recurrence against attention, gradients equal in both",
    model=numpy_network,
    torch_model=torch_network,
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=adamw,
    scheduler=lambda schedulers, optimizer: schedulers.LambdaLR(optimizer, models.warmup_cosine(20, 300)),
    schedule_each_step=True,
    max_norm=1.0,
    data=help_text,
    adapt=as_symbols,
    variants={"lstm": {"network": "lstm"}, "gpt": {"network": "gpt"}},
    epochs=4,
    batch_size=16,
)
