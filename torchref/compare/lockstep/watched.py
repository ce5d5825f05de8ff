"""One step with every layer watched: all that flows in it, in both engines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torchref.compare.lockstep.observe import Seen
from torchref.nn.module import Array

__all__ = ["Watched"]


@dataclass
class Watched:
    """What one step did, layer by layer. A step that ends in a divergence has no weights after it."""

    x: Array
    target: Array
    output: Any  # the network's, in NumPy: an array, or a tuple of them
    weights: dict[str, Array]  # those that the forward of both engines used
    numpy_seen: Seen
    torch_seen: Seen
    numpy_loss: float
    torch_loss: float
    numpy_gradients: dict[str, Array | None]
    torch_gradients: dict[str, Array | None]
    numpy_after: dict[str, Array] = field(default_factory=dict)  # the weights that each optimizer has made of these ...
    torch_after: dict[str, Array] = field(default_factory=dict)  # ... from torch's gradients
