// Linear: y = x weight^T + bias. A row is an example, or an example and a time.

import { indices } from "./data.js";
import { place } from "./numbers.js";

// dL/dweight_oi = sum_n dy_no x_ni;  dL/dbias_o = sum_n dy_no: over the rows of every run of the layer.
export function parameter(step, layer, name, [o, i]) {
  const terms = [];
  let missing = "";
  for (const run of step.runs(layer)) {
    const [x, dy] = [step.tensors[run.x], step.tensors[run.dy]];
    if (!x || !dy) return { words: "The layer's input, or the gradient of its output, is not recorded." };
    const leading = dy.kept.slice(0, -1);
    if (o >= dy.kept.at(-1) || (name === "weight" && i >= x.kept.at(-1))) return { words: "This unit lies outside what is recorded of the layer's input or output." };
    if (leading.some((size, axis) => size !== dy.shape[axis])) missing = `Only the first ${leading.join(" × ")} rows of ${dy.shape.slice(0, -1).join(" × ")} are recorded: the terms of the others are missing.`;
    for (const row of indices(leading)) {
      const [factor, input] = [dy.at([...row, o]), name === "weight" ? x.at([...row, i]) : 1];
      const where = step.runs(layer).length > 1 ? `${run.turn} ${place(row)}` : place(row);
      terms.push({ cells: name === "weight" ? [where, factor, input] : [where], value: factor * input });
    }
  }
  const headline = name === "weight" ? `dL/dweight[${o}, ${i}] = Σ_n dy[n, ${o}] · x[n, ${i}]` : `dL/dbias[${o}] = Σ_n dy[n, ${o}]`;
  const zeros = terms.filter((term) => term.value === 0).length;
  const says = zeros ? `(${zeros} of the terms are 0: ${name === "weight" ? "dy or x is 0 there" : "dy is 0 there"})` : "";
  const columns = name === "weight" ? ["row n", `dy[n, ${o}]`, `x[n, ${i}]`] : ["row n"];
  return { headline, missing, groups: [{ name: `Σ over ${terms.length} rows`, columns, terms, says }] };
}

// dL/dx_ni = sum_o dy_no weight_oi
export function input(step, layer, index) {
  const [row, i] = [index.slice(0, -1), index.at(-1)];
  const [dy, weight] = [step.tensors[layer.dy], step.tensors[layer.parameters.weight.value]];
  if (i >= weight.kept[1]) return { words: "The weights of this unit are not recorded." };
  const count = Math.min(weight.kept[0], dy.kept.at(-1));
  const terms = Array.from({ length: count }, (_, o) => {
    const [factor, w] = [dy.at([...row, o]), weight.at([o, i])];
    return { cells: [o, factor, w], value: factor * w };
  });
  const left = weight.shape[0] - count;
  return {
    headline: `dL/dx[${[...row, i].join(", ")}] = Σ_o dy[${[...row, "o"].join(", ")}] · weight[o, ${i}]`,
    missing: left ? `The terms of ${left} of the ${weight.shape[0]} output units are not recorded.` : "",
    groups: [{ name: `Σ over ${count} output units of ${layer.says}`, columns: ["o", "dy", "weight"], terms }],
  };
}

// y_no = sum_i x_ni weight_oi + bias_o
export function output(step, layer, index) {
  const [row, o] = [index.slice(0, -1), index.at(-1)];
  const [x, weight] = [step.tensors[layer.x], step.tensors[layer.parameters.weight.value]];
  if (!x || o >= weight.kept[0]) return { words: "The weights of this unit are not recorded." };
  const count = Math.min(weight.kept[1], x.kept.at(-1));
  const terms = Array.from({ length: count }, (_, i) => {
    const [value, w] = [x.at([...row, i]), weight.at([o, i])];
    return { cells: [i, value, w], value: value * w };
  });
  const bias = layer.parameters.bias && step.tensors[layer.parameters.bias.value];
  if (bias) terms.push({ cells: ["bias", "", ""], value: bias.at([o]) });
  const left = weight.shape[1] - count;
  return {
    headline: `y[${index.join(", ")}] = Σ_i x[${[...row, "i"].join(", ")}] · weight[${o}, i]${bias ? ` + bias[${o}]` : ""}`,
    missing: left ? `The terms of ${left} of the ${weight.shape[1]} inputs are not recorded.` : "",
    groups: [{ name: `Σ over ${count} inputs${bias ? " and the bias" : ""}`, columns: ["i", "x", "weight"], terms }],
  };
}
