// One entry opened: the formula, its terms in numbers that add up, and the line of the source that computes it.

import { element } from "./dom.js";
import { explain } from "./explain.js";
import { exact, short, sum } from "./numbers.js";

const SHOWN = 24; // terms of a group that stand there at once: the largest, in their order
const LISTED = 500; // terms of a group, with those that unfold

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
    const summary = element("summary", {}, `${group.name}: `, element("strong", { title: exact(value) }, short(value)), group.says ? ` ${group.says}` : "");
    return element("details", { open: group.open ?? found.groups.length === 1 }, summary, ...(group.terms.length ? terms(group) : []));
  });
}

// All terms of a group, so that what stands there adds up: those that are not 0, the rest of them folded, those that are 0.
function terms(group) {
  const bySize = group.terms.filter((term) => term.value !== 0).sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const inOrder = (some) => [...some].sort((a, b) => group.terms.indexOf(a) - group.terms.indexOf(b));
  const [shown, more, least] = [inOrder(bySize.slice(0, SHOWN)), inOrder(bySize.slice(SHOWN, LISTED)), bySize.slice(LISTED)];
  const zeros = group.terms.length - bySize.length;
  const together = (some) => short(sum(some.map((term) => term.value)));
  const smaller = [...more, ...least];
  return [
    shown.length ? table(group, shown, bySize[0].value) : "",
    smaller.length ? element("details", { class: "terms" }, element("summary", {}, `${smaller.length} smaller terms, together `, element("strong", {}, together(smaller))), table(group, more, bySize[0].value), least.length ? element("p", { class: "note" }, `and ${least.length} still smaller ones, together ${together(least)}`) : "") : "",
    zeros ? element("p", { class: "note terms" }, `${shown.length ? `${zeros} further terms are` : zeros === 1 ? "The one term is" : `All ${zeros} terms are`} 0 and not shown.`) : "",
  ];
}

function table(group, some, largest) {
  const head = element("tr", {}, ...group.columns.map((name) => element("th", {}, name)), element("th", {}, "term"), element("th", {}));
  return element("div", { class: "terms" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...some.map((term) => row(term, Math.abs(largest))))));
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
