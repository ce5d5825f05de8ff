"""A network that stands in torch alone, with views and control flow: its NumPy twin is the replay of torch's run."""

from __future__ import annotations

from typing import Any

from torchref.compare import Comparison, Data
from torchref.compare.datasets import bundled
from torchref.compare.datasets.adapt import as_images


def digits() -> Data:
    """1,797 handwritten digits of 8 x 8 pixels, 30 % of them held out."""
    return bundled.digits(images=True)


def network(nn: Any, shuffle: bool, channels: int = 1, side: int = 8, classes: int = 10) -> Any:
    """A residual network: grouped convolutions, channels shuffled between the groups, a gate on each channel."""
    width = 8

    class Block(nn.Module):  # type: ignore[misc]  # a class of the namespace that the function is given
        def __init__(self) -> None:
            super().__init__()
            self.grouped = nn.Conv2d(width, width, 3, padding=1, groups=2, bias=False)
            self.norm = nn.BatchNorm2d(width)
            self.gate = nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            y = nn.functional.silu(self.norm(self.grouped(x)))
            if shuffle:  # (N, 2, 4, H, W) -> (N, 4, 2, H, W): the next convolution's groups see both halves
                y = y.view(len(y), 2, width // 2, *y.shape[2:]).transpose(1, 2).flatten(1, 2)
            y = y * self.gate(y.mean((2, 3))).sigmoid()[..., None, None]
            return x + nn.functional.dropout(y, 0.1, self.training)

    class Network(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(channels, width, 3, padding=1)
            self.blocks = nn.ModuleList(Block() for _ in range(3))
            self.head = nn.Linear(2 * width, classes)

        def forward(self, x: Any) -> Any:
            h = self.stem(x)
            for block in self.blocks:
                if min(h.shape[2:]) > 2:  # smaller and smaller, for as long as there is something to halve
                    h = nn.functional.avg_pool2d(h, 2)
                h = block(h)
            h = h.flatten(2)
            return self.head(nn.functional.relu(self.pooled(h)))

        def pooled(self, h: Any) -> Any:
            """The mean and the largest entry of each channel, side by side."""
            both = h.new_empty(len(h), 2 * width)
            both[:, :width], both[:, width:] = h.mean(2), h.amax(2)
            return both

    return Network()


comparison = Comparison(
    name="torch_alone",
    claim="channels shuffled between the groups of a convolution, or not: in a network that only torch.nn has",
    torch_model=network,
    loss=lambda nn: nn.CrossEntropyLoss(),
    optimizer=lambda optim, parameters: optim.AdamW(parameters, lr=0.005),
    data=digits,
    adapt=as_images,
    variants={"shuffled": {"shuffle": True}, "apart": {"shuffle": False}},
    epochs=3,
    batch_size=64,
)
