// A tensor as a picture: each entry a square, or, along a single axis, a bar.

import { shade, theme } from "./colors.js";
import { element } from "./dom.js";
import { layout } from "./layout.js";
import { place, short } from "./numbers.js";

// value(index) -> number; scale: the size at the colour's end. With `onpick(index, opened)` the picture takes the
// keyboard and the mouse: arrows move, Enter and a click open; `picked` is outlined.
export function heatmap(tensor, value, options) {
  const { scale, side = 180, example = 0, label = "", picked = null, onpick = null } = options;
  const plan = layout(tensor, example);
  const bars = plan.rows === 1 && plan.columns > 1;
  const cell = Math.max(2, Math.min(onpick ? 16 : 10, Math.floor(side / Math.max(plan.rows, plan.columns))));
  const [width, height] = [plan.columns * cell, bars ? (onpick ? 72 : 36) : plan.rows * cell];
  const ratio = window.devicePixelRatio || 1;
  const canvas = element("canvas", { width: width * ratio, height: height * ratio, class: "heatmap", role: "img", "aria-label": label });
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const shown = theme();
  for (let row = 0; row < plan.rows; row++)
    for (let column = 0; column < plan.columns; column++) {
      const index = plan.index(row, column);
      const entry = index === null ? undefined : value(index);
      if (entry === undefined) continue;
      pen.fillStyle = `rgb(${shade(entry, scale, shown).join(" ")})`;
      if (bars) drawBar(pen, column * cell, cell, height, entry, scale);
      else pen.fillRect(column * cell, row * cell, cell, cell);
    }
  const at = picked && plan.cell(picked);
  if (at) outline(pen, at[1] * cell, bars ? 0 : at[0] * cell, cell, bars ? height : cell, shown);
  if (onpick) interact(canvas, plan, cell, bars, value, picked, onpick);
  return canvas;
}

function drawBar(pen, x, cell, height, entry, scale) {
  const middle = height / 2;
  const length = scale > 0 && Number.isFinite(entry) ? (Math.min(1, Math.abs(entry) / scale) * (height - 2)) / 2 : 1;
  pen.fillRect(x, entry < 0 ? middle : middle - length, Math.max(1, cell - 1), Math.max(0.5, length));
}

function outline(pen, x, y, width, height, shown) {
  pen.lineWidth = 2;
  pen.strokeStyle = shown === "dark" ? "#ffffff" : "#000000";
  pen.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
}

function interact(canvas, plan, cell, bars, value, picked, onpick) {
  const indexAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const row = bars ? 0 : Math.floor((event.clientY - box.top) / cell);
    const column = Math.floor((event.clientX - box.left) / cell);
    return row < 0 || column < 0 || row >= plan.rows || column >= plan.columns ? null : plan.index(row, column);
  };
  canvas.tabIndex = 0;
  canvas.addEventListener("mousemove", (event) => {
    const index = indexAt(event);
    canvas.title = index ? `${place(index)}: ${short(value(index))}` : "";
  });
  canvas.addEventListener("click", (event) => {
    const index = indexAt(event);
    if (index) onpick(index, true);
  });
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    const [row, column] = (picked && plan.cell(picked)) ?? [0, 0];
    if (event.key === "Enter" || event.key === " ") onpick(plan.index(row, column), true);
    else if (moves[event.key]) onpick(moved(plan, row, column, moves[event.key]), false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

// The next entry in a direction, over the gaps between tiles; the same at the edge.
function moved(plan, row, column, [down, right]) {
  let [r, c] = [row + down, column + right];
  while (r >= 0 && c >= 0 && r < plan.rows && c < plan.columns) {
    const index = plan.index(r, c);
    if (index) return index;
    [r, c] = [r + down, c + right];
  }
  return plan.index(row, column);
}
