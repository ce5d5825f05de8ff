"""A function and its derivative, two functions of one file: mse and mse_prime, perdida and gradiente.

The derivative takes what the function takes, or the value itself, and no upstream gradient: it is compared with the
gradient for an upstream gradient of ones.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from torchref.check.ops import Op
from torchref.check.ops.find import UnknownOp, find
from torchref.check.reading import arguments
from torchref.check.reading.arguments import normal, parameters
from torchref.check.reading.config import Values
from torchref.check.reading.forms.derivative import SURELY_INPUT
from torchref.check.reading.forms.methods import forward_and_backward
from torchref.check.reading.forms.naming import returned_names
from torchref.check.reading.forms.pair import CACHE, DY, Pair

SWITCHES = ("derivative", "deriv", "derive", "derivate", "grad", "gradient", "prime", "backward", "diff", "dx")
BACK = ("_backward", "_bwd", "_bw", "_grad", "_gradient", "_vjp", "_back", "_bprop", "Backward", "Bwd", "Grad")
AHEAD = ("_forward", "_fwd", "_fw", "_fprop", "", "Forward", "Fwd")


def looks_like_gradient(function: Any) -> bool:
    """Whether a function's name says in English that it is a gradient."""
    name = normal(getattr(function, "__name__", ""))
    words = ("grad", "backward", "deriv", "bwd", "vjp", "prime", "delta")
    return any(word in name for word in words) or name.startswith("d")


def derivative_beside(function: Any) -> Callable[..., Any] | None:
    """The function of the same file that has this one's name in its own, or is the only other with its parameters."""
    others = functions_beside(function)
    name = own_name(function)
    named = [f for f in others if name in normal(f.__name__)]
    plain = [f for f in named if looks_like_gradient(f)]
    if plain or len(named) == 1:
        return min(plain or named, key=lambda f: len(f.__name__))
    own = [p.name for p in parameters(function)]
    alike = [f for f in others if [p.name for p in parameters(f)] == own and not is_an_operation(f)]
    return alike[0] if len(alike) == 1 else None


def own_name(function: Any) -> str:
    """The name of a function; of a lambda that of its variable."""
    scope = getattr(function, "__globals__", {})
    named = next((n for n, f in scope.items() if f is function), "") if function.__name__ == "<lambda>" else ""
    return normal(named or function.__name__)


def backward_beside(function: Any) -> Callable[..., Any] | None:
    """The backward of a function that returns a cache: its name begins with the function's, as glu_grad with glu.

    Else it is the one that takes a cache under the same first word, as elu_arriere beside elu_avant.
    """
    name, others = own_name(function), functions_beside(function)
    named = [f for f in others if normal(f.__name__).startswith(name) and looks_like_gradient(f)]
    first = function.__name__.partition("_")[0]
    of_a_cache = [f for f in others if any(normal(p.name) in CACHE for p in parameters(f))]
    alike = [f for f in of_a_cache if f.__name__.partition("_")[0] == first]
    return min(named, key=lambda f: len(f.__name__), default=alike[0] if len(alike) == 1 else None)


def forward_beside(function: Any) -> Callable[..., Any] | None:
    """The forward of a backward that takes a cache: affine_forward or affine beside affine_backward."""
    if not inspect.isfunction(function) or not any(normal(p.name) in CACHE for p in parameters(function)):
        return None
    stems = [function.__name__.removesuffix(s) for s in BACK if function.__name__.endswith(s)]
    there = {f.__name__: f for f in functions_beside(function)}
    return next((there[stem + s] for stem in stems for s in AHEAD if stem + s in there), None)


def has_a_backward(code: Any) -> bool:
    """Whether code goes forward and back: a pair, a class of both, a function that makes its backward or has one."""
    if isinstance(code, tuple | list):
        return True
    if inspect.isclass(code):
        return None not in forward_and_backward(code)
    if not inspect.isfunction(code):
        return hasattr(code, "forward") and hasattr(code, "backward")
    if forward_beside(code) is not None or backward_beside(code) is not None:
        return True
    inner = [c.co_name for c in code.__code__.co_consts if inspect.iscode(c)]
    return any(n in inner for n in returned_names(code)[1:]) or (len(returned_names(code)) > 1 and "<lambda>" in inner)


def functions_beside(function: Any) -> list[Callable[..., Any]]:
    """The other functions of a function's file that take something."""
    scope = getattr(function, "__globals__", {})
    others = [f for f in scope.values() if inspect.isfunction(f) and f is not inspect.unwrap(function)]
    return [f for f in others if f.__module__ == function.__module__ and parameters(f)]


def is_an_operation(function: Any) -> bool:
    """Whether a function has an operation's name: relu beside tanh is no derivative of it."""
    try:
        find(function.__name__)
    except UnknownOp:
        return False
    return True


def switch_of(function: Any) -> str:
    """The parameter that turns a function into its derivative, tanh(z, derivative=True); empty where it has none."""
    found = (p.name for p in parameters(function) if normal(p.name) in SWITCHES and p.default is False)
    return next(found, "")


def switched(function: Any) -> Callable[..., Any] | None:
    """The derivative of a function with a switch for it: tanh(z, derivative=True)."""
    name = switch_of(function)
    if not name:
        return None

    @functools.wraps(function)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **{**kwargs, name: True})

    signature = inspect.signature(function)
    left = [p for p in signature.parameters.values() if p.name != name]
    derivative.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
    return derivative


def pair_beside(function: Any, op: Op, stated: list[str] | None) -> Pair | None:
    """The function with the derivative that stands beside it, as a form; None where there is none."""
    back = switched(function) or derivative_beside(function)
    if back is None:
        return None
    needed = [p for p in parameters(back) if p.default is p.empty]
    own = {normal(p.name) for p in parameters(function)}
    upstream = any(normal(p.name) in DY - own for p in needed) and len(needed) > 1
    form = (Pair if upstream else Beside)((function, back), op, stated)
    form.switch = switch_of(function)
    return form


class Beside(Pair):
    """A function and its derivative, which is handed what the function was handed, or the function's value."""

    use_output = False
    use_probabilities = False

    def __init__(
        self, pair: tuple[Callable[..., Any], Callable[..., Any]], op: Op, stated: list[str] | None = None
    ) -> None:
        """Match what the derivative asks for with the function's own arguments."""
        super().__init__(pair, op, stated)
        needed = [p for p in parameters(self.back) if p.default is p.empty]
        known = {p.name: self.matching.roles[p.name] for p in needed if p.name in self.matching.roles}
        extra = () if op.loss else ("output",)
        self.roles = known if len(known) == len(needed) else arguments.match(op, needed, extra).roles
        options = [p.name for p in parameters(self.back) if p.default is not p.empty]
        self.roles = self.roles | {n: r for n, r in self.matching.roles.items() if n in options and op.has(r)}
        self.upstreams = []

    def ambiguous(self) -> bool:
        """Whether the derivative may be one of the value."""
        name = next((p for p, r in self.roles.items() if r == "input"), None)
        return name is not None and not self.op.loss and normal(name) not in SURELY_INPUT

    def takes_upstream(self) -> bool:
        """It takes none: it is the gradient for an upstream gradient of ones."""
        return False

    def handed_back(self, role: str, values: Values, frozen: Values) -> Any:
        """What the derivative is handed for one of its arguments."""
        return frozen["output"] if role == "output" or (self.use_output and role == "input") else values.get(role)
