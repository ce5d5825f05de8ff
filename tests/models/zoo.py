"""Every network of torchref.models on real data: what the tests train in lockstep."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np

import torchref
from torchref import models
from torchref.compare import Comparison, Data
from torchref.compare.data import split
from torchref.compare.datasets import bundled, made, pole

TEXT = 4_000  # characters of the help text


@cache
def text() -> Data:
    return bundled.help_text_windows(16, TEXT)


@cache
def vocabulary() -> int:
    data = text()
    return 1 + max(int(part.max()) for part in vars(data).values())


def reversed_symbols() -> Data:
    """Six of eight symbols, to be written backwards."""
    source = np.random.default_rng(0).integers(1, 9, (500, 6))
    return split(*made.backwards(source), validation=0.2)


def adam(optim: Any, parameters: Any) -> Any:
    return optim.Adam(parameters, lr=0.003)


def sgd(optim: Any, parameters: Any) -> Any:
    return optim.SGD(parameters, lr=0.05, momentum=0.9)


def cross_entropy(nn: Any) -> Any:
    return nn.CrossEntropyLoss()


def mean_squared(nn: Any) -> Any:
    return nn.MSELoss()


def comparison(name: str, **fields: Any) -> Comparison:
    defaults = {"loss": cross_entropy, "optimizer": adam, "batch_size": 16, "epochs": 1, "device": "cpu"}
    return Comparison(name=name, claim=name, **(defaults | fields))


def paired(numpy_model: Any, torch_model: Any, **options: Any) -> dict[str, Any]:
    """The fields of a network that is written as a pair."""
    return {
        "model": lambda nn, **_: numpy_model(**options),
        "torch_model": lambda nn, **_: torch_model(nn, **options),
    }


def gpt(**options: Any) -> dict[str, Any]:
    sizes = {"context": 16, "width": 24, "heads": 3, "depth": 2, **options}

    def numpy_model(nn: Any) -> Any:
        return models.GPT(vocabulary(), **sizes)

    return {"model": numpy_model, "torch_model": lambda nn: models.torch_gpt(nn, vocabulary(), **sizes), "data": text}


def recurrent(cell: str) -> tuple[Comparison, Comparison]:
    classifier = paired(models.RecurrentClassifier, models.torch_recurrent_classifier, cell=cell, hidden=12)

    def language_model(nn: Any) -> Any:
        return models.RecurrentLanguageModel(cell, vocabulary(), 20, layers=2)

    def torch_language_model(nn: Any) -> Any:
        return models.torch_recurrent_language_model(nn, cell, vocabulary(), 20, layers=2)

    return (
        comparison(f"{cell} classifier", data=bundled.digits_as_symbols, **classifier),
        comparison(f"{cell} language model", data=text, model=language_model, torch_model=torch_language_model),
    )


ALL = [
    comparison(
        "logistic regression",
        model=lambda nn: models.logistic_regression(nn, 30, 2),
        data=bundled.breast_cancer,
        optimizer=sgd,
    ),
    comparison(
        "MLP", model=lambda nn: models.mlp(nn, (13, 20, 15, 3), "GELU", 0.3, True), data=bundled.wine, optimizer=sgd
    ),
    comparison(
        "regression MLP", model=lambda nn: models.mlp(nn, (10, 20, 1)), data=bundled.diabetes, loss=mean_squared
    ),
    comparison("LeNet", model=lambda nn: models.lenet(nn, 1, 8, 10), data=partial(bundled.digits, images=True)),
    comparison(
        "ResNet",
        data=partial(bundled.digits, images=True),
        optimizer=sgd,
        **paired(models.ResNet, models.torch_resnet, width=4),
    ),
    *recurrent("RNN"),
    *recurrent("LSTM"),
    *recurrent("GRU"),
    comparison(
        "window language model",
        data=text,
        model=lambda nn: models.WindowLanguageModel(vocabulary(), 5, 7, 20),
        torch_model=lambda nn: models.torch_window_language_model(nn, vocabulary(), 5, 7, 20),
    ),
    comparison("encoder-decoder", data=reversed_symbols, **paired(models.EncoderDecoder, models.torch_encoder_decoder)),
    comparison("GPT", **gpt()),
    comparison(
        "GPT, the whole recipe",
        optimizer=lambda optim, parameters: optim.AdamW(
            models.decay_matrices(parameters, 0.1), lr=0.003, betas=(0.9, 0.95)
        ),
        scheduler=lambda schedulers, optimizer: schedulers.LambdaLR(optimizer, models.warmup_cosine(10, 100)),
        schedule_each_step=True,
        max_norm=0.5,
        accumulate=3,
        **gpt(dropout=0.1),
    ),
    comparison(
        "encoder",
        data=bundled.digits_as_symbols,
        **paired(models.EncoderClassifier, models.torch_encoder_classifier, dropout=0.1),
    ),
    comparison("autoencoder", model=lambda nn: models.autoencoder(nn), data=bundled.digit_images, loss=mean_squared),
    comparison(
        "variational autoencoder",
        data=bundled.digit_images,
        loss=lambda nn: models.EvidenceLoss(),
        torch_loss=models.torch_evidence_loss,
        **paired(models.VariationalAutoencoder, models.torch_variational_autoencoder),
    ),
    comparison(
        "convolutional autoencoder",
        model=lambda nn: models.convolutional_autoencoder(nn, 1, 4),
        data=partial(bundled.photo_patches, 8, 400),
        loss=mean_squared,
    ),
    comparison(
        "policy",
        model=lambda nn: models.policy_network(nn),
        data=pole.random_play,
        loss=lambda nn: models.PolicyGradientLoss(),
        torch_loss=models.torch_policy_gradient_loss,
    ),
]
ZOO = {c.name: c for c in ALL}
assert torchref.nn is not None
