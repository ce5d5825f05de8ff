"""The variational autoencoder (Kingma & Welling 2014) and its loss, each with its torch twin."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from torchref import nn
from torchref.nn import random
from torchref.nn.module import Array, Backward, Module
from torchref.nn.random import Source


def vae_parts(network: Any, nn: Any, inputs: int, hidden: int, code: int) -> None:
    """What both engines' `VariationalAutoencoder` is made of."""
    network.encoder = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, 2 * code))
    network.decoder = nn.Sequential(nn.Linear(code, hidden), nn.Tanh(), nn.Linear(hidden, inputs))


class VariationalAutoencoder(Module):
    """x (N, D) -> logits of the reconstruction (N, D), and the code's mean and log-variance (N, C).

    In training the code is drawn: z = mean + spread eps with spread = exp(log_variance / 2) and eps ~ N(0, 1). The draw
    does not depend on the parameters, so that the gradient passes: in evaluation z is the mean.
        dL/dmean = dz,   dL/dlog_variance = dz eps spread / 2
    `rng` is the source of the draw.
    """

    encoder: nn.Sequential
    decoder: nn.Sequential

    def __init__(self, inputs: int = 64, hidden: int = 32, code: int = 2) -> None:
        self.rng: Source | None = None
        vae_parts(self, nn, inputs, hidden, code)

    def forward(self, x: Array) -> tuple[tuple[Array, Array, Array], Backward]:
        h, encoder_backward = self.encoder(x)  # (N, 2 C)
        mean, log_variance = np.split(h, 2, axis=1)  # (N, C)
        spread = np.exp(log_variance / 2)
        noise = random.normal(0, 1, mean.shape, mean.dtype, self.rng) if self.training else np.zeros_like(mean)
        logits, decoder_backward = self.decoder(mean + spread * noise)  # (N, D)

        def backward(doutputs: tuple[Array, Array, Array]) -> Any:
            dlogits, dmean, dlog_variance = doutputs
            dz = decoder_backward(dlogits)
            dmean = dmean + dz
            dlog_variance = dlog_variance + dz * noise * spread / 2
            return encoder_backward(np.concatenate([dmean, dlog_variance], axis=1))

        return (logits, mean, log_variance), backward

    def skip_input_grad(self, skip: bool = True) -> Self:
        self.encoder.skip_input_grad(skip)
        return self


def torch_variational_autoencoder(nn: Any, inputs: int = 64, hidden: int = 32, code: int = 2) -> Any:
    """The torch twin of `VariationalAutoencoder`."""
    import torch

    class VariationalAutoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            vae_parts(self, nn, inputs, hidden, code)

        def forward(self, x: Any) -> Any:
            mean, log_variance = self.encoder(x).chunk(2, dim=1)
            z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean) if self.training else mean
            return self.decoder(z), mean, log_variance

    return VariationalAutoencoder()


class EvidenceLoss(Module):
    """The negative evidence lower bound of an example, averaged over the batch.

    loss = 1/N (sum_nd BCE(logits_nd, target_nd) + 1/2 sum_nc (mean^2 + exp(log_variance) - 1 - log_variance)_nc)

    Backward: dlogits = (sigmoid(logits) - target) / N, dmean = mean / N, dlog_variance = (exp(log_variance) - 1) / 2N;
    the target has no gradient here. Kingma & Welling 2014, appendix B.
    """

    def __init__(self) -> None:
        self.reconstruction = nn.BCEWithLogitsLoss(reduction="sum")

    def forward(self, logits: Array, mean: Array, log_variance: Array, target: Array) -> tuple[Array, Backward]:
        N = len(mean)
        reconstruction, reconstruction_backward = self.reconstruction(logits, target)
        variance = np.exp(log_variance)
        divergence = (mean * mean + variance - 1 - log_variance).sum() / 2
        loss = np.asanyarray((reconstruction + divergence) / N)

        def backward(dloss: Array | None = None) -> tuple[Array, Array, Array]:
            share = np.asanyarray((np.ones_like(loss) if dloss is None else dloss) / N)
            dlogits = reconstruction_backward(share)[0]
            return dlogits, share * mean, share * (variance - 1) / 2

        return loss, backward


def torch_evidence_loss(nn: Any) -> Any:
    """The torch twin of `EvidenceLoss`."""

    class EvidenceLoss(nn.Module):
        def forward(self, logits: Any, mean: Any, log_variance: Any, target: Any) -> Any:
            reconstruction = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="sum")
            divergence = (mean * mean + log_variance.exp() - 1 - log_variance).sum() / 2
            return (reconstruction + divergence) / len(mean)

    return EvidenceLoss()
