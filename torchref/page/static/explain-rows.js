// Layers that mix the entries of a row: softmax and its kin, and the gated linear unit.

import { sigmoid } from "./special.js";

// The entries that share all indices of `index` but the one of the axis; {words} where they can't be known.
function row(step, layer, index) {
  const [x, y, dy] = [layer.x, layer.y, layer.dy].map((tag) => step.tensors[tag]);
  const said = layer.kind === "Softmax2d" ? -3 : layer.options.dim;
  if (said === undefined) return { words: "The layer was given no dim: torch chooses it by the number of axes." };
  const axis = said < 0 ? said + y.shape.length : said;
  if (!y.whole(axis) || !x?.whole(axis)) return { words: `A row has ${y.shape[axis]} entries, of which ${y.kept[axis]} are recorded.` };
  const at = (tensor, j) => tensor.at(index.map((i, each) => (each === axis ? j : i)));
  return { axis, all: Array.from({ length: y.shape[axis] }, (_, j) => [at(y, j), at(dy, j)]), at: (j) => at(x, j) };
}

// Softmax: dx_i = y_i dy_i - y_i sum_j y_j dy_j, with a minus in front for softmin. Its logarithm: dx_i = dy_i - exp(y_i) sum_j dy_j.
export function input(step, layer, index) {
  const found = row(step, layer, index);
  if (found.words) return found;
  if (layer.kind === "GLU") return gated(found, index);
  const i = index[found.axis];
  const [y, dy] = found.all[i];
  if (layer.kind === "LogSoftmax") {
    const p = Math.exp(y);
    return {
      headline: `dL/dx[${index.join(", ")}] = dy_i − p_i · Σ_j dy_j, p = exp(y)`,
      groups: [
        { name: "directly: dy_i", columns: ["i"], terms: [{ cells: [i], value: dy }] },
        { name: "through the sum of the row: −p_i Σ_j dy_j", columns: ["j", "−p_i", "dy_j"], terms: found.all.map(([, each], j) => ({ cells: [j, -p, each], value: -p * each })), open: true },
      ],
    };
  }
  const sign = layer.kind === "Softmin" ? -1 : 1;
  return {
    headline: `dL/dx[${index.join(", ")}] = ${sign < 0 ? "−(" : ""}y_i dy_i − y_i Σ_j y_j dy_j${sign < 0 ? ")" : ""}`,
    groups: [
      { name: "directly: y_i dy_i", columns: ["i", "y_i", "dy_i"], terms: [{ cells: [i, y, dy], value: sign * y * dy }] },
      { name: "through the sum of the row: −y_i Σ_j y_j dy_j", columns: ["j", "−y_i y_j", "dy_j"], terms: found.all.map(([each, back], j) => ({ cells: [j, -y * each, back], value: -sign * y * each * back })), open: true },
    ],
  };
}

// GLU: y = a σ(b), x = [a, b]. da = dy σ(b), db = dy a σ(b) (1 − σ(b)).
function gated({ axis, at, all }, index) {
  const half = all.length;
  const i = index[axis] % half;
  const [a, s] = [at(i), sigmoid(at(i + half))];
  const dy = all[i][1];
  const factor = index[axis] < half ? s : a * s * (1 - s);
  return {
    headline: `dL/dx[${index.join(", ")}] = dy · ${index[axis] < half ? "σ(b)" : "a σ(b) (1 − σ(b))"}`,
    groups: [{ name: index[axis] < half ? "the half that is gated" : "the half that gates", columns: ["dy", "factor"], terms: [{ cells: [dy, factor], value: dy * factor }] }],
  };
}
