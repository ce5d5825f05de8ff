"""The optimizers: their options, and how their steps go wrong."""

from __future__ import annotations

from collections.abc import Mapping

from torchref.check.ops import slugs
from torchref.check.ops.record import Argument, option
from torchref.check.ops.steps import Optimizer, Slip, of_other_texts, slip
from torchref.check.textbook import steps as textbook

TAKE = "weights[i] = step(weights[i], g, s, lr)"
BUFFERS = "s.update({k: b for k, b in %s.items() if k != 't'})"


def _loop(slug: str, sentence: str, instead: str, line: str = "weights[i] =") -> Slip:
    """A wrong loop around the step."""
    return Slip(slug, sentence, {line: instead})


LOOP = (
    _loop(slugs.STATE, "The state stays what the first step has made of it.", f"before = dict(s); {TAKE}; {BUFFERS % 'before'}"),
    _loop(slugs.STATE, "The state starts afresh in every step: it is not kept.", "s = {}", "s ="),
    _loop(slugs.STATE, "All parameters share one state; each needs its own.", "states = [{}] * len(weights)", "states ="),
    _loop(slugs.STATE, "All parameters share one velocity or one pair of moments; each needs its own.", f"{BUFFERS % 'states[i - 1]'}; {TAKE}"),
    _loop(slugs.STATE, "A change of the learning rate does not reach the step.", "weights[i] = step(weights[i], g, s, rates[0])"),
    _loop(slugs.STATE, "The gradients of earlier steps are not cleared.", "s['sum'] = s.get('sum', 0) + g; weights[i] = step(weights[i], s['sum'], s, lr)"),
    _loop(slugs.SIGN, "The gradient has the wrong sign; the decay has not.", "weights[i] = step(weights[i], -g, s, lr)"),
)  # fmt: skip
PER_PARAMETER = _loop(
    slugs.BIAS_CORRECTION,
    "t is increased for each parameter, not for each step.",
    f"s['t'] = len(path) * len(now) + i; {TAKE}",
)
STALE = "The step uses the state of the step before."
UP = "The step is added to the weight; it must be subtracted."
DECOUPLED = "The weight decay is decoupled (AdamW's); here it belongs into the gradient."


def _decays(new: str) -> tuple[Slip, ...]:
    """The mistakes of a decay that belongs into the gradient; `new` is the new weight."""
    after = {"decayed =": "decayed = g", "new =": f"new = {new}; new = new - lr * weight_decay * new"}
    return (
        slip(slugs.DECAY, "The weight decay counts twice (the 2 of the square).", decayed="g + 2 * weight_decay * w"),
        slip(slugs.DECAY, "The weight decay counts half.", decayed="g + weight_decay * w / 2"),
        slip(slugs.DECAY, "The weight decay is not applied.", decayed="g"),
        slip(slugs.DECAY, "The weight decay has the wrong sign.", decayed="g - weight_decay * w"),
        Slip(slugs.DECAY, "The weight decay is applied to the weights after the step.", after),
        slip(slugs.DECAY, "The decay must be multiplied by the learning rate.", decayed="g; w = w - weight_decay * w"),
        slip(slugs.DECAY, "The decay takes the sign of the weights, not the weights.", decayed="g + weight_decay * np.sign(w)"),
        slip(slugs.DECAY, "The decay is applied to the gradient, not to the weights.", decayed="g + weight_decay * g"),
        slip(slugs.DECAY, "The decay takes the square of the weights, not the weights.", decayed="g + weight_decay * w**2"),
        slip(slugs.DECAY, "The decay in the gradient is multiplied by the learning rate once too often.", decayed="g + lr * weight_decay * w"),
    )  # fmt: skip


COUPLED = slip(slugs.DECAY, DECOUPLED, decayed="g; w = w - lr * weight_decay * w")
AVERAGE_DECAYED = "The decay takes the moving average of the gradients, not the weights."


def _roots(new: str, variance: str) -> tuple[Slip, ...]:
    """The mistakes of sqrt(variance) + eps in the line that begins with `new`."""
    name, _, value = new.partition(" = ")

    def other(divisor: str) -> dict[str, str]:
        return {f"{name} =": f"{name} = {value} / ({divisor})"}

    return (
        of_other_texts(Slip(slugs.OPTIMIZER_EPS, "eps stands inside the root.", other(f"np.sqrt({variance} + eps)"))),
        Slip(slugs.OPTIMIZER_EPS, "eps is not added.", other(f"np.sqrt({variance})")),
        Slip(slugs.OPTIMIZER_EPS, "eps stands squared inside the root.", other(f"np.sqrt({variance} + eps**2)")),
    )


def _look(sentence: str, direction: str, more: Mapping[str, str] | None = None) -> Slip:
    """A wrong look-ahead of Nesterov's."""
    return Slip(
        slugs.NESTEROV, sentence, {**(more or {}), "direction = decayed + momentum": f"direction = {direction}"}
    )


SGD = (
    *_decays("w - lr * direction"),
    of_other_texts(slip(slugs.DAMPENING, "The gradient is multiplied by 1 - momentum; torch does not do so.", velocity="momentum * s.get('velocity', 0 * w) + (1 - momentum) * decayed")),
    of_other_texts(slip(slugs.DAMPENING, "The gradient is multiplied by 1 - momentum from the second step on.", velocity="decayed if first else momentum * s['velocity'] + (1 - momentum) * decayed")),
    slip(slugs.DAMPENING, "The dampening is not applied.", velocity="momentum * s.get('velocity', 0 * w) + decayed"),
    of_other_texts(slip(slugs.DAMPENING, "torch does not dampen the first step.", velocity="momentum * s.get('velocity', 0 * w) + (1 - dampening) * decayed")),
    _look("Nesterov's look-ahead is missing.", "velocity"),
    COUPLED,
    slip(slugs.DECAY, AVERAGE_DECAYED, decayed="g + weight_decay * s.get('velocity', 0 * w)"),
    Slip(slugs.NESTEROV, "Nesterov's look-ahead is applied although plain momentum is asked for.", {"direction = velocity": "direction = decayed + momentum * velocity"}),
    _look("The look-ahead takes the velocity before its update.", "decayed + momentum * old", {"s['velocity'] =": "old = s.get('velocity', 0 * w); s['velocity'] = velocity"}),
    _look("The look-ahead is g + momentum * v, not v + momentum * g.", "velocity + momentum * decayed"),
    _look("The look-ahead must multiply the velocity by the momentum.", "decayed + velocity"),
    _look("The look-ahead lacks the gradient.", "momentum * velocity"),
    Slip(slugs.STATE, STALE, {"s['velocity'] =": "s['velocity'], velocity = velocity, s.get('velocity', 0 * w)"}),
    *LOOP,
    slip(slugs.SIGN, UP, new="w + lr * direction"),
)  # fmt: skip


def _state(kept: str) -> tuple[Slip, ...]:
    """The mistakes in keeping the moments m and v; `kept` is the right line."""
    return (
        Slip(slugs.STATE, STALE, {"s.update(": f"old = dict(s); {kept}; m = old.get('m', 0 * w); v = old.get('v', 0 * w)"}),
        Slip(slugs.STATE, "The first moment is not kept from step to step.", {"s.update(": kept.replace("m=m", "m=0 * w")}),
        Slip(slugs.STATE, "The second moment is not kept from step to step.", {"s.update(": kept.replace("v=v", "v=0 * w")}),
    )  # fmt: skip


def _correction(moment: str, beta: str) -> tuple[Slip, ...]:
    """The mistakes in the bias correction of one moment."""

    def wrong(sentence: str, value: str) -> Slip:
        return slip(slugs.BIAS_CORRECTION, f"{moment}'s bias correction {sentence}", **{f"{moment}_hat": value})

    return (
        wrong("is missing.", moment),
        wrong("takes a t that is one too large.", f"{moment} / (1 - {beta} ** (t + 1))"),
        wrong(f"is 1 - {beta}**t, not 1 - {beta}.", f"{moment} / (1 - {beta})"),
    )


def _averages(g: str) -> tuple[Slip, ...]:
    """The mistakes in the running averages m and v of the gradient `g`, and in the state that keeps them."""
    old_m, old_v = "beta1 * s.get('m', 0 * w)", "beta2 * s.get('v', 0 * w)"
    return (
        slip(slugs.DAMPENING, "The factor 1 - beta1 of the gradient is lost.", m=f"{old_m} + {g}"),
        slip(slugs.DAMPENING, "The factor 1 - beta2 of the square is lost.", v=f"{old_v} + {g}**2"),
        slip(slugs.STATE, "beta1 and beta2 are exchanged.", beta1="betas[1]", beta2="betas[0]"),
        slip(slugs.STATE, "v is overwritten in each step.", v=f"(1 - beta2) * {g}**2"),
        slip(
            slugs.STATE,
            "v is the running mean of the squares; the gradient is not squared.",
            v=f"{old_v} + (1 - beta2) * {g}",
        ),
        slip(
            slugs.STATE,
            "v takes the gradient's absolute value, not its square.",
            v=f"{old_v} + (1 - beta2) * np.abs({g})",
        ),
        slip(slugs.BIAS_CORRECTION, "t is never increased.", t="1"),
        PER_PARAMETER,
    )


def _moments(g: str, w: str) -> tuple[Slip, ...]:
    """The mistakes of Adam's moments: `g` is the gradient that enters them, `w` the weight that moves."""
    second = f"(1 - beta2) * {g}**2"
    kept = "s.update(t=t, m=m, v=v)"
    new = f"{w} - lr * m_hat"

    def stale(*which: str) -> dict[str, str]:
        return {"s.update(": f"old = dict(s); {kept}; " + "; ".join(f"{n} = old.get('{n}', 0 * w)" for n in which)}

    def corrected(sentence: str, m: str = "m / (1 - beta1**t)", v: str = "v / (1 - beta2**t)") -> Slip:
        return slip(slugs.BIAS_CORRECTION, sentence, m_hat=m, v_hat=v)

    return (
        *_state(kept),
        *LOOP,
        slip(slugs.SIGN, UP, new=f"{w} + lr * m_hat / (np.sqrt(v_hat) + eps)"),
        *_roots(f"new = {new}", "v_hat"),
        of_other_texts(slip(slugs.OPTIMIZER_EPS, "eps is added before the bias correction, and so is scaled by it.", new=f"{new} / (np.sqrt(v) + eps) * np.sqrt(1 - beta2**t)")),
        of_other_texts(slip(slugs.OPTIMIZER_EPS, "eps stands inside the root, before the bias correction.", new=f"{new} / np.sqrt(v + eps) * np.sqrt(1 - beta2**t)")),
        corrected("The bias correction is missing.", "m", "v"),
        *_correction("m", "beta1"),
        *_correction("v", "beta2"),
        corrected("t starts at 0; in the first step it is 1.", "m / (1 - beta1 ** (t - 1))", "v / (1 - beta2 ** (t - 1))"),
        corrected("t is one too large.", "m / (1 - beta1 ** (t + 1))", "v / (1 - beta2 ** (t + 1))"),
        corrected("The bias correction is 1 - beta**t, not 1 - beta.", "m / (1 - beta1)", "v / (1 - beta2)"),
        corrected("The bias correction divides; here it multiplies.", "m * (1 - beta1**t)", "v * (1 - beta2**t)"),
        corrected("The two bias corrections are exchanged.", "m / (1 - beta2**t)", "v / (1 - beta1**t)"),
        slip(slugs.BIAS_CORRECTION, "v's bias correction takes beta2, not beta1.", v_hat="v / (1 - beta1**t)"),
        slip(slugs.BIAS_CORRECTION, "m's bias correction takes beta1, not beta2.", m_hat="m / (1 - beta2**t)"),
        slip(slugs.STATE, "m and v are one and the same array: each needs its own.", v=f"beta2 * m + {second}; m = v"),
        slip(slugs.BIAS_CORRECTION, "The corrected moments are stored; the correction must not enter the state.", v_hat="v / (1 - beta2**t); s.update(m=m_hat, v=v_hat)"),
        Slip(slugs.STATE, "The step uses the first moment of the step before.", stale("m")),
        Slip(slugs.STATE, "The step uses the second moment of the step before.", stale("v")),
        *_averages(g),
        slip(slugs.STATE, "The root of v is missing.", new=f"{new} / (v_hat + eps)"),
        slip(slugs.STATE, "AMSGrad divides by the largest v so far; here it is the present one.", v_hat="v / (1 - beta2**t)"),
    )  # fmt: skip


ALONE = "The weight decay enters the %s moment alone; it belongs into the gradient, and so into both."
ADAM = (
    *_decays("w - lr * m_hat / (np.sqrt(v_hat) + eps)"),
    *_moments("decayed", "w"),
    slip(slugs.DECAY, ALONE % "first", v="beta2 * s.get('v', 0 * w) + (1 - beta2) * g**2"),
    slip(slugs.DECAY, ALONE % "second", m="beta1 * s.get('m', 0 * w) + (1 - beta1) * g"),
    COUPLED,
    slip(slugs.DECAY, AVERAGE_DECAYED, decayed="g + weight_decay * s.get('m', 0 * w)"),
)
MOVED = "new = w - lr * m_hat / (np.sqrt(v_hat) + eps)"
ADAMW = (
    slip(slugs.DECAY, "The weight decay counts twice (the 2 of the square).", shrunk="w - 2 * lr * weight_decay * w"),
    slip(slugs.DECAY, "The weight decay counts half.", shrunk="w - lr * weight_decay * w / 2"),
    slip(slugs.DECAY, "The weight decay is not applied.", shrunk="w"),
    slip(slugs.DECAY, "The weight decay has the wrong sign.", shrunk="w + lr * weight_decay * w"),
    Slip(slugs.DECAY, "The weight decay is applied to the weights after the step.", {"new =": f"{MOVED}; new = new - lr * weight_decay * new"}),
    slip(slugs.DECAY, "The decay must be multiplied by the learning rate.", shrunk="w - weight_decay * w"),
    *_moments("g", "shrunk"),
    slip(slugs.DECAY, "The weight decay goes into the gradient (Adam's L2); AdamW decays the weights themselves.", shrunk="w; g = g + weight_decay * w"),
)  # fmt: skip

SQUARE = "alpha * s.get('square', 0 * w)"
RMSPROP = (
    of_other_texts(slip(slugs.DAMPENING, "The update is multiplied by 1 - momentum; torch does not do so.", velocity="momentum * s.get('velocity', 0 * w) + (1 - momentum) * update")),
    Slip(slugs.STATE, "The velocity is not kept from step to step.", {"s['velocity'] =": "s['velocity'] = 0 * w"}),
    slip(slugs.STATE, "The momentum is not applied.", direction="update"),
    *_decays("w - lr * direction"),
    Slip(slugs.STATE, STALE, {"s['square'] =": "s['square'], square = square, s.get('square', 0 * w)"}),
    *LOOP,
    slip(slugs.SIGN, UP, new="w + lr * direction"),
    *_roots("update = decayed", "variance"),
    COUPLED,
    slip(slugs.DAMPENING, "The factor 1 - alpha of the square is lost.", square=f"{SQUARE} + decayed**2"),
    slip(slugs.DAMPENING, "alpha weighs the old average; here it weighs the new square.", square="(1 - alpha) * s.get('square', 0 * w) + alpha * decayed**2; alpha = 1 - alpha"),
    slip(slugs.STATE, "The centred variant subtracts the squared mean of the gradients.", variance="square"),
    slip(slugs.STATE, "The average takes the gradient without its square.", square=f"{SQUARE} + (1 - alpha) * decayed"),
    slip(slugs.STATE, "The average takes the gradient's absolute value, not its square.", square=f"{SQUARE} + (1 - alpha) * np.abs(decayed)"),
    slip(slugs.STATE, "The square of the gradient is not averaged over the steps.", square="decayed**2"),
    slip(slugs.STATE, "The root of the average is missing.", update="decayed / (variance + eps)"),
)  # fmt: skip

STEP = "w - rate * decayed / (np.sqrt(total) + eps)"
ADAGRAD = (
    *_decays(STEP),
    Slip(slugs.STATE, STALE, {"s.update(": "old = s.get('total', 0 * w); s.update(t=t, total=total); total = old"}),
    *LOOP,
    slip(slugs.SIGN, UP, new="w + rate * decayed / (np.sqrt(total) + eps)"),
    *_roots("new = w - rate * decayed", "total"),
    COUPLED,
    slip(slugs.STATE, "The squares must add up over the steps.", total="decayed**2"),
    slip(slugs.DECAY, "The weight decay is decoupled; here it belongs into the gradient.", decayed="g", new=f"{STEP} - rate * weight_decay * w"),
    slip(slugs.STATE, "The decay of the rate (lr_decay) is not applied.", rate="lr"),
    slip(slugs.STATE, "One sum serves all entries of a parameter; each entry needs its own.", total="s.get('total', initial_accumulator_value) + np.sum(decayed**2)"),
    Slip(slugs.STATE, "One sum serves all entries of all parameters; each entry needs its own.", {"states =": "states = [{}] * len(weights)", "total =": "total = s.get('total', initial_accumulator_value) + np.sum(decayed**2)"}),
    slip(slugs.STATE, "The sum takes the gradient without its square.", total="s.get('total', 0 * w + initial_accumulator_value) + decayed"),
    slip(slugs.STATE, "The sum takes the gradient's absolute value, not its square.", total="s.get('total', 0 * w + initial_accumulator_value) + np.abs(decayed)"),
    slip(slugs.STATE, "The root of the sum is missing.", new="w - rate * decayed / (total + eps)"),
)  # fmt: skip

ADADELTA = (
    *_decays("w - lr * update"),
    COUPLED,
    *LOOP,
    Slip(slugs.STATE, STALE, {"s['square'] =": "s['square'], square = square, s.get('square', 0 * w)"}),
    slip(slugs.SIGN, UP, new="w + lr * update"),
    of_other_texts(slip(slugs.OPTIMIZER_EPS, "eps stands outside the roots; both roots hold it.", update="(np.sqrt(moved) + eps) / (np.sqrt(square) + eps) * decayed")),
    of_other_texts(slip(slugs.OPTIMIZER_EPS, "eps stands outside the root of the divisor.", update="np.sqrt(moved + eps) / (np.sqrt(square) + eps) * decayed")),
    slip(slugs.OPTIMIZER_EPS, "The root above holds no eps: the first update is 0, and so is every other.", update="np.sqrt(moved) / np.sqrt(square + eps) * decayed"),
    slip(slugs.OPTIMIZER_EPS, "The root below holds no eps.", update="np.sqrt(moved + eps) / np.sqrt(square) * decayed"),
    slip(slugs.DAMPENING, "The factor 1 - rho of the square is lost.", square="rho * s.get('square', 0 * w) + decayed**2"),
    slip(slugs.DAMPENING, "rho weighs the old average; here it weighs the new square.", square="(1 - rho) * s.get('square', 0 * w) + rho * decayed**2"),
    slip(slugs.STATE, "The square of the gradient is not averaged over the steps.", square="decayed**2"),
    slip(slugs.STATE, "The average of the squares takes the gradient without its square.", square="rho * s.get('square', 0 * w) + (1 - rho) * decayed"),
    Slip(slugs.STATE, "The mean of the squared updates is not kept: each step starts it afresh.", {"s['moved'] =": "s['moved'] = 0 * w"}),
    Slip(slugs.STATE, "The second average is of the squared updates, not of the squared gradients.", {"s['moved'] =": "s['moved'] = rho * moved + (1 - rho) * decayed**2"}),
    Slip(slugs.STATE, "The second average is of the squared updates; the update is not squared.", {"s['moved'] =": "s['moved'] = rho * moved + (1 - rho) * np.abs(update)"}),
    Slip(slugs.STATE, "The second average takes the update before the learning rate.", {"s['moved'] =": "s['moved'] = rho * moved + (1 - rho) * (lr * update)**2"}),
    Slip(slugs.DAMPENING, "The factor 1 - rho of the squared update is lost.", {"s['moved'] =": "s['moved'] = rho * moved + update**2"}),
    slip(slugs.STATE, "The roots are missing.", update="(moved + eps) / (square + eps) * decayed"),
    slip(slugs.STATE, "The root of the mean of the squared updates is missing: this is RMSprop's step.", update="decayed / np.sqrt(square + eps)"),
)  # fmt: skip

ADAMAX_U = "beta2 * s.get('u', 0 * w)"
ADAMAX = (
    *_decays("w - lr * m_hat / u"),
    COUPLED,
    *LOOP,
    Slip(slugs.STATE, STALE, {"s.update(": "old = dict(s); s.update(t=t, m=m, u=u); m = old.get('m', 0 * w); u = old.get('u', eps + 0 * w)"}),
    Slip(slugs.STATE, "The first moment is not kept from step to step.", {"s.update(": "s.update(t=t, m=0 * w, u=u)"}),
    Slip(slugs.STATE, "The largest gradient is not kept from step to step.", {"s.update(": "s.update(t=t, m=m, u=0 * w)"}),
    slip(slugs.STATE, "beta1 and beta2 are exchanged.", beta1="betas[1]", beta2="betas[0]"),
    slip(slugs.SIGN, UP, new="w + lr * m_hat / u"),
    *_correction("m", "beta1"),
    slip(slugs.BIAS_CORRECTION, "t starts at 0; in the first step it is 1.", m_hat="m / (1 - beta1 ** (t - 1))"),
    slip(slugs.BIAS_CORRECTION, "t is never increased.", t="1"),
    PER_PARAMETER,
    slip(slugs.BIAS_CORRECTION, "The bias correction divides; here it multiplies.", m_hat="m * (1 - beta1**t)"),
    slip(slugs.BIAS_CORRECTION, "The bias correction takes beta1, not beta2.", m_hat="m / (1 - beta2**t)"),
    slip(slugs.BIAS_CORRECTION, "A maximum has no bias: u is not corrected.", new="w - lr * m_hat / (u / (1 - beta2**t))"),
    slip(slugs.DAMPENING, "The factor 1 - beta1 of the gradient is lost.", m="beta1 * s.get('m', 0 * w) + decayed"),
    slip(slugs.STATE, "u takes the gradient's absolute value; here it takes the gradient with its sign.", u=f"np.maximum({ADAMAX_U}, decayed + eps)"),
    slip(slugs.STATE, "u takes the gradient's absolute value, not its square.", u=f"np.maximum({ADAMAX_U}, decayed**2 + eps)"),
    slip(slugs.STATE, "u decays by beta2 before the maximum.", u="np.maximum(s.get('u', 0 * w), np.abs(decayed) + eps)"),
    slip(slugs.STATE, "u is the larger of the two, not their weighted mean.", u=f"{ADAMAX_U} + (1 - beta2) * (np.abs(decayed) + eps)"),
    slip(slugs.STATE, "u is overwritten in each step.", u="np.abs(decayed) + eps"),
    of_other_texts(slip(slugs.OPTIMIZER_EPS, "eps is added to u; torch adds it to |g| before the maximum.", u=f"np.maximum({ADAMAX_U}, np.abs(decayed))", new="w - lr * m_hat / (u + eps)")),
    slip(slugs.OPTIMIZER_EPS, "eps is not added.", u=f"np.maximum({ADAMAX_U}, np.abs(decayed))"),
    slip(slugs.STATE, "The root of u is taken; u holds no squares.", new="w - lr * m_hat / np.sqrt(u)"),
)  # fmt: skip


def _of_both_kinds(new: str) -> tuple[Slip, ...]:
    """The mistakes of a decay that enters the gradient or, where it is decoupled, the weight; `new` is the new weight."""
    return (
        *_decays(new),
        COUPLED,
        slip(slugs.DECAY, "The decay is not decoupled, although it should be: it goes into the gradient.", shrunk="w", decayed="g + weight_decay * w"),
        slip(slugs.DECAY, "The decoupled weight decay is not applied.", shrunk="w"),
        slip(slugs.DECAY, "The decoupled decay must be multiplied by the learning rate.", shrunk="w - weight_decay * w"),
        slip(slugs.DECAY, "The decoupled decay has the wrong sign.", shrunk="w + lr * weight_decay * w"),
    )  # fmt: skip


NADAM_NEW = "shrunk - lr * m_hat"
NADAM_KEPT = "s.update(t=t, product=product, m=m, v=v)"
NADAM = (
    *_of_both_kinds(f"{NADAM_NEW} / (np.sqrt(v_hat) + eps)"),
    *LOOP,
    *_state(NADAM_KEPT),
    slip(slugs.SIGN, UP, new="shrunk + lr * m_hat / (np.sqrt(v_hat) + eps)"),
    *_roots(f"new = {NADAM_NEW}", "v_hat"),
    *_averages("decayed"),
    *_correction("v", "beta2"),
    slip(slugs.BIAS_CORRECTION, "The product of the momenta is not kept: the bias correction takes the present one alone.", product="mu"),
    slip(slugs.BIAS_CORRECTION, "The bias correction of m is missing.", m_hat="(1 - mu) * decayed + mu_next * m"),
    slip(slugs.BIAS_CORRECTION, "The bias correction of m must hold the next momentum, too.", m_hat="(1 - mu) / (1 - product) * decayed + mu_next / (1 - product) * m"),
    slip(slugs.NESTEROV, "Nesterov's look-ahead is missing: this is Adam's step.", m_hat="m / (1 - beta1**t)"),
    slip(slugs.NESTEROV, "The look-ahead takes the next momentum, not the present one.", m_hat="(1 - mu) / (1 - product) * decayed + mu / (1 - product * mu_next) * m"),
    slip(slugs.NESTEROV, "The look-ahead lacks the gradient.", m_hat="mu_next / (1 - product * mu_next) * m"),
    slip(slugs.NESTEROV, "The gradient in the look-ahead has the factor 1 - mu.", m_hat="decayed / (1 - product) + mu_next / (1 - product * mu_next) * m"),
    slip(slugs.NESTEROV, "The momentum of this step takes t, that of the next t + 1; here both are one step late.", mu="beta1 * (1 - 0.96 ** ((t - 1) * momentum_decay) / 2)", mu_next="beta1 * (1 - 0.96 ** (t * momentum_decay) / 2)"),
    slip(slugs.NESTEROV, "The momentum's schedule lacks its factor 1/2.", mu="beta1 * (1 - 0.96 ** (t * momentum_decay))", mu_next="beta1 * (1 - 0.96 ** ((t + 1) * momentum_decay))"),
    slip(slugs.DAMPENING, "m takes beta1, not the momentum of the schedule.", m="mu * s.get('m', 0 * w) + (1 - mu) * decayed"),
    slip(slugs.STATE, "The root of v is missing.", new=f"{NADAM_NEW} / (v_hat + eps)"),
)  # fmt: skip

RADAM_NEW = "shrunk - lr * move"
RADAM_KEPT = "s.update(t=t, m=m, v=v)"
ADAPTIVE = "m_hat * np.sqrt(1 - beta2**t) / (np.sqrt(v) + eps)"
RADAM = (
    *_of_both_kinds(RADAM_NEW),
    *LOOP,
    *_state(RADAM_KEPT),
    slip(slugs.SIGN, UP, new="shrunk + lr * move"),
    *_averages("decayed"),
    of_other_texts(Slip(slugs.OPTIMIZER_EPS, "eps stands inside the root.", {"move = rectifier": "move = rectifier * m_hat * np.sqrt(1 - beta2**t) / np.sqrt(v + eps)"})),
    Slip(slugs.OPTIMIZER_EPS, "eps is not added.", {"move = rectifier": "move = rectifier * m_hat * np.sqrt(1 - beta2**t) / np.sqrt(v)"}),
    of_other_texts(Slip(slugs.OPTIMIZER_EPS, "torch adds eps to the root of v before the bias correction.", {"move = rectifier": "move = rectifier * m_hat / (np.sqrt(v / (1 - beta2**t)) + eps)"})),
    *_correction("m", "beta1"),
    Slip(slugs.BIAS_CORRECTION, "v's bias correction is missing.", {"move = rectifier": "move = rectifier * m_hat / (np.sqrt(v) + eps)"}),
    Slip(slugs.BIAS_CORRECTION, "The length of the average takes beta2**t / (1 - beta2**t); the divisor is missing.", {"length =": "length = longest - 2 * t * beta2**t"}),
    Slip(slugs.BIAS_CORRECTION, "The length of the average takes beta2**t; here it takes beta2.", {"length =": "length = longest - 2 * t * beta2 / (1 - beta2)"}),
    Slip(slugs.BIAS_CORRECTION, "The rectifier is missing.", {"move = rectifier": f"move = {ADAPTIVE}"}),
    Slip(slugs.BIAS_CORRECTION, "The root of the rectifier is missing.", {"move = rectifier": f"move = rectifier**2 * {ADAPTIVE}"}),
    Slip(slugs.BIAS_CORRECTION, "The rectifier multiplies the step; here it divides.", {"move = rectifier": f"move = {ADAPTIVE} / rectifier"}),
    Slip(slugs.BIAS_CORRECTION, "The first steps, in which v cannot be trusted, take m alone.", {"move = m_hat": "move = np.sqrt(1 - beta2**t) * m_hat / (np.sqrt(v) + eps)"}),
    Slip(slugs.BIAS_CORRECTION, "In the first steps the weights move, too: by m, corrected.", {"move = m_hat": "move = 0 * w"}),
    Slip(slugs.BIAS_CORRECTION, "In the first steps m is corrected, too.", {"move = m_hat": "move = m"}),
    Slip(slugs.BIAS_CORRECTION, "The step goes on without v after the first steps, too.", {"move = rectifier": "move = m_hat"}),
    Slip(slugs.STATE, "The root of v is missing.", {"move = rectifier": "move = rectifier * m_hat * (1 - beta2**t) / (v + eps)"}),
)  # fmt: skip

# --- the records: torch's options with their defaults, and the values that show them ------------------------------------

MAXIMIZE, AMSGRAD, DECOUPLED_DECAY = (
    option("maximize", False),
    option("amsgrad", False),
    option("decoupled_weight_decay", False),
)
BETAS = option("betas", (0.9, 0.999), (0.8, 0.95))


def _rate(default: float, probe: float = 1e-2) -> Argument:
    return option("lr", default, probe)


def _epsilon(default: float = 1e-8) -> Argument:
    return option("eps", default, 1e-3)


def _decay(default: float = 0.0) -> Argument:
    return option("weight_decay", default, 0.1)


INSIDE = "the learning rate is inside the velocity (v = momentum * v - lr * g); it differs from torch only after the rate has changed"
OPTIMIZERS = {
    o.name: o
    for o in (
        Optimizer(
            "SGD",
            (_rate(1e-3, 0.05), option("momentum", 0.0, 0.8), option("dampening", 0.0, 0.3), _decay(), option("nesterov", False), MAXIMIZE),
            textbook.sgd, SGD,
            (slip("", INSIDE, decayed="lr * (g + weight_decay * w)", new="w - direction"),),
        ),
        Optimizer("Adam", (_rate(1e-3), BETAS, _epsilon(), _decay(), AMSGRAD, MAXIMIZE), textbook.adam, ADAM),
        Optimizer("AdamW", (_rate(1e-3), BETAS, _epsilon(), _decay(0.01), AMSGRAD, MAXIMIZE), textbook.adamw, ADAMW),
        Optimizer(
            "RMSprop",
            (
                _rate(1e-2), option("alpha", 0.99, 0.85), _epsilon(), _decay(), option("momentum", 0.0, 0.8), option("centered", False),
                MAXIMIZE,
            ),
            textbook.rmsprop, RMSPROP,
            (slip("", INSIDE, update="lr * decayed / (np.sqrt(variance) + eps)", new="w - direction"),),
        ),
        Optimizer(
            "Adagrad",
            (
                _rate(1e-2, 0.05), option("lr_decay", 0.0, 0.2), _decay(), option("initial_accumulator_value", 0.0, 0.4), _epsilon(1e-10),
                MAXIMIZE,
            ),
            textbook.adagrad, ADAGRAD,
        ),
        Optimizer("Adadelta", (_rate(1.0, 0.5), option("rho", 0.9, 0.8), _epsilon(1e-6), _decay(), MAXIMIZE), textbook.adadelta, ADADELTA),
        Optimizer("Adamax", (_rate(2e-3), BETAS, _epsilon(), _decay(), MAXIMIZE), textbook.adamax, ADAMAX),
        Optimizer(
            "NAdam",
            (_rate(2e-3), BETAS, _epsilon(), _decay(), option("momentum_decay", 4e-3, 0.9), DECOUPLED_DECAY, MAXIMIZE),
            textbook.nadam, NADAM,
            (slip("", "the momentum is beta1 in every step; torch's grows towards beta1, by momentum_decay", mu="beta1", mu_next="beta1"),),
        ),
        Optimizer(
            "RAdam",
            (_rate(1e-3), BETAS, _epsilon(), _decay(), DECOUPLED_DECAY, MAXIMIZE),
            textbook.radam, RADAM,
            (slip("", "the rectified step begins where the average is longer than 4 steps, as in the paper; torch asks for 5", trusted="length > 4"),),
        ),
    )
}  # fmt: skip
