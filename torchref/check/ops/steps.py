"""The optimizers: their steps in the textbook, and how they go wrong."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

from torchref.check.edits import lines, show
from torchref.check.ops.record import Patch
from torchref.check.textbook import steps as textbook
from torchref.check.textbook.page import Fold, patch, source
from torchref.nn.module import Array


@dataclass(frozen=True)
class Slip:
    """A wrong step: the beginnings of lines of the step, or of the loop around it, and what stands there instead."""

    slug: str
    sentence: str
    changes: Mapping[str, str]

    @property
    def told(self) -> str:
        return "; ".join(self.changes.values())


def slip(slug: str, sentence: str, **values: str) -> Slip:
    """A wrong step by what its variables are set to."""
    return Slip(slug, sentence, {f"{name} =": f"{name} = {value}" for name, value in values.items()})


# --- what goes wrong --------------------------------------------------------------------------------------------------

DECAY, STATE, EPS, SIGN = "optimizer-decay", "optimizer-state", "optimizer-eps", "wrong-sign"
DAMPENING, NESTEROV, BIAS = "optimizer-dampening", "optimizer-nesterov", "optimizer-bias-correction"
TAKE = "weights[i] = step(weights[i], g, s, lr)"
BUFFERS = "s.update({k: b for k, b in %s.items() if k != 't'})"

AROUND = ("weights[i] =", "s =", "states =")  # lines of the loop


def loop(slug: str, sentence: str, told: str, line: str = "weights[i] =") -> Slip:
    """A wrong loop around the step."""
    return Slip(slug, sentence, {line: told})


LOOP = (
    loop(STATE, "The state stays what the first step has made of it.", f"before = dict(s); {TAKE}; {BUFFERS % 'before'}"),
    loop(STATE, "The state starts afresh in every step: it is not kept.", "s = {}", "s ="),
    loop(STATE, "All parameters share one state; each needs its own.", "states = [{}] * len(weights)", "states ="),
    loop(STATE, "All parameters share one velocity or one pair of moments; each needs its own.", f"{BUFFERS % 'states[i - 1]'}; {TAKE}"),
    loop(STATE, "A change of the learning rate does not reach the step.", "weights[i] = step(weights[i], g, s, rates[0])"),
    loop(STATE, "The gradients of earlier steps are not cleared.", "s['sum'] = s.get('sum', 0) + g; weights[i] = step(weights[i], s['sum'], s, lr)"),
    loop(SIGN, "The gradient has the wrong sign; the decay has not.", "weights[i] = step(weights[i], -g, s, lr)"),
)  # fmt: skip
PER_PARAMETER = loop(
    BIAS, "t is increased for each parameter, not for each step.", f"s['t'] = len(path) * len(now) + i; {TAKE}"
)
STALE = "The step uses the state of the step before."
UP = "The step goes up the gradient; it must go down."
DECOUPLED = "The weight decay is decoupled (AdamW's); here it belongs into the gradient."


def decays(new: str) -> tuple[Slip, ...]:
    """The mistakes of a decay that belongs into the gradient; `new` is the new weight."""
    after = {"decayed =": "decayed = g", "new =": f"new = {new}; new = new - lr * weight_decay * new"}
    return (
        slip(DECAY, "The weight decay counts twice (the 2 of the square).", decayed="g + 2 * weight_decay * w"),
        slip(DECAY, "The weight decay counts half.", decayed="g + weight_decay * w / 2"),
        slip(DECAY, "The weight decay is not applied.", decayed="g"),
        slip(DECAY, "The weight decay has the wrong sign.", decayed="g - weight_decay * w"),
        Slip(DECAY, "The weight decay is applied to the weights after the step.", after),
        slip(DECAY, "The decay must be multiplied by the learning rate.", decayed="g; w = w - weight_decay * w"),
        slip(DECAY, "The decay takes the sign of the weights, not the weights.", decayed="g + weight_decay * np.sign(w)"),
        slip(DECAY, "The decay is applied to the gradient, not to the weights.", decayed="g + weight_decay * g"),
        slip(DECAY, "The decay takes the square of the weights, not the weights.", decayed="g + weight_decay * w**2"),
        slip(DECAY, "The decay in the gradient is multiplied by the learning rate once too often.", decayed="g + lr * weight_decay * w"),
    )  # fmt: skip


COUPLED = slip(DECAY, DECOUPLED, decayed="g; w = w - lr * weight_decay * w")
AVERAGE_DECAYED = "The decay takes the moving average of the gradients, not the weights."


def roots(new: str, variance: str) -> tuple[Slip, ...]:
    """The mistakes of sqrt(variance) + eps in the line that begins with `new`."""
    name, _, value = new.partition(" = ")

    def other(divisor: str) -> dict[str, str]:
        return {f"{name} =": f"{name} = {value} / ({divisor})"}

    return (
        Slip(EPS, "eps stands inside the root.", other(f"np.sqrt({variance} + eps)")),
        Slip(EPS, "eps is not added.", other(f"np.sqrt({variance})")),
        Slip(EPS, "eps stands squared inside the root.", other(f"np.sqrt({variance} + eps**2)")),
    )


def look(sentence: str, direction: str, more: Mapping[str, str] | None = None) -> Slip:
    """A wrong look-ahead of Nesterov's."""
    return Slip(NESTEROV, sentence, {**(more or {}), "direction = decayed + momentum": f"direction = {direction}"})


SGD = (
    *decays("w - lr * direction"),
    slip(DAMPENING, "The gradient is multiplied by 1 - momentum; torch does not do so.", velocity="momentum * s.get('velocity', 0 * w) + (1 - momentum) * decayed"),
    slip(DAMPENING, "The gradient is multiplied by 1 - momentum from the second step on.", velocity="decayed if first else momentum * s['velocity'] + (1 - momentum) * decayed"),
    slip(DAMPENING, "The dampening is not applied.", velocity="momentum * s.get('velocity', 0 * w) + decayed"),
    slip(DAMPENING, "torch does not dampen the first step.", velocity="momentum * s.get('velocity', 0 * w) + (1 - dampening) * decayed"),
    look("Nesterov's look-ahead is missing.", "velocity"),
    COUPLED,
    slip(DECAY, AVERAGE_DECAYED, decayed="g + weight_decay * s.get('velocity', 0 * w)"),
    Slip(NESTEROV, "Nesterov's look-ahead is applied although plain momentum is asked for.", {"direction = velocity": "direction = decayed + momentum * velocity"}),
    look("The look-ahead takes the velocity before its update.", "decayed + momentum * old", {"s['velocity'] =": "old = s.get('velocity', 0 * w); s['velocity'] = velocity"}),
    look("The look-ahead is g + momentum * v, not v + momentum * g.", "velocity + momentum * decayed"),
    look("The look-ahead must multiply the velocity by the momentum.", "decayed + velocity"),
    look("The look-ahead lacks the gradient.", "momentum * velocity"),
    Slip(STATE, STALE, {"s['velocity'] =": "s['velocity'], velocity = velocity, s.get('velocity', 0 * w)"}),
    *LOOP,
    slip(SIGN, UP, new="w + lr * direction"),
)  # fmt: skip


def moments(g: str, w: str) -> tuple[Slip, ...]:
    """The mistakes of Adam's moments: `g` is the gradient that enters them, `w` the weight that moves."""
    second = f"(1 - beta2) * {g}**2"
    old_m, old_v = "beta1 * s.get('m', 0 * w)", "beta2 * s.get('v', 0 * w)"
    kept = "s.update(t=t, m=m, v=v)"
    new = f"{w} - lr * m_hat"

    def stale(*which: str) -> dict[str, str]:
        return {"s.update(": f"old = dict(s); {kept}; " + "; ".join(f"{n} = old.get('{n}', 0 * w)" for n in which)}

    def corrected(sentence: str, m: str = "m / (1 - beta1**t)", v: str = "v / (1 - beta2**t)") -> Slip:
        return slip(BIAS, sentence, m_hat=m, v_hat=v)

    late, early = "The bias correction", "is one too large."
    return (
        Slip(STATE, STALE, stale("m", "v")),
        *LOOP,
        slip(SIGN, UP, new=f"{w} + lr * m_hat / (np.sqrt(v_hat) + eps)"),
        *roots(f"new = {new}", "v_hat"),
        slip(EPS, "eps is added before the bias correction, and so is scaled by it.", new=f"{new} / (np.sqrt(v) + eps) * np.sqrt(1 - beta2**t)"),
        slip(EPS, "eps stands inside the root, before the bias correction.", new=f"{new} / np.sqrt(v + eps) * np.sqrt(1 - beta2**t)"),
        corrected("The bias correction is missing.", "m", "v"),
        slip(BIAS, "m's bias correction is missing.", m_hat="m"),
        slip(BIAS, "v's bias correction is missing.", v_hat="v"),
        corrected("t starts at 0; in the first step it is 1.", "m / (1 - beta1 ** (t - 1))", "v / (1 - beta2 ** (t - 1))"),
        corrected(f"t {early}", "m / (1 - beta1 ** (t + 1))", "v / (1 - beta2 ** (t + 1))"),
        slip(BIAS, f"m's bias correction takes a t that {early}", m_hat="m / (1 - beta1 ** (t + 1))"),
        slip(BIAS, f"v's bias correction takes a t that {early}", v_hat="v / (1 - beta2 ** (t + 1))"),
        slip(BIAS, "t is never increased.", t="1"),
        PER_PARAMETER,
        corrected(f"{late} is 1 - beta**t, not 1 - beta.", "m / (1 - beta1)", "v / (1 - beta2)"),
        slip(BIAS, "m's bias correction is 1 - beta1**t, not 1 - beta1.", m_hat="m / (1 - beta1)"),
        slip(BIAS, "v's bias correction is 1 - beta2**t, not 1 - beta2.", v_hat="v / (1 - beta2)"),
        corrected(f"{late} divides; here it multiplies.", "m * (1 - beta1**t)", "v * (1 - beta2**t)"),
        corrected("The two bias corrections are exchanged.", "m / (1 - beta2**t)", "v / (1 - beta1**t)"),
        slip(BIAS, "v's bias correction takes beta2, not beta1.", v_hat="v / (1 - beta1**t)"),
        slip(BIAS, "m's bias correction takes beta1, not beta2.", m_hat="m / (1 - beta2**t)"),
        Slip(STATE, "The first moment is not kept from step to step.", {"s.update(": "s.update(t=t, m=0 * w, v=v)"}),
        Slip(STATE, "The second moment is not kept from step to step.", {"s.update(": "s.update(t=t, m=m, v=0 * w)"}),
        slip(STATE, "m and v are one and the same array: each needs its own.", v=f"beta2 * m + {second}; m = v"),
        slip(BIAS, "The corrected moments are stored; the correction must not enter the state.", v_hat="v / (1 - beta2**t); s.update(m=m_hat, v=v_hat)"),
        slip(DAMPENING, "The factor 1 - beta1 of the gradient is lost.", m=f"{old_m} + {g}"),
        slip(DAMPENING, "The factor 1 - beta2 of the square is lost.", v=f"{old_v} + {g}**2"),
        Slip(STATE, "The step uses the first moment of the step before.", stale("m")),
        Slip(STATE, "The step uses the second moment of the step before.", stale("v")),
        slip(STATE, "beta1 and beta2 are exchanged.", beta1="betas[1]", beta2="betas[0]"),
        slip(STATE, "v is overwritten in each step.", v=second),
        slip("unknown", "The root of v is missing.", new=f"{new} / (v_hat + eps)"),
    )  # fmt: skip


ALONE = "The weight decay enters the %s moment alone; it belongs into the gradient, and so into both."
ADAM = (
    *decays("w - lr * m_hat / (np.sqrt(v_hat) + eps)"),
    *moments("decayed", "w"),
    slip(DECAY, ALONE % "first", v="beta2 * s.get('v', 0 * w) + (1 - beta2) * g**2"),
    slip(DECAY, ALONE % "second", m="beta1 * s.get('m', 0 * w) + (1 - beta1) * g"),
    COUPLED,
    slip(DECAY, AVERAGE_DECAYED, decayed="g + weight_decay * s.get('m', 0 * w)"),
)
MOVED = "new = w - lr * m_hat / (np.sqrt(v_hat) + eps)"
ADAMW = (
    slip(DECAY, "The weight decay counts twice (the 2 of the square).", shrunk="w - 2 * lr * weight_decay * w"),
    slip(DECAY, "The weight decay counts half.", shrunk="w - lr * weight_decay * w / 2"),
    slip(DECAY, "The weight decay is not applied.", shrunk="w"),
    slip(DECAY, "The weight decay has the wrong sign.", shrunk="w + lr * weight_decay * w"),
    Slip(DECAY, "The weight decay is applied to the weights after the step.", {"new =": f"{MOVED}; new = new - lr * weight_decay * new"}),
    slip(DECAY, "The decay must be multiplied by the learning rate.", shrunk="w - weight_decay * w"),
    *moments("g", "shrunk"),
    slip(DECAY, "The weight decay goes into the gradient (Adam's L2); AdamW decays the weights themselves.", shrunk="w; g = g + weight_decay * w"),
)  # fmt: skip

SQUARE = "alpha * s.get('square', 0 * w)"
RMSPROP = (
    slip(DAMPENING, "The update is multiplied by 1 - momentum; torch does not do so.", velocity="momentum * s.get('velocity', 0 * w) + (1 - momentum) * update"),
    Slip(STATE, "The velocity is not kept from step to step.", {"s['velocity'] =": "s['velocity'] = 0 * w"}),
    slip(STATE, "The momentum is not applied.", direction="update"),
    *decays("w - lr * direction"),
    Slip(STATE, STALE, {"s['square'] =": "s['square'], square = square, s.get('square', 0 * w)"}),
    *LOOP,
    slip(SIGN, UP, new="w + lr * direction"),
    *roots("update = decayed", "variance"),
    COUPLED,
    slip(DAMPENING, "The factor 1 - alpha of the square is lost.", square=f"{SQUARE} + decayed**2"),
    slip(DAMPENING, "alpha weighs the old average; here it weighs the new square.", square="(1 - alpha) * s.get('square', 0 * w) + alpha * decayed**2; alpha = 1 - alpha"),
    slip(STATE, "The centred variant subtracts the squared mean of the gradients.", variance="square"),
    slip("unknown", "The root of the average is missing.", update="decayed / (variance + eps)"),
)  # fmt: skip

STEP = "w - rate * decayed / (np.sqrt(total) + eps)"
ADAGRAD = (
    *decays(STEP),
    Slip(STATE, STALE, {"s.update(": "old = s.get('total', 0 * w); s.update(t=t, total=total); total = old"}),
    *LOOP,
    slip(SIGN, UP, new="w + rate * decayed / (np.sqrt(total) + eps)"),
    *roots("new = w - rate * decayed", "total"),
    COUPLED,
    slip(STATE, "The squares must add up over the steps.", total="decayed**2"),
    slip(DECAY, "The weight decay is decoupled; here it belongs into the gradient.", decayed="g", new=f"{STEP} - rate * weight_decay * w"),
    slip(STATE, "The decay of the rate (lr_decay) is not applied.", rate="lr"),
    slip("unknown", "The root of the sum is missing.", new="w - rate * decayed / (total + eps)"),
)  # fmt: skip

SLIPS = {"SGD": SGD, "Adam": ADAM, "AdamW": ADAMW, "RMSprop": RMSPROP, "Adagrad": ADAGRAD}
# The rate inside the velocity is a convention of other texts, no mistake: it scales what enters, not what leaves.
RATE_INSIDE = {
    "SGD": slip("", "", decayed="lr * (g + weight_decay * w)", new="w - direction"),
    "RMSprop": slip("", "", update="lr * decayed / (np.sqrt(variance) + eps)", new="w - direction"),
}

# --- running it -------------------------------------------------------------------------------------------------------


Options = tuple[tuple[str, Any], ...]
Changes = tuple[tuple[str, str], ...]


def chosen(o: SimpleNamespace) -> Options:
    """The options of a step."""
    return tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in vars(o).items() if k != "lr")


@cache
def page(function: Callable[..., Any], options: Options = ()) -> ast.FunctionDef:
    """The lines of a step, or of the loop, under these options."""
    tree = Fold(dict(options)).visit(copy.deepcopy(source(function)))
    assert isinstance(tree, ast.FunctionDef)
    return tree


@cache
def compiled(function: Callable[..., Any], options: Options, changes: Changes) -> Callable[..., Any]:
    """The step, or the loop, with these changes. ValueError: under these options there is no such line."""
    tree = page(function, options)
    undo: list[Callable[[], None]] = []
    try:
        for line, told in changes:
            undo.append(patch(tree, Patch(line, told, "", "")))
        scope: dict[str, Any] = dict(vars(textbook))
        exec(
            compile(ast.fix_missing_locations(ast.Module([tree], [])), f"<{tree.name} of the textbook>", "exec"), scope
        )
    finally:
        for back in reversed(undo):
            back()
    result: Callable[..., Any] = scope[tree.name]
    return result


def simulate(
    name: str,
    o: SimpleNamespace,
    weights: list[Array],
    gradients: list[list[Array]],
    rates: list[float],
    wrong: Iterable[Slip] = (),
) -> list[list[Array]]:
    """The weights after each step: [step][weight]. ValueError: under these options there is no such mistake."""
    options, every = chosen(o), [c for w in wrong for c in w.changes.items()]
    step = compiled(getattr(textbook, name.lower()), options, tuple(c for c in every if c[0] not in AROUND))
    train = compiled(textbook.train, (), tuple(c for c in every if c[0] in AROUND))
    given = dict(options)
    path: list[list[Array]] = train(lambda w, g, s, lr: step(w, g, s, lr, **given), weights, gradients, rates)
    return path


def right_lines(name: str, o: SimpleNamespace, wrong: Slip) -> str:
    """The right lines in the places of the wrong ones."""
    trees = page(getattr(textbook, name.lower()), chosen(o)), page(textbook.train)
    every = [show(s) for tree in trees for s, _ in lines(tree.body)]
    return "; ".join(line for line in every if line.startswith(tuple(wrong.changes)))


__all__ = ["RATE_INSIDE", "SLIPS", "Slip", "right_lines", "simulate"]
