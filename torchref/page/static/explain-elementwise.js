// Layers that treat each entry by itself: dx = dy times one factor, the function's derivative there.

import { indices } from "./data.js";
import { erf, sigmoid, softplus } from "./special.js";

const between = (x, low, high) => Number(low < x && x < high);

// kind -> [formula, factor(x, y, options)]; undefined where the factor cannot be seen in x and y.
const FACTORS = {
  ReLU: ["1 where y ≠ 0, else 0", (x, y) => Number(y !== 0)],
  LeakyReLU: ["1 where x > 0, else the negative slope", (x, y, { negative_slope: slope }) => (x > 0 ? 1 : slope)],
  RReLU: ["1 where x > 0, else the slope that was drawn, y / x", drawn],
  ReLU6: ["1 where 0 < x < 6, else 0", (x) => between(x, 0, 6)],
  Threshold: ["1 where x > threshold, else 0", (x, y, { threshold }) => Number(x > threshold)],
  Hardtanh: ["1 where min_val < x < max_val, else 0", (x, y, { min_val: low, max_val: high }) => between(x, low, high)],
  Hardsigmoid: ["1/6 (in float32, as torch has it) where −3 < x < 3, else 0", (x) => Math.fround(1 / 6) * between(x, -3, 3)],
  Hardswish: ["0 where x ≤ −3, 1 where x ≥ 3, else x / 3 + 1/2", (x) => (x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5)],
  Hardshrink: ["0 where |x| ≤ lambd, else 1", (x, y, { lambd }) => 1 - Number(Math.abs(x) <= lambd)],
  Softshrink: ["0 where |x| ≤ lambd, else 1", (x, y, { lambd }) => 1 - Number(Math.abs(x) <= lambd)],
  Tanhshrink: ["tanh(x)²", (x) => Math.tanh(x) ** 2],
  Tanh: ["1 − y²", (x, y) => 1 - y * y],
  Sigmoid: ["y (1 − y)", (x, y) => y * (1 - y)],
  LogSigmoid: ["σ(−x)", (x) => sigmoid(-x)],
  Softplus: ["σ(β x), or 1 beyond the threshold", (x, y, { beta, threshold }) => (beta * x > threshold ? 1 : sigmoid(beta * x))],
  Softsign: ["1 / (1 + |x|)²", (x) => 1 / (1 + Math.abs(x)) ** 2],
  SiLU: ["σ(x) (1 + x (1 − σ(x)))", (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x)))],
  Mish: ["t + x (1 − t²) σ(x), t = tanh(softplus(x))", mish],
  GELU: ["Φ(x) + x φ(x), or with tanh (1 + t) / 2 + x (1 − t²) u′ / 2", gelu],
  ELU: ["1 where x > 0, else α exp(x)", (x, y, { alpha }) => (x > 0 ? 1 : alpha * Math.exp(x))],
  CELU: ["1 where x > 0, else exp(x / α)", (x, y, { alpha }) => (x > 0 ? 1 : Math.exp(x / alpha))],
  SELU: ["scale where x > 0, else scale α exp(x)", (x) => 1.0507009873554804934193349852946 * (x > 0 ? 1 : 1.6732632423543772848170429916717 * Math.exp(x))],
  Identity: ["1", () => 1],
  Dropout: ["1 / (1 − p) where it was kept, else 0", dropped],
  Dropout1d: ["1 / (1 − p) where the channel was kept, else 0", dropped],
  Dropout2d: ["1 / (1 − p) where the channel was kept, else 0", dropped],
};
const RESHAPES = ["Flatten", "Unflatten"];
export const KINDS = [...Object.keys(FACTORS), "PReLU", ...RESHAPES];

function dropped(x, y, { p, training }) {
  if (training === false || p === 0) return 1;
  if (y !== 0) return 1 / (1 - p);
  return x === 0 ? undefined : 0;
}

function drawn(x, y, { training, lower, upper }) {
  if (x > 0) return 1;
  if (training === false) return (lower + upper) / 2;
  return x === 0 ? undefined : y / x;
}

function mish(x) {
  const t = Math.tanh(softplus(x));
  return t + x * (1 - t * t) * sigmoid(x);
}

function gelu(x, y, { approximate }) {
  if (approximate !== "tanh") return 0.5 * (1 + erf(x * Math.SQRT1_2)) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
  const [a, b] = [Math.sqrt(2 / Math.PI), 0.044715];
  const t = Math.tanh(a * x * (1 + b * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * a * (1 + 3 * b * x * x);
}

export function input(step, layer, index) {
  const dy = step.tensors[layer.dy];
  if (RESHAPES.includes(layer.kind)) return reshaped(step, layer, index);
  const [formula, factor] = layer.kind === "PReLU" ? ["1 where x > 0, else the weight", (x) => (x > 0 ? 1 : slope(step, layer, index))] : FACTORS[layer.kind];
  const [x, y] = [step.tensors[layer.x]?.at(index), step.tensors[layer.y].at(index)];
  const value = factor(x, y, layer.options);
  if (value === undefined) return { words: "x is 0 here: y does not show what the layer drew." };
  return {
    headline: `dL/dx[${index.join(", ")}] = dy[${index.join(", ")}] · factor, factor = ${formula}`,
    groups: [{ name: layer.says, columns: ["x", "y", "dy", "factor"], terms: [{ cells: [x, y, dy.at(index), value], value: dy.at(index) * value }] }],
  };
}

// One entry of x makes one of y.
export function output(step, layer, index) {
  if (RESHAPES.includes(layer.kind)) return { words: "The numbers stay as they are: only the shape changes." };
  const [x, y] = [step.tensors[layer.x]?.at(index), step.tensors[layer.y].at(index)];
  return { words: `${layer.says} of x[${index.join(", ")}] = ${x} is ${y}.` };
}

// Nothing but the shape changes: the entry at the same place of all, counted row by row.
function reshaped(step, layer, index) {
  const [x, dy] = [step.tensors[layer.x], step.tensors[layer.dy]];
  let place = index.reduce((before, i, axis) => before * x.shape[axis] + i, 0);
  const to = [];
  for (const size of [...dy.shape].reverse()) {
    to.unshift(place % size);
    place = Math.floor(place / size);
  }
  const [value, at] = [dy.at(to), `[${to.join(", ")}]`];
  if (value === undefined) return { words: `It is dy${at}, which is not recorded: only the shape changes.` };
  return { headline: `dL/dx[${index.join(", ")}] = dy${at}: only the shape changes`, groups: [{ name: "one entry", columns: ["at"], terms: [{ cells: [at], value }] }] };
}

// A PReLU's weight at an entry: one for all, or one for each channel.
function slope(step, layer, index) {
  const weight = step.tensors[layer.parameters.weight.value];
  return weight.at([weight.shape[0] === 1 ? 0 : index[1]]);
}

// dL/dweight_c = sum of dy x over the entries of the channel that are not above 0
export function parameter(step, layer, name, [c]) {
  if (layer.kind !== "PReLU") return undefined;
  const [x, dy, weight] = [step.tensors[layer.x], step.tensors[layer.dy], step.tensors[layer.parameters.weight.value]];
  const own = (index) => weight.shape[0] === 1 || index[1] === c;
  const terms = [...indices(dy.kept)].filter((index) => own(index) && x.at(index) <= 0).map((index) => ({ cells: [`[${index.join(", ")}]`, dy.at(index), x.at(index)], value: dy.at(index) * x.at(index) }));
  return {
    headline: `dL/dweight[${c}] = Σ_i dy_i · x_i, over the i with x_i ≤ 0`,
    missing: dy.whole() ? "" : "Not all entries of the layer are recorded.",
    groups: [{ name: `Σ over ${terms.length} entries`, columns: ["i", "dy_i", "x_i"], terms }],
  };
}
