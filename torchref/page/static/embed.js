// What a page takes: each draws into an element of its own, and needs nothing but the data.

import { mount } from "./app.js";
import { circuitPage } from "./circuit-page.js";
import { compared } from "./compared.js";
import { Tensor, decoded } from "./data.js";
import { kept } from "./draw.js";

// The circuit player; circuits: what torchref.page.circuits gives.
export function circuitPlayer(root, circuits) {
  const app = { circuits };
  app.draw = () => kept(root, () => circuitPage(app));
  app.set = (changes) => {
    Object.assign(app, changes);
    app.draw();
  };
  root.classList.add("backprop", "embedded");
  app.draw();
}

// The network view, with its wave; steps: {variant: [packed step, ...]}, each as the plugin's /step answers.
export function networkView(root, steps) {
  root.classList.add("embedded");
  const numbers = Object.fromEntries(Object.entries(steps).map(([variant, all]) => [variant, all.map((step) => step.structure.step)]));
  return mount(root, {
    steps: async () => numbers,
    step: async (variant, number) => steps[variant][numbers[variant].indexOf(number)],
    structures: async (variant) => steps[variant].map((step) => step.structure),
    circuits: async () => [],
    reports: async () => ({}),
  });
}

// Two arrays and their difference, entry by entry; said: {name, shape, kept, axes, names: [of the first, of the second]},
// first and second: the entries as base64 of little-endian float64.
export function twoArrays(root, said, first, second) {
  const tensor = new Tensor(said.name, said, decoded(first), decoded(second));
  const state = { picked: said.kept.map(() => 0), example: 0 };
  const set = (changes) => {
    Object.assign(state, changes);
    draw();
  };
  const draw = () => kept(root, () => compared(tensor, said.names, { ...state, onpick: (picked) => set({ picked }), onexample: (example) => set({ example }) }));
  root.classList.add("backprop", "embedded");
  draw();
}
