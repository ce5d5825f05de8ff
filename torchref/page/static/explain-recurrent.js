// RNN, LSTM, GRU: a weight is used at every time, so its gradient is the sum over the times of what it did there.
// a_t = weight_ih x_t + bias_ih + weight_hh h_before + bias_hh; da_t = dL/da_t, the gradient at the gates, came back
// through time. Each layer and direction has weights of its own; h_before is the state one time earlier in the
// direction of reading.

import { recurrence, zeros } from "./recurrence.js";

const GATES = { LSTM: ["input gate", "forget gate", "candidate", "output gate"], GRU: ["reset gate", "update gate", "candidate"], RNN: ["state"] };
const NAME = /^(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l(\d+)(_reverse)?$/;

export function parameter(step, layer, name, [r, c]) {
  const examples = recomputed(step, layer);
  if (examples.words) return examples;
  const [, part, l, reverse] = name.match(NAME);
  const { says, factors } = part === "weight_hr" ? projection(r, c) : gates(layer, part, r, c);
  const groups = examples.map((example, n) => {
    const run = example[Number(l)][reverse ? 1 : 0];
    const terms = run.x.map((_, t) => {
      const [left, right] = factors(run, t);
      return { cells: right === null ? [t] : [t, left, right], value: left * (right ?? 1) };
    });
    return { name: `example ${n}`, columns: says.columns, terms, says: `from ${terms.length} times`, open: n === 0 };
  });
  const all = step.tensors[layer.y].shape[axis(layer, "example")];
  const where = `${layer.options.num_layers > 1 ? `, layer ${l}` : ""}${layer.options.bidirectional ? `, read ${reverse ? "backwards" : "forwards"}` : ""}`;
  return {
    headline: `dL/d${name}[${c === undefined ? r : `${r}, ${c}`}] = Σ_n Σ_t ${says.columns.slice(1).join(" · ") || says.one}; ${says.row}${where}`,
    gradient: "return",
    missing: groups.length < all ? `The terms of ${all - groups.length} of the ${all} examples are not recorded.` : "",
    groups,
  };
}

// A row of the gates: what came back there, times what the weight met.
function gates(layer, part, r, c) {
  const hidden = layer.options.hidden_size;
  const [of, gate] = [part.endsWith("ih") ? "ih" : "hh", GATES[layer.kind][Math.floor(r / hidden)]];
  const inner = layer.kind === "GRU" && of === "hh" && r >= 2 * hidden; // behind the reset gate
  const da = inner ? `(da_t · reset)[${r}]` : `da_t[${r}]`;
  const met = { weight_ih: `x_t[${c}]`, weight_hh: `h_before[${c}]` }[part];
  return {
    says: { columns: met ? ["time t", da, met] : ["time t"], one: da, row: `row ${r} is the ${gate} of unit ${r % hidden}` },
    factors: (run, t) => [run[of][t][r], { weight_ih: run.x[t][c], weight_hh: run.before[t][c] }[part] ?? null],
  };
}

// h_t = weight_hr m_t, of an LSTM with projections.
function projection(r, c) {
  return {
    says: { columns: ["time t", `dh_t[${r}]`, `m_t[${c}]`], row: `it makes unit ${r} of the state` },
    factors: (run, t) => [run.dh[t][r], run.m[t][c]],
  };
}

// dL/dx_td = sum_r da_t[r] weight_ih[r, d], in each direction
export function input(step, layer, index) {
  const examples = recomputed(step, layer);
  if (examples.words) return examples;
  const [n, t] = axis(layer, "example") === 0 ? index : [index[1], index[0]];
  if (!examples[n]) return { words: `Of the layer's examples the first ${examples.length} are recorded.` };
  const d = index[2];
  const groups = examples[n][0].map((run, direction) => {
    const name = `weight_ih_l0${direction ? "_reverse" : ""}`;
    const weight = step.tensors[layer.parameters[name].value];
    const terms = run.ih[t].map((da, r) => ({ cells: [r, da, weight.at([r, d])], value: da * weight.at([r, d]) }));
    return { name: `Σ over ${terms.length} rows of the gates${direction ? ", read backwards" : ""}`, columns: ["r", "da_t[r]", name], terms };
  });
  return { headline: `dL/dx[${index.join(", ")}] = Σ_r da_t[r] · weight_ih_l0[r, ${d}], t = ${t}`, gradient: "return", groups };
}

// The state, from what the cell made it of.
export function output(step, layer, index) {
  const examples = recomputed(step, layer);
  if (examples.words) return examples;
  const [n, t] = axis(layer, "example") === 0 ? index : [index[1], index[0]];
  if (!examples[n]) return { words: `Of the layer's examples the first ${examples.length} are recorded.` };
  const runs = examples[n].at(-1);
  const width = runs[0].h[t].length;
  const [run, j] = [runs[Math.floor(index[2] / width)], index[2] % width];
  const made = run.steps[t];
  const product = (left, right, a, b) => ({ cells: [left, a, right, b], value: a * b });
  const columns = ["", "value", "", "value"];
  if (layer.options.proj_size) {
    const weight = step.tensors[layer.parameters[`weight_hr_l${layer.options.num_layers - 1}${runs.indexOf(run) ? "_reverse" : ""}`].value];
    const terms = made.m.map((each, i) => product(`m_t[${i}]`, `weight_hr[${j}, ${i}]`, each, weight.at([j, i])));
    return { headline: `y[${index.join(", ")}] = Σ_i weight_hr[${j}, i] · m_t[i], m_t = o_t tanh(c_t)`, groups: [{ name: `Σ over ${terms.length} units`, columns, terms }] };
  }
  const says = { LSTM: "o_t · tanh(c_t)", GRU: "(1 − z_t) · n_t + z_t · h_before", RNN: `${layer.options.nonlinearity}(a_t)` }[layer.kind];
  const terms = {
    LSTM: () => [product("o_t", "tanh(c_t)", made.o[j], Math.tanh(made.c[j]))],
    GRU: () => [product("1 − z_t", "n_t", 1 - made.z[j], made.n[j]), product("z_t", "h_before", made.z[j], run.before[t][j])],
    RNN: () => [{ cells: ["a_t", made.a[j], says, made.m[j]], value: made.m[j] }],
  }[layer.kind]();
  return { headline: `y[${index.join(", ")}] = ${says}, t = ${t}`, groups: [{ name: says, columns, terms }] };
}

const axis = (layer, name) => ((name === "example") === Boolean(layer.options.batch_first) ? 0 : 1);

// Each recorded example once more: [layer][direction] -> run, by time; {words} where it cannot be computed.
const seen = new WeakMap(); // step -> {turn: examples}: opening entry after entry computes it once

function recomputed(step, layer) {
  if (!seen.has(step)) seen.set(step, {});
  return (seen.get(step)[layer.turn] ??= computed(step, layer));
}

function computed(step, layer) {
  const { num_layers: count, bidirectional, hidden_size: hidden, proj_size: projected, nonlinearity } = layer.options;
  const [x, y, dy] = [layer.x, layer.y, layer.dy].map((tag) => step.tensors[tag]);
  const [times, examples] = [axis(layer, "time"), axis(layer, "example")];
  const also = (name) => step.tensors[layer.also?.[name]];
  if (!x || y.shape.length !== 3) return { words: "The tab takes recurrences of whole batches apart; for this one the formula is in the docstring." };
  const directions = bidirectional ? 2 : 1;
  const own = Object.values(layer.parameters).map((tags) => step.tensors[tags.value]);
  if ([x, y].some((tensor) => !tensor.whole(times) || !tensor.whole(2)) || own.some((weight) => !weight.whole())) return { words: "Not all times and units of an example are recorded: it is too long or too wide." };
  const weights = Array.from({ length: count }, (_, l) => Array.from({ length: directions }, (__, d) => weightsOf(step, layer, `_l${l}${d ? "_reverse" : ""}`)));
  const width = projected || hidden;
  const state = (name, size, l, d, n) => also(name) ? Array.from({ length: size }, (_, j) => also(name).at([l * directions + d, n, j])) : zeros(size);
  const both = (h, c, n) => weights.map((each, l) => each.map((_, d) => ({ h: state(h, width, l, d, n), c: layer.kind === "LSTM" ? state(c, hidden, l, d, n) : [] })));
  const rows = (tensor, n) => Array.from({ length: tensor.kept[times] }, (_, t) => Array.from({ length: tensor.kept[2] }, (__, j) => tensor.at(times === 0 ? [t, n, j] : [n, t, j])));
  const [first, last] = layer.kind === "LSTM" ? [["hx 0", "hx 1"], ["doutput 0 0", "doutput 0 1"]] : [["hx", ""], ["doutput 0", ""]];
  if (!dy && !last.some(also)) return { words: "No gradient comes back to this layer." };
  const found = [];
  const drawn = also("draw 0")?.kept[1] ?? Infinity;
  for (let n = 0; n < Math.min(drawn, x.kept[examples], y.kept[examples]); n++) {
    const outputs = rows(y, n);
    const given = dy ? rows(dy, n) : outputs.map((row) => zeros(row.length));
    const run = recurrence(layer.kind, nonlinearity, rows(x, n), given, weights, both(...first, n), both(...last, n), kept(also, layer.options, n), hidden);
    const made = outputs.map((_, t) => run.at(-1).flatMap((each) => each.h[t]));
    const apart = Math.max(...outputs.flatMap((row, t) => row.map((each, j) => Math.abs(each - made[t][j]))));
    if (!(apart < 1e-4)) return { words: "What it computed cannot be made from what is recorded." };
    found.push(run);
  }
  return found;
}

// What dropout multiplies by what a layer hands to the next: 0, or 1 / (1 - p), drawn for (T, N, H) of each layer.
function kept(also, { dropout, training, num_layers: count }, n) {
  if (!dropout || !training) return () => 1;
  if (dropout === 1) return (l) => Number(l === count - 1);
  return (l, t, j) => (l === count - 1 ? 1 : also(`draw ${l}`).at([t, n, j]) / (1 - dropout));
}

function weightsOf(step, layer, suffix) {
  const value = (name) => step.tensors[layer.parameters[`${name}${suffix}`]?.value];
  const matrix = (name) => (r, c) => value(name).at([r, c]);
  const vector = (name) => (r) => value(name)?.at([r]) ?? 0;
  return { ih: matrix("weight_ih"), hh: matrix("weight_hh"), hr: value("weight_hr") ? matrix("weight_hr") : null, biasIh: vector("bias_ih"), biasHh: vector("bias_hh") };
}
