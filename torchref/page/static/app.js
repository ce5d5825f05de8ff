// The tab: which run, which step, which page. `source` gives the data, wherever they come from:
//   steps() -> {variant: [step, ...]}, step(variant, step) -> packed step, structures(variant) -> [structure, ...],
//   circuits() -> [circuit, ...], reports() -> {run: [[step, text], ...]}, the referee's; each a promise.

import { circuitPage } from "./circuit-page.js";
import { Step } from "./data.js";
import { choice, element, select } from "./dom.js";
import { kept } from "./draw.js";
import { networkPage } from "./network-page.js";
import { partingPage } from "./parting-page.js";
import { moments } from "./phases.js";
import { reports } from "./reports.js";
import { wavePage } from "./wave-page.js";

const PAGES = { network: "Network", wave: "The wave", circuits: "Circuits", parting: "Where the twins part" };
const TICK = 600; // milliseconds between two moments of a step

export async function mount(root, source) {
  const app = new App(root, source);
  await app.start();
  return app;
}

class App {
  constructor(root, source) {
    Object.assign(this, { root, source });
    this.page = "network";
    this.shown = "numpy"; // what the strip shows: numpy, torch, or their difference
    this.example = 0;
    this.picked = null; // {tag, index, opened}
    this.moment = Infinity; // of the step: which of its parts have happened
    this.timer = null;
    this.loaded = new Map();
  }

  async start() {
    this.root.classList.add("backprop");
    this.variants = await this.source.steps();
    this.circuits = await this.source.circuits();
    this.reports = await this.source.reports();
    const names = Object.keys(this.variants).sort();
    if (names.length) await this.choose(names[0]);
    else this.page = Object.keys(this.reports).length ? "parting" : "circuits";
    this.draw();
  }

  // --- what is chosen ------------------------------------------------------------------------------------------------

  async choose(variant) {
    this.variant = variant;
    this.steps = this.variants[variant];
    this.structures = await this.remember(`structures of ${variant}`, () => this.source.structures(variant));
    await this.goTo(Math.min(this.number ?? 0, this.steps.length - 1));
  }

  async goTo(number) {
    this.number = number;
    const [variant, step] = [this.variant, this.steps[number]];
    const packed = await this.remember(`${variant} at ${step}`, () => this.source.step(variant, step));
    if (variant !== this.variant || number !== this.number) return; // the user was quicker
    this.step = new Step(packed);
    this.drawn = variant; // whose step it is: a newly chosen variant's comes later
    if (this.picked && !this.step.tensors[this.picked.tag]) this.picked = null;
    this.draw();
  }

  async remember(key, find) {
    if (!this.loaded.has(key)) {
      if (this.loaded.size > 40) this.loaded.clear();
      this.loaded.set(key, await find());
    }
    return this.loaded.get(key);
  }

  pick(tag, index, opened) {
    this.picked = { tag, index, opened };
    this.draw();
    if (opened) this.root.querySelector(".detail")?.scrollIntoView({ block: "start" });
  }

  set(changes) {
    Object.assign(this, changes);
    this.draw();
  }

  // --- playing -------------------------------------------------------------------------------------------------------

  play() {
    if (this.timer !== null) return this.stop();
    if (this.moment >= moments(this.step).length - 1) this.moment = -1;
    this.timer = setInterval(() => this.advance(), TICK);
    return this.advance();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.draw();
  }

  async advance() {
    this.moment += 1;
    if (this.moment < moments(this.step).length) return this.draw();
    if (this.number + 1 >= this.steps.length) {
      this.moment = Infinity;
      return this.stop();
    }
    this.moment = 0;
    return this.goTo(this.number + 1);
  }

  // --- drawing -------------------------------------------------------------------------------------------------------

  draw() {
    const pages = choice("page", this.pages(), this.page, (page) => this.set({ page }));
    kept(this.root, () => [element("header", {}, pages, ...this.controls()), element("main", { "data-variant": this.drawn }, ...this.content())]);
  }

  // Those that have something to show.
  pages() {
    return Object.fromEntries(Object.entries(PAGES).filter(([name]) => name !== "circuits" || this.circuits.length));
  }

  controls() {
    if (this.page === "circuits" || !this.step) return [];
    const names = Object.keys(this.variants).sort();
    const run = select("variant", names, this.variant, (variant) => this.choose(variant));
    if (this.page !== "network" && this.page !== "parting") return [run];
    const last = this.steps.length - 1;
    const slider = element("input", {
      type: "range", min: 0, max: last, step: 1, value: this.number, "data-keep": "step", "aria-label": "step",
      "aria-valuetext": `step ${this.steps[this.number]}`, oninput: (event) => this.goTo(Number(event.target.value)),
    });
    const where = `step ${this.steps[this.number]} (${this.number + 1} of ${last + 1} recorded)`;
    return [run, element("label", {}, slider, ` ${where}`)];
  }

  content() {
    if (this.page === "circuits") return circuitPage(this);
    if (this.page === "parting") return [...(this.step ? partingPage(this) : []), ...reports(this.reports)];
    if (!this.step) return [element("p", {}, "No step is recorded here: train with torchref compare.")];
    return { network: networkPage, wave: wavePage }[this.page](this);
  }
}
