# ruff: noqa: E501
"""RNN, LSTM and GRU of one layer, unrolled over time (a cell is a sequence of length 1)."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.mistakes.base import Gradients, Mistake, Unreduced, sigmoid
from torchref.nn.module import Array

M = Mistake
TRUNCATED = "recurrence-truncated"


def affine(v: Any, x: Array, h: Array) -> tuple[Array, Array]:
    a = x @ v.weight_ih.T + (0 if v.bias_ih is None else v.bias_ih)
    b = h @ v.weight_hh.T + (0 if v.bias_hh is None else v.bias_hh)
    return a, b


def unroll(v: Any) -> tuple[Array, Array, bool]:
    """The sequence (T, N, D), the first h, and whether this is a cell (x without time)."""
    cell = v.input.ndim == 2
    xs = v.input[None] if cell else v.input
    return xs, start(v, v.hx), cell


def start(v: Any, state: Array | None) -> Array:
    """The first state: zeros where none is given."""
    return np.zeros((v.input.shape[-2], v.weight_hh.shape[1])) if state is None else state


class Sums:
    """The gradients that add up over time, or do not."""

    def __init__(self, v: Any, wrong: frozenset[str]) -> None:
        self.v, self.wrong = v, wrong
        self.first: dict[str, Array] = {}
        self.total: dict[str, Array] = {}
        self.terms: dict[str, list[Array]] = {"bias_ih": [], "bias_hh": []}  # of every step

    def add(self, dz_x: Array, dz_h: Array, x: Array, h: Array, reset: Array | None = None) -> None:
        """One step's terms; `reset`: what GRU's last block multiplied in place of h."""
        own = h.shape[1] * (0 if reset is None else 1)
        new = {
            "weight_ih": dz_x.T @ x,
            "weight_hh": np.concatenate(
                [dz_h[:, : 2 * own].T @ h, dz_h[:, 2 * own :].T @ (h if reset is None else reset)]
            ),
            "bias_ih": dz_x.sum(0),
            "bias_hh": dz_h.sum(0),
        }
        self.terms["bias_ih"].insert(0, dz_x)
        self.terms["bias_hh"].insert(0, dz_h)
        for name, term in new.items():
            overwrite = "overwritten over time" in self.wrong or f"overwritten over time: {name}" in self.wrong
            if f"first step only: {name}" in self.wrong or "first computed step" in self.wrong:
                self.total.setdefault(name, term)
            elif name in self.total and not overwrite:
                self.total[name] = self.total[name] + term
            else:
                self.total[name] = term

    def gradients(self) -> Gradients:
        found: Gradients = {k: g for k, g in self.total.items() if getattr(self.v, k) is not None}
        cell = self.v.input.ndim == 2
        for name, terms in self.terms.items():
            if name in found:
                found[f"{name}~"] = Unreduced(terms[0], (0,)) if cell else Unreduced(np.stack(terms), (0, 1))
        return found


def rnn(v: Any, wrong: frozenset[str]) -> Any:
    xs, h0, cell = unroll(v)
    relu = v.nonlinearity == "relu"
    hs, zs = [h0], []
    for x in xs:
        a, b = affine(v, x, hs[-1])
        z = a + (0 if "forward without recurrence" in wrong else b)
        zs.append(z)
        hs.append(np.maximum(z, 0) if relu else np.tanh(z))
    outputs = (hs[1],) if cell else (np.stack(hs[1:]), hs[-1])

    def backward(dy: Array, dlast: Any = None) -> Gradients:
        dys = dy[None] if cell else dy
        dh_next = np.zeros_like(h0) if dlast is None else dlast
        sums, dxs = Sums(v, wrong), []
        steps = range(len(xs))
        for t in reversed(steps):
            dh = dys[t] + (0 * dh_next if "no dh_next" in wrong else dh_next)
            if "dy of the last step only" in wrong:
                dh = (dys[t] if t == len(xs) - 1 else 0 * dys[t]) + dh_next
            slope = (zs[t] > 0) * 1.0 if relu else 1 - hs[t + 1] ** 2
            if "slope lost" in wrong:
                slope = np.ones_like(slope)
            if "slope at z" in wrong:
                slope = 1 - zs[t] ** 2
            if "slope at h_prev" in wrong:
                slope = (hs[t] > 0) * 1.0 if relu else 1 - hs[t] ** 2
            if "square lost" in wrong:
                slope = 1 - hs[t + 1]
            if "slope of tanh(h)" in wrong:
                slope = 1 - np.tanh(hs[t + 1]) ** 2
            if "relu's slope" in wrong:
                slope = (hs[t + 1] > 0) * 1.0
            if "slope at 0 active" in wrong:
                slope = (zs[t] >= 0) * 1.0
            dz = dh * slope
            sums.add(
                dz, dz, xs[t], hs[t + 1] if "h_t for h_(t-1)" in wrong else h0 if "h_0 for h_(t-1)" in wrong else hs[t]
            )
            dxs.append(dz @ v.weight_ih)
            whh = v.weight_hh.T if "weight_hh transposed" in wrong else v.weight_hh
            dh_next = (dh if "slope lost on the way back" in wrong else dz) @ whh
            if "weight_hh lost on the way back" in wrong:
                dh_next = dz
            if "sign of dh_next" in wrong:
                dh_next = -dh_next
        dh0 = 0 * dh_next if "dh0 zero" in wrong else dh_next
        if "dh0 is dy[0]" in wrong:
            dh0 = dys[0]
        if "dh0 without weight" in wrong:
            dh0 = dz
        dx = np.stack(dxs if "dx in reverse" in wrong else dxs[::-1])
        return {"input": dx[0] if cell else dx, "hx": dh0, **sums.gradients()}

    return outputs, backward


def over_time(names: tuple[str, ...]) -> tuple[Mistake, ...]:
    return tuple(
        M(f"overwritten over time: {n}", TRUNCATED, n, f"The gradient of {n} is overwritten in each step; it must add up over time.", "+= over time")
        for n in names
    ) + tuple(
        M(f"first step only: {n}", TRUNCATED, n, f"Only the last time step reaches the gradient of {n}.", "+= over time")
        for n in names
    )  # fmt: skip


COMMON = (
    M("no dh_next", TRUNCATED, "hx", "The gradient that comes back from the next step (dh_next) is not added.", "dh = dy[t] + dh_next"),
    M("h_t for h_(t-1)", TRUNCATED, "weight_hh", "The gradient of weight_hh multiplies with h_t; the step used h_(t-1)."),
    M("h_0 for h_(t-1)", TRUNCATED, "weight_hh", "The gradient of weight_hh multiplies with h_0 in every step."),
    M("overwritten over time", TRUNCATED, "weight_hh", "The weights' gradients are overwritten in each step; they must add up over time."),
    M("first computed step", TRUNCATED, "weight_hh", "Only the last time step reaches the weights' gradients."),
    M("weight_hh transposed", "transposed", "hx", "The way back through time uses weight_hh transposed."),
    M("dy of the last step only", TRUNCATED, "input", "Only the last step's upstream gradient is used."),
    M("dh0 zero", TRUNCATED, "hx", "The gradient of the first hidden state is left at zero."),
    M("dh0 is dy[0]", TRUNCATED, "hx", "The gradient of h_0 is the first step's dy; it must go back through that step, with all that comes from later ones."),
    M("dx in reverse", "unknown", "input", "The steps of dx stand in reverse order."),
    M("forward without recurrence", "forward-differs", "output", "The hidden state does not enter the next step."),
)  # fmt: skip
PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

RNN = (
    M("slope lost", "local-derivative-missing", "input", "tanh's derivative is missing.", "dz = dh * (1 - h**2)"),
    M("slope lost on the way back", "local-derivative-missing", "hx", "tanh's derivative is missing on the way to the step before."),
    M("slope at z", "derivative-at-wrong-tensor", "input", "1 - z^2 is evaluated at the sum z, not at h = tanh(z)."),
    M("slope at h_prev", "derivative-at-wrong-tensor", "input", "The derivative is evaluated at h_(t-1), not at h_t."),
    M("square lost", "local-derivative-missing", "input", "tanh's derivative is 1 - h^2, not 1 - h."),
    M("slope of tanh(h)", "derivative-at-wrong-tensor", "input", "tanh is applied to h once more: the derivative is 1 - h^2."),
    M("relu's slope", "wrong-mask", "input", "This is ReLU's mask where tanh's derivative belongs."),
    M("slope at 0 active", "wrong-mask", "input", "ReLU's derivative at 0 is 0."),
    M("weight_hh lost on the way back", TRUNCATED, "hx", "The way to the step before leads through weight_hh."),
    M("sign of dh_next", "wrong-sign", "hx", "What comes back from the next step is subtracted; it must be added."),
    M("dh0 without weight", TRUNCATED, "hx", "The way to h_0 leads through weight_hh."),
    *COMMON,
    *over_time(PARAMETERS),
)  # fmt: skip


def lstm(v: Any, wrong: frozenset[str]) -> Any:
    xs, h0, cell = unroll(v)
    hs, cs, gates = [h0], [start(v, v.cx)], []
    for x in xs:
        a, b = affine(v, x, hs[-1])
        z = a + (0 if "forward without recurrence" in wrong else b)
        zi, zf, zg, zo = np.split(z, 4, axis=1)
        i, f, g, o = sigmoid(zi), sigmoid(zf), np.tanh(zg), sigmoid(zo)
        c = f * cs[-1] + i * g
        if "forward without forget gate" in wrong:
            c = cs[-1] + i * g
        hs.append(o * (c if "forward without tanh" in wrong else np.tanh(c)))
        cs.append(c)
        gates.append((i, f, g, o, z))
    outputs = (hs[1], cs[1]) if cell else (np.stack(hs[1:]), hs[-1], cs[-1])

    def backward(dy: Array, *last: Any) -> Gradients:
        if cell:
            dys, dh_next, dc_next = dy[None], np.zeros_like(h0), last[0] if last and last[0] is not None else 0 * h0
        else:
            dys = dy
            dh_next, dc_next = (
                last[k] if len(last) > k and last[k] is not None else np.zeros_like(h0) for k in range(2)
            )
        sums, dxs = Sums(v, wrong), []
        for t in reversed(range(len(xs))):
            i, f, g, o, z = gates[t]
            zi, zf, zg, zo = np.split(z, 4, axis=1)
            tc = np.tanh(cs[t + 1])
            dh = dys[t] + (0 * dh_next if "no dh_next" in wrong else dh_next)
            if "dy of the last step only" in wrong:
                dh = (dys[t] if t == len(xs) - 1 else 0 * dys[t]) + dh_next
            slope: Any = 1 - tc * tc
            if "tanh'(c) lost" in wrong:
                slope = 1
            if "1 - c^2" in wrong:
                slope = 1 - cs[t + 1] ** 2
            if "tanh'(tanh(c))" in wrong:
                slope = 1 - np.tanh(tc) ** 2
            if "tanh'(c_(t-1))" in wrong:
                slope = 1 - np.tanh(cs[t]) ** 2
            if "tanh square lost" in wrong:
                slope = 1 - tc
            direct = dh * (1 if "output gate lost in dc" in wrong else o) * slope
            dc = (0 * dc_next if "no dc_next" in wrong else dc_next) + (
                0 * direct if "no direct path" in wrong else direct
            )
            do = dh * (cs[t + 1] if "c for tanh(c) in do" in wrong else tc)
            df = dc * (cs[t + 1] if "c_t for c_(t-1)" in wrong else cs[t])
            di, dg = dc * g, dc * i
            if "i and g exchanged" in wrong:
                di, dg = dc * i, dc * g
            dzi, dzf, dzg, dzo = di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)
            if "gates' slopes lost" in wrong:
                dzi, dzf, dzg, dzo = di, df, dg, do
            if "gate slopes at z" in wrong:
                dzi, dzf, dzg, dzo = di * zi * (1 - zi), df * zf * (1 - zf), dg * (1 - zg * zg), do * zo * (1 - zo)
            if "sigmoid slopes at z" in wrong:
                dzi, dzf, dzo = di * zi * (1 - zi), df * zf * (1 - zf), do * zo * (1 - zo)
            if "slope lost: i" in wrong:
                dzi = di
            if "slope lost: f" in wrong:
                dzf = df
            if "slope lost: g" in wrong:
                dzg = dg
            if "slope lost: o" in wrong:
                dzo = do
            if "sigmoid's slope for g" in wrong:
                dzg = dg * g * (1 - g)
            if "square lost for g" in wrong:
                dzg = dg * (1 - g)
            if "g's slope at z" in wrong:
                dzg = dg * (1 - zg * zg)
            if "1 - gate lost" in wrong:
                dzi, dzf, dzo = di * i, df * f, do * o
            for gate in ("i", "f", "g", "o"):
                if f"zero: {gate}" in wrong:
                    dzi, dzf, dzg, dzo = (
                        0 * d if k == gate else d for k, d in zip("ifgo", (dzi, dzf, dzg, dzo), strict=True)
                    )
            for gate in "ifgo":
                if f"sign: {gate}" in wrong:
                    dzi, dzf, dzg, dzo = (
                        -d if k == gate else d for k, d in zip("ifgo", (dzi, dzf, dzg, dzo), strict=True)
                    )
            order = [dzi, dzf, dzo, dzg] if "gate order" in wrong else [dzi, dzf, dzg, dzo]
            dz = np.concatenate(order, axis=1)
            sums.add(
                dz, dz, xs[t], hs[t + 1] if "h_t for h_(t-1)" in wrong else h0 if "h_0 for h_(t-1)" in wrong else hs[t]
            )
            dxs.append(dz @ v.weight_ih)
            dh_next = dz @ v.weight_hh
            dc_next = dc * (1 if "forget gate lost" in wrong else i if "i for f" in wrong else f)
            if "direct dc_next only" in wrong:
                dc_next = direct * f
            if "dc_next from above only" in wrong:
                dc_next = (dc - direct) * f
        dh0 = 0 * dh_next if "dh0 zero" in wrong else dh_next
        if "dh0 is dy[0]" in wrong:
            dh0 = dys[0]
        dc0 = 0 * dc_next if "dc0 zero" in wrong else dc_next
        dx = np.stack(dxs if "dx in reverse" in wrong else dxs[::-1])
        return {"input": dx[0] if cell else dx, "hx": dh0, "cx": dc0, **sums.gradients()}

    return outputs, backward


LSTM = (
    *(m for m in COMMON if m.flag != "weight_hh transposed"),
    M("no dc_next", TRUNCATED, "cx", "The gradient of the cell that comes back from the next step (dc_next) is not added.", "dc = dc_next + dh * o * (1 - tanh(c)**2)"),
    M("forget gate lost", TRUNCATED, "cx", "The way back through the cell leads through the forget gate: dc_prev = dc * f.", "dc_prev = dc * f"),
    M("i for f", TRUNCATED, "cx", "The way back through the cell leads through the forget gate, not the input gate."),
    M("no direct path", TRUNCATED, "cx", "The path from h to c is missing: h = o * tanh(c).", "dc += dh * o * (1 - tanh(c)**2)"),
    M("dc_next from above only", TRUNCATED, "cx", "The cell's gradient is handed on without the path from h."),
    M("direct dc_next only", TRUNCATED, "cx", "The cell's gradient is handed on without what came from later steps."),
    M("dc0 zero", TRUNCATED, "cx", "The gradient of the first cell state is left at zero."),
    M("c_t for c_(t-1)", TRUNCATED, "input", "The forget gate multiplied c_(t-1), not c_t."),
    M("tanh'(c) lost", "local-derivative-missing", "cx", "tanh's derivative on the way from h to c is missing."),
    M("output gate lost in dc", "local-derivative-missing", "cx", "The output gate is missing on the way from h to c."),
    M("tanh square lost", "local-derivative-missing", "cx", "tanh's derivative is 1 - tanh(c)^2."),
    M("1 - c^2", "derivative-at-wrong-tensor", "cx", "1 - c^2 is evaluated at c, not at tanh(c)."),
    M("tanh'(tanh(c))", "derivative-at-wrong-tensor", "cx", "tanh is applied twice before its derivative is taken."),
    M("tanh'(c_(t-1))", "derivative-at-wrong-tensor", "cx", "tanh's derivative is taken at c_(t-1), not at c_t."),
    M("c for tanh(c) in do", "derivative-at-wrong-tensor", "input", "The output gate multiplied tanh(c), not c."),
    M("gates' slopes lost", "local-derivative-missing", "input", "The derivatives of the gates' sigmoids and tanh are missing."),
    *(M(f"slope lost: {g}", "local-derivative-missing", "input", f"The derivative of gate {g}'s nonlinearity is missing.") for g in "ifgo"),
    *(M(f"zero: {g}", "local-derivative-missing", "input", f"Gate {g} gets no gradient.") for g in "ifgo"),
    *(M(f"sign: {g}", "wrong-sign", "input", f"The gradient of gate {g} has the wrong sign.") for g in "ifgo"),
    M("1 - gate lost", "local-derivative-missing", "input", "The sigmoids' derivative is s (1 - s), not s."),
    M("sigmoid's slope for g", "local-derivative-missing", "input", "The cell gate g is a tanh: its derivative is 1 - g^2."),
    M("square lost for g", "local-derivative-missing", "input", "The cell gate's derivative is 1 - g^2, not 1 - g."),
    M("gate slopes at z", "derivative-at-wrong-tensor", "input", "The gates' derivatives are evaluated at z, before the nonlinearities."),
    M("sigmoid slopes at z", "derivative-at-wrong-tensor", "input", "The sigmoids' derivatives are evaluated at z, before the sigmoid."),
    M("g's slope at z", "derivative-at-wrong-tensor", "input", "1 - z^2 is evaluated at z, not at g = tanh(z)."),
    M("i and g exchanged", "derivative-at-wrong-tensor", "input", "di needs g and dg needs i; they are exchanged."),
    M("gate order", "unknown", "input", "The gates' gradients are put together in another order than the weights'."),
    M("forward without forget gate", "forward-differs", "output", "The forget gate does not multiply the cell."),
    M("forward without tanh", "forward-differs", "output", "The cell must go through tanh before the output gate."),
    *over_time(PARAMETERS),
)  # fmt: skip


def b_n(v: Any, reset: Array) -> Array:
    """The new gate's hidden part, from the reset state."""
    return reset @ np.split(v.weight_hh, 3)[2].T + (0 if v.bias_hh is None else np.split(v.bias_hh, 3)[2])


def gru(v: Any, wrong: frozenset[str]) -> Any:
    xs, h0, cell = unroll(v)
    hs, gates = [h0], []
    for x in xs:
        h = hs[-1]
        a, b = affine(v, x, h)
        ar, az, an = np.split(a, 3, axis=1)
        br, bz, bn = np.split(b, 3, axis=1)
        r, z = sigmoid(ar + br), sigmoid(az + bz)
        if v.reset_before:  # Cho et al. 2014: the gate multiplies h, not the product; torch has Nvidia's variant
            bn = b_n(v, r * h)
            n = np.tanh(an + bn)
        else:
            n = np.tanh(an + r * bn)
        hs.append((1 - z) * n + z * h)
        gates.append((r, z, n, bn))
    outputs = (hs[1],) if cell else (np.stack(hs[1:]), hs[-1])

    def backward(dy: Array, dlast: Any = None) -> Gradients:
        dys = dy[None] if cell else dy
        dh_next = np.zeros_like(h0) if dlast is None else dlast
        sums, dxs = Sums(v, wrong), []
        for t in reversed(range(len(xs))):
            r, z, n, bn = gates[t]
            h = hs[t]
            dh = dys[t] + (0 * dh_next if "no dh_next" in wrong else dh_next)
            if "dy of the last step only" in wrong:
                dh = (dys[t] if t == len(xs) - 1 else 0 * dys[t]) + dh_next
            dn, dz = dh * (1 - z), dh * (h - n)
            if "dz without n" in wrong:
                dz = dh * h
            if "sign of dz" in wrong:
                dz = -dz
            if "1 - z lost" in wrong:
                dn = dh
            if "z for 1 - z" in wrong:
                dn = dh * z
            dan = dn if "tanh's slope lost" in wrong else dn * (1 - n * n)
            drh = dan @ np.split(v.weight_hh, 3)[2]  # where the gate multiplies h: the way through weight_hn
            if v.reset_before:
                dr = drh * (1 if "product lost in dr" in wrong else bn if "h for its product" in wrong else h)
            else:
                dr = dan * (1 if "product lost in dr" in wrong else h if "h for its product" in wrong else bn)
            daz = dz if "slope of z lost" in wrong else dz * z * (1 - z)
            dar = dr if "slope of r lost" in wrong else dr * r * (1 - r)
            dan, daz, dar = ((-d if f"sign: {k}" in wrong else d) for k, d in (("n", dan), ("z", daz), ("r", dar)))
            if "reset path lost" in wrong:
                dar = 0 * dar
            dbn = dan if "reset gate lost" in wrong or v.reset_before else dan * r
            da = np.concatenate([dar, daz, dan], axis=1)
            db = np.concatenate([dar, daz, dbn], axis=1)
            before = hs[t + 1] if "h_t for h_(t-1)" in wrong else h0 if "h_0 for h_(t-1)" in wrong else h
            lost = {"reset gate lost", "reset gate lost in dweight"} & wrong
            sums.add(da, db, xs[t], before, (before if lost else r * before) if v.reset_before else None)
            dxs.append(da @ v.weight_ih)
            direct = dh * (
                (1 - z) if "1 - z on the direct path" in wrong else 1 if "z lost on the direct path" in wrong else z
            )
            through = db @ v.weight_hh
            if v.reset_before:
                through = through - drh + drh * (1 if "reset gate lost" in wrong else r)
            if "new gate's way back lost" in wrong:
                through = through - (drh * r if v.reset_before else dbn @ np.split(v.weight_hh, 3)[2])
            dh_next = through + (0 * direct if "no direct path" in wrong else direct)
            if "direct path only" in wrong:
                dh_next = direct
        dh0 = 0 * dh_next if "dh0 zero" in wrong else dh_next
        if "dh0 is dy[0]" in wrong:
            dh0 = dys[0]
        dx = np.stack(dxs if "dx in reverse" in wrong else dxs[::-1])
        return {"input": dx[0] if cell else dx, "hx": dh0, **sums.gradients()}

    return outputs, backward


GRU = (
    *(m for m in COMMON if m.flag not in ("weight_hh transposed", "forward without recurrence")),
    M("no direct path", TRUNCATED, "hx", "The direct path through the update gate, z * h, is missing.", "dh_prev = dh * z + ..."),
    M("direct path only", TRUNCATED, "hx", "The paths through the gates are missing on the way to h_(t-1)."),
    M("1 - z on the direct path", TRUNCATED, "hx", "The direct path carries z, not 1 - z."),
    M("z lost on the direct path", TRUNCATED, "hx", "The direct path carries the factor z."),
    M("tanh's slope lost", "local-derivative-missing", "input", "The derivative of the new gate's tanh is missing."),
    M("slope of z lost", "local-derivative-missing", "input", "The derivative of the update gate's sigmoid is missing."),
    M("slope of r lost", "local-derivative-missing", "input", "The derivative of the reset gate's sigmoid is missing."),
    M("reset path lost", "local-derivative-missing", "input", "The reset gate gets no gradient."),
    M("reset gate lost", "local-derivative-missing", "hx", "The new gate's hidden part lacks the factor r."),
    M("reset gate lost in dweight", "local-derivative-missing", "weight_hh", "The new gate's weight_hh multiplied r * h, not h."),
    M("new gate's way back lost", TRUNCATED, "hx", "The way from the new gate back to h_(t-1) is missing."),
    M("dz without n", "local-derivative-missing", "input", "z stands in (1 - z) n, too: dz = dh * (h - n)."),
    M("1 - z lost", "local-derivative-missing", "input", "The new gate's gradient lacks the factor 1 - z."),
    M("z for 1 - z", "derivative-at-wrong-tensor", "input", "The new gate's gradient carries 1 - z, not z."),
    *(M(f"sign: {g}", "wrong-sign", "input", f"The gradient of gate {g} has the wrong sign.") for g in "rn"),
    M("sign of dz", "wrong-sign", "input", "The update gate's gradient is dh * (h - n)."),
    M("product lost in dr", "local-derivative-missing", "input", "The reset gate's gradient lacks the factor weight_hn h + bias_hn."),
    M("h for its product", "derivative-at-wrong-tensor", "input", "The reset gate multiplies weight_hn h + bias_hn, not h."),
    *over_time(PARAMETERS),
)  # fmt: skip
