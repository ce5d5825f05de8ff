// The wave: how large the gradient is at every layer, on its way back, and over the training. What shrinks from layer
// to layer vanishes, what grows explodes; units that are zero for the whole batch are dead.

import { shade, theme } from "./colors.js";
import { element, svg } from "./dom.js";
import { percent, short } from "./numbers.js";

const VANISHING = 0.1; // a layer's factor below it, ...
const EXPLODING = 10; // ... or above it, is marked
const LABEL = 124; // pixels that a layer's label takes

export function wavePage(app) {
  const steps = app.structures.map(summary);
  const at = Math.min(app.number, steps.length - 1);
  return [
    element("p", {}, "The gradient starts at the loss, on the right, and goes to the left. Each layer multiplies its size, the Euclidean norm of all its entries, by a factor: below 1 the wave shrinks (many such layers, and it vanishes), above 1 it grows (and may explode). The figures are NumPy's; torch's are equal within their bounds."),
    element("h2", {}, "Norm of dL/dy at each layer, a line for each recorded step"), legend(steps, at), curves(app, steps, at),
    element("h2", {}, `Step ${steps[at].step}, layer by layer`), factors(steps[at]),
    element("h2", {}, "Dead units, over the training"), dead(steps),
  ];
}

// Of one structure: for each layer with a gradient its norm, the layer's factor, and its dead units. A factor is a
// quotient of two norms, so that a norm times its layer's factor is the norm of the layer before it.
export function summary(structure) {
  const norm = (tag) => {
    const found = structure.tensors[tag]?.numpy?.norm;
    return typeof found === "number" ? found : null; // nan and inf come as texts
  };
  const layers = structure.layers.filter((layer) => layer.dy);
  const rows = layers.map((layer) => {
    const before = structure.layers.filter((other) => other.y === (layer.from ?? layer.x) && other.dy);
    const [dy, dx] = [norm(layer.dy), before.length === 1 ? norm(before[0].dy) : null];
    const y = structure.tensors[layer.y];
    const units = y.shape.length > 3 ? y.shape[1] : y.shape.at(-1);
    const weights = Object.values(layer.parameters).map((tags) => norm(tags.gradient)).filter((each) => each !== null);
    return {
      name: layer.turn, place: layer.place, stage: layer.stage, kind: layer.kind, size: dy, factor: dx !== null && dy > 0 ? dx / dy : null,
      weight: weights.length ? Math.hypot(...weights) : null, dead: y.numpy?.dead ?? 0, units, gate: /ReLU|Hardtanh|Threshold/.test(layer.kind),
    };
  });
  return { step: structure.step, rows };
}

function curves(app, steps, at) {
  const names = steps[0].rows;
  const sizes = steps.flatMap((each) => each.rows.map((row) => row.size)).filter((size) => size > 0);
  if (!sizes.length) return element("p", {}, "No gradient between layers is recorded.");
  const [low, high] = [Math.floor(Math.log10(Math.min(...sizes))), Math.ceil(Math.log10(Math.max(...sizes)))];
  const [left, top, width, height] = [70, 12, Math.max(420, Math.min(1100, LABEL * (names.length - 1))), 260];
  const x = (i) => left + (names.length > 1 ? (i * width) / (names.length - 1) : width / 2);
  const y = (size) => top + height * (1 - (Math.log10(size) - low) / Math.max(1, high - low));
  const picture = svg("svg", { width: left + width + 120, height: top + height + 78, role: "img", "aria-label": "size of the gradient at each layer, for each recorded step" });
  for (let power = low; power <= high; power++) {
    picture.append(svg("line", { x1: left, x2: left + width, y1: y(10 ** power), y2: y(10 ** power), stroke: "var(--line)" }));
    picture.append(svg("text", { x: left - 8, y: y(10 ** power) + 4, "text-anchor": "end", class: "faint" }, `1e${power}`));
  }
  const every = Math.ceil(((names.length - 1) * LABEL) / width); // labels that do not run into each other
  names.forEach((row, i) => {
    const lines = i % every ? [] : [row.place, row.stage, `${row.name}: ${row.kind}`];
    lines.forEach((text, line) => picture.append(svg("text", { x: x(i), y: top + height + 18 + 16 * line, "text-anchor": "middle", class: line ? "faint" : "" }, text)));
  });
  picture.append(svg("text", { x: left, y: top + height + 70, class: "faint" }, "norm of dL/dy, on a logarithmic scale; backward runs from right to left"));
  const order = [...steps.keys()].sort((a, b) => (a === at) - (b === at)); // the chosen line lies on top
  order.forEach((number) => {
    const each = steps[number];
    const points = each.rows.map((row, i) => (row.size > 0 ? [x(i), y(row.size)] : null)).filter(Boolean);
    const chosen = number === at;
    const color = lineColor(number, steps.length);
    const line = svg("polyline", { points: points.join(" "), fill: "none", stroke: chosen ? "var(--orange)" : color, "stroke-width": chosen ? 3.5 : lineWidth(number, steps.length), "data-step": each.step, tabindex: 0, role: "button", "aria-label": `step ${each.step}`, onclick: () => app.goTo(number), onkeydown: (event) => event.key === "Enter" && app.goTo(number) });
    line.append(svg("title", {}, `step ${each.step}`));
    picture.append(line, ...(chosen ? points.map(([cx, cy]) => svg("circle", { cx, cy, r: 4, fill: "var(--orange)" })) : []));
  });
  const slider = element("input", { type: "range", min: 0, max: steps.length - 1, value: at, "data-keep": "wave step", "aria-label": "step", oninput: (event) => app.goTo(Number(event.target.value)) });
  return element("div", {}, picture, element("p", {}, element("label", {}, slider, ` step ${steps[at].step}`)));
}

// A step's line: blue, the stronger and the wider the later.
function lineColor(number, count) {
  return `rgb(${shade(0.12 + (0.88 * (number + 1)) / count, 1, theme(), 1).join(" ")})`;
}

const lineWidth = (number, count) => 1 + (1.5 * (number + 1)) / count;

function legend(steps, at) {
  const sample = (...lines) => {
    const picture = svg("svg", { width: 14 + 8 * lines.length, height: 12, "aria-hidden": true });
    lines.forEach(([stroke, width], i) => picture.append(svg("line", { x1: 8 * i, x2: 8 * i + (lines.length > 1 ? 8 : 22), y1: 6, y2: 6, stroke, "stroke-width": width })));
    return picture;
  };
  const numbers = [...steps.keys()].filter((number) => number !== at);
  const others = numbers.map((number) => [lineColor(number, steps.length), lineWidth(number, steps.length)]);
  return element("p", { class: "legend" },
    sample(["var(--orange)", 3]), ` step ${steps[at].step}, chosen with the slider or by a click on its line`,
    ...(others.length ? [" \u2003 ", sample(...others), ` the other steps, from ${steps[numbers[0]].step} (faint) to ${steps[numbers.at(-1)].step} (strong)`] : []));
}

function factors({ rows }) {
  const head = ["layer", "norm of dL/dy", "factor: |dL/dx| / |dL/dy|", "÷ 10 … 1 … × 10", "norm of its weights' gradient", "dead units"];
  const body = rows.map((row) => {
    const note = row.factor === null ? "" : row.factor < VANISHING ? "shrinks it more than tenfold" : row.factor > EXPLODING ? "more than tenfold" : "";
    return element("tr", { class: note ? "marked" : "" }, element("th", {}, says(row)), cell(short(row.size)), cell(row.factor === null ? "–" : `× ${short(row.factor)}`), element("td", {}, bar(row.factor), note ? ` ${note}` : ""), cell(row.weight === null ? "–" : short(row.weight)), cell(deadSays(row)));
  });
  return element("table", {}, element("thead", {}, element("tr", {}, ...head.map((name) => element("th", {}, name)))), element("tbody", {}, ...body));
}

const says = (row) => `${row.place}, ${row.stage} (${row.name}: ${row.kind})`;

const cell = (text) => element("td", { class: "number" }, text);

function deadSays(row) {
  return row.gate ? `${row.dead} of ${row.units} (${percent(row.dead / row.units)})` : "–";
}

// A factor as a bar from its middle, 1: to the left what shrinks, to the right what grows, up to tenfold.
function bar(factor) {
  if (!(factor > 0)) return "";
  const length = Math.max(-60, Math.min(60, 60 * Math.log10(factor)));
  const picture = svg("svg", { width: 124, height: 12, "aria-hidden": true });
  picture.append(svg("rect", { x: length < 0 ? 62 + length : 62, y: 1, width: Math.abs(length), height: 10, fill: length < 0 ? "var(--orange)" : "var(--blue)" }), svg("line", { x1: 62, x2: 62, y1: 0, y2: 12, stroke: "var(--ink)" }));
  return picture;
}

function dead(steps) {
  const gates = steps[0].rows.map((row, i) => [row, i]).filter(([row]) => row.gate);
  if (!gates.length) return element("p", {}, "No layer of this network has units that can die (ReLU and its kin).");
  const head = element("tr", {}, element("th", {}, "layer"), ...steps.map((each) => element("th", {}, `step ${each.step}`)));
  const body = gates.map(([row, i]) => element("tr", {}, element("th", {}, says(row)), ...steps.map((each) => cell(each.rows[i] ? percent(each.rows[i].dead / each.rows[i].units) : "–"))));
  return element("div", {}, element("p", { class: "note" }, "A unit of a ReLU is dead where it is zero for every example of the step's batch: in such a step it learns nothing."), element("table", {}, head, ...body));
}
