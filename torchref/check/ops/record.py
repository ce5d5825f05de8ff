"""What a record is made of: arguments with torch's names and defaults, patches, intermediates, and the record itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeAlias

from numpy.random import Generator

from torchref.check.ops.mistake import Formula, Mistake, Values
from torchref.nn.module import Array

Options: TypeAlias = dict[str, Any]  # by torch's name
Arrays: TypeAlias = dict[str, Array]  # by torch's name
Maker: TypeAlias = Callable[[Generator, Options, str], Arrays]  # of a probe's arrays; the word is the probe's variant


@dataclass(frozen=True)
class Argument:
    """One argument of an operation, under torch's name."""

    name: str
    kind: str  # "array": has a gradient; "data": an array without one; "option"
    default: Any = None  # torch's default of an option
    probe: Any = None  # the value an option takes in the probe, if the user's code takes it
    optional: bool = False  # it may be absent
    aliases: tuple[str, ...] = ()  # other names of this argument
    axes: tuple[str, ...] = ()  # what the axes are called; "|" between those of different numbers of axes
    neutral: float | None = None  # the number that replaces it if it is absent
    vary: tuple[Any, ...] = ()  # other values of an option, with another formula each


def array(name: str, *aliases: str, axes: str = "", optional: bool = False, neutral: float | None = None) -> Argument:
    """An array with a gradient; `aliases` are names that users give it, `axes` what its axes are called."""
    return Argument(name, "array", None, None, optional or neutral is not None, aliases, tuple(axes.split()), neutral)


def data(name: str, *aliases: str, axes: str = "", optional: bool = False, neutral: float | None = None) -> Argument:
    """An array without a gradient."""
    return Argument(name, "data", None, None, optional or neutral is not None, aliases, tuple(axes.split()), neutral)


def option(name: str, default: Any = None, probe: Any = None, *aliases: str, vary: tuple[Any, ...] = ()) -> Argument:
    """An option: torch's default, its value in the probe, and others under which the formula is another one."""
    return Argument(name, "option", default, default if probe is None else probe, True, aliases, vary=vary)


@dataclass(frozen=True)
class Patch:
    """A wrong formula that no edit makes: one line of the textbook, and the wrong line instead of it.

    `line` is the beginning of the right line, long enough that no other line begins so. If the options leave no such
    line, the mistake does not exist. The student sees the right line as the correction.
    """

    line: str
    wrong: str  # the wrong line, or several with "; " between them, or the right line as a comment
    slug: str
    sentence: str
    advice: str = ""  # the correction, if the right line does not say enough
    gradient: str = ""  # the gradient to which the mistake belongs, if it is not the first that needs the line
    convention: str = ""  # a note, for code in which this is no mistake but a convention


@dataclass(frozen=True)
class Known:
    """An intermediate with a usual name: a variable of that name in a user's code should have its value.

    `values` are expressions over the variables of the textbook's forward and backward, the usual meaning first; the
    other meanings have the same name elsewhere. Without values it is handed over where a user asks for it, and never compared.
    """

    name: str
    meaning: str
    names: str  # what users call it, without case and underscores, a gradient's prefix shortened to d
    values: tuple[str, ...]
    gradients: tuple[str, ...] = ("input",)  # those in whose formula it stands
    handed: str = ""  # an expression: what a gradient function gets that asks for it; empty: it gets nothing


@dataclass(frozen=True)
class Op:
    """An operation of torch.nn that gradients are checked against."""

    name: str
    modules: tuple[str, ...]  # torch.nn's class names, and other names it is asked for by
    arguments: tuple[Argument, ...]  # in torch's order
    formula: Formula
    make: Maker  # (generator, options, variant) -> arrays
    in_torch: Callable[[ModuleType, Values], Any] | None = (
        None  # where torch has no function of that name and these arguments:
    )
    # (torch, the arguments as tensors) -> the output, written in torch's operations; autograd knows the gradients
    outputs: tuple[str, ...] = ("output",)
    loss: bool = False
    logits: bool = False  # must stay finite at +-900
    finite: bool = False  # is there to stay finite: an infinite loss is a mistake
    probabilities: bool = False  # a gradient function may get the softmax of its input instead of the input
    logarithms: bool = False  # takes log probabilities, where other texts take the probabilities
    normalised: bool = False  # its formula holds for rows of log probabilities alone: cut or rounded they are none
    draws: Callable[[Array, float], Array] | None = None  # its forward draws a mask: how the user's own is read from
    # the output, given p
    drawn_together: tuple[int, ...] = ()  # the axes along which one draw counts
    zero_rows: bool = False  # must stay finite for rows of zeros
    deeper: bool = False  # is the same function on more axes, (N, T, D) for (N, D)
    family: str = "elementwise"
    variants: tuple[str, ...] = ("rich",)  # probes to try in turn until the user's forward accepts one
    given: Mapping[str, Any] = field(default_factory=dict)  # options from `--against`
    absent: frozenset[str] = frozenset()  # arrays that `--against` leaves out: bias=False
    remarks: tuple[str, ...] = ()  # what a user should know of the options in `--against`
    fixed: Mapping[str, Any] = field(default_factory=dict)  # what the formula needs and the user does not see
    sizes: tuple[tuple[str, str, int], ...] = ()  # constructor sizes: (name, array, axis)
    known: tuple[Known, ...] = ()
    slugs: Mapping[str, str] = field(default_factory=dict)  # kinds of edits that have another slug here
    conventions: Callable[[Mapping[str, Any]], list[list[Any]]] | None = None  # besides torch's, at these values
    statistics: Callable[[int], tuple[int, ...]] | None = None  # the axes of a norm's statistics, from those of x
    centred: bool = True  # whether a norm subtracts the mean
    affine: bool = False  # people call its weight g or gamma
    kinks: bool = False  # its slope jumps, and its probe has entries where it does
    summed: bool = False  # its gradients are sums over rows, steps or places: a division alone makes a mean of one
    by_output: bool = False  # people write its gradient as a function of the output
    loose: float = 0.0  # the error of a forward that is right all the same: its constants are often shortened
    derivation: str = ""  # the page of the manual
    spreads: bool = False  # one mistake spoils several gradients: what fits no mistake follows from what does
    gates: tuple[tuple[str, ...], ...] = ()  # of a recurrence, in torch's order: the letters that people call each by
    kernel: bool = False  # its weight slides over places: it may be turned round
    images: str = ""  # the name of the same operation on images
    by_rows: bool = False  # it takes (N, D) row by row, and (N, T, D) as well
    joins_bias: bool = False  # people write its bias as a row of its weight, for a column of ones
    pools: str = ""  # what it makes of a window: "mean" or "max"
    lengths: tuple[tuple[float, str], ...] = ()  # of data that is no argument: what a gradient may be divided by
    own: bool = False  # its formula is a function of the user's: witnessed, not derived
    elsewhere: tuple[tuple[Mapping[str, Any], str], ...] = ()  # functions that go by its name in other texts: their
    # values of `fixed`, and the note

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """The wrong formulas that no edit makes, under whatever options."""
        return self.formula.listed(self)

    @property
    def plain(self) -> bool:
        """Whether people give its layer an activation behind it."""
        return self.family in ("linear", "conv", "norm", "embedding", "pool")

    @property
    def pooling(self) -> bool:
        """Whether it makes one number of each window, without a weight."""
        return self.family == "pool"

    @property
    def recurrent(self) -> bool:
        """Whether it is a step of a recurrence, or all of them: people put a layer behind it."""
        return self.family == "recurrent"

    @property
    def pointwise(self) -> bool:
        """Whether each entry of its output, or term of its loss, has a slope of its own."""
        return self.family in ("elementwise", "loss")

    @property
    def by_itself(self) -> bool:
        """Whether the reference is the judged code's own forward."""
        return self.own and self.name in ("forward", "loss")

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
