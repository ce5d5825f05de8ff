# ruff: noqa: E501
"""Whose argument is whose: names and aliases, torch's order, and conventions that differ."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.nn.module import Array

ALIASES: dict[str, tuple[str, ...]] = {
    "dy": (
        "dy", "dout", "upstream", "grad_output", "grad_out", "gradoutput", "grad_outputs", "doutput", "d_out", "d_output", "dl_dy", "dldy",
        "dl_dout", "upstream_grad", "upstream_gradient", "output_grad", "output_gradient", "out_grad", "grad_y", "gy", "gout", "go", "dz", "da", "dl", "dloss", "d_loss",
        "grad_loss", "loss_grad", "dh", "dhs", "dnext_h", "dnexth", "dh_next", "grad", "gradient", "grads", "accum_grad", "delta", "error", "dyhat", "dl_dz", "dl_da",
        "dscores", "dvalues", "d_y", "dys", "ds", "dp", "eta", "ybar", "y_bar", "v_bar", "cotangent", "g", "ct", "dl_dh", "d_next", "dnext", "grad_in", "next_grad", "dc", "do", "dattn", "dctx", "dcontext", "d_y_hat", "dpred", "dyh",
    ),
    "input": (
        "input", "x", "inputs", "inp", "xs", "data", "z", "logits", "logit", "scores", "pred", "preds", "prediction", "predictions", "y_pred", "ypred", "yhat", "y_hat",
        "input_data", "x_in", "a", "a_prev", "aprev", "u", "xt", "x_t", "image", "images", "img", "features", "feature_map", "v", "vec", "tensor", "arr", "array",
        "log_probs", "logp", "log_p", "log_prob", "logprobs", "logq", "log_q", "p", "probs", "prob", "probabilities", "al", "predicted", "guess", "estimate", "hypothesis", "o", "out", "output", "outputs", "seq", "sequence", "e", "in_", "y", "h",
    ),
    "target": ("target", "targets", "t", "labels", "label", "y_true", "ytrue", "true", "truth", "gt", "tgt", "onehot", "one_hot", "true_labels", "expected", "y_target", "q", "y_onehot", "ground_truth", "actual", "classes", "y"),
    "weight": ("weight", "w", "weights", "kernel", "kernels", "filters", "filter", "gamma", "g", "scale", "theta", "k", "gain", "wt", "w1", "lin_weight", "kernel_weights"),
    "bias": ("bias", "b", "beta", "shift", "biases", "offset", "b1", "be"),
    "eps": ("eps", "epsilon", "e"),
    "momentum": ("momentum", "mom", "m"),
    "running_mean": ("running_mean", "run_mean", "moving_mean", "rm", "mean_running", "r_mean", "mu_running", "running_mu", "running_avg"),
    "running_var": ("running_var", "run_var", "moving_var", "moving_variance", "rv", "running_variance", "var_running", "r_var", "var_running"),
    "hx": ("hx",), "cx": ("cx",),
    "reduction": ("reduction",),
    "output": ("y", "out", "output", "s", "a", "o", "activation", "act", "probs", "p", "sm", "sig", "softmax_out", "softmax_output", "sigmoid_out", "tanh_out", "cache_out", "value", "result", "fx", "f"),
    "cache": ("cache", "ctx", "context", "saved", "memory", "memo", "tape", "caches", "state", "residual", "residuals", "aux", "stash", "store", "info", "tmp", "res"),
}  # fmt: skip

SIDES = {"poolh", "poolw", "poolheight", "poolwidth", "kernelh", "kernelw", "kh", "kw", "ph", "pw", "hh", "ww"}
CONFIG = re.compile(
    r"(.*_)?(params?|parameters?|weights_dict|config|cfg|opts|options|h(yper)?_?param(eter)?s|conf|settings)$", re.I
)


def normal(name: str) -> str:
    return name.lower().replace("_", "")


def aliases(op: Op, name: str) -> list[str]:
    """The names that stand for torch's argument `name`, best first, in normal form."""
    own: tuple[str, ...] = (name,)
    if op.has(name):
        own += op.argument(name).aliases
    return list(dict.fromkeys(normal(a) for a in own + ALIASES.get(name, ())))


class Unmatched(Exception):
    """The user's arguments cannot be matched; the message says what was expected and what was found."""


@dataclass
class Matching:
    """User's parameter -> role: torch's name, "dy", "dy2".., "cache", "output" or "config"."""

    roles: dict[str, str] = field(default_factory=dict)
    guessed: set[str] = field(default_factory=set)  # parameters matched by position, not by name

    def user(self, role: str) -> str | None:
        return next((p for p, r in self.roles.items() if r == role), None)

    @property
    def takes(self) -> set[str]:
        return set(self.roles.values())


def parameters(function: Any) -> list[inspect.Parameter]:
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []
    star = next((p for p in found if p.kind == p.VAR_POSITIONAL), None)
    if star is not None and len([p for p in found if p.name != "self" and p.default is p.empty]) <= 2:
        found = found[: found.index(star)] + [
            inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in unpacked(function, star.name)
        ] + found[found.index(star) + 1 :]  # fmt: skip
    return [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def unpacked(function: Any, star: str) -> list[str]:
    """The names that a function with *args gives what it was handed: x, w, b = args."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Tuple | ast.List):
            continue
        if isinstance(node.value, ast.Name) and node.value.id == star:
            return [n.id if isinstance(n, ast.Name) else "cache" for n in node.targets[0].elts]
    return []


def required(function: Any) -> list[inspect.Parameter]:
    return [p for p in parameters(function) if p.default is p.empty]


def match(
    op: Op,
    params: list[inspect.Parameter],
    extra: tuple[str, ...] = (),
    stated: list[str] | None = None,
    skip: tuple[str, ...] = (),
) -> Matching:
    """Match parameters with torch's arguments of `op` and the roles in `extra`: by name, by alias, then in torch's order."""
    matching = Matching()
    free = list(params)
    if stated:
        names = [s.partition("=") for s in stated]
        given = {left.strip(): right.strip() for left, eq, right in names if eq}
        order = [left.strip() for left, eq, _ in names if not eq]
        for p in list(free):
            if p.name in given:
                hit = re.match(r"[A-Za-z_]\w*", given[p.name].replace("1-", "").replace("1 -", "").strip())
                if hit and (op.has(hit.group()) or hit.group() in ("dy", "output", "cache")):
                    matching.roles[p.name] = hit.group()
                    free.remove(p)
        known = [a.name for a in op.arguments] + ["dy", "cache", "output"]
        for name in order:
            role_name = next((k for k in known if name == k or normal(name) in aliases(op, k)), None)
            if role_name is None:
                raise Unmatched(
                    f"--arguments names {name!r}, but {op.name} takes {', '.join(a.name for a in op.arguments)}"
                )
            if free:
                matching.roles[free.pop(0).name] = role_name
        if order:
            return matching

    def claim(role: str, p: inspect.Parameter) -> None:
        matching.roles[p.name] = role
        free.remove(p)

    if op.has("kernel_size") and "kernel_size" not in skip:  # a window's two sides
        for p in list(free):
            if normal(p.name) in SIDES:
                claim("kernel_size", p)
    wanted = [a.name for a in op.arguments if a.name not in matching.takes and a.name not in skip]
    for role in (*wanted, *extra):  # torch's own names first
        for p in list(free):
            if p.name == role and role not in matching.takes:
                claim(role, p)
    for p in list(free):  # the two sides of a window
        if op.has("kernel_size") and re.fullmatch(
            r"(pool|kernel|window|filter|k)(size)?(h|w|height|width)", normal(p.name)
        ):
            claim("kernel_size", p)
    for p in list(free):
        if CONFIG.match(p.name) and not any(normal(p.name) in aliases(op, w) for w in wanted):
            claim("config", p)
    first = [r for r in extra if r in ("dy", "cache")]
    last = [r for r in extra if r not in first]
    targets = [w for w in wanted if w == "target"]
    # an option's own alias wins over an array's general one (b of hardtanh), specific names over general ones
    order_of_roles = [*targets, *(w for w in wanted if w != "target")]
    specific = [w for w in order_of_roles if op.has(w) and op.argument(w).aliases]
    for role in specific:
        for alias in [normal(a) for a in op.argument(role).aliases]:
            for p in list(free):
                if (
                    role not in matching.takes
                    and normal(p.name) == alias
                    and (len(alias) > 1 or op.argument(role).kind != "option")
                ):
                    claim(role, p)
    rest = [*first, *order_of_roles, *last]
    if op.family in ("norm", "conv", "linear"):  # g is gamma before it is a gradient
        rest = [*order_of_roles, *first, *last]
        if "dy" in extra:
            rest = ["weight", *first, *(w for w in order_of_roles if w != "weight"), *last]
    for role in rest:
        for alias in aliases(op, role):
            for p in list(free):
                if role not in matching.takes and normal(p.name) == alias and (role in extra or role in wanted):
                    claim(role, p)
    for role in order_of_roles:  # bngain, bnbias: the alias with the layer's name in front
        for p in list(free):
            known_as = [a for a in aliases(op, role) if len(a) > 3]
            if role not in matching.takes and p.default is p.empty and normal(p.name).endswith(tuple(known_as)):
                claim(role, p)
    # the rest in torch's order
    upstreams = [r for r in extra if r == "dy"]
    unordered = (*wanted, *upstreams) if op.loss else (*upstreams, *wanted)
    missing = [w for w in unordered if w not in matching.takes]
    arrays_first = [w for w in missing if w == "dy" or op.argument(w).kind != "option"] + [
        w for w in missing if w != "dy" and op.argument(w).kind == "option" and op.argument(w).default is not None
    ]
    for p in list(free):
        if p.default is not p.empty:
            continue  # a default of the user's own stays
        if not arrays_first:
            expected = ", ".join([*(r for r in extra if r in ("dy", "cache")), *(a.name for a in op.arguments)])
            found = ", ".join(q.name for q in params)
            raise Unmatched(
                f"the argument {p.name!r} cannot be matched with one of {op.name}: expected some of ({expected}), found ({found}); "
                "name torch's arguments in your order with --arguments"
            )
        claim(arrays_first.pop(0), p)
        matching.guessed.add(p.name)
    matching.roles = {p.name: matching.roles[p.name] for p in params if p.name in matching.roles}
    return matching


class Config(dict[str, Any]):
    """A dictionary of options that notes which were asked for: the others stay at torch's defaults.

    Arrays that no argument takes are found in it, too, under any of their names: parameters["W1"].
    """

    def __init__(self, values: dict[str, Any], op: Op | None = None, arrays: dict[str, Any] | None = None) -> None:
        super().__init__(values)
        self.asked: set[str] = set()
        self.found: set[str] = set()  # torch's names of the arrays that were asked for
        self.op, self.arrays = op, arrays or {}

    def __missing__(self, key: str) -> Any:
        for role, value in self.arrays.items():
            if self.op is not None and normal(str(key)) in aliases(self.op, role):
                self.found.add(role)
                return value
        raise KeyError(key)

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def pop(self, key: str, *default: Any) -> Any:
        self.asked.add(key)
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().setdefault(key, default)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key) or self.get(str(key)) is not None

    def names(self, op: Op) -> set[str]:
        """torch's names of what was asked for; all of them if it was handed on whole."""
        course = {"pool_height": "kernel_size", "pool_width": "kernel_size", "mode": "training"}
        wanted = {course.get(k, k) for k in self.asked}
        found = {a.name for a in op.arguments if a.name in wanted or wanted & set(a.aliases)}
        found |= self.found
        return found if self.asked else {a.name for a in op.arguments if a.kind != "array"}


def config(op: Op, values: dict[str, Any], with_momentum: bool = True, taken: set[str] | None = None) -> Config:
    """The options as a dictionary, under torch's names, their aliases and the names that courses use.

    The arrays that are not in `taken` can be found in it, too.
    """
    result: dict[str, Any] = {}
    for a in op.arguments:
        if a.kind == "array" or (a.name == "momentum" and not with_momentum):
            continue
        value = values.get(a.name)
        if a.kind == "data" and a.name == "mask":
            continue
        for name in (*a.aliases, a.name):
            result.setdefault(name, value)
        result[a.name] = value
    if "training" in result:
        result["mode"] = "train" if values.get("training", True) else "test"
    if "kernel_size" in result:
        kernel = values["kernel_size"]
        pair = tuple(kernel) if isinstance(kernel, tuple | list) else (kernel, kernel)
        result.update(
            pool_height=pair[0],
            pool_width=pair[-1],
            stride=values["stride"] if values["stride"] is not None else kernel,
        )
    held = [a.name for a in op.arrays if taken is not None and a.name not in taken]
    arrays = {n: values[n] for n in held if values.get(n) is not None}
    return Config({k: v for k, v in result.items() if v is not None}, op, arrays)


# --- conventions that differ ------------------------------------------------------------------------------------------

Change = Callable[[Any], Any]


@dataclass(frozen=True)
class Convention:
    """A way of writing the operation that differs from torch's: how its arrays are handed over and taken back."""

    sentence: str
    there: Mapping[str, Any]  # torch's array (or option, or output) -> the user's
    back: Mapping[str, Any]  # the user's gradient or output -> torch's

    def to_user(self, name: str, value: Any) -> Any:
        return self.there[name](value) if name in self.there and value is not None else value

    def to_torch(self, name: str, value: Any) -> Any:
        return self.back[name](value) if name in self.back and value is not None else value


TORCH = Convention("", {}, {})


def both(a: Convention, b: Convention) -> Convention:
    there = {n: (lambda v, n=n: b.to_user(n, a.to_user(n, v))) for n in {**a.there, **b.there}}
    back = {n: (lambda v, n=n: a.to_torch(n, b.to_torch(n, v))) for n in {**a.back, **b.back}}
    return Convention("; ".join(s for s in (a.sentence, b.sentence) if s), there, back)


def swap(a: Any) -> Any:
    return np.ascontiguousarray(np.swapaxes(a, 0, 1)) if np.ndim(a) >= 2 else a


def flip_T(a: Any) -> Any:
    return np.ascontiguousarray(a.T) if np.ndim(a) == 2 else a


def gate_order(names: str, order: str) -> Convention:
    """Blocks of torch's order `names` handed over in the order `order`."""
    forth = [names.index(c) for c in order]
    home = [order.index(c) for c in names]

    def permute(block: list[int], axis: int = 0) -> Change:
        def change(a: Array) -> Array:
            parts = np.split(a, len(names), axis=axis)
            return np.concatenate([parts[i] for i in block], axis=axis)

        return change

    keys = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return Convention(f"the gates come in the order {', '.join(order)} (torch: {', '.join(names)})",
                      {k: permute(forth) for k in keys}, {k: permute(home) for k in keys})  # fmt: skip


def update_gate(op: Op) -> Convention:
    """GRU's z and 1 - z exchanged: the sigmoid of a negative sum is 1 minus that of the sum."""

    def negate(a: Array) -> Array:
        r, z, n = np.split(a, 3)
        return np.concatenate([r, -z, n])

    keys: dict[str, Any] = dict.fromkeys(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), negate)
    if not op.has("weight_ih"):  # one array for each gate: r, z, n, and again
        own = [a.name for a in op.arrays if a.name not in ("input", "hx")]
        keys = dict.fromkeys(own[1::3], np.negative)
    return Convention("the update gate weighs the new state, z n + (1 - z) h (torch: (1 - z) n + z h)", keys, keys)


def channels_last() -> Convention:
    """Images as (N, H, W, C), kernels as (h, w, in, out), a bias as (1, 1, 1, out) or (out,)."""
    last, first = (lambda a: np.moveaxis(a, 1, -1)), (lambda a: np.moveaxis(a, -1, 1))
    there = {
        "input": last,
        "output": last,
        "weight": lambda w: w.transpose(2, 3, 1, 0),
        "bias": lambda b: b.reshape(1, 1, 1, -1),
    }
    back = {"input": first, "output": first, "weight": lambda w: w.transpose(3, 2, 0, 1),
            "bias": lambda b: b.reshape(-1) if np.shape(b)[:-1] == (1, 1, 1) else b}  # fmt: skip
    return Convention("the channels come last, (N, H, W, C) and kernels (h, w, in, out)", there, back)


def per_channel() -> Convention:
    """A norm's parameters as (1, C, 1, 1)."""

    def home(g: Any) -> Any:
        return np.reshape(g, -1) if np.ndim(g) == 4 and np.size(g) == np.shape(g)[1] else g

    there = dict.fromkeys(("weight", "bias"), lambda a: a.reshape(1, -1, 1, 1))
    return Convention("the weight and the bias have the shape (1, C, 1, 1)", there, dict.fromkeys(there, home))


def in_columns() -> Convention:
    """A recurrence's samples in columns: (D, N), or (D, N, T) for a sequence; the bias as (H, 1)."""

    def turn(a: Any) -> Any:
        return np.ascontiguousarray(np.transpose(a))

    names = ("input", "hx", "output", "h_n")
    there = {**dict.fromkeys(names, turn), **dict.fromkeys(("bias_ih", "bias_hh"), lambda b: b.reshape(-1, 1))}
    back = {**dict.fromkeys(names, turn), **dict.fromkeys(("bias_ih", "bias_hh"), column)}
    return Convention("the samples stand in columns, (D, N) or (D, N, T)", there, back)


def column(b: Any) -> Any:
    return np.reshape(b, -1) if np.ndim(b) == 2 and np.shape(b)[1] == 1 else b


def onehot(k: int) -> Change:
    return lambda t: np.eye(k)[t] if np.asarray(t).dtype.kind in "iu" else t


def told_conventions(stated: list[str] | None) -> set[str]:
    """The arguments for which the user has stated a convention: W=weight.T, p=1-p."""
    told = set()
    for s in stated or ():
        _, equals, right = s.partition("=")
        right = right.replace(" ", "")
        if equals and right.endswith(".T"):
            told.add(right[:-2])
        elif equals and right.startswith("1-"):
            told.add(right[2:])
    return told


def conventions(
    op: Op, values: dict[str, Any], takes: set[str], stated: list[str] | None = None
) -> Iterator[Convention]:
    """torch's convention, then the other common ones, the likelier first."""
    groups: list[list[Convention]] = []
    if op.name == "linear":
        groups.append(
            [
                Convention(
                    "weight is stored as (in, out); torch stores (out, in)", {"weight": flip_T}, {"weight": flip_T}
                )
            ]
        )
        columns = {"input": flip_T, "output": flip_T, "bias": lambda b: b.reshape(-1, 1)}
        groups.append(
            [
                Convention(
                    "the samples stand in columns",
                    columns,
                    {
                        "input": flip_T,
                        "output": flip_T,
                        "bias": lambda b: b.reshape(-1) if np.ndim(b) == 2 and np.shape(b)[1] == 1 else b,
                    },
                )
            ]
        )
    if op.family == "norm" and values["input"].ndim == 4 and op.has("weight"):
        groups.append([per_channel()])
    if op.family in ("conv", "pool") and values["input"].ndim == 4:
        groups.append([channels_last()])
    if op.family in ("conv", "pool"):
        each = dict.fromkeys(
            ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size"),
            lambda n: (n,) * (values["input"].ndim - 2) if isinstance(n, int) else n,
        )
        groups.append([Convention("stride, padding and their like are tuples, a number for each axis", each, {})])
    if op.family == "recurrent":
        held = [
            a.name
            for a in op.arrays
            if a.name not in ("input", "hx", "cx") and getattr(values.get(a.name), "ndim", 0) == 2
        ]
        weights = dict.fromkeys(held, flip_T)
        groups.append([Convention("the weights are stored as (in, out); torch stores (out, in)", weights, weights)])
        if op.name in ("rnn", "rnn_cell"):
            groups.append([in_columns()])
        if values["input"].ndim == 3:
            groups.append(
                [
                    Convention(
                        "the batch comes first, (N, T, D); torch: (T, N, D)",
                        {"input": swap, "output": swap},
                        {"input": swap, "output": swap},
                    )
                ]
            )
        names = {"lstm": "ifgo", "gru": "rzn"}.get(op.name.removesuffix("_cell"))
        if names and op.has("weight_ih"):
            likely = ["ifog", "iofg", "fiog", "figo", "zrn"]
            orders = sorted(("".join(p) for p in itertools.permutations(names)), key=lambda o: (o not in likely, o))
            stated_order = next(
                (s.split("=")[1].replace(",", "").strip() for s in stated or () if s.strip().startswith("gates=")), None
            )
            groups.append([gate_order(names, o) for o in ([stated_order] if stated_order else orders) if o != names])
    if op.name == "multi_head_attention":
        weights = {f"{s}_proj_weight": flip_T for s in ("q", "k", "v", "out", "in")}
        first = {"query": swap, "key": swap, "value": swap, "output": swap}
        groups.append([Convention("the weights are stored as (in, out); torch stores (out, in)", weights, weights)])
        groups.append([Convention("the batch comes first, (N, T, E); torch: (T, N, E)", first, first)])
        weights = {"in_proj_weight": flip_T}
        groups.append([Convention("in_proj_weight is stored as (in, out)", weights, weights)])
    if op.name in ("gru", "gru_cell"):
        groups.append([update_gate(op)])
    if op.name == "dropout":
        groups.append([Convention("p is the share kept; torch's p is the share dropped", {"p": lambda p: 1 - p}, {})])
    if op.name == "scaled_dot_product_attention" and values.get("attn_mask") is not None:
        groups.append([
            Convention("the mask is True where a key is hidden; torch: True where it is seen", {"attn_mask": lambda m: ~m}, {}),
            Convention("the mask is added to the scores", {"attn_mask": lambda m: np.where(m, 0.0, -np.inf)}, {}),
            Convention("the mask is added to the scores, -1e9 for hidden keys", {"attn_mask": lambda m: np.where(m, 0.0, -1e9)}, {}),
            Convention("the mask holds 1 and 0", {"attn_mask": lambda m: m.astype(float)}, {}),
            Convention("the mask holds 1 for hidden keys", {"attn_mask": lambda m: (~m).astype(float)}, {}),
        ])  # fmt: skip
    if op.name in ("cross_entropy", "nll_loss"):
        groups.append([Convention("the target is one-hot", {"target": onehot(values["input"].shape[1])}, {}),
                       Convention("the target is a column", {"target": lambda t: t.reshape(-1, 1)}, {})])  # fmt: skip
    if op.name == "embedding":
        groups.append([Convention("the weight is stored as (dim, vocabulary)", {"weight": flip_T}, {"weight": flip_T})])
    wanted = told_conventions(stated)
    if wanted:  # the user has said which
        said = [c for group in groups for c in group if any(w in c.there for w in wanted)]
        if said:
            result = TORCH
            for c in said:
                result = both(result, c)
            yield result
    yield TORCH
    depth = len(groups)
    for size in range(1, depth + 1):
        for chosen in itertools.combinations(groups, size):
            for combination in itertools.product(*chosen):
                result = TORCH
                for c in reversed(combination):  # the gates are put in order before a weight is transposed
                    result = both(result, c)
                yield result
