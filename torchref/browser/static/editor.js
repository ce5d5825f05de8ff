// A textarea for Python: line numbers beside it, four spaces for Tab, indentation kept on Enter, lines that are marked.

import { element } from "./drawing/dom.js";

export class Editor {
  constructor(place, { label, describedBy, onchange, oncheck }) {
    this.numbers = element("pre", { "aria-hidden": "true" });
    this.area = element("textarea", {
      spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off", "aria-label": label, "aria-describedby": describedBy,
      oninput: () => this.changed(), onscroll: () => this.scrolled(), onkeydown: (event) => this.pressed(event), onblur: () => (this.leaving = false),
    });
    this.onchange = onchange;
    this.oncheck = oncheck;
    this.leaving = false; // Escape was pressed: the next Tab goes on to the next control
    this.marks = {};
    place.append(this.numbers, this.area);
  }

  get text() {
    return this.area.value;
  }

  show(text) {
    this.area.value = text;
    this.marks = {};
    this.number();
    this.area.scrollTop = 0;
    this.scrolled();
  }

  // {line: what is said of it}
  mark(lines) {
    this.marks = lines;
    this.number();
    const first = Math.min(...Object.keys(lines).map(Number));
    if (!Number.isFinite(first)) return;
    const height = this.area.scrollHeight / this.text.split("\n").length;
    if (first * height < this.area.scrollTop || first * height > this.area.scrollTop + this.area.clientHeight) this.area.scrollTop = (first - 4) * height;
  }

  number() {
    const count = this.text.split("\n").length;
    const lines = Array.from({ length: count }, (_, i) => {
      const said = this.marks[i + 1];
      return element("span", { class: said ? "hit" : null, title: said }, String(i + 1));
    });
    this.numbers.replaceChildren(...lines);
    this.scrolled();
  }

  scrolled() {
    this.numbers.scrollTop = this.area.scrollTop;
  }

  changed() {
    this.marks = {};
    this.number();
    this.onchange(this.text);
  }

  pressed(event) {
    const leaving = this.leaving;
    this.leaving = event.key === "Escape";
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.oncheck();
    else if (event.key === "Tab" && !leaving) this.indent(event.shiftKey);
    else if (event.key === "Enter") this.newLine();
    else return;
    event.preventDefault();
  }

  // Tab moves all lines of a selection; without one it goes to the next stop of four.
  indent(back) {
    const { selectionStart: start, selectionEnd: end, value } = this.area;
    const from = value.lastIndexOf("\n", start - 1) + 1;
    if (start === end && !back) return this.insert(" ".repeat(4 - ((start - from) % 4)));
    const block = value.slice(from, end);
    const moved = block.replace(/^.*$/gm, (line) => (back ? line.replace(/^ {1,4}/, "") : line && `    ${line}`));
    this.area.setSelectionRange(from, end);
    this.insert(moved);
    this.area.setSelectionRange(start === end ? this.area.selectionEnd : from, from + moved.length);
  }

  newLine() {
    const before = this.area.value.slice(0, this.area.selectionStart);
    const line = before.slice(before.lastIndexOf("\n") + 1);
    this.insert(`\n${line.match(/^ */)[0]}${/:\s*(#.*)?$/.test(line) ? "    " : ""}`);
  }

  // As if typed: the browser's own undo knows it.
  insert(text) {
    this.area.focus();
    const typed = text === "" ? document.execCommand("delete") : document.execCommand("insertText", false, text);
    if (!typed) {
      this.area.setRangeText(text, this.area.selectionStart, this.area.selectionEnd, "end");
      this.changed();
    }
  }
}
