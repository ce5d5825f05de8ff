// The page: an exercise or a function of one's own, the check, what it says, and the circuit player.

import { Editor } from "./editor.js";
import { Judge } from "./judge.js";
import { element } from "./player/dom.js";
import { playCircuits } from "./circuits.js";

const SECONDS = 60; // that a check may take
const OWN = "own";
const OWN_CODE = `import numpy as np


def linear(x, weight, bias):
    y = x @ weight.T + bias

    def backward(dy):
        dx = dy @ weight
        dweight = dy.T @ x
        dbias = dy.mean(axis=0)
        return dx, dweight, dbias

    return y, backward
`;
const find = (id) => document.getElementById(id);
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const ask = async (file) => (await fetch(file)).json();

// What is written stays in this browser, where it may keep things; a private window may not.
const kept = {
  get: (key) => {
    try {
      return localStorage.getItem(`torchref ${key}`);
    } catch {
      return null;
    }
  },
  set: (key, value) => {
    try {
      if (value === null) localStorage.removeItem(`torchref ${key}`);
      else localStorage.setItem(`torchref ${key}`, value);
    } catch {}
  },
};

const [exercises, operations, circuits] = await Promise.all(["exercises.json", "operations.json", "circuits.json"].map(ask));
let given = 0; // hints

const editor = new Editor(find("editor"), {
  label: "your code", describedBy: "keys", onchange: (text) => kept.set(`code ${chosen()}`, text), oncheck: () => check(),
});
const judge = new Judge(SECONDS, ({ loaded, total, error }) => {
  if (busy()) return;
  if (error) say(`Python could not be loaded: ${error}`);
  else say(`Loading Python and NumPy: ${megabytes(loaded)} of ${megabytes(total)}`, element("progress", { value: loaded, max: total }));
});
const loadedFirst = performance.now();
judge.ready.then(() => busy() || say(`Ready, after ${((performance.now() - loadedFirst) / 1000).toFixed(1)} s.`), () => {});

const chosen = () => find("exercise").value;
const exercise = () => exercises.find((each) => each.name === chosen());
const busy = () => !find("stop").hidden;

function say(...words) {
  find("status").replaceChildren(...words.flatMap((word) => [word, " "]));
}

function list() {
  const now = chosen() || kept.get("exercise");
  const options = exercises.map(({ name, title }, i) => [name, `${kept.get(`done ${name}`) ? "✓ " : ""}${i + 1}. ${title}`]);
  find("exercise").replaceChildren(...[...options, [OWN, "a function of your own"]].map(([value, text]) => element("option", { value, selected: value === now }, text)));
}

function open() {
  kept.set("exercise", chosen());
  find("own").hidden = chosen() !== OWN;
  find("hint").hidden = chosen() === OWN;
  find("verdict").replaceChildren();
  given = 0;
  showHints();
  editor.show(kept.get(`code ${chosen()}`) ?? exercise()?.code ?? OWN_CODE);
}

function showHints() {
  const hints = exercise()?.hints ?? [];
  find("said").replaceChildren(...hints.slice(0, given).map((text) => element("li", {}, text)));
  find("hint").disabled = given === hints.length;
  find("hint").textContent = `A hint (${given} of ${hints.length})`;
}

function question() {
  const task = exercise();
  const of = task ? { name: task.name, operations: task.operations } : { name: find("name").value.trim(), operations: [find("operation").value.trim()] };
  return { ...of, code: editor.text, hints: Number(find("hints").value) };
}

async function check() {
  if (busy()) return;
  const asked = question();
  const task = chosen();
  busyNow(true);
  say("Python is still loading; your code is checked as soon as it is there.");
  try {
    const answer = await judge.ask(asked, () => say("Checking …"));
    if (task === chosen()) show(answer, task);
  } catch (error) {
    say(`Python could not be loaded: ${error.message}`);
  }
  busyNow(false);
}

function busyNow(is) {
  find("stop").hidden = !is;
  find("check").disabled = is;
}

function show(answer, task) {
  if (answer.stopped) {
    find("verdict").replaceChildren();
    say(answer.stopped);
    return;
  }
  find("verdict").innerHTML = answer.html; // made by torchref, which escapes what comes from the code
  editor.mark(answer.lines);
  const words = ["Right.", "Wrong.", "It could not be judged."][answer.status];
  say(`${words} ${answer.seconds.toFixed(1)} s against ${answer.against}.`);
  if (answer.status === 0 && task !== OWN) {
    kept.set(`done ${task}`, "yes");
    list();
  }
}

find("operations").append(...operations.map((value) => element("option", { value })));
find("exercise").addEventListener("change", open);
find("check").addEventListener("click", check);
find("stop").addEventListener("click", () => judge.stop?.());
find("hint").addEventListener("click", () => {
  given += 1;
  showHints();
});
find("again").addEventListener("click", () => {
  kept.set(`code ${chosen()}`, null);
  open();
});
list();
open();
playCircuits(find("player"), circuits);
