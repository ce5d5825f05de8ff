// How an entry is made: which layer computes it, and by which sum. Each kind of layer has its own file.
//
// An explanation: {headline, words, kind, gradient, groups, missing, otherwise}. `groups` are parts of the sum:
// {name, columns, terms: [{cells, value}], says, value}; `missing` says which terms are not recorded; `kind` and
// `gradient` find the line of the source; `otherwise` is what it may mean that the terms do not add up.

import * as attention from "./explain-attention.js";
import * as convolution from "./explain-convolution.js";
import * as elementwise from "./explain-elementwise.js";
import * as embedding from "./explain-embedding.js";
import * as linear from "./explain-linear.js";
import * as loss from "./explain-loss.js";
import * as norm from "./explain-norm.js";
import * as pooling from "./explain-pooling.js";
import * as recurrent from "./explain-recurrent.js";
import * as rows from "./explain-rows.js";
import { place } from "./numbers.js";

const among = (explainer, ...kinds) => Object.fromEntries(kinds.map((kind) => [kind, explainer]));

// kind of layer -> {parameter(step, layer, name, index), input(step, layer, index), output(step, layer, index)}
const LAYERS = {
  ...among(linear, "Linear"),
  ...among(convolution, "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"),
  ...among(norm, "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
  ...among(norm, "GroupNorm", "LayerNorm", "RMSNorm"),
  ...among(pooling, "MaxPool1d", "MaxPool2d", "AvgPool1d", "AvgPool2d"),
  ...among(embedding, "Embedding"),
  ...among(recurrent, "LSTM", "GRU", "RNN"),
  ...among(attention, "MultiheadAttention"),
  ...among(rows, "Softmax", "LogSoftmax", "Softmin", "Softmax2d", "GLU"),
  ...among(elementwise, ...elementwise.KINDS),
};

export function explain(step, tag, index) {
  const { layer, what, parameter } = step.find(tag);
  const headline = `${tag}${place(index)}`;
  if (!layer) return { headline, words: "A target of the batch: it is given, and not computed." };
  const explainer = LAYERS[layer.kind] ?? {};
  const found = () => {
    if (what === "gradient") return ofEveryRun(step, layer, explainer, parameter, index);
    if (what === "y") return explainer.output?.(step, layer, index);
    if (what === "dy") return outputGradient(step, layer, index);
    if (what === "after") return update(step, layer, parameter, index);
    if (what === "value") return { words: "A weight as this step found it. Its gradient is the picture below it." };
    return { words: layer === step.layers[0] ? "What the network was given." : "What the network has made, outside its layers, of what came before." };
  };
  const explanation = found() ?? { words: `For a ${layer.kind} the tab knows no sum for this tensor yet; the formula is in the docstring.` };
  return { headline, kind: layer.kind, gradient: { gradient: `d${parameter}`, dy: "dx" }[what], ...explanation };
}

// A layer that runs several times gets a share of its weights' gradients in each.
function ofEveryRun(step, layer, explainer, parameter, index) {
  const runs = step.runs(layer);
  if (runs.length === 1 || explainer === linear || explainer === embedding) return explainer.parameter?.(step, layer, parameter, index);
  return joined(runs.map((run) => [run.turn, explainer.parameter?.(step, run, parameter, index)]));
}

// Explanations of parts of a sum, [[whose, explanation], ...], as one; the first that has no groups where one has none.
function joined(parts) {
  const dark = parts.find(([, part]) => !part?.groups);
  if (dark) return dark[1];
  const groups = parts.flatMap(([whose, part]) => part.groups.map((group) => ({ ...group, name: `${whose}: ${group.name}` })));
  return { ...parts[0][1], groups, missing: parts.map(([, part]) => part.missing).filter(Boolean).join(" ") };
}

// dL/dy of a layer is the sum of what those send back that take y; of the last, what the loss sends.
function outputGradient(step, layer, index) {
  const users = step.users(layer);
  if (users.length === 0) {
    if (layer !== step.layers.at(-1)) return { words: "No layer takes this array as it is: the network does something with it in between (adds it to another, takes a part of it), and the gradient comes back through that." };
    return { kind: step.structure.loss.kind, gradient: "dx", ...loss.input(step, layer, index) };
  }
  const otherwise = "Something else takes this output, too, and sends the rest.";
  const parts = users.map((user) => [user.turn, LAYERS[user.kind]?.input?.(step, user, index, layer.y) ?? { words: `It comes back through ${user.says} (layer ${user.turn}), for which the tab knows no sum yet; the formula is in the docstring.` }]);
  if (users.length === 1) return { kind: users[0].kind, gradient: "dx", otherwise, ...parts[0][1] };
  const headline = `dL/dy[${index.join(", ")}]: the sum of what ${users.length} layers send back (${users.map((user) => user.turn).join(", ")})`;
  return { kind: users[0].kind, gradient: "dx", otherwise, ...joined(parts), ...(parts.every(([, part]) => part.groups) ? { headline } : {}) };
}

function update(step, layer, name, index) {
  const tags = layer.parameters[name];
  const before = step.tensors[tags.value].at(index);
  const after = step.tensors[tags.after].at(index);
  return {
    headline: `${name}${place(index)} after = before + change`,
    kind: "",
    words: "Both optimizers are given torch's gradient, and both take their step. The change is minus the learning rate times the gradient for plain SGD; momentum and Adam mix earlier gradients in.",
    groups: [{ name: "before + change", columns: [""], terms: [{ cells: ["before"], value: before }, { cells: ["change"], value: after - before }] }],
  };
}
