// Layers that normalise: y = weight x_hat + bias, x_hat = (x - mean) / std over the entries that are taken together: of a
// channel (batch norm), of an example's channel (instance norm) or group of channels (group norm), of a row (layer norm).
// x reaches the loss on three paths: directly, through the mean, through the variance. RMS norm takes no mean:
// x_hat = x / std, std the root of the mean square, and there are two paths.

import { indices } from "./data.js";
import { place, sum } from "./numbers.js";

const WHAT = { Batch: "a channel of the whole batch", Instance: "a channel of an example", Group: "a group of channels of an example", Layer: "a row", RMS: "a row" };
const EPS = { float32: 2 ** -23, float64: 2 ** -52 }; // RMS norm's own, where it is given none

// The axis of the channels, for all but layer and RMS norm: in front of it stand the examples, if there are any.
const channels = (kind, rank) => (kind.startsWith("Instance") ? rank - 1 - Number(kind.at(-2)) : 1);

const inRows = (kind) => /^(Layer|RMS)Norm$/.test(kind);

// Along each axis [first, end) of the entries that are taken together with one.
function span({ kind, options }, shape, index) {
  const [one, all] = [index.map((i) => [i, i + 1]), shape.map((size) => [0, size])];
  const axis = channels(kind, shape.length);
  if (inRows(kind)) return all.map((whole, i) => (i < shape.length - options.normalized_shape.length ? one[i] : whole));
  if (kind.startsWith("Batch")) return all.map((whole, i) => (i === axis ? one[i] : whole));
  if (kind.startsWith("Instance")) return all.map((whole, i) => (i <= axis ? one[i] : whole));
  const width = shape[axis] / options.num_groups;
  const first = index[axis] - (index[axis] % width);
  return all.map((whole, i) => (i < axis ? one[i] : i === axis ? [first, first + width] : whole));
}

// Where the weight of an entry stands in the weight.
function ofWeight({ kind, options }, index) {
  return inRows(kind) ? index.slice(index.length - options.normalized_shape.length) : [index[channels(kind, index.length)]];
}

// The entries that are taken together with `index`: where they stand, x_hat, dy, weight; {words} where they can't be known.
function together(step, layer, index) {
  const [x, dy] = [step.tensors[layer.x], step.tensors[layer.dy]];
  const [kind, { options }] = [layer.kind.match(/^[A-Z][a-z]+|^RMS/)[0], layer];
  if (/Batch|Instance/.test(kind) && options.training === false && options.track_running_stats !== false) return { words: "In evaluation mode mean and variance are constants: dx = dy weight / std of the running statistics." };
  const ends = span(layer, x.shape, index);
  const weight = step.tensors[layer.parameters.weight?.value];
  const at = [...indices(ends.map(([first, end]) => end - first))].map((each) => each.map((i, axis) => i + ends[axis][0]));
  const last = at.at(-1);
  if (!x.has(last) || (dy && !dy.has(last)) || (weight && !weight.has(ofWeight(layer, last)))) return { words: `Mean and variance are over ${WHAT[kind]}, of which only a part is recorded.` };
  const values = at.map((each) => x.at(each));
  const mean = kind === "RMS" ? 0 : sum(values) / values.length;
  const std = Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / values.length + (options.eps ?? EPS[x.said.dtype]));
  return {
    at, mean, std, here: at.findIndex((each) => each.every((i, axis) => i === index[axis])),
    hat: values.map((value) => (value - mean) / std), dy: at.map((each) => dy?.at(each)), weight: at.map((each) => weight?.at(ofWeight(layer, each)) ?? 1),
  };
}

// dL/dweight_c = sum_i dy_i x_hat_i over all entries i that the weight meets;  dL/dbias_c = sum_i dy_i
export function parameter(step, layer, name, index) {
  const dy = step.tensors[layer.dy];
  const known = new Map(); // what is taken together, by its span
  const terms = [];
  for (const i of indices(dy.kept)) {
    if (ofWeight(layer, i).some((each, axis) => each !== index[axis])) continue;
    const key = String(span(layer, dy.shape, i));
    if (!known.has(key)) known.set(key, together(step, layer, i));
    const all = known.get(key);
    if (all.words) return all;
    const here = all.at.findIndex((each) => each.every((j, axis) => j === i[axis]));
    terms.push(name === "weight" ? { cells: [place(i), all.dy[here], all.hat[here]], value: all.dy[here] * all.hat[here] } : { cells: [place(i)], value: all.dy[here] });
  }
  const whole = dy.shape.reduce((a, b) => a * b, 1) / step.tensors[layer.parameters[name].value].shape.reduce((a, b) => a * b, 1);
  return {
    headline: `dL/d${name}${place(index)} = Σ_i ${name === "weight" ? "dy_i · x_hat_i" : "dy_i"}`,
    missing: terms.length < whole ? `The terms of ${whole - terms.length} of the ${whole} entries are not recorded.` : "",
    groups: [{ name: `Σ over ${terms.length} entries that ${name}${place(index)} meets`, columns: name === "weight" ? ["i", "dy_i", "x_hat_i"] : ["i"], terms }],
  };
}

// dL/dx_i = dx_hat_i / std - sum_j dx_hat_j / (n std) - x_hat_i sum_j dx_hat_j x_hat_j / (n std), dx_hat = weight dy
export function input(step, layer, index) {
  const found = together(step, layer, index);
  if (found.words) return found;
  const { at, std, hat, here } = found;
  const [n, dhat, rms] = [at.length, found.dy.map((each, j) => each * found.weight[j]), layer.kind === "RMSNorm"];
  const through = (factor) => at.map((each, j) => ({ cells: [place(each), dhat[j], factor(j)], value: dhat[j] * factor(j) }));
  const groups = [
    { name: "directly: dx_hat_i / std", columns: ["i", "dx_hat_i", "1 / std"], terms: [{ cells: [place(index), dhat[here], 1 / std], value: dhat[here] / std }], open: true },
    { name: "through the mean: −Σ_j dx_hat_j / (n std)", columns: ["j", "dx_hat_j", "−1 / (n std)"], terms: through(() => -1 / (n * std)) },
    { name: `through the ${rms ? "mean square" : "variance"}: −Σ_j dx_hat_j x_hat_j x_hat_i / (n std)`, columns: ["j", "dx_hat_j", "−x_hat_j x_hat_i / (n std)"], terms: through((j) => (-hat[j] * hat[here]) / (n * std)) },
  ];
  return {
    headline: `dL/dx${place(index)}: ${rms ? "two" : "three"} paths, dx_hat = weight · dy, std = ${Number(std.toPrecision(6))}, n = ${n}`,
    groups: rms ? [groups[0], groups[2]] : groups,
  };
}

// y_i = weight x_hat_i + bias
export function output(step, layer, index) {
  const { words, weight, hat, here, mean, std } = together(step, layer, index);
  if (words) return { words };
  const terms = [{ cells: ["weight · x_hat", weight[here], hat[here]], value: weight[here] * hat[here] }];
  if (layer.parameters.bias) terms.push({ cells: ["bias", "", ""], value: step.tensors[layer.parameters.bias.value].at(ofWeight(layer, index)) });
  const made = layer.kind === "RMSNorm" ? "x / std" : "(x − mean) / std";
  return {
    headline: `y${place(index)} = weight · ${made} + bias, mean = ${Number(mean.toPrecision(6))}, std = ${Number(std.toPrecision(6))}`,
    groups: [{ name: "weight · x_hat + bias", columns: ["", "weight", "x_hat"], terms }],
  };
}
