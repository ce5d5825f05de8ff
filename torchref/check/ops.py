"""What is known of each operation: torch's names and defaults, a probe that sees its mistakes, its wrong formulas."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torchref.check.mistakes.base import Formula, Mistake
from torchref.nearest import nearest


@dataclass(frozen=True)
class Argument:
    """One argument of an operation, under torch's name."""

    name: str
    kind: str  # "array": has a gradient; "data": an array without one; "option"
    default: Any = None  # torch's default of an option
    probe: Any = None  # the value an option takes in the probe, if the user's code takes it
    optional: bool = False  # an array that may be absent
    aliases: tuple[str, ...] = ()  # names that this operation's argument also goes by


def array(name: str, *aliases: str, optional: bool = False) -> Argument:
    return Argument(name, "array", optional=optional, aliases=aliases)


def data(name: str, *aliases: str, optional: bool = False) -> Argument:
    return Argument(name, "data", optional=optional, aliases=aliases)


def option(name: str, default: Any = None, probe: Any = None, *aliases: str) -> Argument:
    return Argument(name, "option", default, default if probe is None else probe, True, aliases)


Maker = Callable[[Any, dict[str, Any], str], dict[str, Any]]


@dataclass(frozen=True)
class Op:
    """An operation of torch.nn that gradients are checked against."""

    name: str
    modules: tuple[str, ...]  # torch.nn's class names, and other names it is asked for by
    arguments: tuple[Argument, ...]  # in torch's order
    formula: Formula
    mistakes: tuple[Mistake, ...]
    make: Maker  # (generator, options, variant) -> arrays
    outputs: tuple[str, ...] = ("output",)
    loss: bool = False
    logits: bool = False  # must stay finite at +-900
    zero_rows: bool = False  # must stay finite for rows of zeros
    family: str = "elementwise"
    variants: tuple[str, ...] = ("rich",)  # probes to try in turn until the user's forward accepts one
    given: Mapping[str, Any] = field(default_factory=dict)  # options from `--against`
    fixed: Mapping[str, Any] = field(default_factory=dict)  # what the formula needs and the user does not see
    sizes: tuple[tuple[str, str, int], ...] = ()  # constructor sizes: (name, array, axis)

    @property
    def arrays(self) -> tuple[Argument, ...]:
        return tuple(a for a in self.arguments if a.kind == "array")

    @property
    def options(self) -> tuple[Argument, ...]:
        return tuple(a for a in self.arguments if a.kind == "option")

    def argument(self, name: str) -> Argument:
        return next(a for a in self.arguments if a.name == name)

    def has(self, name: str) -> bool:
        return any(a.name == name for a in self.arguments)


class UnknownOp(ValueError):
    """No operation of that name; the message holds the nearest ones."""


def normal(name: str) -> str:
    return name.lower().replace("_", "").replace(".", "")


def find(against: str) -> Op:
    """The operation that `against` names: "layer_norm", "LayerNorm", "nn.LayerNorm" or "conv2d(stride=2)"."""
    from torchref.check.catalogue import CATALOGUE

    text = against.strip()
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        raise UnknownOp(
            f"cannot read --against {against!r}: expected a name such as conv2d or conv2d(stride=2)"
        ) from None
    options: dict[str, Any] = {}
    positional: list[Any] = []
    if isinstance(tree, ast.Call):
        try:
            options = {k.arg: ast.literal_eval(k.value) for k in tree.keywords if k.arg}
            positional = [ast.literal_eval(a) for a in tree.args]
        except ValueError:
            raise UnknownOp(f"cannot read the options of --against {against!r}: only literals are allowed") from None
        tree = tree.func
    name = ast.unparse(tree).split(".")[-1]
    table: dict[str, Op] = {}
    for op in CATALOGUE:
        for alias in (op.name, *op.modules):
            table.setdefault(normal(alias), op)
    found = table.get(normal(name)) or table.get(normal(name.removeprefix("F.").removesuffix("_loss")))
    if found is None:
        names = sorted({op.name for op in CATALOGUE} | {m for op in CATALOGUE for m in op.modules})
        raise UnknownOp(f"there is no operation {name!r}: {nearest(name, names)}")
    for a in found.options:  # an option's other names
        for alias in a.aliases:
            if alias in options and a.name not in options and not found.has(alias):
                options[a.name] = options.pop(alias)
    sizes = [s[0] for s in found.sizes]
    known = [a.name for a in found.options]
    for i, value in enumerate(positional):
        if i < len(sizes):
            continue  # sizes of a module's constructor follow from the probe
        if i - len(sizes) < len(known):
            options[known[i - len(sizes)]] = value
    unknown = [k for k in options if k not in known and k not in sizes and k not in ("inplace", "bias", "affine")]
    if unknown:
        raise UnknownOp(f"{found.name} has no option {unknown[0]!r}: {nearest(unknown[0], known)}")
    return replace(found, given={k: v for k, v in options.items() if k in known})
