// Embedding: y_n is row x_n of the weight; a row that is named several times gets the sum.

import { indices } from "./data.js";

// dL/dweight_vd = sum_n [x_n = v] dy_nd
export function parameter(step, layer, name, [v, d]) {
  const terms = [];
  let cut = false;
  for (const run of step.runs(layer)) {
    const [x, dy] = [step.tensors[run.x], step.tensors[run.dy]];
    if (d >= dy.kept.at(-1)) return { words: "This unit of the output is not recorded." };
    const rows = dy.kept.slice(0, -1).map((size, axis) => Math.min(size, x.kept[axis]));
    cut ||= rows.some((size, axis) => size < x.shape[axis]);
    for (const row of indices(rows)) if (x.at(row) === v) terms.push({ cells: [`[${row.join(", ")}]`], value: dy.at([...row, d]) });
  }
  if (v === layer.options.padding_idx) return { words: "Row padding_idx gets no gradient." };
  return {
    headline: `dL/dweight[${v}, ${d}] = Σ dy[n, ${d}] over the n whose symbol is ${v}`,
    missing: cut ? "Not all places of the batch are recorded." : "",
    groups: [{ name: `symbol ${v} stands at ${terms.length} recorded places`, columns: ["n"], terms }],
  };
}

export function output(step, layer, index) {
  const v = step.tensors[layer.x]?.at(index.slice(0, -1));
  return { words: `It is weight[${v}, ${index.at(-1)}]: the row of symbol ${v}.` };
}
