"""RNN, LSTM and GRU of one layer: a sequence x of the shape (T, N, D), and one step alone."""

from __future__ import annotations

import numpy as np

from torchref.check.textbook.common import SeveralWithBackward, WithBackward, sigmoid
from torchref.nn.module import Array


def rnn(
    x: Array, hx: Array | None, weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array, nonlinearity: str
) -> SeveralWithBackward:
    """h_t = tanh(z_t) or relu(z_t), with z_t = x_t W_ih^T + b_ih + h_(t-1) W_hh^T + b_hh; h (N, H).

    From the last step to the first: dh_t = dy_t + dz_(t+1) W_hh, dz_t = dh_t (1 - h_t^2), and the weights' gradients
    add up.
    """
    if hx is None:
        hx = np.zeros_like(x, shape=(x.shape[1], weight_hh.shape[1]))
    h = np.zeros_like(x, shape=(len(x) + 1, *hx.shape))
    z = np.zeros_like(h[1:])
    h[0] = hx
    for t in range(len(x)):
        z[t] = x[t] @ weight_ih.T + bias_ih + (h[t] @ weight_hh.T + bias_hh)
        if nonlinearity == "relu":
            h[t + 1] = np.maximum(z[t], 0)
        else:
            h[t + 1] = np.tanh(z[t])
    y, h_n = h[1:], h[-1]

    def backward(dy: Array, dh_n: Array) -> tuple[Array, ...]:
        dx, dz = np.zeros_like(x), np.zeros_like(z)
        dweight_ih = np.zeros_like(weight_ih)
        dweight_hh = np.zeros_like(weight_hh)
        dh_next = dh_n
        for t in reversed(range(len(x))):
            dh = dy[t] + dh_next
            if nonlinearity == "relu":
                dz[t] = dh * (z[t] > 0)
            else:
                dz[t] = dh * (1 - h[t + 1] ** 2)
            dx[t] = dz[t] @ weight_ih
            dweight_ih += dz[t].T @ x[t]
            dweight_hh += dz[t].T @ h[t]
            dh_next = dz[t] @ weight_hh
        dhx = dh_next
        dbias_ih = dz.sum((0, 1))
        dbias_hh = dz.sum((0, 1))
        return dx, dhx, dweight_ih, dweight_hh, dbias_ih, dbias_hh

    return (y, h_n), backward


def rnn_cell(
    x: Array, hx: Array | None, weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array, nonlinearity: str
) -> WithBackward:
    """One step of rnn: x (N, D), hx (N, H)."""
    if hx is None:
        hx = np.zeros_like(x, shape=(len(x), weight_hh.shape[1]))
    z = x @ weight_ih.T + bias_ih + (hx @ weight_hh.T + bias_hh)
    if nonlinearity == "relu":
        h = np.maximum(z, 0)
    else:
        h = np.tanh(z)

    def backward(dy: Array) -> tuple[Array, ...]:
        if nonlinearity == "relu":
            dz = dy * (z > 0)
        else:
            dz = dy * (1 - h**2)
        dx = dz @ weight_ih
        dhx = dz @ weight_hh
        dweight_ih = dz.T @ x
        dweight_hh = dz.T @ hx
        dbias_ih = dz.sum(0)
        dbias_hh = dz.sum(0)
        return dx, dhx, dweight_ih, dweight_hh, dbias_ih, dbias_hh

    return h, backward


def lstm(
    x: Array, hx: Array | None, cx: Array | None, weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array
) -> SeveralWithBackward:
    """c_t = f c_(t-1) + i g and h_t = o tanh(c_t), with the gates i, f, g, o of z_t (Hochreiter and Schmidhuber 1997).

    From the last step to the first: dc_t = dh_t o (1 - tanh(c_t)^2) + f_(t+1) dc_(t+1). Then di = dc g, df = dc
    c_(t-1), dg = dc i and do = dh tanh(c), each times the slope of its sigmoid or tanh.
    """
    if hx is None:
        hx = np.zeros_like(x, shape=(x.shape[1], weight_hh.shape[1]))
    if cx is None:
        cx = np.zeros_like(hx)
    h = np.zeros_like(x, shape=(len(x) + 1, *hx.shape))
    c = np.zeros_like(h)
    z = np.zeros_like(x, shape=(*x.shape[:2], len(weight_hh)))
    gates = np.zeros_like(x, shape=(4, *h[1:].shape))
    h[0], c[0] = hx, cx
    for t in range(len(x)):
        z[t] = x[t] @ weight_ih.T + bias_ih + (h[t] @ weight_hh.T + bias_hh)
        z_i, z_f, z_g, z_o = np.split(z[t], 4, axis=1)
        i, f, g, o = sigmoid(z_i), sigmoid(z_f), np.tanh(z_g), sigmoid(z_o)
        gates[:, t] = i, f, g, o
        c[t + 1] = f * c[t] + i * g
        h[t + 1] = o * np.tanh(c[t + 1])
    y, h_n, c_n = h[1:], h[-1], c[-1]

    def backward(dy: Array, dh_n: Array, dc_n: Array) -> tuple[Array, ...]:
        dx, dz = np.zeros_like(x), np.zeros_like(z)
        dweight_ih = np.zeros_like(weight_ih)
        dweight_hh = np.zeros_like(weight_hh)
        dh_next, dc_next = dh_n, dc_n
        for t in reversed(range(len(x))):
            i, f, g, o = gates[:, t]
            dh = dy[t] + dh_next
            tanh_c = np.tanh(c[t + 1])
            direct = dh * o * (1 - tanh_c**2)
            dc = dc_next + direct
            di = dc * g
            df = dc * c[t]
            dg = dc * i
            do = dh * tanh_c
            dz_i = di * i * (1 - i)
            dz_f = df * f * (1 - f)
            dz_g = dg * (1 - g**2)
            dz_o = do * o * (1 - o)
            dz[t] = np.concatenate((dz_i, dz_f, dz_g, dz_o), axis=1)
            dx[t] = dz[t] @ weight_ih
            dweight_ih += dz[t].T @ x[t]
            dweight_hh += dz[t].T @ h[t]
            dh_next = dz[t] @ weight_hh
            dc_next = dc * f
        dhx = dh_next
        dcx = dc_next
        dbias_ih = dz.sum((0, 1))
        dbias_hh = dz.sum((0, 1))
        return dx, dhx, dcx, dweight_ih, dweight_hh, dbias_ih, dbias_hh

    return (y, h_n, c_n), backward


def lstm_cell(
    x: Array, hx: Array | None, cx: Array | None, weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array
) -> SeveralWithBackward:
    """One step of lstm: x (N, D), hx and cx (N, H)."""
    if hx is None:
        hx = np.zeros_like(x, shape=(len(x), weight_hh.shape[1]))
    if cx is None:
        cx = np.zeros_like(hx)
    z = x @ weight_ih.T + bias_ih + (hx @ weight_hh.T + bias_hh)
    z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)
    i, f, g, o = sigmoid(z_i), sigmoid(z_f), np.tanh(z_g), sigmoid(z_o)
    c = f * cx + i * g
    tanh_c = np.tanh(c)
    h = o * tanh_c

    def backward(dy: Array, dc_n: Array) -> tuple[Array, ...]:
        direct = dy * o * (1 - tanh_c**2)
        dc = dc_n + direct
        di = dc * g
        df = dc * cx
        dg = dc * i
        do = dy * tanh_c
        dz_i = di * i * (1 - i)
        dz_f = df * f * (1 - f)
        dz_g = dg * (1 - g**2)
        dz_o = do * o * (1 - o)
        dz = np.concatenate((dz_i, dz_f, dz_g, dz_o), axis=1)
        dx = dz @ weight_ih
        dhx = dz @ weight_hh
        dcx = dc * f
        dweight_ih = dz.T @ x
        dweight_hh = dz.T @ hx
        dbias_ih = dz.sum(0)
        dbias_hh = dz.sum(0)
        return dx, dhx, dcx, dweight_ih, dweight_hh, dbias_ih, dbias_hh

    return (h, c), backward


def gru(  # noqa: PLR0915 -- a page is one function: its mistakes are changes of its lines
    x: Array, hx: Array | None, weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array, reset_before: bool
) -> SeveralWithBackward:
    """h_t = (1 - z) n + z h_(t-1), with n = tanh(a_n + r b_n) (Cho et al. 2014).

    a = x W_ih^T + b_ih and b = h_(t-1) W_hh^T + b_hh are the gates' sums. dn = dh (1 - z) and dz = dh (h_(t-1) - n),
    each times its slope; r gets da_n b_n, and b_n gets da_n r. With reset_before r multiplies h_(t-1) before the
    product, as in the paper.
    """
    if hx is None:
        hx = np.zeros_like(x, shape=(x.shape[1], weight_hh.shape[1]))
    h = np.zeros_like(x, shape=(len(x) + 1, *hx.shape))
    gates = np.zeros_like(x, shape=(4, *h[1:].shape))
    h[0] = hx
    for t in range(len(x)):
        a_r, a_z, a_n = np.split(x[t] @ weight_ih.T + bias_ih, 3, axis=1)
        b_r, b_z, b_n = np.split(h[t] @ weight_hh.T + bias_hh, 3, axis=1)
        r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
        if reset_before:
            b_n = np.split((r * h[t]) @ weight_hh.T + bias_hh, 3, axis=1)[2]
            n = np.tanh(a_n + b_n)
        else:
            n = np.tanh(a_n + r * b_n)
        gates[:, t] = r, z, n, b_n
        h[t + 1] = (1 - z) * n + z * h[t]
    y, h_n = h[1:], h[-1]

    def backward(dy: Array, dh_n: Array) -> tuple[Array, ...]:
        dx = np.zeros_like(x)
        da = np.zeros_like(x, shape=(*x.shape[:2], len(weight_hh)))
        db = np.zeros_like(da)
        dweight_ih = np.zeros_like(weight_ih)
        dweight_hh = np.zeros_like(weight_hh)
        dh_next = dh_n
        for t in reversed(range(len(x))):
            r, z, n, b_n = gates[:, t]
            dh = dy[t] + dh_next
            dn = dh * (1 - z)
            dz = dh * (h[t] - n)
            da_n = dn * (1 - n**2)
            if reset_before:
                weight_n = np.split(weight_hh, 3)[2]
                drh = da_n @ weight_n
                dr = drh * h[t]
                db_n = da_n
            else:
                dr = da_n * b_n
                db_n = da_n * r
            da_r = dr * r * (1 - r)
            da_z = dz * z * (1 - z)
            da[t] = np.concatenate((da_r, da_z, da_n), axis=1)
            db[t] = np.concatenate((da_r, da_z, db_n), axis=1)
            dx[t] = da[t] @ weight_ih
            dweight_ih += da[t].T @ x[t]
            if reset_before:
                before = np.concatenate((da_r, da_z, 0 * da_n), axis=1)
                dweight_hh += before.T @ h[t] + (db[t] - before).T @ (r * h[t])
                dh_next = before @ weight_hh + drh * r + dh * z
            else:
                dweight_hh += db[t].T @ h[t]
                dh_next = db[t] @ weight_hh + dh * z
        dhx = dh_next
        dbias_ih = da.sum((0, 1))
        dbias_hh = db.sum((0, 1))
        return dx, dhx, dweight_ih, dweight_hh, dbias_ih, dbias_hh

    return (y, h_n), backward


def gru_cell(
    x: Array, hx: Array | None, weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array, reset_before: bool
) -> WithBackward:
    """One step of gru: x (N, D), hx (N, H)."""
    if hx is None:
        hx = np.zeros_like(x, shape=(len(x), weight_hh.shape[1]))
    a_r, a_z, a_n = np.split(x @ weight_ih.T + bias_ih, 3, axis=1)
    b_r, b_z, b_n = np.split(hx @ weight_hh.T + bias_hh, 3, axis=1)
    r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
    if reset_before:
        b_n = np.split((r * hx) @ weight_hh.T + bias_hh, 3, axis=1)[2]
        n = np.tanh(a_n + b_n)
    else:
        n = np.tanh(a_n + r * b_n)
    h = (1 - z) * n + z * hx

    def backward(dy: Array) -> tuple[Array, ...]:
        dn = dy * (1 - z)
        dz = dy * (hx - n)
        da_n = dn * (1 - n**2)
        if reset_before:
            weight_n = np.split(weight_hh, 3)[2]
            drh = da_n @ weight_n
            dr = drh * hx
            db_n = da_n
        else:
            dr = da_n * b_n
            db_n = da_n * r
        da_r = dr * r * (1 - r)
        da_z = dz * z * (1 - z)
        da = np.concatenate((da_r, da_z, da_n), axis=1)
        db = np.concatenate((da_r, da_z, db_n), axis=1)
        dx = da @ weight_ih
        dweight_ih = da.T @ x
        if reset_before:
            before = np.concatenate((da_r, da_z, 0 * da_n), axis=1)
            dweight_hh = before.T @ hx + (db - before).T @ (r * hx)
            dhx = before @ weight_hh + drh * r + dy * z
        else:
            dweight_hh = db.T @ hx
            dhx = db @ weight_hh + dy * z
        dbias_ih = da.sum(0)
        dbias_hh = db.sum(0)
        return dx, dhx, dweight_ih, dweight_hh, dbias_ih, dbias_hh

    return h, backward
