# ruff: noqa: E501
"""Whose argument is whose: by torch's names, by the names that people use, by torch's order."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from dataclasses import dataclass, field
from typing import Any

from torchref.check.ops import Op

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
    if op.affine:  # g is gamma before it is a gradient
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
