# ruff: noqa: E501
"""The way back through one step of a recurrence: the step t = 0, which a backward through time reaches last."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchref.check.intermediates.step import Step, step
from torchref.check.mistakes.base import sigmoid
from torchref.nn.module import Array

WEIGHTS = "weight_ih weight_hh bias_ih bias_hh"
ALL = f"input hx {WEIGHTS}"


def start(v: Any, state: Any) -> Array:
    return np.zeros((v.input.shape[-2], v.weight_hh.shape[1])) if state is None else state


def pre(v: Any, x: Array, h: Array) -> tuple[Array, Array]:
    return (
        x @ v.weight_ih.T + (0 if v.bias_ih is None else v.bias_ih),
        h @ v.weight_hh.T + (0 if v.bias_hh is None else v.bias_hh),
    )


def sequence(v: Any) -> list[Array]:
    return [v.input] if v.input.ndim == 2 else list(v.input)


def upstreams(v: Any, dy: Any, n: int) -> list[Any]:
    if dy is None:
        return [0.0] * n
    return [dy] if v.input.ndim == 2 else list(dy)


def rnn(v: Any, dy: Any, dlast: Any = None) -> list[Step]:
    xs, hs, relu = sequence(v), [start(v, v.hx)], v.nonlinearity == "relu"
    for x in xs:
        z = sum(pre(v, x, hs[-1]))
        hs.append(np.maximum(z, 0) if relu else np.tanh(z))
    back = np.zeros_like(hs[0]) if dlast is None else dlast
    for t, up in reversed(list(enumerate(upstreams(v, dy, len(xs))))):
        dh = up + back
        slope = (hs[t + 1] > 0) * 1.0 if relu else 1 - hs[t + 1] ** 2
        dz = dh * slope
        came, back = back, dz @ v.weight_hh
    return [
        step("dh", "the gradient of h: dy and what comes back from the next step", "dh dht dhtotal", ALL, dh, back, came, dz),
        step("dz", "the gradient of the sum before tanh: dh * (1 - h^2)", "dz da dtanh draw dhraw dpre dact dzt dat", ALL, dz, slope, dh),
    ]  # fmt: skip


def lstm(v: Any, dy: Any, dhn: Any = None, dcn: Any = None, cell: bool = False) -> list[Step]:
    if cell:
        dhn, dcn = None, dhn
    xs, hs, cs, gates = sequence(v), [start(v, v.hx)], [start(v, v.cx)], []
    for x in xs:
        zi, zf, zg, zo = np.split(sum(pre(v, x, hs[-1])), 4, axis=1)
        i, f, g, o = sigmoid(zi), sigmoid(zf), np.tanh(zg), sigmoid(zo)
        gates.append((i, f, g, o))
        cs.append(f * cs[-1] + i * g)
        hs.append(o * np.tanh(cs[-1]))
    dh_back = np.zeros_like(hs[0]) if dhn is None else dhn
    dc_back = np.zeros_like(hs[0]) if dcn is None else dcn
    for t, up in reversed(list(enumerate(upstreams(v, dy, len(xs))))):
        i, f, g, o = gates[t]
        tc = np.tanh(cs[t + 1])
        dh, dc_came = up + dh_back, dc_back
        direct = dh * o * (1 - tc * tc)
        dc = dc_came + direct
        do, di, df, dg = dh * tc, dc * g, dc * cs[t], dc * i
        raw = (di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o))
        dz = np.concatenate(raw, axis=1)
        dh_back, dc_back = dz @ v.weight_hh, dc * f
    every = f"{ALL} cx"
    found = [
        step("dh", "the gradient of h: dy and what comes back from the next step", "dh dht dhtotal dhnext dnexth", every, dh, dh_back, np.asarray(up + 0 * dh)),
        step("dc", "the gradient of c: what comes back, and dh * o * (1 - tanh(c)^2)", "dc dct dctotal dcnext dnextc", every, dc, dc_back, dc_came, direct),
        step("dtanh(c)", "the gradient of tanh(c): dh * o", "dtanhc dtc dtanhct", every, dh * o, direct),
    ]  # fmt: skip
    for name, gradient, before in zip("ifgo", (di, df, dg, do), raw, strict=True):
        told = f"the gradient of the gate {name}"
        found.append(step(f"d{name}", told, f"d{name} d{name}t d{name}gate" + (" dc_tilde dctilde dcbar dchat" if name == "g" else ""), every, gradient, before))  # fmt: skip
        found.append(step(f"d{name} before its sigmoid or tanh", told, f"dz{name} da{name} d{name}raw d{name}pre d{name}in d{name}z d{name}a", every, before, gradient))  # fmt: skip
    found.append(
        step("dz", "the gradients of the gates' sums, side by side", "dz da dgates dact dpre draw dallgates", every, dz)
    )
    return found


def gru(v: Any, dy: Any, dlast: Any = None) -> list[Step]:
    xs, hs, kept = sequence(v), [start(v, v.hx)], []
    for x in xs:
        a, b = pre(v, x, hs[-1])
        (ar, az, an), (br, bz, bn) = np.split(a, 3, axis=1), np.split(b, 3, axis=1)
        r, z = sigmoid(ar + br), sigmoid(az + bz)
        n = np.tanh(an + r * bn)
        kept.append((r, z, n, bn))
        hs.append((1 - z) * n + z * hs[-1])
    back = np.zeros_like(hs[0]) if dlast is None else dlast
    for t, up in reversed(list(enumerate(upstreams(v, dy, len(xs))))):
        r, z, n, bn = kept[t]
        dh = up + back
        dn, dz = dh * (1 - z), dh * (hs[t] - n)
        dan = dn * (1 - n * n)
        dr, dbn = dan * bn, dan * r
        dar, daz = dr * r * (1 - r), dz * z * (1 - z)
        back = np.concatenate((dar, daz, dbn), axis=1) @ v.weight_hh + dh * z
    return [
        step("dh", "the gradient of h: dy and what comes back from the next step", "dh dht dhtotal", ALL, dh, back, dh * z),
        step("dn", "the gradient of the new gate: dh * (1 - z)", "dn dnt dngate dhtilde dhhat", ALL, dn, dan, dbn),
        step("dn before tanh", "dn * (1 - n^2)", "dan dnpre dnraw dzn dnin", ALL, dan, dn, dbn),
        step("dz", "the gradient of the update gate: dh * (h_prev - n)", "dz dzt dzgate du", ALL, dz, daz, -dz, -daz),
        step("dz before the sigmoid", "dz * z (1 - z)", "daz dzpre dzraw dzz dzin", ALL, daz, dz, -daz),
        step("dr", "the gradient of the reset gate", "dr drt drgate", ALL, dr, dar),
        step("dr before the sigmoid", "dr * r (1 - r)", "dar drpre drraw dzr drin", ALL, dar, dr),
    ]  # fmt: skip
