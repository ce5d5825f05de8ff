// TensorBoard's way in: it imports this file into an empty page, and calls `render`.

import { mount } from "./app.js";
import { element } from "./dom.js";
import { followTensorBoard } from "./theme.js";

const here = (path) => new URL(path, import.meta.url);

async function ask(path) {
  const answer = await fetch(here(path));
  if (!answer.ok) throw new Error(`TensorBoard answers ${answer.status} to ${path}`);
  return answer.json();
}

const source = {
  steps: () => ask("./steps"),
  step: (variant, step) => ask(`./step?variant=${encodeURIComponent(variant)}&step=${step}`),
  structures: (variant) => ask(`./structures?variant=${encodeURIComponent(variant)}`),
  reports: () => ask("./reports"),
  circuits: () => ask("./circuits"),
};

export async function render() {
  document.head.append(element("link", { rel: "stylesheet", href: here("./style.css") }));
  document.title = "Backprop";
  const app = await mount(document.body, source);
  followTensorBoard(() => app.draw());
}
