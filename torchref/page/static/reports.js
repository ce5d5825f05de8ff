// What the referee said of trainings in torch alone: of each run the first report that parts, or the last.

import { element } from "./dom.js";

export function reports(found) {
  return Object.keys(found).sort().flatMap((run) => one(run, found[run]));
}

// The text is in a block of Markdown. It names the first operation that parts, its module, its line, and its error.
function one(run, all) {
  const parted = all.filter(([, text]) => text.includes("PARTED"));
  const [step, text] = parted[0] ?? all.at(-1);
  const says = parted.length ? `${parted.length} of ${all.length} reports part, the first at step ${step}` : `none of ${all.length} reports parts; the last, at step ${step}`;
  const body = text.replace(/^```\n|\n```$/g, "");
  return [element("h2", {}, `The referee on ${run === "." ? "this run" : run}: ${says}`), element("pre", { class: parted.length ? "report marked" : "report" }, body)];
}
