// How an entry is made: which layer computes it, and by which sum. Each kind of layer has its own file.
//
// An explanation: {headline, words, kind, gradient, groups, missing, otherwise}. `groups` are parts of the sum:
// {name, columns, terms: [{cells, value}], says, value}; `missing` says which terms are not recorded; `kind` and
// `gradient` find the line of the source; `otherwise` is what it may mean that the terms do not add up.

import * as attention from "./explain-attention.js";
import * as convolution from "./explain-convolution.js";
import * as elementwise from "./explain-elementwise.js";
import * as embedding from "./explain-embedding.js";
import * as layerNorm from "./explain-layer-norm.js";
import * as linear from "./explain-linear.js";
import * as loss from "./explain-loss.js";
import * as norm from "./explain-norm.js";
import * as pooling from "./explain-pooling.js";
import * as recurrent from "./explain-recurrent.js";
import { place } from "./numbers.js";

// kind of layer -> {parameter(step, layer, name, index), input(step, layer, index), output(step, layer, index)}
const LAYERS = {
  Linear: linear, Conv1d: convolution, Conv2d: convolution, BatchNorm1d: norm, BatchNorm2d: norm, Embedding: embedding,
  LayerNorm: layerNorm, MaxPool1d: pooling, MaxPool2d: pooling, AvgPool1d: pooling, AvgPool2d: pooling, LSTM: recurrent, RNN: recurrent, GRU: recurrent, MultiheadAttention: attention,
  ...Object.fromEntries(elementwise.KINDS.map((kind) => [kind, elementwise])),
};

export function explain(step, tag, index) {
  const { layer, what, parameter } = step.find(tag);
  const headline = `${tag}${place(index)}`;
  if (!layer) return { headline, words: "A target of the batch: it is given, and not computed." };
  const explainer = LAYERS[layer.kind] ?? {};
  const found = () => {
    if (what === "gradient") return explainer.parameter?.(step, layer, parameter, index);
    if (what === "y") return explainer.output?.(step, layer, index);
    if (what === "dy") return outputGradient(step, layer, index);
    if (what === "after") return update(step, layer, parameter, index);
    if (what === "value") return { words: "A weight as this step found it. Its gradient is the picture below it." };
    return { words: layer === step.layers[0] ? "What the network was given." : "What the network has made, outside its layers, of what came before." };
  };
  const explanation = found() ?? { words: `For a ${layer.kind} the tab knows no sum for this tensor yet; the formula is in the docstring.` };
  return { headline, kind: layer.kind, gradient: { gradient: `d${parameter}`, dy: "dx" }[what], ...explanation };
}

// dL/dy of a layer is the dL/dx of the one that takes y: of the loss, if it is the last.
function outputGradient(step, layer, index) {
  const users = step.users(layer);
  if (users.length > 1) return { words: `${users.length} layers take this output (${users.map((user) => user.turn).join(", ")}): the gradient is the sum of what they send back.` };
  if (users.length === 0) {
    if (layer !== step.layers.at(-1)) return { words: "No layer takes this array as it is: the network does something with it in between (adds it to another, takes a part of it), and the gradient comes back through that." };
    return { kind: step.structure.loss.kind, gradient: "dx", ...loss.input(step, layer, index) };
  }
  const [user] = users;
  const explainer = LAYERS[user.kind];
  const explanation = explainer?.input?.(step, user, index) ?? { words: `It comes back through ${user.says} (layer ${user.turn}), for which the tab knows no sum yet; the formula is in the docstring.` };
  return { kind: user.kind, gradient: "dx", otherwise: "Something else takes this output, too, and sends the rest.", ...explanation };
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
