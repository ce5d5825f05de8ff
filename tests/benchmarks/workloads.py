"""What is measured: one step (forward and backward, or a whole training step) in NumPy and the same step in torch.

Both sides of a workload are built from one definition by `namespace`, get the same float32 weights and the same data.
A training step does not ask for the gradient of its data; a single layer does, because inside a network it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import torchref
import torchref.optim

Step = Callable[[], Any]
Pair = tuple[Step, Step]  # (NumPy, torch)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def integers(high: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, high, shape)


def twins(definition: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The module of `definition` in NumPy and in torch, with the same weights."""
    torch.manual_seed(0)
    ours, theirs = definition(torchref.nn), definition(torch.nn)
    ours.load_state_dict({name: value.numpy().copy() for name, value in theirs.state_dict().items()})
    return ours, theirs


def layer(definition: Callable[[Any], Any], x: np.ndarray) -> Pair:
    """Forward and backward of one module, with the gradient of x if x is floating point."""
    ours, theirs = twins(definition)
    tensor = torch.from_numpy(x.copy()).requires_grad_(x.dtype.kind == "f")
    # torch's meta device computes shapes alone: neither engine has run, and touched memory, before it is measured.
    shape = first(definition(torch.nn).to("meta")(tensor.to("meta"))).shape
    dy = np.random.default_rng(2).standard_normal(tuple(shape), dtype=np.float32)
    dy_tensor = torch.from_numpy(dy.copy())

    def numpy_step() -> Any:
        ours.zero_grad()
        output, backward = ours(x)
        return backward(upstream(output, dy))

    def torch_step() -> Any:
        theirs.zero_grad()
        tensor.grad = None
        first(theirs(tensor)).backward(dy_tensor)

    return numpy_step, torch_step


def first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def upstream(output: Any, dy: np.ndarray) -> Any:
    """dy for the output, or for the first of several outputs and nothing for the others: LSTM's (y, (h, c))."""
    return (dy, (None, None)) if isinstance(output, tuple) else dy


def loss(definition: Callable[[Any], Any], x: np.ndarray, target: np.ndarray) -> Pair:
    """Forward and backward of a loss."""
    ours, theirs = twins(definition)
    tensor, target_tensor = torch.from_numpy(x.copy()).requires_grad_(), torch.from_numpy(target.copy())

    def numpy_step() -> Any:
        _, backward = ours(x, target)
        return backward()

    def torch_step() -> Any:
        tensor.grad = None
        theirs(tensor, target_tensor).backward()

    return numpy_step, torch_step


def training(
    definition: Callable[[Any], Any], optimizer: Callable[[Any, Any], Any], x: np.ndarray, target: np.ndarray
) -> Pair:
    """A training step of a classifier: forward, cross-entropy, backward, update."""
    ours, theirs = twins(definition)
    ours.skip_input_grad()
    our_loss, their_loss = torchref.nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()
    our_optimizer = optimizer(torchref.optim, ours.parameters())
    their_optimizer = optimizer(torch.optim, theirs.parameters())
    tensor, target_tensor = torch.from_numpy(x.copy()), torch.from_numpy(target.copy())

    def numpy_step() -> Any:
        logits, backward = ours(x)
        _, loss_backward = our_loss(logits, target)
        our_optimizer.zero_grad()
        backward(loss_backward())
        our_optimizer.step()

    def torch_step() -> Any:
        their_optimizer.zero_grad()
        their_loss(theirs(tensor), target_tensor).backward()
        their_optimizer.step()

    return numpy_step, torch_step


def mlp_small() -> Pair:
    return training(
        lambda nn: nn.Sequential(
            nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10)
        ),
        lambda optim, parameters: optim.SGD(parameters, lr=0.01, momentum=0.9),
        normal(64, 64),
        integers(10, 64),
    )


def mlp_large() -> Pair:
    return training(
        lambda nn: nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)),
        lambda optim, parameters: optim.Adam(parameters, lr=1e-3),
        normal(128, 784),
        integers(10, 128),
    )


def cnn() -> Pair:
    return training(
        lambda nn: nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * 7 * 7, 10),
        ),
        lambda optim, parameters: optim.SGD(parameters, lr=0.01),
        normal(64, 1, 28, 28),
        integers(10, 64),
    )


def transformer_layer(nn: Any) -> Any:
    return nn.TransformerEncoderLayer(256, 4, 1024, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)


def gpt() -> Pair:
    """Four causal transformer layers over 96 symbols, trained with AdamW; no module of torch.nn is this network."""
    symbols, length, batch = 96, 128, 8
    (embedding, their_embedding), (encoder, their_encoder), (head, their_head) = (
        twins(lambda nn: nn.Embedding(symbols, 256)),
        twins(lambda nn: nn.TransformerEncoder(transformer_layer(nn), 4, enable_nested_tensor=False)),
        twins(lambda nn: nn.Linear(256, symbols)),
    )
    our_loss, their_loss = torchref.nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()
    our_parameters = [p for module in (embedding, encoder, head) for p in module.parameters()]
    their_parameters = [p for module in (their_embedding, their_encoder, their_head) for p in module.parameters()]
    our_optimizer = torchref.optim.AdamW(our_parameters, lr=1e-3)
    their_optimizer = torch.optim.AdamW(their_parameters, lr=1e-3)
    x, target = integers(symbols, batch, length), integers(symbols, batch * length)
    x_tensor, target_tensor = torch.from_numpy(x), torch.from_numpy(target)
    mask = np.triu(np.ones((length, length), bool), 1)
    mask_tensor = torch.from_numpy(mask.copy())

    def numpy_step() -> Any:
        a, embedding_backward = embedding(x)
        b, encoder_backward = encoder(a, mask=mask)
        logits, head_backward = head(b)
        _, loss_backward = our_loss(logits.reshape(-1, symbols), target)
        our_optimizer.zero_grad()
        embedding_backward(encoder_backward(head_backward(loss_backward().reshape(logits.shape))))
        our_optimizer.step()

    def torch_step() -> Any:
        their_optimizer.zero_grad()
        logits = their_head(their_encoder(their_embedding(x_tensor), mask=mask_tensor))
        their_loss(logits.reshape(-1, symbols), target_tensor).backward()
        their_optimizer.step()

    return numpy_step, torch_step


def convolution() -> Pair:
    return layer(lambda nn: nn.Conv2d(64, 64, 3, padding=1), normal(16, 64, 32, 32))


def transformer() -> Pair:
    return layer(transformer_layer, normal(8, 128, 256))


WORKLOADS: dict[str, Callable[[], Pair]] = {
    "MLP 784-512-256-10, batch 128, ReLU, Adam": mlp_large,
    "MLP 64-128-10, batch 64, batch norm, dropout, SGD": mlp_small,
    "CNN 1x28x28, batch 64, 2 x (conv 3x3, ReLU, pool), SGD": cnn,
    "Conv2d(64, 64, 3), 16x64x32x32": convolution,
    "LSTM, T 64, batch 32, 128 -> 256": lambda: layer(lambda nn: nn.LSTM(128, 256), normal(64, 32, 128)),
    "transformer block, 8 x 128 x 256, 4 heads": transformer,
    "GPT, 4 such layers, 96 symbols, AdamW": gpt,
    "layer norm 1024 x 1024": lambda: layer(lambda nn: nn.LayerNorm(1024), normal(1024, 1024)),
    "batch norm 32 x 64 x 32 x 32": lambda: layer(lambda nn: nn.BatchNorm2d(64), normal(32, 64, 32, 32)),
    "cross-entropy 4096 x 1000": lambda: loss(
        lambda nn: nn.CrossEntropyLoss(), normal(4096, 1000), integers(1000, 4096)
    ),
    "GELU (erf), 1e6": lambda: layer(lambda nn: nn.GELU(), normal(1000, 1000)),
    "MaxPool2d(2), 32 x 64 x 32 x 32": lambda: layer(lambda nn: nn.MaxPool2d(2), normal(32, 64, 32, 32)),
    "embedding 50,000 x 256, 4,096 indices": lambda: layer(
        lambda nn: nn.Embedding(50_000, 256), integers(50_000, 4096)
    ),
    "Conv1d(64, 128, 5), 16 x 64 x 512": lambda: layer(lambda nn: nn.Conv1d(64, 128, 5), normal(16, 64, 512)),
}
MEMORY = {"Conv2d(64, 64, 3), 16x64x32x32", "transformer block, 8 x 128 x 256, 4 heads"}
