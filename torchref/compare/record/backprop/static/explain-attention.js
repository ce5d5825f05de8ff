// Multi-head self-attention: every weight's gradient as a sum over the queries. With S = Q K^T / sqrt(d), P = softmax(S):
// a query's row of weight gets dQ_q x_q; a key's Q_q / sqrt(d) times sum_t dS_qt x_t; a value's dO_q times sum_t P_qt x_t.

import { selfAttention } from "./attention.js";

export function parameter(step, layer, name, [r, c]) {
  const examples = recomputed(step, layer);
  if (examples.words) return examples;
  const bias = name.endsWith("bias");
  const units = step.tensors[layer.y].shape[2];
  const part = name.startsWith("out_proj") ? "out" : ["query", "key", "value"][Math.floor(r / units)];
  const [columns, factors] = PARTS[part](r % units, bias ? null : c);
  const groups = examples.map((example, n) => {
    const terms = example.x.map((_, q) => {
      const [a, b] = factors(example, q);
      return { cells: [q, a, b], value: a * b };
    });
    return { name: `example ${n}`, columns: ["query q", ...columns], terms, says: `from ${terms.length} queries`, open: n === 0 };
  });
  const all = step.tensors[layer.y].shape[layer.options.batch_first ? 0 : 1];
  return {
    headline: `dL/d${name}[${bias ? r : `${r}, ${c}`}] = Σ_n Σ_q ${columns.join(" · ")}${part === "out" ? "" : `; row ${r} makes unit ${r % units} of the ${part === "query" ? "queries" : `${part}s`}`}`,
    gradient: name.startsWith("out_proj") ? "dout_proj_weight" : "dw",
    missing: groups.length < all ? `The terms of ${all - groups.length} of the ${all} examples are not recorded.` : "",
    groups,
  };
}

const weighted = (weights, rows, c) => weights.reduce((total, weight, t) => total + weight * (c === null ? 1 : rows[t][c]), 0);
const at = (row, c) => (c === null ? 1 : row[c]);
const x = (c, text) => (c === null ? text.replace(/ · x_.\[c\]| x_.\[c\]/, "") : text.replace("[c]", `[${c}]`));

// For each part, of row r and column c (null: the bias): the names of the two factors of a query's term, and the factors.
const PARTS = {
  query: (r, c) => [[`dQ_q[${r}]`, c === null ? "1" : `x_q[${c}]`], (e, q) => [e.dQ[q][r], at(e.x[q], c)]],
  key: (r, c) => [[`Q_q[${r}] / √d`, x(c, "Σ_t dS_qt x_t[c]")], (e, q) => [e.Q[q][r] / Math.sqrt(e.width), weighted(e.dS[Math.floor(r / e.width)][q], e.x, c)]],
  value: (r, c) => [[`dO_q[${r}]`, x(c, "Σ_t P_qt x_t[c]")], (e, q) => [e.dO[q][r], weighted(e.P[Math.floor(r / e.width)][q], e.x, c)]],
  out: (r, c) => [[`dy_q[${r}]`, c === null ? "1" : `O_q[${c}]`], (e, q) => [e.dy[q][r], at(e.O[q], c)]],
};

// Each recorded example computed once more; {words} where that does not give the recorded output.
function recomputed(step, layer) {
  const [input, y, dy] = [layer.x, layer.y, layer.dy].map((tag) => step.tensors[tag]);
  const value = (name) => step.tensors[layer.parameters[name]?.value];
  const [inWeight, outWeight, inBias, outBias] = ["in_proj_weight", "out_proj.weight", "in_proj_bias", "out_proj.bias"].map(value);
  const examples = layer.options.batch_first ? 0 : 1;
  if (!input || !dy || !inWeight || y.shape.length !== 3) return { words: "The tab takes self-attention of batches apart; for this one the formula is in the docstring." };
  if ([input, y].some((tensor) => !tensor.whole(1 - examples) || !tensor.whole(2)) || !inWeight.whole() || !outWeight.whole()) return { words: "Not all times and units of an example are recorded: it is too long or too wide." };
  const matrix = (tensor) => (r, c) => tensor.at([r, c]);
  const vector = (tensor) => (r) => (tensor ? tensor.at([r]) : 0);
  const weights = { inWeight: matrix(inWeight), outWeight: matrix(outWeight), inBias: vector(inBias), outBias: vector(outBias) };
  const rows = (tensor, n) => Array.from({ length: tensor.kept[1 - examples] }, (_, t) => Array.from({ length: tensor.kept[2] }, (__, j) => tensor.at(examples === 0 ? [n, t, j] : [t, n, j])));
  const found = [];
  for (let n = 0; n < y.kept[examples]; n++) {
    const [ours, gradient] = [rows(input, n), rows(dy, n)];
    const run = selfAttention(ours, gradient, weights, layer.options.num_heads);
    const apart = Math.max(...rows(y, n).flatMap((row, t) => row.map((each, j) => Math.abs(each - run.y[t][j]))));
    if (!(apart < 1e-4)) return { words: "It is no plain self-attention: keys and values come from elsewhere, or a mask or dropout stands between. The tab knows no sum for that." };
    found.push({ ...run, x: ours, dy: gradient });
  }
  return found;
}
