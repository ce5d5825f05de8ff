// The page: an exercise or a function of one's own, the check, what it says, and the circuit player.

import { Editor } from "./editor.js";
import { Judge } from "./judge.js";
import { element } from "./drawing/dom.js";
import { circuitPlayer, twoArrays } from "./drawing/embed.js";

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

const files = ["exercises.json", "operations.json", "circuits.json", "sizes.json", "pyodide/pyodide-lock.json"];
const [exercises, operations, circuits, sizes, lock] = await Promise.all(files.map(ask));
let given = 0; // hints
let ended = ""; // why the last check had to be stopped

const editor = new Editor(find("editor"), {
  label: "your code", describedBy: "keys", onchange: (text) => kept.set(`code ${chosen()}`, text), oncheck: () => check(),
});
const started = performance.now();
const judge = new Judge(SECONDS, ({ loaded, total, ready, error }) => {
  if (error) say(`Python could not be loaded: ${error}`);
  else if (find("check").disabled) say(`Loading Python and NumPy: ${megabytes(loaded ?? total)} of ${megabytes(total)}. Then your code is checked.`);
  else if (ready) say(ended || `Python is there, after ${((performance.now() - started) / 1000).toFixed(1)} s.`);
  else say(`${ended} Loading Python and NumPy: ${megabytes(loaded)} of ${megabytes(total)}`, element("progress", { value: loaded, max: total }));
});

const chosen = () => find("exercise").value;
const exercise = () => exercises.find((each) => each.name === chosen());

function say(...words) {
  find("status").replaceChildren(...words.flatMap((word) => [word, " "]));
}

// What a visit loads, and from where.
function about() {
  const all = Object.values(sizes).reduce((a, b) => a + b, 0);
  const numpy = lock.packages.numpy.file_name;
  const from = numpy.startsWith("https://") ? `NumPy from ${new URL(numpy).host}, the rest from here` : "all of it from here";
  return `A first visit loads ${megabytes(all)}, ${from}; later ones find it in the browser's cache. Nothing is sent. `;
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
  if (find("check").disabled) return;
  const [asked, task] = [question(), chosen()];
  find("check").disabled = true;
  ended = "";
  try {
    const answer = await judge.ask(asked, () => {
      find("stop").hidden = false;
      say("Checking …");
    });
    if (answer.stopped) stopped(answer.stopped);
    else if (task === chosen()) show(answer, task);
    else say(""); // another exercise was opened meanwhile
  } catch (error) {
    say(`Python could not be loaded: ${error.message}`);
  }
  find("stop").hidden = true;
  find("check").disabled = false;
}

function stopped(why) {
  ended = why; // it stays, while Python starts anew
  find("verdict").replaceChildren();
  say(why);
}

function show(answer, task) {
  find("verdict").innerHTML = answer.html; // torchref escapes what comes from the code; the page's policy runs no script in it
  for (const root of document.querySelectorAll("#verdict [data-arrays]")) {
    const { said, mine, reference } = JSON.parse(root.dataset.arrays);
    twoArrays(root, said, mine, reference); // the pictures can be opened entry by entry
  }
  editor.mark(answer.lines);
  const words = ["Right.", "Wrong.", "Not judged."][answer.status];
  say(`${words} ${answer.seconds.toFixed(1)} s, against ${answer.against}.`);
  if (matchMedia("(max-width: 999px)").matches) find("verdict").scrollIntoView({ block: "start" });
  if (answer.status === 0 && task !== OWN) {
    kept.set(`done ${task}`, "yes");
    list();
  }
}

for (const id of ["name", "operation", "hints"]) {
  find(id).value = kept.get(id) ?? find(id).value;
  find(id).addEventListener("input", () => kept.set(id, find(id).value));
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
find("about").prepend(about());
circuitPlayer(find("player"), circuits);
