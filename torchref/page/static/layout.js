// Where the entries of a tensor stand on a plane: matrices as they are, windows as tiles, one example at a time.

// {rows, columns, index(row, column) -> index or null, cell(index) -> [row, column] or null, chosenAxis}
export function layout(tensor, example = 0) {
  const { kept, axes } = tensor;
  const chosenAxis = kept.length > 2 ? axes.indexOf("example") : -1;
  const fixed = chosenAxis < 0 ? 0 : Math.min(example, kept[chosenAxis] - 1);
  const inner = kept.map((_, axis) => axis).filter((axis) => axis !== chosenAxis);
  const plane = arranged(inner.map((axis) => kept[axis]));
  return {
    rows: plane.rows,
    columns: plane.columns,
    chosenAxis,
    index(row, column) {
      const found = plane.index(row, column);
      if (!found) return null;
      const index = kept.map(() => fixed);
      inner.forEach((axis, i) => (index[axis] = found[i]));
      return index;
    },
    cell: (index) => (chosenAxis >= 0 && index[chosenAxis] !== fixed ? null : plane.cell(inner.map((axis) => index[axis]))),
  };
}

function arranged(sizes) {
  if (sizes.length < 2) return matrix(1, sizes[0] ?? 1, ([i]) => [0, i ?? 0], (_, column) => (sizes.length ? [column] : []));
  if (sizes.length === 2) return matrix(...sizes, (index) => index, (row, column) => [row, column]);
  const [height, width] = sizes.slice(-2);
  if (sizes.length === 3) {
    const across = Math.ceil(Math.sqrt(sizes[0])); // channels as tiles, in a square
    const where = (tile) => [Math.floor(tile / across), tile % across];
    return tiles(Math.ceil(sizes[0] / across), across, height, width, ([tile]) => where(tile), (down, right) => (down * across + right < sizes[0] ? [down * across + right] : null));
  }
  const outer = sizes.slice(0, -3).reduce((a, b) => a * b, 1); // output channels down, input channels across
  const flat = (index) => index.slice(0, -3).reduce((offset, i, axis) => offset * sizes[axis] + i, 0);
  const unflat = (offset) => sizes.slice(0, -3).reduceRight(([rest, found], size) => [Math.floor(rest / size), [rest % size, ...found]], [offset, []])[1];
  return tiles(outer, sizes.at(-3), height, width, (index) => [flat(index), index.at(-3)], (down, right) => [...unflat(down), right]);
}

const matrix = (rows, columns, cell, index) => ({ rows, columns, cell, index });

// A grid of tiles with a gap between two: `at(index)` is the tile of an entry, `of(down, right)` the reverse.
function tiles(down, across, height, width, at, of) {
  return matrix(down * (height + 1) - 1, across * (width + 1) - 1,
    (index) => {
      const [row, column] = at(index);
      return [row * (height + 1) + index.at(-2), column * (width + 1) + index.at(-1)];
    },
    (row, column) => {
      const [i, j] = [row % (height + 1), column % (width + 1)];
      const tile = i < height && j < width ? of(Math.floor(row / (height + 1)), Math.floor(column / (width + 1))) : null;
      return tile && [...tile, i, j];
    });
}
