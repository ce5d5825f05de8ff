"""RNN, LSTM and GRU of one layer, and their cells."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from numpy.random import Generator

from torchref.check.ops import slugs
from torchref.check.ops.conventions import (
    Convention,
    flip_T,
    forget_plus_one,
    gate_order,
    in_columns,
    swap,
    update_gate,
)
from torchref.check.ops.formula import from_textbook
from torchref.check.ops.record import Argument, Arrays, Known, Maker, Op, Options, Patch, array, option
from torchref.check.textbook import recurrences as textbook

SEQUENCE, STEP = array("input", axes="T N D"), array("input", axes="N D")
HX = array("hx", "h0", "h_0", "h", "h_prev", "prev_h", "hprev", "h_init", "initial_h", "hidden", "h_tm1", "prev_hidden", "h0_", "state", "a_prev", "a0", axes="N H", optional=True)  # fmt: skip
CX = array("cx", "c0", "c_0", "c", "c_prev", "prev_c", "cprev", "c_init", "cell", "c_tm1", axes="N H", optional=True)
WIH = array(
    "weight_ih",
    "wx",
    "wxh",
    "w_x",
    "w_xh",
    "w_ih",
    "weight_ih_l0",
    "u",
    "w_input",
    "wi",
    "win",
    "wax",
    "w",
    "weight",
    axes="gates*H D",
)
WHH = array(
    "weight_hh", "wh", "whh", "w_h", "w_hh", "weight_hh_l0", "w_hidden", "w_rec", "wr", "waa", "u", axes="gates*H H"
)
BIH = array(
    "bias_ih", "b", "bias", "b_ih", "bias_ih_l0", "bx", "ba", "b1", "bi", "bh", "b_h", axes="gates*H", neutral=0.0
)
BHH = array("bias_hh", "b_hh", "bias_hh_l0", "bh", "b2", "b_h", axes="gates*H", neutral=0.0)


def _make_recurrent(gates: int, cell: bool) -> Maker:
    def make(rng: Generator, _o: Options, variant: str) -> Arrays:
        t, n, d, h = (3, 3, 3, 3) if variant == "square" else (5, 2, 3, 7)
        shape = (n, d) if cell else (t, n, d)
        scale = 0.6
        return {
            "input": rng.normal(size=shape), "hx": rng.normal(size=(n, h)), "cx": rng.normal(size=(n, h)),
            "weight_ih": rng.normal(size=(gates * h, d)) * scale, "weight_hh": rng.normal(size=(gates * h, h)) * scale / 1.5,
            "bias_ih": rng.normal(size=gates * h) * scale, "bias_hh": rng.normal(size=gates * h) * scale,
        }  # fmt: skip

    return make


# The mistakes that no edit makes. A sequence writes the gradients of its steps into an array, dz[t]; a cell has dz.

SUM = "+= over time"
SLUGS = {"assignment": slugs.TRUNCATED, "place": slugs.TRUNCATED, "term": slugs.TRUNCATED, "name": "", "constant": ""}
HOMES = {"dh = ": "hx", "dh_next": "hx", "dhx": "hx", "db_n": "hx", "direct": "cx", "dc = ": "cx", "dc_next": "cx"}


def _over_time(da: str, db: str) -> tuple[Patch, ...]:
    """The mistakes of any backward through time; da leads to weight_ih and bias_ih, db to weight_hh and bias_hh."""

    def wrong(line: str, instead: str, sentence: str, advice: str = "", gradient: str = "") -> Patch:
        return Patch(f"{line} =", f"{line} = {instead}", slugs.TRUNCATED, sentence, advice, gradient)

    def product(instead: str, sentence: str, advice: str = "") -> Patch:
        return Patch(f"dweight_hh += {db}", f"dweight_hh += {db}[t].T @ {instead}", slugs.TRUNCATED, sentence, advice)

    def alone(step: int, before: int, others: str) -> str:
        """The weights' gradients from one step, with the state before it."""
        weights = f"dweight_ih = {da}[{step}].T @ x[{step}]; dweight_hh = {db}[{step}].T @ h[{before}]"
        return f"dh_next; {weights}; " + "; ".join(f"{d}[{others}] = 0" for d in dict.fromkeys((da, db)))

    step_before = "The gradient of weight_hh multiplies with {}; the step used h_(t-1)."
    overwritten, last = (
        "The gradient of {} is overwritten in each step; it must add up over time.",
        "Only the last time step reaches the gradient of {}.",
    )
    first = "The gradient of h_0 is the first step's dy; it must go back through that step, with all that comes from later ones."
    return (
        wrong("dh", "dy[t] * (t == len(x) - 1) + dh_next", "Only the last step's upstream gradient is used.", gradient="input"),
        product("h[t + 1]", step_before.format("h_t")),
        product("h[0]", step_before.format("h_0")),
        wrong("dhx", alone(0, 0, "1:"), overwritten.format("each weight"), SUM, "weight_hh"),
        wrong("dhx", alone(-1, -2, ":-1"), last.format("each weight"), SUM, "weight_hh"),
        wrong("dhx", "np.zeros_like(hx)", "The gradient of the first hidden state is left at zero."),
        wrong("dhx", "dy[0]", first),
        Patch(f"dx[t] = {da}", f"dx[-1 - t] = {da}[t] @ weight_ih", slugs.UNKNOWN, "The steps of dx stand in reverse order."),
        Patch("dweight_ih +=", f"dweight_ih += {da}[t].T @ x[t] * (t == len(x) - 1)", slugs.TRUNCATED, last.format("weight_ih"), SUM),
        product("h[t] * (t == len(x) - 1)", last.format("weight_hh"), SUM),
        *(wrong(f"d{n}", f"{d}[0].sum(0)", overwritten.format(n), SUM) for n, d in (("bias_ih", da), ("bias_hh", db))),
        *(wrong(f"d{n}", f"{d}[-1].sum(0)", last.format(n), SUM) for n, d in (("bias_ih", da), ("bias_hh", db))),
    )  # fmt: skip


def _one_step(db: str, *ways: str) -> tuple[Patch, ...]:
    """The mistakes of one step that a sequence has, too; `ways`: what dhx begins with."""
    return (
        Patch(f"dweight_hh = {db}", f"dweight_hh = {db}.T @ h", slugs.TRUNCATED, "The gradient of weight_hh multiplies with h_t; the step used h_(t-1)."),
        *(Patch(f"dhx = {way}", f"dhx = 0 * {way.split()[0]} @ weight_hh", slugs.TRUNCATED, "The gradient of the first hidden state is left at zero.") for way in ways),
    )  # fmt: skip


def _without_state(z: str, x: str) -> Patch:
    line = f"{z} = {x} @ weight_ih.T + bias_ih"
    return Patch(f"{z} =", line, slugs.FORWARD, "The hidden state does not enter the next step.")


def _rnn_patches(cell: bool) -> tuple[Patch, ...]:
    dh, dz, h, before, z = ("dy", "dz", "h", "hx", "z") if cell else ("dh", "dz[t]", "h[t + 1]", "h[t]", "z[t]")
    dh_prev = "dhx" if cell else "dh_next"

    def slope(instead: str, slug: str, sentence: str, right: str = f"(1 - {h}") -> Patch:
        return Patch(f"{dz} = {dh} * {right}", f"{dz} = {dh} * {instead}", slug, sentence)

    def back(instead: str, slug: str, sentence: str) -> Patch:
        return Patch(f"{dh_prev} = dz", f"{dh_prev} = {instead}", slug, sentence)

    lost = "The way to the step before leads through weight_hh."
    sequence = (
        back(dz, slugs.TRUNCATED, lost),
        Patch("dhx =", "dhx = dz[0]", slugs.TRUNCATED, lost),
        *_over_time("dz", "dz"),
    )
    return (
        slope(f"(1 - {z} ** 2)", slugs.TENSOR, "1 - z^2 is evaluated at the sum z, not at h = tanh(z)."),
        slope(f"(1 - {before} ** 2)", slugs.TENSOR, "The derivative is evaluated at h_(t-1), not at h_t."),
        slope(f"({before} > 0)", slugs.TENSOR, "The derivative is evaluated at h_(t-1), not at h_t.", f"({z} > 0)"),
        slope(f"(1 - {h})", slugs.LOCAL, "tanh's derivative is 1 - h^2, not 1 - h."),
        slope(f"(1 - np.tanh({h}) ** 2)", slugs.TENSOR, "tanh is applied to h once more: the derivative is 1 - h^2."),
        slope(f"({h} > 0)", slugs.MASK, "This is ReLU's mask where tanh's derivative belongs."),
        back(f"{dh} @ weight_hh", slugs.LOCAL, "tanh's derivative is missing on the way to the step before."),
        _without_state(z, "x" if cell else "x[t]"),
        *(_one_step("dz", "dz") if cell else sequence),
    )


def _gate_patches(dz: str, z: str) -> tuple[Patch, ...]:
    """The mistakes in the slopes of LSTM's gates."""

    def gates(instead: str, slug: str, sentence: str, split: str = "") -> Patch:
        line = f"{split}{dz} = np.concatenate(({instead}), axis=1)"
        return Patch(f"{dz} = np.conc", line, slug, sentence, gradient="input")

    def gate(instead: str, slug: str, sentence: str) -> Patch:
        return Patch("dz_g =", f"dz_g = {instead}", slug, sentence)

    split = f"z_i, z_f, z_g, z_o = np.split({z}, 4, axis=1); "
    at_z = "di * z_i * (1 - z_i), df * z_f * (1 - z_f), {}, do * z_o * (1 - z_o)"
    g_at_z = "dg * (1 - z_g ** 2)"
    return (
        gates("di, df, dg, do", slugs.LOCAL, "The derivatives of the gates' sigmoids and tanh are missing."),
        *(Patch(f"dz_{k} =", f"dz_{k} = d{k}", slugs.LOCAL, f"The derivative of gate {k}'s nonlinearity is missing.") for k in "ifo"),
        *(Patch(f"dz_{k} =", f"dz_{k} = 0 * d{k}", slugs.LOCAL, f"Gate {k} gets no gradient.") for k in "ifgo"),
        gates("di * i, df * f, dz_g, do * o", slugs.LOCAL, "The sigmoids' derivative is s (1 - s), not s."),
        gate("dg * g * (1 - g)", slugs.LOCAL, "The cell gate g is a tanh: its derivative is 1 - g^2."),
        gate("dg * (1 - g)", slugs.LOCAL, "The cell gate's derivative is 1 - g^2, not 1 - g."),
        gates(at_z.format(g_at_z), slugs.TENSOR, "The gates' derivatives are evaluated at z, before the nonlinearities.", split),
        gates(at_z.format("dz_g"), slugs.TENSOR, "The sigmoids' derivatives are evaluated at z, before the sigmoid.", split),
        Patch("dz_g =", f"{split}dz_g = {g_at_z}", slugs.TENSOR, "1 - z^2 is evaluated at z, not at g = tanh(z)."),
        gates("dc * i * i * (1 - i), dz_f, dc * g * (1 - g ** 2), dz_o", slugs.TENSOR, "di needs g and dg needs i; they are exchanged."),
        gates("dz_i, dz_f, dz_o, dz_g", slugs.UNKNOWN, "The gates' gradients are put together in another order than the weights'."),
    )  # fmt: skip


def _lstm_patches(cell: bool) -> tuple[Patch, ...]:
    dh, dz, c, before, z = ("dy", "dz", "c", "cx", "z") if cell else ("dh", "dz[t]", "c[t + 1]", "c[t]", "z[t]")
    dc_prev = "dcx" if cell else "dc_next"

    def direct(instead: str, slug: str, sentence: str) -> Patch:
        return Patch("direct =", f"direct = {instead}", slug, sentence)

    def back(instead: str, sentence: str) -> Patch:
        return Patch(f"{dc_prev} = dc *", f"{dc_prev} = {instead}", slugs.TRUNCATED, sentence)

    through_cell = "The way back through the cell leads through the forget gate"
    sequence = (
        back("direct * f", "The cell's gradient is handed on without what came from later steps."),
        *_over_time("dz", "dz"),
    )
    return (
        back("dc", f"{through_cell}: dc_prev = dc * f."),
        back("dc * i", f"{through_cell}, not the input gate."),
        back("(dc - direct) * f", "The cell's gradient is handed on without the path from h."),
        Patch("dcx =", "dcx = np.zeros_like(cx)", slugs.TRUNCATED, "The gradient of the first cell state is left at zero."),
        Patch("df =", f"df = dc * {c}", slugs.TRUNCATED, "The forget gate multiplied c_(t-1), not c_t."),
        direct(f"{dh} * o * (1 - tanh_c)", slugs.LOCAL, "tanh's derivative is 1 - tanh(c)^2."),
        direct(f"{dh} * o * (1 - {c} ** 2)", slugs.TENSOR, "1 - c^2 is evaluated at c, not at tanh(c)."),
        direct(f"{dh} * o * (1 - np.tanh(tanh_c) ** 2)", slugs.TENSOR, "tanh is applied twice before its derivative is taken."),
        direct(f"{dh} * o * (1 - np.tanh({before}) ** 2)", slugs.TENSOR, "tanh's derivative is taken at c_(t-1), not at c_t."),
        Patch("do =", f"do = {dh} * {c}", slugs.TENSOR, "The output gate multiplied tanh(c), not c."),
        *_gate_patches(dz, z),
        Patch(f"{c} =", f"{c} = {before} + i * g", slugs.FORWARD, "The forget gate does not multiply the cell."),
        Patch("h = o *" if cell else "h[t + 1] =", f"{'h' if cell else 'h[t + 1]'} = o * {c}", slugs.FORWARD, "The cell must go through tanh before the output gate."),
        _without_state(z, "x" if cell else "x[t]"),
        *(_one_step("dz", "dz") if cell else sequence),
    )  # fmt: skip


def _gru_patches(cell: bool) -> tuple[Patch, ...]:
    dh, h, db, dh_prev = ("dy", "hx", "db", "dhx") if cell else ("dh", "h[t]", "db[t]", "dh_next")
    dweight_hh = "dweight_hh =" if cell else "dweight_hh +="

    def wrong(line: str, instead: str, sentence: str, slug: str = slugs.LOCAL) -> Patch:
        return Patch(line, f"{line.split(' =')[0]} = {instead}", slug, sentence)

    def direct(instead: str, sentence: str) -> tuple[Patch, ...]:
        """On the way to h_(t-1), where the reset gate multiplies the product, and where it multiplies h."""
        ways = (f"{db} @ weight_hh", "before @ weight_hh + drh * r")
        return tuple(wrong(f"{dh_prev} = {way[:6]}", f"{way} + {instead}", sentence, slugs.TRUNCATED) for way in ways)

    lost, way_back = (
        "The new gate's hidden part lacks the factor r.",
        "The way from the new gate back to h_(t-1) is missing.",
    )
    product = f"before.T @ {h} + ({db} - before).T @ {h}"
    return (
        *direct(f"{dh} * (1 - z)", "The direct path carries z, not 1 - z."),
        *direct(dh, "The direct path carries the factor z."),
        wrong("da_z =", "dz", "The derivative of the update gate's sigmoid is missing."),
        wrong("da_r =", "dr", "The derivative of the reset gate's sigmoid is missing."),
        wrong("da_r =", "0 * dr", "The reset gate gets no gradient."),
        Patch(f"{dweight_hh} before", f"{dweight_hh} {product}", slugs.LOCAL, "The new gate's weight_hh multiplied r * h, not h."),
        wrong(f"{dh_prev} = before", f"{db} @ weight_hh + {dh} * z; {dweight_hh} {product}" if cell else f"{db} @ weight_hh + {dh} * z", lost),
        wrong(f"{dh_prev} = {db}", f"{db} @ weight_hh + {dh} * z - db_n @ np.split(weight_hh, 3)[2]", way_back, slugs.TRUNCATED),
        wrong(f"{dh_prev} = before", f"before @ weight_hh + {dh} * z", way_back, slugs.TRUNCATED),
        wrong("dz =", f"{dh} * {h}", "z stands in (1 - z) n, too: dz = dh * (h - n)."),
        wrong("dn =", f"{dh} * z", "The new gate's gradient carries 1 - z, not z.", slugs.TENSOR),
        wrong("da_r =", "dr * r * (1 - r); da_n, db_n = -da_n, -db_n", "The gradient of gate n has the wrong sign.", slugs.SIGN),
        wrong("da_z =", "-(dz * z * (1 - z))", "The update gate's gradient is dh * (h - n).", slugs.SIGN),
        wrong("dr = da_n", f"da_n * {h}", "The reset gate multiplies weight_hn h + bias_hn, not h.", slugs.TENSOR),
        wrong("dr = drh", "drh * b_n", "The reset gate multiplies h, not weight_hn h + bias_hn.", slugs.TENSOR),
        *(_one_step("db", "db", "before") if cell else _over_time("da", "db")),
    )  # fmt: skip


# What people call the intermediates: those of the step t = 0, which a backward through time reaches last.

WEIGHTS = ("input", "hx", "weight_ih", "weight_hh", "bias_ih", "bias_hh")
BACK = "the gradient of h: dy and what comes back from the next step"
ALL = (*WEIGHTS, "cx")


def _rnn_known(cell: bool) -> tuple[Known, ...]:
    dh, dz, h, z = ("dy", "dz", "h", "z") if cell else ("dh", "dz[t]", "h[t + 1]", "z[t]")
    others = ("dhx",) if cell else ("dh_next", "dh - dy[t]")
    return (
        Known("dh", BACK, "dh dht dhtotal", (dh, *others, dz), WEIGHTS),
        Known("dz", "the gradient of the sum before tanh: dh * (1 - h^2)", "dz da dtanh draw dhraw dpre dact dzt dat", (dz, f"1 - {h} ** 2", f"1.0 * ({z} > 0)", dh), WEIGHTS),
    )  # fmt: skip


def _lstm_known(cell: bool) -> tuple[Known, ...]:
    dh, dz = ("dy", "dz") if cell else ("dh", "dz[t]")
    back, dc_came = (("dhx",), "dc_n") if cell else (("dh_next", "dy[t]"), "dc - direct")
    known = [
        Known("dh", BACK, "dh dht dhtotal dhnext dnexth", (dh, *back), ALL),
        Known("dc", "the gradient of c: what comes back, and dh * o * (1 - tanh(c)^2)", "dc dct dctotal dcnext dnextc", ("dc", "dc * f", dc_came, "direct"), ALL),
        Known("dtanh(c)", "the gradient of tanh(c): dh * o", "dtanhc dtc dtanhct", (f"{dh} * o", "direct"), ALL),
    ]  # fmt: skip
    for k in "ifgo":
        more = " dc_tilde dctilde dcbar dchat" if k == "g" else ""
        meaning, before = f"the gradient of the gate {k}", f"dz{k} da{k} d{k}raw d{k}pre d{k}in d{k}z d{k}a"
        known.append(Known(f"d{k}", meaning, f"d{k} d{k}t d{k}gate{more}", (f"d{k}", f"dz_{k}"), ALL))
        known.append(Known(f"d{k} before its sigmoid or tanh", meaning, before, (f"dz_{k}", f"d{k}"), ALL))
    side = "the gradients of the gates' sums, side by side"
    return (*known, Known("dz", side, "dz da dgates dact dpre draw dallgates", (dz,), ALL))


def _gru_known(cell: bool) -> tuple[Known, ...]:
    dh, back = ("dy", "dhx") if cell else ("dh", "dh_next")
    return (
        Known("dh", BACK, "dh dht dhtotal", (dh, back, f"{dh} * z"), WEIGHTS),
        Known("dn", "the gradient of the new gate: dh * (1 - z)", "dn dnt dngate dhtilde dhhat", ("dn", "da_n", "db_n"), WEIGHTS),
        Known("dn before tanh", "dn * (1 - n^2)", "dan dnpre dnraw dzn dnin", ("da_n", "dn", "db_n"), WEIGHTS),
        Known("dz", "the gradient of the update gate: dh * (h_prev - n)", "dz dzt dzgate du", ("dz", "da_z", "-dz", "-da_z"), WEIGHTS),
        Known("dz before the sigmoid", "dz * z (1 - z)", "daz dzpre dzraw dzz dzin", ("da_z", "dz", "-da_z"), WEIGHTS),
        Known("dr", "the gradient of the reset gate", "dr drt drgate", ("dr", "da_r"), WEIGHTS),
        Known("dr before the sigmoid", "dr * r (1 - r)", "dar drpre drraw dzr drin", ("da_r", "dr"), WEIGHTS),
    )  # fmt: skip


# The records.


def _weights_of(values: Mapping[str, Any]) -> list[str]:
    """torch's weights, or those of the gates one by one."""
    return [n for n, a in values.items() if n not in ("input", "hx", "cx") and getattr(a, "ndim", 0) == 2]


def _stored(values: Mapping[str, Any], columns: bool = False) -> list[list[Convention]]:
    """Weights as (in, out), samples in columns, the batch first."""
    weights = dict.fromkeys(_weights_of(values), flip_T)
    groups = [[Convention("the weights are stored as (in, out); torch stores (out, in)", weights, weights)]]
    if columns:
        groups.append([in_columns()])
    if values["input"].ndim == 3:
        first = {"input": swap, "output": swap}
        groups.append([Convention("the batch comes first, (N, T, D); torch: (T, N, D)", first, first)])
    return groups


LIKELY = ("ifog", "iofg", "fiog", "figo", "zrn")


def _gate_orders(values: Mapping[str, Any], names: str) -> list[list[Convention]]:
    """The gates' blocks in another order, where they stand in one array."""
    orders = sorted(("".join(p) for p in itertools.permutations(names)), key=lambda o: (o not in LIKELY, o))
    return [[gate_order(names, o) for o in orders if o != names]] if "weight_ih" in values else []


def _rnn_conventions(values: Mapping[str, Any]) -> list[list[Convention]]:
    return _stored(values, columns=True)


def _lstm_conventions(values: Mapping[str, Any]) -> list[list[Convention]]:
    own = [n for n, a in values.items() if n not in ("input", "hx", "cx") and getattr(a, "ndim", 0) == 1]
    forget = [forget_plus_one("bias_ih")] if "bias_ih" in own else [forget_plus_one(n, 1) for n in own[1:2]]
    return [*_stored(values), *_gate_orders(values, "ifgo"), *([forget] if forget else [])]


def _gru_conventions(values: Mapping[str, Any]) -> list[list[Convention]]:
    return [*_stored(values), *_gate_orders(values, "rzn"), [update_gate(values)]]


def _recurrence(
    name: str,
    gates: tuple[tuple[str, ...], ...],
    patches: Callable[[bool], tuple[Patch, ...]],
    known: Callable[[bool], tuple[Known, ...]],
    conventions: Callable[[Mapping[str, Any]], list[list[Convention]]],
    *options: Argument,
    **more: Any,
) -> tuple[Op, Op]:
    """The records of a recurrence: over a sequence, and of one step."""
    module = name.upper()
    cx = (CX,) if name == "lstm" else ()

    def record(cell: bool, modules: tuple[str, ...], outputs: tuple[str, ...]) -> Op:
        own = f"{name}_cell" if cell else name
        return from_textbook(
            own,
            modules,
            (STEP if cell else SEQUENCE, HX, *cx, WIH, WHH, BIH, BHH, *options),
            getattr(textbook, own),
            patches(cell),
            SLUGS,
            HOMES,
            make=_make_recurrent(len(gates) or 1, cell),
            outputs=(*outputs, *(("c_n",) if cx else ())),
            family="recurrent",
            sizes=(("input_size", "weight_ih", 1), ("hidden_size", "weight_hh", 1)),
            known=known(cell),
            conventions=conventions,
            gates=gates,
            summed=True,
            spreads=True,
            derivation="recurrent-cells.md" if name == "gru" else "rnn-lstm.md",
            **more,
        )

    cells = (f"{module}Cell", f"{name}_step", f"{name}_cell")
    return record(False, (module,), ("output", "h_n")), record(True, cells, ("output",))


LSTM_GATES = (("i",), ("f",), ("g", "c", "cc", "a", "ctilde", "z"), ("o",))
GRU_GATES = (("r",), ("z", "u"), ("n", "h", "hh", "c", "g", "htilde"))
RESET = "the reset gate multiplies h, before the matrix product (Cho et al. 2014; torch: the product)"

OPERATIONS = (
    *_recurrence("rnn", (), _rnn_patches, _rnn_known, _rnn_conventions, option("nonlinearity", "tanh", vary=("relu",))),
    *_recurrence("lstm", LSTM_GATES, _lstm_patches, _lstm_known, _lstm_conventions),
    *_recurrence("gru", GRU_GATES, _gru_patches, _gru_known, _gru_conventions, fixed={"reset_before": False}, elsewhere=(({"reset_before": True}, RESET),)),
)  # fmt: skip
