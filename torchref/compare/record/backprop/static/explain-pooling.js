// Max pooling: the largest entry of a window receives the window's gradient, all others nothing.

import { indices } from "./data.js";

// dL/dx_i = sum over the windows p that chose i of dy_p
export function input(step, layer, [n, c, ...i]) {
  const [x, dy] = [step.tensors[layer.x], step.tensors[layer.dy]];
  const each = (value) => (Array.isArray(value) ? value : i.map(() => value));
  const [kernel, stride, padding, dilation] = ["kernel_size", "stride", "padding", "dilation"].map((name) => each(layer.options[name]));
  if ([kernel, stride, padding, dilation].some((sizes) => sizes.some((size) => typeof size !== "number"))) return undefined;
  const terms = [];
  for (const p of indices(dy.kept.slice(2))) {
    const reads = [...indices(kernel)].map((k) => p.map((at, d) => at * stride[d] + k[d] * dilation[d] - padding[d])).filter((at) => at.every((place, d) => place >= 0 && place < x.shape[d + 2]));
    if (!reads.some((at) => at.every((place, d) => place === i[d]))) continue;
    let chosen = reads[0];
    for (const at of reads) if (x.at([n, c, ...at]) > x.at([n, c, ...chosen])) chosen = at;
    const mine = chosen.every((place, d) => place === i[d]);
    const factor = dy.at([n, c, ...p]);
    terms.push({ cells: [`[${p}]`, `[${chosen}]`, factor, mine ? "chose this entry" : "chose another"], value: mine ? factor : 0 });
  }
  const cut = [...x.kept.slice(2)].some((size, d) => size < x.shape[d + 2]);
  return {
    headline: `dL/dx[${[n, c, ...i].join(", ")}] = Σ dy[${n}, ${c}, p] over the windows p that chose it`,
    missing: cut ? "Not all positions are recorded." : "",
    groups: [{ name: `${terms.length} windows contain it`, columns: ["window p", "chose", "dy", ""], terms }],
  };
}
