"""The optimizers: their options, and how their steps go wrong."""

from __future__ import annotations

from collections.abc import Mapping

from torchref.check.ops.record import Argument, option
from torchref.check.ops.steps import Optimizer, Slip, of_other_texts, slip
from torchref.check.textbook import steps as textbook

DECAY, STATE, EPS, SIGN = "optimizer-decay", "optimizer-state", "optimizer-eps", "wrong-sign"
DAMPENING, NESTEROV, BIAS = "optimizer-dampening", "optimizer-nesterov", "optimizer-bias-correction"
TAKE = "weights[i] = step(weights[i], g, s, lr)"
BUFFERS = "s.update({k: b for k, b in %s.items() if k != 't'})"


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
UP = "The step is added to the weight; it must be subtracted."
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
        of_other_texts(Slip(EPS, "eps stands inside the root.", other(f"np.sqrt({variance} + eps)"))),
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


def averages(g: str) -> tuple[Slip, ...]:
    """The mistakes in the running averages m and v, and in what is kept of them; `g` is the gradient that enters."""
    old_m, old_v = "beta1 * s.get('m', 0 * w)", "beta2 * s.get('v', 0 * w)"
    return (
        slip(DAMPENING, "The factor 1 - beta1 of the gradient is lost.", m=f"{old_m} + {g}"),
        slip(DAMPENING, "The factor 1 - beta2 of the square is lost.", v=f"{old_v} + {g}**2"),
        slip(STATE, "beta1 and beta2 are exchanged.", beta1="betas[1]", beta2="betas[0]"),
        slip(STATE, "v is overwritten in each step.", v=f"(1 - beta2) * {g}**2"),
        slip(
            STATE,
            "v is the running mean of the squares; the gradient is not squared.",
            v=f"{old_v} + (1 - beta2) * {g}",
        ),
        slip(STATE, "v takes the gradient's absolute value, not its square.", v=f"{old_v} + (1 - beta2) * np.abs({g})"),
        slip(BIAS, "t is never increased.", t="1"),
        PER_PARAMETER,
    )


def moments(g: str, w: str) -> tuple[Slip, ...]:
    """The mistakes of Adam's moments: `g` is the gradient that enters them, `w` the weight that moves."""
    second = f"(1 - beta2) * {g}**2"
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
        of_other_texts(slip(EPS, "eps is added before the bias correction, and so is scaled by it.", new=f"{new} / (np.sqrt(v) + eps) * np.sqrt(1 - beta2**t)")),
        of_other_texts(slip(EPS, "eps stands inside the root, before the bias correction.", new=f"{new} / np.sqrt(v + eps) * np.sqrt(1 - beta2**t)")),
        corrected("The bias correction is missing.", "m", "v"),
        slip(BIAS, "m's bias correction is missing.", m_hat="m"),
        slip(BIAS, "v's bias correction is missing.", v_hat="v"),
        corrected("t starts at 0; in the first step it is 1.", "m / (1 - beta1 ** (t - 1))", "v / (1 - beta2 ** (t - 1))"),
        corrected(f"t {early}", "m / (1 - beta1 ** (t + 1))", "v / (1 - beta2 ** (t + 1))"),
        slip(BIAS, f"m's bias correction takes a t that {early}", m_hat="m / (1 - beta1 ** (t + 1))"),
        slip(BIAS, f"v's bias correction takes a t that {early}", v_hat="v / (1 - beta2 ** (t + 1))"),
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
        Slip(STATE, "The step uses the first moment of the step before.", stale("m")),
        Slip(STATE, "The step uses the second moment of the step before.", stale("v")),
        *averages(g),
        slip(STATE, "The root of v is missing.", new=f"{new} / (v_hat + eps)"),
        slip(STATE, "AMSGrad divides by the largest v so far; here it is the present one.", v_hat="v / (1 - beta2**t)"),
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
    slip(STATE, "The average takes the gradient without its square.", square=f"{SQUARE} + (1 - alpha) * decayed"),
    slip(STATE, "The average takes the gradient's absolute value, not its square.", square=f"{SQUARE} + (1 - alpha) * np.abs(decayed)"),
    slip(STATE, "The square of the gradient is not averaged over the steps.", square="decayed**2"),
    slip(STATE, "The root of the average is missing.", update="decayed / (variance + eps)"),
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
    slip(STATE, "One sum serves all entries of a parameter; each entry needs its own.", total="s.get('total', initial_accumulator_value) + np.sum(decayed**2)"),
    Slip(STATE, "One sum serves all entries of all parameters; each entry needs its own.", {"states =": "states = [{}] * len(weights)", "total =": "total = s.get('total', initial_accumulator_value) + np.sum(decayed**2)"}),
    slip(STATE, "The sum takes the gradient without its square.", total="s.get('total', 0 * w + initial_accumulator_value) + decayed"),
    slip(STATE, "The root of the sum is missing.", new="w - rate * decayed / (total + eps)"),
)  # fmt: skip

ADADELTA = (
    *decays("w - lr * update"),
    COUPLED,
    *LOOP,
    Slip(STATE, STALE, {"s['square'] =": "s['square'], square = square, s.get('square', 0 * w)"}),
    slip(SIGN, UP, new="w + lr * update"),
    of_other_texts(slip(EPS, "eps stands outside the roots; both roots hold it.", update="(np.sqrt(moved) + eps) / (np.sqrt(square) + eps) * decayed")),
    of_other_texts(slip(EPS, "eps stands outside the root of the divisor.", update="np.sqrt(moved + eps) / (np.sqrt(square) + eps) * decayed")),
    slip(EPS, "The root above holds no eps: the first update is 0, and so is every other.", update="np.sqrt(moved) / np.sqrt(square + eps) * decayed"),
    slip(EPS, "The root below holds no eps.", update="np.sqrt(moved + eps) / np.sqrt(square) * decayed"),
    slip(DAMPENING, "The factor 1 - rho of the square is lost.", square="rho * s.get('square', 0 * w) + decayed**2"),
    slip(DAMPENING, "rho weighs the old average; here it weighs the new square.", square="(1 - rho) * s.get('square', 0 * w) + rho * decayed**2"),
    slip(STATE, "The square of the gradient is not averaged over the steps.", square="decayed**2"),
    slip(STATE, "The average of the squares takes the gradient without its square.", square="rho * s.get('square', 0 * w) + (1 - rho) * decayed"),
    Slip(STATE, "The mean of the squared updates is not kept: each step starts it afresh.", {"s['moved'] =": "s['moved'] = 0 * w"}),
    Slip(STATE, "The second average is of the squared updates, not of the squared gradients.", {"s['moved'] =": "s['moved'] = rho * moved + (1 - rho) * decayed**2"}),
    Slip(STATE, "The second average is of the squared updates; the update is not squared.", {"s['moved'] =": "s['moved'] = rho * moved + (1 - rho) * np.abs(update)"}),
    Slip(STATE, "The second average takes the update before the learning rate.", {"s['moved'] =": "s['moved'] = rho * moved + (1 - rho) * (lr * update)**2"}),
    Slip(DAMPENING, "The factor 1 - rho of the squared update is lost.", {"s['moved'] =": "s['moved'] = rho * moved + update**2"}),
    slip(STATE, "The roots are missing.", update="(moved + eps) / (square + eps) * decayed"),
    slip(STATE, "The root of the mean of the squared updates is missing: this is RMSprop's step.", update="decayed / np.sqrt(square + eps)"),
)  # fmt: skip

ADAMAX_U = "beta2 * s.get('u', 0 * w)"
ADAMAX = (
    *decays("w - lr * m_hat / u"),
    COUPLED,
    *LOOP,
    Slip(STATE, STALE, {"s.update(": "old = dict(s); s.update(t=t, m=m, u=u); m = old.get('m', 0 * w); u = old.get('u', eps + 0 * w)"}),
    Slip(STATE, "The first moment is not kept from step to step.", {"s.update(": "s.update(t=t, m=0 * w, u=u)"}),
    Slip(STATE, "The largest gradient is not kept from step to step.", {"s.update(": "s.update(t=t, m=m, u=0 * w)"}),
    slip(STATE, "beta1 and beta2 are exchanged.", beta1="betas[1]", beta2="betas[0]"),
    slip(SIGN, UP, new="w + lr * m_hat / u"),
    slip(BIAS, "The bias correction is missing.", m_hat="m"),
    slip(BIAS, "t starts at 0; in the first step it is 1.", m_hat="m / (1 - beta1 ** (t - 1))"),
    slip(BIAS, "The bias correction takes a t that is one too large.", m_hat="m / (1 - beta1 ** (t + 1))"),
    slip(BIAS, "t is never increased.", t="1"),
    PER_PARAMETER,
    slip(BIAS, "The bias correction is 1 - beta1**t, not 1 - beta1.", m_hat="m / (1 - beta1)"),
    slip(BIAS, "The bias correction divides; here it multiplies.", m_hat="m * (1 - beta1**t)"),
    slip(BIAS, "The bias correction takes beta1, not beta2.", m_hat="m / (1 - beta2**t)"),
    slip(BIAS, "A maximum has no bias: u is not corrected.", new="w - lr * m_hat / (u / (1 - beta2**t))"),
    slip(DAMPENING, "The factor 1 - beta1 of the gradient is lost.", m="beta1 * s.get('m', 0 * w) + decayed"),
    slip(STATE, "u takes the gradient's absolute value; here it takes the gradient with its sign.", u=f"np.maximum({ADAMAX_U}, decayed + eps)"),
    slip(STATE, "u takes the gradient's absolute value, not its square.", u=f"np.maximum({ADAMAX_U}, decayed**2 + eps)"),
    slip(STATE, "u decays by beta2 before the maximum.", u="np.maximum(s.get('u', 0 * w), np.abs(decayed) + eps)"),
    slip(STATE, "u is the larger of the two, not their weighted mean.", u=f"{ADAMAX_U} + (1 - beta2) * (np.abs(decayed) + eps)"),
    slip(STATE, "u is overwritten in each step.", u="np.abs(decayed) + eps"),
    of_other_texts(slip(EPS, "eps is added to u; torch adds it to |g| before the maximum.", u=f"np.maximum({ADAMAX_U}, np.abs(decayed))", new="w - lr * m_hat / (u + eps)")),
    slip(EPS, "eps is not added.", u=f"np.maximum({ADAMAX_U}, np.abs(decayed))"),
    slip(STATE, "The root of u is taken; u holds no squares.", new="w - lr * m_hat / np.sqrt(u)"),
)  # fmt: skip


def of_both_kinds(new: str) -> tuple[Slip, ...]:
    """The mistakes of a decay that enters the gradient or, where it is decoupled, the weight; `new` is the new weight."""
    return (
        *decays(new),
        COUPLED,
        slip(DECAY, "The decay is not decoupled, although it should be: it goes into the gradient.", shrunk="w", decayed="g + weight_decay * w"),
        slip(DECAY, "The decoupled weight decay is not applied.", shrunk="w"),
        slip(DECAY, "The decoupled decay must be multiplied by the learning rate.", shrunk="w - weight_decay * w"),
        slip(DECAY, "The decoupled decay has the wrong sign.", shrunk="w + lr * weight_decay * w"),
    )  # fmt: skip


NADAM_NEW = "shrunk - lr * m_hat"
NADAM_KEPT = "s.update(t=t, product=product, m=m, v=v)"
NADAM = (
    *of_both_kinds(f"{NADAM_NEW} / (np.sqrt(v_hat) + eps)"),
    *LOOP,
    Slip(STATE, STALE, {"s.update(": f"old = dict(s); {NADAM_KEPT}; m = old.get('m', 0 * w); v = old.get('v', 0 * w)"}),
    Slip(STATE, "The first moment is not kept from step to step.", {"s.update(": "s.update(t=t, product=product, m=0 * w, v=v)"}),
    Slip(STATE, "The second moment is not kept from step to step.", {"s.update(": "s.update(t=t, product=product, m=m, v=0 * w)"}),
    slip(SIGN, UP, new="shrunk + lr * m_hat / (np.sqrt(v_hat) + eps)"),
    *roots(f"new = {NADAM_NEW}", "v_hat"),
    *averages("decayed"),
    slip(BIAS, "v's bias correction is missing.", v_hat="v"),
    slip(BIAS, "v's bias correction takes a t that is one too large.", v_hat="v / (1 - beta2 ** (t + 1))"),
    slip(BIAS, "v's bias correction is 1 - beta2**t, not 1 - beta2.", v_hat="v / (1 - beta2)"),
    slip(BIAS, "The product of the momenta is not kept: the bias correction takes the present one alone.", product="mu"),
    slip(BIAS, "The bias correction of m is missing.", m_hat="(1 - mu) * decayed + mu_next * m"),
    slip(BIAS, "The bias correction of m must hold the next momentum, too.", m_hat="(1 - mu) / (1 - product) * decayed + mu_next / (1 - product) * m"),
    slip(NESTEROV, "Nesterov's look-ahead is missing: this is Adam's step.", m_hat="m / (1 - beta1**t)"),
    slip(NESTEROV, "The look-ahead takes the next momentum, not the present one.", m_hat="(1 - mu) / (1 - product) * decayed + mu / (1 - product * mu_next) * m"),
    slip(NESTEROV, "The look-ahead lacks the gradient.", m_hat="mu_next / (1 - product * mu_next) * m"),
    slip(NESTEROV, "The gradient in the look-ahead has the factor 1 - mu.", m_hat="decayed / (1 - product) + mu_next / (1 - product * mu_next) * m"),
    slip(NESTEROV, "The momentum of this step takes t, that of the next t + 1; here both are one step late.", mu="beta1 * (1 - 0.96 ** ((t - 1) * momentum_decay) / 2)", mu_next="beta1 * (1 - 0.96 ** (t * momentum_decay) / 2)"),
    slip(NESTEROV, "The momentum's schedule lacks its factor 1/2.", mu="beta1 * (1 - 0.96 ** (t * momentum_decay))", mu_next="beta1 * (1 - 0.96 ** ((t + 1) * momentum_decay))"),
    slip(DAMPENING, "m takes beta1, not the momentum of the schedule.", m="mu * s.get('m', 0 * w) + (1 - mu) * decayed"),
    slip(STATE, "The root of v is missing.", new=f"{NADAM_NEW} / (v_hat + eps)"),
)  # fmt: skip

RADAM_NEW = "shrunk - lr * move"
RADAM_KEPT = "s.update(t=t, m=m, v=v)"
ADAPTIVE = "m_hat * np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps)"
RADAM = (
    *of_both_kinds(RADAM_NEW),
    *LOOP,
    Slip(STATE, STALE, {"s.update(": f"old = dict(s); {RADAM_KEPT}; m = old.get('m', 0 * w); v = old.get('v', 0 * w)"}),
    Slip(STATE, "The first moment is not kept from step to step.", {"s.update(": "s.update(t=t, m=0 * w, v=v)"}),
    Slip(STATE, "The second moment is not kept from step to step.", {"s.update(": "s.update(t=t, m=m, v=0 * w)"}),
    slip(SIGN, UP, new="shrunk + lr * move"),
    *averages("decayed"),
    of_other_texts(Slip(EPS, "eps stands inside the root.", {"move = rectifier": "move = rectifier * m_hat * np.sqrt(1 - beta2**t) / np.sqrt(v + eps)"})),
    Slip(EPS, "eps is not added.", {"move = rectifier": "move = rectifier * m_hat * np.sqrt(1 - beta2**t) / np.sqrt(v)"}),
    of_other_texts(Slip(EPS, "torch adds eps to the root of v before the bias correction.", {"move = rectifier": "move = rectifier * m_hat / (np.sqrt(v / (1 - beta2**t)) + eps)"})),
    slip(BIAS, "m's bias correction is missing.", m_hat="m"),
    slip(BIAS, "m's bias correction takes a t that is one too large.", m_hat="m / (1 - beta1 ** (t + 1))"),
    slip(BIAS, "m's bias correction is 1 - beta1**t, not 1 - beta1.", m_hat="m / (1 - beta1)"),
    Slip(BIAS, "v's bias correction is missing.", {"move = rectifier": "move = rectifier * m_hat / (np.sqrt(v) + eps)"}),
    Slip(BIAS, "The length of the average takes beta2**t / (1 - beta2**t); the divisor is missing.", {"length =": "length = longest - 2 * t * beta2**t"}),
    Slip(BIAS, "The length of the average takes beta2**t; here it takes beta2.", {"length =": "length = longest - 2 * t * beta2 / (1 - beta2)"}),
    Slip(BIAS, "The rectifier is missing.", {"move = rectifier": f"move = {ADAPTIVE}"}),
    Slip(BIAS, "The root of the rectifier is missing.", {"move = rectifier": f"move = rectifier**2 * {ADAPTIVE}"}),
    Slip(BIAS, "The rectifier multiplies the step; here it divides.", {"move = rectifier": f"move = {ADAPTIVE} / rectifier"}),
    Slip(BIAS, "The first steps, in which v cannot be trusted, take m alone.", {"move = m_hat": "move = np.sqrt(1 - beta2**t) * m_hat / (np.sqrt(v) + eps)"}),
    Slip(BIAS, "In the first steps the weights move, too: by m, corrected.", {"move = m_hat": "move = 0 * w"}),
    Slip(BIAS, "In the first steps m is corrected, too.", {"move = m_hat": "move = m"}),
    Slip(BIAS, "The step goes on without v after the first steps, too.", {"move = rectifier": "move = m_hat"}),
    Slip(STATE, "The root of v is missing.", {"move = rectifier": "move = rectifier * m_hat * (1 - beta2**t) / (v + eps)"}),
)  # fmt: skip

# --- the records: torch's options with their defaults, and the values that show them ------------------------------------

MAXIMIZE, AMSGRAD, DECOUPLED_DECAY = (
    option("maximize", False),
    option("amsgrad", False),
    option("decoupled_weight_decay", False),
)
BETAS = option("betas", (0.9, 0.999), (0.8, 0.95))


def rate(default: float, probe: float = 1e-2) -> Argument:
    return option("lr", default, probe)


def epsilon(default: float = 1e-8) -> Argument:
    return option("eps", default, 1e-3)


def decay(default: float = 0.0) -> Argument:
    return option("weight_decay", default, 0.1)


INSIDE = "the learning rate is inside the velocity (v = momentum * v - lr * g); it differs from torch only after the rate has changed"
OPTIMIZERS = {
    o.name: o
    for o in (
        Optimizer(
            "SGD",
            (rate(1e-3, 0.05), option("momentum", 0.0, 0.8), option("dampening", 0.0, 0.3), decay(), option("nesterov", False), MAXIMIZE),
            textbook.sgd, SGD,
            (slip("", INSIDE, decayed="lr * (g + weight_decay * w)", new="w - direction"),),
        ),
        Optimizer("Adam", (rate(1e-3), BETAS, epsilon(), decay(), AMSGRAD, MAXIMIZE), textbook.adam, ADAM),
        Optimizer("AdamW", (rate(1e-3), BETAS, epsilon(), decay(0.01), AMSGRAD, MAXIMIZE), textbook.adamw, ADAMW),
        Optimizer(
            "RMSprop",
            (
                rate(1e-2), option("alpha", 0.99, 0.85), epsilon(), decay(), option("momentum", 0.0, 0.8), option("centered", False),
                MAXIMIZE,
            ),
            textbook.rmsprop, RMSPROP,
            (slip("", INSIDE, update="lr * decayed / (np.sqrt(variance) + eps)", new="w - direction"),),
        ),
        Optimizer(
            "Adagrad",
            (
                rate(1e-2, 0.05), option("lr_decay", 0.0, 0.2), decay(), option("initial_accumulator_value", 0.0, 0.4), epsilon(1e-10),
                MAXIMIZE,
            ),
            textbook.adagrad, ADAGRAD,
        ),
        Optimizer("Adadelta", (rate(1.0, 0.5), option("rho", 0.9, 0.8), epsilon(1e-6), decay(), MAXIMIZE), textbook.adadelta, ADADELTA),
        Optimizer("Adamax", (rate(2e-3), BETAS, epsilon(), decay(), MAXIMIZE), textbook.adamax, ADAMAX),
        Optimizer(
            "NAdam",
            (rate(2e-3), BETAS, epsilon(), decay(), option("momentum_decay", 4e-3, 0.9), DECOUPLED_DECAY, MAXIMIZE),
            textbook.nadam, NADAM,
            (slip("", "the momentum is beta1 in every step; torch's grows towards beta1, by momentum_decay", mu="beta1", mu_next="beta1"),),
        ),
        Optimizer(
            "RAdam",
            (rate(1e-3), BETAS, epsilon(), decay(), DECOUPLED_DECAY, MAXIMIZE),
            textbook.radam, RADAM,
            (slip("", "the rectified step begins where the average is longer than 4 steps, as in the paper; torch asks for 5", trusted="length > 4"),),
        ),
    )
}  # fmt: skip
