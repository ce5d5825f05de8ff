"""Random calls beside torch: take a case of tests/cases, spoil an argument or two, and see whether both end alike.

A call ends alike in both when both return the same (values, shapes, dtypes, gradients), or both raise the same
exception. `differences(calls)` are the calls that end otherwise; `manual/differences.md` names those that are meant.
"""

from __future__ import annotations

import copy
import inspect
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

import torchref
from tests.cases import Case, all_cases, integers, normal, uniform
from tests.checks import (
    construct,
    draw_inputs,
    floating,
    leaves,
    map_tree,
    off_default_state,
    tensors,
)
from torchref.nn.random import Tape, set_rng
from torchref.twin.draws import record_draws

Array = np.ndarray


# --- what is called ---------------------------------------------------------------------------------------------------


def seeds(rng: np.random.Generator) -> dict[str, list[Case]]:
    """Every case with its inputs drawn, and every function of `functional` as the modules of the cases call it."""
    found: dict[str, list[Case]] = {}
    for case in all_cases():
        inputs, options = draw_inputs(case, rng)
        drawn = replace(case, inputs=inputs, options=options)
        for each in (drawn, *functions_called(drawn)):
            found.setdefault(each.module, []).append(each)
    for name, options, *inputs in BY_HAND:
        drawn = tuple(map_tree(lambda leaf: leaf(rng) if callable(leaf) else leaf, inputs))
        found.setdefault(f"functional.{name}", []).append(Case(f"functional.{name}", (), options, drawn))
    return found


CHANNELS = normal(3)
BY_HAND: list[tuple[Any, ...]] = [  # functions that a module calls with its own arrays, or none calls
    ("batch_norm", {"training": True}, normal(4, 3, 5), None, None, CHANNELS, CHANNELS),
    ("batch_norm", {}, normal(4, 3), CHANNELS, uniform(3), CHANNELS, CHANNELS),
    ("instance_norm", {}, normal(4, 3, 5), None, None, CHANNELS, CHANNELS),
    ("instance_norm", {"use_input_stats": False}, normal(4, 3, 5), CHANNELS, uniform(3)),
    ("layer_norm", {"normalized_shape": (3, 5), "weight": None}, normal(4, 3, 5)),
    ("layer_norm", {}, normal(4, 3), (3,), CHANNELS, CHANNELS),
    ("rms_norm", {}, normal(4, 3), (3,), CHANNELS),
    ("group_norm", {"num_groups": 2}, normal(4, 6, 5)),
    ("group_norm", {}, normal(4, 3, 5), 3, CHANNELS, CHANNELS),
    ("relu6", {}, normal(4, 3)),
    ("embedding", {"max_norm": 1.0, "norm_type": 1.5, "padding_idx": 2}, integers(7, 4), normal(7, 3)),
    ("softmax", {"dim": 1, "dtype": None}, normal(4, 3)),
    ("cross_entropy", {"label_smoothing": 0.1}, normal(4, 3), integers(3, 4)),
    ("multilabel_soft_margin_loss", {}, normal(4, 3), uniform(4, 3)),
    ("lp_pool2d", {"norm_type": float("inf"), "kernel_size": 2}, normal(2, 3, 5, 4)),
]


def functions_called(case: Case) -> Iterator[Case]:
    """A call of each function of `functional` that the module of `case` calls directly."""
    kept, calls = torchref.nn.module.bind, []
    holders = [m for m in map(inspect.getmodule, vars(torchref.nn).values()) if m is not None and hasattr(m, "bind")]

    def recording(function: Callable[..., Any], *arrays: Any, **options: Any) -> Any:
        calls.append((function, arrays, options))
        return kept(function, *arrays, **options)

    for holder in holders:
        holder.bind = recording  # type: ignore[attr-defined]
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            construct(torchref.nn, case, np.float64)(*case.inputs, **case.options)
    except ValueError:  # a case of what only evaluation takes
        pass
    finally:
        for holder in holders:
            holder.bind = kept  # type: ignore[attr-defined]
    for function, arrays, options in calls:
        name = getattr(function, "__name__", "")
        if name == "embedding_bag":  # its arrays stand in another order than torch's
            continue
        if getattr(torchref.nn.functional, name, None) is function and hasattr(torch.nn.functional, name):
            data = tuple(a.data if isinstance(a, torchref.nn.Parameter) else a for a in arrays)
            options = {key: value for key, value in options.items() if key not in ("rng", "needs_input_grad")}
            yield Case(f"functional.{name}", (), options, inputs=data)


# --- how a call is spoiled --------------------------------------------------------------------------------------------

NUMBERS: list[Any] = [0, 1, 2, 3, -1, -2, 0.5, -0.5, 1.5, float("inf"), float("nan"), None, "no"]


def spoil_array(array: Array, rng: np.random.Generator) -> tuple[str, Any]:
    """(what was done, another array, or what is none)."""
    d = int(rng.integers(max(array.ndim, 1)))
    shape = list(array.shape)
    kind = rng.integers(12)
    if kind == 0 and array.ndim:
        return f"dimension {d} dropped", np.resize(array, shape[:d] + shape[d + 1 :]).astype(array.dtype)
    if kind == 1:
        return f"a dimension at {d} added", np.expand_dims(array, d)
    if kind == 2:
        return "0-d", np.array(array.flat[0] if array.size else 1, array.dtype)
    if kind in (3, 4, 5) and array.ndim:
        shape[d] = (0, 1, shape[d] + 1)[kind - 3]
        return f"dimension {d} of {shape[d]}", np.resize(array, shape).astype(array.dtype)
    if kind in (6, 7):
        dtype = rng.choice(["int64", "int32", "uint8", "bool", "float32", "float64"])
        with np.errstate(invalid="ignore"):
            return f"as {dtype}", np.nan_to_num(array).astype(dtype)
    if kind in (8, 9) and array.size:
        spoiled = array.copy()
        many = spoiled.reshape(-1)[rng.random(array.size) < 0.3]
        values = [np.inf, -np.inf, np.nan, 0.0, 100.0] if floating(array) else [0, -1, 7, -100]
        values = rng.choice(values, len(many))
        if array.dtype != bool:
            spoiled.reshape(-1)[rng.permutation(array.size)[: len(many)]] = values
        return f"with {sorted(set(map(str, values)))}", spoiled
    if kind == 10:
        wide = np.repeat(array[..., None], 2, axis=-1)[..., 0]
        return "strided", wide[::-1] if array.ndim and rng.random() < 0.5 else wide
    return pick([("None", None), ("a number", 0.5), ("a list", array.tolist())], rng)


def spoil_value(value: Any, rng: np.random.Generator) -> tuple[str, Any]:
    """(what was done, another value) of an argument that is no array. A flag is turned over."""
    if isinstance(value, bool):
        return f"{not value}", not value
    if isinstance(value, str):
        others = ["none", "mean", "sum", "elementwise_mean", "batchmean", "max", "reflect", "no", None, 1]
        other = others[int(rng.integers(len(others)))]
        return f"{other!r}", other
    if isinstance(value, tuple | list) and rng.random() < 0.7:
        change = int(rng.integers(4))
        if change == 0:
            other = value[:-1]
        elif change == 1:
            other = (*value, 1)
        elif change == 2 and value:
            other = (NUMBERS[int(rng.integers(len(NUMBERS)))], *value[1:])
        else:
            other = value[0] if value else 1
        other = type(value)(other) if isinstance(other, tuple | list) else other
        return f"{other!r}", other
    other = NUMBERS[int(rng.integers(len(NUMBERS)))]
    if rng.random() < 0.15:
        other = (other,) * int(rng.integers(4))
    return f"{other!r}", other


def spoil(case: Case, rng: np.random.Generator) -> tuple[str, Case]:
    """`case` with one of its arguments changed, and what was changed."""
    places = [("input", i) for i in range(len(case.inputs))] * 2
    places += [("option", name) for name in case.options]
    places += [("argument", i) for i in range(len(case.args))] + [("argument", name) for name in case.kwargs]
    if not places:
        return "as it is", case
    where, key = places[int(rng.integers(len(places)))]
    field = {"input": "inputs", "option": "options"}.get(where, "args" if isinstance(key, int) else "kwargs")
    holder: Any = getattr(case, field)
    value = holder[key]
    if callable(value) or isinstance(value, dict) or hasattr(value, "batch_sizes"):
        return "as it is", case
    what, other = spoil_array(value, rng) if isinstance(value, np.ndarray) else spoil_value(value, rng)
    if isinstance(holder, dict):
        changed: Any = {**holder, key: other}
    else:
        changed = (*holder[:key], other, *holder[key + 1 :])
    return f"{where} {key} {what}", replace(case, **{field: changed})


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
        last = self.frames[-1]
        return "torchref/nn" in last.filename and str(last.line).startswith("raise")


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
    "unsupported operand|not iterable|has no len|has no attribute|index out of range|to unpack|missing 1 required|"
    "cannot be interpreted|not supported between|Dimension specified as|Dimension out of range|select\\(\\)|bad operand|"
    "failed to unpack|out of range for tensor|cannot convert float|too many dimensions"
)


def unlike(ours: Ending, theirs: Ending, spoiled: int = 1) -> str:
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


def differs(actual: Any, expected: Any, scale: float) -> str:
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
        scale = max(scale, float(np.abs(expected[finite]).max(initial=0)), 1e-30)
        limit = 1e-9 if expected.dtype == np.float64 else 3e-4
        if not np.all(np.abs(actual[finite] - expected[finite]) <= limit * scale):
            return "another value"
    return ""


@dataclass
class Difference:
    """A call that ends differently, and how."""

    seed: int
    name: str
    spoiled: list[str]
    case: Case
    how: str
    ours: Ending
    theirs: Ending

    def __str__(self) -> str:
        ends = " | ".join(
            f"{'' if e.error is None else type(e.error).__name__ + ': ' + str(e.error)[:160]!s}"
            for e in (self.ours, self.theirs)
        )
        return f"call {self.seed}: {self.case.name[:110]} {shapes(self.case)} {self.spoiled}: {self.how}\n        ours | torch: {ends}"


def shapes(case: Case) -> str:
    return str(
        [f"{a.dtype}{list(a.shape)}" if isinstance(a, np.ndarray) else str(a)[:30] for a in case.inputs]
        + [
            f"{k}={v.dtype}{list(v.shape)}" if isinstance(v, np.ndarray) else f"{k}={v!s:.30}"
            for k, v in case.options.items()
        ]
    )


def pick(items: Sequence[Any], rng: np.random.Generator) -> Any:
    return items[int(rng.integers(len(items)))]


def call(number: int, cases: dict[str, list[Case]]) -> Difference | None:
    """The call of this number: the case, what is spoiled and the arrays depend on it alone."""
    rng = np.random.default_rng([20260, number])
    case = pick(cases[pick(sorted(cases), rng)], rng)
    spoiled = []
    for _ in range(int(rng.choice([1, 1, 1, 2]))):
        what, case = spoil(case, rng)
        spoiled.append(what)
    torch.manual_seed(number)
    torchref.manual_seed(number)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, tape, state = run_theirs(case, number)
        ours = run_ours(case, number, tape, state)
        how = unlike(ours, theirs, len(spoiled))
    return Difference(number, case.module, spoiled, case, how, ours, theirs) if how else None
