// A tensor in two engines, side by side, and their difference; the entry under the cursor in full digits.

import { element } from "./dom.js";
import { heatmap } from "./heatmap.js";
import { layout } from "./layout.js";
import { exact, place, short } from "./numbers.js";

// names: of the two engines. state: {picked, example, onpick(index, open), onexample(example)}.
export function compared(tensor, names, { picked, example, onpick, onexample }) {
  const plan = layout(tensor, example);
  const panel = (name, value, scale, end) => {
    const picture = heatmap(tensor, value, { scale, side: 300, example, label: `${tensor.tag}, ${name}`, picked, onpick: (at, open) => at && onpick(at, open) });
    picture.dataset.keep = `panel ${name}`;
    return element("figure", {}, element("figcaption", {}, element("strong", {}, name), scale > 0 ? ` (colours end at ±${short(scale)}${end})` : " (nothing above or below 0)"), picture);
  };
  const [first, second] = names;
  return [
    plan.chosenAxis >= 0 ? exampleSlider(tensor.kept[plan.chosenAxis], example, onexample) : null,
    element("div", { class: "panels" },
      panel(first, (i) => tensor.at(i), tensor.scale(), ""),
      panel(second, (i) => tensor.at(i, "torch"), tensor.scale(), ""),
      panel("difference", (i) => tensor.difference(i), differenceScale(tensor), boundSays(tensor))),
    readout(tensor, names, picked),
  ].filter(Boolean);
}

// The size at the end of the colours of a difference: its bound, or where none is known its largest.
export function differenceScale(tensor) {
  return tensor.bound || Number(tensor.said.difference) || 0;
}

function boundSays(tensor) {
  if (!tensor.bound) return "";
  return Number(tensor.said.difference) > tensor.bound ? ", the bound: a full colour is at it or above" : ", the bound: blank is far below it";
}

function exampleSlider(count, example, onexample) {
  const at = Math.min(example, count - 1);
  const slider = element("input", { type: "range", min: 0, max: count - 1, value: at, "data-keep": "example", "aria-label": "example", oninput: (event) => onexample(Number(event.target.value)) });
  return element("label", {}, slider, ` example ${at} of the batch`);
}

function readout(tensor, [first, second], index) {
  const rows = [["entry", `${tensor.tag}${place(index)}`], [first, exact(tensor.at(index))], [second, exact(tensor.at(index, "torch"))], ["difference", exact(tensor.difference(index))]];
  return element("table", { class: "readout" }, ...rows.map(([name, value]) => element("tr", {}, element("th", {}, name), element("td", {}, value))));
}
