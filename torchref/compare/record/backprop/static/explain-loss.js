// The loss: what it sends back to the network's output.

import { indices } from "./data.js";

export function input(step, layer, index) {
  const { kind } = step.structure.loss;
  const explainer = { CrossEntropyLoss: crossEntropy, MSELoss: squares }[kind];
  return explainer?.(step, layer, index) ?? { words: `The gradient comes from ${step.structure.loss.says}, for which the tab knows no sum yet; the formula is in the docstring.` };
}

// dL/dx_nk = scale (p_nk - [k = t]): two terms, the softmax and the one-hot target.
function crossEntropy(step, layer, index) {
  const { loss } = step.structure;
  const [x, target] = [step.tensors[layer.y], step.tensors[loss.target]];
  const { weighted, label_smoothing: smoothing, reduction } = loss.options;
  if (weighted || target.kept.length !== index.length - 1) return { words: "The classes are weighted, or the targets are probabilities: the tab shows the plain case alone." };
  if (x.kept[1] < x.shape[1]) return { words: `The softmax is over ${x.shape[1]} classes, of which ${x.kept[1]} are recorded.` };
  const at = [index[0], ...index.slice(2)];
  const [k, t, classes] = [index[1], target.at(at), x.shape[1]];
  const logits = Array.from({ length: classes }, (_, j) => x.at([index[0], j, ...index.slice(2)]));
  const top = Math.max(...logits);
  const exps = logits.map((each) => Math.exp(each - top));
  const p = exps[k] / exps.reduce((a, b) => a + b, 0);
  if (t === loss.options.ignore_index) return { words: `The target is ignore_index, ${t}: this example sends no gradient.` };
  const ignored = [...indices(target.kept)].filter((each) => target.at(each) === loss.options.ignore_index).length;
  if (reduction === "mean" && !target.whole() && loss.options.ignore_index >= 0) return { words: "How many targets count cannot be known: not all are recorded." };
  const scale = reduction === "mean" ? 1 / (target.shape.reduce((a, b) => a * b, 1) - ignored) : 1;
  const wanted = (1 - smoothing) * (k === t ? 1 : 0) + smoothing / classes;
  return {
    headline: `dL/dx[${index.join(", ")}] = (p[${index.join(", ")}] − ${smoothing ? "smoothed target" : `[${k} = t]`}) · ${reduction === "mean" ? "1 / N" : "1"}, t = ${t}`,
    groups: [
      { name: "the softmax: p · scale", columns: ["", "p = exp(x_k) / Σ_j exp(x_j)", "scale"], terms: [{ cells: [`class ${k}`, p, scale], value: p * scale }], open: true },
      { name: `the target: −[k = t] · scale`, columns: ["", smoothing ? "smoothed" : "[k = t]", "scale"], terms: [{ cells: [`target ${t}`, wanted, scale], value: -wanted * scale }], open: true },
      { name: `how p comes about: exp(x_j) over the ${classes} classes`, columns: ["j", "x_j", "exp(x_j − max)"], terms: logits.map((each, j) => ({ cells: [j, each, exps[j]], value: exps[j] })), value: 0, says: "(no term of the sum)", open: false },
    ],
  };
}

// dL/dx_i = 2 (x_i - target_i) / n
function squares(step, layer, index) {
  const [x, target] = [step.tensors[layer.y], step.tensors[step.structure.loss.target]];
  const n = step.structure.loss.options.reduction === "mean" ? x.shape.reduce((a, b) => a * b, 1) : 1;
  const [ours, wanted] = [x.at(index), target.at(index)];
  return {
    headline: `dL/dx[${index.join(", ")}] = 2 (x − target) / ${n}`,
    groups: [{ name: "2 x / n − 2 target / n", columns: ["", "value", "2 / n"], terms: [{ cells: ["x", ours, 2 / n], value: (2 * ours) / n }, { cells: ["−target", -wanted, 2 / n], value: (-2 * wanted) / n }] }],
  };
}
