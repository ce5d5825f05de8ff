# ruff: noqa: E501
"""Whose argument is whose: by torch's names, by the names that people use, by torch's order."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from torchref.check.ops import Op
from torchref.check.reading.source import text_of, tree_of
from torchref.check.reading.unused import ACTIVATIONS, UNUSED

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
    "running_var": ("running_var", "run_var", "moving_var", "moving_variance", "rv", "running_variance", "var_running", "r_var"),
    "reduction": ("reduction",),
    "output": ("y", "out", "output", "s", "a", "o", "activation", "act", "probs", "p", "sm", "sig", "softmax_out", "softmax_output", "sigmoid_out", "tanh_out", "cache_out", "value", "result", "fx", "f"),
    "cache": ("cache", "ctx", "context", "saved", "memory", "memo", "tape", "caches", "state", "residual", "residuals", "aux", "stash", "store", "info", "tmp", "res"),
}  # fmt: skip

SIDES = {"poolh", "poolw", "poolheight", "poolwidth", "kernelh", "kernelw", "kh", "kw", "ph", "pw", "hh", "ww"}
SIDE = re.compile(r"(pool|kernel|window|filter|k)(size)?(h|w|height|width)")
CONFIG = re.compile(
    r"(.*_)?(params?|parameters?|weights_dict|config|cfg|opts|options|h(yper)?_?param(eter)?s|conf|settings)$", re.I
)


def normal(name: str) -> str:
    """A name in normal form: small letters, no underscores."""
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
    """The parameters of a function, those unpacked from *args by name among them; none where it has no signature."""
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
    tree = tree_of(function)
    if tree is None:
        return []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Tuple | ast.List):
            continue
        if isinstance(node.value, ast.Name) and node.value.id == star:
            return [n.id if isinstance(n, ast.Name) else "cache" for n in node.targets[0].elts]
    return []


@dataclass
class Matcher:
    """Matches parameters with torch's arguments of `op` and other roles, one way after the other."""

    op: Op
    extra: tuple[str, ...]
    skip: tuple[str, ...]
    free: list[inspect.Parameter]  # not matched yet
    keyed: frozenset[str] = frozenset()  # those that the code reads by keys: p["Wf"]
    matching: Matching = field(default_factory=Matching)
    wanted: list[str] = field(default_factory=list)  # torch's arguments that are not stated

    def claim(self, role: str, p: inspect.Parameter) -> None:
        self.matching.roles[p.name] = role
        self.free.remove(p)

    def open(self, role: str) -> bool:
        return role not in self.matching.takes

    def claim_named(self, role: str, names: Iterable[str]) -> None:
        """Give the role to the first parameter of these names, if it is open."""
        for name in names:
            for p in list(self.free):
                if self.open(role) and normal(p.name) == name:
                    self.claim(role, p)

    def state(self, stated: list[str]) -> bool:
        """What the user has said: W=weight, or torch's arguments in order; whether an order was given."""
        names = [s.partition("=") for s in stated]
        given = {left.strip(): right.strip() for left, eq, right in names if eq}
        for p in [p for p in self.free if p.name in given]:
            hit = re.match(r"[A-Za-z_]\w*", given[p.name].replace("1-", "").replace("1 -", "").strip())
            if hit and (self.op.has(hit.group()) or hit.group() in ("dy", "output", "cache")):
                self.claim(hit.group(), p)
        order = [left.strip() for left, eq, _ in names if not eq]
        known = [*(a.name for a in self.op.arguments), "dy", "cache", "output"]
        for name in order:
            role = next((k for k in known if name == k or normal(name) in aliases(self.op, k)), None)
            if role is None:
                takes = ", ".join(a.name for a in self.op.arguments)
                raise Unmatched(f"--arguments names {name!r}, but {self.op.name} takes {takes}")
            if self.free:
                self.claim(role, self.free[0])
        return bool(order)

    def sides(self, is_side: Callable[[str], object]) -> None:
        """The two sides of a window are one argument."""
        for p in list(self.free) if self.op.has("kernel_size") else ():
            if is_side(normal(p.name)):
                self.claim("kernel_size", p)

    def torchs_own_names(self) -> None:
        for role in (*self.wanted, *self.extra):
            for p in list(self.free):
                if p.name == role and self.open(role):
                    self.claim(role, p)

    def dictionaries(self) -> None:
        for p in list(self.free):
            known = any(normal(p.name) in aliases(self.op, w) for w in self.wanted)
            if p.name in self.keyed or (CONFIG.match(p.name) and not known):
                self.claim("config", p)

    def other_names(self) -> None:
        """The names that people use: those of this operation alone first, then those of any."""
        first = [r for r in self.extra if r in ("dy", "cache")]
        last = [r for r in self.extra if r not in first]
        targets_first = sorted(self.wanted, key=lambda w: w != "target")
        # an option's own alias wins over an array's general one (b of hardtanh), specific names over general ones
        for role in targets_first:
            a = self.op.argument(role) if self.op.has(role) else None
            if a is not None:
                self.claim_named(role, (n for n in map(normal, a.aliases) if len(n) > 1 or a.kind != "option"))
        rest = [*first, *targets_first, *last]
        if self.op.affine:  # g is gamma before it is a gradient
            rest = [*targets_first, *first, *last]
            if "dy" in self.extra:
                rest = ["weight", *first, *(w for w in targets_first if w != "weight"), *last]
        for role in rest:
            if role in self.extra or role in self.wanted:
                self.claim_named(role, aliases(self.op, role))
        for role in targets_first:  # bngain, bnbias: the alias with the layer's name in front
            known = tuple(a for a in aliases(self.op, role) if len(a) > 3)
            for p in list(self.free):
                if self.open(role) and p.default is p.empty and normal(p.name).endswith(known):
                    self.claim(role, p)

    def activations(self) -> None:
        """A layer's own activation, where the operation has none: the identity, whatever the default."""
        for p in list(self.free):
            if self.op.plain and normal(p.name) in ACTIVATIONS and p.default is not None:
                self.claim(f"unused {normal(p.name)}", p)

    def torchs_order(self) -> None:
        """What is left without a default, in torch's order."""
        upstreams = [r for r in self.extra if r == "dy"]
        ordered = (*self.wanted, *upstreams) if self.op.loss else (*upstreams, *self.wanted)
        missing = [w for w in ordered if self.open(w)]
        options = [w for w in missing if w != "dy" and self.op.argument(w).kind == "option"]
        left = [w for w in missing if w not in options]
        left += [w for w in options if self.op.argument(w).default is not None]
        found = ", ".join(p.name for p in self.parameters)
        for p in [p for p in self.free if p.default is p.empty]:
            if normal(p.name) in UNUSED:
                self.claim(f"unused {normal(p.name)}", p)
                continue
            if not left:
                roles = [r for r in self.extra if r in ("dy", "cache")]
                expected = ", ".join([*roles, *(a.name for a in self.op.arguments)])
                raise Unmatched(
                    f"the argument {p.name!r} cannot be matched with one of {self.op.name}: "
                    f"expected some of ({expected}), found ({found}); "
                    "name torch's arguments in your order with --arguments"
                )
            self.claim(left.pop(0), p)
            self.matching.guessed.add(p.name)

    def __post_init__(self) -> None:
        self.parameters = list(self.free)


def read_by_key(function: Callable[..., Any]) -> frozenset[str]:
    """The parameters of a function that its source reads by keys, as dictionaries: p["Wf"]."""
    source = text_of(function)
    return frozenset(p.name for p in parameters(function) if re.search(rf"\b{p.name}\[[\"']", source))


def match(
    op: Op,
    params: list[inspect.Parameter],
    extra: tuple[str, ...] = (),
    stated: list[str] | None = None,
    skip: tuple[str, ...] = (),
    keyed: frozenset[str] = frozenset(),
) -> Matching:
    """Match parameters with torch's arguments of `op` and the roles in `extra`: by name, by alias, in torch's order."""
    m = Matcher(op, extra, skip, list(params), keyed)
    if stated and m.state(stated):
        return m.matching
    if "kernel_size" not in skip:
        m.sides(SIDES.__contains__)
    needed = [p for p in m.free if p.default is p.empty]
    there = [a for a in op.arrays if a.name not in op.absent]
    absent = op.absent if len(needed) == len(there) else ()  # b of matmul(a, b) is no bias
    m.wanted = [a.name for a in op.arguments if m.open(a.name) and a.name not in (*skip, *absent)]
    m.torchs_own_names()
    m.sides(SIDE.fullmatch)
    m.dictionaries()
    m.other_names()
    m.activations()
    m.torchs_order()
    roles = m.matching.roles
    return Matching({p.name: roles[p.name] for p in params if p.name in roles}, m.matching.guessed)
