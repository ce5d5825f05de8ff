"""The calls of the fuzz: a case of tests/cases, or a function that it calls, with an argument or two spoiled."""

from __future__ import annotations

import inspect
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import torchref
from tests.cases import Case, all_cases, integers, normal, uniform
from tests.checks import construct, draw_inputs, floating

Array = np.ndarray


# --- what is called ---------------------------------------------------------------------------------------------------


def seeds() -> dict[str, list[Case]]:
    """Every case with its inputs drawn, and every function of `functional` as the modules of the cases call it."""
    found: dict[str, list[Case]] = {}
    for case in all_cases():
        inputs, options = draw_inputs(case, generator(case.name))
        drawn = replace(case, inputs=inputs, options=options)
        for each in (drawn, *functions_called(drawn)):
            found.setdefault(each.module, []).append(each)
    for case in BY_HAND:
        inputs, options = draw_inputs(case, generator(case.name))
        found.setdefault(case.module, []).append(replace(case, inputs=inputs, options=options))
    return found


def generator(name: str, number: int = 0) -> np.random.Generator:
    """Random numbers that depend on these two alone: what other cases there are changes no call."""
    return np.random.default_rng([zlib.crc32(name.encode()), number])


WEIGHT_BIAS = {"weight": normal(3), "bias": normal(3)}
MEAN, VAR = np.array([0.3, -0.7, 0.2]), np.array([0.5, 1.3, 0.9])
BY_HAND = [  # functions that a module calls with arrays of its own, or that none calls
    Case(
        "functional.batch_norm",
        (),
        {"running_mean": None, "running_var": None, "training": True},
        (normal(4, 3, 5),),
        WEIGHT_BIAS,
    ),
    Case("functional.batch_norm", (), {"running_mean": MEAN, "running_var": VAR}, (normal(4, 3),), WEIGHT_BIAS),
    Case("functional.instance_norm", (), {"momentum": 0.1}, (normal(4, 3, 5),), WEIGHT_BIAS),
    Case(
        "functional.instance_norm",
        (),
        {"running_mean": MEAN, "running_var": VAR, "use_input_stats": False},
        (normal(4, 3, 5),),
    ),
    Case("functional.layer_norm", (), {"normalized_shape": (3,), "eps": 1e-5}, (normal(4, 3),), WEIGHT_BIAS),
    Case("functional.rms_norm", (), {"normalized_shape": (3,), "eps": None}, (normal(4, 3),), {"weight": normal(3)}),
    Case("functional.group_norm", (), {"num_groups": 3, "eps": 1e-5}, (normal(4, 3, 5),), WEIGHT_BIAS),
    Case("functional.relu6", inputs=(normal(4, 3),)),
    Case(
        "functional.embedding",
        (),
        {"max_norm": 1.0, "norm_type": 1.5, "padding_idx": 2},
        (integers(7, 4), normal(7, 3)),
    ),
    Case(
        "functional.embedding_bag",
        (),
        {"mode": "sum", "max_norm": None},
        (integers(7, 4, 2), normal(7, 3)),
        {"offsets": None, "per_sample_weights": normal(4, 2)},
    ),
    Case("functional.embedding_bag", (), {"mode": "mean", "offsets": np.array([0, 3])}, (integers(7, 5), normal(7, 3))),
    Case("functional.softmax", (), {"dim": 1, "dtype": None}, (normal(4, 3),)),
    Case("functional.cross_entropy", (), {"label_smoothing": 0.1}, (normal(4, 3), integers(3, 4))),
    Case("functional.multilabel_soft_margin_loss", inputs=(normal(4, 3), uniform(4, 3))),
    Case("functional.lp_pool2d", (), {"norm_type": float("inf"), "kernel_size": 2}, (normal(2, 3, 5, 4),)),
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
        entry = getattr(torchref.nn.functional, name, None)
        same = entry is not None and inspect.unwrap(entry) is inspect.unwrap(function)
        if same and hasattr(torch.nn.functional, name):
            data = tuple(a.data if isinstance(a, torchref.nn.Parameter) else a for a in arrays)
            options = {key: value for key, value in options.items() if key not in ("rng", "needs_input_grad")}
            yield Case(f"functional.{name}", (), options, inputs=data)


# --- how a call is spoiled --------------------------------------------------------------------------------------------

NUMBERS: list[Any] = [0, 1, 2, 3, -1, -2, 0.5, -0.5, 1.5, float("inf"), float("nan"), None, "no"]


def spoil_array(array: Array, rng: np.random.Generator) -> tuple[str, Any]:  # noqa: PLR0911 (one return for each way to spoil it)
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
            return f"as {dtype}", np.nan_to_num(array, posinf=3, neginf=-3).astype(dtype)
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


# Where torch reads or writes beyond its memory, and may take the process with it: these arguments stay as they are.
# So do attention's weights that may be absent: a number in their place would be counted as an option (tests/called.py).
UNTOUCHED = {
    *(("input", i, name) for i in (0, 1) for name in ("EmbeddingBag", "functional.embedding_bag")),
    *(("input", i, name) for i in (0, 1, 2, 3) for name in ("CTCLoss", "functional.ctc_loss")),
    ("argument", "offsets", "functional.embedding_bag"),
    ("argument", "include_last_offset", "EmbeddingBag"),
    *(("argument", "blank", name) for name in ("CTCLoss", "functional.ctc_loss")),
    ("input", 0, "functional.pdist"),
    *(("input", i, "functional.multi_head_attention_forward") for i in (18, 19, 20)),
    ("input", 1, "tensor.clamp"),  # None in its place would be counted as an option, too
    *(("input", 1, f"tensor.{name}") for name in ("copy", "to")),  # torch's side is an expression of the tests
    ("argument", 0, "FractionalMaxPool2d"),
    ("argument", 0, "FractionalMaxPool3d"),
    *(("argument", "kernel_size", f"functional.fractional_max_pool{d}d") for d in (2, 3)),
}


def spoil(case: Case, rng: np.random.Generator) -> tuple[str, Case]:
    """`case` with one of its arguments changed, and what was changed."""
    places = [("input", i) for i in range(len(case.inputs))] * 2
    places += [("option", name) for name in case.options]
    places += [("argument", i) for i in range(len(case.args))] + [("argument", name) for name in case.kwargs]
    places = [place for place in places if (*place, case.module) not in UNTOUCHED]
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


def pick(items: Sequence[Any], rng: np.random.Generator) -> Any:
    return items[int(rng.integers(len(items)))]
