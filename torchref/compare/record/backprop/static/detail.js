// One tensor opened: NumPy | torch | difference, with the bound, the entry under the cursor, and how it is made.

import { element } from "./dom.js";
import { entry } from "./entry.js";
import { heatmap } from "./heatmap.js";
import { layout } from "./layout.js";
import { differenceScale } from "./network-page.js";
import { exact, ofBound, place, short } from "./numbers.js";

export function detail(app) {
  const { tag, index, opened } = app.picked;
  const tensor = app.step.tensors[tag];
  const plan = layout(tensor, app.example);
  const panels = element("div", { class: "panels" },
    panel(app, tensor, "NumPy", (i) => tensor.at(i), tensor.scale()),
    panel(app, tensor, "torch", (i) => tensor.at(i, "torch"), tensor.scale()),
    panel(app, tensor, "difference", (i) => tensor.difference(i), differenceScale(tensor)));
  return [
    element("section", { class: "detail" },
      element("h2", {}, title(app, tag)),
      element("p", {}, `${tensor.describe()}${tensor.whole() ? "" : `; ${tensor.cutSays()}`}. ${agreement(tensor)}`),
      plan.chosenAxis >= 0 ? exampleSlider(app, tensor.kept[plan.chosenAxis]) : null,
      panels,
      readout(tensor, index)),
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
  return `Largest difference, over all entries: ${short(difference)}${difference ? ` at ${place(at)}` : ""}.${bound}`;
}

function exampleSlider(app, count) {
  const slider = element("input", { type: "range", min: 0, max: count - 1, value: Math.min(app.example, count - 1), "data-keep": "example", "aria-label": "example", oninput: (event) => app.set({ example: Number(event.target.value), picked: { ...app.picked, opened: false } }) });
  return element("label", {}, slider, ` example ${Math.min(app.example, count - 1)} of the batch`);
}

function panel(app, tensor, name, value, scale) {
  const { tag, index, opened } = app.picked;
  const onpick = (at, open) => {
    if (at) app.pick(tag, at, open || opened);
  };
  const picture = heatmap(tensor, value, { scale, side: 300, example: app.example, label: `${tag}, ${name}`, picked: index, onpick });
  picture.dataset.keep = `panel ${name}`;
  const end = name === "difference" && tensor.bound ? `±${short(scale)}, the bound` : `±${short(scale)}`;
  return element("figure", {}, element("figcaption", {}, element("strong", {}, name), ` (colours end at ${end})`), picture);
}

function readout(tensor, index) {
  const rows = [["entry", `${tensor.tag}${place(index)}`], ["NumPy", exact(tensor.at(index))], ["torch", exact(tensor.at(index, "torch"))], ["difference", exact(tensor.difference(index))]];
  return element("table", { class: "readout" }, ...rows.map(([name, value]) => element("tr", {}, element("th", {}, name), element("td", {}, value))));
}
