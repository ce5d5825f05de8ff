// The loss: what it sends back to the network's output.

import { indices } from "./data.js";
import { sigmoid } from "./special.js";
import { sum } from "./numbers.js";

export function input(step, layer, index) {
  const { kind, says } = step.structure.loss;
  const explainer = kind === "CrossEntropyLoss" ? crossEntropy : kind === "NLLLoss" ? likelihood : kind in DERIVATIVES ? entryByEntry : null;
  return explainer?.(step, layer, index) ?? { words: `The gradient comes from ${says}, for which the tab knows no sum yet; the formula is in the docstring.` };
}

// What the loss was given, and of its targets: their weights, and what the mean divides by. {words} where it is not known.
function classes(step, layer) {
  const { loss } = step.structure;
  const [x, target, weight] = [layer.y, loss.target, loss.weight].map((tag) => step.tensors[tag]);
  const { ignore_index: ignored, reduction } = loss.options;
  if (x.kept[1] < x.shape[1]) return { words: `The loss is over ${x.shape[1]} classes, of which ${x.kept[1]} are recorded.` };
  const weightOf = (k) => weight?.at([k]) ?? 1;
  const soft = target.said.dtype.startsWith("float");
  const counts = (t) => (t === ignored ? 0 : weightOf(t));
  if (reduction === "mean" && !soft && !target.whole() && (weight || ignored >= 0)) return { words: "What the mean divides by cannot be known: not all targets are recorded." };
  const all = soft ? target.shape.reduce((a, b) => a * b, 1) / x.shape[1] : target.whole() ? sum([...indices(target.kept)].map((at) => counts(target.at(at)))) : target.shape.reduce((a, b) => a * b, 1);
  return { x, target, soft, weightOf, ignored, over: reduction === "mean" ? all : 1, count: x.shape[1] };
}

const row = (index) => [index[0], ...index.slice(2)]; // a row of classes stands on axis 1

// dL/dx_nk = scale (p_nk sum_j q_nj - q_nk), q_nk = weight_k ((1 - s) target_nk + s / K), s the label smoothing; for a
// label t without weights: scale (p_nk - [k = t]).
function crossEntropy(step, layer, index) {
  const given = classes(step, layer);
  if (given.words) return given;
  const { x, target, soft, weightOf, ignored, over, count } = given;
  const smoothing = step.structure.loss.options.label_smoothing;
  const [k, t] = [index[1], soft ? null : target.at(row(index))];
  if (!soft && t === ignored) return { words: `The target is ignore_index, ${t}: this example sends no gradient.` };
  const inRow = (tensor, j) => tensor.at([index[0], j, ...index.slice(2)]);
  const every = Array.from({ length: count }, (_, j) => j);
  const logits = every.map((j) => inRow(x, j));
  const top = Math.max(...logits);
  const exps = logits.map((each) => Math.exp(each - top));
  const p = exps[k] / sum(exps);
  const wanted = every.map((j) => weightOf(j) * ((1 - smoothing) * (soft ? inRow(target, j) : Number(j === t)) + smoothing / count));
  const plain = !soft && !smoothing && !step.structure.loss.weight;
  const [whole, scale] = [sum(wanted), 1 / over];
  const q = plain ? `[${k} = t]` : `q[${k}]`;
  const means = plain ? "" : `; q_k = ${step.structure.loss.weight ? "weight_k · " : ""}${smoothing ? `((1 − ${smoothing}) ${soft ? "target_k" : "[k = t]"} + ${smoothing} / ${count})` : soft ? "target_k" : "[k = t]"}`;
  const divided = over === 1 ? "" : plain ? " / N" : soft ? " / N" : " / Σ_n weight[t_n]";
  return {
    headline: `dL/dx[${index.join(", ")}] = (p[${k}]${plain ? "" : " · Σ_j q_j"} − ${q})${divided}${soft ? "" : `, t = ${t}`}${means}`,
    groups: [
      { name: `the softmax: p · scale${plain ? "" : " · Σ_j q_j"}`, columns: ["", "p = exp(x_k) / Σ_j exp(x_j)", "Σ_j q_j", "scale"], terms: [{ cells: [`class ${k}`, p, whole, scale], value: p * whole * scale }], open: true },
      { name: `the target: −${q} · scale`, columns: ["", q, "scale"], terms: [{ cells: [soft ? `class ${k}` : `target ${t}`, wanted[k], scale], value: -wanted[k] * scale }], open: true },
      { name: `how p comes about: exp(x_j) over the ${count} classes`, columns: ["j", "x_j", "exp(x_j − max)"], terms: logits.map((each, j) => ({ cells: [j, each, exps[j]], value: exps[j] })), value: 0, says: "(no term of the sum)", open: false },
    ],
  };
}

// dL/dx_nk = -weight_t [k = t] scale
function likelihood(step, layer, index) {
  const given = classes(step, layer);
  if (given.words) return given;
  const t = given.target.at(row(index));
  if (t === given.ignored) return { words: `The target is ignore_index, ${t}: this example sends no gradient.` };
  const hit = Number(index[1] === t);
  const term = { cells: [`target ${t}`, given.weightOf(t), hit, 1 / given.over], value: -given.weightOf(t) * hit / given.over };
  return { headline: `dL/dx[${index.join(", ")}] = −weight[t] · [${index[1]} = t] · scale, t = ${t}`, groups: [{ name: "the log-probability of the target", columns: ["", "weight[t]", `[${index[1]} = t]`, "scale"], terms: [term] }] };
}

// Losses that treat each entry by itself: the parts of the derivative of an entry's loss, of x, the target t, and options.
const DERIVATIVES = {
  MSELoss: ["2 (x − t)", (x, t) => [["2 x", 2 * x], ["−2 t", -2 * t]]],
  L1Loss: ["sign(x − t)", (x, t) => [["sign(x − t)", Math.sign(x - t)]]],
  SmoothL1Loss: ["(x − t) / β where |x − t| < β, else sign(x − t)", (x, t, { beta }) => (Math.abs(x - t) < beta ? [["x / β", x / beta], ["−t / β", -t / beta]] : [["sign(x − t)", Math.sign(x - t)]])],
  HuberLoss: ["x − t where |x − t| ≤ δ, else δ sign(x − t)", (x, t, { delta }) => (Math.abs(x - t) <= delta ? [["x", x], ["−t", -t]] : [["δ sign(x − t)", delta * Math.sign(x - t)]])],
  BCELoss: ["(x − t) / (x (1 − x))", (x, t) => [["x / (x (1 − x))", x / Math.max(x * (1 - x), 1e-12)], ["−t / (x (1 − x))", -t / Math.max(x * (1 - x), 1e-12)]]],
  BCEWithLogitsLoss: ["σ(x) − t", (x, t) => [["σ(x)", sigmoid(x)], ["−t", -t]]],
};

function entryByEntry(step, layer, index) {
  const { loss } = step.structure;
  const [x, target] = [step.tensors[layer.y], step.tensors[loss.target]];
  if (loss.options.weighted) return { words: "The loss weights its entries: the tab shows the plain case alone." };
  const n = loss.options.reduction === "mean" ? x.shape.reduce((a, b) => a * b, 1) : 1;
  const [formula, parts] = DERIVATIVES[loss.kind];
  const terms = parts(x.at(index), target.at(index), loss.options).map(([name, value]) => ({ cells: [name, value, 1 / n], value: value / n }));
  return { headline: `dL/dx[${index.join(", ")}] = (${formula})${n === 1 ? "" : ` / ${n}`}, t = ${target.at(index)}`, groups: [{ name: "the derivative of this entry's loss", columns: ["", "value", "1 / n"], terms }] };
}
