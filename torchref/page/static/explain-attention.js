// Multi-head attention: every weight's gradient as a sum over the queries. With S = Q K^T / sqrt(d) + mask and
// P = softmax(S), after dropout where there is one: a query's row of weight gets dQ_q x_q; a key's Q_q / sqrt(d) times sum_s dS_qs x_s; a value's dO_q
// times sum_s P_qs x_s. Queries, keys and values are made of one sequence, or keys and values of another.

import { attend } from "./attention.js";

const PARTS = ["query", "key", "value"];
const GRADIENT = { query: "dQ", key: "dK", value: "dV" };

export function parameter(step, layer, name, index) {
  const examples = recomputed(step, layer);
  if (examples.words) return examples;
  const { says, terms, row } = name.startsWith("bias_") ? added(layer, name, index.at(-1)) : projected(step, layer, name, index);
  const groups = examples.map((example, n) => {
    const found = terms(example);
    return { name: `example ${n}`, columns: says, terms: found, says: `from ${found.length} queries`, open: n === 0 };
  });
  const all = step.tensors[layer.y].shape[layer.options.batch_first ? 0 : 1];
  return {
    headline: `dL/d${name}[${index.join(", ")}] = Σ_n Σ_q ${says.slice(1).join(" · ")}${row}`,
    gradient: name.startsWith("out_proj") ? "dout_proj_weight" : "dw",
    missing: groups.length < all ? `The terms of ${all - groups.length} of the ${all} examples are not recorded.` : "",
    groups,
  };
}

// A projection's weight, or its bias (no column).
function projected(step, layer, name, [row, column]) {
  const units = step.tensors[layer.y].shape[2];
  const part = name.startsWith("out_proj") ? "out" : (PARTS.find((each) => name === `${each[0]}_proj_weight`) ?? PARTS[Math.floor(row / units)]);
  const r = row % units;
  const [says, factors] = FACTORS[part](r, name.endsWith("bias") ? null : column);
  const terms = (example) => example.query.map((_, q) => {
    const [a, b] = factors(example, q);
    return { cells: [q, a, b], value: a * b };
  });
  return { says: ["query q", ...says], terms, row: part === "out" ? "" : `; row ${row} makes unit ${r} of the ${part === "query" ? "queries" : `${part}s`}` };
}

// bias_k or bias_v: one more key, or value, of every sequence.
function added(layer, name, r) {
  const key = name === "bias_k";
  const terms = (example) => {
    const s = example.key.length; // it stands behind the sequence's own
    const h = Math.floor(r / example.width);
    return example.query.map((_, q) => {
      const [a, b] = key ? [example.dS[h][q][s], example.Q[q][r] / Math.sqrt(example.width)] : [example.P[h][q][s], example.dO[q][r]];
      return { cells: [q, a, b], value: a * b };
    });
  };
  return { says: key ? ["query q", "dS_qs", `Q_q[${r}] / √d`] : ["query q", "P_qs", `dO_q[${r}]`], terms, row: `; s is the ${key ? "key" : "value"} that is added to every sequence` };
}

const weighted = (weights, rows, c) => rows.reduce((total, row, s) => total + weights[s] * (c === null ? 1 : row[c]), 0);
const at = (row, c) => (c === null ? 1 : row[c]);
const over = (text, c) => `Σ_s ${text}${c === null ? "" : ` x_s[${c}]`}`;

// For each part, of row r and column c (null: the bias): the names of the two factors of a query's term, and the factors.
const FACTORS = {
  query: (r, c) => [[`dQ_q[${r}]`, c === null ? "1" : `x_q[${c}]`], (e, q) => [e.dQ[q][r], at(e.query[q], c)]],
  key: (r, c) => [[`Q_q[${r}] / √d`, over("dS_qs", c)], (e, q) => [e.Q[q][r] / Math.sqrt(e.width), weighted(e.dS[Math.floor(r / e.width)][q], e.key, c)]],
  value: (r, c) => [[`dO_q[${r}]`, over("P_qs", c)], (e, q) => [e.dO[q][r], weighted(e.P[Math.floor(r / e.width)][q], e.value, c)]],
  out: (r, c) => [[`dy_q[${r}]`, c === null ? "1" : `O_q[${c}]`], (e, q) => [e.dy[q][r], at(e.O[q], c)]],
};

// dL/dx_tc = sum_r dQ_t[r] W_rc of the queries, and the same of the keys and values, for those that are made of x.
export function input(step, layer, index, tag = layer.from ?? layer.x) {
  const examples = recomputed(step, layer);
  if (examples.words) return examples;
  const [n, t] = layer.options.batch_first ? index : [index[1], index[0]];
  if (!examples[n]) return { words: `Of the layer's examples the first ${examples.length} are recorded.` };
  const c = index[2];
  const made = sources(layer);
  const groups = PARTS.filter((part) => made[part] === tag).map((part) => {
    const { weight } = projection(step, layer, part);
    const terms = examples[n][GRADIENT[part]][t].map((each, r) => ({ cells: [r, each, weight(r, c)], value: each * weight(r, c) }));
    return { name: `as a ${part}: Σ_r d${part[0].toUpperCase()}_t[r] · W_${part}[r, ${c}]`, columns: ["r", `${GRADIENT[part]}_t[r]`, `W_${part}`], terms };
  });
  return { headline: `dL/dx[${index.join(", ")}]: as ${groups.length === 3 ? "query, key and value" : groups.length === 2 ? "key and value" : "query"}, t = ${t}`, gradient: "dinputs", groups };
}

// The tags of the arrays that queries, keys and values are made of.
function sources(layer) {
  const query = layer.from ?? layer.x;
  const key = layer.also?.key ? (layer.takes.key ?? layer.also.key) : query;
  const value = layer.also?.value ? (layer.takes.value ?? layer.also.value) : key;
  return { query, key, value };
}

// y_q[r] = sum_c O_q[c] W_out[r, c] + bias
export function output(step, layer, index) {
  const examples = recomputed(step, layer);
  if (examples.words) return examples;
  const [n, q] = layer.options.batch_first ? index : [index[1], index[0]];
  if (!examples[n]) return { words: `Of the layer's examples the first ${examples.length} are recorded.` };
  const { weight, bias } = projection(step, layer, "out");
  const r = index[2];
  const terms = examples[n].O[q].map((each, c) => ({ cells: [c, each, weight(r, c)], value: each * weight(r, c) }));
  terms.push({ cells: ["bias", "", ""], value: bias(r) });
  return { headline: `y[${index.join(", ")}] = Σ_c O_q[c] · W_out[${r}, c] + bias[${r}], O_q = Σ_s P_qs V_s, q = ${q}`, groups: [{ name: `Σ over ${terms.length - 1} units of the heads and the bias`, columns: ["c", "O_q[c]", "W_out"], terms }] };
}

// One of the four projections: {weight, bias}.
function projection(step, layer, part) {
  const value = (name) => step.tensors[layer.parameters[name]?.value];
  const units = step.tensors[layer.y].shape[2];
  const first = part === "out" ? 0 : PARTS.indexOf(part) * units;
  const own = value(`${part[0]}_proj_weight`);
  const [weight, bias] = part === "out" ? [value("out_proj.weight"), value("out_proj.bias")] : [own ?? value("in_proj_weight"), value("in_proj_bias")];
  return { weight: (r, c) => weight.at([own && part !== "out" ? r : first + r, c]), bias: (r) => bias?.at([first + r]) ?? 0 };
}

// Each recorded example computed once more; {words} where that does not give the recorded output.
const seen = new WeakMap(); // step -> {turn: examples}: opening entry after entry computes it once

function recomputed(step, layer) {
  if (!seen.has(step)) seen.set(step, {});
  return (seen.get(step)[layer.turn] ??= computed(step, layer));
}

function computed(step, layer) {
  const [x, y, dy] = [layer.x, layer.y, layer.dy].map((tag) => step.tensors[tag]);
  const also = (name) => step.tensors[layer.also?.[name]];
  const key = also("key") ?? x;
  const value = also("value") ?? key;
  const examples = layer.options.batch_first ? 0 : 1;
  if (!x || y.shape.length !== 3) return { words: "The tab takes attention of whole batches apart; for this one the formula is in the docstring." };
  if (!dy || also("doutput 0")) return { words: "The network uses the attention's weights, too: the tab knows no sum for that." };
  const own = Object.values(layer.parameters).map((tags) => step.tensors[tags.value]);
  if ([x, y, key, value].some((tensor) => !tensor.whole(1 - examples) || !tensor.whole(2)) || own.some((weight) => !weight.whole())) return { words: "Not all times and units of an example are recorded: it is too long or too wide." };
  const weights = Object.fromEntries([...PARTS, "out"].map((part) => [part, projection(step, layer, part)]));
  const rows = (tensor, n) => Array.from({ length: tensor.kept[1 - examples] }, (_, t) => Array.from({ length: tensor.kept[2] }, (__, j) => tensor.at(examples === 0 ? [n, t, j] : [t, n, j])));
  const heads = layer.options.num_heads;
  const found = [];
  const drawn = also("draw 0") ? Math.floor(also("draw 0").kept[0] / (also("draw 0").shape.length === 3 ? heads : 1)) : Infinity;
  for (let n = 0; n < Math.min(drawn, ...[x, y, key, value].map((tensor) => tensor.kept[examples])); n++) {
    const run = attend(rows(x, n), rows(key, n), rows(value, n), rows(dy, n), weights, heads, mask(also, heads, n), dropped(also, layer.options, n), extra(step, layer, y.shape[2]));
    const apart = Math.max(...rows(y, n).flatMap((row, t) => row.map((each, j) => Math.abs(each - run.y[t][j]))));
    if (!(apart < 1e-4)) return { words: "A mask that is too large to be recorded stands between its scores and its weights." };
    found.push(run);
  }
  return found;
}

// What is added to a score: 0, -inf where a key is hidden, or the number of the mask.
function mask(also, heads, n) {
  const [padding, scores] = [also("key_padding_mask"), also("attn_mask")];
  const added = (tensor, index) => {
    if (!tensor) return 0;
    const value = tensor.at(index);
    return tensor.said.dtype === "bool" ? (value ? -Infinity : 0) : value;
  };
  return (h, q, s) => added(padding, [n, s]) + added(scores, scores?.shape.length === 3 ? [n * heads + h, q, s] : [q, s]);
}

// What dropout multiplies a weight by: 0, or 1 / (1 - p). It is drawn for (N heads, L, S), or for (N, heads, L, S).
function dropped(also, { dropout, training, num_heads: heads }, n) {
  const draw = also("draw 0");
  if (!draw) return () => (training && dropout === 1 ? 0 : 1);
  return (h, q, s) => draw.at(draw.shape.length === 3 ? [n * heads + h, q, s] : [n, h, q, s]) / (1 - dropout);
}

// The keys and values that every sequence has besides its own.
function extra(step, layer, units) {
  const found = [];
  const row = (name) => Array.from({ length: units }, (_, j) => step.tensors[layer.parameters[name].value].at([0, 0, j]));
  if (layer.parameters.bias_k) found.push([row("bias_k"), row("bias_v")]);
  if (layer.options.add_zero_attn) found.push([Array(units).fill(0), Array(units).fill(0)]);
  return found;
}
