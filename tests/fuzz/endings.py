"""How a call ends in both libraries, and whether these ends are alike."""

from __future__ import annotations

import copy
import re
import traceback
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import torchref
from tests.cases import Case
from tests.checks import construct, floating, leaves, map_tree, off_default_state, tensors
from tests.fuzz.calls import generator, pick, spoil
from torchref.nn.random import Tape, set_rng
from torchref.twin.draws import record_draws

Array = np.ndarray


# --- how a call ends --------------------------------------------------------------------------------------------------


@dataclass
class Ending:
    """What came out of a call: results by name, or an exception."""

    results: dict[str, Any]
    error: BaseException | None = None
    frames: Any = ()

    @property
    def said(self) -> bool:
        """Whether the exception was raised in words, by the library, and did not leak out of NumPy or Python."""
        last = self.frames[-1] if self.frames else None
        return (
            last is not None
            and re.search("torchref/(nn|tensor)", last.filename) is not None
            and str(last.line).startswith("raise")
        )

    def says(self, pattern: str) -> bool:
        return re.search(pattern, "" if self.error is None else str(self.error)) is not None


def ended_by(error: BaseException) -> Ending:
    return Ending({}, error, traceback.extract_tb(error.__traceback__))


def upstream(output: Any, seed: int) -> Any:
    """A random gradient for each floating leaf of an output of arrays; None for the others."""
    rng = np.random.default_rng(seed)
    return map_tree(lambda a: np.asarray(rng.standard_normal(a.shape), a.dtype) if floating(a) else None, output)


def as_arrays(tree: Any) -> Any:
    return map_tree(lambda leaf: leaf.detach().numpy().copy() if torch.is_tensor(leaf) else leaf, tree)


def run_theirs(case: Case, seed: int, needing: int | None = None) -> tuple[Ending, Tape, dict[str, Array]]:
    """torch's ending, its draws, and the state that its module was given. `needing`: how many inputs get a gradient."""
    tape, state = Tape([]), {}
    try:
        module = construct(torch.nn, case, np.float64).train(case.training)
        state = off_default_state(module, np.random.default_rng(seed))
        module.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in state.items()})
        inputs, options = tensors(case.inputs), tensors(case.options)
        leaves_in = [t for _, t in leaves((inputs, options)) if torch.is_tensor(t) and t.is_floating_point()]
        for i, leaf in enumerate(leaves_in):
            leaf.requires_grad_(i not in case.constants and (needing is None or i < needing))
        with record_draws() as tape:
            inputs, options = map_tree(lambda t: t.clone() if torch.is_tensor(t) else t, (inputs, options))
            output = module(*inputs, **options)
        arrays = as_arrays(output)
        given = dict(leaves(upstream(arrays, seed)))
        pairs = [
            (leaf, torch.from_numpy(given[name].copy()))
            for name, leaf in leaves(output)
            if name in given and torch.is_tensor(leaf) and leaf.requires_grad
        ]
        if pairs:
            torch.autograd.backward([p[0] for p in pairs], [p[1] for p in pairs])
    except Exception as error:
        if needing != 0 and "differentiable with respect to argument" in str(error):
            return run_theirs(case, seed, needing=1 if needing is None else 0)
        return ended_by(error), tape, state
    results = {f"output{name}": leaf for name, leaf in leaves(arrays)}
    for i, leaf in enumerate(leaves_in):
        if leaf.requires_grad:
            results[f"gradient of input {i}"] = None if leaf.grad is None else leaf.grad.numpy()
    for name, parameter in module.named_parameters():
        results[f"gradient of {name}"] = None if parameter.grad is None else parameter.grad.numpy()
    results |= {f"buffer {name}": buffer.numpy() for name, buffer in module.named_buffers()}
    return Ending(results), tape, state


def run_ours(case: Case, seed: int, tape: Tape, state: dict[str, Array]) -> Ending:
    try:
        module = construct(torchref.nn, case, np.float64).train(case.training)
        if state:
            module.load_state_dict(copy.deepcopy(state))
        set_rng(module, Tape(tape.draws))
        output, backward = module(*copy.deepcopy(case.inputs), **copy.deepcopy(case.options))
        gradients = backward(upstream(output, seed))
    except Exception as error:
        return ended_by(error)
    results = {f"output{name}": leaf for name, leaf in leaves(output)}
    for i, gradient in enumerate(gradients if isinstance(gradients, tuple | list) else (gradients,)):
        results[f"gradient of input {i}"] = gradient
    results |= {f"gradient of {name}": p.grad for name, p in module.named_parameters()}
    results |= {f"buffer {name}": buffer for name, buffer in module.named_buffers()}
    return Ending(results)


# --- whether two calls end alike --------------------------------------------------------------------------------------

SENSIBLE = (ValueError, RuntimeError, IndexError, TypeError, NotImplementedError, AssertionError, ZeroDivisionError)
# What Python or a kernel says when torch itself has not looked at an argument: no exception type to follow.
ACCIDENTS = re.compile(
    "unsupported operand|bad operand|not iterable|has no len|has no attribute|not callable|not supported between|"
    "index out of range|index 0 is out of range|out of bounds for dimension|out of range for tensor|to unpack|"
    "missing 1 required|cannot be interpreted|cannot convert float|could not convert string|not subscriptable|"
    "cannot be converted to type|failed to unpack|too many dimensions|modulo by zero|attribute name must|"
    "_none_or_dtype|does not have a device|Dimension specified as|Dimension out of range|"
    r"output_size should be a sequence|select\(\)|float\(\) argument|permute\(\) takes"
)


def unlike(ours: Ending, theirs: Ending, spoiled: int = 1) -> str:  # noqa: C901, PLR0911 (the first difference is returned)
    """In a few words how the endings differ; "" if they are alike.

    Of several spoiled arguments either library may look at another one first.
    """
    if theirs.error is not None and ours.error is not None:
        accident = ACCIDENTS.search(str(theirs.error)) is not None
        if not ours.said:
            alike = accident and type(ours.error) is type(theirs.error)
            return "" if alike else f"both raise, ours is raw: {type(ours.error).__name__}"
        wanted = type(theirs.error)
        if wanted in SENSIBLE and not accident and spoiled == 1 and not isinstance(ours.error, wanted):
            return f"both raise: ours {type(ours.error).__name__}, torch's {wanted.__name__}"
        return ""
    if theirs.error is not None:
        if ACCIDENTS.search(str(theirs.error)):
            return ""
        return f"torch alone raises {type(theirs.error).__name__}"
    if ours.error is not None:
        return f"we alone raise {type(ours.error).__name__}" + ("" if ours.said else " (raw)")
    scale = max(
        (
            float(np.abs(g[np.isfinite(g)]).max(initial=0))
            for n, g in theirs.results.items()
            if floating(g) and n.startswith("gradient")
        ),
        default=0.0,
    )
    for name, expected in theirs.results.items():
        if name not in ours.results:
            if expected is not None and np.any(expected):
                return f"{kind_of(name)} is missing"
            continue
        if how := differs(ours.results[name], expected, scale if name.startswith("gradient") else 0.0):
            return f"{kind_of(name)}: {how}"
    return ""


def kind_of(name: str) -> str:
    return name.split("[")[0].split(" ")[0] if name.startswith(("output", "buffer")) else "gradient"


def differs(actual: Any, expected: Any, scale: float) -> str:  # noqa: PLR0911 (the first difference is returned)
    if expected is None or actual is None:
        given = actual if expected is None else expected
        return (
            ""
            if given is None or not np.any(np.nan_to_num(given))
            else f"{'torch' if expected is None else 'ours'} is None"
        )
    if not isinstance(expected, np.ndarray):
        return "" if actual == expected else "another value"
    if not isinstance(actual, np.ndarray):
        return f"{type(actual).__name__} is no array"
    if actual.shape != expected.shape:
        return "another shape"
    if actual.dtype != expected.dtype:
        return f"dtype {actual.dtype} instead of {expected.dtype}"
    if not floating(expected):
        return "" if np.array_equal(actual, expected) else "another value"
    with np.errstate(all="ignore"):
        finite = np.isfinite(expected)
        if not np.array_equal(np.where(finite, 0, actual), np.where(finite, 0, expected), equal_nan=True):
            return "other nan or infinities"
        scale = max(scale, float(np.abs(expected[finite]).max(initial=0)), 1e-4)
        limit = 1e-9 if expected.dtype == np.float64 else 3e-4
        if not np.all(np.abs(actual[finite] - expected[finite]) <= limit * scale):
            return "another value"
    return ""


@dataclass
class Difference:
    """A call that ends differently, and how."""

    number: int
    name: str
    spoiled: list[str]
    case: Case
    how: str
    ours: Ending
    theirs: Ending

    def __str__(self) -> str:
        lines = [
            f"{self.name}, call {self.number}: {self.case.name[:110]} {shapes(self.case)} {self.spoiled}: {self.how}"
        ]
        for name, ending in (("ours", self.ours), ("torch's", self.theirs)):
            if ending.error is not None:
                lines.append(f"    {name}: {type(ending.error).__name__}: {str(ending.error)[:160]}")
        return "\n".join(lines)


def shapes(case: Case) -> str:
    return str(
        [f"{a.dtype}{list(a.shape)}" if isinstance(a, np.ndarray) else str(a)[:30] for a in case.inputs]
        + [
            f"{k}={v.dtype}{list(v.shape)}" if isinstance(v, np.ndarray) else f"{k}={v!s:.30}"
            for k, v in case.options.items()
        ]
    )


def call(name: str, number: int, cases: list[Case]) -> Difference | None:
    """Of the function or module `name` the call of this number: the case, what is spoiled and the arrays."""
    rng = generator(name, number)
    case = pick(cases, rng)
    spoiled = []
    for _ in range(pick([1, 1, 1, 2], rng)):
        what, case = spoil(case, rng)
        spoiled.append(what)
    torch.manual_seed(number)
    torchref.manual_seed(number)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, tape, state = run_theirs(case, number)
        ours = run_ours(case, number, tape, state)
        how = unlike(ours, theirs, len(spoiled))
    return Difference(number, name, spoiled, case, how, ours, theirs) if how else None
