"""LBFGS: a quasi-Newton method that remembers a few steps, with a line search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from torchref.nn.module import Array, Parameter
from torchref.optim.line_search import Point, strong_wolfe
from torchref.optim.optimizer import Optimizer, Params, check_nonnegative, check_writeable


class LBFGS(Optimizer):
    """Limited-memory BFGS: each step goes along -H g, where H is built from the last history_size steps.

    All parameters are one vector x, all gradients one vector g. One call of `step(closure)` makes up to max_iter
    iterations, and calls closure (which computes the gradients and returns the loss) up to about max_eval times:

        s <- t d,  y <- g - g_previous                                    what the last iteration did, and found
        keep (s, y) with ro = 1 / (y.s) if y.s > 1e-10;  H_0 = (y.s) / (y.y)
        q <- -g;    newest to oldest:  al_i <- ro_i s_i.q,  q <- q - al_i y_i
        d <- H_0 q; oldest to newest:  d <- d + (al_i - ro_i y_i.d) s_i     (at the first iteration: d = -g)
        t <- lr, or by line_search_fn="strong_wolfe" from there             (first iteration: min(1, 1 / |g|_1) lr)
        x <- x + t d

    It ends early where max |g| <= tolerance_grad, where the slope g.d > -tolerance_change, and where the step t d or
    the change of the loss is below tolerance_change. `step` returns the loss at its start.

    State, of the first parameter: func_evals, n_iter, al, d, t, old_dirs (y), old_stps (s), ro, H_diag, prev_flat_grad,
    prev_loss. A missing gradient counts as zero. There can be one parameter group only.

    Conventions that differ. Without a line search this is no descent method: lr is the whole step. Whole batches: the
    closure must give the same loss each time.

    Errors: ValueError for a negative lr or several groups; RuntimeError, in the step, for an unknown line_search_fn.
    Equals `torch.optim.LBFGS`. Liu & Nocedal 1989; Nocedal & Wright 2006, algorithms 7.4, 3.5 and 3.6.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_nonnegative("LBFGS", lr=lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError(f"LBFGS: there can be one parameter group only, but got {len(self.param_groups)}")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        if closure is None:
            raise TypeError("LBFGS: step needs a closure that computes the gradients and returns the loss")
        self.stepped = True
        group = self.param_groups[0]
        parameters: list[Parameter] = group["params"]
        lr, line_search = float(group["lr"]), group["line_search_fn"]
        if line_search not in (None, "strong_wolfe"):
            raise RuntimeError(f"LBFGS: line_search_fn must be None or 'strong_wolfe', but got {line_search!r}")
        for parameter in parameters:
            check_writeable("LBFGS", parameter.data)
        state = self.state[parameters[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = closure()
        loss, g = float(first_loss), flat_gradient(parameters)
        state["func_evals"] += 1
        evaluations = 1
        if np.abs(g).max() <= group["tolerance_grad"]:
            return first_loss

        with np.errstate(all="ignore"):
            for iteration in range(1, group["max_iter"] + 1):
                state["n_iter"] += 1
                d = self.direction(g, state)
                first = state["n_iter"] == 1
                state["t"] = t = min(1.0, 1.0 / np.abs(g).sum()) * lr if first else lr
                state["d"], state["prev_flat_grad"], state["prev_loss"] = d, g, loss
                previous_loss, slope = loss, g @ d
                if slope > -group["tolerance_change"]:
                    break
                calls = 0
                if line_search is not None:
                    evaluate, here = along(closure, parameters, d), Point(0, loss, g, slope)
                    best, calls = strong_wolfe(evaluate, here, t, np.abs(d).max(), group["max_eval"] - evaluations)
                    state["t"], loss, g = best.t, best.loss, best.gradient
                    move(parameters, best.t, d)
                else:
                    move(parameters, t, d)
                    if iteration != group["max_iter"]:  # the last point is evaluated by the next call of step
                        loss, g = float(closure()), flat_gradient(parameters)
                        calls = 1
                evaluations += calls
                state["func_evals"] += calls
                if (
                    evaluations >= group["max_eval"]
                    or np.abs(g).max() <= group["tolerance_grad"]
                    or np.abs(d * state["t"]).max() <= group["tolerance_change"]
                    or abs(loss - previous_loss) < group["tolerance_change"]
                ):
                    break
        return first_loss

    def direction(self, g: Array, state: dict[str, Any]) -> Array:
        """-H g, after the last iteration's s and y have gone into the history."""
        if state["n_iter"] == 1:
            state.update({"old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1})
            return -g
        history = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        curvature = y @ s
        if curvature > 1e-10:
            if len(state["ro"]) == self.param_groups[0]["history_size"]:
                for remembered in history:
                    remembered.pop(0)
            for remembered, new in zip(history, (y, s, 1.0 / curvature), strict=True):
                remembered.append(new)
            state["H_diag"] = curvature / (y @ y)
        al = state.setdefault("al", [None] * self.param_groups[0]["history_size"])
        q = -g
        for i, (y_i, s_i, ro_i) in reversed(list(enumerate(zip(*history, strict=True)))):
            al[i] = (s_i @ q) * ro_i
            q -= al[i] * y_i
        d: Array = q * state["H_diag"]
        for i, (y_i, s_i, ro_i) in enumerate(zip(*history, strict=True)):
            d += s_i * (al[i] - (y_i @ d) * ro_i)
        return d


def flat_gradient(parameters: list[Parameter]) -> Array:
    """All gradients as one vector, in a copy; a missing one is zero."""
    return np.concatenate([(np.zeros_like(p.data) if p.grad is None else p.grad).reshape(-1) for p in parameters])


def move(parameters: list[Parameter], t: Any, d: Array) -> None:
    """x <- x + t d, in place."""
    start = 0
    for parameter in parameters:
        piece = d[start : start + parameter.size].reshape(parameter.shape)
        parameter.data += t * piece
        start += parameter.size


def along(closure: Callable[[], Any], parameters: list[Parameter], d: Array) -> Callable[[Any], Point]:
    """The function of t whose value is loss, gradient and slope at t d from here. The parameters are put back."""
    start = [parameter.data.copy() for parameter in parameters]

    def evaluate(t: Any) -> Point:
        move(parameters, t, d)
        loss = float(closure())
        g = flat_gradient(parameters)
        for parameter, data in zip(parameters, start, strict=True):
            np.copyto(parameter.data, data)
        return Point(t, loss, g, g @ d)

    return evaluate
