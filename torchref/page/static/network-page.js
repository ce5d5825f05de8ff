// The network as a strip: layers from left to right, forward values above, gradients below; a tensor opens beneath.

import { differenceScale } from "./compared.js";
import { choice, element } from "./dom.js";
import { detail } from "./detail.js";
import { heatmap } from "./heatmap.js";
import { ofBound, short } from "./numbers.js";
import { moments, PHASES, state } from "./phases.js";

const SHOWN = { numpy: "NumPy", torch: "torch", difference: "difference" };

export function networkPage(app) {
  const { step } = app;
  const all = moments(step);
  const cards = [inputCard(app), ...step.layers.map((layer, i) => card(app, layer, i, all)), lossCard(app, all)];
  const left = step.structure.left_out;
  return [
    bar(app, all),
    element("div", { class: "strip", tabindex: 0, role: "group", "aria-label": "the layers in order" }, rowNames(), ...cards),
    left ? element("p", { class: "note" }, `${left} more runs of layers are not recorded.`) : null,
    ...(app.picked ? detail(app) : [element("p", { class: "note" }, "Click a picture to see NumPy, torch and their difference, entry by entry.")]),
  ];
}

function bar(app, all) {
  const at = Math.min(app.moment, all.length - 1);
  const phase = all[at].phase;
  const goTo = (name) => {
    const last = all.findLastIndex((moment) => moment.phase === name);
    app.set({ moment: last });
  };
  const names = Object.fromEntries(Object.keys(PHASES).map((name) => [name, name]));
  const slider = element("input", {
    type: "range", min: 0, max: all.length - 1, value: at, "data-keep": "moment", "aria-label": "moment of the step",
    "aria-valuetext": phase, oninput: (event) => app.set({ moment: Number(event.target.value) }),
  });
  const play = element("button", { type: "button", "data-keep": "play", onclick: () => app.play() }, app.timer === null ? "▶ play" : "⏸ pause");
  return element("div", { class: "bar" },
    choice("what is shown", SHOWN, app.shown, (shown) => app.set({ shown })),
    play, slider, choice("phase", names, phase, goTo), element("span", { class: "note" }, PHASES[phase]), legend(app.shown));
}

function legend(shown) {
  const words = shown === "difference" ? "the bound" : "the tensor's largest";
  return element("span", { class: "legend" }, `−${words} `, element("span", { class: "ramp" }), ` +${words}; 0 has no colour`);
}

function rowNames() {
  const names = ["", "forward: output", "weight", "backward: gradient of the weight", "backward: gradient of the output", "update: change of the weight"];
  return element("div", { class: "card names" }, ...names.map((name) => element("div", { class: "cell" }, name)));
}

function inputCard(app) {
  const first = app.step.layers[0]?.x;
  const picture = first ? thumb(app, first, "done") : null;
  return element("div", { class: "card" }, head("data", "the batch", "", "the batch"), cell(picture), cell(), cell(), cell(), cell());
}

function card(app, layer, i, all) {
  const at = (phase) => state(all, app.moment, phase, i);
  const tags = Object.entries(layer.parameters);
  const thumbs = (what, phase) => tags.map(([name, each]) => (each[what] ? thumb(app, each[what], phase, name) : null));
  const changes = tags.map(([name, each]) => (each.after ? changeThumb(app, each, name, at("update")) : null));
  return element("div", { class: `card ${at("forward") === "now" || at("backward") === "now" ? "now" : ""}` },
    head(layer.place, layer.stage, shortName(app.step, layer), layer.says),
    cell(thumb(app, layer.y, at("forward"))),
    cell(...thumbs("value", "done")),
    cell(...thumbs("gradient", at("backward"))),
    cell(layer.dy ? thumb(app, layer.dy, at("backward")) : null),
    cell(...changes));
}

function lossCard(app, all) {
  const { loss } = app.step.structure;
  const when = state(all, app.moment, "loss", null);
  const apart = Math.abs(loss.numpy - loss.torch);
  const lines = [["NumPy", short(loss.numpy)], ["torch", short(loss.torch)], ["apart", short(apart)], ["bound", short(loss.bound)]];
  const table = element("table", { class: when }, ...lines.map(([name, value]) => element("tr", {}, element("th", {}, name), element("td", {}, value))));
  return element("div", { class: `card ${when === "now" ? "now" : ""}` }, head("loss", "", loss.says), cell(table, thumb(app, "target", when, "target")), cell(), cell(), cell(), cell());
}

function head(place, stage, name, says = name) {
  return element("div", { class: "cell head", title: says }, element("strong", {}, place), stage ? element("em", {}, stage) : null, name ? element("span", { class: "name" }, name) : null);
}

// "0: Linear 64 → 256"
function shortName(step, layer) {
  const weight = layer.parameters.weight && step.tensors[layer.parameters.weight.value];
  const sizes = weight?.shape.length > 1 ? ` ${weight.shape[1]} → ${weight.shape[0]}` : layer.options.p ? ` ${layer.options.p}` : "";
  return `${layer.turn}: ${layer.kind}${layer.kind === "Embedding" ? "" : sizes}`;
}

function cell(...children) {
  return element("div", { class: "cell" }, ...children);
}

function thumb(app, tag, when, name = "") {
  const tensor = app.step.tensors[tag];
  const scale = app.shown === "difference" ? differenceScale(tensor) : tensor.scale();
  const value = app.shown === "difference" ? (index) => tensor.difference(index) : (index) => tensor.at(index, app.shown);
  return button(app, tag, tensor, when, name, heatmap(tensor, value, { scale, side: 84, example: app.example }));
}

function changeThumb(app, tags, name, when) {
  const [before, after] = [app.step.tensors[tags.value], app.step.tensors[tags.after]];
  const change = (index) => after.at(index, app.shown === "torch" ? "torch" : "numpy") - before.at(index);
  let scale = 0;
  for (let i = 0; i < after.numpy.length; i++) scale = Math.max(scale, Math.abs(after.numpy[i] - before.numpy[i]));
  const value = app.shown === "difference" ? (index) => after.difference(index) : change;
  const size = app.shown === "difference" ? differenceScale(after) : scale;
  return button(app, tags.after, after, when, name, heatmap(after, value, { scale: size, side: 84 }));
}

function button(app, tag, tensor, when, name, picture) {
  const cut = tensor.cutSays();
  const apart = app.shown === "difference" && tensor.bound ? `, ${ofBound(tensor.said.difference, tensor.bound)}` : "";
  const chosen = app.picked?.tag === tag;
  const title = `${tag}: ${tensor.describe()}${cut ? ` (${cut})` : ""}${apart}`;
  const caption = `${name ? `${name}: ` : ""}${tensor.describe()}${cut ? `; ${cut}` : ""}${apart}`;
  const open = () => app.set({ picked: { tag, index: tensor.kept.map(() => 0), opened: false } });
  return element("button", { type: "button", class: `thumb ${when}`, title, "aria-label": title, "aria-pressed": String(chosen), "data-keep": `thumb ${tag}`, onclick: open }, picture, element("span", {}, caption));
}
