// RNN and LSTM: a weight is used at every time, so its gradient is the sum over the times of what it did there.
// a_t = weight_ih x_t + weight_hh h_(t-1) + bias; da_t = dL/da_t, the gradient at the gates, came back through time.

import { sum } from "./numbers.js";
import { throughTime } from "./recurrence.js";

const GATES = ["input gate", "forget gate", "candidate", "output gate"]; // of an LSTM

export function parameter(step, layer, name, [r, c]) {
  const part = name.match(/^(weight_ih|weight_hh|bias_ih|bias_hh)_l0$/)?.[1];
  const examples = recomputed(step, layer);
  if (examples.words) return examples;
  const factor = (example, t) => ({ weight_ih: example.x[t][c], weight_hh: example.before[t][c] })[part] ?? 1;
  const input = { weight_ih: `x_t[${c}]`, weight_hh: `h_t−1[${c}]` }[part];
  const groups = examples.map((example, n) => {
    const terms = example.da.map((da, t) => ({ cells: input ? [t, da[r], factor(example, t)] : [t], value: da[r] * factor(example, t) }));
    return { name: `example ${n}`, columns: input ? ["time t", `da_t[${r}]`, input] : ["time t"], terms, says: `from ${terms.length} times`, open: n === 0 };
  });
  const hidden = step.tensors[layer.y].shape[2];
  const all = step.tensors[layer.y].shape[axis(layer, "example")];
  return {
    headline: `dL/d${name}[${c === undefined ? r : `${r}, ${c}`}] = Σ_n Σ_t da_nt[${r}]${input ? ` · ${input}` : ""}; row ${r} is ${layer.kind === "LSTM" ? `the ${GATES[Math.floor(r / hidden)]} of ` : ""}unit ${r % hidden}`,
    gradient: "return",
    missing: groups.length < all ? `The terms of ${all - groups.length} of the ${all} examples are not recorded.` : "",
    groups,
  };
}

// dL/dx_td = sum_r da_t[r] weight_ih[r, d]
export function input(step, layer, index) {
  const examples = recomputed(step, layer);
  if (examples.words) return examples;
  const [n, t] = axis(layer, "example") === 0 ? index : [index[1], index[0]];
  if (!examples[n]) return { words: `Of the layer's examples the first ${examples.length} are recorded.` };
  const d = index[2];
  const weight = step.tensors[layer.parameters.weight_ih_l0.value];
  const terms = examples[n].da[t].map((da, r) => ({ cells: [r, da, weight.at([r, d])], value: da * weight.at([r, d]) }));
  return { headline: `dL/dx[${index.join(", ")}] = Σ_r da_t[r] · weight_ih_l0[r, ${d}], t = ${t}`, gradient: "return", groups: [{ name: `Σ over ${terms.length} rows of the gates`, columns: ["r", "da_t[r]", "weight_ih_l0"], terms }] };
}

const axis = (layer, name) => ((name === "example") === Boolean(layer.options.batch_first) ? 0 : 1);

// Each recorded example: [{x, before, da}, ...] by time; {words} where it cannot be computed once more.
function recomputed(step, layer) {
  const { num_layers: layers, bidirectional, proj_size: projected } = layer.options;
  if (!["LSTM", "RNN"].includes(layer.kind) || layers > 1 || bidirectional || projected) return { words: "The tab takes an RNN or an LSTM of one layer and one direction apart; for this one the formula is in the docstring." };
  const [x, y, dy] = [layer.x, layer.y, layer.dy].map((tag) => step.tensors[tag]);
  if (!dy) return { words: "Its output has no gradient: the network uses the last state alone, which is not recorded." };
  const [times, examples] = [axis(layer, "time"), axis(layer, "example")];
  const value = (name) => step.tensors[layer.parameters[name]?.value];
  const [ih, hh] = [value("weight_ih_l0"), value("weight_hh_l0")];
  if ([x, y].some((tensor) => !tensor.whole(times) || !tensor.whole(2)) || !ih.whole() || !hh.whole()) return { words: "Not all times and units of an example are recorded: it is too long or too wide." };
  const biases = ["bias_ih_l0", "bias_hh_l0"].map(value).filter(Boolean);
  const weights = { ih: (r, c) => ih.at([r, c]), hh: (r, c) => hh.at([r, c]), bias: (r) => sum(biases.map((bias) => bias.at([r]))) };
  const rows = (tensor, n) => Array.from({ length: tensor.kept[times] }, (_, t) => Array.from({ length: tensor.kept[2] }, (__, j) => tensor.at(times === 0 ? [t, n, j] : [n, t, j])));
  const found = [];
  for (let n = 0; n < Math.min(x.kept[examples], y.kept[examples]); n++) {
    const input = rows(x, n);
    const run = throughTime(layer.kind, layer.options.nonlinearity, input, rows(dy, n), weights, y.shape[2]);
    const apart = Math.max(...rows(y, n).flatMap((row, t) => row.map((each, j) => Math.abs(each - run.h[t][j]))));
    if (!(apart < 1e-4)) return { words: "The layer began with a state of its own, which is not recorded." };
    found.push({ ...run, x: input });
  }
  return found;
}
