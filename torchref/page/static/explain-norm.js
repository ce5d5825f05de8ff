// Batch norm: y = weight x_hat + bias, x_hat = (x - mean) / std over all values of a channel. x reaches the loss on
// three paths: directly, through the mean, through the variance.

import { indices } from "./data.js";
import { sum } from "./numbers.js";

// A channel as lists over its values: where they stand, x, x_hat, dy. {words} where it can't be known.
function channel(step, layer, c) {
  const [x, dy] = [step.tensors[layer.x], step.tensors[layer.dy]];
  if (layer.options.training === false) return { words: "In evaluation mode mean and variance are constants: dx = dy weight / std of the running statistics." };
  if (c >= x.kept[1] || c >= dy.kept[1]) return { words: `Channel ${c} is not recorded.` };
  if (x.kept.some((size, axis) => axis !== 1 && size < x.shape[axis])) return { words: `Mean and variance are over the whole batch, of which ${x.kept[0]} of ${x.shape[0]} examples are recorded.` };
  const at = [...indices(x.kept.map((size, axis) => (axis === 1 ? 1 : size)))].map((index) => index.map((i, axis) => (axis === 1 ? c : i)));
  const values = at.map((index) => x.at(index));
  const mean = sum(values) / values.length;
  const std = Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / values.length + layer.options.eps);
  const weight = layer.parameters.weight ? step.tensors[layer.parameters.weight.value].at([c]) : 1;
  return { at, std, mean, weight, hat: values.map((value) => (value - mean) / std), dy: at.map((index) => dy.at(index)) };
}

const places = (index) => `[${index.join(", ")}]`;

// dL/dweight_c = sum_i dy_i x_hat_i;  dL/dbias_c = sum_i dy_i
export function parameter(step, layer, name, [c]) {
  const all = channel(step, layer, c);
  if (all.words) return all;
  const scaled = name === "weight";
  const terms = all.at.map((index, i) => ({ cells: scaled ? [places(index), all.dy[i], all.hat[i]] : [places(index)], value: all.dy[i] * (scaled ? all.hat[i] : 1) }));
  return {
    headline: scaled ? `dL/dweight[${c}] = Σ_i dy_i · x_hat_i` : `dL/dbias[${c}] = Σ_i dy_i`,
    groups: [{ name: `Σ over the ${terms.length} values of channel ${c}`, columns: scaled ? ["i", "dy_i", "x_hat_i"] : ["i"], terms }],
  };
}

// dL/dx_i = dx_hat_i / std - sum_j dx_hat_j / (n std) - x_hat_i sum_j dx_hat_j x_hat_j / (n std)
export function input(step, layer, index) {
  const all = channel(step, layer, index[1]);
  if (all.words) return all;
  const { at, std, hat, dy, weight } = all;
  const here = at.findIndex((other) => other.every((i, axis) => i === index[axis]));
  const [n, dhat] = [at.length, dy.map((each) => each * weight)];
  const through = (factor) => at.map((other, j) => ({ cells: [places(other), dhat[j], factor(j)], value: dhat[j] * factor(j) }));
  return {
    headline: `dL/dx${places(index)}: three paths, dx_hat = weight · dy, std = ${Number(std.toPrecision(6))}, n = ${n}`,
    groups: [
      { name: "directly: dx_hat_i / std", columns: ["i", "dx_hat_i", "1 / std"], terms: [{ cells: [places(index), dhat[here], 1 / std], value: dhat[here] / std }], open: true },
      { name: "through the mean: −Σ_j dx_hat_j / (n std)", columns: ["j", "dx_hat_j", "−1 / (n std)"], terms: through(() => -1 / (n * std)) },
      { name: "through the variance: −Σ_j dx_hat_j x_hat_j x_hat_i / (n std)", columns: ["j", "dx_hat_j", "−x_hat_j x_hat_i / (n std)"], terms: through((j) => (-hat[j] * hat[here]) / (n * std)) },
    ],
  };
}

// y_i = weight x_hat_i + bias
export function output(step, layer, index) {
  const all = channel(step, layer, index[1]);
  if (all.words) return all;
  const here = all.at.findIndex((other) => other.every((i, axis) => i === index[axis]));
  const terms = [{ cells: ["weight · x_hat", all.weight, all.hat[here]], value: all.weight * all.hat[here] }];
  if (layer.parameters.bias) terms.push({ cells: ["bias", "", ""], value: step.tensors[layer.parameters.bias.value].at([index[1]]) });
  return {
    headline: `y${places(index)} = weight · (x − mean) / std + bias, mean = ${Number(all.mean.toPrecision(6))}, std = ${Number(all.std.toPrecision(6))}`,
    groups: [{ name: "weight · x_hat + bias", columns: ["", "weight", "x_hat"], terms }],
  };
}
