// Layer norm: y = weight x_hat + bias, x_hat = (x - mean) / std along each row. The weight differs within a row, so it
// stands inside the sums of the three paths.

import { indices } from "./data.js";
import { sum } from "./numbers.js";

const places = (index) => `[${index.join(", ")}]`;

// A row: x_hat, dy, std; null where it is not whole.
function standardized(step, layer, row) {
  const [x, dy] = [step.tensors[layer.x], step.tensors[layer.dy]];
  const axis = x.shape.length - 1;
  if (layer.options.normalized_shape?.length !== 1 || !x.whole(axis) || !dy?.whole(axis)) return null;
  const values = Array.from({ length: x.shape[axis] }, (_, d) => x.at([...row, d]));
  const mean = sum(values) / values.length;
  const std = Math.sqrt(sum(values.map((value) => (value - mean) ** 2)) / values.length + layer.options.eps);
  return { std, hat: values.map((value) => (value - mean) / std), dy: values.map((_, d) => dy.at([...row, d])) };
}

const NOT_WHOLE = { words: "Mean and standard deviation are over a whole row, of which only a part is recorded." };

// dL/dweight_d = sum_m dy_md x_hat_md;  dL/dbias_d = sum_m dy_md
export function parameter(step, layer, name, [d]) {
  const dy = step.tensors[layer.dy];
  const rows = dy.kept.slice(0, -1);
  const terms = [];
  for (const row of indices(rows)) {
    const found = standardized(step, layer, row);
    if (!found) return NOT_WHOLE;
    const factor = name === "weight" ? found.hat[d] : 1;
    terms.push({ cells: name === "weight" ? [places(row), found.dy[d], factor] : [places(row)], value: found.dy[d] * factor });
  }
  const cut = rows.some((size, axis) => size < dy.shape[axis]);
  return {
    headline: name === "weight" ? `dL/dweight[${d}] = Σ_m dy[m, ${d}] · x_hat[m, ${d}]` : `dL/dbias[${d}] = Σ_m dy[m, ${d}]`,
    missing: cut ? `Only ${rows.join(" × ")} of ${dy.shape.slice(0, -1).join(" × ")} rows are recorded.` : "",
    groups: [{ name: `Σ over ${terms.length} rows`, columns: name === "weight" ? ["row m", `dy[m, ${d}]`, `x_hat[m, ${d}]`] : ["row m"], terms }],
  };
}

// dL/dx_i = dx_hat_i / std - sum_j dx_hat_j / (n std) - x_hat_i sum_j dx_hat_j x_hat_j / (n std), dx_hat = weight dy
export function input(step, layer, index) {
  const [row, i] = [index.slice(0, -1), index.at(-1)];
  const found = standardized(step, layer, row);
  const weight = layer.parameters.weight && step.tensors[layer.parameters.weight.value];
  if (!found || (weight && !weight.whole())) return NOT_WHOLE;
  const { std, hat } = found;
  const dhat = found.dy.map((each, d) => each * (weight ? weight.at([d]) : 1));
  const n = hat.length;
  const through = (factor) => dhat.map((each, j) => ({ cells: [j, each, factor(j)], value: each * factor(j) }));
  return {
    headline: `dL/dx${places(index)}: three paths along the row, dx_hat = weight · dy, std = ${Number(std.toPrecision(6))}, n = ${n}`,
    groups: [
      { name: "directly: dx_hat_i / std", columns: ["i", "dx_hat_i", "1 / std"], terms: [{ cells: [i, dhat[i], 1 / std], value: dhat[i] / std }], open: true },
      { name: "through the mean: −Σ_j dx_hat_j / (n std)", columns: ["j", "dx_hat_j", "−1 / (n std)"], terms: through(() => -1 / (n * std)) },
      { name: "through the variance: −Σ_j dx_hat_j x_hat_j x_hat_i / (n std)", columns: ["j", "dx_hat_j", "−x_hat_j x_hat_i / (n std)"], terms: through((j) => (-hat[j] * hat[i]) / (n * std)) },
    ],
  };
}
