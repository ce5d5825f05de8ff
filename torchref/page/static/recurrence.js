// An RNN, LSTM or GRU, computed once more from what is recorded: layer by layer, each direction by itself, and the
// gradient at the gates, time by time.

const sigmoid = (z) => 1 / (1 + Math.exp(-z));
export const zeros = (n) => Array(n).fill(0);
const plus = (a, b) => a.map((each, i) => each + b[i]);

// weight (rows x columns, as a function of two indices) times a vector.
function product(weight, rows, vector) {
  return Array.from({ length: rows }, (_, r) => vector.reduce((total, value, c) => total + weight(r, c) * value, 0));
}

// The transposed weight times a vector.
function transposed(weight, columns, vector) {
  return Array.from({ length: columns }, (_, c) => vector.reduce((total, value, r) => total + weight(r, c) * value, 0));
}

// One example through all layers. kind: LSTM, GRU, or RNN with `nonlinearity`; x: [time][input]; dy: [time][output];
// weights: [layer][direction] -> {ih, hh, hr: (r, c) -> number, biasIh, biasHh: (r) -> number}, hr null but for an LSTM
// with projections; states, dstates: [layer][direction] -> {h, c}: the first states, the gradients of the last;
// kept(layer, time, unit) -> number, what dropout multiplies by what a layer hands to the next.
// Returns [layer][direction] -> {x, dx, before, h, m, ih, hh, dh}, each by time: the input and its gradient; the state
// before and after, and in front of a projection; the gradients at the gates as weight_ih, and as weight_hh, meets
// them; that of the state after.
export function recurrence(kind, nonlinearity, x, dy, weights, states, dstates, kept, hidden) {
  const cell = { LSTM: lstm, GRU: gru, RNN: rnn(nonlinearity) }[kind];
  const turned = (rows, direction) => (direction ? [...rows].reverse() : rows);
  const layers = [];
  let rows = x;
  for (const [l, directions] of weights.entries()) {
    layers.push(directions.map((weight, d) => forward(cell, turned(rows, d), weight, states[l][d], hidden)));
    const found = layers[l].map((run, d) => turned(run.h, d));
    rows = rows.map((_, t) => found.flatMap((h) => h[t]).map((each, j) => each * kept(l, t, j)));
  }
  let gradient = dy;
  for (let l = weights.length - 1; l >= 0; l--) {
    const width = layers[l][0].h[0].length;
    const sent = layers[l].map((run, d) => {
      const own = turned(gradient.map((row) => row.slice(d * width, (d + 1) * width)), d);
      backward(cell, run, own, weights[l][d], dstates[l][d]);
      for (const name of ["x", "dx", "before", "h", "m", "ih", "hh", "dh", "steps"]) run[name] = turned(run[name], d);
      return run.dx;
    });
    const sum = sent[0].map((row, t) => (sent.length > 1 ? plus(row, sent[1][t]) : row));
    gradient = l > 0 ? sum.map((row, t) => row.map((each, j) => each * kept(l - 1, t, j))) : sum; // back through dropout
  }
  return layers;
}

function forward(cell, x, weight, first, hidden) {
  const run = { x, before: [], h: [], m: [], steps: [] };
  let state = first;
  for (const input of x) {
    const rows = cell.gates * hidden;
    const fromInput = product(weight.ih, rows, input).map((each, r) => each + weight.biasIh(r));
    const fromState = product(weight.hh, rows, state.h).map((each, r) => each + weight.biasHh(r));
    const step = cell.forward(fromInput, fromState, state, hidden);
    const h = weight.hr ? product(weight.hr, state.h.length, step.m) : step.m;
    run.before.push(state.h);
    run.steps.push(step);
    run.m.push(step.m);
    run.h.push(h);
    state = { h, c: step.c };
  }
  return run;
}

function backward(cell, run, dy, weight, last) {
  Object.assign(run, { dx: [], ih: [], hh: [], dh: [] });
  let [dh, dc] = [last.h, last.c];
  for (let t = dy.length - 1; t >= 0; t--) {
    run.dh[t] = plus(dy[t], dh);
    const dm = weight.hr ? transposed(weight.hr, run.m[t].length, run.dh[t]) : run.dh[t];
    const sent = cell.backward(dm, dc, run.steps[t]);
    [run.ih[t], run.hh[t], dc] = [sent.ih, sent.hh, sent.dc];
    run.dx[t] = transposed(weight.ih, run.x[t].length, sent.ih);
    dh = transposed(weight.hh, run.before[t].length, sent.hh);
    if (sent.dh) dh = plus(dh, sent.dh);
  }
}

// A cell. forward(from the input, from the state, the state before) -> {m, c, ...}: what the state is made of, and what
// the backward needs; backward(dm, dc, step) -> {ih, hh, dc, dh}: at the gates, and directly to the state before.

const lstm = {
  gates: 4, // i, f, g, o: c = f c_before + i g, h = o tanh(c)
  forward(fromInput, fromState, before, hidden) {
    const a = plus(fromInput, fromState);
    const gate = (k, f) => a.slice(k * hidden, (k + 1) * hidden).map(f);
    const [i, f, g, o] = [gate(0, sigmoid), gate(1, sigmoid), gate(2, Math.tanh), gate(3, sigmoid)];
    const c = before.c.map((each, j) => f[j] * each + i[j] * g[j]);
    return { i, f, g, o, c, before: before.c, m: c.map((each, j) => o[j] * Math.tanh(each)) };
  },
  backward(dh, dcLater, { before, i, f, g, o, c }) {
    const dc = dh.map((each, j) => dcLater[j] + each * o[j] * (1 - Math.tanh(c[j]) ** 2));
    const da = [
      ...dc.map((each, j) => each * g[j] * i[j] * (1 - i[j])),
      ...dc.map((each, j) => each * before[j] * f[j] * (1 - f[j])),
      ...dc.map((each, j) => each * i[j] * (1 - g[j] ** 2)),
      ...dh.map((each, j) => each * Math.tanh(c[j]) * o[j] * (1 - o[j])),
    ];
    return { ih: da, hh: da, dc: dc.map((each, j) => each * f[j]) };
  },
};

const gru = {
  gates: 3, // r, z, n: n = tanh(from the input + r (from the state)), h = (1 - z) n + z h_before
  forward(fromInput, fromState, before, hidden) {
    const part = (rows, k) => rows.slice(k * hidden, (k + 1) * hidden);
    const [r, z] = [0, 1].map((k) => plus(part(fromInput, k), part(fromState, k)).map(sigmoid));
    const inner = part(fromState, 2);
    const n = part(fromInput, 2).map((each, j) => Math.tanh(each + r[j] * inner[j]));
    return { r, z, n, inner, before: before.h, c: [], m: n.map((each, j) => (1 - z[j]) * each + z[j] * before.h[j]) };
  },
  backward(dh, _, { r, z, n, inner, before }) {
    const dn = dh.map((each, j) => each * (1 - z[j]) * (1 - n[j] ** 2));
    const dz = dh.map((each, j) => each * (before[j] - n[j]) * z[j] * (1 - z[j]));
    const dr = dn.map((each, j) => each * inner[j] * r[j] * (1 - r[j]));
    return { ih: [...dr, ...dz, ...dn], hh: [...dr, ...dz, ...dn.map((each, j) => each * r[j])], dc: [], dh: dh.map((each, j) => each * z[j]) };
  },
};

const rnn = (nonlinearity) => ({
  gates: 1,
  forward(fromInput, fromState) {
    const a = plus(fromInput, fromState);
    return { a, c: [], m: a.map(nonlinearity === "relu" ? (z) => Math.max(z, 0) : Math.tanh) };
  },
  backward(dh, _, { m }) {
    const da = dh.map((each, j) => each * (nonlinearity === "relu" ? Number(m[j] > 0) : 1 - m[j] ** 2));
    return { ih: da, hh: da, dc: [] };
  },
});

