"""Comparison: everything that defines a training, written once and built twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torchref.compare.data import Data
from torchref.compare.errors import UserError

DTYPES = ("float32", "float64")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Comparison:
    """A network, its loss, its optimizer and its data, to be trained in NumPy and in torch side by side.

    `model`, `loss` and `optimizer` are functions of the namespace, so that one definition serves both engines:

        Comparison(
            name="digits",
            claim="dropout narrows the gap between training and held-out loss",
            model=lambda nn, p: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(p), nn.Linear(128, 10)),
            loss=lambda nn: nn.CrossEntropyLoss(),
            optimizer=lambda optim, parameters: optim.SGD(parameters, lr=0.1),
            data=digits,
            variants={"plain": {"p": 0.0}, "dropout": {"p": 0.5}},
        )

    Where torch.nn cannot express the network this way, `model(nn, ...)` gives the NumPy one and
    `torch_model(nn, ...)` its torch twin, with equal `state_dict` keys; `torch_loss(nn)` likewise. A network that
    returns a tuple has all its outputs handed to the loss, in front of the target: `criterion(*outputs, target)`.
    """

    name: str
    claim: str  # one line: what the comparison shows
    model: Callable[..., Any]  # model(nn, **variant) -> network, nn is torchref.nn or torch.nn
    loss: Callable[[Any], Any]  # loss(nn) -> criterion
    optimizer: Callable[[Any, Any], Any]  # optimizer(optim, parameters), optim is torchref.optim or torch.optim
    data: Callable[[], Data]
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"default": {}})
    epochs: int = 10
    batch_size: int = 64
    seed: int = 0
    dtype: str = "float64"
    device: str = "auto"
    torch_model: Callable[..., Any] | None = None
    torch_loss: Callable[[Any], Any] | None = None
    scheduler: Callable[[Any, Any], Any] | None = None  # scheduler(lr_scheduler, optimizer), stepped once an epoch ...
    schedule_each_step: bool = False  # ... or after each step
    accumulate: int = 1  # parts of a batch that go through the network one by one, their gradients added up
    max_norm: float | None = None  # to which the norm of all gradients together is clipped before the step
    adapt: Callable[[Data], tuple[Data, Mapping[str, Any]]] | None = None  # other data as the model takes it, its sizes
    optimizer_options: Mapping[str, Any] = field(default_factory=dict)  # set in every parameter group
    file: str | None = None  # the Python file that holds it, where it does not ship
    source: Mapping[str, str] = field(default_factory=dict)  # where other data came from: path, label

    def on(self, data: Data, source: Mapping[str, str]) -> Comparison:
        """The same comparison on other data, its networks' sizes adapted: each variant gets them as options.

        UserError where it is no comparison for other data, or not for these.
        """
        if self.adapt is None:
            raise UserError(f"data: {self.name} is a comparison on its own data alone")
        adapted, sizes = self.adapt(data)
        variants = {name: {**options, **sizes} for name, options in self.variants.items()}
        return replace(self, data=lambda: adapted, variants=variants, source=dict(source))

    def __post_init__(self) -> None:
        for name in ("model", "loss", "optimizer", "data"):
            if not callable(getattr(self, name)):
                raise UserError(f"{name} must be a function, not {getattr(self, name)!r}")
        for name in ("epochs", "batch_size", "accumulate"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(f"{name} must be a whole number of at least 1, not {value!r}")
        if self.max_norm is not None and not self.max_norm > 0:
            raise UserError(f"max_norm must be positive, not {self.max_norm!r}")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise UserError(f"seed must be a whole number from 0 to 2^32 - 1, not {self.seed!r}")
        if self.dtype not in DTYPES:
            raise UserError(f"dtype must be one of {', '.join(DTYPES)}, not {self.dtype!r}")
        if self.device not in DEVICES:
            raise UserError(f"device must be one of {', '.join(DEVICES)}, not {self.device!r}")
        if not self.variants:
            raise UserError("variants must name at least one variant, and is empty")
        for name in (self.name, *self.variants):
            if not name or any(c in name for c in "/\\") or name in (".", ".."):
                raise UserError(f"a comparison's and a variant's name is a folder's name, which {name!r} cannot be")
