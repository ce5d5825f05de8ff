# ruff: noqa: E501
"""The update rules of SGD, Adam, AdamW, RMSprop and Adagrad, and how they go wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes.base import Mistake
from torchref.nn.module import Array

M = Mistake


def decayed(
    o: Any, w: Array, g: Array, s: dict[str, Any], lr: float, wrong: frozenset[str], decoupled: bool
) -> tuple[Array, Array]:
    """The parameter and the gradient after weight decay."""
    factor = o.weight_decay
    for flag, share in (("decay twice", 2.0), ("decay halved", 0.5), ("decay forgotten", 0.0), ("decay's sign", -1.0)):
        if flag in wrong:
            factor = o.weight_decay * share
    if "coupled for decoupled" in wrong or "decoupled for coupled" in wrong:
        decoupled = not decoupled
    if {"decay after the step", "decoupled, at the rate that decays"} & wrong:
        return w, g
    if "decay without the rate" in wrong:
        return w - factor * w, g
    if decoupled:
        return w - lr * factor * w, g
    if "sign of w decayed" in wrong:
        return w, g + factor * np.sign(w)
    if "gradient decayed" in wrong:
        return w, g + factor * g
    if "velocity decayed" in wrong:
        return w, g + factor * s.get("b", s.get("m", 0 * w))
    if "square of w decayed" in wrong:
        return w, g + factor * w * w
    if "decay times the rate" in wrong:
        return w, g + lr * factor * w
    return w, g + factor * w


def step(name: str, o: Any, w: Array, g: Array, s: dict[str, Any], lr: float, wrong: frozenset[str]) -> Array:
    """One step of `name` on one parameter with its state `s`."""
    if "gradient's sign" in wrong:
        g = -g
    if "state re-created" in wrong:
        s.clear()
    before = dict(s)
    if "t stands still" not in wrong:
        s["t"] = s.get("t", 0) + 1
    t = s.get("t", 1)
    w, g = decayed(o, w, g, s, lr, wrong, decoupled=name == "AdamW")
    start = w
    if name == "SGD":
        w = sgd(o, w, g, s, lr, wrong)
    elif name in ("Adam", "AdamW"):
        b1, b2 = o.betas
        if "betas exchanged" in wrong:
            b1, b2 = b2, b1
        m, v = s.get("m", 0 * w), s.get("v", 0 * w)
        if "squared sum overwritten" in wrong:
            v = 0 * v
        g1, g2 = (1.0 if "1 - beta1 lost" in wrong else 1 - b1), (1.0 if "1 - beta2 lost" in wrong else 1 - b2)
        plain = g - o.weight_decay * w if {"decay in m alone", "decay in v alone"} & wrong else g
        gm, gv = (plain if "decay in v alone" in wrong else g), (plain if "decay in m alone" in wrong else g)
        s["m"], s["v"] = b1 * m + g1 * gm, b2 * v + g2 * gv * gv
        if "moments shared" in wrong:  # both updates in place, one after the other
            s["m"] = s["v"] = b2 * s["m"] + g2 * g * g
        m = m if {"stale state", "stale m"} & wrong else s["m"]
        v = v if {"stale state", "stale v"} & wrong else s["v"]
        if "m not kept" in wrong:
            s["m"] = 0 * w
        if "v not kept" in wrong:
            s["v"] = 0 * w
        n = t
        for flag, shift in (("t one late", -1), ("t one early", 1)):
            if flag in wrong:
                n = max(t + shift, 0)
        if "t stands still" in wrong:
            n = 1
        n1, n2 = n + (1 if "t of m one early" in wrong else 0), n + (1 if "t of v one early" in wrong else 0)
        c1 = 1.0 if {"no correction", "no correction of m"} & wrong else 1 - b1**n1
        c2 = 1.0 if {"no correction", "no correction of v"} & wrong else 1 - b2**n2
        if "correction without powers" in wrong:
            c1, c2 = 1 - b1, 1 - b2
        if "correction of m without powers" in wrong:
            c1 = 1 - b1
        if "correction of v without powers" in wrong:
            c2 = 1 - b2
        if "correction multiplied" in wrong:
            c1, c2 = 1 / c1, 1 / c2
        if "corrections exchanged" in wrong:
            c1, c2 = c2, c1
        if "v corrected with beta1" in wrong:
            c2 = c1
        if "m corrected with beta2" in wrong:
            c1 = c2
        if "correction stored" in wrong:
            s["m"], s["v"] = s["m"] / c1, s["v"] / c2
        with np.errstate(all="ignore"):
            if "eps inside the root" in wrong:
                denominator = np.sqrt(v / c2 + o.eps)
            elif "eps before the correction" in wrong:
                denominator = (np.sqrt(v) + o.eps) / np.sqrt(c2)
            elif "eps inside, before the correction" in wrong:
                denominator = np.sqrt(v + o.eps) / np.sqrt(c2)
            elif "eps forgotten" in wrong:
                denominator = np.sqrt(v / c2)
            elif "eps squared inside" in wrong:
                denominator = np.sqrt(v / c2 + o.eps**2)
            elif "root forgotten" in wrong:
                denominator = v / c2 + o.eps
            else:
                denominator = np.sqrt(v / c2) + o.eps
            w = w - lr * (m / c1) / denominator
    elif name == "RMSprop":
        a = o.alpha
        keep = 1.0 if "1 - alpha lost" in wrong else 1 - a
        if "alpha the other way round" in wrong:
            a, keep = 1 - a, a
        v = s["v"] = a * s.get("v", 0 * w) + keep * g * g
        if "stale state" in wrong:
            v = before.get("v", 0 * w)
        if o.centered and "centring forgotten" not in wrong:
            s["g"] = a * s.get("g", 0 * w) + (1 - a) * g
            v = v - s["g"] ** 2
        w = adaptive(o, w, g, v, s, lr, wrong)
    else:  # Adagrad
        v = s["v"] = s.get("v", 0 * w) + g * g
        if "squared sum overwritten" in wrong:
            v = s["v"] = g * g
        if "stale state" in wrong:
            v = before.get("v", 0 * w)
        rate = lr / (1 + (0 if "rate's decay forgotten" in wrong else (t - 1)) * o.lr_decay)
        w = adaptive(o, w, g, v, s, rate, wrong)
        if "decoupled, at the rate that decays" in wrong:
            w = w - rate * o.weight_decay * start  # as large as it was before the step
    if "weights changed upwards" in wrong:
        w = start - (w - start)
    if "state of the first step kept" in wrong:
        s.update({k: v for k, v in before.items() if k != "t"})
    if "decay after the step" in wrong:
        w = w - lr * o.weight_decay * w
    return w


def adaptive(o: Any, w: Array, g: Array, v: Array, s: dict[str, Any], lr: float, wrong: frozenset[str]) -> Array:
    with np.errstate(all="ignore"):
        if "eps inside the root" in wrong:
            denominator = np.sqrt(v + o.eps)
        elif "eps forgotten" in wrong:
            denominator = np.sqrt(v)
        elif "eps squared inside" in wrong:
            denominator = np.sqrt(v + o.eps**2)
        elif "root forgotten" in wrong:
            denominator = v + o.eps
        else:
            denominator = np.sqrt(v) + o.eps
        update = g / denominator
    if getattr(o, "momentum", 0) and "momentum forgotten" not in wrong:
        # the rate inside the velocity is a convention of other texts, no mistake
        enters, lr = (lr, 1.0) if "rate in the velocity" in wrong else (1.0, lr)
        b = o.momentum * s.get("b", 0 * w) + enters * (1 - o.momentum if "dampened" in wrong else 1) * update
        s["b"] = 0 * w if "velocity not kept" in wrong else b
        update = b
    return w - lr * update


def sgd(o: Any, w: Array, g: Array, s: dict[str, Any], lr: float, wrong: frozenset[str]) -> Array:
    mu, damp = o.momentum, o.dampening
    if not mu:
        return w - lr * g
    first = "b" not in s
    # the rate inside the velocity is a convention of other texts, no mistake: it scales what enters, not what leaves
    enters, leaves = (lr, 1.0) if "rate in the velocity" in wrong else (1.0, lr)
    g = enters * g
    if "dampened" in wrong:
        damp = mu
    if "dampening forgotten" in wrong:
        damp = 0.0
    old = s.get("b", 0 * w)
    undampened = first and not ({"dampened", "first step dampened"} & wrong)
    b = mu * old + (1 if undampened else 1 - damp) * g
    if "dampened but for the first step" in wrong:
        b = mu * old + (1 if first else 1 - mu) * g
    s["b"] = b
    if "stale state" in wrong:
        b = old
    nesterov = o.nesterov
    if "nesterov forgotten" in wrong:
        nesterov = False
    if "nesterov unasked" in wrong:
        nesterov = True
    if not nesterov:
        return w - leaves * b
    if "look-ahead with the old velocity" in wrong:
        return w - leaves * (g + mu * old)
    if "look-ahead with the factors exchanged" in wrong:
        return w - leaves * (b + mu * g)
    if "look-ahead without momentum" in wrong:
        return w - leaves * (g + b)
    if "look-ahead without the gradient" in wrong:
        return w - leaves * mu * b
    return w - leaves * (g + mu * b)


def simulate(name: str, o: Any, weights: list[Array], gradients: list[list[Array]], rates: list[float], wrong: frozenset[str] = frozenset()) -> list[list[Array]]:  # fmt: skip
    """The parameters after each step: [step][parameter]."""
    weights = list(weights)
    states: list[dict[str, Any]] = [{} for _ in weights]
    if "state shared" in wrong:
        states = [states[0]] * len(weights)
    clock = {"t": 0}
    path = []
    for gs, lr in zip(gradients, rates, strict=True):
        rate = rates[0] if "rate kept" in wrong else lr
        for i, g in enumerate(gs):
            if "t counted for each parameter" in wrong:
                states[i]["t"] = clock["t"]
                clock["t"] += 1
            if "gradients added up" in wrong:
                g = states[i]["sum"] = states[i].get("sum", 0) + g
            if "buffers shared" in wrong and i:
                states[i].update({k: s for k, s in states[i - 1].items() if k != "t"})
            weights[i] = step(name, o, weights[i], g, states[i], rate, wrong)
            if "buffers shared" in wrong:
                states[0].update({k: s for k, s in states[i].items() if k != "t"})
        path.append(list(weights))
    return path


DECAY = (
    M(
        "decay twice",
        "optimizer-decay",
        "param",
        "The weight decay counts twice (the 2 of the square).",
        "g + weight_decay * w",
    ),
    M("decay halved", "optimizer-decay", "param", "The weight decay counts half."),
    M("decay forgotten", "optimizer-decay", "param", "The weight decay is not applied."),
    M("decay's sign", "optimizer-decay", "param", "The weight decay has the wrong sign."),
    M("decay after the step", "optimizer-decay", "param", "The weight decay is applied to the weights after the step."),
    M("decay without the rate", "optimizer-decay", "param", "The decay must be multiplied by the learning rate."),
    M("sign of w decayed", "optimizer-decay", "param", "The decay takes the sign of the weights, not the weights."),
    M("gradient decayed", "optimizer-decay", "param", "The decay is applied to the gradient, not to the weights."),
    M("square of w decayed", "optimizer-decay", "param", "The decay takes the square of the weights, not the weights."),
    M(
        "decay times the rate",
        "optimizer-decay",
        "param",
        "The decay in the gradient is multiplied by the learning rate once too often.",
    ),
)
STATE = (
    M(
        "state of the first step kept",
        "optimizer-state",
        "param",
        "The state stays what the first step has made of it.",
    ),
    M("state re-created", "optimizer-state", "param", "The state starts afresh in every step: it is not kept."),
    M("stale state", "optimizer-state", "param", "The step uses the state of the step before."),
    M("state shared", "optimizer-state", "param", "All parameters share one state; each needs its own."),
    M(
        "buffers shared",
        "optimizer-state",
        "param",
        "All parameters share one velocity or one pair of moments; each needs its own.",
    ),
    M("rate kept", "optimizer-state", "param", "A change of the learning rate does not reach the step."),
    M("gradients added up", "optimizer-state", "param", "The gradients of earlier steps are not cleared."),
)
SIGN = (
    M("gradient's sign", "wrong-sign", "param", "The gradient has the wrong sign; the decay has not."),
    M("weights changed upwards", "wrong-sign", "param", "The step goes up the gradient; it must go down."),
)
EPS = (
    M("eps inside the root", "optimizer-eps", "param", "eps stands inside the root.", "sqrt(v) + eps"),
    M("eps forgotten", "optimizer-eps", "param", "eps is not added."),
    M("eps squared inside", "optimizer-eps", "param", "eps stands squared inside the root."),
)
VELOCITY = M(
    "velocity decayed",
    "optimizer-decay",
    "param",
    "The decay takes the moving average of the gradients, not the weights.",
)
COUPLED = M("decoupled for coupled", "optimizer-decay", "param", "The weight decay is decoupled (AdamW's); here it belongs into the gradient.", "g = g + weight_decay * w, first of all")  # fmt: skip

SGD = (
    *DECAY,
    M("dampened", "optimizer-dampening", "param", "The gradient is multiplied by 1 - momentum; torch does not do so.", "v = momentum * v + g"),
    M("dampened but for the first step", "optimizer-dampening", "param", "The gradient is multiplied by 1 - momentum from the second step on."),
    M("dampening forgotten", "optimizer-dampening", "param", "The dampening is not applied."),
    M("first step dampened", "optimizer-dampening", "param", "torch does not dampen the first step."),
    M("nesterov forgotten", "optimizer-nesterov", "param", "Nesterov's look-ahead is missing.", "w -= lr * (g + momentum * v)"),
    COUPLED,
    VELOCITY,
    M("nesterov unasked", "optimizer-nesterov", "param", "Nesterov's look-ahead is applied although plain momentum is asked for."),
    M("look-ahead with the old velocity", "optimizer-nesterov", "param", "The look-ahead takes the velocity before its update."),
    M("look-ahead with the factors exchanged", "optimizer-nesterov", "param", "The look-ahead is g + momentum * v, not v + momentum * g."),
    M("look-ahead without momentum", "optimizer-nesterov", "param", "The look-ahead must multiply the velocity by the momentum."),
    M("look-ahead without the gradient", "optimizer-nesterov", "param", "The look-ahead lacks the gradient."),
    *STATE,
    *SIGN,
)  # fmt: skip

ADAM = (
    *DECAY,
    *STATE,
    *SIGN,
    *EPS,
    M("eps before the correction", "optimizer-eps", "param", "eps is added before the bias correction, and so is scaled by it.", "sqrt(v / (1 - beta2**t)) + eps"),
    M("eps inside, before the correction", "optimizer-eps", "param", "eps stands inside the root, before the bias correction."),
    M("no correction", "optimizer-bias-correction", "param", "The bias correction is missing.", "m / (1 - beta1**t), v / (1 - beta2**t)"),
    M("no correction of m", "optimizer-bias-correction", "param", "m's bias correction is missing."),
    M("no correction of v", "optimizer-bias-correction", "param", "v's bias correction is missing."),
    M("t one late", "optimizer-bias-correction", "param", "t starts at 0; in the first step it is 1."),
    M("t one early", "optimizer-bias-correction", "param", "t is one too large."),
    M("t of m one early", "optimizer-bias-correction", "param", "m's bias correction takes a t that is one too large."),
    M("t of v one early", "optimizer-bias-correction", "param", "v's bias correction takes a t that is one too large."),
    M("t stands still", "optimizer-bias-correction", "param", "t is never increased."),
    M("t counted for each parameter", "optimizer-bias-correction", "param", "t is increased for each parameter, not for each step."),
    M("correction without powers", "optimizer-bias-correction", "param", "The bias correction is 1 - beta**t, not 1 - beta."),
    M("correction of m without powers", "optimizer-bias-correction", "param", "m's bias correction is 1 - beta1**t, not 1 - beta1."),
    M("correction of v without powers", "optimizer-bias-correction", "param", "v's bias correction is 1 - beta2**t, not 1 - beta2."),
    M("correction multiplied", "optimizer-bias-correction", "param", "The bias correction divides; here it multiplies."),
    M("corrections exchanged", "optimizer-bias-correction", "param", "The two bias corrections are exchanged."),
    M("v corrected with beta1", "optimizer-bias-correction", "param", "v's bias correction takes beta2, not beta1."),
    M("m corrected with beta2", "optimizer-bias-correction", "param", "m's bias correction takes beta1, not beta2."),
    M("m not kept", "optimizer-state", "param", "The first moment is not kept from step to step."),
    M("v not kept", "optimizer-state", "param", "The second moment is not kept from step to step."),
    M("moments shared", "optimizer-state", "param", "m and v are one and the same array: each needs its own."),
    M("correction stored", "optimizer-bias-correction", "param", "The corrected moments are stored; the correction must not enter the state."),
    M("1 - beta1 lost", "optimizer-dampening", "param", "The factor 1 - beta1 of the gradient is lost."),
    M("1 - beta2 lost", "optimizer-dampening", "param", "The factor 1 - beta2 of the square is lost."),
    M("stale m", "optimizer-state", "param", "The step uses the first moment of the step before."),
    M("stale v", "optimizer-state", "param", "The step uses the second moment of the step before."),
    M("betas exchanged", "optimizer-state", "param", "beta1 and beta2 are exchanged."),
    M("squared sum overwritten", "optimizer-state", "param", "v is overwritten in each step."),
    M("root forgotten", "unknown", "param", "The root of v is missing."),
    M("decay in m alone", "optimizer-decay", "param", "The weight decay enters the first moment alone; it belongs into the gradient, and so into both."),
    M("decay in v alone", "optimizer-decay", "param", "The weight decay enters the second moment alone; it belongs into the gradient, and so into both."),
    COUPLED,
    VELOCITY,
)  # fmt: skip

ADAMW = (
    *(m for m in ADAM if m.flag != "decoupled for coupled" and m.flag not in ("sign of w decayed", "gradient decayed", "square of w decayed", "velocity decayed", "decay times the rate", "decay in m alone", "decay in v alone")),
    M("coupled for decoupled", "optimizer-decay", "param", "The weight decay goes into the gradient (Adam's L2); AdamW decays the weights themselves.", "w = w - lr * weight_decay * w, beside the step"),
)  # fmt: skip

RMSPROP = (
    M("dampened", "optimizer-dampening", "param", "The update is multiplied by 1 - momentum; torch does not do so."),
    M("velocity not kept", "optimizer-state", "param", "The velocity is not kept from step to step."),
    M("momentum forgotten", "optimizer-state", "param", "The momentum is not applied."),
    *DECAY,
    *STATE,
    *SIGN,
    *EPS,
    COUPLED,
    M("1 - alpha lost", "optimizer-dampening", "param", "The factor 1 - alpha of the square is lost."),
    M(
        "alpha the other way round",
        "optimizer-dampening",
        "param",
        "alpha weighs the old average; here it weighs the new square.",
    ),
    M(
        "centring forgotten",
        "optimizer-state",
        "param",
        "The centred variant subtracts the squared mean of the gradients.",
    ),
    M("root forgotten", "unknown", "param", "The root of the average is missing."),
)

ADAGRAD = (
    *DECAY,
    *STATE,
    *SIGN,
    *EPS,
    COUPLED,
    M("squared sum overwritten", "optimizer-state", "param", "The squares must add up over the steps."),
    M(
        "decoupled, at the rate that decays",
        "optimizer-decay",
        "param",
        "The weight decay is decoupled; here it belongs into the gradient.",
    ),
    M("rate's decay forgotten", "optimizer-state", "param", "The decay of the rate (lr_decay) is not applied."),
    M("root forgotten", "unknown", "param", "The root of the sum is missing."),
)
