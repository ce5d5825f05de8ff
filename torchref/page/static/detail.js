// One tensor opened: NumPy | torch | difference, with the bound, the entry under the cursor, and how it is made.

import { compared } from "./compared.js";
import { element } from "./dom.js";
import { entry } from "./entry.js";
import { ofBound, place, short } from "./numbers.js";

export function detail(app) {
  const { tag, index, opened } = app.picked;
  const tensor = app.step.tensors[tag];
  const state = {
    picked: index, example: app.example,
    onpick: (at, open) => app.pick(tag, at, open || opened),
    onexample: (example) => app.set({ example, picked: { ...app.picked, opened: false } }),
  };
  return [
    element("section", { class: "detail" },
      element("h2", {}, title(app, tag)),
      element("p", {}, `${tensor.describe()}${tensor.whole() ? "" : `; ${tensor.cutSays()}`}. ${agreement(tensor)}`),
      ...compared(tensor, ["NumPy", "torch"], state)),
    opened ? entry(app, tag, index) : element("p", { class: "note" }, "Click an entry, or move with the arrow keys and press Enter, to see the sum that makes it."),
  ];
}

// What a tensor is, in words.
export function title(app, tag) {
  const { layer, what, parameter } = app.step.find(tag);
  if (!layer) return "The targets of the batch";
  const whose = `${layer.place}, ${layer.stage} (layer ${layer.turn}, ${layer.kind})`;
  const said = {
    x: "Input", y: "Output", dy: "Gradient of the output, dL/dy",
    value: `The ${parameter} before the step`, gradient: `Gradient of the ${parameter}, dL/d${parameter}`, after: `The ${parameter} after the step`,
  };
  return `${said[what]}: ${whose}`;
}

function agreement(tensor) {
  const { difference, difference_at: at } = tensor.said;
  if (!tensor.torch) return "torch shows nothing of it.";
  if (difference === undefined) return "";
  const bound = tensor.bound ? ` The bound is ${short(tensor.bound)} (${tensor.boundIs}): ${ofBound(difference, tensor.bound)}.` : "";
  return `Largest difference, over all entries: ${short(difference)}${difference ? ` at ${place(at)}${tensor.has(at) ? "" : ", outside of what is recorded"}` : ""}.${bound}`;
}
