// Convolution in one or two dimensions: y_nop = sum_ck weight_ock x_nci, i = p stride + k dilation - padding.

import { indices } from "./data.js";
import { sum } from "./numbers.js";

// The options of every spatial dimension; null where they are none that this file knows.
function geometry(layer, dimensions) {
  const each = (value) => (Array.isArray(value) ? value : Array(dimensions).fill(value));
  const { stride, padding, dilation, groups } = layer.options;
  if (typeof padding === "string") return null;
  return { stride: each(stride), padding: each(padding), dilation: each(dilation), groups };
}

const GIVEN_AS_TEXT = { words: "The padding is given as a text ('same' or 'valid'): the tab does not place such windows." };

// dL/dweight_ock = sum_np dy_nop x_nci;  dL/dbias_o = sum_np dy_nop: a group of windows for each example.
export function parameter(step, layer, name, index) {
  const [x, dy] = [step.tensors[layer.x], step.tensors[layer.dy]];
  const [o, within, ...k] = index;
  const g = geometry(layer, dy.kept.length - 2);
  if (!g) return GIVEN_AS_TEXT;
  const perGroup = step.tensors[layer.parameters.weight.value].shape;
  const c = Math.floor(o / (perGroup[0] / g.groups)) * perGroup[1] + (within ?? 0);
  if (o >= dy.kept[1] || (name === "weight" && c >= x.kept[1])) return { words: `Channel ${o >= dy.kept[1] ? `${o} of the output` : `${c} of the input`} is not recorded.` };
  const groups = [];
  for (let n = 0; n < dy.kept[0]; n++) {
    const terms = [];
    for (const p of indices(dy.kept.slice(2))) {
      const at = p.map((each, d) => each * g.stride[d] + (k[d] ?? 0) * g.dilation[d] - g.padding[d]);
      const factor = dy.at([n, o, ...p]);
      if (name === "bias") terms.push({ cells: [`[${p}]`], value: factor });
      else if (at.every((each, d) => each >= 0 && each < x.shape[d + 2])) terms.push({ cells: [`[${p}]`, `[${at}]`, factor, x.at([n, c, ...at])], value: factor * x.at([n, c, ...at]) });
    }
    groups.push({ name: `example ${n}`, columns: name === "bias" ? ["window p"] : ["window p", "reads x at", `dy[${n}, ${o}, p]`, "x there"], terms, says: `from ${terms.length} windows`, open: false });
  }
  groups.sort((a, b) => Math.abs(sum(b.terms.map((t) => t.value))) - Math.abs(sum(a.terms.map((t) => t.value))));
  groups[0].open = true;
  const cut = dy.kept[0] < dy.shape[0] || dy.kept.slice(2).some((size, d) => size < dy.shape[d + 2]) || x.kept.slice(2).some((size, d) => size < x.shape[d + 2]);
  return {
    headline: name === "bias" ? `dL/dbias[${o}] = Σ_n Σ_p dy[n, ${o}, p]` : `dL/dweight[${index.join(", ")}] = Σ_n Σ_p dy[n, ${o}, p] · x[n, ${c}, p·stride + k·dilation − padding]`,
    missing: cut ? `Of ${dy.shape[0]} examples ${dy.kept[0]} are recorded, of their windows ${dy.kept.slice(2).join(" × ")}.` : "",
    groups,
  };
}

// dL/dx_nci = sum over o, and over the p and k with i = p stride + k dilation - padding, of weight_ock dy_nop.
export function input(step, layer, [n, c, ...i]) {
  const [dy, weight] = [step.tensors[layer.dy], step.tensors[layer.parameters.weight.value]];
  const g = geometry(layer, i.length);
  if (!g) return GIVEN_AS_TEXT;
  const perGroup = [weight.shape[0] / g.groups, weight.shape[1]];
  const first = Math.floor(c / perGroup[1]) * perGroup[0];
  const terms = [];
  let unseen = 0;
  for (let o = first; o < first + perGroup[0]; o++) {
    if (o >= dy.kept[1] || o >= weight.kept[0]) unseen += 1;
    else
      for (const k of indices(weight.kept.slice(2))) {
        const p = i.map((each, d) => (each + g.padding[d] - k[d] * g.dilation[d]) / g.stride[d]);
        if (!p.every((each, d) => Number.isInteger(each) && each >= 0 && each < dy.shape[d + 2])) continue;
        const [factor, w] = [dy.at([n, o, ...p]), weight.at([o, c % perGroup[1], ...k])];
        if (factor !== undefined && w !== undefined) terms.push({ cells: [o, `[${p}]`, `[${k}]`, factor, w], value: factor * w });
      }
  }
  return {
    headline: `dL/dx[${[n, c, ...i].join(", ")}] = Σ_o Σ_p dy[${n}, o, p] · weight[o, ${c % perGroup[1]}, k], over the windows p that read it at k`,
    missing: unseen ? `The terms of ${unseen} of the ${perGroup[0]} output channels are not recorded.` : "",
    groups: [{ name: `Σ over ${terms.length} windows and channels`, columns: ["o", "window p", "offset k", "dy", "weight"], terms }],
  };
}

// y_nop = sum_ck weight_ock x_nci + bias_o
export function output(step, layer, [n, o, ...p]) {
  const [x, weight] = [step.tensors[layer.x], step.tensors[layer.parameters.weight.value]];
  const g = geometry(layer, p.length);
  if (!g) return GIVEN_AS_TEXT;
  const first = Math.floor(o / (weight.shape[0] / g.groups)) * weight.shape[1];
  const terms = [];
  for (const [c, ...k] of indices(weight.kept.slice(1))) {
    const at = p.map((each, d) => each * g.stride[d] + k[d] * g.dilation[d] - g.padding[d]);
    const [value, w] = [x.at([n, first + c, ...at]), weight.at([o, c, ...k])];
    if (value !== undefined && w !== undefined) terms.push({ cells: [first + c, `[${k}]`, `[${at}]`, value, w], value: value * w });
  }
  const bias = layer.parameters.bias && step.tensors[layer.parameters.bias.value];
  if (bias) terms.push({ cells: ["bias", "", "", "", ""], value: bias.at([o]) });
  const cut = x.kept[1] < Math.min(x.shape[1], first + weight.shape[1]) || weight.kept.some((size, axis) => axis > 0 && size < weight.shape[axis]) || x.kept.slice(2).some((size, d) => size < x.shape[d + 2]);
  return {
    headline: `y[${[n, o, ...p].join(", ")}] = Σ_c Σ_k weight[${o}, c, k] · x[${n}, c, p·stride + k·dilation − padding]${bias ? ` + bias[${o}]` : ""}`,
    missing: cut ? "Not all input channels are recorded." : "",
    groups: [{ name: `Σ over ${terms.length} terms`, columns: ["c", "offset k", "reads x at", "x there", "weight"], terms }],
  };
}
