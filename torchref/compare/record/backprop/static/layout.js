// Where the entries of a tensor stand on a plane: matrices as they are, windows as tiles, one example at a time.

// {rows, columns, index(row, column) -> index or null, cell(index) -> [row, column] or null, chosenAxis}
export function layout(tensor, example = 0) {
  const { kept, axes } = tensor;
  const chosenAxis = kept.length > 2 ? axes.indexOf("example") : -1;
  const inner = kept.map((_, axis) => axis).filter((axis) => axis !== chosenAxis);
  const [down, across] = folded(inner, kept);
  const rows = extent(down, kept);
  const columns = extent(across, kept);
  const fixed = Math.min(example, chosenAxis < 0 ? 0 : kept[chosenAxis] - 1);
  return {
    rows,
    columns,
    chosenAxis,
    index(row, column) {
      const index = kept.map(() => 0);
      if (chosenAxis >= 0) index[chosenAxis] = fixed;
      return unfold(down, kept, row, index) && unfold(across, kept, column, index) ? index : null;
    },
    cell(index) {
      return chosenAxis >= 0 && index[chosenAxis] !== fixed ? null : [fold(down, kept, index), fold(across, kept, index)];
    },
  };
}

// Which axes go down, which go across: [outer, inner]; the outer one counts tiles, with a gap between two.
function folded(inner, kept) {
  if (inner.length < 2) return [[], inner];
  if (inner.length === 2) return [[inner[0]], [inner[1]]];
  if (inner.length === 3) return [[inner[1]], [inner[0], inner[2]]]; // channels side by side
  if (inner.length === 4) return [[inner[0], inner[2]], [inner[1], inner[3]]];
  return [inner.slice(0, -1), [inner.at(-1)]].map((axes) => axes.filter((axis) => kept[axis] > 0));
}

function extent(axes, kept) {
  if (axes.length === 2) return kept[axes[0]] * (kept[axes[1]] + 1) - 1;
  return axes.reduce((product, axis) => product * kept[axis], 1);
}

function fold(axes, kept, index) {
  if (axes.length === 2) return index[axes[0]] * (kept[axes[1]] + 1) + index[axes[1]];
  return axes.reduce((offset, axis) => offset * kept[axis] + index[axis], 0);
}

function unfold(axes, kept, offset, index) {
  if (axes.length === 2) {
    const inside = offset % (kept[axes[1]] + 1);
    [index[axes[0]], index[axes[1]]] = [Math.floor(offset / (kept[axes[1]] + 1)), inside];
    return inside < kept[axes[1]]; // a gap otherwise
  }
  for (const axis of [...axes].reverse()) {
    index[axis] = offset % kept[axis];
    offset = Math.floor(offset / kept[axis]);
  }
  return true;
}
