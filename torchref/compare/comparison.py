"""Comparison: everything that defines a training, written once and built twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from torchref.compare.data import Data
from torchref.compare.errors import UserError
from torchref.compare.record.tags import ABOUT
from torchref.nearest import nearest

__all__ = ["FUNCTIONS", "Comparison"]

DTYPES = ("float32", "float64")
DEVICES = ("auto", "cpu", "cuda")
RECORDS = ("few", "all")
FUNCTIONS = ("model", "torch_model", "loss", "torch_loss", "optimizer", "data", "scheduler", "adapt")
OPTIONAL = ("torch_loss", "scheduler", "adapt")  # those that may be None; of model and torch_model one may


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

    A network that stands in torch alone, whatever it is made of, is given as `torch_model`, and `model` left out: its
    NumPy twin is then the replay of torch's own run, with backwards derived by hand (`torchref.referee.Replay`).
    """

    name: str
    claim: str  # one line: what the comparison shows
    # model(nn, **variant) -> network, nn is torchref.nn or torch.nn; None: the NumPy twin is torch_model's replay
    model: Callable[..., Any] | None = field(default=None, kw_only=True)
    loss: Callable[[Any], Any]  # loss(nn) -> criterion
    optimizer: Callable[[Any, Any], Any]  # optimizer(optim, parameters), optim is torchref.optim or torch.optim
    data: Callable[[], Data]
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"default": {}})
    epochs: int = 10
    batch_size: int = 64
    seed: int = 0
    dtype: str = "float64"
    device: str = "auto"
    record: str = "few"  # what TensorBoard shows: about 20 curves, or every figure of every layer ("all")
    torch_model: Callable[..., Any] | None = None
    torch_loss: Callable[[Any], Any] | None = None
    scheduler: Callable[[Any, Any], Any] | None = None  # scheduler(lr_scheduler, optimizer), stepped once an epoch ...
    schedule_each_step: bool = False  # ... or after each step
    accumulate: int = 1  # parts of a batch that go through the network one by one: gradients add up, no memory is saved
    max_norm: float | None = None  # to which the norm of all gradients together is clipped before the step
    adapt: Callable[[Data], tuple[Data, Mapping[str, Any]]] | None = None  # other data as the model takes it, its sizes
    optimizer_options: Mapping[str, Any] = field(default_factory=dict)  # set in every parameter group
    file: str | None = None  # the Python file that holds it, where it does not ship
    source: Mapping[str, str] = field(default_factory=dict)  # where other data came from: path, label

    def on(self, data: Data, source: Mapping[str, str]) -> Comparison:
        """The same comparison on other data, its networks' sizes adapted: each variant gets them as options.

        Its claim was about its own data. It becomes a line about these.

        UserError where it cannot take other data, or not these.
        """
        if self.adapt is None:
            raise UserError(f"data: {self.name} is a comparison on its own data alone")
        adapted, sizes = self.adapt(data)
        variants = {name: {**options, **sizes} for name, options in self.variants.items()}
        sizes_of = f"{len(adapted.train_inputs):,} examples to train on, {len(adapted.validation_inputs):,} held out"
        claim = f"{', '.join(variants)} on {PurePath(source.get('path', 'other data')).name}: {sizes_of}"
        return replace(self, claim=claim, data=lambda: adapted, variants=variants, source=dict(source))

    def chosen(self, only: str | None = None) -> list[str]:
        """The names of the variants to train: all, or one. UserError where there is none of that name."""
        if only is None:
            return list(self.variants)
        if only not in self.variants:
            raise UserError(f"only: there is no variant {only!r}: {nearest(only, self.variants)}")
        return [only]

    @property
    def defining(self) -> Callable[..., Any]:
        """The function whose arguments are the network's options: `model`, or `torch_model` where that stands alone."""
        function = self.model if self.model is not None else self.torch_model
        assert function is not None
        return function

    @property
    def defining_torch(self) -> Callable[..., Any]:
        """The function that makes the torch twin: `torch_model`, or `model` where that makes both."""
        return self.torch_model or self.defining

    def __post_init__(self) -> None:
        for name, kind in (("name", str), ("claim", str), ("variants", Mapping), ("optimizer_options", Mapping)):
            if not isinstance(getattr(self, name), kind):
                what = "a text" if kind is str else "a dict"
                raise UserError(f"{name} must be {what}, not {_short(getattr(self, name))}")
        self._check_numbers()
        if self.dtype not in DTYPES:
            raise UserError(f"dtype must be one of {', '.join(DTYPES)}, not {_short(self.dtype)}")
        if self.device not in DEVICES:
            raise UserError(f"device must be one of {', '.join(DEVICES)}, not {_short(self.device)}")
        if self.record not in RECORDS:
            raise UserError(f"record must be one of {', '.join(RECORDS)}, not {_short(self.record)}")
        if not self.variants:
            raise UserError("variants must name at least one variant, and is empty")
        for name in (self.name, *self.variants):
            if not isinstance(name, str) or not name or any(c in name for c in "/\\\0") or name in (".", "..", ABOUT):
                raise UserError(
                    f"a comparison's and a variant's name is a folder's name, which {_short(name)} cannot be"
                )
        self._check_functions()

    def _check_numbers(self) -> None:
        for name in ("epochs", "batch_size", "accumulate"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(f"{name} must be a whole number of at least 1, not {_short(value)}")
        if self.max_norm is not None and not (isinstance(self.max_norm, int | float) and self.max_norm > 0):
            raise UserError(f"max_norm must be a positive number, not {_short(self.max_norm)}")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise UserError(f"seed must be a whole number from 0 to 2^32 - 1, not {_short(self.seed)}")

    def _check_functions(self) -> None:
        """Check that each can be called as it will be."""
        called: list[tuple[str, int]] = [("loss", 1), ("torch_loss", 1), ("optimizer", 2), ("data", 0)]
        for name, count in [*called, ("scheduler", 2), ("adapt", 1)]:
            _check_call(name, getattr(self, name), name not in OPTIONAL, [None] * count, {})
        for variant, options in self.variants.items():
            if not isinstance(options, Mapping) or not all(isinstance(option, str) for option in options):
                raise UserError(f"variant {variant!r} must be a dict of the model's options, not {_short(options)}")
            for name, needed in (("model", self.torch_model is None), ("torch_model", False)):
                _check_call(name, getattr(self, name), needed, [None], options, f"variant {variant!r}: ")


def _check_call(
    name: str, function: Any, needed: bool, arguments: list[None], options: Mapping[str, Any], where: str = ""
) -> None:
    """UserError unless `function` can be called so, or is None where it may be."""
    if function is None and not needed:
        return
    if not callable(function):
        or_alone = ", or leave it out and give torch_model" if name == "model" and function is None else ""
        raise UserError(f"{name} must be a function, not {_short(function)}{or_alone}{_as_function(name)}")
    if not isinstance(function, type) and hasattr(function, "parameters"):  # a module can be called, too
        kind = type(function).__name__
        raise UserError(f"{name} must be a function that makes one for each engine, not the {kind}{_as_function(name)}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some of C's have none
        return
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        raise UserError(f"{where}{name}, called as {name}{_call(arguments, options)}, fails: {error}") from None


def _as_function(name: str) -> str:
    """How to write what was given itself, and is to be made anew."""
    arguments = {"optimizer": " optim, parameters", "scheduler": " lr_scheduler, optimizer", "data": ""}.get(
        name, " nn"
    )
    return f": write {name}=lambda{arguments}: ..."


def _call(arguments: list[None], options: Mapping[str, Any]) -> str:
    """(_, width=4): how a function is called."""
    return f"({', '.join(['_'] * len(arguments) + [f'{key}={_short(value)}' for key, value in options.items()])})"


def _short(value: Any) -> str:
    """A value in a message of one line."""
    said = " ".join(repr(value).split())
    return said if len(said) <= 60 else said[:57] + "..."
