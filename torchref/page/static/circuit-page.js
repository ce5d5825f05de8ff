// The circuit player: a scalar graph from left to right, value by value, and its gradients back from right to left.

import { compute, isInput } from "./circuit.js";
import { choice, element, svg } from "./dom.js";
import { exact, short } from "./numbers.js";

const [WIDE, HIGH, BOX] = [128, 84, 64];

export function circuitPage(app) {
  const state = (app.circuit ??= { chosen: 0, at: null, values: null });
  const circuit = app.circuits[state.chosen];
  state.values ??= circuit.values.map((value) => ({ ...value }));
  const { values, backward } = compute(state.values);
  const last = values.length + backward.length;
  const at = Math.min(state.at ?? last, last);
  const titles = Object.fromEntries(app.circuits.map((each, i) => [String(i), each.title]));
  const choose = (i) => app.set({ circuit: { chosen: Number(i), at: null, values: null } });
  const move = (to) => {
    state.at = Math.max(0, Math.min(last, to));
    app.draw();
  };
  const slider = element("input", { type: "range", min: 0, max: last, value: at, "data-keep": "circuit step", "aria-label": "step of the circuit", oninput: (event) => move(Number(event.target.value)) });
  const bar = element("div", { class: "bar" },
    button("start", "circuit start", () => move(0)), button("◀ back", "circuit back", () => move(at - 1)), slider, button("next ▶", "circuit next", () => move(at + 1)), button("end", "circuit end", () => move(last)));
  return [
    choice("circuit", titles, String(state.chosen), choose),
    element("p", {}, circuit.says), bar, element("p", { class: "verdict", "aria-live": "polite" }, sentence(values, backward, at)),
    drawing(values, backward, at), element("p", { class: "note" }, "Above a box stands its value; below it, with d, the derivative of the result with respect to it."),
    inputs(app, state, values, backward, at),
  ];
}

function button(text, keep, onclick) {
  return element("button", { type: "button", "data-keep": keep, onclick }, text);
}

const operands = (value, values) => value.operands.map((i) => short(values[i].data)).join(", ");

// What happens at this step, in words.
function sentence(values, backward, at) {
  if (at === 0) return "Nothing is computed yet.";
  if (at <= values.length) {
    const value = values[at - 1];
    if (!value.operands.length) return `Forward: ${value.name} is ${exact(value.data)}.`;
    return `Forward: ${value.name} of ${operands(value, values)} gives ${exact(value.data)}.`;
  }
  const { from, to, local, upstream, adds, sum } = backward[at - values.length - 1];
  const before = sum - adds;
  const whole = before === 0 ? "" : ` With what came before, ${short(before)}, that makes ${short(sum)}.`;
  return `Backward: ${label(values, from)} sends ${label(values, to)} upstream × local = ${short(upstream)} × ${short(local)} = ${short(adds)}.${whole}`;
}

const label = (values, i) => `“${values[i].name}”`;

function drawing(values, backward, at) {
  const place = places(values);
  const sums = partial(values, backward, at);
  const wide = Math.max(...place.map(([x]) => x)) + BOX + 40;
  const high = Math.max(...place.map(([, y]) => y)) + 70;
  const picture = svg("svg", { width: wide, height: high, role: "img", "aria-label": "the circuit" });
  const now = at > values.length ? backward[at - values.length - 1] : null;
  values.forEach((value, i) => value.operands.forEach((from) => {
    const active = now && now.from === i && now.to === from;
    picture.append(svg("line", { x1: place[from][0] + BOX, y1: place[from][1] + 14, x2: place[i][0], y2: place[i][1] + 14, stroke: active ? "var(--orange)" : "var(--line)", "stroke-width": active ? 4 : 2 }));
  }));
  values.forEach((value, i) => {
    const [x, y] = place[i];
    const current = at === i + 1 || (now && now.to === i);
    const middle = { x: x + BOX / 2, "text-anchor": "middle" };
    picture.append(svg("rect", { x, y, width: BOX, height: 28, rx: 6, fill: "var(--card)", stroke: current ? "var(--orange)" : "var(--ink)", "stroke-width": current ? 3 : 1 }), svg("text", { ...middle, y: y + 19 }, value.name));
    if (at > i) picture.append(svg("text", { ...middle, y: y - 5, style: null, class: "value" }, short(value.data)));
    if (sums[i] !== null) picture.append(svg("text", { ...middle, y: y + 43, class: "gradient" }, `d ${short(sums[i])}`));
  });
  return element("div", { class: "terms drawing" }, picture);
}

// The gradients as far as they have come: null where nothing has arrived.
function partial(values, backward, at) {
  const sums = values.map(() => null);
  if (at > values.length || at === values.length + backward.length) sums[values.length - 1] = 1;
  for (const { to, sum } of backward.slice(0, Math.max(0, at - values.length))) sums[to] = sum;
  return sums;
}

// Columns by how far a value is from the inputs, an input directly before its first use; rows as they are free.
function places(values) {
  const column = [];
  for (const value of values) column.push(value.operands.length ? Math.max(...value.operands.map((i) => column[i] + 1)) : 0);
  values.forEach((value, i) => {
    const users = values.map((user, j) => (user.operands.includes(i) ? column[j] : Infinity));
    if (!value.operands.length) column[i] = Math.min(...users) - 1;
  });
  const rows = new Map();
  const place = [];
  values.forEach((value, i) => {
    let row = rows.get(column[i]) ?? 0;
    if (value.operands.length) row = Math.max(row, (place[value.operands[0]][1] - 24) / HIGH);
    place.push([column[i] * WIDE + 16, row * HIGH + 24]);
    rows.set(column[i], row + 1);
  });
  return place;
}

// The values that may be edited, with their gradients: what the result does if one moves.
function inputs(app, state, values, backward, at) {
  const done = at === values.length + backward.length;
  const fields = values.map((value, i) => [value, i]).filter(([value]) => isInput(value));
  const rows = fields.map(([value, i]) => {
    const change = (event) => {
      const number = Number(event.target.value);
      if (event.target.value !== "" && Number.isFinite(number)) {
        state.values[i].data = number;
        app.draw();
      }
    };
    const field = element("input", { type: "number", step: 0.1, value: value.data, "data-keep": `input ${value.name}`, "aria-label": value.name, onchange: change });
    return element("tr", {}, element("th", {}, value.name), element("td", {}, field), element("td", { class: "number" }, done ? exact(value.grad) : "–"));
  });
  const head = element("tr", {}, ...["input", "value: change it", "gradient"].map((name) => element("th", {}, name)));
  const result = element("p", {}, `Result: ${exact(values.at(-1).data)}`);
  return element("div", { class: "box" }, element("table", {}, head, ...rows), result);
}
