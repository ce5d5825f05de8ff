"""A small residual network with batch norm (He et al. 2015), and its torch twin."""

from __future__ import annotations

from typing import Any, Self

from torchref import nn
from torchref.nn.module import Array, Backward, Module


def block_parts(block: Any, nn: Any, inputs: int, outputs: int, stride: int) -> None:
    """The layers of a block, of either engine. Where the shape changes, a 1 x 1 convolution changes the skip, too."""
    block.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    block.norm1 = nn.BatchNorm2d(outputs)
    block.relu1 = nn.ReLU()
    block.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
    block.norm2 = nn.BatchNorm2d(outputs)
    block.relu2 = nn.ReLU()
    if stride != 1 or inputs != outputs:
        block.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
    else:
        block.skip = nn.Identity()


class ResidualBlock(Module):
    """y = relu(f(x) + skip(x)), f two convolutions with batch norm, a ReLU between them.

    Backward: x is used twice, so its gradient is the sum of what comes back through f and through the skip.
    """

    conv1: nn.Conv2d
    norm1: nn.BatchNorm2d
    relu1: nn.ReLU
    conv2: nn.Conv2d
    norm2: nn.BatchNorm2d
    relu2: nn.ReLU
    skip: nn.Module

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        block_parts(self, nn, inputs, outputs, stride)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        a, conv1_backward = self.conv1(x)
        b, norm1_backward = self.norm1(a)
        c, relu1_backward = self.relu1(b)
        d, conv2_backward = self.conv2(c)
        e, norm2_backward = self.norm2(d)
        s, skip_backward = self.skip(x)
        y, relu2_backward = self.relu2(e + s)

        def backward(dy: Array) -> Array:
            dsum = relu2_backward(dy)  # to both summands
            dc = conv2_backward(norm2_backward(dsum))
            dx = conv1_backward(norm1_backward(relu1_backward(dc)))
            return dx + skip_backward(dsum)

        return y, backward


def resnet_parts(network: Any, nn: Any, block: Any, channels: int, classes: int, width: int) -> None:
    """What both engines' `ResNet` is made of."""
    network.stem = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
    network.blocks = nn.Sequential(block(width, width), block(width, 2 * width, 2), block(2 * width, 2 * width))
    network.pool = nn.AdaptiveAvgPool2d(1)
    network.flatten = nn.Flatten()
    network.head = nn.Linear(2 * width, classes)


class ResNet(Module):
    """A stem, three residual blocks, the mean over the image, a linear layer: (N, C, H, W) -> (N, classes)."""

    stem: nn.Sequential
    blocks: nn.Sequential
    pool: nn.AdaptiveAvgPool2d
    flatten: nn.Flatten
    head: nn.Linear

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 8) -> None:
        resnet_parts(self, nn, ResidualBlock, channels, classes, width)

    def forward(self, x: Array) -> tuple[Array, Backward]:
        layers = nn.Sequential(self.stem, self.blocks, self.pool, self.flatten, self.head)
        return layers(x)

    def skip_input_grad(self, skip: bool = True) -> Self:
        self.stem.skip_input_grad(skip)
        return self


def torch_resnet(nn: Any, channels: int = 1, classes: int = 10, width: int = 8) -> Any:
    """The torch twin of `ResNet`."""

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
            super().__init__()
            block_parts(self, nn, inputs, outputs, stride)

        def forward(self, x: Any) -> Any:
            a = self.relu1(self.norm1(self.conv1(x)))
            return self.relu2(self.norm2(self.conv2(a)) + self.skip(x))

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            resnet_parts(self, nn, Block, channels, classes, width)

        def forward(self, x: Any) -> Any:
            return self.head(self.flatten(self.pool(self.blocks(self.stem(x)))))

    return ResNet()
