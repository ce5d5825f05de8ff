// An RNN or LSTM of one layer, computed once more from what is recorded: the gradient at the gates, time by time.

const sigmoid = (z) => 1 / (1 + Math.exp(-z));

// weight (rows x columns, as a function of two indices) times a vector.
function product(weight, rows, vector) {
  return Array.from({ length: rows }, (_, r) => vector.reduce((total, value, c) => total + weight(r, c) * value, 0));
}

// The transposed weight times a vector.
function transposed(weight, columns, vector) {
  return Array.from({ length: columns }, (_, c) => vector.reduce((total, value, r) => total + weight(r, c) * value, 0));
}

// kind: LSTM, or RNN with `nonlinearity`. x: [time][input], dy: [time][hidden], weights: {ih, hh: (r, c) -> number,
// bias: (r) -> number}. The states before the first time are zero. Returns {h, da}: [time][hidden], [time][gate].
export function throughTime(kind, nonlinearity, x, dy, weights, hidden) {
  const cell = kind === "LSTM" ? lstm : rnn(nonlinearity);
  const gates = kind === "LSTM" ? 4 * hidden : hidden;
  const steps = [];
  let state = { h: Array(hidden).fill(0), c: Array(hidden).fill(0) };
  for (const input of x) {
    const [fromInput, fromState] = [product(weights.ih, gates, input), product(weights.hh, gates, state.h)];
    const a = fromInput.map((each, r) => each + fromState[r] + weights.bias(r));
    const before = state;
    state = cell.forward(a, before, hidden);
    steps.push({ before, after: state });
  }
  const da = [];
  let [dh, dc] = [Array(hidden).fill(0), Array(hidden).fill(0)];
  for (let t = x.length - 1; t >= 0; t--) {
    const sent = cell.backward(dy[t].map((each, j) => each + dh[j]), dc, steps[t]);
    da[t] = sent.da;
    dc = sent.dc;
    dh = transposed(weights.hh, hidden, sent.da);
  }
  return { h: steps.map(({ after }) => after.h), before: steps.map(({ before }) => before.h), da };
}

const lstm = {
  // The gates i, f, g, o: c = f c_before + i g, h = o tanh(c).
  forward(a, { c: before }, hidden) {
    const gate = (k, f) => a.slice(k * hidden, (k + 1) * hidden).map(f);
    const [i, f, g, o] = [gate(0, sigmoid), gate(1, sigmoid), gate(2, Math.tanh), gate(3, sigmoid)];
    const c = before.map((each, j) => f[j] * each + i[j] * g[j]);
    return { i, f, g, o, c, h: c.map((each, j) => o[j] * Math.tanh(each)) };
  },
  backward(dh, dcLater, { before, after: { i, f, g, o, c } }) {
    const dc = dh.map((each, j) => dcLater[j] + each * o[j] * (1 - Math.tanh(c[j]) ** 2));
    const da = [
      ...dc.map((each, j) => each * g[j] * i[j] * (1 - i[j])),
      ...dc.map((each, j) => each * before.c[j] * f[j] * (1 - f[j])),
      ...dc.map((each, j) => each * i[j] * (1 - g[j] ** 2)),
      ...dh.map((each, j) => each * Math.tanh(c[j]) * o[j] * (1 - o[j])),
    ];
    return { da, dc: dc.map((each, j) => each * f[j]) };
  },
};

const rnn = (nonlinearity) => ({
  forward: (a) => ({ h: a.map(nonlinearity === "relu" ? (z) => Math.max(z, 0) : Math.tanh), c: [] }),
  backward: (dh, _, { after: { h } }) => ({ da: dh.map((each, j) => each * (nonlinearity === "relu" ? Number(h[j] > 0) : 1 - h[j] ** 2)), dc: [] }),
});
