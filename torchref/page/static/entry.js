// One entry opened: the formula, its terms in numbers that add up, and the line of the source that computes it.

import { element } from "./dom.js";
import { explain } from "./explain.js";
import { exact, short, sum } from "./numbers.js";

const ROWS = 80; // of one group of terms, at most

export function entry(app, tag, index) {
  const found = explain(app.step, tag, index);
  const section = element("section", { class: "entry", "aria-live": "polite" });
  section.append(element("h3", {}, found.headline));
  if (found.words) section.append(element("p", {}, found.words));
  if (found.groups) section.append(...groups(found), total(app.step.tensors[tag], index, found));
  const derived = derivation(app.step, found);
  if (derived) section.append(derived);
  return section;
}

function groups(found) {
  return found.groups.map((group) => {
    const value = group.value ?? sum(group.terms.map((term) => term.value));
    const shown = [...group.terms].map((term, i) => [term, i]);
    if (shown.length > ROWS) shown.sort(([a], [b]) => Math.abs(b.value) - Math.abs(a.value));
    const largest = Math.max(...group.terms.map((term) => Math.abs(term.value)), 0);
    const more = shown.length - ROWS;
    const rest = more > 0 ? sum(shown.slice(ROWS).map(([term]) => term.value)) : 0;
    const body = shown.slice(0, ROWS).map(([term]) => row(term, largest));
    if (more > 0) body.push(element("tr", {}, element("td", { colspan: group.columns.length }, `${more} smaller terms`), number(rest), element("td", {})));
    const head = element("tr", {}, ...group.columns.map((name) => element("th", {}, name)), element("th", {}, "term"), element("th", {}));
    const table = element("div", { class: "terms" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)));
    const summary = element("summary", {}, `${group.name}: `, element("strong", { title: exact(value) }, short(value)), group.says ? ` ${group.says}` : "");
    return element("details", { open: group.open ?? found.groups.length === 1 }, summary, group.terms.length ? table : "");
  });
}

function row(term, largest) {
  const cells = term.cells.map((cell) => (typeof cell === "number" ? number(cell) : element("td", {}, cell)));
  const share = largest ? Math.abs(term.value) / largest : 0;
  const bar = element("span", { class: `share ${term.value < 0 ? "below" : "above"}` });
  bar.style.width = `${60 * share}px`;
  return element("tr", {}, ...cells, number(term.value), element("td", {}, bar));
}

function number(value) {
  return element("td", { class: "number", title: exact(value) }, short(value));
}

// The sum beside what is recorded: what is missing is said, and a sum that does not fit as well.
function total(tensor, index, found) {
  const added = sum(found.groups.map((group) => group.value ?? sum(group.terms.map((term) => term.value))));
  const [ours, theirs] = [tensor.at(index), tensor.at(index, "torch")];
  const rest = ours - added;
  const allowed = Math.max(tensor.bound ?? 0, 1e-12 * Math.max(...found.groups.flatMap((group) => group.terms.map((term) => Math.abs(term.value))), Math.abs(ours)));
  const rows = [["sum of the terms", added], ["NumPy's entry", ours], ["torch's entry", theirs]];
  let verdict = "The terms add up to the entry.";
  if (found.missing) verdict = `${found.missing} Together they are ${short(rest)}.`;
  else if (!(Math.abs(rest) <= allowed)) {
    const torch = Math.abs(theirs - added) <= allowed ? " They add up to torch's: the formula is right, NumPy's number is not." : "";
    verdict = `The terms do not add up to NumPy's entry: ${short(rest)} is left.${torch || ` ${found.otherwise ?? ""}`}`;
  } else if (theirs !== undefined && !(Math.abs(theirs - added) <= allowed)) verdict = "The terms add up to NumPy's entry, and not to torch's.";
  const table = element("table", { class: "readout" }, ...rows.map(([name, value]) => element("tr", {}, element("th", {}, name), element("td", {}, exact(value ?? "–")))));
  return element("div", { class: "total" }, table, element("p", { class: "verdict" }, verdict));
}

function derivation(step, found) {
  const derived = step.structure.derivations[found.kind];
  if (!derived?.formula && !derived?.lines.length) return null;
  const wanted = new RegExp(`\\b${found.gradient}\\b`);
  const line = derived.lines.find(([, text]) => wanted.test(text.split("=")[0])) ?? derived.lines.find(([, text]) => text.startsWith("return"));
  return element("div", { class: "derivation" },
    line ? element("p", {}, `${derived.file}, line ${line[0]}: `, element("code", {}, line[1])) : element("p", {}, `${derived.file}, ${derived.function}`),
    element("pre", {}, derived.formula));
}
