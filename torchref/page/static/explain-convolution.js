// Convolutions, and transposed ones, in one to three dimensions. A window p of the large side looks, with offset k, at
// i = p stride + k dilation - padding. A convolution reads there (y_nop = sum_ck weight_ock x_nci); a transposed one
// writes there (y_noi = sum_ck weight_cok x_ncp).

import { indices } from "./data.js";
import { sum } from "./numbers.js";

// How the windows lie: the options of each spatial dimension; `edge` says what a place outside stands for.
function geometry(layer, weight) {
  const dimensions = weight.shape.length - 2;
  const each = (value) => (Array.isArray(value) ? value : Array(dimensions).fill(value));
  const { stride, dilation, groups, padding_mode: edge } = layer.options;
  let { padding } = layer.options;
  if (padding === "valid") padding = 0;
  const spread = each(dilation);
  if (padding === "same") padding = spread.map((d, i) => Math.floor((d * (weight.shape[i + 2] - 1)) / 2));
  return { stride: each(stride), dilation: spread, padding: each(padding), groups, edge: edge ?? "zeros" };
}

// Where window p looks with offset k, in each dimension; null where it looks at a zero outside.
function place(g, p, k, size) {
  const at = p.map((each, d) => inside(g.edge, each * g.stride[d] + k[d] * g.dilation[d] - g.padding[d], size[d]));
  return at.includes(null) ? null : at;
}

function inside(edge, i, size) {
  if (i >= 0 && i < size) return i;
  if (edge === "circular") return ((i % size) + size) % size;
  if (edge === "replicate") return i < 0 ? 0 : size - 1;
  if (edge === "reflect") return i < 0 ? -i : 2 * (size - 1) - i;
  return null;
}

// Each [p, k] with which a window looks at place i.
function* windows(g, i, size, positions, kernel) {
  const along = i.map((each, d) => {
    const found = [];
    for (let p = 0; p < positions[d]; p++)
      for (let k = 0; k < kernel[d]; k++) if (inside(g.edge, p * g.stride[d] + k * g.dilation[d] - g.padding[d], size[d]) === each) found.push([p, k]);
    return found;
  });
  for (const chosen of indices(along.map((found) => found.length))) {
    const pairs = chosen.map((each, d) => along[d][each]);
    yield [pairs.map(([p]) => p), pairs.map(([, k]) => k)];
  }
}

const transposed = (layer) => layer.kind.startsWith("ConvTranspose");

// The large side, which windows look at, and the small side, which has one entry a window; of the input, or its gradient.
function sides(step, layer) {
  const [x, y, dy] = [layer.x, layer.y, layer.dy].map((tag) => step.tensors[tag]);
  const weight = step.tensors[layer.parameters.weight.value];
  return { x, y, dy, weight, g: geometry(layer, weight) };
}

const cut = (tensor, axes) => axes.some((axis) => tensor.kept[axis] < tensor.shape[axis]);
const spatial = (tensor) => tensor.shape.map((_, axis) => axis).slice(2);

// dL/dweight = sum over the examples and their windows of what the window looks at times its own entry: of dy and x for
// a convolution, of x and dy for a transposed one. dL/dbias_o = sum_np dy_nop.
export function parameter(step, layer, name, index) {
  const { x, dy, weight, g } = sides(step, layer);
  if (name === "bias") return bias(dy, index);
  const back = transposed(layer);
  const [first, second, ...k] = index;
  const [small, large] = back ? [x, dy] : [dy, x];
  const perGroup = weight.shape[0] / g.groups;
  const c = Math.floor(first / perGroup) * weight.shape[1] + second; // of the large side
  if (first >= small.kept[1] || c >= large.kept[1]) return { words: `Channel ${first >= small.kept[1] ? first : c} of the input or the output is not recorded.` };
  const [own, there] = back ? ["x", "dy"] : ["dy", "x"];
  const groups = [];
  for (let n = 0; n < dy.kept[0]; n++) {
    const terms = [];
    for (const p of indices(small.kept.slice(2))) {
      const at = place(g, p, k, large.shape.slice(2));
      if (!at || !large.has([n, c, ...at])) continue;
      const [a, b] = [small.at([n, first, ...p]), large.at([n, c, ...at])];
      terms.push({ cells: [`[${p}]`, `[${at}]`, a, b], value: a * b });
    }
    groups.push({ name: `example ${n}`, columns: ["window p", `looks at ${there}`, `${own}[${n}, ${first}, p]`, `${there} there`], terms, says: `from ${terms.length} windows`, open: false });
  }
  return {
    headline: `dL/dweight[${index.join(", ")}] = Σ_n Σ_p ${own}[n, ${first}, p] · ${there}[n, ${c}, p·stride + k·dilation − padding]`,
    missing: missing(dy, cut(small, [0, ...spatial(small)]) || cut(large, spatial(large))),
    groups: largestFirst(groups),
  };
}

function bias(dy, [o]) {
  if (o >= dy.kept[1]) return { words: `Channel ${o} of the output is not recorded.` };
  const groups = [];
  for (let n = 0; n < dy.kept[0]; n++) {
    const terms = [...indices(dy.kept.slice(2))].map((p) => ({ cells: [`[${p}]`], value: dy.at([n, o, ...p]) }));
    groups.push({ name: `example ${n}`, columns: ["position p"], terms, says: `from ${terms.length} positions`, open: false });
  }
  return { headline: `dL/dbias[${o}] = Σ_n Σ_p dy[n, ${o}, p]`, missing: missing(dy, cut(dy, [0, ...spatial(dy)])), groups: largestFirst(groups) };
}

const missing = (dy, some) => (some ? `Of the ${dy.shape[0]} examples ${dy.kept[0]} are recorded, and of their positions ${dy.kept.slice(2).join(" × ")}.` : "");

function largestFirst(groups) {
  const size = (group) => Math.abs(sum(group.terms.map((term) => term.value)));
  groups.sort((a, b) => size(b) - size(a));
  groups[0].open = true;
  return groups;
}

// The sum over the channels, and over the windows that look at one place: what a convolution sends back, and what a
// transposed one makes. `values` is the small side, (n, channel, p).
function gathered(g, weight, values, [n, c, ...i], size, back) {
  const perGroup = weight.shape[0] / g.groups;
  const first = Math.floor(c / weight.shape[1]) * perGroup;
  const terms = [];
  let unseen = false;
  for (let o = first; o < first + perGroup; o++)
    for (const [p, k] of windows(g, i, size, values.shape.slice(2), weight.shape.slice(2))) {
      const [a, w] = [values.at([n, o, ...p]), weight.at([o, c % weight.shape[1], ...k])];
      if (a === undefined || w === undefined) unseen = true;
      else terms.push({ cells: [o, `[${p}]`, `[${k}]`, a, w], value: a * w });
    }
  return { terms, unseen, columns: [back ? "c" : "o", "window p", "offset k", back ? "x" : "dy", "weight"] };
}

// The sum over the channels and offsets of one window: what a convolution makes, and what a transposed one sends back.
function looked(g, weight, values, [n, o, ...p], back) {
  const first = Math.floor(o / (weight.shape[0] / g.groups)) * weight.shape[1];
  const terms = [];
  let unseen = false;
  for (const [c, ...k] of indices(weight.shape.slice(1))) {
    const at = place(g, p, k, values.shape.slice(2));
    if (!at) continue;
    const [value, w] = [values.at([n, first + c, ...at]), weight.at([o, c, ...k])];
    if (value === undefined || w === undefined) unseen = true;
    else terms.push({ cells: [first + c, `[${k}]`, `[${at}]`, value, w], value: value * w });
  }
  return { terms, unseen, columns: [back ? "o" : "c", "offset k", `looks at ${back ? "dy" : "x"}`, "there", "weight"] };
}

export function input(step, layer, index) {
  const { x, dy, weight, g } = sides(step, layer);
  const back = transposed(layer);
  const { terms, unseen, columns } = back ? looked(g, weight, dy, index, true) : gathered(g, weight, dy, index, x.shape.slice(2), false);
  return {
    headline: back ? `dL/dx[${index.join(", ")}] = Σ_o Σ_k weight[${index[1]}, o, k] · dy[${index[0]}, o, p·stride + k·dilation − padding]` : `dL/dx[${index.join(", ")}] = Σ_o Σ_p dy[${index[0]}, o, p] · weight[o, ${index[1] % weight.shape[1]}, k], over the windows p that look at it with k`,
    missing: unseen ? "Not all output channels, or positions, are recorded." : "",
    groups: [{ name: `Σ over ${terms.length} windows and channels`, columns, terms }],
  };
}

export function output(step, layer, index) {
  const { x, y, weight, g } = sides(step, layer);
  const back = transposed(layer);
  const { terms, unseen, columns } = back ? gathered(g, weight, x, index, y.shape.slice(2), true) : looked(g, weight, x, index, false);
  const bias = layer.parameters.bias && step.tensors[layer.parameters.bias.value];
  if (bias) terms.push({ cells: ["bias", "", "", "", ""], value: bias.at([index[1]]) });
  const formula = back ? `Σ_c Σ_p weight[c, ${index[1] % weight.shape[1]}, k] · x[${index[0]}, c, p], over the windows p that look at it with k` : `Σ_c Σ_k weight[${index[1]}, c, k] · x[${index[0]}, c, p·stride + k·dilation − padding]`;
  return {
    headline: `y[${index.join(", ")}] = ${formula}${bias ? ` + bias[${index[1]}]` : ""}`,
    missing: unseen ? "Not all input channels, or positions, are recorded." : "",
    groups: [{ name: `Σ over ${terms.length} terms`, columns, terms }],
  };
}
