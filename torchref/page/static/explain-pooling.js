// Pooling: of a maximum the largest entry of a window receives the window's gradient, of an average each its share.

import { indices } from "./data.js";

// dL/dx_i = sum over the windows p that contain i of dy_p times its share: of a maximum 1 for the one that was chosen.
export function input(step, layer, [n, c, ...i]) {
  const [x, dy] = [step.tensors[layer.x], step.tensors[layer.dy]];
  const each = (value, otherwise) => (Array.isArray(value) ? value : i.map(() => value ?? otherwise));
  const { kernel_size, stride, padding, dilation, divisor_override: divisor, count_include_pad: counted } = layer.options;
  const [kernel, steps, pads, gaps] = [each(kernel_size), each(stride), each(padding, 0), each(dilation, 1)];
  if (divisor || [kernel, steps, pads, gaps].some((sizes) => sizes.some((size) => typeof size !== "number"))) return undefined;
  const average = layer.kind.startsWith("Avg");
  const terms = [];
  for (const p of indices(dy.kept.slice(2))) {
    const all = [...indices(kernel)].map((k) => p.map((at, d) => at * steps[d] + k[d] * gaps[d] - pads[d]));
    const reads = all.filter((at) => at.every((place, d) => place >= 0 && place < x.shape[d + 2]));
    const mine = (at) => at.every((place, d) => place === i[d]);
    if (!reads.some(mine)) continue;
    let chosen = reads[0];
    for (const at of reads) if (x.at([n, c, ...at]) > x.at([n, c, ...chosen])) chosen = at;
    const share = average ? 1 / (counted === false ? reads.length : all.length) : Number(mine(chosen));
    terms.push({ cells: [`[${p}]`, average ? `${all.length} entries` : `[${chosen}]`, dy.at([n, c, ...p]), share], value: dy.at([n, c, ...p]) * share });
  }
  const cut = x.kept.slice(2).some((size, d) => size < x.shape[d + 2]);
  return {
    headline: `dL/dx[${[n, c, ...i].join(", ")}] = Σ_p dy[${n}, ${c}, p] · share, over the windows p that contain it`,
    missing: cut ? "Not all positions are recorded." : "",
    groups: [{ name: `${terms.length} windows contain it`, columns: ["window p", average ? "averages" : "chose", "dy", "share"], terms }],
  };
}
