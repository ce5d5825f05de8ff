"""Dropout."""

from __future__ import annotations

from typing import Any

from torchref.nn.module import Array


def dropout(x: Array, p: float, training: bool, mask: Array) -> Any:
    if training:
        y = x * mask / (1 - p)
    else:
        y = x

    def backward(dy: Array) -> tuple[Array, ...]:
        if training:
            dx = dy * mask / (1 - p)
        else:
            dx = dy
        return (dx,)

    return y, backward
