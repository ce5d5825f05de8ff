// Where the twins part: the first tensor that differs, its entry, what was equal before it, each in its place.

import { element } from "./dom.js";
import { detail } from "./detail.js";
import { exact, ofBound, percent, place, short } from "./numbers.js";

export function partingPage(app) {
  const found = app.structures.findIndex((structure) => structure.divergence);
  if (found < 0) return together(app);
  const structure = app.structures[found];
  if (app.number !== found) {
    app.goTo(found); // and draws again
    return [];
  }
  const { divergence } = structure;
  const tag = tagOf(structure, divergence);
  const index = divergence.index.filter((i) => Number.isInteger(i));
  const tensor = tag && app.step.tensors[tag];
  if (tensor?.has(index) && !app.picked) app.picked = { tag, index, opened: true };
  return [
    element("h2", {}, `The twins part ${after(divergence.step)}, in layer ${kinds(structure)(divergence.layer)}: ${divergence.tensor}${place(index)}`),
    figures(divergence),
    element("h2", {}, "In the order of the step"), ordered(app, structure, tag),
    ...(tensor && !tensor.has(index) ? [element("p", {}, "The entry lies outside what is recorded.")] : []),
    ...(app.picked ? [same(structure, divergence.tensor, app.picked.tag === tag), ...detail(app)] : []),
  ];
}

const after = (steps) => (steps ? `after ${steps} equal ${steps === 1 ? "step" : "steps"}` : "in the first step");

// A layer's name with its kind: "4 (ReLU)".
function kinds(structure) {
  const known = new Map(structure.layers.map((layer) => [layer.turn, layer.kind]));
  return (turn) => (known.has(turn) ? `${turn} (${known.get(turn)})` : turn);
}

// "gradient of the input of 4" -> "gradient of the input of 4 (ReLU)"
function withKind(structure, name) {
  const [, what, turn] = name.match(/^(.*output of |.*input of )(.*)$/) ?? [];
  return what ? what + kinds(structure)(turn) : name;
}

// The gradient of a layer's input is kept as that of the output of the layer before it: a word on that.
function same(structure, name, shown) {
  const layer = structure.layers.find((each) => `gradient of the input of ${each.turn}` === name);
  const before = layer && structure.layers.find((other) => other.y === (layer.from ?? layer.x));
  if (!shown || !before) return null;
  return element("p", {}, `The gradient of the input of layer ${kinds(structure)(layer.turn)} is the gradient of the output of layer ${kinds(structure)(before.turn)}, which stands before it:`);
}

function figures({ numpy, torch, bound }) {
  const apart = Math.abs(Number(numpy) - Number(torch));
  const rows = [["NumPy", exact(numpy)], ["torch", exact(torch)], ["difference", `${short(apart)}: ${ofBound(apart, bound)}`], ["bound", short(bound)]];
  return element("table", { class: "readout" }, ...rows.map(([name, value]) => element("tr", {}, element("th", {}, name), element("td", {}, value))));
}

// "gradient 0.weight" -> the tag of that tensor.
function tagOf(structure, { tensor }) {
  return new Map(named(structure)).get(tensor) ?? null;
}

// The tensors by the names that the harness gives them: [[name, tag], ...].
function named(structure) {
  return structure.layers.flatMap((layer) => names(layer, onlyBefore(structure, layer)));
}

// The layer that makes this one's input, where no other takes it: then two of their gradients are one.
function onlyBefore(structure, layer) {
  const taken = (other) => other.from ?? other.x;
  const users = structure.layers.filter((other) => [taken(other), ...Object.values(other.takes ?? {})].includes(taken(layer)));
  return users.length === 1 ? structure.layers.find((other) => other.y === taken(layer)) : undefined;
}

// Those of a layer.
function names(layer, before) {
  const own = Object.entries(layer.parameters).map(([parameter, tags]) => [`gradient ${layer.name ? `${layer.name}.` : ""}${parameter}`, tags.gradient]);
  return [[`output of ${layer.turn}`, layer.y], [`gradient of the output of ${layer.turn}`, layer.dy], [`gradient of the input of ${layer.turn}`, before?.dy], ...own];
}

// The harness's list: what was equal, then the first that is not; a recorded one opens. What flows between two layers is
// in it twice, as the gradient of the input of the one and of the output of the other: the later one stays.
function ordered(app, structure, tag) {
  const tags = new Map(named(structure));
  const { divergence } = structure;
  const again = (name, later) => tags.has(name) && later.some((other) => tags.get(other) === tags.get(name));
  const equal = divergence.equal_before.filter((name, i, all) => !again(name, all.slice(i + 1)));
  const items = equal.map((name) => item(app, name, tags.get(name), "equal"));
  items.push(item(app, divergence.tensor, tag, "parted marked"));
  return element("ol", { class: "order" }, ...items);
}

function item(app, name, tag, kind) {
  const words = withKind(app.step.structure, name);
  if (!tag) return element("li", { class: kind }, words);
  const open = () => app.set({ picked: { tag, index: app.step.tensors[tag].kept.map(() => 0), opened: false } });
  return element("li", { class: kind }, element("button", { type: "button", "data-keep": `order ${name}`, "aria-pressed": String(app.picked?.tag === tag), onclick: open }, words));
}

// They never part: the largest share of a bound, tensor by tensor.
function together(app) {
  const shares = Object.entries(app.step.structure.tensors).filter(([, said]) => said.bound && typeof said.difference === "number").map(([tag, said]) => [tag, said.difference, said.bound]);
  shares.sort(([, a, b], [, c, d]) => c / d - a / b);
  const head = element("tr", {}, ...["tensor", "largest difference", "bound", "share of it"].map((name) => element("th", {}, name)));
  const body = shares.slice(0, 12).map(([tag, difference, bound]) => element("tr", {}, element("th", {}, tag), ...[short(difference), short(bound), percent(difference / bound)].map((text) => element("td", { class: "number" }, text))));
  return [
    element("h2", {}, "In this run the twins do not part"),
    element("p", {}, "Every difference stays within its bound. At this step these tensors come closest to theirs. To see twins that part, plant a fault: torchref compare NAME --sabotage LAYER."),
    element("table", {}, head, ...body),
  ];
}
